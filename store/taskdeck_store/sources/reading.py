"""Foreign files as bytes and as JSON: regular files of a size that fits, whole, and the trouble said in a line."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path

from taskdeck_store import jsontext
from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.jsonflaws import Flaw, decoded
from taskdeck_store.jsonscan import Scanner
from taskdeck_store.jsontext import NESTING, depth
from taskdeck_store.printable import one_line
from taskdeck_store.remedies import remedy
from taskdeck_store.sources.translation import scrubbed
from taskdeck_store.values import Json

MOST = 256 << 20
"""No file that is larger is read, in bytes."""

_FLAGS = os.O_RDONLY
for _name in ("O_CLOEXEC", "O_NONBLOCK", "O_BINARY"):
    _FLAGS |= getattr(os, _name, 0)
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")


def is_file(path: Path | str) -> bool:
    """Tell whether there is a regular file, or a link to one; False also where that cannot be told."""
    return os.path.isfile(path)  # noqa: PTH113 - a Path raises where a name is too long


def is_folder(path: Path | str) -> bool:
    """Tell whether there is a folder, or a link to one; False also where that cannot be told."""
    return os.path.isdir(path)  # noqa: PTH112 - a Path raises where a name is too long


def content(path: Path, *, follow: bool = True) -> bytes:
    """Return what is in a file. Raises StoreError: a folder, a pipe, and what cannot be read is none.

    Without `follow`, a symbolic link is none either.
    """
    try:
        file = os.open(path, _FLAGS if follow else _FLAGS | getattr(os, "O_NOFOLLOW", 0))
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode):
                raise StoreError(Fault.FOREIGN, f"{said(path)} is no regular file")
            if found.st_size > MOST:
                raise StoreError(Fault.FOREIGN, f"{said(path)} is too large: {found.st_size:,} bytes of {MOST:,}")
            with os.fdopen(file, "rb", closefd=False) as reading:
                return reading.read(MOST)
        finally:
            os.close(file)
    except OSError as error:
        raise unreadable(path, error) from error


def head(path: Path, most: int = 1 << 16) -> bytes:
    """Return the first bytes of a regular file; none where it cannot be read, or where SQLite may have it in use.

    Closing a file that SQLite has open in this process would drop its locks
    (https://www.sqlite.org/howtocorrupt.html, 2.2).
    """
    try:
        if is_file(os.path.realpath(path) + "-shm") or not is_file(path):
            return b""
        file = os.open(path, _FLAGS)
        try:
            return os.read(file, most)
        finally:
            os.close(file)
    except (OSError, ValueError):
        return b""


def unreadable(path: Path, error: OSError) -> StoreError:
    """Return what to say of a file or folder that the system does not let be read."""
    if isinstance(error, FileNotFoundError):
        return StoreError(Fault.MISSING, f"there is no {said(path)}")
    why, advice = remedy(error)
    if error.errno == errno.ELOOP:
        why = "its symbolic links lead in a circle, or lead elsewhere"
    return StoreError(Fault.UNREADABLE, f"cannot read {said(path)}: {why or error.strerror}{advice}")


def unwritable(path: Path, error: OSError) -> StoreError:
    """Return what to say of a file that cannot be written; what was in it still is."""
    why, advice = remedy(error)
    fault = Fault.READ_ONLY if error.errno == errno.EROFS else Fault.UNWRITABLE
    why = why or (error.strerror or str(error))
    return StoreError(fault, f"cannot write {said(path)}: {why}; it is as it was{advice}")


def json_of(path: Path, raw: bytes) -> Json:
    """Return the value of a file's JSON, without halves of surrogates. Raises StoreError that says what is wrong where.

    A file that is empty or ends too early is one that another program may still be writing.
    """
    try:
        value = jsontext.decode(raw)
    except ValueError as error:
        raise StoreError(Fault.DAMAGED, f"{said(path)} is no JSON: {_where(raw, error)}") from error
    if _HALF.search(raw):
        if depth(value) > NESTING:
            raise StoreError(Fault.DAMAGED, f"{said(path)} is nested more than {NESTING} levels deep")
        value = scrubbed(value)
    return value


def said(path: Path) -> str:
    """Return a path as a message may show it."""
    return one_line(str(path))


def _where(raw: bytes, error: ValueError) -> str:
    if not raw.strip():
        return f"it is empty ({len(raw):,} bytes)"
    try:
        scanner = Scanner(decoded(raw))
        scanner.value()
        if scanner.peek():
            scanner.fail("the end of the file is expected here")
    except Flaw as flaw:
        return one_line(f"line {flaw.line}, column {flaw.column}: {flaw.message}", 200)
    return one_line(str(error), 200)
