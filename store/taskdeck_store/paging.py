"""A log of any length, read a page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

from taskdeck_store.contract import Store
from taskdeck_store.values import Event

_FIRST, _MOST = 8, 1_000
_QUICK, _SLOW = 0.01, 0.05
"""Seconds: pages grow while one takes less, and shrink when one takes more: there an event may hold megabytes."""


def every_event(
    store: Store, task_id: str | None = None, *, after: int = 0, until: int | None = None
) -> Iterator[Event]:
    """Yield all events of the store or of one task in order, after the seq `after`, up to the one with `until`."""
    limit, begun = _FIRST, monotonic()
    while events := store.events(task_id, after=after, until=until, limit=limit):
        took = monotonic() - begun
        limit = min(limit * 2, _MOST) if took < _QUICK else max(limit // 4, 1) if took > _SLOW else limit
        after = events[-1].seq
        yield from events
        # Before the next page is read, this one is let go of.
        del events
        begun = monotonic()
