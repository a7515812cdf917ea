"""The store contract on a SQLite file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import apsw

from taskdeck_store import clock
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
    StoreError,
    Tally,
    Trace,
    Window,
)
from taskdeck_store.limits import NONE
from taskdeck_store.lock import SUFFIX, WriteLock
from taskdeck_store.machine import Code, Command, Refusal
from taskdeck_store.output import folder_of
from taskdeck_store.query.terms import EVERYTHING, Query
from taskdeck_store.sqlite import opening, reads, writes
from taskdeck_store.sqlite.faults import explained, explanation
from taskdeck_store.sqlite.opening import Opened
from taskdeck_store.sqlite.tallies import Tallies
from taskdeck_store.sqlite.where import Where
from taskdeck_store.values import Claim, Event, State, Task, Time

if TYPE_CHECKING:
    from taskdeck_store.sqlite.waiting import Waiter

T = TypeVar("T")

_READ_PATIENCE = 1.0
"""Seconds that a read waits for a program that has locked even readers out."""
_SLOW = 0.01
"""Seconds after which a commit is announced by a write of its own. A quicker one is found by those whom its write to
SQLite's log woke; and on ext4 one more dirty file makes each fsync dearer by a fifth."""


class SqliteStore:
    """A `taskdeck_store.contract.Store`; see there. Make one with `open`."""

    damage = None
    limits = NONE
    _unwritable = "cannot be written to (file, folder or file system)"

    def __init__(self, path: Path, *, address: str, read_only: bool, now: clock.Clock, patience: float) -> None:
        self.address = address
        # Absolute: the program may change its folder.
        self._path = path.absolute()
        self._asked_read_only = read_only
        self._now = now
        self._patience = patience
        self._reading = False
        self._closed = False
        self._waiter: Waiter | None = None
        self._opened: Opened | None = None
        self.mended: tuple[str, ...] = ()
        self._open()

    @classmethod
    def open(cls, path: Path, *, address: str, read_only: bool, now: clock.Clock, patience: float) -> SqliteStore:
        """Open the store, or the bundle, at a path; `address` is what the user called it. Raises StoreError."""
        store = cls(path, address=address, read_only=read_only, now=now, patience=patience)
        if store._opened is None or not store._opened.is_bundle:
            return store
        store.close()
        from taskdeck_store.sqlite.bundle import BundleStore

        return BundleStore(path, address=address, read_only=read_only, now=now, patience=patience)

    @staticmethod
    def create(path: Path) -> None:
        """Make an empty store at a path where nothing is. Raises StoreError."""
        opening.create(path)

    @property
    def kind(self) -> str:
        """The backend's name for people."""
        return "SQLite"

    @property
    def audited(self) -> bool:
        """Whether the store has an audit log: always."""
        return True

    @property
    def manifest(self) -> Manifest | None:
        """None: it is no bundle."""
        return None

    @property
    def output_folder(self) -> Path | None:
        """Where what is said during attempts is kept; see the contract."""
        return folder_of(self._path)

    @property
    def read_only(self) -> bool:
        """Whether it was asked to be, or cannot be written to."""
        return self._asked_read_only or (self._opened is not None and not self._opened.writable)

    def apply(self, commands: Sequence[Command], *, whole: bool = False) -> tuple[Outcome, ...]:
        """Commit commands; see the contract."""
        return self._apply(commands, None, whole=whole) if commands else ()

    def claim(self, claiming: Claiming, *, after: Sequence[Command] = ()) -> tuple[Outcome, ...]:
        """Commit commands and start pending tasks; see the contract."""
        if not after and not self.read_only:
            # Who waits for work looks often, and takes the lock from those who have some.
            with self.reading():
                if not reads.claimable(self._connection, claiming, self._now()):
                    return ()
        return self._apply(after, claiming, whole=False)

    def _apply(self, commands: Sequence[Command], claiming: Claiming | None, *, whole: bool) -> tuple[Outcome, ...]:
        if self._reading:
            raise RuntimeError("apply cannot run inside reading: it would not see the latest commit")
        self._current(latest=False)
        if self.read_only:
            return self._all_refused(commands, claiming)
        return self._under_lock(lambda opened: self._committed(opened, commands, claiming, whole))

    def renew(self, held: Mapping[str, Claim], seconds: float) -> frozenset[str]:
        """Put off the end of leases; see the contract."""
        if self._reading:
            raise RuntimeError("renew cannot run inside reading")
        self._current(latest=False)
        if self.read_only:
            raise StoreError(Fault.READ_ONLY, f"{self.address} {self._why_read_only}; no lease was renewed")
        return self._under_lock(lambda opened: (self._renewed(opened, held, seconds), 0))

    def pause(self, pausing: Pausing) -> Event | Refusal:
        """Pause or resume the queue; see the contract."""
        if self._reading:
            raise RuntimeError("pause cannot run inside reading")
        self._current(latest=False)
        if self.read_only:
            return Refusal(code=Code.READ_ONLY, message=f"{self.address} {self._why_read_only}; nothing was changed")
        found, _ = self._under_lock(lambda opened: self._paused(opened, pausing))
        return found

    def pauses(self) -> Sequence[Pause]:
        """Return what is paused; see the contract."""
        with self.reading():
            return reads.pauses(self._connection)

    def _under_lock(self, commit: Callable[[Opened], tuple[T | None, int]]) -> T:
        """Hold the write lock for a commit that returns what it found out, and the seq of its last event or 0.

        Where it returns None, the file turned out to be another by now, and it is called anew.
        """
        while True:
            opened, lock, deadline = self._current(latest=False), self._lock, time.monotonic() + self._patience
            lock.acquire(self._patience)
            try:
                begun = time.monotonic()
                opened.patience = max(0.0, deadline - begun)
                found, seq = commit(opened)
                if seq and time.monotonic() - begun > _SLOW:
                    lock.notice(seq)
            except apsw.Error as error:
                raise explanation(error, self._path, "write") from error
            finally:
                opened.patience = _READ_PATIENCE
                lock.release()
            if found is not None:
                return found
            self._current()

    @contextmanager
    def reading(self, *, latest: bool = True) -> Iterator[None]:
        """Make all reads inside see one commit; see the contract. Without `latest`, a lost file is still read."""
        if self._reading:
            with explained(self._path, "read"):
                yield
            return
        connection = self._current(latest=latest).connection
        with explained(self._path, "read"):
            connection.execute("BEGIN")
            self._reading = True
            try:
                yield
            finally:
                self._reading = False
                if connection.in_transaction:
                    connection.execute("COMMIT")

    def counts(self, query: Query = EVERYTHING) -> Mapping[State, Tally]:
        """Return the tally of every state."""
        with self.reading():
            return reads.counts(self._connection, Where(query, self._now()), self._tallies)

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
        with self.reading():
            return reads.window(self._connection, Where(query, self._now()), state, order, start, before, limit)

    def get(self, task_id: str) -> Task | None:
        """Return a task, or None."""
        with self.reading():
            return reads.task(self._connection, task_id)

    def tasks(self, query: Query = EVERYTHING, *, limit: int | None = None) -> Sequence[Task]:
        """Return whole tasks; see the contract."""
        with self.reading():
            return reads.tasks(self._connection, Where(query, self._now()), limit)

    def next_due(self, after: Time, query: Query = EVERYTHING) -> Time | None:
        """Return when the next pending task becomes due; see the contract."""
        with self.reading():
            return reads.next_due(self._connection, Where(query, self._now()), after)

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
        with self.reading():
            return reads.events(self._connection, task_id, after, until, limit, newest)

    def traces(self, *, after: int = 0, limit: int) -> Sequence[Trace]:
        """Return events as light as can be; see the contract."""
        with self.reading():
            return reads.traces(self._connection, after, limit)

    def left_out(self, after: int) -> LeftOut | None:
        """Return None: only bundles leave events out."""
        return None

    def changes(self, cursor: str | None = None, *, limit: int = 2_000) -> Changes:
        """Return what was committed since a cursor; see the contract."""
        with self.reading():
            store, latest = self._read = opening.sight(self._connection)
            prefix = f"{store}.{self._file[1]}:"
            now = f"{prefix}{latest}"
            if cursor is None or cursor == now:
                return Changes(cursor=now)
            seen = cursor.removeprefix(prefix)
            if not (cursor.startswith(prefix) and seen.isdecimal() and int(seen) <= latest):
                return Changes(cursor=now, complete=False)
            found = reads.changes(self._connection, int(seen), limit + 1)
            if len(found) > limit:
                return Changes(cursor=now, complete=False)
            return Changes(cursor=now, changes=tuple(found))

    def defects(self) -> Sequence[Defect]:
        """Return what is wrong with the file; see the contract."""
        from taskdeck_store.sqlite import soundness

        with self.reading():
            return tuple(soundness.defects(self._connection))

    def wait(self, timeout: float, stop: Stop | None = None) -> bool:
        """Sleep until something may have changed that `changes` has not told; see the contract."""
        if self._waiter is None:
            from taskdeck_store.sqlite.waiting import Waiter

            self._waiter = Waiter(self._path, self._file, lambda: self._read)
        return self._waiter.wait(timeout, stop)

    def close(self) -> None:
        """Let go of files and locks; ends a wait."""
        self._closed = True
        if self._waiter is not None:
            self._waiter.close()
        if self._opened is not None:
            self._opened.close()
            self._opened = None
            self._lock.close()

    @property
    def _connection(self) -> apsw.Connection:
        return self._current(latest=False).connection

    def _current(self, *, latest: bool = True) -> Opened:
        if self._opened is None:
            return self._open()
        if latest and not self._opened.is_current():
            self._opened.close()
            self._opened = None
            return self._open()
        return self._opened

    def _open(self) -> Opened:
        if self._closed:
            raise StoreError(Fault.UNREADABLE, f"{self.address} was closed")
        opened = Opened(self._path, patience=_READ_PATIENCE, migrates=not self._asked_read_only)
        self._opened = opened
        self._tallies = Tallies()
        self.mended += opened.mended
        self._file = opened.identity
        self._read = opened.sight
        self._lock = WriteLock(opened.real.with_name(opened.real.name + SUFFIX), like=opened.real)
        return opened

    def _committed(
        self, opened: Opened, commands: Sequence[Command], claiming: Claiming | None, whole: bool
    ) -> tuple[tuple[Outcome, ...] | None, int]:
        """The outcomes, and the seq of the last event; no outcomes when the file turned out to be another by now."""
        connection = opened.connection
        opened.log_ahead()
        refused: dict[int, Refusal] = {}
        while True:
            # As `writing` does, which would cost each commit some microseconds more.
            connection.execute("BEGIN IMMEDIATE")
            try:
                if not opened.is_current():
                    return None, 0
                outcomes = writes.transact(connection, commands, claiming, self._now, refused)
                if whole and any(outcome.refusal for outcome in outcomes):
                    connection.execute("ROLLBACK")
                    return writes.undone(connection, outcomes), 0
                seqs = [outcome.event.seq for outcome in outcomes if outcome.event and not outcome.repeated]
                connection.execute("COMMIT" if seqs else "ROLLBACK")
                return tuple(outcomes), max(seqs, default=0)
            except writes.Unheld as unheld:
                refused[unheld.number] = unheld.refusal
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _paused(self, opened: Opened, pausing: Pausing) -> tuple[tuple[Event | Refusal, bool] | None, int]:
        opened.log_ahead()
        with writing(opened) as is_current:
            if not is_current:
                return None, 0
            found, is_new = writes.pause(opened.connection, pausing, self._now)
            opened.connection.execute("COMMIT" if is_new else "ROLLBACK")
            return (found, is_new), found.seq if is_new and isinstance(found, Event) else 0

    def _renewed(self, opened: Opened, held: Mapping[str, Claim], seconds: float) -> frozenset[str] | None:
        with writing(opened) as is_current:
            if not is_current:
                return None
            lost = writes.renew(opened.connection, held, clock.plus(self._now(), seconds))
            opened.connection.execute("ROLLBACK" if len(lost) == len(held) else "COMMIT")
            return lost

    @property
    def _why_read_only(self) -> str:
        return "was opened read-only" if self._asked_read_only else self._unwritable

    def _all_refused(self, commands: Sequence[Command], claiming: Claiming | None) -> tuple[Outcome, ...]:
        refusal = Refusal(code=Code.READ_ONLY, message=f"{self.address} {self._why_read_only}; nothing was changed")
        if claiming is not None:
            raise StoreError(Fault.READ_ONLY, refusal.message)
        with self.reading():
            return tuple(
                Outcome(command=command, task=reads.task(self._connection, command.task_id), refusal=refusal)
                for command in commands
            )


@contextmanager
def writing(opened: Opened) -> Iterator[bool]:
    """Hold a write transaction, which the body commits or leaves to be undone; tell whether the file is still ours."""
    opened.connection.execute("BEGIN IMMEDIATE")
    try:
        yield opened.is_current()
    finally:
        if opened.connection.in_transaction:
            opened.connection.execute("ROLLBACK")
