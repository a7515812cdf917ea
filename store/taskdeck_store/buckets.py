"""A span of time cut into at most so many pieces of one length, whose bounds are round times."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

_MINUTE, _HOUR, _DAY, _WEEK, _YEAR = 60, 3_600, 86_400, 7 * 86_400, 52 * 7 * 86_400
LADDER = (
    *(1, 2, 5, 10, 15, 30),
    *(size * _MINUTE for size in (1, 2, 5, 10, 15, 30)),
    *(size * _HOUR for size in (1, 2, 3, 6, 12)),
    *(_DAY, 2 * _DAY, _WEEK, 2 * _WEEK, 4 * _WEEK, 13 * _WEEK, 26 * _WEEK),
    *(size * _YEAR for size in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)),
)
"""The lengths that a piece may have, in seconds."""
_MONDAY = -3 * _DAY
"""Weeks begin on Monday, and 1970 began on a Thursday."""


class Buckets(Struct, frozen=True):
    """`count` pieces of `size` seconds each; `start` is the first's begin, in seconds since 1970."""

    start: int
    size: int
    count: int

    def counted(self, moments: Iterable[float]) -> list[int]:
        """Return how many of some moments, all of them within the span, lie in each piece."""
        counts = [0] * self.count
        for moment in moments:
            counts[int((moment - self.start) // self.size)] += 1
        return counts


def buckets_of(begins: float, ends: float, *, most: int) -> Buckets:
    """Return the smallest buckets of the ladder of which at most so many hold both moments, and all between."""
    for size in LADDER:
        round_time = _MONDAY if size % _WEEK == 0 else 0
        first = int((begins - round_time) // size)
        count = int((ends - round_time) // size) - first + 1
        if count <= most:
            break
    return Buckets(round_time + first * size, size, count)
