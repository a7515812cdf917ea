"""Sleep until the file of a store, or one beside it that belongs to it, has changed.

The folder is watched, not the file: a file replaced by rename is another file, and its watch would see nothing. A
slow look at the files themselves runs beside the notification; it covers network mounts, which notify nobody, and a
system that has no more watches to give.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from taskdeck_store.contract import Stop

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

_STEP_MS = 5
_DEBOUNCE_MS = 10
_LOOK = 0.25
_NAP = 0.02
_REARM = 5.0
_BESIDE = ("", "-wal", ".taskdeck-lock")

_Mark: TypeAlias = tuple[int, ...] | None


class FolderWatch:
    """Notices changes of a store's file and of all files beside it whose names start with its name.

    A symlinked file is watched where the link lies and where the real file lies. A change between making the watch
    and the first `wait` counts.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._notify: RustNotify | None = None
        self._folders: dict[Path, _Mark] = {}
        self._arm_after = 0.0
        self._waiting = False
        self._closed = False
        self._real = self._path
        self._seen = self._look()

    def wait(self, timeout: float, stop: Stop | None = None) -> bool:
        """Sleep until something changed (True), for `timeout` seconds, or until stopped or closed (False).

        A folder that goes away, or has gone, is no error: it is looked for every 250 ms, and its return is a change.
        """
        ends = _Ends(lambda: self._closed or (stop is not None and stop.is_set()))
        deadline = time.monotonic() + timeout
        self._waiting = True
        try:
            while not ends.is_set():
                self._arm()
                seen, self._seen = self._seen, self._look()
                if seen != self._seen:
                    return True
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                if self._told(min(left, _LOOK), ends):
                    self._seen = self._look()
                    return True
            return False
        finally:
            self._waiting = False
            if self._closed:
                self._disarm()

    def close(self) -> None:
        """Let go of the watch; a wait in another thread ends."""
        self._closed = True
        if not self._waiting:
            self._disarm()

    def _arm(self) -> None:
        folders = {folder: _identity(folder) for folder in (self._path.parent, self._real.parent)}
        if folders == self._folders and (self._notify is not None or time.monotonic() < self._arm_after):
            return
        self._disarm()
        if None in folders.values():
            return
        self._folders = folders
        try:
            from watchfiles._rust_notify import RustNotify

            self._notify = RustNotify([str(folder) for folder in folders], False, False, 0, False, True)
        except (OSError, RuntimeError, ImportError):
            # Without a descriptor left, not even the import works.
            self._arm_after = time.monotonic() + _REARM

    def _disarm(self) -> None:
        if self._notify is not None:
            self._notify.close()
            self._notify = None

    def _told(self, seconds: float, ends: _Ends) -> bool:
        until = time.monotonic() + seconds
        names = (self._path.name, self._real.name)
        while (left := until - time.monotonic()) > 0 and not ends.is_set():
            if self._notify is None:
                time.sleep(min(left, _NAP))
                continue
            try:
                told = self._notify.watch(_DEBOUNCE_MS, _STEP_MS, max(1, int(left * 1000)), ends)
            except RuntimeError:
                self._disarm()
                self._arm_after = time.monotonic() + _REARM
                return True
            if told == "signal":
                raise KeyboardInterrupt
            if not isinstance(told, str) and any(Path(path).name.startswith(names) for _, path in told):
                return True
        return False

    def _look(self) -> tuple[_Mark, ...]:
        self._real = Path(os.path.realpath(self._path))
        return tuple(_mark(self._real.with_name(self._real.name + suffix)) for suffix in _BESIDE)


class _Ends:
    """What `RustNotify.watch` asks whether to stop."""

    def __init__(self, ask: Callable[[], bool]) -> None:
        self.is_set = ask


def _mark(path: Path) -> _Mark:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _identity(folder: Path) -> _Mark:
    try:
        found = folder.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino)
