"""How fast the past is played: so many events a second, or so many times as fast as it was."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from taskdeck_store.ranks import UNKNOWN
from taskdeck_store.timeline import Timeline

EVENTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)
"""Events a second."""
TIMES = (1, 2, 5, 10, 30, 60, 100, 300, 1_000)
"""Times as fast as it was."""


class Pace(Struct, frozen=True):
    """A pace: `rate` counts events a second or, with `by_time`, says how many times as fast as it was."""

    rate: int = 5
    by_time: bool = False

    def __str__(self) -> str:
        if self.by_time:
            return f"{self.rate:,}× real time"
        return f"{self.rate:,} event{'s' if self.rate > 1 else ''} a second"

    def faster(self, steps: int) -> Pace:
        """Return the pace so many steps faster, or slower."""
        ladder = TIMES if self.by_time else EVENTS
        step = min(max(ladder.index(self.rate) + steps, 0), len(ladder) - 1)
        return replace(self, rate=ladder[step])

    def turned(self) -> Pace:
        """Return a pace of the other kind."""
        return Pace(60, by_time=True) if not self.by_time else Pace()


class Play(Struct, frozen=True):
    """A play at a pace, from a position on, begun at so many seconds of a clock that only goes forward."""

    pace: Pace
    position: int
    begun: float

    def due(self, timeline: Timeline, now: float) -> int:
        """Return the position that the play has come to at so many seconds of the same clock."""
        passed = max(0.0, now - self.begun) * self.pace.rate
        if not self.pace.by_time:
            return min(self.position + int(passed), len(timeline))
        since = timeline.times[min(max(self.position, 1), len(timeline))]
        if since == UNKNOWN:
            return len(timeline)
        return max(self.position, timeline.position_at(since + round(passed * 1_000_000)))
