"""Sleeping until a SQLite store has changed: beside its other work, so with a connection of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from taskdeck_store.contract import Stop, StoreError
from taskdeck_store.sqlite.faults import explained
from taskdeck_store.sqlite.opening import Opened, last_seq, mark
from taskdeck_store.watch import FolderWatch

_PATIENCE = 0.05
_LOOK = 0.25
"""Seconds between looks that no notification asked for: a writer may die between its commit and its notice."""
_AFTER_WAKE = 0.04
_NAP = 0.002

_Sight: TypeAlias = tuple[tuple[int, int] | None, int | None]
"""Which file is there (None: none), and the seq of its last event (None: it cannot be read)."""


class Waiter:
    """Waits for changes that its owner has not read yet.

    `file` is the identity of the file its owner opened, `read_up_to` tells the last seq that the owner has. One thread
    waits at a time; `close` may be called from another.
    """

    def __init__(self, path: Path, file: tuple[int, int], read_up_to: Callable[[], int]) -> None:
        self._path = path
        self._read_up_to = read_up_to
        self._opened: Opened | None = None
        self._told: _Sight = (file, read_up_to())
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
        file, seq = _identity(self._path), self._last_seq()
        told_file, told_seq = self._told
        if seq is None or told_seq is None:
            is_new = file != told_file or seq is not told_seq
        else:
            is_new = file != told_file or seq > max(told_seq, self._read_up_to()) or seq < told_seq
        if is_new:
            self._told = (file, seq)
        return is_new

    def _last_seq(self) -> int | None:
        try:
            if self._opened is not None and not self._opened.is_current():
                self._opened.close()
                self._opened = None
            if self._opened is None:
                self._opened = Opened(self._path, patience=_PATIENCE, migrates=False)
            with explained(self._path, "read"):
                return last_seq(self._opened.connection)
        except StoreError:
            return None


def _identity(path: Path) -> tuple[int, int] | None:
    found = mark(path)
    return None if found is None else found[:2]
