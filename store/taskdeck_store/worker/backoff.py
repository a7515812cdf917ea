"""How long a task waits until it is tried again: longer each time, and never as long as its neighbours."""

from __future__ import annotations

from random import Random

from msgspec import Struct

_MANY = 100
"""After so many attempts it is the longest in any case, and a higher power might overflow."""


class Backoff(Struct, frozen=True, kw_only=True):
    """Exponential backoff: `first` seconds, `factor` times as long after each attempt, up to `most` seconds.

    A share of it, up to `jitter`, is left out at random, so that what failed together does not come back together.
    """

    first: float = 5.0
    factor: float = 2.0
    most: float = 3_600.0
    jitter: float = 0.5

    def seconds(self, attempts: int, chance: Random) -> float:
        """Return for how long a task waits that has gone back to the queue so many times before."""
        whole = min(self.most, self.first * self.factor ** min(attempts, _MANY))
        return whole * (1 - self.jitter * chance.random())
