"""From moves to memories: which rows say what became of a task, and when they are said to be from."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from taskdeck_store import clock, machine
from taskdeck_store.machine import Code, Refusal
from taskdeck_store.minna import names
from taskdeck_store.minna.faults import said
from taskdeck_store.minna.fields import ATTRIBUTES, text_of
from taskdeck_store.minna.layout import Layout, Names, quoted
from taskdeck_store.minna.reading import TIME, VALUE, Entity, Reader
from taskdeck_store.minna.rows import Form, Forms, New
from taskdeck_store.minna.times import microseconds, sorts_after
from taskdeck_store.source import Move
from taskdeck_store.values import Task

FIELDS = ("id", *ATTRIBUTES, "created_at", "updated_at", "state_since")
"""The fields of a task that memories tell."""

_LONGEST_NOTE = 2_000
_SECOND = 1_000_000
_DEFAULTS = Task(id="-", title="-")


class NotWritten(Exception):
    """Why a move was not written."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.refusal = Refusal(code=code, message=message)


class Writer:
    """Writes moves as rows, inside a transaction of the caller that began before `entities` were read.

    `entities` are those that the moves are about, as they stand. `ahead` is by how many µs the file's texts of moments
    are ahead of UTC, `now` the moment in µs. When all is written, `latest` is the latest moment that was given to a
    row, as UTC.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        layout: Layout,
        forms: Forms,
        reader: Reader,
        entities: dict[str, Entity],
        *,
        ahead: int,
        now: int,
    ) -> None:
        self._connection = connection
        self._layout = layout
        self._forms = forms
        self._reader = reader
        self._entities = entities
        self._ahead = ahead
        self._now = now
        self._written: dict[str, Task] = {}
        self.latest = 0

    def write(self, move: Move) -> None:
        """Write one move, whole or not at all. Raises NotWritten, and apsw.Error."""
        task = move.task
        entity = names.entity_of(task.id)
        if entity is None:
            raise NotWritten(Code.INVALID, f"{task.id} can be the id of no entity; choose another id")
        self._compare(move, self._entities.get(entity), entity)
        with self._connection:
            try:
                self._add_rows(entity, move, self._told(move, self._entities.get(entity)))
            except apsw.ConstraintError as error:
                table = said(self._layout.table.name)
                raise NotWritten(
                    Code.READ_ONLY, f"cannot write {task.id}: {table} takes no such row ({said(error)})"
                ) from None
        self._written[task.id] = task

    def _compare(self, move: Move, entity: Entity | None, name: str) -> None:
        task_id, seen = move.task.id, move.seen
        mine = self._written.get(task_id)
        if mine is not None:
            stands: Task | None = mine
        elif entity is None:
            stands = None
        else:
            stands = self._reader.task_of(name, entity)[0]
        if seen is None:
            if stands is not None:
                raise NotWritten(Code.CONFLICT, f"{task_id} was added meanwhile; choose another id")
        elif stands is None:
            raise NotWritten(Code.CONFLICT, f"{task_id} was taken away meanwhile; nothing was changed")
        elif differ(stands, seen) or (mine is None and entity is not None and entity.said_after(seen.version)):
            raise NotWritten(Code.CONFLICT, machine.changed_meanwhile(stands, None).message)

    def _told(self, move: Move, entity: Entity | None) -> list[tuple[str, str]]:
        """Return the attributes that are to say something else than they do, with what; the state is the last."""
        before, after = move.seen or _DEFAULTS, move.task
        changed = [
            field
            for field in ATTRIBUTES
            if field != "state" and not machine.same(getattr(before, field), getattr(after, field))
        ]
        if move.seen is None and "title" not in changed:
            changed.insert(0, "title")
        told: list[tuple[str, str]] = []
        for field in changed:
            if field == "title":
                told.append((self._title_key(entity, after), self._text(field, after, entity)))
            elif field == "description" and self._title_key(entity, after) == "description":
                # Until now, the description was shown as the title.
                told.append(("title", self._text("title", after, entity)))
                told.append(("description", self._text(field, after, entity)))
            else:
                told.append((self._key(field, entity), self._text(field, after, entity)))
        if move.seen is None or before.state is not after.state:
            told.append((self._key("state", entity), self._reader.vocabulary.word(after.state)))
        return list(dict(told).items())

    def _title_key(self, entity: Entity | None, task: Task) -> str:
        """Return which attribute says the title: the description does where nobody uses titles."""
        if entity is not None and ("title" in entity.newest or "description" in entity.newest):
            return "title" if "title" in entity.newest else "description"
        if self._reader.has_titles or task.description or not self._reader.vocabulary.met:
            return "title"
        return "description"

    def _key(self, field: str, entity: Entity | None) -> str:
        said_by = None if entity is None else entity.said_by(field)
        if said_by is not None:
            return said_by[0]
        if field == "state" and self._reader.state_key is not None:
            return self._reader.state_key
        return ATTRIBUTES[field][0]

    def _text(self, field: str, task: Task, entity: Entity | None) -> str:
        said_by = None if entity is None else entity.said_by(field)
        try:
            return text_of(field, getattr(task, field), None if said_by is None else said_by[1][VALUE])
        except ValueError as error:
            raise NotWritten(Code.INVALID, f"cannot write {task.id}: {error}") from None

    def _add_rows(self, entity: str, move: Move, told: Sequence[tuple[str, str]]) -> None:
        command = move.commands[-1] if move.commands else None
        actions = " and ".join(one.action for one in move.commands) or "written"
        notes = "; ".join(one.note for one in move.commands if one.note)
        context = (f"{actions}: {notes}" if notes else actions)[:_LONGEST_NOTE]
        moment = self._moment(move, entity, told)
        keys = (
            self._name(self._layout.entities, self._forms.entities, entity, moment, entity, ""),
            [self._name(self._layout.attributes, self._forms.attributes, key, moment, entity, key) for key, _ in told],
        )
        for attribute, (_, value) in zip(keys[1], told, strict=True):
            new = New(
                entity=keys[0],
                attribute=attribute,
                value=value,
                moment=moment,
                source=_kept(command.actor if command else "taskdeck"),
                context=_kept(context),
            )
            form = self._forms.memories
            self._connection.execute(form.sql, form.values(new))
        self.latest = max(self.latest, moment - self._ahead)
        spelling = self._forms.spelling
        time = None if spelling is None else spelling.written(moment)
        newest = self._entities.setdefault(entity, Entity(time)).newest
        for key, value in told:
            newest.pop(key, None)
            newest[key] = (entity, key, value, time, None, None, None)

    def _moment(self, move: Move, entity: str, told: Sequence[tuple[str, str]]) -> int:
        """Return when the rows are said to be from: later than each that they are to come after."""
        given = move.task.updated_at
        at = (self._now if given is None else clock.to_microseconds(given)) + self._ahead
        spelling = self._forms.spelling
        if spelling is None:
            return at
        stands = self._entities.get(entity)
        lasts = {} if stands is None else {key: stands.newest[key][TIME] for key, _ in told if key in stands.newest}
        for tick in (spelling.tick, max(spelling.tick, _SECOND)):
            # Where only some of a file's texts have a fraction, a second more is needed to be sorted behind them.
            at = max([at, *(when + tick for last in lasts.values() if (when := microseconds(last)) is not None)])
            at -= at % spelling.tick
            late = [key for key, last in lasts.items() if not sorts_after(spelling.written(at), last)]
            if not late:
                return at
        message = f"cannot write {move.task.id}: no row could come after the time of its {said(late[0])}"
        raise NotWritten(Code.READ_ONLY, f"{message}, which is {said(lasts[late[0]])!r}")

    def _name(
        self, names_: Names | None, form: Form | str | None, name: str, moment: int, entity: str, attribute: str
    ) -> object:
        """Return by what a row tells an entity or attribute, which is added to the table that has their names."""
        if names_ is None:
            return name
        table = names_.table
        sql = f"SELECT {quoted(names_.id)} FROM {quoted(table.name)} WHERE {quoted(names_.name)} = ? LIMIT 1"
        found = self._connection.execute(sql, (name,)).fetchall()
        if found:
            return found[0][0]
        if not isinstance(form, Form):
            raise NotWritten(Code.READ_ONLY, f"cannot write {entity}: {form}")
        new = New(entity=entity, attribute=attribute, value="", moment=moment, source="", context="")
        self._connection.execute(form.sql, form.values(new))
        return self._connection.execute(sql, (name,)).fetchall()[0][0]


def differ(one: Task, other: Task) -> bool:
    """Tell whether two tasks differ in what memories say of them."""
    return any(not machine.same(getattr(one, name), getattr(other, name)) for name in ATTRIBUTES)


def _kept(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
