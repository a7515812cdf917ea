"""Tasks from events: what the audit log alone says that a task is."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from taskdeck_store import clock, jsontext, machine, validity
from taskdeck_store.values import EXTERNAL, FIELDS, FOUND_NOTE, LATEST, TIMES, Event, Json, State, Task

_UNRECORDED = ("id", "lease_until", "updated_at")
"""What two tellings of a task may differ in: a heartbeat renews the lease, and writes no event."""
_STAMPS = ("created_at", "state_since")
"""Moments that a store need not keep."""


def is_found(event: Event) -> bool:
    """Tell whether an event is the first that a log knows of a task that was there before, and not its beginning."""
    if event.from_state is not None or event.to_state is None or event.undoes is not None:
        return False
    return event.to_state is not State.PENDING or (event.actor == EXTERNAL and event.note == FOUND_NOTE)


def after(task: Task | None, event: Event) -> Task | None:
    """Return a task after one more event of it; None where there is none: before its first, and once it was removed."""
    if event.to_state is None:
        return None
    fields: dict[str, Json] = {"updated_at": event.at}
    if task is None:
        fields["created_at"] = event.at
    if task is None or event.from_state is not event.to_state:
        fields["state_since"] = event.at
    extra: dict[str, Json] = {}
    for name, (_, value) in event.changes.items():
        held = field(name, value)
        if held is None and (name not in _NULLABLE or value is not None):
            extra[name] = value
        else:
            fields[name] = held
    fields |= {"state": event.to_state, "attempts": event.attempts, "version": str(event.seq)}
    if task is None:
        task = Task(id=event.task_id, title="")
    if extra or task.extra.keys() & fields.keys():
        kept = {name: value for name, value in task.extra.items() if name not in fields}
        fields["extra"] = {**kept, **extra}
    return replace(task, **fields)


def field(name: str, value: Json) -> Json:
    """Return what a field of a task holds for a value on record; None where it cannot hold it, or holds nothing."""
    if name not in FIELDS:
        return None
    if value is None:
        return getattr(_BARE, name)
    if name in TIMES:
        return clock.normalised(value) if isinstance(value, str) else None
    if name == "depends_on":
        return validity.ids_of(value)
    return jsontext.texts(value) if name == "tags" else value


def fold(events: Iterable[Event]) -> Task | None:
    """Return the task that all these events of it, from its first one on, lead to; None where there is none."""
    task: Task | None = None
    for event in events:
        task = after(task, event)
    return task


def differences(stored: Task | None, replayed: Task | None) -> dict[str, tuple[Json, Json]]:
    """Return the fields in which a stored task is not what its events say: name → stored and replayed.

    A task that only one side has differs in `state`. Lease and `updated_at` are not compared: heartbeats change them.
    """
    if stored is None or replayed is None:
        one, other = (None if task is None else task.state.value for task in (stored, replayed))
        return {} if one == other else {"state": (one, other)}
    found: dict[str, tuple[Json, Json]] = {}
    for name in (*FIELDS, "version"):
        one, other = getattr(stored, name), getattr(replayed, name)
        unkept = name in _UNRECORDED or (name in _STAMPS and one is None)
        if not unkept and not machine.same(one, other) and not (name == "title" and not other.strip()):
            found[name] = (machine.plain(one), machine.plain(other))
    # A task file may leave these behind, or fill them with what is no moment; the log has its own.
    for name in (stored.extra.keys() | replayed.extra.keys()).difference(LATEST):
        one, other = stored.extra.get(name), replayed.extra.get(name)
        if not machine.same(one, other) and not (one in _EMPTY and other in _EMPTY):
            found[name] = (one, other)
    return found


_EMPTY: tuple[Json, ...] = (None, "", [], {})
"""What a task has in a field of its file that was never filled in."""
_BARE = Task(id="", title="")
_NULLABLE = frozenset(name for name in FIELDS if getattr(_BARE, name) is None)
