"""What dead workers held goes back to the queue: the tasks whose lease has run out."""

from __future__ import annotations

from collections.abc import Sequence

from taskdeck_store import clock
from taskdeck_store.contract import Outcome, Store
from taskdeck_store.machine import Command, command, is_overdue, new_operation
from taskdeck_store.printable import one_line
from taskdeck_store.query.terms import Field, Pattern, Query, TextTerm
from taskdeck_store.values import Action, State, Task, Time

_LONGEST_NAME = 100


def overdue(store: Store, now: Time, states: Sequence[State] = (State.IN_PROGRESS,)) -> list[Task]:
    """Return the tasks of some states whose lease ran out before a moment, in the board's order. Raises StoreError."""
    choices = tuple(Pattern("exact", state) for state in states)
    query = Query((TextTerm(field=Field.STATE, choices=choices),))
    return [task for task in store.tasks(query) if is_overdue(task, now)]


def release_overdue(store: Store, *, actor: str, now: Time, note: str | None = None) -> tuple[Outcome, ...]:
    """Release what is overdue at a moment, in one commit and as one group; each event says why, and then `note`.

    A task that was renewed, released or finished between the look and the commit is refused with a conflict, and the
    others are released. Raises StoreError.
    """
    group = new_operation()
    return store.apply([_release(task, actor, now, group, note) for task in overdue(store, now)])


def overdue_note(task: Task) -> str:
    """Return why a task is released whose lease has run out: when that was, and who held it."""
    ended = clock.normalised(task.lease_until or "")
    holder = f"{one_line(task.owner, _LONGEST_NAME)} held it" if task.owner else "nobody is named who held it"
    return f"its lease ran out at {ended}; {holder}"


def _release(task: Task, actor: str, now: Time, group: str, note: str | None) -> Command:
    why = overdue_note(task)
    return command(
        task.id,
        Action.RELEASE,
        actor=actor,
        note=f"{why}; {note}" if note else why,
        expect=task.version,
        overdue_at=now,
        group=group,
    )
