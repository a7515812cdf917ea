"""What a worker waits for: what has ended, told by any thread, and a wake-up, by any signal handler."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeAlias

from taskdeck_store.worker.part import Ended

Item: TypeAlias = tuple[int, Ended]
"""The number of a part, and what came of it."""


class News:
    """Items from any thread, in `items` until somebody takes them. One thread waits; no other takes its wake-ups."""

    def __init__(self) -> None:
        # An Event would not do: a signal handler that sets it while it is waited for may wait for ever.
        self._wakes: SimpleQueue[None] = SimpleQueue()
        self.items: deque[Item] = deque()

    def keep(self, item: Item) -> None:
        """Add an item, and wake nobody."""
        self.items.append(item)

    def put(self, item: Item) -> None:
        """Add an item, and wake who waits."""
        self.items.append(item)
        self._wakes.put(None)

    def wake(self) -> None:
        """Wake who waits, or who will: for nothing, but a look at how things stand."""
        self._wakes.put(None)

    def is_set(self) -> bool:
        """Tell whether there are any, of either."""
        return bool(self.items) or not self._wakes.empty()

    def wait(self, timeout: float) -> None:
        """Wait until woken, or for so many seconds."""
        with suppress(Empty):
            self._wakes.get(timeout=timeout)

    def awake(self) -> None:
        """Say that whatever one was woken for is looked at now."""
        while not self._wakes.empty():
            self._wakes.get()

    def taken(self) -> list[Item]:
        """Return what has ended since the last call."""
        return [self.items.popleft() for _ in range(len(self.items))]
