"""The places of the tasks of one column, sorted no sooner than somebody asks for what only a sorted column tells."""

from __future__ import annotations

from bisect import bisect_left, insort
from heapq import nlargest, nsmallest

_FEW = 500
"""Up to so many from either end are picked out: a tenth of the time that sorting a long column takes."""


class Places:
    """Different whole numbers, upwards from 0 on; see `taskdeck_store.ranks.Ranks` for what they stand for."""

    def __init__(self, places: list[int]) -> None:
        """Takes the list over, in whatever order it is."""
        self._places = places
        self._is_sorted = False

    def __len__(self) -> int:
        return len(self._places)

    def all(self) -> list[int]:
        """Return all places, upwards; not to be changed."""
        if not self._is_sorted:
            self._places.sort()
            self._is_sorted = True
        return self._places

    def part(self, first: int, last: int) -> list[int]:
        """Return the places from a rank up to before another one, upwards."""
        count = len(self._places)
        if not self._is_sorted and last <= _FEW:
            return nsmallest(last, self._places)[first:]
        if not self._is_sorted and count - first <= _FEW:
            return nlargest(count - first, self._places)[::-1][: last - first]
        return self.all()[first:last]

    def before(self, place: int) -> int:
        """Return how many of the places lie before one."""
        if self._is_sorted:
            return bisect_left(self._places, place)
        return sum(map(place.__gt__, self._places))

    def least(self, mask: int) -> int:
        """Return the least of what a mask leaves of the places, of which there is one at least."""
        return min(map(mask.__and__, self._places))

    def add(self, place: int) -> None:
        """Take in another place."""
        insort(self.all(), place)

    def remove(self, place: int) -> None:
        """Let go of a place that is there."""
        places = self.all()
        del places[bisect_left(places, place)]
