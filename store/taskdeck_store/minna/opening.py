"""Opening a file of memories, leaving its settings and its journal as they are."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

import apsw

from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.marks import APPLICATION_ID, BUNDLE_ID
from taskdeck_store.printable import one_line
from taskdeck_store.remedies import remedy

Identity: TypeAlias = tuple[int, int]
"""What tells a file from one that takes its place."""


def identity(path: Path) -> Identity | None:
    """Return the identity of the file at a path; None where there is none, or it is out of reach."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino)


def connected(path: Path, *, patience: float) -> apsw.Connection:
    """Open the SQLite file at a path, for writing if that is allowed; what it waits for locks is in seconds.

    Raises StoreError where there is no file or it is one of Taskdeck's own, and apsw.Error.
    """
    _check(path)
    real = os.path.realpath(path)
    try:
        connection = _ready(apsw.Connection(real, flags=apsw.SQLITE_OPEN_READWRITE), patience)
    except (apsw.CantOpenError, apsw.ReadOnlyError, apsw.IOError):
        # A log in WAL mode needs two files beside it; without the right to make them, only a file that nobody writes
        # to can be read (https://www.sqlite.org/wal.html#read_only_databases).
        log = Path(f"{real}-wal")
        if os.access(os.path.dirname(real), os.W_OK) or (log.exists() and log.stat().st_size):  # noqa: PTH120
            raise
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        connection = _ready(apsw.Connection(f"file:{quote(real)}?immutable=1", flags=flags), patience)
    if connection.pragma("application_id") in (APPLICATION_ID, BUNDLE_ID):
        connection.close(True)
        raise StoreError(Fault.FOREIGN, one_line(f"{path} is a store of Taskdeck, not one of memories; open {path}"))
    return connection


def _ready(connection: apsw.Connection, patience: float) -> apsw.Connection:
    try:
        connection.set_busy_timeout(int(patience * 1000))
        connection.pragma("synchronous", "FULL")
        connection.pragma("fullfsync", True)
        # What a strange file says is SQL of its own must not reach further than that file.
        connection.pragma("trusted_schema", False)
        connection.pragma("schema_version")
    except BaseException:
        connection.close(True)
        raise
    return connection


def _check(path: Path) -> None:
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        message = f"there is no {path}; make one with: taskdeck init minna:{path}"
        raise StoreError(Fault.MISSING, one_line(message)) from error
    except OSError as error:
        what, advice = remedy(error)
        message = f"cannot read {path}: {what or error.strerror}{advice}"
        raise StoreError(Fault.UNREADABLE, one_line(message)) from error
    except ValueError as error:
        raise StoreError(Fault.MISSING, one_line(f"there can be no file {path}")) from error
    if stat.S_ISDIR(found.st_mode):
        raise StoreError(Fault.FOREIGN, one_line(f"{path} is a folder; name the .db file in it"))
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(Fault.FOREIGN, one_line(f"{path} is no file"))
    if not found.st_size:
        message = f"{path} is empty (0 bytes), so it has no memories; remove it, then: taskdeck init minna:{path}"
        raise StoreError(Fault.FOREIGN, one_line(message))
