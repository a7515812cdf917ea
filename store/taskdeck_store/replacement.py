"""Put a new content in the place of a file: durably, all or nothing, and never over what someone else has written.

The new content is written beside the file, synced, and takes the file's name; the folder is synced too, since without
that a power loss may bring the old file back. Where the system can exchange two names in one step (Linux, macOS), the
content that was really replaced is looked at afterwards: was it not the expected one, the exchange is undone. Elsewhere
the last look comes a few microseconds before the rename.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TypeAlias

from taskdeck_store.placing import holds, new_file, sync, sync_folder, write_all

Signature: TypeAlias = tuple[int, int, int, int, int]
"""What tells two states of a file apart without reading it: device, inode, size, times of content and of inode."""

_TRIES = 1_000
_EXCHANGE = 2
_HERE = -100


def signature(path: Path) -> Signature:
    """Return the signature of a file. Raises OSError."""
    found = path.stat()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


class Replacement:
    """A new content for a file, on its way. Only under the store's write lock. Every method but
    `discard` raises OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._new = path.with_name(f".{path.name}.taskdeck-new")
        self._old = path.with_name(f".{path.name}.taskdeck-old")
        self._holds_theirs = False

    def write(self, content: bytes) -> None:
        """Write the content beside the file, with the file's mode, owner and extended attributes, and sync it."""
        self._new.unlink(missing_ok=True)
        like = self._path.stat()
        file = new_file(self._new)
        try:
            write_all(file, content)
            own_like(file, like)
            _copy_attributes(self._path, self._new)
            sync(file)
        finally:
            os.close(file)

    def put(self, expected: bytes) -> bool:
        """Put what was written in the file's place; False, with nothing changed, unless the file held `expected`."""
        found = _kept(self._path)
        if not holds(self._path, expected):
            return False
        self._new.replace(self._old)
        if _kept(self._path) != found:
            return False
        ours = _kept(self._old)
        if not _exchanged(self._old, self._path):
            self._old.replace(self._path)
            sync_folder(self._path)
            return True
        self._holds_theirs = True
        try:
            if _kept(self._old) == found:
                sync_folder(self._path)
                # Only now: who had opened the file before the exchange has begun to write by the time of the sync.
                self._holds_theirs = _kept(self._old) != found or not holds(self._old, expected)
            return not self._holds_theirs
        finally:
            if self._holds_theirs:
                self._give_back(ours)
                self._holds_theirs = False

    def _give_back(self, placed: tuple[int, ...]) -> None:
        """Put what came out back in its place. What another program put there meanwhile is newer, and goes over it.

        `placed` is what we put there ourselves: only when that comes out has nobody written in between.
        """
        for _ in range(_TRIES):
            given = _kept(self._old)
            if not _exchanged(self._old, self._path):
                self._old.replace(self._path)
                return
            if _kept(self._old) == placed:
                return
            placed = given
        raise OSError(errno.EBUSY, "another program rewrites it again and again", str(self._path))

    def discard(self) -> list[str]:
        """Remove what was written and not put in place, and what was replaced; return the names of these files.

        What cannot be removed stays for the next replacement; it changes nothing of this one.
        """
        removed = []
        for path in (self._new,) if self._holds_theirs else (self._new, self._old):
            with suppress(OSError):
                path.unlink()
                removed.append(path.name)
        return removed

    def is_left(self) -> bool:
        """Tell whether there is anything to `discard`: of one who is at it, or was killed."""
        return os.path.lexists(self._new) or os.path.lexists(self._old)

    def left_over(self) -> bytes | None:
        """Return what a `put` that was killed had taken out of the file's place, or was about to put there."""
        try:
            return self._old.read_bytes()
        except FileNotFoundError:
            return None

    def restore(self, over: Signature) -> None:
        """Put what `left_over` returned in the file's place, but not over what is newer than a signature of it."""
        self._give_back(over[:4])
        sync_folder(self._path)


def _kept(path: Path) -> tuple[int, ...]:
    """Return what a rename leaves of a file's signature."""
    return signature(path)[:4]


def own_like(file: int, like: os.stat_result) -> None:
    """Give a new file the owner, the group and the mode of another. Raises PermissionError when it may not."""
    if sys.platform != "win32":
        made = os.fstat(file)
        if (made.st_uid, made.st_gid) != (like.st_uid, like.st_gid):
            try:
                os.fchown(file, like.st_uid, like.st_gid)
            except PermissionError as error:
                message = "it belongs to another user or group, and a file that took its place would not"
                raise PermissionError(error.errno, message) from error
        os.fchmod(file, stat.S_IMODE(like.st_mode))


def _copy_attributes(source: Path, target: Path) -> None:
    if sys.platform == "linux":
        try:
            for name in os.listxattr(source):
                os.setxattr(target, name, os.getxattr(source, name))
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.EPERM, errno.ENODATA):
                raise


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two names in one step; False where system or file system cannot."""
    exchange = _exchange()
    if exchange is None:
        return False
    number = exchange(os.fsencode(one), os.fsencode(other))
    if number in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    if number:
        raise OSError(number, os.strerror(number), str(other))
    return True


@cache
def _exchange() -> Callable[[bytes, bytes], int] | None:
    import ctypes

    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            swap = library.renamex_np
            return lambda one, other: ctypes.get_errno() if swap(one, other, _EXCHANGE) else 0
        rename = library.renameat2
    except (OSError, AttributeError, TypeError):
        return None
    return lambda one, other: ctypes.get_errno() if rename(_HERE, one, _HERE, other, _EXCHANGE) else 0
