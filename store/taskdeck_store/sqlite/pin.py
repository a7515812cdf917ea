"""Whether a file that was opened still stands at its path, asked without a look at its times.

Since Linux 6.13 a write gives a file a new time only if somebody has asked for the last one, or a tick has gone by
(https://docs.kernel.org/filesystems/multigrain-ts.html); a new time is one more thing for the next fsync to store. A
stat of SQLite's log before each commit costs commits that follow each other closely a quarter of their speed.
"""

from __future__ import annotations

import os
from pathlib import Path


class Pin:
    """Remembers the file at a path, which has no symbolic links in it. `close` lets go of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._name = str(path)
        self._fd: int | None = None
        if hasattr(os, "O_PATH"):
            self._hold(os.O_PATH)
        self._file = _identity(path) if self._fd is None else os.fstat(self._fd)

    @property
    def is_file(self) -> bool:
        """Whether there was a file at the path."""
        return self._file is not None

    def holds(self) -> bool:
        """Tell whether the path still names the same file. Where there was none, nothing can be told: True."""
        if self._fd is not None:
            return _name(self._fd) == self._name
        if self._file is None:
            return True
        found = _identity(self._path)
        return found is not None and os.path.samestat(found, self._file)

    def close(self) -> None:
        """Let go of the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _hold(self, flag: int) -> None:
        # A descriptor of this kind does not take SQLite's locks with it when it is closed.
        try:
            fd = os.open(self._path, flag | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return
        if _name(fd) == self._name:
            self._fd = fd
        else:
            os.close(fd)


def _name(fd: int) -> str | None:
    """Return the path that the kernel knows an open file by; None without a /proc."""
    try:
        return os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115 - a Path takes twice the time
    except OSError:
        return None


def _identity(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
