"""Stores to look at, also where they are damaged: then with what can be read of them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeAlias, TypeVar

from taskdeck_store import clock
from taskdeck_store.address import Kind, foreign_kind, open_store, path_of
from taskdeck_store.backup import KINDS, kind_there
from taskdeck_store.contract import (
    Changes,
    Claiming,
    Defect,
    Fault,
    Key,
    LeftOut,
    Manifest,
    Order,
    Outcome,
    Pause,
    Pausing,
    Stop,
    Store,
    StoreError,
    Tally,
    Trace,
    Window,
)
from taskdeck_store.limits import Limits
from taskdeck_store.machine import Code, Command, Refusal
from taskdeck_store.output import folder_of
from taskdeck_store.printable import one_line
from taskdeck_store.query.terms import EVERYTHING, Query
from taskdeck_store.remains import Remains, Salvage, salvaged
from taskdeck_store.remedies import way_back
from taskdeck_store.salvage import may_be_damaged, remains_of, salvaging_of, told, what_is_wrong
from taskdeck_store.values import Claim, Event, State, Task, Time
from taskdeck_store.watch import FolderWatch

_T = TypeVar("_T")
_Marks: TypeAlias = tuple[tuple[int, ...] | None, ...]
_FOREIGN_SIZE = 32_000_000
"""Bytes; some seconds are spent on the search for a store in a file that does not look like one, and no more."""


class Readable:
    """A store to look at, and to work with while it is whole; see `taskdeck_store.contract.Store`.

    Where it is damaged, this shows what can be read of it, read-only, and `damage` tells in a line what is lost and
    what is the way back. It looks again when the files of the store change.
    """

    def __init__(self, address: str, *, read_only: bool, now: clock.Clock, patience: float) -> None:
        self.address = address
        self.damage: str | None = None
        self._path = path_of(address)
        self._asked_read_only = read_only
        self._patience = patience
        self._now = now
        self._folder: str | None = None
        self._kind: Kind | None = None
        self._marks: _Marks = ()
        self._turn = 0
        self._mended: tuple[str, ...] = ()
        self._stack: ExitStack | None = None
        self._watch: FolderWatch | None = None
        self._store = self._opened()

    @property
    def kind(self) -> str:
        """The backend's name for people."""
        return self._store.kind if self._kind is None else KINDS[self._kind]

    @property
    def limits(self) -> Limits:
        """What its format can say; see the contract."""
        return self._store.limits

    @property
    def read_only(self) -> bool:
        """Whether `apply` refuses everything."""
        return self.damage is not None or self._store.read_only

    @property
    def mended(self) -> tuple[str, ...]:
        """What was half done and is not any more; see the contract."""
        return self._mended + self._store.mended

    @property
    def audited(self) -> bool:
        """Whether the store has an audit log by now."""
        return self._store.audited

    @property
    def manifest(self) -> Manifest | None:
        """What a bundle says of itself; None for every other store."""
        return self._read(lambda store: store.manifest) if self._kind is None else None

    @property
    def output_folder(self) -> Path | None:
        """Where what is said during attempts is kept; see the contract."""
        return folder_of(self._path) if self._kind is not None else self._store.output_folder

    def apply(self, commands: Sequence[Command], *, whole: bool = False) -> tuple[Outcome, ...]:
        """Commit commands; see the contract. A damaged store takes none."""
        if self._stack is None:
            self._look_again()
        if self.damage is None:
            return self._store.apply(commands, whole=whole)
        return self._refused(commands)

    def claim(self, claiming: Claiming, *, after: Sequence[Command] = ()) -> tuple[Outcome, ...]:
        """Commit commands and start pending tasks; see the contract. A damaged store takes none."""
        if self._stack is None:
            self._look_again()
        if self.damage is None:
            return self._store.claim(claiming, after=after)
        raise StoreError(Fault.READ_ONLY, self._why_not)

    def renew(self, held: Mapping[str, Claim], seconds: float) -> frozenset[str]:
        """Put off the end of leases; see the contract. A damaged store takes none."""
        if self._stack is None:
            self._look_again()
        if self.damage is None:
            return self._store.renew(held, seconds)
        raise StoreError(Fault.READ_ONLY, self._why_not)

    def pause(self, pausing: Pausing) -> Event | Refusal:
        """Pause or resume the queue; see the contract. A damaged store takes none."""
        if self._stack is None:
            self._look_again()
        if self.damage is None:
            return self._store.pause(pausing)
        return Refusal(code=Code.READ_ONLY, message=self._why_not)

    def pauses(self) -> Sequence[Pause]:
        """Return what is paused; see the contract."""
        return self._read(lambda store: store.pauses())

    @property
    def _why_not(self) -> str:
        return f"{self.address} is damaged and can only be read; {way_back(self._path)}"

    def _refused(self, commands: Sequence[Command]) -> tuple[Outcome, ...]:
        refusal = Refusal(code=Code.READ_ONLY, message=self._why_not)
        return tuple(Outcome(command=one, task=self._store.get(one.task_id), refusal=refusal) for one in commands)

    @contextmanager
    def reading(self, *, latest: bool = True) -> Iterator[None]:
        """Make all reads inside see one commit; see the contract."""
        if self._stack is not None:
            yield
            return
        if latest:
            self._look_again()
        with ExitStack() as stack:
            self._enter(stack, latest=latest)
            self._stack = stack
            try:
                yield
            finally:
                self._stack = None

    def counts(self, query: Query = EVERYTHING) -> Mapping[State, Tally]:
        """Return the tally of every state."""
        return self._read(lambda store: store.counts(query))

    def window(
        self,
        state: State,
        order: Order,
        *,
        start: int | Key = 0,
        before: int = 0,
        limit: int = 100,
        query: Query = EVERYTHING,
    ) -> Window:
        """Return the cards of a column from a rank or a place on; see the contract."""
        return self._read(
            lambda store: store.window(state, order, start=start, before=before, limit=limit, query=query)
        )

    def get(self, task_id: str) -> Task | None:
        """Return a task, or None."""
        return self._read(lambda store: store.get(task_id))

    def tasks(self, query: Query = EVERYTHING, *, limit: int | None = None) -> Sequence[Task]:
        """Return whole tasks; see the contract."""
        return self._read(lambda store: store.tasks(query, limit=limit))

    def next_due(self, after: Time, query: Query = EVERYTHING) -> Time | None:
        """Return when the next pending task becomes due; see the contract."""
        return self._read(lambda store: store.next_due(after, query))

    def events(
        self,
        task_id: str | None = None,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int | None = None,
        newest: bool = False,
    ) -> Sequence[Event]:
        """Return events; see the contract."""
        return self._read(lambda store: store.events(task_id, after=after, until=until, limit=limit, newest=newest))

    def traces(self, *, after: int = 0, limit: int) -> Sequence[Trace]:
        """Return events as light as can be; see the contract."""
        return self._read(lambda store: store.traces(after=after, limit=limit))

    def left_out(self, after: int) -> LeftOut | None:
        """Return the run of events right after a seq that a bundle leaves out; see the contract."""
        return self._read(lambda store: store.left_out(after))

    def changes(self, cursor: str | None = None, *, limit: int = 2_000) -> Changes:
        """Return what was committed since a cursor; see the contract."""

        def told(store: Store) -> Changes:
            turn, _, inner = (cursor or "").partition("/")
            known = cursor is not None and turn == str(self._turn)
            found = store.changes(inner if known else None, limit=limit)
            complete = found.complete and (known or cursor is None)
            return Changes(cursor=f"{self._turn}/{found.cursor}", changes=found.changes, complete=complete)

        return self._read(told)

    def defects(self) -> Sequence[Defect]:
        """Return what is wrong with the store's files; see the contract."""
        damage = () if self.damage is None else (Defect(self.damage),)
        return (*damage, *self._read(lambda store: store.defects()))

    def wait(self, timeout: float, stop: Stop | None = None) -> bool:
        """Sleep until something may have changed; see the contract."""
        watch = self._watch
        return self._store.wait(timeout, stop) if watch is None else watch.wait(timeout, stop)

    def close(self) -> None:
        """Let go of files and locks; ends a wait."""
        self._store.close()
        self._forget()

    def _read(self, ask: Callable[[Store], _T]) -> _T:
        if self._stack is None:
            self._look_again()
        try:
            return ask(self._store)
        except StoreError as error:
            if error.fault is not Fault.DAMAGED or self.damage is not None or self._store.kind != "SQLite":
                raise
            self._fall_back(error)
            return ask(self._store)

    def _enter(self, stack: ExitStack, *, latest: bool) -> None:
        try:
            stack.enter_context(self._store.reading(latest=latest))
        except StoreError as error:
            if error.fault is not Fault.DAMAGED or self.damage is not None or self._store.kind != "SQLite":
                raise
            self._fall_back(error)
            stack.enter_context(self._store.reading(latest=latest))

    def _opened(self) -> Store:
        try:
            return open_store(self.address, read_only=self._asked_read_only, now=self._now, patience=self._patience)
        except StoreError as error:
            if not may_be_damaged(self._path, error, most=_FOREIGN_SIZE):
                raise
            return self._salvage(error)

    def _salvage(self, error: StoreError) -> Store:
        """Open what can be read of the store; the error is raised where that is nothing."""
        self._marks = _marks(self._path)
        kind, remains = remains_of(self._path, error)
        folder = tempfile.mkdtemp(prefix="taskdeck-salvage-")
        try:
            store, found = _shown(self._path, kind, remains, Path(folder), self._now)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._folder, self._kind = folder, kind
        self.damage = one_line(f"{what_is_wrong(error)}; {told(found)}; {way_back(self._path)}")
        self._watch = FolderWatch(self._path)
        return store

    def _fall_back(self, error: StoreError) -> None:
        # Where nothing can be read, the store stays: it looks again when a good file is put in its place.
        found = self._salvage(error)
        if self._stack is not None:
            with suppress(StoreError):
                self._stack.close()
        with suppress(StoreError):
            self._store.close()
        self._turn += 1
        self._mended = self.mended
        self._store = found
        if self._stack is not None:
            self._stack.enter_context(self._store.reading())

    def _look_again(self) -> None:
        """Open a damaged store anew when its files have changed: somebody may have put a good one there."""
        if self.damage is None:
            return
        try:
            if _marks(self._path) == self._marks:
                return
        except StoreError:
            # It is gone: what was read of it is still there.
            return
        before, self._store = self._store, self._reopened()
        before.close()

    def _reopened(self) -> Store:
        before = self._folder, self._watch, self.damage, self._kind
        folder, watch, *_ = before
        self._folder = self._watch = self.damage = self._kind = None
        try:
            store = self._opened()
        except StoreError:
            self._folder, self._watch, self.damage, self._kind = before
            raise
        self._turn += 1
        if watch is not None:
            watch.close()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        return store

    def _forget(self) -> None:
        if self._watch is not None:
            self._watch.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def open_readable(
    address: str, *, read_only: bool = False, now: clock.Clock = clock.utc_now, patience: float = 10.0
) -> Store:
    """Open the store at an address as `open_store` does, or what can be read of it where it is damaged.

    Raises StoreError when there is no store, or nothing of it can be read.
    """
    if foreign_kind(address) is not None:
        return open_store(address, read_only=read_only, now=now, patience=patience)
    return Readable(address, read_only=read_only, now=now, patience=patience)


