"""Opening, making and closing the file of a SQLite store."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

import apsw

from taskdeck_store import placing
from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.folder import Folder
from taskdeck_store.marks import APPLICATION_ID, BUNDLE_ID
from taskdeck_store.sqlite import mending, schema, where
from taskdeck_store.sqlite.faults import explained, said
from taskdeck_store.sqlite.pin import Pin
from taskdeck_store.sqlite.rows import fetch

_NAP = 0.001
_SHOWN_TABLES = 6


class Opened:
    """A connection to the file at a path, ready for use, and what is known of that file.

    `real` is its path without symbolic links. `writable` is False when this program may not write to it. `sight` is
    what it held when it was opened, `mended` what was left half done and SQLite then healed. Waits for another
    program's lock are bounded by `patience`, in seconds. An older layout is brought up to date if `migrates`.
    A bundle (`is_bundle`) is never written to.
    """

    def __init__(self, path: Path, *, patience: float, migrates: bool) -> None:
        """Raises StoreError when there is no store of ours at the path, or none that can be read."""
        self.patience = patience
        self._path = path
        self._migrates = migrates
        self._waits_since = 0.0
        self._frozen = False
        self.is_bundle = False
        self._logs_ahead = False
        # One that takes the place of another meanwhile must not be taken for that: the log would be, too.
        while not self._opens():
            self._wal.close()
            self.connection.close(True)

    def _opens(self) -> bool:
        """Open the file at the path; tell whether it is still that file which is there."""
        found = mark(self._path)
        if found is None:
            raise gone(self._path)
        self._mark = found
        self.real = Path(os.path.realpath(self._path))
        self._log = self._beside("-wal")
        self._folder = Folder(self.real.parent)
        with explained(self._path, "read"), mending.OPENING:
            left = mending.LeftLog(self._log, self._beside("-shm"))
            try:
                self.connection = self._connected()
            finally:
                told = left.told()
        self.mended = told if self.writable else ()
        self._wal = Pin(self._log)
        there = mark(self._path)
        return there is not None and there[:2] == self.identity

    @property
    def identity(self) -> tuple[int, int]:
        """What tells this file from one that takes its place."""
        return self._mark[:2]

    def is_current(self) -> bool:
        """Tell whether the file at the path, and its log, are still those that were opened.

        Raises StoreError when there is no file.
        """
        if self._folder.is_still():
            return True
        look = self._folder.look()
        found = mark(self._path)
        if found is None:
            raise gone(self._path)
        if self._frozen:
            return found == self._mark
        is_current = found[:2] == self._mark[:2] and self._wal.holds()
        if is_current and self._path.absolute() == self.real:
            # A path through a symbolic link leads by other folders, too.
            self._folder.remember(look)
        return is_current

    def log_ahead(self) -> None:
        """Return a file to WAL mode; copies that SQLite makes with VACUUM INTO have left it."""
        if not self._logs_ahead:
            self._logs_ahead = self.connection.pragma("journal_mode", "WAL") == "wal"
            self._wal.close()
            self._wal = Pin(self._log)
            self._folder.forget()

    def close(self) -> None:
        """Close the connection.

        Where another file took the place of ours, our log (`-wal`) still has the name that SQLite would read with the
        new file, and so damage it (https://www.sqlite.org/howtocorrupt.html, 4.4): it is written back and removed.
        """
        try:
            found = mark(self._path)
            if (found is None or found[:2] != self.identity) and self._wal.is_file and self._wal.holds():
                self._settle()
        finally:
            self._wal.close()
            self.connection.close(True)

    def _settle(self) -> None:
        with suppress(apsw.Error, OSError):
            is_busy = fetch(self.connection, "PRAGMA wal_checkpoint(TRUNCATE)")[0][0]
            for suffix in ("-wal", "-shm") if not is_busy else ():
                self._beside(suffix).unlink(missing_ok=True)

    def _connected(self) -> apsw.Connection:
        try:
            connection = self._checked(apsw.Connection(str(self.real), flags=apsw.SQLITE_OPEN_READWRITE))
            if not self.is_bundle:
                return connection
            connection.close(True)
        except (apsw.CantOpenError, apsw.ReadOnlyError, apsw.IOError):
            # A log in WAL mode needs two files beside the store; without the right to make them, only a file that
            # nobody writes to can be read (https://www.sqlite.org/wal.html#read_only_databases).
            wal = mark(self._log)
            if os.access(self.real.parent, os.W_OK) or (wal is not None and wal[2] > 0):
                raise
        from urllib.parse import quote

        self._frozen = True
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        return self._checked(apsw.Connection(f"file:{quote(str(self.real))}?immutable=1", flags=flags))

    def _checked(self, connection: apsw.Connection) -> apsw.Connection:
        try:
            connection.set_busy_handler(self._wait)
            # Otherwise a statement with a bound LIMIT is planned anew each time, which takes longer than it does.
            connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
            connection.pragma("synchronous", "FULL")
            # macOS calls a write durable that its disk has only promised, unless it is asked so.
            connection.pragma("fullfsync", True)
            where.prepare(connection)
            self._recognise(connection)
            self.writable = not self._frozen and not connection.readonly("main")
            self.sight = sight(connection)
            self._logs_ahead = connection.pragma("journal_mode") == "wal"
        except BaseException:
            connection.close(True)
            raise
        return connection

    def _recognise(self, connection: apsw.Connection) -> None:
        mark = connection.pragma("application_id")
        self.is_bundle = mark == BUNDLE_ID
        if mark != APPLICATION_ID and not self.is_bundle:
            tables = [said(name) for (name,) in fetch(connection, _TABLES, (_SHOWN_TABLES,))]
            found = f"it has the tables {', '.join(tables)}" if tables else "it has no tables"
            advice = f"name another file, or move it away and: taskdeck init {self._path}"
            raise StoreError(Fault.FOREIGN, f"{self._path} is a SQLite file, but no Taskdeck store: {found}; {advice}")
        layout = schema.layout(connection)
        if layout > len(schema.MIGRATIONS):
            versions = f"its layout is {layout}, this version knows {len(schema.MIGRATIONS)}"
            message = f"{self._path} was made by a newer Taskdeck ({versions}); update with: pip install -U taskdeck"
            raise StoreError(Fault.NEWER, message)
        if layout < 1:
            raise apsw.CorruptError(f"its layout is {layout}")
        if layout < len(schema.MIGRATIONS):
            self._migrate(connection, layout)

    def _migrate(self, connection: apsw.Connection, layout: int) -> None:
        if not self._migrates or self.is_bundle or connection.readonly("main"):
            if layout >= schema.READABLE:
                schema.show(connection)
                return
            message = f"{self._path} has an older layout; open it once for writing, to bring it up to date"
            raise StoreError(Fault.READ_ONLY, message)
        connection.execute("BEGIN IMMEDIATE")
        schema.migrate(connection)
        connection.execute("COMMIT")

    def _wait(self, tries: int) -> bool:
        if tries == 0:
            self._waits_since = time.monotonic()
        elif time.monotonic() - self._waits_since > self.patience:
            return False
        time.sleep(_NAP)
        return True

    def _beside(self, suffix: str) -> Path:
        return self.real.with_name(self.real.name + suffix)


_TABLES = r"SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' LIMIT ?"


def mark(path: Path) -> tuple[int, int, int, int] | None:
    """Return what tells a file from one that took its place, and from itself after a write; None: no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def gone(path: Path) -> StoreError:
    """Return the error of a store whose file is not there any more, or out of reach."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        return StoreError(Fault.UNREADABLE, f"cannot reach {path}: {error.strerror}")
    return StoreError(Fault.MISSING, f"{path} was deleted or moved away; put it back, or: taskdeck init {path}")


def sight(connection: apsw.Connection) -> tuple[str, int]:
    """Return which store this is, and the seq of its last event, 0 when there is none.

    A store that was restored is another one, though its file is the same.
    """
    store, seq = fetch(connection, "SELECT (SELECT store FROM identity), max(seq) FROM events")[0]
    return str(store), int(seq or 0)


def create(path: Path) -> None:
    """Make an empty store: whole, or not at all, and never over another file. Only its owner may read it.

    Raises StoreError.
    """
    with explained(path, "write"):
        placing.make_database(path, _fill)


def _fill(draft: Path) -> None:
    connection = apsw.Connection(str(draft.absolute()), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.pragma("journal_mode", "WAL")
        connection.pragma("synchronous", "FULL")
        connection.execute("BEGIN")
        schema.migrate(connection)
        connection.execute("COMMIT")
    finally:
        connection.close(True)
