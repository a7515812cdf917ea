"""How events lie in time, in as many columns as there is room for."""

from __future__ import annotations

from bisect import bisect_left

from msgspec import Struct

from taskdeck_store.ranks import UNKNOWN
from taskdeck_store.timeline import STATES, Timeline
from taskdeck_store.values import State, Time

_FAILED = STATES.index(State.FAILED)


class Density(Struct, frozen=True):
    """A timeline in columns of equal time. `ends[n]` is the position after the last event up to the end of column n.

    `events` and `failures` count by column; `first` and `last` are the moments at the ends, None where not known.
    """

    events: tuple[int, ...]
    failures: tuple[int, ...]
    ends: tuple[int, ...]
    first: Time | None
    last: Time | None

    def column(self, position: int) -> int:
        """Return the column in which a position is."""
        return min(bisect_left(self.ends, position), len(self.ends) - 1)

    def position(self, column: int) -> int:
        """Return the position to go to for a column: its last event, or the last one before it."""
        return self.ends[min(max(column, 0), len(self.ends) - 1)]


def density(timeline: Timeline, columns: int) -> Density:
    """Return the density of a timeline in at least one column."""
    columns, times = max(columns, 1), timeline.times
    known = bisect_left(times, UNKNOWN + 1, lo=1)
    if known == len(times):
        ends = (0,) * (columns - 1) + (len(timeline),)
    else:
        begin, length = times[known], times[-1] - times[known]
        inner = [timeline.position_at(begin + length * (number + 1) // columns) for number in range(columns - 1)]
        ends = (*inner, len(timeline))
    starts = (0, *ends[:-1])
    return Density(
        events=tuple(end - start for start, end in zip(starts, ends, strict=True)),
        failures=tuple(
            timeline.state.count(_FAILED, start + 1, end + 1) for start, end in zip(starts, ends, strict=True)
        ),
        ends=ends,
        first=timeline.moment(known) if known < len(times) else None,
        last=timeline.moment(len(timeline)),
    )
