"""What was done, and for how long, in words: the texts that sentences about tasks are made of.

Names of actors, actions and fields come out as they are in the store; who shows a sentence makes it fit for there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from taskdeck_store import pausing
from taskdeck_store.machine import said
from taskdeck_store.replay import is_found
from taskdeck_store.values import EXTERNAL, OUTSIDE, PAUSED, QUEUE, REMOVED, RESUMED, Action, Event, State

_DID: Mapping[str, str] = {
    Action.ADD: "added it",
    Action.SUBMIT: "submitted a result",
    Action.APPROVE: "approved it",
    Action.REJECT: "rejected it",
    Action.FAIL: "failed it",
    Action.RETRY: "put it back in the queue",
    Action.RELEASE: "gave it back to the queue",
    REMOVED: "took it out of the store",
}
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
_EXACT = 3
"""From so many of a unit on, the smaller unit no longer matters."""


def who(actor: str) -> str:
    """Return an actor as a person reads it: a name is a claim, and `external` is nobody's."""
    return "an outside program" if actor == EXTERNAL else actor


def did(event: Event) -> str:
    """Return what was done, without who and why: ``started attempt 2``."""
    if event.task_id == QUEUE and event.action in (PAUSED, RESUMED):
        return pausing.done(event)
    if event.undoes is not None:
        return f"undid event {event.undoes}{_arrow(event.from_state, event.to_state)}"
    if event.action == Action.ADD and is_found(event):
        return "added it before"
    if event.action == Action.START:
        return f"started attempt {event.attempts + 1}"
    if event.action == Action.EDIT:
        return f"changed {listed(event.changes) or 'nothing'}"
    if event.action == OUTSIDE:
        return f"moved it{_arrow(event.from_state, event.to_state)}"
    return _DID.get(event.action) or f"did {event.action}{_arrow(event.from_state, event.to_state)}"


def standing(state: State | None) -> str:
    """Return where a task is, as what follows ``it is``; None for one that is not in its store."""
    return "gone" if state is None else "in review" if state is State.REVIEW else said(state)


def listed(words: Iterable[str]) -> str:
    """Return words as a list to read: ``a, b and c``."""
    every = list(words)
    return " and ".join(filter(None, [", ".join(every[:-1]), *every[-1:]]))


def lasting(seconds: float) -> str:
    """Return a length of time, rounded down: ``5 minutes``, ``1 hour 40 minutes``; ``less than a second``."""
    left = int(seconds)
    for at, (unit, size) in enumerate(_UNITS):
        count, rest = divmod(left, size)
        if count:
            smaller, small = _UNITS[min(at + 1, len(_UNITS) - 1)]
            more = rest // small if count < _EXACT else 0
            return _counted(count, unit) + (f" {_counted(more, smaller)}" if more else "")
    return "less than a second"


def _counted(count: int, unit: str) -> str:
    return f"{count:,} {unit}{'' if count == 1 else 's'}"


def _arrow(before: State | None, after: State | None) -> str:
    if before is None and after is None:
        return ""
    old, new = (said(state) if state else "–" for state in (before, after))
    return f" from {old} to {new}"
