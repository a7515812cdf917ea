"""A length of time in as few characters as a card has to spare."""

from __future__ import annotations

from math import ceil

from taskdeck_store.clock import to_seconds
from taskdeck_store.values import Card, State, Task, Time

_UNITS = ((365 * 86_400, "y"), (7 * 86_400, "w"), (86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))
_FIRST = {"w": 2}
"""Days go on to the second week, since "1w" would hide whether it is 7 days or 13."""


def span(seconds: float) -> str:
    """Return a length of time, rounded down to its largest unit: ``5s``, ``42m``, ``3h``, ``13d``, ``5w``, ``1y``.

    `seconds` below zero (a clock that went back) count as zero. Three characters, until 100 years.
    """
    whole = max(0, int(seconds))
    for size, unit in _UNITS:
        if whole >= size * _FIRST.get(unit, 1):
            return f"{whole // size}{unit}"
    return "0s"


def ahead(at: Time | None, now: float) -> str:
    """Return how far ahead of `now`, in seconds since 1970, a moment lies, as `span` does but rounded up to a second.

    '' for a moment that has come, and for what is none.
    """
    try:
        left = ceil(to_seconds(at) - now) if at is not None else 0
    except ValueError:
        return ""
    return span(left) if left > 0 else ""


def due(task: Card | Task, now: float) -> str:
    """Return when a pending task that workers leave until later is due: ``due 2h``; '' for any other."""
    left = ahead(task.not_before, now) if task.state is State.PENDING else ""
    return f"due {left}" if left else ""


def held_back(task: Card | Task, now: float) -> str:
    """Return why no worker takes a pending task yet: ``blocked`` by others, or ``due 2h``; '' for any other."""
    return "blocked" if task.blocked and task.state is State.PENDING else due(task, now)


def spans(seconds: float) -> str:
    """Return a length of time, rounded down to two units that follow each other: ``1h 40m``, ``12m 5s``, ``5s``.

    `seconds` below zero count as zero. Up to eight characters, until 100 years.
    """
    whole = max(0, int(seconds))
    for at, (size, unit) in enumerate(_UNITS[:-1]):
        if whole >= size:
            smaller, small = _UNITS[at + 1]
            rest = whole % size // smaller
            return f"{whole // size}{unit}" + (f" {rest}{small}" if rest else "")
    return f"{whole}s"
