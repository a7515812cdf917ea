"""As which state a column is shown that people have named themselves: by its name, or by where it stands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from taskdeck_store.values import State

_WORDS: Mapping[State, str] = {
    State.PENDING: "todo ready backlog new open planned next queued blocked waiting onhold draft",
    State.IN_PROGRESS: "doing inprogress started active working wip progress",
    State.REVIEW: "review inreview testing test qa verify verification approval",
    State.COMPLETED: "done completed complete finished closed archive archived shipped",
    State.FAILED: "cancelled canceled failed wontdo wontfix rejected abandoned",
}
_BY_WORD = {word: state for state, words in _WORDS.items() for word in words.split()}


def states_of(names: Sequence[str]) -> dict[str, State]:
    """Return the states of columns, given their names in order: of one whose name says nothing, the first is pending,
    the last completed, and what lies between is in progress.
    """
    return {name: _named(name) or _placed(rank, len(names)) for rank, name in enumerate(names)}


def lacking(words: Mapping[str, State], why: str) -> dict[State, str]:
    """Return the states for which no column stands, each with the reason."""
    return {state: why for state in State if state not in words.values()}


def _named(name: str) -> State | None:
    return _BY_WORD.get(re.sub(r"[^a-z]", "", name.casefold()))


def _placed(rank: int, count: int) -> State:
    if rank == 0:
        return State.PENDING
    return State.COMPLETED if rank == count - 1 else State.IN_PROGRESS
