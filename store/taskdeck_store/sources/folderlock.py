"""The lock of JavaScript programs (proper-lockfile): a folder beside a file, named like it with ``.lock``.

Who makes the folder has the lock. It is left behind by one who died, and so counts for nothing once nobody has set its
time for some seconds. Some versions of Task Master make a file of this name instead, by the same rule.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.sources.reading import said, unwritable

STALE = 10.0
"""Seconds after which a lock that nobody holds on to is taken over: what Task Master and proper-lockfile say."""

_NAP = 0.01
_Mark: TypeAlias = tuple[int, int, int]


class FolderLock:
    """The lock of one file. `hold` it for the body of a `with`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder = path.with_name(path.name + ".lock")
        self._patience = 0.0
        self._mark: _Mark | None = None

    def hold(self, patience: float) -> FolderLock:
        """Wait for the lock for so many seconds; entering raises StoreError: BUSY after that, UNWRITABLE."""
        self._patience = patience
        return self

    def keep(self) -> None:
        """Hold on to it, right before something is changed. Raises StoreError where another has taken it over."""
        if self._mark is None or _mark(self._folder) != self._mark:
            message = f"another program has taken over the lock of {said(self._path)}; nothing was changed; try again"
            raise StoreError(Fault.BUSY, message)
        os.utime(self._folder)
        self._mark = _mark(self._folder)

    def __enter__(self) -> None:
        until = time.monotonic() + self._patience
        while True:
            try:
                self._folder.mkdir()
                break
            except FileExistsError:
                self._clear()
            except OSError as error:
                raise unwritable(self._path, error) from error
            if time.monotonic() > until:
                raise StoreError(
                    Fault.BUSY,
                    f"another program has had {said(self._folder)} for {self._patience:g} s; nothing was changed; "
                    "try again, or end that program",
                )
            time.sleep(_NAP)
        self._mark = _mark(self._folder)

    def __exit__(self, *error: object) -> None:
        if self._mark is not None and _mark(self._folder) == self._mark:
            with suppress(OSError):
                self._folder.rmdir()
        self._mark = None

    def _clear(self) -> None:
        """Take away a lock whose holder died. One that was set meanwhile is put back."""
        found = _mark(self._folder)
        if found is None or time.time() - found[2] / 1e9 < STALE:
            return
        aside = self._folder.with_name(f"{self._folder.name}.{os.urandom(4).hex()}")
        with suppress(OSError):
            self._folder.rename(aside)
            try:
                if _mark(aside) == found:
                    _remove(aside)
            finally:
                if os.path.lexists(aside):
                    aside.rename(self._folder)


def _mark(folder: Path) -> _Mark | None:
    try:
        found = os.lstat(folder)
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_mtime_ns)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink()
