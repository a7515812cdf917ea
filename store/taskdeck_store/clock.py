"""Moments as text: the one place where wall-clock time enters, and where a time's format is known."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TypeAlias

from taskdeck_store.values import Time

Clock: TypeAlias = Callable[[], Time]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

SKEW = 60.0
"""Seconds by which the clocks of two machines may differ before one of them counts as wrong."""


def utc_now() -> Time:
    """Return this moment, to the microsecond."""
    return from_microseconds(time.time_ns() // 1000)


def from_microseconds(microseconds: int) -> Time:
    """Return the moment so many microseconds after 1970-01-01T00:00Z."""
    seconds, fraction = divmod(microseconds, 1_000_000)
    return f"{_to_the_second(seconds)}.{fraction:06}Z"


def to_seconds(moment: Time) -> float:
    """Return the seconds from 1970-01-01T00:00Z to the moment. Raises ValueError when it is not ISO 8601."""
    parsed = datetime.fromisoformat(moment)
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def to_microseconds(moment: Time) -> int:
    """Return the µs from 1970-01-01T00:00Z to the moment. Raises ValueError when it is not ISO 8601."""
    parsed = datetime.fromisoformat(moment)
    return ((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND


def not_before(moment: Time, last: Time | None) -> Time:
    """Return a moment, or the last one that was noted where that is later; a text that is no moment counts for none."""
    return last if last is not None and last > moment and normalised(last) == last else moment


def plus(moment: Time, seconds: float) -> Time:
    """Return the moment so many seconds later (or earlier, when negative)."""
    return from_microseconds(to_microseconds(moment) + timedelta(seconds=seconds) // _MICROSECOND)


@lru_cache(maxsize=16)
def _to_the_second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()


def normalised(moment: str) -> Time | None:
    """Return any ISO 8601 moment in Taskdeck's form, a naive one taken as UTC; None when it is not one."""
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError:
        return None
    try:
        return _told(parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC))
    except OverflowError:
        return None


def _told(moment: datetime) -> Time:
    # Not strftime: of a year before 1000, it writes fewer than four digits.
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
