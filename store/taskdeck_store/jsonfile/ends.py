"""What two sequences begin and end with alike: found piece by piece, as fast as the machine compares memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

_PIECE = 1 << 15
"""Bytes: pieces that fit in a processor's nearest memory are compared fastest."""
_ELEMENT = 8
_Sliced = TypeVar("_Sliced", bytes, tuple[Any, ...])


def common_ends(one: _Sliced, other: _Sliced) -> tuple[int, int]:
    """Return how many elements both begin with, and how many of the others both end with."""
    most, ends = min(len(one), len(other)), (len(one), len(other))
    piece = _PIECE if isinstance(one, bytes) else _PIECE // _ELEMENT
    front = _alike(lambda at, size: one[at : at + size] == other[at : at + size], most, piece)

    def alike(at: int, size: int) -> bool:
        mine, theirs = ends[0] - at, ends[1] - at
        return one[mine - size : mine] == other[theirs - size : theirs]

    return front, _alike(alike, most - front, piece)


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
