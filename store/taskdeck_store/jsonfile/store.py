"""The store contract on a JSON file."""

from __future__ import annotations

import gc
import os
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from typing import TypeVar

from taskdeck_store import clock, machine, placing
from taskdeck_store.claiming import start
from taskdeck_store.contract import (
    Changes,
    Claiming,
    Defect,
    Fault,
    Key,
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
from taskdeck_store.jsonfile.audit import event_of, log_path, trace_of
from taskdeck_store.jsonfile.columns import Columns, placed
from taskdeck_store.jsonfile.draft import Draft
from taskdeck_store.jsonfile.families import limits_of
from taskdeck_store.jsonfile.feed import Feed
from taskdeck_store.jsonfile.ledger import Ledger
from taskdeck_store.jsonfile.picture import Moved
from taskdeck_store.limits import Limits
from taskdeck_store.lock import WriteLock
from taskdeck_store.machine import Code, Command, Refusal
from taskdeck_store.output import folder_of
from taskdeck_store.pausing import query_of
from taskdeck_store.printable import one_line
from taskdeck_store.query.match import matches
from taskdeck_store.query.terms import EVERYTHING, Query
from taskdeck_store.reach import not_held
from taskdeck_store.values import Claim, Event, State, Task, Time
from taskdeck_store.watch import FolderWatch

T = TypeVar("T")

_BRIEFLY = 0.02
"""Seconds that a read waits for the write lock, to put on record what it saw."""
_AGAIN = 1.0
"""Seconds until a read that did not get the lock, or could not write, tries again."""


class JsonStore:
    """A `taskdeck_store.contract.Store`; see there. Make one with `open`."""

    kind = "JSON"
    damage = None
    manifest = None

    def __init__(self, path: Path, *, address: str, read_only: bool, now: clock.Clock, patience: float) -> None:
        self.address = address
        # Absolute: the program may change its folder.
        self._path = path.absolute()
        self._asked_read_only = read_only
        self._now = now
        self._patience = patience
        self._closed = False
        self._depth = 0
        self._woken = False
        self._awaits_lock = False
        self._record_after = 0.0
        self._watch = FolderWatch(path)
        self._mended: tuple[str, ...] = ()
        self._ledger = self._first_look(Path(os.path.realpath(path)))

    @classmethod
    def open(cls, path: Path, *, address: str, read_only: bool, now: clock.Clock, patience: float) -> JsonStore:
        """Open the store at a path; `address` is what the user called it. Raises StoreError."""
        return cls(path, address=address, read_only=read_only, now=now, patience=patience)

    @staticmethod
    def create(path: Path) -> None:
        """Make an empty store at a path where nothing is. Raises StoreError."""
        log = log_path(path)
        if os.path.lexists(log):
            raise StoreError(Fault.EXISTS, f"{log} exists already, left from another store; move it away first")
        with placing.making(path):
            placing.make(path, b"[]\n")

    @property
    def limits(self) -> Limits:
        """What the file can hold; see the contract."""
        return limits_of(self._ledger.picture.document)

    @property
    def read_only(self) -> bool:
        """Whether it was asked to be, or cannot be written to."""
        path = self._ledger.path
        places = [place for place in (path, path.parent) if os.access(place, os.F_OK)]
        return self._asked_read_only or not all(os.access(place, os.W_OK) for place in places)

    @property
    def mended(self) -> tuple[str, ...]:
        """What was half done and is not any more; see the contract."""
        return self._mended + self._ledger.mended

    @property
    def audited(self) -> bool:
        """Whether the audit log has begun: it does with the first commit."""
        return self._ledger.log.seq > 0

    @property
    def output_folder(self) -> Path:
        """Where what is said during attempts is kept; see the contract."""
        return folder_of(self._path)

    def apply(self, commands: Sequence[Command], *, whole: bool = False) -> tuple[Outcome, ...]:
        """Commit commands; see the contract."""
        return self._apply(commands, None, whole=whole) if commands else ()

    def claim(self, claiming: Claiming, *, after: Sequence[Command] = ()) -> tuple[Outcome, ...]:
        """Commit commands and start pending tasks; see the contract."""
        if not after and not self.read_only:
            # Who waits for work looks often, and takes the lock from those who have some.
            with self.reading():
                if not self._starts(claiming, (), self._now(), lambda task: task.blocked > 0):
                    return ()
        return self._apply(after, claiming, whole=False)

    def _apply(self, commands: Sequence[Command], claiming: Claiming | None, *, whole: bool) -> tuple[Outcome, ...]:
        if self._depth:
            raise RuntimeError("apply cannot run inside reading: it would not see the latest commit")
        self._follow_link()
        if self.read_only:
            return self._all_refused(commands, claiming)
        return self._committed(lambda: self._drafted(commands, claiming, whole))

    def _committed(self, drafted: Callable[[], tuple[T, Draft]]) -> T:
        """Commit what is drafted, anew as often as another program comes in between; return what came of it."""
        ledger, deadline = self._ledger, time.monotonic() + self._patience
        with ledger.lock.hold(self._patience), nullcontext() if self.audited else _not_collecting():
            while True:
                self._take(ledger.settle())
                found, draft = drafted()
                # A log does not begin for what was refused.
                if not draft.lines or (draft.is_idle and not self.audited):
                    return found
                moved = ledger.commit(draft)
                if moved is not None:
                    self._take(moved)
                    return found
                if time.monotonic() > deadline:
                    message = f"another program rewrites {self.address} again and again; nothing was changed"
                    raise StoreError(Fault.BUSY, one_line(message))

    def pause(self, pausing: Pausing) -> Event | Refusal:
        """Pause or resume the queue; see the contract."""
        if self._depth:
            raise RuntimeError("pause cannot run inside reading")
        self._follow_link()
        if self.read_only:
            message = one_line(f"{self.address} {self._why_read_only}; nothing was changed")
            return Refusal(code=Code.READ_ONLY, message=message)
        return self._committed(lambda: self._paused(pausing))

    def pauses(self) -> Sequence[Pause]:
        """Return what is paused; see the contract."""
        with self.reading(), self._ledger.explained("read"):
            return self._ledger.log.pauses()

    def renew(self, held: Mapping[str, Claim], seconds: float) -> frozenset[str]:
        """Put off the end of leases; see the contract."""
        if self._depth:
            raise RuntimeError("renew cannot run inside reading")
        self._follow_link()
        if self.read_only:
            raise StoreError(Fault.READ_ONLY, one_line(f"{self.address} {self._why_read_only}; no lease was renewed"))
        ledger = self._ledger
        with ledger.lock.hold(self._patience):
            self._take(ledger.settle())
            with ledger.explained("read"):
                draft = Draft(ledger.picture, ledger.log, self._now())
                lost = frozenset(task_id for task_id, claim in held.items() if draft.is_lost(task_id, claim))
            ledger.renew(held.keys() - lost, clock.plus(self._now(), seconds))
        return lost

    @contextmanager
    def reading(self, *, latest: bool = True) -> Iterator[None]:
        """Make all reads inside see one commit; see the contract."""
        if not self._depth:
            if latest:
                self._look()
            self._moment = self._now()
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def counts(self, query: Query = EVERYTHING) -> Mapping[State, Tally]:
        """Return the tally of every state."""
        with self.reading():
            return self._columns(query).tallies()

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
            return self._columns(query).window(state, order, start, before, limit)

    def get(self, task_id: str) -> Task | None:
        """Return a task, or None."""
        with self.reading():
            return self._ledger.picture.find(task_id)

    def tasks(self, query: Query = EVERYTHING, *, limit: int | None = None) -> Sequence[Task]:
        """Return whole tasks; see the contract."""
        with self.reading():
            return list(self._columns(query).tasks(limit))

    def next_due(self, after: Time, query: Query = EVERYTHING) -> Time | None:
        """Return when the next pending task becomes due; see the contract."""
        with self.reading():
            moments = (task.not_before for task in self._columns(query).column(State.PENDING))
            return min((moment for moment in moments if moment is not None and moment > after), default=None)

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
        with self.reading(), self._ledger.explained("read"):
            log = self._ledger.log
            numbers: Sequence[int] = range(1, log.seq + 1) if task_id is None else log.events_of(task_id)
            end = len(numbers) if until is None else bisect_right(numbers, until)
            numbers = numbers[bisect_right(numbers, after) : end]
            if limit is not None:
                numbers = numbers[max(0, len(numbers) - limit) :] if newest else numbers[:limit]
            return [event_of(line) for line in log.lines(numbers)]

    def traces(self, *, after: int = 0, limit: int) -> Sequence[Trace]:
        """Return events as light as can be; see the contract."""
        with self.reading(), self._ledger.explained("read"):
            log = self._ledger.log
            return [trace_of(line) for line in log.lines(range(after + 1, min(after + limit, log.seq) + 1))]

    def left_out(self, after: int) -> None:
        """Return None: only bundles leave events out."""

    def changes(self, cursor: str | None = None, *, limit: int = 2_000) -> Changes:
        """Return what was committed since a cursor; see the contract."""
        with self.reading(), self._ledger.explained("read"):
            return self._feed.since(cursor, self._ledger.log, limit)

    def defects(self) -> Sequence[Defect]:
        """Return what is wrong with the files; see the contract."""
        from taskdeck_store.jsonfile import soundness

        with self.reading(), self._ledger.explained("read"):
            return tuple(soundness.defects(self._ledger))

    def wait(self, timeout: float, stop: Stop | None = None) -> bool:
        """Sleep until something may have changed; see the contract."""
        freed = _Freed(self._ledger.lock, stop) if self._awaits_lock else stop
        woken = self._watch.wait(timeout, freed)
        if isinstance(freed, _Freed) and freed.is_free:
            self._awaits_lock = False
            self._record_after = 0.0
            woken = True
        if woken:
            self._woken = True
        return woken

    def close(self) -> None:
        """Let go of files and locks; ends a wait."""
        self._closed = True
        self._watch.close()
        self._ledger.close()

    def _first_look(self, path: Path) -> Ledger:
        ledger = Ledger(path, self.address)
        try:
            with _not_collecting():
                ledger.look()
        except BaseException:
            ledger.close()
            raise
        self._feed = Feed()
        self._noticed: dict[str, Task | None] = {}
        self._looks = 0
        self._filtered: tuple[object, Columns] | None = None
        return ledger

    def _follow_link(self) -> None:
        """Go to another file when the path has become a link to it."""
        if self._closed:
            raise StoreError(Fault.UNREADABLE, one_line(f"{self.address} was closed"))
        path = Path(os.path.realpath(self._path))
        if path != self._ledger.path:
            before, self._ledger = self._ledger, self._first_look(path)
            self._mended += before.mended
            before.close()

    def _look(self) -> None:
        self._follow_link()
        ledger, was_audited = self._ledger, self.audited
        closely, self._woken = self._woken, False
        self._take(ledger.look(closely=closely))
        self._awaits_lock = ledger.awaits_lock
        unsettled = ledger.is_unsettled() or ledger.picture.drifted
        if unsettled and not self.read_only and time.monotonic() >= self._record_after:
            self._record()
        if self._noticed:
            noticed, drifted = self._noticed.items(), ledger.picture.drifted if self.audited else self._noticed
            changed = [(task_id, before, ledger.picture.find(task_id)) for task_id, before in noticed]
            unrecorded = [one for one in changed if one[0] in drifted or (was_audited and _was_drifted(one[1]))]
            self._feed.tell(unrecorded, self._now())
            self._noticed.clear()

    def _record(self) -> None:
        """Put what outside programs did on record, and carry on what a killed writer left, if that can be done now."""
        ledger = self._ledger
        try:
            with ledger.lock.hold(_BRIEFLY):
                self._take(ledger.settle())
                if ledger.picture.drifted:
                    self._take(ledger.commit(self._draft()) or [])
        except StoreError as error:
            self._record_after = time.monotonic() + _AGAIN
            self._awaits_lock |= error.fault is Fault.BUSY

    def _take(self, moved: Sequence[Moved]) -> None:
        self._looks += bool(moved)
        for task_id, before, _ in moved:
            self._noticed.setdefault(task_id, before)

    def _columns(self, query: Query) -> Columns:
        picture = self._ledger.picture
        if not query:
            return picture.columns
        key = (picture.columns, self._looks, query, self._moment if query.is_unsteady else None)
        if self._filtered is None or self._filtered[0] != key:
            found = [placed(task) for task in picture.every() if matches(query, task, self._moment)]
            self._filtered = key, Columns(lambda: found, picture.shown)
        return self._filtered[1]

    def _drafted(
        self, commands: Sequence[Command], claiming: Claiming | None, whole: bool
    ) -> tuple[tuple[Outcome, ...], Draft]:
        at = self._now()
        limits, refused = self.limits, dict[int, Refusal]()
        while True:
            draft = self._draft(at)
            with self._ledger.explained("read"):
                outcomes = tuple(
                    self._refused(command, refused[number]) if number in refused else draft.carry_out(command)
                    for number, command in enumerate(commands)
                )
                if claiming is not None:
                    outcomes += tuple(map(draft.carry_out, self._starts(claiming, commands, at, draft.is_blocked)))
            found = not_held(limits, outcomes) if limits.lacks else {}
            if not found:
                break
            refused |= found
        if whole and any(outcome.refusal for outcome in outcomes):
            outcomes = tuple(self._undone(outcome) for outcome in outcomes)
            draft = self._draft()
        return outcomes, draft

    def _paused(self, pausing: Pausing) -> tuple[Event | Refusal, Draft]:
        draft = self._draft()
        with self._ledger.explained("read"):
            return draft.pause(pausing), draft

    def _starts(
        self, claiming: Claiming, commands: Sequence[Command], at: Time, is_blocked: Callable[[Task], bool]
    ) -> list[Command]:
        """Return the commands that start what is claimed at a moment, but for tasks that other commands are for."""
        self._moment = at
        taken = {command.task_id for command in commands}
        pending = self._columns(claiming.query).column(State.PENDING)
        paused = [query_of(pause) for pause in self._ledger.log.pauses()]
        free = (
            task
            for task in pending
            if task.id not in taken
            and machine.is_due(task, at)
            and not is_blocked(task)
            and not any(matches(query, task, at) for query in paused)
        )
        return [start(claiming, task.id, at) for task in islice(free, claiming.limit)]

    def _draft(self, at: Time | None = None) -> Draft:
        draft = Draft(self._ledger.picture, self._ledger.log, self._now() if at is None else at)
        draft.put_outside_on_record()
        return draft

    def _undone(self, outcome: Outcome) -> Outcome:
        command = outcome.command
        if self._ledger.log.seq_of(command.operation) is not None:
            return outcome
        task = self._ledger.picture.find(command.task_id)
        return Outcome(command=command, task=task, refusal=outcome.refusal)

    def _refused(self, command: Command, refusal: Refusal) -> Outcome:
        return Outcome(command=command, task=self._ledger.picture.find(command.task_id), refusal=refusal)

    @property
    def _why_read_only(self) -> str:
        cannot = "cannot be written to (file, folder or file system)"
        return "was opened read-only" if self._asked_read_only else cannot

    def _all_refused(self, commands: Sequence[Command], claiming: Claiming | None) -> tuple[Outcome, ...]:
        message = one_line(f"{self.address} {self._why_read_only}; nothing was changed")
        refusal = Refusal(code=Code.READ_ONLY, message=message)
        if claiming is not None:
            raise StoreError(Fault.READ_ONLY, refusal.message)
        with self.reading():
            find = self._ledger.picture.find
            return tuple(Outcome(command=one, task=find(one.task_id), refusal=refusal) for one in commands)


class _Freed:
    """Ends a wait when it is to be stopped, or when nobody else holds the write lock any more."""

    def __init__(self, lock: WriteLock, stop: Stop | None) -> None:
        self.is_free = False
        self._lock = lock
        self._stop = stop

    def is_set(self) -> bool:
        if self._stop is not None and self._stop.is_set():
            return True
        self.is_free = not self._lock.is_held_elsewhere()
        return self.is_free


def _was_drifted(task: Task | None) -> bool:
    """Tell whether a task was seen as no event tells of it; what the log tells of it later does not begin there."""
    return task is not None and "+" in task.version


@contextmanager
def _not_collecting() -> Iterator[None]:
    """Hold the garbage collector off what makes very many objects that stay: it would search them over and over."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
