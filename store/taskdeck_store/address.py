"""From an address to an open store: a path's kind is read from its content first, its suffix second."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Literal, TypeAlias

from taskdeck_store import clock
from taskdeck_store.contract import Fault, Store, StoreError

Kind: TypeAlias = Literal["sqlite", "json"]

_SQLITE_MAGIC = b"SQLite format 3\x00"
_SQLITE_SUFFIXES = (".db", ".sqlite", ".sqlite3")
_SQLITE_SCHEME = "sqlite:///"
_STILL = 0.15
"""Seconds for which a file must stay empty until it counts as no store."""
_RECENT = 1.0
"""Seconds since its last write after which an empty file counts as that at once."""
_NAP = 0.003


def open_store(
    address: str, *, read_only: bool = False, now: clock.Clock = clock.utc_now, patience: float = 10.0
) -> Store:
    """Open the store at an address. Makes no file.

    `patience` bounds, in seconds, how long a commit waits for other writers. Raises StoreError when there is no
    store there, or one that cannot be read.
    """
    path = path_of(address)
    if kind_at(path) == "sqlite":
        from taskdeck_store.sqlite.store import SqliteStore

        return SqliteStore.open(path, address=address, read_only=read_only, now=now, patience=patience)
    from taskdeck_store.jsonfile.store import JsonStore

    return JsonStore.open(path, address=address, read_only=read_only, now=now, patience=patience)


def create_store(address: str) -> None:
    """Make an empty store at an address. Raises StoreError when there is something already, or no place for it."""
    path = path_of(address)
    if path.is_symlink() or path.exists():
        raise StoreError(Fault.EXISTS, f"{path} exists already; nothing was changed")
    if kind_by_suffix(path) == "sqlite":
        from taskdeck_store.sqlite.store import SqliteStore

        SqliteStore.create(path)
    else:
        from taskdeck_store.jsonfile.store import JsonStore

        JsonStore.create(path)


def path_of(address: str) -> Path:
    """Return the file an address means. Raises StoreError for a scheme this version does not know."""
    if address.startswith(_SQLITE_SCHEME):
        return Path(address.removeprefix(_SQLITE_SCHEME))
    scheme, colon, _ = address.partition(":")
    if colon and scheme.isalpha() and len(scheme) > 1 and not Path(address).exists():
        known = "a path to a .json or .db file, or sqlite:///PATH"
        raise StoreError(Fault.FOREIGN, f"cannot open {address}: {scheme}: is no store this version knows; use {known}")
    return Path(address)


def kind_at(path: Path) -> Kind:
    """Tell what kind of store a path holds. Raises StoreError when there is nothing there that could be one."""
    if path.is_dir():
        raise StoreError(Fault.FOREIGN, f"{path} is a folder; name the .json or .db file in it")
    # A file that SQLite uses in this process must not be opened beside it: closing it would drop SQLite's locks
    # (https://www.sqlite.org/howtocorrupt.html, 2.2). In use, a WAL store has its -shm beside it.
    if Path(os.path.realpath(path) + "-shm").exists():
        return "sqlite"
    try:
        head = _head(path)
    except FileNotFoundError as error:
        raise StoreError(Fault.MISSING, f"there is no {path}; make one with: taskdeck init {path}") from error
    except OSError as error:
        raise StoreError(Fault.UNREADABLE, f"cannot read {path}: {error.strerror}") from error
    if head == _SQLITE_MAGIC:
        return "sqlite"
    if not head:
        message = f"{path} is empty (0 bytes), so it is no store; remove it, then: taskdeck init {path}"
        raise StoreError(Fault.FOREIGN, message)
    if kind_by_suffix(path) == "sqlite":
        raise StoreError(Fault.FOREIGN, f"{path} is named like a SQLite file but is none; give it its own suffix")
    return "json"


def kind_by_suffix(path: Path) -> Kind:
    """Tell what kind of store is made at a path."""
    return "sqlite" if path.suffix.lower() in _SQLITE_SUFFIXES else "json"


def _head(path: Path) -> bytes:
    """Return the first bytes of a file; wait a little for one that a program has emptied to write it anew."""
    until = time.monotonic() + _STILL
    while True:
        with path.open("rb") as file:
            head = file.read(len(_SQLITE_MAGIC))
            emptied = os.fstat(file.fileno()).st_mtime
        if head or time.time() - emptied > _RECENT or time.monotonic() > until:
            return head
        time.sleep(_NAP)
