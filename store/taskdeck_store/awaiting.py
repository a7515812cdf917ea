"""Sleeping until a database file has a new commit, beside the other work of who waits."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from pathlib import Path

from taskdeck_store.contract import Stop
from taskdeck_store.watch import FolderWatch

_LOOK = 0.25
"""Seconds between looks that no notification asked for: a writer may die between its commit and its notice."""
_AFTER_WAKE = 0.06
_NAP = 0.002
_RETRY = 0.2
"""Seconds until a file that could not be opened is tried again: to open one makes files beside it, which wakes all who
wait, and they would wake each other for ever."""


class CommitWait(ABC):
    """Waits for commits to the database at a path. One thread waits at a time; `close` may be called from another."""

    def __init__(self, path: Path) -> None:
        self._path = path
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
            self._let_go()

    @abstractmethod
    def _is_new(self) -> bool:
        """Tell, without waiting, whether there is something that was not told of before."""

    @abstractmethod
    def _let_go(self) -> None:
        """Let go of the database, where it is open."""

    def _may_try(self, found: object) -> bool:
        """Tell whether to open the file that was found, and take note that it is tried now."""
        now = time.monotonic()
        if self._failed[0] == found and now < self._failed[1]:
            return False
        self._failed = (found, now + _RETRY)
        return True

    def _is_new_soon(self) -> bool:
        # Another program's write is noticed before its commit can be read.
        until = time.monotonic() + _AFTER_WAKE
        while not self._is_new():
            if time.monotonic() >= until or self._closed.is_set():
                return False
            time.sleep(_NAP)
        return True
