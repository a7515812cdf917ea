"""Charts of text that need no colour: bars, rows of columns over a time axis, and lengths of time beside them."""

from __future__ import annotations

from collections.abc import Sequence

from taskdeck_store.buckets import LADDER
from taskdeck_store.clock import to_seconds
from taskdeck_store.values import Time

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_HEIGHTS = "▁▂▃▄▅▆▇█"
_NONE = "·"
_MIDDLE = "█"
_BEYOND = "░"
_TICK = "└"
_UNITS = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "m"), (60, "m", 1, "s"))
_WHOLE_DAYS = 100 * 86_400


def bar(share: float, columns: int) -> str:
    """Return a bar for a share of 0 to 1 of so many columns, to an eighth of one; what is not 0 is seen."""
    eighths = max(round(share * columns * 8), 1) if share > 0 else 0
    return _MIDDLE * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def spread(middle: float, far: float, most: float, columns: int) -> str:
    """Return a bar, full up to one number and light up to a greater one, where `most` takes so many columns."""
    first, last = ((max(round(number / most * columns), 1) if number > 0 else 0) for number in (middle, far))
    return _MIDDLE * first + _BEYOND * (last - first)


def row(counts: Sequence[int], columns: int) -> str:
    """Return a row with one upright bar a count, so many columns wide, as high as its part of the greatest."""
    most = max(counts, default=0)
    heights = (_HEIGHTS[-(-8 * count // most) - 1] if count else _NONE for count in counts)
    return "".join(height * columns for height in heights)


def axis(moments: Sequence[Time], seconds: int, columns: int) -> str:
    """Return what goes below a `row`: the moments, one or more, at which its bars begin, where there is room.

    `seconds` is what a bar stands for, `columns` how wide it is. A date is told where there is more than one.
    """
    many_days = len({moment[:10] for moment in moments}) > 1
    if seconds >= 86_400:
        texts = [moment[:10] for moment in moments]
    else:
        first, last = (5 if many_days else 11), (16 if seconds >= 60 else 19)
        texts = [moment[first:last].replace("T", " ") for moment in moments]
    wide = max(map(len, texts)) + 3
    bars = -(-wide // columns)
    line = ""
    for number in _round(moments, seconds, bars) if seconds < 86_400 else range(0, len(moments), bars):
        label = _TICK + texts[number]
        if number == 0 or number * columns + len(label) <= len(moments) * columns:
            line = f"{line:<{number * columns}}{label}"
    return line


def _round(moments: Sequence[Time], seconds: int, bars: int) -> list[int]:
    """Return which of some moments are round times, at least so many bars apart, and the first where there is room."""
    apart = next(size for size in LADDER if size >= bars * seconds and size % seconds == 0)
    found = [number for number, moment in enumerate(moments) if to_seconds(moment) % apart == 0]
    return found if found and found[0] < bars else [0, *found]


def round_length(seconds: int) -> str:
    """Return a length of time that is a round one by the greatest unit of which it is a multiple: ``90m``, ``28d``."""
    return next(f"{seconds // size}{unit}" for size, unit, *_ in (*_UNITS, (1, "s")) if seconds % size == 0)


def length(seconds: float) -> str:
    """Return a length of time by its two greatest units: ``0s``, ``40ms``, ``4.2s``, ``42s``, ``2m10s``, ``3d04h``."""
    if seconds < 10:
        if seconds >= 1:
            return f"{int(seconds * 10) / 10:.1f}s"
        return f"{max(int(seconds * 1000), 1)}ms" if seconds > 0 else "0s"
    whole = int(seconds)
    if whole >= _WHOLE_DAYS:
        return f"{whole // 86_400}d"
    for size, unit, part, smaller in _UNITS:
        if whole >= size:
            return f"{whole // size}{unit}{whole % size // part:02}{smaller}"
    return f"{whole}s"
