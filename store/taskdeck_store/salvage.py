"""What is left of stores that are damaged beyond healing, told in a line, and a new store made of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from taskdeck_store import placing
from taskdeck_store.address import Kind, open_store, own_path
from taskdeck_store.backup import KINDS, kind_there, new_store
from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.remains import Remains, Salvage, salvaged

_NAMED = 5


class Recovered(Struct, frozen=True, kw_only=True):
    """What was saved from a damaged store into a new one; `problem` says what was met in the old (None: nothing)."""

    kind: str
    problem: str | None
    salvage: Salvage


class Salvaging(Protocol):
    """What each kind of store knows of its remains; see its module `salvaging`."""

    def read(self, path: Path) -> Remains | None:
        """Return what can be read of the store at a path; None when that is nothing."""

    def files(self, path: Path) -> tuple[Path, ...]:
        """Return the files that hold a store."""

    def write(self, draft: Path, remains: Remains, salvage: Salvage) -> None:
        """Make a store of what was salvaged, at a path where nothing is."""

    def make(self, draft: Path, salvage: Salvage) -> None:
        """Make a store of tasks and events that are in order, at a path where nothing is."""


def recover(address: str, target: str) -> Recovered:
    """Make a new store, where nothing is, of what can be read of a damaged one. Nothing else is changed.

    Events keep their numbers and hashes. Raises StoreError when nothing can be read, or the new store not be made.
    """
    source, path = own_path(address), own_path(target)
    problem = None
    try:
        with closing(open_store(address, read_only=True)) as store:
            store.tasks()
            store.events()
            for defect in store.defects():
                if not defect.heals:
                    raise StoreError(Fault.DAMAGED, defect.message)
    except StoreError as error:
        if not may_be_damaged(source, error):
            raise
        problem = error
    kind, remains = remains_of(source, problem)
    remains = remains.in_order()
    found = salvaged(remains)
    like = source.stat()
    with new_store(path, kind) as draft:
        salvaging = salvaging_of(kind)
        salvaging.write(draft, remains, found)
        with closing(open_store(str(draft))) as made:
            # What is not told by the events that are left is put on record by who first reads the store.
            made.counts()
        for file in salvaging.files(draft):
            if file.exists():
                placing.finish_file(file, like)
    return Recovered(kind=KINDS[kind], problem=None if problem is None else what_is_wrong(problem), salvage=found)


def told(salvage: Salvage) -> str:
    """Return in a line what was saved and what was not."""
    parts = [f"{len(salvage.tasks):,} tasks and {len(salvage.events):,} events can be read"]
    if salvage.rebuilt:
        parts.append(f"{len(salvage.rebuilt):,} of the tasks from their events ({_some(salvage.rebuilt)})")
    if salvage.outdated:
        parts.append(f"{len(salvage.outdated):,} may be older than they were ({_some(salvage.outdated)})")
    if salvage.lost:
        what = "1 task is" if len(salvage.lost) == 1 else f"{len(salvage.lost):,} tasks are"
        parts.append(f"{what} lost ({_some(salvage.lost)})")
    if salvage.gaps:
        runs = [f"{first}" if first == last else f"{first}–{last}" for first, last in salvage.gaps]
        parts.append(f"events are lost: {_some(runs)}")
    if salvage.events:
        parts.append(f"the last event known is {salvage.events[-1].seq}")
    return ", ".join(parts)


def may_be_damaged(path: Path, error: StoreError, *, most: int | None = None) -> bool:
    """Tell whether a file that could not be opened may be a damaged store: one without its marks looks foreign.

    A foreign file of more than `most` bytes is taken for what it looks like.
    """
    if error.fault is Fault.DAMAGED or not path.is_file():
        return error.fault is Fault.DAMAGED
    return error.fault is Fault.FOREIGN and (most is None or path.stat().st_size <= most)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")


def what_is_wrong(error: StoreError) -> str:
    """Return what was met, without what to do about it."""
    return error.message.partition("; ")[0]


def remains_of(path: Path, error: StoreError | None) -> tuple[Kind, Remains]:
    """Return what can be read of a damaged store, and its kind; `error` is raised where that is nothing."""
    kind = kind_there(path)
    try:
        remains = salvaging_of(kind).read(path)
    except OSError as trouble:
        raise StoreError(Fault.UNREADABLE, f"cannot read {path}: {trouble.strerror}") from trouble
    if remains is None:
        raise error or StoreError(Fault.DAMAGED, f"nothing of {path} can be read")
    return kind, remains


def salvaging_of(kind: Kind) -> Salvaging:
    """Return what a kind of store knows of its remains."""
    if kind == "sqlite":
        from taskdeck_store.sqlite import salvaging as of_sqlite

        return of_sqlite
    from taskdeck_store.jsonfile import salvaging as of_json

    return of_json
