"""Copies of a SQLite store: a consistent one of a live store, and one that takes a store's place while it is in use."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import apsw

from taskdeck_store import placing
from taskdeck_store.clock import Clock
from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.lock import SUFFIX, WriteLock
from taskdeck_store.sqlite.faults import explained
from taskdeck_store.sqlite.opening import Opened

_PATIENCE = 10.0
"""Seconds that a copy waits for those who write."""
_TRIES = 8
_MAGIC, _HEADER = b"SQLite format 3\x00", 100
_BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a file, and would read into another one that took its name."""


def files(path: Path) -> tuple[Path, ...]:
    """Return the files that a store at a path consists of, the one that makes it a store last."""
    return (*(_beside(path, suffix) for suffix in _BESIDE), path)


def copy(path: Path, draft: Path, now: Clock | None) -> str | None:
    """Copy the store at a path to a draft that is not there yet, while others go on writing.

    `now` is for stores that a program can change unrecorded; in this kind none can. A file that SQLite cannot read is
    copied as it is; then it is returned why. Raises StoreError and OSError.
    """
    try:
        with closing(Opened(path, patience=_PATIENCE, migrates=False)) as opened:
            os.close(placing.new_file(draft))
            with _explained(path, draft):
                _copied(opened.connection, draft)
            _finish(draft, opened.real.stat())
    except StoreError as error:
        if error.fault is not Fault.DAMAGED:
            raise
        remove(draft)
        _copy_bytes(path, draft)
        return error.message
    return None


def renew(draft: Path) -> None:
    """Make a draft fit to take a store's place: of the newest layout, with a new identity, which voids every cursor.

    Raises StoreError and OSError.
    """
    draft.chmod(stat.S_IMODE(draft.stat().st_mode) | 0o600)
    with closing(Opened(draft, patience=_PATIENCE, migrates=True)) as opened, explained(draft, "write"):
        if opened.is_bundle:
            raise StoreError(Fault.FOREIGN, f"{draft} is a bundle, to be looked at, and no backup; nothing was changed")
        opened.connection.execute("UPDATE identity SET store = lower(hex(randomblob(16)))")
    placing.sync_file(draft)


def put(draft: Path, path: Path) -> None:
    """Give a draft the name of a store where nothing is. Raises FileExistsError and OSError."""
    for source, target in zip(files(draft), files(path), strict=True):
        if source.exists():
            placing.put(source, target)


def replace(path: Path, draft: Path, kept: Path, now: Clock) -> None:
    """Put a draft's content in the place of a store, when all of that store is kept at another path.

    It is one commit, after which whoever has the store open reads on. A file that SQLite cannot read is replaced by
    the draft's. Raises StoreError and OSError; then the store is as it was.
    """
    keeping = placing.draft_of(kept)
    try:
        with WriteLock(path.with_name(path.name + SUFFIX), like=path).hold(_PATIENCE):
            if not _is_begun(path):
                # SQLite must not open it: to an empty file, it would think, no log belongs, and remove that.
                _replace_file(path, draft, keeping, kept)
                return
            try:
                _replace_content(path, draft, keeping, kept, now)
            except StoreError as error:
                if error.fault is not Fault.DAMAGED:
                    raise
                remove(keeping)
                _replace_file(path, draft, keeping, kept)
    finally:
        remove(keeping)


def remove(draft: Path) -> None:
    """Remove what there is of a draft."""
    for file in files(draft):
        file.unlink(missing_ok=True)


def _replace_content(path: Path, draft: Path, keeping: Path, kept: Path, now: Clock) -> None:
    with closing(Opened(path, patience=_PATIENCE, migrates=False)) as present, _explained(path, draft):
        if not present.writable:
            raise StoreError(Fault.READ_ONLY, f"cannot write to {path}: the file or its folder is read-only")
        present.log_ahead()
        with closing(_connected(draft)) as source, closing(_connected(path)) as target:
            _give_page_size(source, int(present.connection.pragma("page_size")))
            target.set_busy_timeout(int(_PATIENCE * 1000))
            target.pragma("synchronous", "FULL")
            target.pragma("fullfsync", True)
            for _ in range(_TRIES):
                seen = present.connection.pragma("data_version")
                copy(path, keeping, now)
                with target.backup("main", source, "main") as going:
                    going.step(0)
                    # From here on nobody else can commit. What was committed since the look is not in what is kept.
                    if present.connection.pragma("data_version") == seen:
                        put(keeping, kept)
                        _complete(going, kept)
                        return
                remove(keeping)
    raise StoreError(Fault.BUSY, f"other programs write to {path} all the time; nothing was changed; end them first")


def _is_begun(path: Path) -> bool:
    """Tell whether a file has the header of a SQLite file (https://www.sqlite.org/fileformat.html, 1.3)."""
    with path.open("rb") as file:
        head = file.read(_HEADER)
    return len(head) == _HEADER and head.startswith(_MAGIC)


def _complete(going: apsw.Backup, kept: Path) -> None:
    try:
        going.step(-1)
    except BaseException:
        remove(kept)
        raise


def _replace_file(path: Path, draft: Path, keeping: Path, kept: Path) -> None:
    _copy_bytes(path, keeping)
    put(keeping, kept)
    _finish(draft, path.stat())
    for suffix in _BESIDE:
        _beside(path, suffix).unlink(missing_ok=True)
    placing.sync_folder(path)
    draft.replace(path)
    placing.sync_folder(path)


def _copied(source: apsw.Connection, draft: Path) -> None:
    with closing(_connected(draft)) as target:
        # The draft is synced once, when it is whole; a draft that is not is no loss.
        target.pragma("journal_mode", "MEMORY")
        target.pragma("synchronous", "OFF")
        with target.backup("main", source, "main") as going:
            going.step(-1)


def _copy_bytes(path: Path, draft: Path) -> None:
    for source, target in zip(files(path), files(draft), strict=True):
        if not source.name.endswith("-shm"):
            with suppress(FileNotFoundError):
                placing.copy_bytes(source, target, source.stat())


def _give_page_size(draft: apsw.Connection, page_size: int) -> None:
    """Give a draft the page size of the store whose pages it is to replace."""
    if draft.pragma("page_size") != page_size:
        draft.pragma("journal_mode", "DELETE")
        draft.pragma("page_size", page_size)
        draft.execute("VACUUM")


def _finish(draft: Path, like: os.stat_result) -> None:
    for suffix in _BESIDE:
        _beside(draft, suffix).unlink(missing_ok=True)
    placing.finish_file(draft, like)


def _connected(path: Path) -> apsw.Connection:
    return apsw.Connection(str(path.absolute()), flags=apsw.SQLITE_OPEN_READWRITE)


@contextmanager
def _explained(path: Path, draft: Path) -> Iterator[None]:
    """Turn an error of SQLite into a StoreError, about the draft where a disk is full."""
    with explained(path, "read"):
        try:
            yield
        except apsw.FullError:
            with explained(draft, "write"):
                raise


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
