"""Copies of whole stores: made while the store is in use, checked before they count, and put back in its place."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from taskdeck_store import clock, placing
from taskdeck_store.address import Kind, kind_at, kind_by_suffix, open_store, own_path
from taskdeck_store.contract import Fault, Store, StoreError
from taskdeck_store.values import Time
from taskdeck_store.verification import verify

_ABANDONED = 3_600.0
"""Seconds after which a draft that nobody writes to is one that a killed program left behind."""

KINDS = {"sqlite": "SQLite", "json": "JSON"}
"""The kinds of stores, as people read them."""


class Content(Struct, frozen=True, kw_only=True):
    """What a copy holds: `seq` and `head` are the number and hash of its last event.

    `problem` says why it is not sound (None: it is).
    """

    kind: str
    tasks: int = 0
    events: int = 0
    seq: int = 0
    head: str | None = None
    problem: str | None = None


class Restored(Struct, frozen=True, kw_only=True):
    """What a store holds after it was restored, and where what was in its place is kept (None: there was nothing)."""

    content: Content
    kept: Path | None


class _Copying(Protocol):
    """What each kind of store knows of copies; see its module `copying`."""

    def files(self, path: Path) -> tuple[Path, ...]: ...
    def copy(self, path: Path, draft: Path, now: clock.Clock | None) -> str | None: ...
    def renew(self, draft: Path) -> None: ...
    def put(self, draft: Path, path: Path) -> None: ...
    def replace(self, path: Path, draft: Path, kept: Path, now: clock.Clock) -> None: ...
    def remove(self, draft: Path) -> None: ...


def backup(address: str, target: str, *, now: clock.Clock = clock.utc_now) -> Content:
    """Copy a store, as it is in one commit, to a place where nothing is; others may go on writing.

    The copy gets its name when it is whole and checked. A store that is damaged is copied all the same, and the
    content's `problem` tells so. Raises StoreError; then there is no copy.
    """
    source, path = own_path(address), own_path(target)
    kind = kind_at(source)
    with new_store(path, kind) as draft:
        problem = _copying(kind).copy(source, draft, now)
        return _content(draft, kind, problem)


@contextmanager
def new_store(path: Path, kind: Kind) -> Iterator[Path]:
    """Give a store that is made at the path yielded its own path when the body of the `with` is done, not before.

    Raises StoreError where that is taken, and for what goes wrong with the files in the body.
    """
    copying = _copying(kind)
    _refuse_taken(copying, path, kind)
    with _explained(path), _draft(copying, path) as draft, _named(draft, path):
        yield draft
        copying.put(draft, path)


def restore(address: str, target: str, *, now: clock.Clock = clock.utc_now) -> Restored:
    """Put the store that is kept in a backup in the place of another, or where nothing is.

    A backup that is not sound is refused. A store that is there is first copied to its own name with
    ``.before-restore-`` and the time; who has it open reads on. Raises StoreError; then the store is as it was.
    """
    source, shown = own_path(address), own_path(target)
    kind = kind_at(source)
    copying = _copying(kind)
    path = Path(os.path.realpath(shown))
    if path == Path(os.path.realpath(source)):
        raise StoreError(Fault.EXISTS, f"{shown} is the backup itself; nothing was changed")
    is_new = not os.path.lexists(path)
    if is_new:
        _refuse_taken(copying, path, kind)
    elif kind != (there := kind_there(path)):
        kinds = f"{source} is a {KINDS[kind]} store and {shown} a {KINDS[there]} store"
        raise StoreError(Fault.FOREIGN, f"{kinds}; nothing was changed; name another place")
    kept = None if is_new else path.with_name(f"{path.name}.before-restore-{_stamp(now())}")
    with _explained(shown), _draft(copying, path) as draft:
        with _named(draft, source):
            problem = copying.copy(source, draft, None)
            if problem is None:
                copying.renew(draft)
            content = _content(draft, kind, problem)
        if content.problem is not None:
            message = f"{source} is not restored: {content.problem}; nothing was changed"
            raise StoreError(Fault.DAMAGED, message)
        with _named(draft, shown):
            if kept is None:
                copying.put(draft, path)
            else:
                copying.replace(path, draft, kept, now)
    return Restored(content=content, kept=kept)


def _copying(kind: Kind) -> _Copying:
    if kind == "sqlite":
        from taskdeck_store.sqlite import copying as of_sqlite

        return of_sqlite
    from taskdeck_store.jsonfile import copying as of_json

    return of_json


@contextmanager
def _draft(copying: _Copying, path: Path) -> Iterator[Path]:
    placing.clear_drafts(path, before=time.time() - _ABANDONED)
    draft = placing.draft_of(path)
    try:
        yield draft
    finally:
        copying.remove(draft)


@contextmanager
def _named(draft: Path, path: Path) -> Iterator[None]:
    """Have an error speak of a path where it speaks of the draft, which nobody knows."""
    try:
        yield
    except StoreError as error:
        raise StoreError(error.fault, error.message.replace(str(draft), str(path))) from error


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise _taken(Path(str(error.filename2 or error.filename or path))) from error
    except FileNotFoundError as error:
        if path.parent.exists():
            raise StoreError(Fault.MISSING, f"{path}: {error.filename} went away; nothing was changed") from error
        raise StoreError(Fault.MISSING, f"cannot make {path}: there is no folder {path.parent}") from error
    except OSError as error:
        raise StoreError(Fault.UNWRITABLE, f"cannot write {path}: {error.strerror}; nothing was changed") from error


def _content(draft: Path, kind: Kind, problem: str | None) -> Content:
    if problem is not None:
        return Content(kind=KINDS[kind], problem=problem)
    try:
        with closing(open_store(str(draft), read_only=True)) as store:
            return checked(store)
    except StoreError as error:
        return Content(kind=KINDS[kind], problem=error.message)


def checked(store: Store) -> Content:
    """Return what a store holds, when all of it was verified. Raises StoreError."""
    found = verify(store)
    problem = None
    if found.broken is not None:
        problem = f"its audit log is broken at event {found.broken.seq}: {found.broken.reason}"
    elif found.differing:
        names = ", ".join(list(found.differing)[:3])
        problem = f"{len(found.differing)} tasks are not what their events say, {names} among them"
    elif not found.is_sound:
        problem = next((one.message for one in found.defects if not one.heals), "tasks are missing from its columns")
    tasks = sum(tally.count for tally in store.counts().values())
    head = found.head if found.seq else None
    return Content(kind=store.kind, tasks=tasks, events=found.events, seq=found.seq, head=head, problem=problem)


def _refuse_taken(copying: _Copying, path: Path, kind: Kind) -> None:
    if kind == "json" and kind_by_suffix(path) != kind:
        message = f"{path} is named like a SQLite file, and this is a JSON store; name it {path.stem}.json"
        raise StoreError(Fault.FOREIGN, message)
    for file in reversed(copying.files(path)):
        if os.path.lexists(file):
            raise _taken(file)


def _taken(path: Path) -> StoreError:
    return StoreError(Fault.EXISTS, f"{path} exists already; nothing was changed; name another place, or move it away")


def kind_there(path: Path) -> Kind:
    """Tell which kind of store a path is for, also where its file cannot be read as one any more."""
    try:
        return kind_at(path)
    except StoreError as error:
        if error.fault is not Fault.FOREIGN or not path.is_file():
            raise
        return kind_by_suffix(path)


def _stamp(now: Time) -> str:
    return "".join(character for character in now if character not in "-:")
