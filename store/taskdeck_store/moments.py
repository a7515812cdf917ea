"""From a moment as a person types it to Taskdeck's text of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from taskdeck_store import clock
from taskdeck_store.values import Time

_UNDERSTOOD = (
    "understood are 2026-01-31, 2026-01-31T14:05:30Z (or a blank for the T, and an offset for the Z), 14:05, 9:30pm, "
    "noon, midnight, today, yesterday 9am, tomorrow, monday 14:00, -2h, +2h, -1d12h, 2h ago and now, all in UTC"
)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_NAMED = {"noon": timedelta(hours=12), "midnight": timedelta(0)}
_DAY = timedelta(days=1)
_NEAR = {"yesterday": -_DAY, "today": timedelta(0), "tomorrow": _DAY}
_LONGEST = 60
_SHOWN = 40

_SPAN = r"((?:[0-9]{1,9}[wdhms])+)"
_RELATIVE = re.compile(rf"([+-]){_SPAN}|{_SPAN} ago")
_PART = re.compile(r"([0-9]+)([wdhms])")
_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[t ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?: ?z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")
_HALVES = re.compile(r"([0-9]{1,2})(?::([0-9]{2}))? ?(am|pm)")


def parse_moment(text: str, now: Time, *, ahead: bool = False) -> Time:
    """Return the moment that a text means, seen from `now`, all in UTC.

    - ISO 8601: a date (its midnight), or date and time apart by ``T`` or a blank, with ``Z``, an offset or neither.
    - A time of day, ``14:05``, ``14:05:30``, ``9am``, ``9:30pm``, ``noon``, ``midnight``: the latest that is not after
      `now`, so yesterday's where today's lies in the future.
    - ``today``, ``yesterday`` or ``tomorrow``, its midnight or at the time of day that follows, wherever `now` is.
    - A weekday, whole or by three letters, likewise: the latest that is not after `now`.
    - ``-2h``, ``-1d12h`` or ``2h ago``, ``+2h``, of the units ``w d h m s``; ``now``.

    With `ahead`, a time of day or a weekday is the next that is not before `now`.

    Case and the number of blanks do not matter. Raises ValueError, its message one line, for anything else.
    """
    words = " ".join(text.lower().split()) if len(text) <= _LONGEST else ""
    try:
        found = _moment(words, datetime.fromisoformat(now).astimezone(UTC), ahead=ahead)
    except (ValueError, OverflowError):  # a day that no calendar has, or a year that Python has not
        found = None
    moment = clock.normalised(found.isoformat()) if found is not None else None
    if moment is not None:
        return moment
    shown = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    raise ValueError(f"{shown!r} is no moment; {_UNDERSTOOD}")


def _moment(words: str, now: datetime, *, ahead: bool) -> datetime | None:
    if words == "now":
        return now
    if relative := _RELATIVE.fullmatch(words):
        parts = _PART.findall(relative[2] or relative[3])
        length = sum((timedelta(**{_UNITS[unit]: int(number)}) for number, unit in parts), timedelta(0))
        return now + length if relative[1] == "+" else now - length
    if _ISO.fullmatch(words):
        parsed = datetime.fromisoformat(words.upper().replace(" Z", "Z"))
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    day, _, rest = words.partition(" ")
    time = _time_of_day(rest) if rest else timedelta(0)
    if day in _NEAR:
        return None if time is None else today + _NEAR[day] + time
    weekday = next((number for number, name in enumerate(_DAYS) if day in (name, name[:3])), None)
    if weekday is not None:
        this = today - (today.weekday() - weekday) % 7 * _DAY
        return None if time is None else _nearest(this + time, now, 7 * _DAY, ahead=ahead)
    time = _time_of_day(words)
    return None if time is None else _nearest(today + time, now, _DAY, ahead=ahead)


def _nearest(moment: datetime, now: datetime, every: timedelta, *, ahead: bool) -> datetime:
    if ahead:
        return moment + every if moment < now else moment
    return moment - every if moment > now else moment


def _time_of_day(words: str) -> timedelta | None:
    """Return how long after midnight a time of day is; None for what is none."""
    if words in _NAMED:
        return _NAMED[words]
    if parts := _CLOCK.fullmatch(words):
        hour, minute, second = (int(part or 0) for part in parts.groups())
        return timedelta(hours=hour, minutes=minute, seconds=second) if hour < 24 and max(minute, second) < 60 else None
    if halves := _HALVES.fullmatch(words):
        hour, minute = int(halves[1]), int(halves[2] or 0)
        if not 1 <= hour <= 12 or minute > 59:
            return None
        return timedelta(hours=hour % 12 + (12 if halves[3] == "pm" else 0), minutes=minute)
    return None
