"""How many tasks are where, as it is told."""

from __future__ import annotations

from msgspec import Struct

from taskdeck_store import clock, recovery
from taskdeck_store.contract import Store
from taskdeck_store.query.terms import BlockedTerm, Query
from taskdeck_store.values import State, Time

_BLOCKED = Query((BlockedTerm(blocked=True),))


class Paused(Struct, frozen=True, kw_only=True):
    """What is not claimed: what matches a filter ('': anything); by whom that was said, a claim, and why."""

    query: str
    by: str
    note: str


class Stats(Struct, frozen=True, kw_only=True):
    """How many tasks there are, in all and by state.

    `blocked` counts the pending ones that depend on others which are not completed, `overdue` those in progress whose
    lease has run out. `oldest` is since when the task that is longest in a state is there.
    """

    total: int
    pending: int
    in_progress: int
    review: int
    completed: int
    failed: int
    blocked: int
    overdue: int
    oldest: dict[str, Time | None]
    paused: tuple[Paused, ...]


def stats(store: Store) -> Stats:
    """Return how many tasks of a store are where. Raises StoreError."""
    with store.reading():
        tallies = store.counts()
        return Stats(
            total=sum(tally.count for tally in tallies.values()),
            **{state.value: tallies[state].count for state in State},
            blocked=store.counts(_BLOCKED)[State.PENDING].count,
            overdue=len(recovery.overdue(store, clock.utc_now())),
            oldest={state.value: tallies[state].oldest for state in State},
            paused=tuple(Paused(query=one.query, by=one.by, note=one.note) for one in store.pauses()),
        )
