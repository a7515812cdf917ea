"""In which order events have brought their tasks to where they stand: by since when, then by the task's id."""

from __future__ import annotations

import operator
from array import array
from collections.abc import Sequence
from itertools import groupby

UNKNOWN = -(1 << 62)
"""The time of what is not known to have one: before all others."""


class Ranks:
    """A rank for each event, so that tasks that stand after them are sorted by comparing whole numbers.

    An event that left its task where it was has the rank of the one that brought it there. `since` (in µs, or UNKNOWN)
    and `task` are those of the events, by position from 1 on, and `ids` the tasks' ids; their owner extends them, and
    then calls `extend`. `turn` counts how often ranks that had been given were given anew.
    """

    def __init__(self, since: array[int], task: array[int], ids: Sequence[str]) -> None:
        self._since = since
        self._task = task
        self._ids = ids
        self._ranked = array("I", [0])
        self.of = array("I", [0])
        self.turn = 0

    def extend(self, previous: array[int]) -> None:
        """Give ranks to the events that have none yet; `previous` has the position of each one's last, of its task."""
        first, since = len(self.of), self._since
        times = since[first:]
        latest = since[self._ranked[-1]]
        if latest < times[0] and all(map(operator.lt, times, times[1:])):
            self.of.extend(range(len(self._ranked), len(self._ranked) + len(times)))
            self._ranked.extend(range(first, len(since)))
            return
        fresh = self._fresh(first, previous)
        if len(self._ranked) > 1 and fresh and min(map(since.__getitem__, fresh)) <= latest:
            self.turn += 1
            first, fresh = 1, self._fresh(1, previous)
            del self._ranked[1:], self.of[1:]
        fresh.sort(key=since.__getitem__)
        self._break_ties(fresh)
        self.of.extend([0] * (len(since) - len(self.of)))
        for rank, position in enumerate(fresh, len(self._ranked)):
            self.of[position] = rank
        self._ranked.extend(fresh)
        for position in range(first, len(since)):
            self.of[position] = self.of[position] or self.of[previous[position]]

    def position(self, rank: int) -> int:
        """Return the position of the event that a rank was given to."""
        return self._ranked[rank]

    def key(self, rank: int) -> tuple[int, str]:
        """Return what a rank stands for: since when, and the task's id."""
        position = self._ranked[rank]
        return self._since[position], self._ids[self._task[position]]

    def _fresh(self, first: int, previous: array[int]) -> list[int]:
        """The positions from one on whose tasks are where they are since another time than before."""
        since = self._since
        return [
            position
            for position, last in enumerate(previous[first:], first)
            if not last or since[position] != since[last]
        ]

    def _break_ties(self, order: list[int]) -> None:
        """Sort the stretches of one and the same time by the ids of their tasks."""
        times = list(map(self._since.__getitem__, order))
        same = [number for number, alike in enumerate(map(operator.eq, times, times[1:])) if alike]
        for _, run in groupby(enumerate(same), lambda pair: pair[1] - pair[0]):
            numbers = [number for _, number in run]
            stretch = slice(numbers[0], numbers[-1] + 2)
            order[stretch] = sorted(order[stretch], key=lambda position: self._ids[self._task[position]])
