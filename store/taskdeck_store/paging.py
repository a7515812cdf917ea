"""A log of any length, read a page at a time."""

from __future__ import annotations

from collections.abc import Iterator

from taskdeck_store.contract import Store
from taskdeck_store.values import Event

_PAGE = 1_000


def every_event(
    store: Store, task_id: str | None = None, *, after: int = 0, until: int | None = None
) -> Iterator[Event]:
    """Yield all events of the store or of one task in order, after the seq `after`, up to the one with `until`."""
    while events := store.events(task_id, after=after, until=until, limit=_PAGE):
        yield from events
        after = events[-1].seq
