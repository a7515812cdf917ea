"""What SQLite's errors mean for a store, said to a person."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import apsw

from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.printable import one_line
from taskdeck_store.remedies import remedy, way_back

_LONGEST = 200
"""Characters of what SQLite or another program says."""


def said(error: BaseException | str) -> str:
    """Return what an error, or a text of another program, says, fit for a sentence."""
    return one_line(str(error), _LONGEST)


@contextmanager
def explained(path: Path, doing: Literal["read", "write"]) -> Iterator[None]:
    """Turn an error of SQLite in the body of a `with` into a StoreError about the store at a path."""
    try:
        yield
    except apsw.Error as error:
        raise explanation(error, path, doing) from error


def explanation(error: apsw.Error, path: Path, doing: Literal["read", "write"]) -> StoreError:
    """Return the StoreError that says what an error of SQLite means (https://www.sqlite.org/rescode.html)."""
    failed = f"cannot {doing} {path}"
    undone = "; nothing was changed" if doing == "write" else ""
    match error:
        case apsw.BusyError() | apsw.LockedError():
            return StoreError(Fault.BUSY, f"{failed}: another program has locked it{undone}; try again, or end it")
        case apsw.NotADBError():
            return StoreError(Fault.DAMAGED, f"{failed}: it is no SQLite file, or its start is damaged")
        case apsw.CorruptError():
            return StoreError(Fault.DAMAGED, f"{failed}: it is damaged ({said(error)}); {way_back(path)}")
        case apsw.FullError():
            return StoreError(Fault.UNWRITABLE, f"{failed}: the disk is full{undone}; make room, then try again")
        case apsw.ReadOnlyError():
            return StoreError(Fault.READ_ONLY, f"{failed}: the file or its folder cannot be written to{undone}")
        case apsw.SQLError():
            return StoreError(Fault.DAMAGED, f"{failed}: it lacks a part of a Taskdeck store ({said(error)})")
        case _:
            fault = Fault.UNWRITABLE if doing == "write" else Fault.UNREADABLE
            what, advice = remedy(_system_error(error))
            if getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_FSYNC and doing == "write":
                # What did not reach the disk for sure may all the same be there.
                undone = "; no one sees a change now, but after a crash it may be there"
                advice = "; look after the disk, and look before you try again"
            return StoreError(fault, f"{failed}: {what or said(error)}{undone}{advice}")


def _system_error(error: apsw.Error) -> OSError:
    """Return the operating system's error behind one of SQLite, which keeps to itself why it could not open a file."""
    match error:
        case apsw.IOError():
            return OSError(errno.EIO, "")
        case apsw.CantOpenError():
            try:
                os.close(os.open(os.devnull, os.O_RDONLY))
            except OSError as used_up:
                return used_up
    return OSError()
