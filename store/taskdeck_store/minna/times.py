"""How a file spells its moments: as a text or as a number, how fine, and in which zone."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from msgspec import Struct

from taskdeck_store import clock
from taskdeck_store.values import Time

Spelled: TypeAlias = str | int | float
"""A moment as a file has it."""

_UNITS = ((1e8, 1e11, 1_000_000), (1e11, 1e14, 1_000), (1e14, 1e17, 1))
"""Which numbers are seconds, milliseconds and microseconds since 1970, for moments after 1973."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TEXT = re.compile(r"\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\d(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?")
_NOW_TEXT = re.compile(
    r"strftime\(\s*'%Y-%m-%d([T ])%H:%M:(%S|%f)(Z|[+]00:00)?'\s*,\s*'now'\s*(,\s*'localtime'\s*)?\)", re.IGNORECASE
)
_NOW = re.compile(r"current_timestamp|datetime\(\s*'now'\s*(,\s*'localtime'\s*)?\)", re.IGNORECASE)
_NOW_SECONDS = re.compile(r"unixepoch\(\s*('now'\s*)?\)|strftime\(\s*'%s'\s*,\s*'now'\s*\)", re.IGNORECASE)
_NEAR = 120_000_000
"""Microseconds within which a file is written after the moment that a row tells."""


class Spelling(Struct, frozen=True, kw_only=True):
    """How moments are spelled.

    A number counts units of so many µs since 1970 (0: it is a text). A text has so many digits of a fraction of a
    second. `is_local` says whether a text without a zone tells the time of day where it was written; None: not known.
    """

    unit: int = 0
    is_whole: bool = False
    separator: str = "T"
    digits: int = 0
    zone: str = ""
    is_local: bool | None = None

    @property
    def tick(self) -> int:
        """The microseconds between two moments that are spelled differently."""
        if self.unit:
            return self.unit if self.is_whole else 1
        return int(10 ** (6 - self.digits))

    @property
    def is_doubtful(self) -> bool:
        """Whether only the rows can tell in which zone the texts are."""
        return not self.unit and not self.zone and self.is_local is None

    def written(self, microseconds: int) -> Spelled:
        """Return a moment, which for a local text is that of the local clock, as the file spells it."""
        if self.unit:
            return microseconds // self.unit if self.is_whole else microseconds / self.unit
        moment = _EPOCH + timedelta(microseconds=microseconds)
        if self.zone not in ("", "Z"):
            moment = moment.astimezone(datetime.fromisoformat(f"2000-01-01T00:00:00{self.zone}").tzinfo)
        fraction = f".{moment.microsecond:06}"[: self.digits + 1] if self.digits else ""
        return f"{moment.replace(tzinfo=None, microsecond=0).isoformat(self.separator)}{fraction}{self.zone}"


def microseconds(spelled: object) -> int | None:
    """Return a moment that a file has, in µs since 1970; None for what is none. A text without a zone counts as UTC."""
    if isinstance(spelled, str):
        try:
            moment = datetime.fromisoformat(spelled)
            return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND
        except (ValueError, OverflowError):
            return None
    unit = _unit(spelled)
    return None if unit is None else round(spelled * unit)  # type: ignore[operator]


def told(spelled: object) -> Time | None:
    """Return a moment that a file has in Taskdeck's form; None for what is none."""
    if isinstance(spelled, str) and len(spelled) == 27 and spelled[10] == "T" and spelled[26] == "Z":
        try:
            datetime.fromisoformat(spelled)
        except ValueError:
            return None
        return spelled
    found = microseconds(spelled)
    try:
        return None if found is None else clock.from_microseconds(found)
    except (ValueError, OverflowError):
        return None


def spelling_of(samples: Sequence[object], default: str | None) -> Spelling | None:
    """Return how a column's moments are spelled, from some of them, the newest first, and from its default.

    None where that cannot be told.
    """
    promised = _promised(default)
    if not samples:
        return promised
    units = {_unit(sample) if not isinstance(sample, str) else 0 for sample in samples}
    if len(units) > 1 or None in units:
        return None
    if units != {0}:
        return Spelling(unit=units.pop() or 0, is_whole=all(isinstance(sample, int) for sample in samples))
    found = [_TEXT.fullmatch(str(sample)) for sample in samples]
    newest = found[0]
    if newest is None or microseconds(samples[0]) is None:
        return None
    digits = max(len(one[2] or "") for one in found if one is not None)
    is_local = promised.is_local if promised is not None else None
    return Spelling(separator=newest[1], digits=min(digits, 6), zone=newest[3] or "", is_local=is_local)


def local_offset(spelling: Spelling, newest: int | None, changed: int, now: int) -> int:
    """Return the µs by which the texts of a spelling are ahead of UTC, to be added to what is written.

    `newest` is the newest moment in the file, read as UTC, and `changed` when somebody last wrote to the file: whoever
    spells the time of day of his place without a zone is told from one who spells UTC by what fits to that.
    """
    if not spelling.is_local and not spelling.is_doubtful:
        return 0
    offset = time.localtime(now / 1_000_000).tm_gmtoff * 1_000_000
    if not offset or spelling.is_local or newest is None:
        return offset if spelling.is_local else 0
    if newest > now + _NEAR:
        return offset if newest - offset <= now + _NEAR else 0
    return offset if abs(changed - newest + offset) < _NEAR <= abs(changed - newest) else 0


def sorts_after(one: Spelled, other: object) -> bool:
    """Tell whether SQLite sorts one value behind another: nothing, then numbers, then texts, then the rest."""
    if other is None:
        return True
    if isinstance(one, str):
        return not isinstance(other, bytes) and (not isinstance(other, str) or one.encode() > other.encode())
    return isinstance(other, int | float) and one > other


def _unit(number: object) -> int | None:
    if not isinstance(number, int | float):
        return None
    return next((unit for least, most, unit in _UNITS if least <= number < most), None)


def _promised(default: str | None) -> Spelling | None:
    text = (default or "").strip()
    while text.startswith("(") and text.endswith(")"):
        text = text[1:-1].strip()
    if _NOW_SECONDS.fullmatch(text):
        return Spelling(unit=1_000_000, is_whole=True)
    plain = _NOW.fullmatch(text)
    if plain is not None:
        return Spelling(separator=" ", is_local=plain[1] is not None)
    shaped = _NOW_TEXT.fullmatch(text)
    if shaped is None:
        return None
    digits = 3 if shaped[2].lower() == "%f" else 0
    return Spelling(separator=shaped[1], digits=digits, zone=shaped[3] or "", is_local=shaped[4] is not None)
