"""How fast tasks get done: completions counted into spans of time, and drawn in one row."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from contextlib import suppress

from taskdeck_store.clock import to_seconds
from taskdeck_store.contract import Change
from taskdeck_store.values import Event, State

_BARS = " ▁▂▃▄▅▆▇█"


class Throughput:
    """The completions of the last `spans` × `seconds`, the newest span last."""

    def __init__(self, spans: int = 20, seconds: int = 15) -> None:
        self._spans = spans
        self._seconds = seconds
        self._times: deque[float] = deque(maxlen=100_000)

    def count(self, changes: Iterable[Change | Event]) -> None:
        """Take completions into account; other changes are passed over."""
        for change in changes:
            # One that was completed when it was first seen was completed at another time.
            if change.to_state is State.COMPLETED and change.from_state not in (None, State.COMPLETED):
                # What someone put into the log by hand may have no moment.
                with suppress(ValueError):
                    self._times.append(to_seconds(change.at))

    def counts(self, now: float) -> list[int]:
        """Return the completions of each span up to `now`, in seconds since 1970."""
        counts = [0] * self._spans
        start = (now // self._seconds + 1 - self._spans) * self._seconds
        for moment in self._times:
            index = int((moment - start) // self._seconds)
            if 0 <= index < self._spans:
                counts[index] += 1
        return counts

    def a_minute(self, now: float) -> float:
        """Return the completions a minute over the last five minutes."""
        return sum(1 for moment in self._times if now - 300 <= moment <= now) / 5


def sparkline(counts: list[int]) -> str:
    """Return one character a count, its height relative to the largest."""
    most = max(counts, default=0)
    if most == 0:
        return "▁" * len(counts)
    return "".join(_BARS[1 + round(count / most * 7)] if count else "▁" for count in counts)
