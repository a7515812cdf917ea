"""The SQLite files of other programs, read while these have them open, and never changed: not by a byte, not by a file.

A file in WAL mode whose log is not there is opened by nobody; only SQLite's ``immutable`` reads it without making the
log (https://www.sqlite.org/wal.html#read_only_databases). That nobody has opened it meanwhile is looked at afterwards.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from contextlib import closing
from math import isinf
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.printable import one_line
from taskdeck_store.source import Sight
from taskdeck_store.sources.files import FileSource, mark_of
from taskdeck_store.sources.reading import head, is_file, said
from taskdeck_store.sources.translation import Record
from taskdeck_store.values import Json
from taskdeck_store.watch import FolderWatch

if TYPE_CHECKING:
    import apsw

_MAGIC = b"SQLite format 3\x00"
_WAL = 2
_TRIES = 5
_PATIENCE_MS = 2_000


class DatabaseSource(FileSource):
    """The tables of one SQLite file; `_tables` are some that every one of its kind has."""

    _tables: tuple[str, ...]

    def __init__(self, address: str) -> None:
        """Raises StoreError."""
        path = Path(address)
        super().__init__(path, FolderWatch(path))
        self._real = Path(self.place)

    @abstractmethod
    def _sight(self, connection: apsw.Connection) -> Sight:
        """Read all tasks. Raises apsw.Error."""

    def _paths(self) -> Iterable[str]:
        return (self.place, str(self._beside("-wal")))

    def _read(self) -> Sight:
        for _ in range(_TRIES):
            is_alone = self._is_alone()
            before = mark_of(self._real)
            sight = self._read_once(is_alone)
            if not is_alone or (self._is_alone() and mark_of(self._real) == before):
                return sight
        raise StoreError(Fault.BUSY, f"{said(self._path)} is written to again and again; try again")

    def _read_once(self, is_alone: bool) -> Sight:
        import apsw

        if not is_file(self._real):
            raise StoreError(Fault.MISSING, f"there is no {said(self._path)}")
        uri = f"file:{quote(str(self._real))}?mode=ro" + ("&immutable=1" if is_alone else "")
        try:
            with closing(apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)) as connection:
                connection.set_busy_timeout(_PATIENCE_MS)
                connection.execute("BEGIN")
                if not _names(connection).issuperset(self._tables):
                    raise StoreError(Fault.FOREIGN, f"{said(self._path)} lacks tables of {self.kind}, so it is none")
                return self._sight(connection)
        except apsw.BusyError as error:
            message = f"{self.kind} has {said(self._path)} locked for writing; try again"
            raise StoreError(Fault.BUSY, message) from error
        except (apsw.NotADBError, apsw.CorruptError) as error:
            raise StoreError(Fault.DAMAGED, f"{said(self._path)} is damaged: {one_line(str(error), 200)}") from error
        except UnicodeDecodeError as error:
            raise StoreError(Fault.DAMAGED, f"{said(self._path)} holds texts that are not UTF-8") from error
        except apsw.Error as error:
            hint = f"open it with {self.kind} once, then try again"
            raise StoreError(
                Fault.UNREADABLE, f"cannot read {said(self._path)}: {one_line(str(error), 200)}; {hint}"
            ) from error

    def _is_alone(self) -> bool:
        """Whether it is in WAL mode, and nobody has it open."""
        if any(is_file(self._beside(suffix)) for suffix in ("-wal", "-shm", "-journal")):
            return False
        return head(self._real, 20)[18:20] == bytes((_WAL, _WAL))

    def _beside(self, suffix: str) -> Path:
        return self._real.with_name(self._real.name + suffix)


def records(connection: apsw.Connection, table: str) -> list[Record]:
    """Return the rows of a table, by the names of its columns; none where it is not there. Raises apsw.Error."""
    names = [name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]
    if not names:
        return []
    columns = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
    found = connection.execute(f'SELECT {columns} FROM "{table}"')
    return [dict(zip(names, map(_json, row), strict=True)) for row in found]


def _json(value: Json) -> Json:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return None if isinstance(value, float) and isinf(value) else value


def _names(connection: apsw.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}


def has_tables(path: Path, names: Iterable[str]) -> bool:
    """Tell whether a file is a SQLite file that says, among its first bytes, that it has these tables."""
    first = head(path)
    if not first and is_file(path):
        return _has_tables_in_use(path, names)
    return first.startswith(_MAGIC) and all(f"CREATE TABLE {name}".encode() in first for name in names)


def _has_tables_in_use(path: Path, names: Iterable[str]) -> bool:
    import apsw

    uri = f"file:{quote(str(path.resolve()))}?mode=ro"
    try:
        with closing(apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)) as connection:
            return _names(connection).issuperset(names)
    except apsw.Error:
        return False
