"""What one passes on the way from a position of a timeline to another one: events, with their tasks around each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from taskdeck_store import replay
from taskdeck_store.contract import Store
from taskdeck_store.timeline import Timeline
from taskdeck_store.values import Event, Task

Passed: TypeAlias = tuple[int, Event, Task | None, Task | None]
"""The position after an event, the event, and its task before and after it."""

_TASKS = 4_096
"""How many tasks are kept as they were after the last event that was passed."""
_TRAILS = 256
_LENGTH = 64
_SHARE = 8
"""The way back over a task's events is kept for one in so many of them, so that all of it costs about as many folds."""


class Passing:
    """Reads the events of a store between positions of its timeline; one that goes on where it was is quick."""

    def __init__(self, store: Store, timeline: Timeline, event: Callable[[int], Event | None]) -> None:
        """`event` returns the event before a position."""
        self._store = store
        self._timeline = timeline
        self._event = event
        self._tasks: dict[str, Task] = {}
        self._trails: dict[str, list[tuple[Event, Task | None, Task | None]]] = {}

    def on(self, start: int, stop: int, skip: Callable[[int], bool]) -> Iterator[Passed]:
        """Yield the events after a position, up to another one, but for those to skip."""
        for position in range(start + 1, stop + 1):
            event = None if skip(position) else self._event(position)
            if event is not None:
                last = self._timeline.seqs[self._timeline.previous[position]]
                before = self._tasks.get(event.task_id)
                if before is None or before.version != str(last):
                    before = replay.fold(self._store.events(event.task_id, until=last)) if last else None
                after = replay.after(before, event)
                self._keep(event.task_id, after)
                yield position, event, before, after

    def back(self, start: int, stop: int, skip: Callable[[int], bool]) -> Iterator[Passed]:
        """Yield the events up to a position, from the last on back to another position, but for those to skip."""
        timeline = self._timeline
        for position in range(start, stop, -1):
            if skip(position):
                continue
            seq, task_id = timeline.seqs[position], timeline.ids[timeline.task[position]]
            trail = self._trails.get(task_id, [])
            while trail and trail[-1][0].seq > seq:
                trail.pop()
            if not trail or trail[-1][0].seq != seq:
                trail = self._trail(task_id, seq)
            if trail and trail[-1][0].seq == seq:
                yield position, *trail.pop()

    def _keep(self, task_id: str, task: Task | None) -> None:
        self._tasks.pop(task_id, None)
        if task is not None:
            if len(self._tasks) >= _TASKS:
                self._tasks.clear()
            self._tasks[task_id] = task

    def _trail(self, task_id: str, seq: int) -> list[tuple[Event, Task | None, Task | None]]:
        """Read the last events of a task up to a seq, with the task before and after each."""
        events = self._store.events(task_id, until=seq)
        begin = len(events) - max(_LENGTH, len(events) // _SHARE)
        trail: list[tuple[Event, Task | None, Task | None]] = []
        before: Task | None = None
        for number, event in enumerate(events):
            after = replay.after(before, event)
            if number >= begin:
                trail.append((event, before, after))
            before = after
        if len(self._trails) >= _TRAILS:
            self._trails.clear()
        self._trails[task_id] = trail
        return trail
