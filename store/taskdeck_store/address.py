"""From an address to an open store: a path's kind is read from its content first, its suffix second.

What is neither a SQLite nor a JSON store of ours may be a place that others own; see `taskdeck_store.kinds`.
"""

from __future__ import annotations

import os
import re
import time
from errno import EACCES
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from taskdeck_store import clock
from taskdeck_store.contract import Fault, Store, StoreError
from taskdeck_store.marks import APPLICATION_ID, BUNDLE_ID

if TYPE_CHECKING:
    from taskdeck_store import source

Kind: TypeAlias = Literal["sqlite", "json"]

_SQLITE_MAGIC = b"SQLite format 3\x00"
_SQLITE_SUFFIXES = (".db", ".sqlite", ".sqlite3")
_SQLITE_SCHEME = "sqlite:///"
_STILL = 0.15
"""Seconds for which a file must stay empty until it counts as no store."""
_RECENT = 1.0
"""Seconds since its last write after which an empty file counts as that at once."""
_NAP = 0.003
_HEAD = 512
_OUR_MARKS = tuple(mark.to_bytes(4, "big") for mark in (APPLICATION_ID, BUNDLE_ID))
_TASKS = re.compile(rb'\{\s*"tasks"\s*:\s*\[')
_databases: dict[tuple[str, int, int] | None, source.Kind | None] = {}
"""Of which foreign kind the SQLite files are that were looked at; None: of none."""
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):")


def open_store(
    address: str, *, read_only: bool = False, now: clock.Clock = clock.utc_now, patience: float = 10.0
) -> Store:
    """Open the store at an address. Makes no file.

    `patience` bounds, in seconds, how long a commit waits for other writers. Raises StoreError when there is no
    store there, or one that cannot be read.
    """
    foreign = foreign_kind(address)
    if foreign is not None:
        from taskdeck_store.kinds import open_observed

        return open_observed(foreign, address, read_only=read_only, now=now, patience=patience)
    path = path_of(address)
    if kind_at(path) == "sqlite":
        from taskdeck_store.sqlite.store import SqliteStore

        return SqliteStore.open(path, address=address, read_only=read_only, now=now, patience=patience)
    from taskdeck_store.jsonfile.store import JsonStore

    return JsonStore.open(path, address=address, read_only=read_only, now=now, patience=patience)


def create_store(address: str) -> None:
    """Make an empty store at an address. Raises StoreError when there is something already, or no place for it."""
    scheme = _scheme(address)
    if scheme is not None and not address.startswith(_SQLITE_SCHEME):
        from taskdeck_store import kinds

        kind = kinds.kind_by_scheme(scheme)
        if kind is not None and kind.create is not None:
            kind.create(address)
            return
        if kind is not None:
            message = f"cannot make {address}: {kind.name} makes its own; name a .json or .db file to make a store"
            raise StoreError(Fault.FOREIGN, message)
    path = path_of(address)
    if path.is_symlink() or path.exists():
        raise StoreError(Fault.EXISTS, f"{path} exists already; nothing was changed")
    from taskdeck_store import kinds

    kind = kinds.kind_for(path)
    if kind is not None and kind.create is not None:
        kind.create(address)
    elif kind_by_suffix(path) == "sqlite":
        from taskdeck_store.sqlite.store import SqliteStore

        SqliteStore.create(path)
    else:
        from taskdeck_store.jsonfile.store import JsonStore

        JsonStore.create(path)


def foreign_kind(address: str) -> source.Kind | None:
    """Return the kind of what others own at an address; None where it is one of ours, or none that anybody knows.

    Raises StoreError where a kind that another package adds cannot be loaded.
    """
    scheme = _scheme(address)
    if scheme is not None and not address.startswith(_SQLITE_SCHEME):
        from taskdeck_store import kinds

        return kinds.kind_by_scheme(scheme)
    path = path_of(address)
    # To look into a database that this process has open would drop its locks; see `kind_at`.
    mark = _mark(path)
    if mark in _databases:
        return _databases[mark]
    found, is_database = _recognised(path)
    if mark is not None and is_database:
        _databases[mark] = found
    return found


def path_of(address: str) -> Path:
    """Return the file an address means. Raises StoreError for a scheme this version does not know."""
    if address.startswith(_SQLITE_SCHEME):
        return Path(address.removeprefix(_SQLITE_SCHEME))
    scheme = _scheme(address)
    if scheme is not None:
        known = "a path to a .json or .db file, or sqlite:///PATH"
        raise StoreError(Fault.FOREIGN, f"cannot open {address}: {scheme}: is no store this version knows; use {known}")
    return Path(address)


def own_path(address: str) -> Path:
    """Return the file of a store of ours, or of what is to be one. Raises StoreError for what others own."""
    foreign = foreign_kind(address)
    if foreign is not None:
        message = f"{address} is kept by its own tools ({foreign.name}), and not copied as files are"
        raise StoreError(Fault.FOREIGN, f"{message}; to have all of it in a store of ours: taskdeck convert")
    return path_of(address)


def kind_at(path: Path) -> Kind:
    """Tell what kind of store a path holds. Raises StoreError when there is nothing there that could be one."""
    if path.is_dir():
        if not os.access(path, os.R_OK | os.X_OK):
            raise StoreError(Fault.UNREADABLE, f"cannot read {path}: {os.strerror(EACCES)}")
        raise StoreError(Fault.FOREIGN, f"{path} is a folder; {_in_folder(path)}")
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


def _in_folder(folder: Path) -> str:
    """Return what to name instead of a folder that is no store itself."""
    from taskdeck_store import kinds

    try:
        there = [address for _, address in kinds.nearby(folder)]
    except OSError:
        there = []
    return f"name what is in it: {', '.join(there)}" if there else "name the .json or .db file in it"


def is_store(path: Path) -> bool:
    """Tell whether a file that nobody has open in this process is a store of ours, by what is in it."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        if head.startswith(_SQLITE_MAGIC):
            return head[68:72] in _OUR_MARKS
        open_store(str(path), read_only=True).close()
    except (OSError, StoreError):
        return False
    return True


def kind_by_suffix(path: Path) -> Kind:
    """Tell what kind of store is made at a path."""
    return "sqlite" if path.suffix.lower() in _SQLITE_SUFFIXES else "json"


def _scheme(address: str) -> str | None:
    """Return the scheme that an address begins with; None for a path. One letter is a drive of Windows."""
    found = _SCHEME.match(address)
    return None if found is None or Path(address).exists() else found[1]


def _recognised(path: Path) -> tuple[source.Kind | None, bool]:
    """Return the foreign kind of what lies at a path, and whether that is a SQLite file."""
    is_database = False
    if not path.is_dir():
        try:
            with path.open("rb") as file:
                head = file.read(_HEAD)
        except OSError:
            return None, False
        is_database = head.startswith(_SQLITE_MAGIC)
        if head[68:72] in _OUR_MARKS if is_database else _is_task_list(path, head.lstrip()):
            return None, is_database
    from taskdeck_store import kinds

    return kinds.kind_at(path), is_database


def _is_task_list(path: Path, head: bytes) -> bool:
    """Tell whether a file that begins so is a task file of ours, if it is any."""
    if not head:
        return True
    is_list = head.startswith(b"[") or _TASKS.match(head) is not None
    # Task Master once wrote such files too.
    return is_list and path.absolute().parent.parts[-2:] != (".taskmaster", "tasks")


def _mark(path: Path) -> tuple[str, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (os.path.realpath(path), found.st_dev, found.st_ino)


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
