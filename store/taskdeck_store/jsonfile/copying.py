"""Copies of a JSON store: a consistent pair of task file and audit log, and one that takes a store's place."""

from __future__ import annotations

import os
from contextlib import closing
from itertools import islice
from pathlib import Path

from msgspec import Struct

from taskdeck_store import placing
from taskdeck_store.clock import Clock
from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.jsonfile.audit import Batch, log_path, mark
from taskdeck_store.jsonfile.document import file_digest
from taskdeck_store.jsonfile.draft import Draft
from taskdeck_store.jsonfile.ledger import Ledger
from taskdeck_store.lock import SUFFIX, WriteLock
from taskdeck_store.replacement import Replacement

_PATIENCE = 10.0
"""Seconds that a copy waits for those who write."""
_TRIES = 8
_BLANKS = b" \t"


class _Look(Struct, frozen=True):
    """One look at a store: the whole file, the number of events that belong to it, and the mark that says so.

    There is a mark where nothing else tells that the last commit has reached the file.
    """

    raw: bytes
    events: int
    mark: int | None


def files(path: Path) -> tuple[Path, ...]:
    """Return the files that a store at a path consists of, the one that makes it a store last."""
    return (log_path(path), path)


def copy(path: Path, draft: Path, now: Clock | None) -> str | None:
    """Copy the store at a path to a draft that is not there yet, while others go on writing.

    What outside programs did is put on record first, with the time that `now` tells; without it, nothing is. Files that
    cannot be read as a store are copied as they are; then it is returned why. Raises StoreError and OSError.
    """
    path = Path(os.path.realpath(path))
    try:
        with closing(Ledger(path, str(path))) as ledger:
            _copy_look(path, _recorded(ledger, now) if now is not None else _looked(ledger), draft)
    except StoreError as error:
        if error.fault is not Fault.DAMAGED:
            raise
        remove(draft)
        _copy_bytes(path, draft)
        return error.message
    return None


def renew(draft: Path) -> None:
    """Make a draft fit to take a store's place: give its log a new identity, which voids every cursor. Raises OSError.

    A log is known by the text of its first line, to which white space adds nothing that is said.
    """
    log = log_path(draft)
    if not log.exists():
        return
    renewed = placing.draft_of(log)
    try:
        file = placing.new_file(renewed)
        try:
            with log.open("rb") as reading:
                blanks = bytes(_BLANKS[byte & 1] for byte in os.urandom(32))
                placing.write_all(file, reading.readline().rstrip() + blanks + b"\n")
                while piece := reading.read(1 << 20):
                    placing.write_all(file, piece)
            placing.finish(file, log.stat())
        finally:
            os.close(file)
        renewed.replace(log)
    finally:
        renewed.unlink(missing_ok=True)


def put(draft: Path, path: Path) -> None:
    """Give a draft the name of a store where nothing is. Raises FileExistsError, StoreError and OSError."""
    left = _mark_of(draft)
    if left is not None:
        _leave_mark(path, left)
    for source, target in zip(files(draft), files(path), strict=True):
        if source.exists():
            placing.put(source, target)


def replace(path: Path, draft: Path, kept: Path, now: Clock) -> None:
    """Put a draft in the place of a store, when all of that store is kept at another path.

    The log goes first and comes last, so that at no moment a log is there that does not fit the file. Raises
    StoreError and OSError; then the store is as it was.
    """
    keeping = placing.draft_of(kept)
    with closing(Ledger(path, str(path))) as ledger, ledger.lock.hold(_PATIENCE):
        replacement = Replacement(path)
        try:
            for _ in range(_TRIES):
                before = _keep(ledger, keeping, now)
                replacement.write(draft.read_bytes())
                put(keeping, kept)
                if _replaced(path, draft, kept, replacement, before):
                    left = _mark_of(draft)
                    if left is not None:
                        ledger.lock.notice(left)
                    return
        finally:
            replacement.discard()
            remove(keeping)
    raise StoreError(Fault.BUSY, f"another program rewrites {path} again and again; nothing was changed; end it first")


def remove(draft: Path) -> None:
    """Remove what there is of a draft."""
    for file in (_lock_path(draft), *files(draft)):
        file.unlink(missing_ok=True)


