"""From a whole task to the card a board shows of it."""

from __future__ import annotations

from taskdeck_store import jsontext
from taskdeck_store.values import CARD_PREVIEW, CARD_TITLE, Card, Json, State, Task


def card_of(task: Task) -> Card:
    """Return what a board shows of a task."""
    return Card(
        id=task.id,
        title=task.title[:CARD_TITLE],
        state=task.state,
        priority=task.priority,
        tags=task.tags,
        attempts=task.attempts,
        max_attempts=task.max_attempts,
        not_before=task.not_before,
        blocked=task.blocked,
        owner=task.owner,
        state_since=task.state_since,
        version=task.version,
        preview=_preview(task)[:CARD_PREVIEW],
    )


def _text(value: Json) -> str:
    try:
        return jsontext.encode(value)
    except ValueError:
        # A whole number may have more digits than Python writes out.
        return "…"


def _preview(task: Task) -> str:
    if task.state is State.FAILED:
        return task.error or ""
    if task.state in (State.REVIEW, State.COMPLETED):
        return "" if task.result is None else _text(task.result)
    return task.description
