"""Whether the events that a source tells lead from a task as it was known to the task as it is seen, and then what they
put on record.

Who did something and why is the source's word, and nothing more: an actor is marked as told. What a task was and is
comes from what was seen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from taskdeck_store import clock, machine, replay, validity
from taskdeck_store.machine import RULES
from taskdeck_store.observed.noticing import NEVER, Noticed, as_text, beside, beyond, event_of, everything, fit, gone
from taskdeck_store.printable import one_line
from taskdeck_store.source import Told
from taskdeck_store.values import EXTERNAL, FIELDS, OUTSIDE, REMOVED, TOLD, Action, Json, State, Task, Time

_LATER = 5
"""How many of the first events may be of what is on record already: a task may be read later than the others."""
_LONGEST_NAME = 200
_NO_FIELD = frozenset(("blocked", "version", "attempts", *NEVER))
"""What an event does not tell of by its changes, or what the mirror has of its own."""
_NOTHING = Task(id="", title="")
_ANY = "any"


class Believed(Struct, frozen=True):
    """An event that has no seq yet, the task after it (None: it is gone), and where the source has it in its log."""

    noticed: Noticed
    told_as: int


def believed(
    before: Task | None, seen: Task | None, told: Sequence[Told], fields: Collection[str], at: Time
) -> list[Believed] | None:
    """Return what the events of a task put on record, if they lead from it as it was known (None: not at all) to it as
    a source has it (None: gone); else None.

    Of the task, `fields` are the source's; `at` is now. What it says of moments to come is not believed.
    """
    for first in range(min(len(told), _LATER)):
        found = _Run(seen, told[first:], fields, at).follow(before)
        if found is not None:
            return found
    return None


class _Run:
    def __init__(self, seen: Task | None, told: Sequence[Told], fields: Collection[str], at: Time) -> None:
        self._seen = seen
        self._told = told
        self._fields = frozenset(fields)
        self._at = at
        moves = [number for number, one in enumerate(told) if one.from_state is not one.to_state]
        self._last_move = max(moves, default=None)

    def follow(self, task: Task | None) -> list[Believed] | None:
        found: list[Believed] = []
        for number, one in enumerate(self._told):
            if one.from_state is not (None if task is None else task.state) or not _is_legal(one):
                return None
            after = None
            if one.to_state is not None:
                after = self._after(task, number, one.to_state)
                if after is None:
                    return None
            found.append(Believed(self._noticed(task, after, one), one.seq))
            task = after
        return found if self._is_seen(task) else None

    def _after(self, before: Task | None, number: int, state: State) -> Task | None:
        """Return a task after an event that says it is in a state; None where the event cannot be one of it."""
        one = self._told[number]
        moment = self._moment(one)
        base = before if before is not None else replace(_NOTHING, id=one.task_id)
        values: dict[str, Json] = {}
        if before is None and self._seen is not None:
            # Where there is no title, a source shows something else for it.
            values["title"] = self._seen.title
        extra: dict[str, Json] = {}
        for name, old, new in self._changes(number, base):
            if name in _NO_FIELD or (name in FIELDS and name not in self._fields):
                continue
            if name not in FIELDS:
                if not machine.same(old, _of(base, name)):
                    return None
                extra[beside(name)] = new
                continue
            value = replay.field(name, new)
            is_null = value is None and (new is not None or getattr(_NOTHING, name) is not None)
            if is_null or not machine.same(replay.field(name, old), getattr(base, name)):
                return None
            if value is not None and validity.wrong_field(name, value) is not None:
                return None
            if value != "" or name != "title":
                values[name] = value
        # Only what is new is looked at, so that many events of a large task cost no more than they say.
        new_parts = replace(_NOTHING, **{"title": _ANY, **values, "extra": extra})
        if moment is None or fit(new_parts) != new_parts:
            return None
        values |= {"state": state, "attempts": one.attempts, "updated_at": moment}
        if before is None:
            values["created_at"] = moment
        if one.from_state is not state:
            values["state_since"] = moment
            values["lease_until"] = None if state is not State.IN_PROGRESS else base.lease_until
            values |= self._meant(one)
        if self._seen is not None:
            values |= self._stamps(number, self._seen)
        if extra:
            values["extra"] = {name: value for name, value in (base.extra | extra).items() if value is not None}
        return replace(base, **values)

    def _moment(self, one: Told) -> Time | None:
        """Return when an event was, which is now at the latest; None where it says no moment."""
        moment = clock.normalised(one.at)
        return None if moment is None else min(moment, self._at)

    def _changes(self, number: int, task: Task) -> Iterator[tuple[str, Json, Json]]:
        """Yield what an event changes of a task: field, before and after. What it does not tell became what is seen."""
        one = self._told[number]
        for name, (old, new) in one.changes.items():
            yield name, old, new
        for name in one.untold:
            yield name, _of(task, name), _of(self._seen or task, name)

    def _meant(self, one: Told) -> dict[str, Json]:
        """Return what a move means for fields that the source does not keep."""
        meant: dict[str, Json] = {"not_before": None, "owner": None}
        if one.action not in RULES or not RULES[Action(one.action)].again:
            del meant["owner"]
        return {name: value for name, value in meant.items() if name not in self._fields}

    def _stamps(self, number: int, seen: Task) -> dict[str, Json]:
        """Return the moments that the source tells of the task, from the event on that they are of."""
        last = {"state_since": self._last_move, "updated_at": len(self._told) - 1}
        if self._told[number].from_state is None:
            last["created_at"] = number
        return {
            name: getattr(seen, name)
            for name, of in last.items()
            if of == number and name in self._fields and getattr(seen, name) is not None
        }

    def _noticed(self, before: Task | None, after: Task | None, one: Told) -> Noticed:
        if after is None:
            assert before is not None
            changes = gone(before)
        elif before is None:
            changes = everything(after)
            changes |= {name: (None, getattr(after, name)) for name in ("created_at", "state_since")}
        else:
            changes = machine.changed(before, after)
            if before.extra is not after.extra:
                changes |= beyond(before.extra, after.extra)
            if one.from_state is not one.to_state:
                changes["state_since"] = (before.state_since, after.state_since)
        note = None if one.note is None else as_text(one.note)
        event = event_of(before, after, one.action, self._moment(one) or self._at, changes, note)
        return replace(event, actor=_actor(one.actor)), after

    def _is_seen(self, task: Task | None) -> bool:
        seen = self._seen
        if task is None or seen is None:
            return task is seen
        names = self._fields - NEVER
        return (
            task.state is seen.state
            and all(machine.same(getattr(task, name), getattr(seen, name)) for name in names)
            and not beyond(task.extra, seen.extra)
        )


def _of(task: Task, name: str) -> Json:
    """Return what a task has under the name that an event has for it."""
    return machine.plain(getattr(task, name)) if name in FIELDS else task.extra.get(beside(name))


def _is_legal(one: Told) -> bool:
    """Tell whether the action of an event is one between its states."""
    if one.from_state is None or one.to_state is None:
        wanted = Action.ADD if one.from_state is None else REMOVED
        return one.action == wanted and (one.from_state is not None or one.to_state is not None)
    if one.action == OUTSIDE:
        return one.from_state is not one.to_state
    if one.action not in RULES or one.action == Action.ADD:
        return False
    rule = RULES[Action(one.action)]
    return one.from_state in rule.sources and one.to_state is (rule.target or one.from_state)


def _actor(name: str) -> str:
    """Return an actor of a source as one who is only told of; who is nobody there is nobody here."""
    shown = one_line(name, _LONGEST_NAME).strip()
    return EXTERNAL if shown in ("", EXTERNAL) else f"{TOLD}{shown}"
