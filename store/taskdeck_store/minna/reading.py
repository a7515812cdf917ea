"""From memories to tasks: the newest row of each attribute, and what is known of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from taskdeck_store import validity
from taskdeck_store.minna import names
from taskdeck_store.minna.fields import ATTRIBUTES, FIELD, value_of
from taskdeck_store.minna.times import microseconds, told
from taskdeck_store.minna.words import Vocabulary, says_more, state_of
from taskdeck_store.printable import one_line
from taskdeck_store.values import Json, State, Task

_LONGEST_WORD = 60
_CERTAIN = (1, 100)
"""Full confidence, which goes without saying: some files count to a hundred."""
_STATES = frozenset(ATTRIBUTES["state"])


Row: TypeAlias = tuple[Any, ...]
"""A memory, as `Layout.selected` reads it: entity, attribute, value, time, confidence, verified, and its number, which
is greater in rows that came later. No more than a tuple, since a file has many.
"""
VALUE, TIME, CONFIDENCE, VERIFIED, NUMBER = range(2, 7)


class Entity:
    """What is remembered of one task.

    `newest` has the newest row of each attribute, those with the oldest first. `since` is when the state was first
    said that was said ever since.
    """

    __slots__ = ("first", "newest", "since")

    def __init__(self, first: object) -> None:
        self.newest: dict[str, Row] = {}
        self.first = first
        self.since: object = None

    @property
    def mark(self) -> int:
        """What is another where anything else is remembered."""
        return hash((*self.newest.values(), self.first, self.since))

    def said_by(self, field: str) -> tuple[str, Row] | None:
        """Return the attribute that says a field, and its row; None where none does."""
        return next((one for one in reversed(self.newest.items()) if FIELD.get(one[0]) == field), None)

    @property
    def sureness(self) -> tuple[float, int] | None:
        """With which confidence the state was said, and when that was last verified, in µs; None: no row tells."""
        row = next((row for attribute, row in reversed(self.newest.items()) if attribute in _STATES), None)
        if row is None:
            return None
        since = microseconds(row[TIME] if row[VERIFIED] is None else row[VERIFIED])
        return (row[CONFIDENCE], since) if isinstance(row[CONFIDENCE], int | float) and since is not None else None

    @property
    def version(self) -> str:
        """The number of the last row that is the newest of an attribute."""
        return str(max([row[NUMBER] or 0 for row in self.newest.values()]))

    def said_after(self, version: str) -> bool:
        """Tell whether a field was said by a row that is later than a version."""
        last = max((row[NUMBER] or 0 for attribute, row in self.newest.items() if attribute in FIELD), default=0)
        return not version.isdigit() or last > int(version)


def entities_of(rows: Iterable[Row]) -> dict[str, Entity]:
    """Return what rows, the oldest first, say of each task, by the names of the entities."""
    found: dict[str, Entity] = {}
    for row in rows:
        name, attribute, value, time, *_ = row
        entity = found.get(name)
        if entity is None:
            if not isinstance(name, str) or not name.startswith(names.PREFIX):
                continue
            entity = found[name] = Entity(time)
        newest = entity.newest
        if attribute.__class__ is not str:
            attribute = str(attribute)
        before = newest.pop(attribute, None)
        newest[attribute] = row
        if attribute in _STATES and (before is None or before[VALUE] != value):
            entity.since = time
    return found


class Reader:
    """Makes tasks of entities. It keeps what the file uses: its words, the attribute of a state, and whether titles."""

    def __init__(self) -> None:
        self.vocabulary = Vocabulary()
        self.state_key: str | None = None
        self.has_titles = False

    def learn(self, entity: Entity) -> None:
        """Note what an entity uses."""
        newest = entity.newest
        self.has_titles = self.has_titles or "title" in newest
        for attribute in newest.keys() & _STATES:
            self.state_key = attribute
            word = _word(newest[attribute][VALUE])
            if state_of(word) is not None:
                self.vocabulary.met[word] += 1

    def task_of(self, name: str, entity: Entity) -> tuple[Task | None, str | None]:
        """Return a task, and what is wrong with it, in a line."""
        task_id = names.id_of(name)
        wrong = validity.wrong_id(task_id)
        if wrong is not None:
            return None, f"{one_line(name, _LONGEST_WORD)} cannot be shown: {one_line(wrong, 200)}"
        values: dict[str, Json] = {}
        extra: dict[str, Json] = {}
        flaw = state = last = None
        for attribute, row in entity.newest.items():
            last = row[TIME]
            field = FIELD.get(attribute)
            if field == "state":
                state = attribute
                continue
            held = None if field is None else value_of(field, row[VALUE])
            if held is None:
                extra[attribute] = _plain(row[VALUE])
            else:
                values[field] = held[0]  # type: ignore[index]
        if state is not None:
            values["state"], flaw = _state(name, state, entity.newest[state], extra)
            _confide(entity, entity.newest[state], extra)
        if "title" not in values:
            values["title"] = values.pop("description", "")
        if not values["title"].strip():
            values["title"] = task_id
        task = Task(
            id=task_id,
            created_at=told(entity.first),
            updated_at=told(last),
            state_since=told(entity.first if state is None else entity.since),
            version=entity.version,
            extra=extra,
            **values,
        )
        return task, flaw


def _state(name: str, attribute: str, row: Row, extra: dict[str, Json]) -> tuple[State, str | None]:
    word = _word(row[VALUE])
    state = state_of(word)
    if state is None:
        extra[attribute] = word
        shown = f"{one_line(name, _LONGEST_WORD)}: {one_line(word, _LONGEST_WORD)!r}"
        return State.REVIEW, f"{shown} is no {attribute} that is known here; it is shown in review"
    if says_more(word):
        extra[attribute] = word
    return state, None


def _confide(entity: Entity, row: Row, extra: dict[str, Json]) -> None:
    """Say how sure the state is where it is not certain, and which other attribute is less sure than it.

    What is left of a confidence changes with no commit, and would change every task on record: it is told apart.
    """
    confidence = row[CONFIDENCE]
    if isinstance(confidence, int | float):
        if confidence not in _CERTAIN:
            extra["confidence"] = confidence
        for attribute, other in entity.newest.items():
            if isinstance(other[CONFIDENCE], int | float) and other[CONFIDENCE] < confidence:
                confidence = other[CONFIDENCE]
                extra["least_sure"] = {"attribute": attribute, "confidence": confidence}
    if row[VERIFIED] is not None and (verified := told(row[VERIFIED])) != told(row[TIME]):
        extra["verified_at"] = verified


def _word(value: object) -> str:
    return value if isinstance(value, str) else str(_plain(value))


def _plain(value: object) -> Json:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
