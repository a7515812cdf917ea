"""What two sequences begin and end with alike: found piece by piece, as fast as the machine compares memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

_PIECE = 1 << 16
_Sliced = TypeVar("_Sliced", bytes, tuple[Any, ...])


def common_ends(one: _Sliced, other: _Sliced) -> tuple[int, int]:
    """Return how many elements both begin with, and how many of the others both end with."""
    most, ends = min(len(one), len(other)), (len(one), len(other))
    front = _alike(lambda at, size: one[at : at + size] == other[at : at + size], most)

    def alike(at: int, size: int) -> bool:
        mine, theirs = ends[0] - at, ends[1] - at
        return one[mine - size : mine] == other[theirs - size : theirs]

    return front, _alike(alike, most - front)


def _alike(same: Callable[[int, int], bool], most: int) -> int:
    """Return how many elements, up to `most`, are the same; `same` compares so many from a place on."""
    at, size = 0, _PIECE
    while at < most and size:
        size = min(size, most - at)
        if same(at, size):
            at += size
        else:
            size //= 2
    return at
