"""Folders in which each task is a file: their files, and of those only what changed since they were read last."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.sources.files import Mark, is_settled, mark_of
from taskdeck_store.sources.reading import said, unreadable

Read = TypeVar("Read")

MOST = 100_000
"""No folder of more files is read."""

STILL = 1.0
"""Seconds since its last write after which a file that says nothing sensible is not being written any more."""


def files_in(folder: Path, suffix: str) -> list[str]:
    """Return the paths of a folder's files that end so and are not hidden, by name; none where there is no folder.

    Raises StoreError.
    """
    try:
        names = [name for name in os.listdir(folder) if name.endswith(suffix) and not name.startswith(".")]  # noqa: PTH208
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(folder, error) from error
    if len(names) > MOST:
        raise StoreError(Fault.FOREIGN, f"{said(folder)} has {len(names):,} files; at most {MOST:,} are read")
    before = f"{folder}{os.sep}"
    return [before + name for name in sorted(names)]


def is_fresh(path: Path) -> bool:
    """Tell whether a file was written a moment ago: then a flaw in it may be half of what is to be there."""
    mark = mark_of(path)
    return mark is not None and time.time() - mark[4] / 1e9 < STILL


class Remembered(Generic[Read]):
    """What was read of each file, for as long as that looks as it did."""

    def __init__(self, read: Callable[[Path], Read]) -> None:
        self._read = read
        self._known: dict[str, tuple[Mark, Read]] = {}

    def of(self, paths: Sequence[str], marks: Mapping[str, Mark], at: int) -> list[Read]:
        """Return what each of the files says; the others are forgotten. What `read` raises goes on.

        `marks` are what the files looked like a moment ago, at a time in ns since 1970.
        """
        known, self._known = self._known, {}
        told: list[Read] = []
        for path in paths:
            mark = marks.get(path)
            before = known.get(path)
            if before is not None and before[0] == mark:
                self._known[path] = before
                told.append(before[1])
                continue
            found = self._read(Path(path))
            if mark is not None and is_settled(mark, at):
                self._known[path] = mark, found
            told.append(found)
        return told
