"""The store contract on a place that others own: a source to look at and write to, and a mirror that keeps the log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec.structs import replace

from taskdeck_store import clock
from taskdeck_store.claiming import candidates
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
from taskdeck_store.limits import Limits
from taskdeck_store.machine import Code, Command, Refusal, Transition, said, same
from taskdeck_store.observed.believing import believed
from taskdeck_store.observed.intent import Intent
from taskdeck_store.observed.noticing import added, fit, noticed
from taskdeck_store.observed.recording import Recorder
from taskdeck_store.printable import one_line
from taskdeck_store.query.terms import EVERYTHING, Query
from taskdeck_store.reach import not_done, not_held
from taskdeck_store.source import Move, Sight, Source, Told
from taskdeck_store.sqlite.mirror import MirrorStore, Pen
from taskdeck_store.values import Claim, Event, State, Task, Time

_NO_EVENTS: Mapping[str, Sequence[Told]] = {}
_SLICE = 0.02
"""Seconds after which who waits for the source looks whether another handle has written to the mirror."""


class ObservedStore:
    """A `taskdeck_store.contract.Store` made of a source and a mirror, both of which it closes.

    Each look at the source is compared with the mirror, under the mirror's write lock: what differs happened there,
    and is put on record. What is asked of the store is judged by the mirror, written to the source, read back, and
    only then put on record, as far as it was really done.
    """

    damage = None
    manifest = None

    def __init__(
        self,
        source: Source,
        mirror: MirrorStore,
        path: Path,
        *,
        read_only: str | None,
        now: clock.Clock,
        unkept: TemporaryDirectory[str] | None = None,
    ) -> None:
        """Take the first look. Raises StoreError, and has closed everything then.

        `path` is the mirror's; it lies in the folder `unkept`, if that is given, which goes away in the end.
        `read_only` is why nothing may be written, as a clause, besides what the source itself says.
        """
        self.address = mirror.address
        self._source = source
        self._mirror = mirror
        self._path = path
        self._intent = Intent(path)
        self._not_writing = read_only
        self._unkept = unkept
        self._now = now
        self._depth = 0
        self._closed = False
        self._recorder = Recorder(source, now)
        self.flaws: tuple[str, ...] = ()
        self._mended: tuple[str, ...] = ()
        try:
            self._refresh()
        except BaseException:
            self.close()
            raise

    @property
    def kind(self) -> str:
        """The format's name for people."""
        return self._source.kind

    @property
    def limits(self) -> Limits:
        """What the format can say; see the contract."""
        return replace(self._source.limits, observed=True, log=str(self._path), read_only=self._why_read_only)

    @property
    def read_only(self) -> bool:
        """Whether it was asked to be, or cannot be written to."""
        return self._why_read_only is not None

    @property
    def mended(self) -> tuple[str, ...]:
        """What was half done and is not any more; see the contract."""
        return self._mended + self._mirror.mended

    @property
    def audited(self) -> bool:
        """Whether there is a log: what was seen from here always has one."""
        return True

    @property
    def output_folder(self) -> Path | None:
        """Where what is said during attempts is kept; see the contract."""
        return self._mirror.output_folder

    def apply(self, commands: Sequence[Command], *, whole: bool = False) -> tuple[Outcome, ...]:
        """Commit commands; see the contract."""
        return self._apply(commands, None, whole=whole) if commands else ()

    def claim(self, claiming: Claiming, *, after: Sequence[Command] = ()) -> tuple[Outcome, ...]:
        """Commit commands and start pending tasks; see the contract."""
        why = self._why_read_only
        if why is not None:
            raise StoreError(Fault.READ_ONLY, _read_only(self.address, why).message)
        if not after and not self.tasks(candidates(claiming), limit=1):
            return ()
        return self._apply(after, claiming, whole=False)

    def renew(self, held: Mapping[str, Claim], seconds: float) -> frozenset[str]:
        """Put off the end of leases, which the mirror alone knows of; see the contract."""
        why = self._why_read_only
        if why is not None:
            raise StoreError(Fault.READ_ONLY, one_line(f"{self.address} is read-only: {why}; no lease was renewed"))
        if self._depth:
            raise RuntimeError("renew cannot run inside reading: it would not see the latest commit")
        self._refresh()
        return self._mirror.renew(held, seconds)

    def pause(self, pausing: Pausing) -> Event | Refusal:
        """Pause or resume the queue, for the workers of this machine; see the contract."""
        why = self._why_read_only
        if why is not None:
            return _read_only(self.address, why)
        return self._mirror.pause(pausing)

    def pauses(self) -> Sequence[Pause]:
        """Return what is paused; see the contract."""
        return self._mirror.pauses()

    @contextmanager
    def reading(self, *, latest: bool = True) -> Iterator[None]:
        """Make all reads inside see one look at the source; see the contract."""
        if not self._depth and latest:
            self._refresh()
        with self._mirror.reading(latest=latest):
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1

    def counts(self, query: Query = EVERYTHING) -> Mapping[State, Tally]:
        """Return the tally of every state."""
        with self.reading():
            return self._mirror.counts(query)

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
            return self._mirror.window(state, order, start=start, before=before, limit=limit, query=query)

    def get(self, task_id: str) -> Task | None:
        """Return a task, or None."""
        with self.reading():
            return self._mirror.get(task_id)

    def tasks(self, query: Query = EVERYTHING, *, limit: int | None = None) -> Sequence[Task]:
        """Return whole tasks; see the contract."""
        with self.reading():
            return self._mirror.tasks(query, limit=limit)

    def next_due(self, after: Time, query: Query = EVERYTHING) -> Time | None:
        """Return when the next pending task becomes due; see the contract."""
        with self.reading():
            return self._mirror.next_due(after, query)

    def events(
        self,
        task_id: str | None = None,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int | None = None,
        newest: bool = False,
    ) -> Sequence[Event]:
        """Return events of what was seen and done from here; see the contract."""
        with self.reading():
            return self._mirror.events(task_id, after=after, until=until, limit=limit, newest=newest)

    def traces(self, *, after: int = 0, limit: int) -> Sequence[Trace]:
        """Return events as light as can be; see the contract."""
        with self.reading():
            return self._mirror.traces(after=after, limit=limit)

    def left_out(self, after: int) -> None:
        """Return None: only bundles leave events out."""

    def changes(self, cursor: str | None = None, *, limit: int = 2_000) -> Changes:
        """Return what was noticed and done since a cursor; see the contract."""
        with self.reading():
            return self._mirror.changes(cursor, limit=limit)

    def defects(self) -> Sequence[Defect]:
        """Return what is wrong with the mirror, and what of the source cannot be shown."""
        with self.reading():
            return (*self._mirror.defects(), *(Defect(one_line(flaw)) for flaw in self.flaws))

    def wait(self, timeout: float, stop: Stop | None = None) -> bool:
        """Sleep until something may have changed, there or in the mirror; see the contract."""
        deadline = time.monotonic() + timeout
        while not self._mirror.wait(0, stop):
            left = deadline - time.monotonic()
            if left <= 0 or self._closed or (stop is not None and stop.is_set()):
                return False
            if self._source.wait(min(left, _SLICE), stop):
                return True
        return True

    def close(self) -> None:
        """Let go of the source and the mirror; ends a wait."""
        self._closed = True
        self._source.close()
        self._mirror.close()
        if self._unkept is not None:
            self._unkept.cleanup()

    @property
    def _why_read_only(self) -> str | None:
        return self._not_writing or self._source.read_only

    def _refresh(self) -> None:
        if not self._is_to_look():
            return
        with ExitStack() as stack:
            try:
                pen = stack.enter_context(self._mirror.writing())
            except StoreError as error:
                if error.fault is Fault.BUSY and self._recorder.seen is not None:
                    # Who holds it is at the source now, and will put on record what is new there.
                    return
                raise
            self._look(pen)

    def _is_to_look(self) -> bool:
        return not self._recorder.is_done or self._source.is_stale() or self._intent.is_there()

    def _look(self, pen: Pen) -> None:
        """Look at the source, and put on record what is new."""
        sight = self._recorder.look(pen)
        self._finish(pen, sight)
        self._recorder.note(pen, sight)
        self.flaws = (*sight.flaws, *self._recorder.doubts)

    def _finish(self, pen: Pen, sight: Sight) -> None:
        """Put on record what was asked for by somebody who was killed before it was known to be done, if it was."""
        commands = self._intent.read()
        if commands:
            seen = {task.id: task for task in sight.tasks}
            with pen.transaction():
                refused: dict[int, Refusal] = {}
                moves = self._moves(pen.carry_out(commands, None, refused))
                for numbers, move in moves:
                    if not _landed(move, seen.get(move.task.id), self._source.limits):
                        refused |= dict.fromkeys(numbers, _UNKNOWN)
                made = self._made(moves, refused, seen)
                if refused or made:
                    pen.undo()
                    pen.carry_out(commands, None, refused, self._amend(made))
                done = sum(len(numbers) for numbers, _ in moves) - len(refused)
            if done:
                events = "1 event" if done == 1 else f"{done} events"
                self._mended += (f"carried on a commit of {events}, whose writer was ended before it was on record",)
        self._intent.clear()

    def _apply(self, commands: Sequence[Command], claiming: Claiming | None, *, whole: bool) -> tuple[Outcome, ...]:
        if self._depth:
            raise RuntimeError("apply cannot run inside reading: it would not see the latest commit")
        why = self._why_read_only
        if why is not None:
            return self._all_refused(commands, why)
        with self._mirror.writing() as pen:
            if self._is_to_look():
                self._look(pen)
            return self._carried_out(pen, commands, claiming, whole)

    def _carried_out(
        self, pen: Pen, commands: Sequence[Command], claiming: Claiming | None, whole: bool
    ) -> tuple[Outcome, ...]:
        refused = {
            number: refusal
            for number, command in enumerate(commands)
            if (refusal := not_done(self.kind, self._source.limits, command)) is not None
        }
        with pen.transaction():
            outcomes = pen.carry_out(commands, claiming, refused)
            asked = [outcome.command for outcome in outcomes]
            while found := {**not_held(self._source.limits, outcomes), **self._not_whole(outcomes, whole)}:
                refused |= found
                pen.undo()
                outcomes = pen.carry_out(asked, None, refused)
            if whole and any(outcome.refusal for outcome in outcomes):
                return pen.undone(outcomes)
            moves = self._moves(outcomes)
            if not moves:
                return pen.told(outcomes)
            self._intent.keep([asked[number] for numbers, _ in moves for number in numbers])
            missed = self._source.carry_out([move for _, move in moves])
            sight = self._recorder.look(pen)
            seen = {task.id: task for task in sight.tasks}
            for number, (numbers, move) in enumerate(moves):
                refusal = missed.get(number)
                there = seen.get(move.task.id)
                told = sight.events.get(move.task.id, ())
                if refusal is None and not (
                    _landed(move, there, self._source.limits) or self._is_told(move, there, told)
                ):
                    refusal = _not_landed(self.kind, move, there)
                if refusal is not None:
                    refused |= dict.fromkeys(numbers, refusal)
            made = self._made(moves, refused, seen, sight.events)
            if made or any(number in refused for numbers, _ in moves for number in numbers):
                pen.undo()
                outcomes = pen.carry_out(asked, None, refused, self._amend(made))
        self._intent.clear()
        done = {move.task.id for numbers, move in moves if refused.keys().isdisjoint(numbers)}
        self._recorder.note(pen, sight, {move.task.id: move for _, move in moves}, done)
        return pen.told(outcomes)

    def _is_told(self, move: Move, there: Task | None, told: Sequence[Told]) -> bool:
        """Tell whether a source's own log has a move, and leads on from it to what is seen: others moved on since."""
        if there is None or sum(one.is_ours for one in told) != len(move.commands):
            return False
        before = None if move.seen is None else fit(move.seen)
        return believed(before, fit(there), told, self._source.limits.fields, self._now()) is not None

    def _made(
        self,
        moves: Sequence[tuple[list[int], Move]],
        refused: Mapping[int, Refusal],
        seen: Mapping[str, Task],
        told: Mapping[str, Sequence[Told]] = _NO_EVENTS,
    ) -> dict[str, Task]:
        """Return the tasks that were added, each in a commit of its own, and of which the source says more by now.

        What others did to one since, as is told, is none of its adding.
        """
        made: dict[str, Task] = {}
        fields, at = self._source.limits.fields, self._now()
        for numbers, move in moves:
            if move.seen is None and len(move.commands) == 1 and numbers[0] not in refused:
                there = fit(seen[move.task.id])
                since = [one for one in told.get(there.id, ()) if not one.is_ours]
                is_more = noticed(move.task, there, fields, at, begins=False) is not None
                if is_more and believed(move.task, there, since, fields, at) is None:
                    made[there.id] = there
        return made

    def _amend(self, made: Mapping[str, Task]) -> Callable[[Transition], Transition]:
        fields = self._source.limits.fields
        return lambda move: added(move, made.get(move.task.id), fields)

    def _not_whole(self, outcomes: Sequence[Outcome], whole: bool) -> dict[int, Refusal]:
        done = [number for number, outcome in enumerate(outcomes) if outcome.event and not outcome.repeated]
        if self._source.limits.whole or not whole or len({outcomes[number].command.task_id for number in done}) < 2:
            return {}
        message = f"{self.kind} takes one task at a time, so that several cannot be changed all or none"
        return dict.fromkeys(done, Refusal(code=Code.INVALID, message=message))

    def _moves(self, outcomes: Sequence[Outcome]) -> list[tuple[list[int], Move]]:
        """Return what is to be written of each task, each with the numbers of the commands that it is for."""
        numbers: dict[str, list[int]] = {}
        for number, outcome in enumerate(outcomes):
            if outcome.event is not None and not outcome.repeated:
                numbers.setdefault(outcome.command.task_id, []).append(number)
        moves = []
        for task_id, of_task in numbers.items():
            task = outcomes[of_task[-1]].task
            assert task is not None
            commands = tuple(outcomes[number].command for number in of_task)
            moves.append((of_task, Move(commands=commands, seen=(self._recorder.seen or {}).get(task_id), task=task)))
        return moves

    def _all_refused(self, commands: Sequence[Command], why: str) -> tuple[Outcome, ...]:
        refusal = _read_only(self.address, why)
        with self.reading():
            return tuple(
                Outcome(command=command, task=self._mirror.get(command.task_id), refusal=refusal)
                for command in commands
            )


def _read_only(address: str, why: str) -> Refusal:
    return Refusal(code=Code.READ_ONLY, message=one_line(f"{address} is read-only: {why}; nothing was changed"))


_UNKNOWN = Refusal(code=Code.CONFLICT, message="it was not done")


def _landed(move: Move, seen: Task | None, limits: Limits) -> bool:
    """Tell whether a source shows what a move was to do."""
    if seen is None or seen.state is not move.task.state:
        return False
    given = {name for command in move.commands for name in command.fields if name in limits.fields}
    before = move.seen
    if before is not None and before.state is not seen.state:
        return True
    return all(same(getattr(seen, name), getattr(move.task, name)) for name in given)


def _not_landed(kind: str, move: Move, seen: Task | None) -> Refusal:
    stands = "there is no such task" if seen is None else f"it is {said(seen.state)} there"
    command = move.commands[-1]
    message = f"{kind} was asked to {command.action} {command.task_id}, and {stands} all the same; look at it"
    return Refusal(code=Code.CONFLICT, message=message)
