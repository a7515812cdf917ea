"""A log (`-wal`) that was left behind: SQLite takes it over by itself, and says nothing.

Whoever has a file in WAL mode open holds a lock on byte 128 of its `-shm` (https://www.sqlite.org/walformat.html,
2.3.1 and 2.4): the first to open the file when nobody does takes its log over.
"""

from __future__ import annotations

import os
import struct
import sys
import threading
from contextlib import suppress
from pathlib import Path

OPENING = threading.Lock()
"""Held from `LeftLog` until SQLite has opened the file: see there."""

_HOLDERS_PLACE = 128
_FLOCK = "hhqqi0q"
"""Type, whence, start, length, process; as in fcntl(2)."""


class LeftLog:
    """A log (`-wal`) that nobody closed, looked for before SQLite opens the file, and told of after.

    Nothing is told where there is no such log, or that is not known. To ask who holds a lock on a file takes a
    descriptor of it, and to close that one drops all locks that this process has on the file
    (https://www.sqlite.org/howtocorrupt.html, 2.2). So it is asked only where this process has none, which only Linux
    tells, and while none of its threads opens a store. On the log itself nobody has locks.
    """

    def __init__(self, log: Path, index: Path) -> None:
        self._fd: int | None = None
        if os.name != "posix":
            return
        with suppress(OSError):
            if log.stat().st_size and not _may_be_open(index):
                self._fd = os.open(log, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)

    def told(self) -> tuple[str, ...]:
        """Return in a sentence what was taken over; ask once."""
        if self._fd is None:
            return ()
        try:
            found = os.fstat(self._fd)
        finally:
            os.close(self._fd)
            self._fd = None
        # Who closes a file lets go of its index first and then removes the log, before others get at the file.
        taken_over = found.st_nlink > 0 and found.st_size > 0
        return (f"took over a log (-wal) of {found.st_size:,} bytes that was left behind",) if taken_over else ()


def _may_be_open(index: Path) -> bool:
    try:
        found = index.stat()
    except FileNotFoundError:
        return False
    return sys.platform != "linux" or _is_open_here(found) or _is_locked(index)


def _is_open_here(found: os.stat_result) -> bool:
    for file in Path("/proc/self/fd").iterdir():
        # The one that lists them is gone by now.
        with suppress(FileNotFoundError):
            if os.path.samestat(file.stat(), found):
                return True
    return False


def _is_locked(index: Path) -> bool:
    import fcntl

    fd = os.open(index, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, _HOLDERS_PLACE, 1, 0)
        return bool(struct.unpack(_FLOCK, fcntl.fcntl(fd, fcntl.F_GETLK, asked))[0] != fcntl.F_UNLCK)
    finally:
        os.close(fd)