def _recorded(ledger: Ledger, now: Clock) -> _Look:
    try:
        with ledger.lock.hold(_PATIENCE):
            return _settled(ledger, now)
    except StoreError as error:
        if error.fault not in (Fault.BUSY, Fault.READ_ONLY, Fault.UNWRITABLE):
            raise
        # A look without the lock is as consistent; what outside programs did may not be on record in it.
        return _looked(ledger)


def _looked(ledger: Ledger) -> _Look:
    ledger.look(closely=True)
    return _look(ledger)


def _settled(ledger: Ledger, now: Clock) -> _Look:
    """Return a look at what is all on record; only while holding the lock."""
    for _ in range(_TRIES):
        ledger.settle()
        if not ledger.picture.drifted:
            return _look(ledger)
        draft = Draft(ledger.picture, ledger.log, now())
        draft.put_outside_on_record()
        if ledger.commit(draft) is not None:
            return _look(ledger)
    raise StoreError(Fault.BUSY, f"another program rewrites {ledger.path} again and again")


def _look(ledger: Ledger) -> _Look:
    raw, log = ledger.picture.document.raw, ledger.log
    last = log.batch
    if not isinstance(last, Batch) or last.before == last.after or last.after == file_digest(raw):
        return _Look(raw, log.seq, None)
    return _Look(raw, log.seq, mark(tuple(log.lines(range(log.seq - last.lines + 1, log.seq + 1)))))


def _copy_look(path: Path, look: _Look, draft: Path) -> None:
    like = path.stat()
    file = placing.new_file(draft)
    try:
        placing.write_all(file, look.raw)
        placing.finish(file, like)
    finally:
        os.close(file)
    if look.events:
        _copy_lines(log_path(path), look.events, log_path(draft))
    if look.mark is not None:
        _leave_mark(draft, look.mark)


def _copy_lines(log: Path, count: int, draft: Path) -> None:
    """Copy the first lines of a log, which only grows."""
    file = placing.new_file(draft)
    try:
        with log.open("rb") as reading:
            copied = 0
            for line in islice(reading, count):
                placing.write_all(file, line)
                copied += line.endswith(b"\n")
            if copied != count:
                raise StoreError(Fault.BUSY, f"{log} was replaced while it was copied; try again")
            placing.finish(file, os.fstat(reading.fileno()))
    finally:
        os.close(file)


def _copy_bytes(path: Path, draft: Path) -> None:
    for source, target in zip(files(path), files(draft), strict=True):
        if source.exists():
            placing.copy_bytes(source, target, source.stat())


def _keep(ledger: Ledger, keeping: Path, now: Clock) -> bytes:
    """Copy the present store, as it is when it cannot be read; return the content of its file."""
    remove(keeping)
    try:
        look = _settled(ledger, now)
        _copy_look(ledger.path, look, keeping)
    except StoreError as error:
        if error.fault is not Fault.DAMAGED:
            raise
        remove(keeping)
        _copy_bytes(ledger.path, keeping)
    return keeping.read_bytes()


def _replaced(path: Path, draft: Path, kept: Path, replacement: Replacement, before: bytes) -> bool:
    """Put the draft in place; False, with all as it was, where the file was not as before. Only under the lock."""
    log = log_path(path)
    log.unlink(missing_ok=True)
    placing.sync_folder(log)
    try:
        done = replacement.put(before)
    except BaseException:
        if path.read_bytes() == before:
            _put_back(log, kept)
        raise
    if not done:
        _put_back(log, kept)
        return False
    # What was replaced must be gone before there is a log: to a log, it is what somebody wrote in the last moment.
    replacement.discard()
    if log_path(draft).exists():
        placing.finish_file(log_path(draft), path.stat())
        log_path(draft).replace(log)
        placing.sync_folder(log)
    return True


def _put_back(log: Path, kept: Path) -> None:
    """Return the log of a store that is not replaced after all from its copy, and remove the rest of that."""
    if log_path(kept).exists():
        log_path(kept).replace(log)
        placing.sync_folder(log)
    remove(kept)


def _mark_of(draft: Path) -> int | None:
    return WriteLock(_lock_path(draft), like=draft).serial()


def _leave_mark(path: Path, number: int) -> None:
    lock = WriteLock(_lock_path(path), like=path)
    with closing(lock), lock.hold(_PATIENCE):
        lock.notice(number)


def _lock_path(path: Path) -> Path:
    return path.with_name(path.name + SUFFIX)
