"""The events of what programs that know nothing of Taskdeck did to a task file."""

from __future__ import annotations

from taskdeck_store import machine
from taskdeck_store.jsonfile.audit import Line
from taskdeck_store.jsonfile.document import Record
from taskdeck_store.jsonfile.fields import Data, moment
from taskdeck_store.jsonfile.known import STAMPS, Known, beside
from taskdeck_store.jsonfile.mapping import Mapping
from taskdeck_store.values import EXTERNAL, FIELDS, LATEST, OUTSIDE, REMOVED, TIMES, Action, Json, State, Task, Time

_UNSAID = Task(id="", title="")
_NO_CHANGE = ("id", "state")


def outside_line(
    seq: int,
    at: Time,
    task_id: str,
    known: Known | None,
    record: Record | None,
    mapping: Mapping,
    note: str | None = None,
) -> Line:
    """Return the event from what the log knows of a task to what the file says of it: a record, or nothing.

    `note` is that of a task that the log knows nothing of.
    """
    before = known.said if known is not None and known.record is not None else None
    from_state = State(before["state"]) if before is not None else None
    if record is None:
        attempts: int = before["attempts"] if before is not None else 0
        lost = {name: value for name, value in (before or {}).items() if name not in STAMPS}
        return _line(seq, at, task_id, REMOVED, from_state, None, attempts, _changes(lost, {}), None)
    data = record.data()
    said = mapping.said(data)
    to_state = State(said["state"])
    if known is None or before is None or from_state is None:
        attempts = said.get("attempts") or 0
        return _line(seq, at, task_id, Action.ADD, None, to_state, attempts, _changes({}, said), record.digest, note)
    action = machine.action_between(from_state, to_state)
    after = {**beside(known, data, mapping), **said}
    after |= {name: value for name, value in _implied(action, from_state, after).items() if name not in said}
    attempts = after.get("attempts") or 0
    changes = _changes(before, after)
    return _line(seq, at, task_id, action or OUTSIDE, from_state, to_state, attempts, changes, record.digest)


def _line(
    seq: int,
    at: Time,
    task_id: str,
    action: str,
    from_state: State | None,
    to_state: State | None,
    attempts: int,
    changes: dict[str, tuple[Json, Json]],
    record: str | None,
    note: str | None = None,
) -> Line:
    return Line(
        seq=seq,
        task_id=task_id,
        at=at,
        actor=EXTERNAL,
        action=action,
        from_state=from_state,
        to_state=to_state,
        attempts=attempts,
        changes=changes,
        note=note,
        record=record,
    )


def _implied(action: Action | None, from_state: State, said: Data) -> Data:
    """Return what a move means for fields that the file has no place for."""
    implied: Data = {} if action is Action.EDIT else {"not_before": None}
    if action is not Action.EDIT and from_state is State.IN_PROGRESS:
        implied["lease_until"] = None
    if action is not None and machine.RULES[action].again:
        implied |= {"attempts": (said.get("attempts") or 0) + 1, "owner": None}
    return implied


def _changes(before: Data, after: Data) -> dict[str, tuple[Json, Json]]:
    names = [name for name in {**before, **after} if name not in _NO_CHANGE]
    pairs = {name: (before.get(name), after.get(name)) for name in names}
    return {name: (old, new) for name, (old, new) in pairs.items() if _is_change(name, old, new)}


def _is_change(name: str, old: Json, new: Json) -> bool:
    if old is None:
        return new is not None and new != _meant(name, None)
    before, after = _meant(name, old), _meant(name, new)
    if name in LATEST and before is not None:
        return after > before if after is not None else new is not None
    return not machine.same(before, after)


def _meant(name: str, value: Json) -> Json:
    """Return what a value stands for: null for what a task is without it, a moment however it is spelled."""
    if name in TIMES:
        return moment(value) or (None if name in LATEST else value)
    return machine.plain(getattr(_UNSAID, name)) if value is None and name in FIELDS else value
