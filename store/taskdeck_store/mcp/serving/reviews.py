"""What a reviewer made of a task: the verdict as the audit log has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from taskdeck_store.contract import Store
from taskdeck_store.mcp.serving.shapes import Shown, shown
from taskdeck_store.paging import every_event
from taskdeck_store.values import Event, State, Time

WAITING = "waiting"

_VERDICTS: Mapping[State | None, str] = {
    State.COMPLETED: "approved",
    State.PENDING: "rejected",
    State.FAILED: "failed",
    State.IN_PROGRESS: "reopened",
    None: "removed",
}
_PAGE = 50


class Verdict(Struct, frozen=True, kw_only=True):
    """What became of a task after it was submitted.

    `verdict` is approved, rejected (it is back in the queue: see the note), failed, reopened (in progress again),
    removed, or waiting: there is none yet. `note` is why, `by` who said so (a claim), `at` when, `seq` the event.
    """

    verdict: str
    task: Shown | None
    note: str | None = None
    by: str | None = None
    at: Time | None = None
    seq: int | None = None


def verdict(store: Store, task_id: str, after: int | None = None) -> Verdict | None:
    """Return what was decided about a task that was last handed in, or after a seq; None: there was never such a task.

    Without an event that tells, its state does: one that is completed or failed will not be reviewed. Raises
    StoreError.
    """
    with store.reading():
        task = store.get(task_id)
        left = _left_review(store, task_id, after)
    told = shown(task) if task is not None else None
    if left is not None:
        return Verdict(
            verdict=_VERDICTS[left.to_state], task=told, note=left.note, by=left.actor, at=left.at, seq=left.seq
        )
    if task is None:
        return None
    if task.state in (State.COMPLETED, State.FAILED):
        return Verdict(verdict=_VERDICTS[task.state], task=told, note=task.error)
    return Verdict(verdict=WAITING, task=told)


def _left_review(store: Store, task_id: str, after: int | None) -> Event | None:
    """Return the event by which a task first left the review after a seq; without one, the last review that it left.

    A task that is in review, or in progress for the first time, has left none.
    """
    if after is not None:
        return next((event for event in every_event(store, task_id, after=after) if _leaves(event)), None)
    left: Event | None = None
    for event in _backwards(store, task_id):
        if event.to_state is State.REVIEW and event.from_state is not State.REVIEW:
            return left
        if _leaves(event):
            left = event
    return left


def _leaves(event: Event) -> bool:
    return event.from_state is State.REVIEW and event.to_state is not State.REVIEW


def _backwards(store: Store, task_id: str) -> Iterator[Event]:
    limit = _PAGE
    told = 0
    while True:
        found = store.events(task_id, limit=limit, newest=True)
        yield from reversed(found[: len(found) - told])
        told = len(found)
        if told < limit:
            return
        limit *= 4
