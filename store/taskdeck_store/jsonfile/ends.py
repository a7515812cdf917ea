"""What two sequences begin and end with alike: found piece by piece, as fast as the machine compares memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

_PIECE = 1 << 15
"""Bytes: pieces that fit in a processor's nearest memory are compared fastest."""
_SOME = 1 << 12
"""Elements."""


def common_bytes(one: bytes, other: bytes) -> tuple[int, int]:
    """Return how many bytes both begin with, and how many of the others both end with."""
    most, ends = min(len(one), len(other)), (len(one), len(other))
    front = _alike(lambda at, size: other.startswith(one[at : at + size], at), most, _PIECE)

    def alike(at: int, size: int) -> bool:
        mine, theirs = ends[0] - at, ends[1] - at
        return other.startswith(one[mine - size : mine], theirs - size)

    return front, _alike(alike, most - front, _PIECE)


def common_elements(one: Sequence[Any], other: Sequence[Any]) -> tuple[int, int]:
    """Return how many elements both begin with, and how many of the others both end with."""
    most, ends = min(len(one), len(other)), (len(one), len(other))
    front = _alike(lambda at, size: one[at : at + size] == other[at : at + size], most, _SOME)

    def alike(at: int, size: int) -> bool:
        mine, theirs = ends[0] - at, ends[1] - at
        return one[mine - size : mine] == other[theirs - size : theirs]

    return front, _alike(alike, most - front, _SOME)


def _alike(same: Callable[[int, int], bool], most: int, size: int) -> int:
    """Return how many elements, up to `most`, are the same; `same` compares some, at first `size`, from a place on."""
    at = 0
    while at < most and size:
        size = min(size, most - at)
        if same(at, size):
            at += size
        else:
            size //= 2
    return at
