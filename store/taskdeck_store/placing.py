"""New files: made beside their place where no one else can read them, made durable, and put there whole.

A file is never made over another one, nor through a symbolic link that somebody planted.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.remedies import remedy

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL
_PIECE = 1 << 17
for _name in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"):
    _FLAGS |= getattr(os, _name, 0)


def draft_of(path: Path) -> Path:
    """Return a name that nobody else uses, beside a path and with its suffix."""
    return path.with_name(f".{os.urandom(8).hex()}.{path.name}")


def clear_drafts(path: Path, *, before: float) -> None:
    """Remove the drafts of a path that nobody has written to since a time, in seconds since 1970: their makers died."""
    pattern = re.compile(rf"\.[0-9a-f]{{16}}\.{re.escape(path.name)}")
    with suppress(OSError):
        for entry in os.scandir(path.parent):
            with suppress(OSError):
                is_old = entry.is_file(follow_symlinks=False) and entry.stat().st_mtime < before
                if is_old and pattern.fullmatch(entry.name):
                    Path(entry.path).unlink()


def new_file(path: Path) -> int:
    """Make a file that only its owner may read, and return its descriptor. Raises OSError."""
    return os.open(path, _FLAGS, 0o600)


def finish(file: int, like: os.stat_result) -> None:
    """Give a new file the owner (from root) and the mode of another, and make it durable. Raises OSError.

    Where it cannot have the other's owner and group, the mode is cut down to its owner's part.
    """
    if sys.platform != "win32":
        if os.geteuid() == 0:
            os.fchown(file, like.st_uid, like.st_gid)
        made = os.fstat(file)
        alike = (made.st_uid, made.st_gid) == (like.st_uid, like.st_gid)
        os.fchmod(file, stat.S_IMODE(like.st_mode) & (0o666 if alike else 0o600))
    sync(file)


def finish_file(path: Path, like: os.stat_result) -> None:
    """Finish a new file that is closed already; see `finish`. Raises OSError."""
    file = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    try:
        finish(file, like)
    finally:
        os.close(file)


def put(draft: Path, path: Path) -> None:
    """Give a draft its name for good. Raises FileExistsError when that is taken, and OSError."""
    try:
        os.link(draft, path)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links.
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        draft.rename(path)
    else:
        draft.unlink()
    sync_folder(path)


@contextmanager
def making(path: Path) -> Iterator[None]:
    """Have the body, which makes a file at a path, raise StoreError where it raises OSError."""
    try:
        yield
    except FileExistsError as error:
        raise StoreError(Fault.EXISTS, f"{path} exists already; nothing was changed") from error
    except FileNotFoundError as error:
        raise StoreError(Fault.MISSING, f"cannot make {path}: there is no folder {path.parent}") from error
    except OSError as error:
        what, advice = remedy(error)
        raise StoreError(Fault.UNWRITABLE, f"cannot make {path}: {what or error.strerror}{advice}") from error


def make(path: Path, content: bytes) -> None:
    """Make a file that only its owner may read: whole or not at all, and never over another. Raises OSError."""
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}.new")
    file = new_file(draft)
    try:
        try:
            write_all(file, content)
            sync(file)
        finally:
            os.close(file)
        put(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def make_database(path: Path, fill: Callable[[Path], None]) -> None:
    """Make a SQLite file that only its owner may read: whole or not at all, and never over another.

    `fill` writes to a draft, which is there already, and makes it durable. Raises StoreError.
    """
    for suffix in ("", "-wal", "-journal"):
        found = path.with_name(path.name + suffix)
        if os.path.lexists(found):
            advice = "nothing was changed" if not suffix else "it is left from another database; move it away first"
            raise StoreError(Fault.EXISTS, f"{found} exists already; {advice}")
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}.new")
    try:
        with making(path):
            os.close(new_file(draft))
            fill(draft)
            put(draft, path)
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            with suppress(OSError):
                draft.with_name(draft.name + suffix).unlink(missing_ok=True)


def write_all(file: int, content: bytes) -> None:
    """Write all of a content to a descriptor: the write before a full disk may be a short one. Raises OSError."""
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]


def holds(path: Path, content: bytes) -> bool:
    """Tell whether this is the content of a file, which takes no memory for another copy of it. Raises OSError."""
    with path.open("rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size != len(content):
            return False
        done = 0
        while piece := file.read(_PIECE):
            if piece != content[done : done + len(piece)]:
                return False
            done += len(piece)
    return done == len(content)


def copy_bytes(source: Path, draft: Path, like: os.stat_result) -> None:
    """Copy a file as it is into a new one. Raises OSError."""
    file = new_file(draft)
    try:
        with source.open("rb") as reading:
            while piece := reading.read(_PIECE):
                write_all(file, piece)
        finish(file, like)
    finally:
        os.close(file)


def sync(file: int) -> None:
    """Make what was written to a descriptor survive a power loss. Raises OSError."""
    if sys.platform == "darwin":
        import fcntl

        # There, fsync leaves it in the drive's cache; see the manual page fsync(2).
        fcntl.fcntl(file, fcntl.F_FULLFSYNC)
    else:
        os.fsync(file)


def sync_file(path: Path) -> None:
    """Make what was written to a file that is closed by now survive a power loss. Raises OSError."""
    file = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    try:
        sync(file)
    finally:
        os.close(file)


def sync_folder(path: Path) -> None:
    """Make the names in a file's folder durable. Raises OSError."""
    if sys.platform != "win32":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            sync(folder)
        finally:
            os.close(folder)
