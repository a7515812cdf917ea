"""What SQLite's errors mean for a file of memories, said to a person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import apsw

from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.printable import one_line

_LONGEST = 200


@contextmanager
def explained(path: Path, doing: Literal["read", "write"]) -> Iterator[None]:
    """Turn an error of SQLite in the body of a `with` into a StoreError about the file at a path."""
    try:
        yield
    except apsw.Error as error:
        raise _explanation(error, path, doing) from error
    except UnicodeDecodeError as error:
        raise StoreError(Fault.DAMAGED, f"cannot {doing} {path}: it has a text that is no UTF-8") from error


def said(error: object) -> str:
    """Return what an error, or a name in a file, says, fit for a sentence."""
    return one_line(str(error), _LONGEST)


def _explanation(error: apsw.Error, path: Path, doing: Literal["read", "write"]) -> StoreError:
    failed = one_line(f"cannot {doing} {path}")
    undone = "; nothing was changed" if doing == "write" else ""
    match error:
        case apsw.BusyError() | apsw.LockedError():
            return StoreError(Fault.BUSY, f"{failed}: another program has locked it{undone}; try again, or end it")
        case apsw.NotADBError():
            return StoreError(Fault.FOREIGN, f"{failed}: it is no SQLite file, or its start is damaged")
        case apsw.CorruptError():
            advice = "restore it from a copy, or have the sqlite3 program .recover it"
            return StoreError(Fault.DAMAGED, f"{failed}: it is damaged ({said(error)}); {advice}")
        case apsw.FullError():
            return StoreError(Fault.UNWRITABLE, f"{failed}: the disk is full{undone}; make room, then try again")
        case apsw.ReadOnlyError() | apsw.PermissionsError():
            return StoreError(Fault.READ_ONLY, f"{failed}: the file or its folder cannot be written to{undone}")
        case _:
            fault = Fault.UNWRITABLE if doing == "write" else Fault.UNREADABLE
            return StoreError(fault, f"{failed}: {said(error)}{undone}")
