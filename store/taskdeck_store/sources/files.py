"""What all sources have that lie in files: whether one of these changed since they were read, and waiting for that."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from taskdeck_store.contract import Stop, StoreError
from taskdeck_store.limits import Limits
from taskdeck_store.machine import Code, Refusal
from taskdeck_store.source import Move, Sight
from taskdeck_store.watch import Watch

Mark: TypeAlias = tuple[int, int, int, int, int] | None
"""What tells two states of a file apart without reading it: device, inode, size, times of content and of inode."""

_TRIES = 2
_TICK = 20_000_000
_SECOND = 1_000_000_000
_COARSE = 3 * _SECOND
"""In ns. A file that is written twice within the grain of its system's clock may look the same after both."""


def mark_of(path: Path | str) -> Mark:
    """Return what a file is like; None where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a Path takes twice the time
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def is_settled(mark: Mark, at: int) -> bool:
    """Tell whether a file that looked so at a time, in ns since 1970, looks different after any later write."""
    return mark is None or mark[4] + (_TICK if mark[4] % _SECOND else _COARSE) < at


class Footprint:
    """What files were like when they were last looked at: `take` before they are read, `keep` once they were."""

    def __init__(self) -> None:
        self._taken: Mapping[str, Mark] = {}
        self._taken_at = 0
        self._kept: Mapping[str, Mark] | None = None

    def take(self, paths: Iterable[str]) -> None:
        """Look at files that are about to be read."""
        self._taken_at = time.time_ns()
        self._taken = {path: mark_of(path) for path in paths}

    def holds(self, paths: Iterable[str]) -> bool:
        """Tell whether these are the files of the last `take`, and none looks different."""
        return self._taken == {path: mark_of(path) for path in paths}

    @property
    def taken(self) -> tuple[Mapping[str, Mark], int]:
        """What the files of the last `take` looked like, and when, in ns since 1970."""
        return self._taken, self._taken_at

    def keep(self) -> None:
        """Rely on the last `take`, unless a file was written so shortly before that the next write may not show."""
        settled = all(is_settled(mark, self._taken_at) for mark in self._taken.values())
        self._kept = self._taken if settled else None

    def is_of(self, paths: Iterable[str]) -> bool:
        """Tell whether surely these are the files that were kept, and none of them has changed since."""
        return self._kept is not None and self._kept == {path: mark_of(path) for path in paths}


class FileSource(ABC):
    """A source that lies in one file or in several. Looking takes its footprint, and reads it if that is another."""

    kind: str
    limits: Limits
    read_only: str | None = None

    def __init__(self, path: Path, watch: Watch) -> None:
        self._path = path
        self.place = os.path.realpath(path)
        self._footprint = Footprint()
        self._watch = watch

    def _paths(self) -> Iterable[str]:
        """Return the files that belong to it, those too that are not there yet: the one at its path."""
        return (str(self._path),)

    @abstractmethod
    def _read(self) -> Sight:
        """Read all tasks. Raises StoreError."""

    def is_stale(self) -> bool:
        """Tell whether it may have changed since the last look."""
        return not self._footprint.is_of(self._paths())

    def look(self, since: str = "") -> Sight:
        """Read all tasks; once more, where something changed meanwhile. Raises StoreError."""
        for _ in range(_TRIES):
            self._footprint.take(self._paths())
            try:
                sight = self._read()
            except StoreError:
                if self._footprint.holds(self._paths()):
                    raise
            else:
                if self._footprint.holds(self._paths()):
                    break
        else:
            self._footprint.take(self._paths())
            sight = self._read()
        self._footprint.keep()
        return sight

    def carry_out(self, moves: Sequence[Move]) -> Mapping[int, Refusal]:
        """Refuse everything: there is a reason why it is read only."""
        refusal = Refusal(code=Code.READ_ONLY, message=f"{self.place} is read only: {self.read_only}")
        return dict.fromkeys(range(len(moves)), refusal)

    def wait(self, timeout: float, stop: Stop | None = None) -> bool:
        """Sleep until it may have changed (True), or for `timeout` seconds, or until stopped (False)."""
        return self._watch.wait(timeout, stop)

    def close(self) -> None:
        """End a wait."""
        self._watch.close()
