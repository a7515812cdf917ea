"""Sleeping until a SQLite store has changed: beside its other work, so with a connection of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from taskdeck_store.contract import Stop, StoreError
from taskdeck_store.sqlite.faults import explained
from taskdeck_store.sqlite.opening import Opened, mark, sight
from taskdeck_store.watch import FolderWatch

_PATIENCE = 0.05
_LOOK = 0.25
"""Seconds between looks that no notification asked for: a writer may die between its commit and its notice."""
_AFTER_WAKE = 0.04
_NAP = 0.002
_RETRY = 0.2
"""Seconds until a store that could not be opened is tried again: to open one makes files beside it, which wakes all who
wait, and they would wake each other for ever."""

_Sight: TypeAlias = tuple[tuple[int, int] | None, tuple[str, int] | None]
"""Which file is there (None: none), and which store in it, with the seq of its last event (None: it cannot be read)."""


class Waiter:
    """Waits for changes that its owner has not read yet.

    `file` is the identity of the file its owner opened, `read` tells which store the owner has read in it, up to which
    seq. One thread waits at a time; `close` may be called from another.
    """

    def __init__(self, path: Path, file: tuple[int, int], read: Callable[[], tuple[str, int]]) -> None:
        self._path = path
        self._read = read
        self._opened: Opened | None = None
        self._told: _Sight = (file, read())
        self._failed: tuple[object, float] = (None, 0.0)
        self._watch = FolderWatch(path)
        self._closed = threading.Event()
        self._busy = threading.Lock()

    def wait(self, timeout: float, stop: Stop | None) -> bool:
        """Sleep until there is something new (True), for `timeout` seconds, or until stopped or closed (False)."""
        deadline = time.monotonic() + timeout
        with self._busy:
            while not self._closed.is_set() and not (stop is not None and stop.is_set()):
                if self._is_new():
                    return True
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                if self._watch.wait(min(left, _LOOK), stop) and self._is_new_soon():
                    return True
            return False

    def close(self) -> None:
        """End a wait, and let go of the files."""
        self._closed.set()
        self._watch.close()
        with self._busy:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    def _is_new_soon(self) -> bool:
        # Another program's write to the log is noticed before its commit can be read.
        until = time.monotonic() + _AFTER_WAKE
        while not self._is_new():
            if time.monotonic() >= until or self._closed.is_set():
                return False
            time.sleep(_NAP)
        return True

    def _is_new(self) -> bool:
        file, found = _identity(self._path), self._found()
        told_file, told = self._told
        if found is None or told is None:
            is_new = file != told_file or found is not told
        else:
            read = self._read()
            is_read = found[0] == read[0] and told[1] < found[1] <= read[1]
            is_new = file != told_file or (found != told and not is_read)
        if is_new:
            self._told = (file, found)
        return is_new

    def _found(self) -> tuple[str, int] | None:
        try:
            if self._opened is not None and not self._opened.is_current():
                self._opened.close()
                self._opened = None
            if self._opened is None:
                found = mark(self._path)
                if (found, True) == (self._failed[0], time.monotonic() < self._failed[1]):
                    return None
                self._failed = (found, time.monotonic() + _RETRY)
                self._opened = Opened(self._path, patience=_PATIENCE, migrates=False)
            with explained(self._path, "read"):
                return sight(self._opened.connection)
        except StoreError:
            return None


def _identity(path: Path) -> tuple[int, int] | None:
    found = mark(path)
    return None if found is None else found[:2]
