"""How sure a memory still is: its confidence halves with every half-life since it was last verified."""

from __future__ import annotations

from collections.abc import Mapping

from taskdeck_store.minna import names

HALF_LIFE_DAYS = 90.0
"""The documented half-life."""

_FEW = 5

DAY = 86_400_000_000
"""The microseconds of a day."""


def left(confidence: float, verified: int, now: int, half_life_days: float = HALF_LIFE_DAYS) -> float:
    """Return what is left of a confidence; both moments are microseconds since 1970. What lies ahead fades nothing."""
    return float(confidence * 2.0 ** -(max(0, now - verified) / DAY / half_life_days))


def faded(sureness: Mapping[str, tuple[float, int]], now: int) -> str | None:
    """Return a sentence about the tasks that lost half of their confidence or more; None where none has.

    `sureness` has the confidence of each entity, and when it was last verified.
    """
    rest = {name: left(*sure, now) for name, sure in sureness.items() if now - sure[1] >= HALF_LIFE_DAYS * DAY}
    if not rest:
        return None
    least = sorted(rest, key=lambda name: (rest[name], name))
    shown = ", ".join(f"{names.id_of(name)} ({rest[name]:.2g})" for name in least[:_FEW])
    shown += ", …" if len(least) > _FEW else ""
    tasks = "1 task has" if len(rest) == 1 else f"{len(rest):,} tasks have"
    return f"{tasks} half of the state's confidence left, or less: {shown}; to verify a memory restores it"
