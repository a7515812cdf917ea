"""Where a key leads on a timeline: from a position to another one. Every function is pure."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import TypeAlias

from taskdeck_store.ranks import UNKNOWN
from taskdeck_store.timeline import Timeline

Way: TypeAlias = Callable[[Timeline, int], int | None]
"""From a position to another one; None where there is nothing to go to."""

_PIECE = 4_096


def by_events(count: int) -> Way:
    """Lead so many events forward, or back."""
    return lambda timeline, position: min(max(position + count, 0), len(timeline))


def by_time(seconds: float) -> Way:
    """Lead so many seconds forward, or back: at least past one event, for time stands still between two."""

    def way(timeline: Timeline, position: int) -> int | None:
        if not 0 < position + (seconds > 0) <= len(timeline):
            return None
        now = timeline.times[max(position, 1)]
        found = timeline.position_at(now + round(seconds * 1_000_000)) if now != UNKNOWN else position
        return max(found, position + 1) if seconds > 0 else min(found, position - 1)

    return way


def to_time(time: int) -> Way:
    """Lead to where all events up to a time, in µs since 1970, have happened."""
    return lambda timeline, _: timeline.position_at(time)


def to_seq(seq: int) -> Way:
    """Lead to where the event of a seq has just happened."""
    return lambda timeline, _: timeline.position_of(seq)


def beginning(_: Timeline, __: int) -> int:
    """Lead to where nothing has happened yet."""
    return 0


def end(timeline: Timeline, _: int) -> int:
    """Lead to the last event."""
    return len(timeline)


def of_task(task_id: str | None, direction: int) -> Way:
    """Lead to the next event (or the last one before) of a task; None: of that whose event has just happened."""

    def way(timeline: Timeline, position: int) -> int | None:
        if task_id is None:
            return _same(timeline.task, position, direction)
        if task_id not in timeline.numbers:
            return None
        return _found(timeline.task, timeline.numbers[task_id], position, direction)

    return way


def of_actor(direction: int) -> Way:
    """Lead to the next event (or the last one before) of the actor of the event that has just happened."""
    return lambda timeline, position: _same(timeline.actor, position, direction)


def of_action(direction: int) -> Way:
    """Lead to the next event (or the last one before) of the action of the event that has just happened."""
    return lambda timeline, position: _same(timeline.action, position, direction)


def _same(values: array[int], position: int, direction: int) -> int | None:
    return _found(values, values[position], position, direction) if position else None


def _found(values: array[int], value: int, position: int, direction: int) -> int | None:
    """The nearest position after this one (or before it) that has a value."""
    if direction > 0:
        try:
            return values.index(value, position + 1)
        except ValueError:
            return None
    stop = position
    while stop > 1:
        start = max(1, stop - _PIECE)
        piece = values[start:stop]
        if value in piece:
            return next(at for at in range(stop - 1, start - 1, -1) if values[at] == value)
        stop = start
    return None
