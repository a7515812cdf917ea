"""Sleeping until a file of memories has changed: beside other work, so with a connection of its own."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TypeAlias

import apsw

from taskdeck_store.contract import Stop, StoreError
from taskdeck_store.minna.opening import Identity, connected, identity
from taskdeck_store.watch import FolderWatch

_PATIENCE = 0.02
_LOOK = 0.25
"""Seconds between looks that nothing on disk asked for."""
_AFTER_WAKE = 0.06
_NAP = 0.002

_Seen: TypeAlias = tuple[Identity | None, int | None]
"""Which file there is, and the number of what was last committed to it; None: it cannot be told."""


class Waiter:
    """Waits for commits. The first wait ends at once: what happened before it is not known."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._watch = FolderWatch(path)
        self._connection: apsw.Connection | None = None
        self._file: Identity | None = None
        self._told: _Seen | None = None
        self._closed = threading.Event()
        self._busy = threading.Lock()

    def wait(self, timeout: float, stop: Stop | None) -> bool:
        """Sleep until something may have changed (True), for `timeout` seconds, or until stopped or closed (False)."""
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
        """End a wait, and let go of the file."""
        self._closed.set()
        self._watch.close()
        with self._busy:
            self._let_go()

    def _is_new_soon(self) -> bool:
        # A write is noticed before its commit can be read.
        until = time.monotonic() + _AFTER_WAKE
        while not self._is_new():
            if time.monotonic() >= until or self._closed.is_set():
                return False
            time.sleep(_NAP)
        return True

    def _is_new(self) -> bool:
        file = identity(self._path)
        number = self._number(file)
        if self._told == (file, number) or (number is None and self._told is not None and self._told[0] == file):
            return False
        self._told = (file, number)
        return True

    def _number(self, file: Identity | None) -> int | None:
        try:
            if self._connection is None or self._file != file:
                self._let_go()
                if file is None:
                    return None
                self._connection, self._file = connected(self._path, patience=_PATIENCE), file
            return int(self._connection.pragma("data_version"))
        except (apsw.Error, StoreError):
            return None

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close(True)
            self._connection = None
