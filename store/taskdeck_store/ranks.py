"""Where events put their tasks among others: a whole number each, so that columns are sorted by comparing numbers."""

from __future__ import annotations

import operator
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from itertools import groupby

UNKNOWN = -(1 << 62)
"""The time of what is not known to have one: before all others."""


BITS = 32
RANK = (1 << BITS) - 1
"""The bits of a place that hold its rank."""


class Ranks:
    """The places of events: the priority that one leaves its task with, and below it in `BITS` bits a rank, which says
    since when the task is in its state, and among those of one time its id. An event that left its task where it was
    has the rank of the one that brought it there.

    `places`, `since` (in µs, or UNKNOWN) and `task` are those of the events by position, from 1 on, and `ids` the
    tasks' ids; their owner extends them, with places that have no rank yet, and later calls `extend`. `turn` counts
    how often ranks that had been given were given anew.
    """

    def __init__(self, places: array[int], since: array[int], task: array[int], ids: Sequence[str]) -> None:
        self._places = places
        self._since = since
        self._task = task
        self._ids = ids
        self._ranked = array("I", [0])
        self._end = 1
        self.turn = 0

    def append(self, first: int) -> None:
        """Give ranks to the events from a position on, if all before have theirs, and each is later than the last."""
        since, places, ranked = self._since, self._places, self._ranked
        times = since[first:]
        if first == self._end and since[ranked[-1]] < times[0] and all(map(operator.lt, times, times[1:])):
            self._end = len(since)
            for rank, position in enumerate(range(first, self._end), len(ranked)):
                places[position] += rank
            ranked.extend(range(first, self._end))

    def extend(self, previous: array[int], last: array[int]) -> None:
        """Give ranks to the events that have none yet.

        `previous` has the position of each one's last event before, of its task, and `last` each task's last event.
        """
        first, since, places, ranked = self._end, self._since, self._places, self._ranked
        self._end = len(since)
        if first == self._end:
            return
        fresh = self._fresh(first, previous)
        fresh.sort(key=since.__getitem__)
        keep = len(ranked)
        if keep > 1 and fresh and since[fresh[0]] <= since[ranked[-1]]:
            keep = bisect_left(ranked, since[fresh[0]], lo=1, key=since.__getitem__)
        moved = list(ranked[keep:])
        order = sorted([*moved, *fresh], key=since.__getitem__) if moved else fresh
        self._break_ties(order)
        del ranked[keep:]
        ranked.extend(array("I", order))
        for rank, position in enumerate(order, keep):
            places[position] = places[position] & ~RANK | rank
        if moved:
            self.turn += 1
            self._follow(moved, previous, last)
        if len(fresh) < len(since) - first:
            for position in range(first, len(since)):
                if not places[position] & RANK:
                    places[position] += places[previous[position]] & RANK

    def _follow(self, moved: Sequence[int], previous: array[int], last: array[int]) -> None:
        """Have the events that left their tasks where they were take on the ranks of those that brought them there."""
        places, task = self._places, self._task
        ours = set(moved)
        earliest: dict[int, int] = {}
        for position in moved:
            earliest[task[position]] = min(position, earliest.get(task[position], position))
        for number, begin in earliest.items():
            chain = []
            position = last[number]
            while position > begin:
                chain.append(position)
                position = previous[position]
            brought = begin
            for position in reversed(chain):
                if position in ours or self._since[position] != self._since[previous[position]]:
                    brought = position
                else:
                    places[position] = places[position] & ~RANK | places[brought] & RANK

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