def _shown(path: Path, kind: Kind, remains: Remains, folder: Path, now: clock.Clock) -> tuple[Store, Salvage]:
    """Open what is left of a store, written into a folder, to look at."""
    if remains.in_order() is not remains:
        # A log cannot hold what stands behind a gap; a bundle can, unless a value is none for SQLite.
        found = salvaged(remains)
        with suppress(StoreError):
            return _bundled(path, kind, found, folder / "tasks.bundle", now), found
        remains = remains.in_order()
    found = salvaged(remains)
    draft = folder / f"tasks.{'db' if kind == 'sqlite' else 'json'}"
    salvaging_of(kind).write(draft, remains, found)
    return open_store(str(draft), read_only=True, now=now), found


def _bundled(path: Path, kind: Kind, found: Salvage, draft: Path, now: clock.Clock) -> Store:
    from taskdeck_store.sqlite import bundling

    seqs = [event.seq for event in found.events]
    manifest = Manifest(
        taskdeck="",
        store=path.name,
        kind=KINDS[kind],
        origin=None,
        made_at=now(),
        made_by="",
        query="",
        tasks=len(found.tasks),
        events=len(seqs),
        left_out=0,
        store_tasks=len(found.tasks),
        store_events=len(seqs),
        first_seq=seqs[0],
        last_seq=seqs[-1],
        head_seq=seqs[-1],
        head=found.events[-1].hash,
    )
    bundling.write(draft, found.tasks, found.events, lambda: ((), manifest))
    return open_store(str(draft), read_only=True, now=now)


def _marks(path: Path) -> _Marks:
    """Return what changes when somebody writes to the files of a store, or puts others in their place."""
    return tuple(map(_mark, salvaging_of(kind_there(path)).files(path)))


def _mark(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns) if found.st_size else None
