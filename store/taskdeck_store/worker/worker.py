"""The worker: it takes tasks from the queue, has the handlers work on them, and commits what comes of it.

One thread holds the store, claims, renews leases and commits; the handlers run elsewhere and never touch the store.
What was done is handed in and the next task claimed in one commit. Every commit is fenced on the claim, so that a
worker that comes too late changes nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import nullcontext, suppress
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue
from random import Random
from typing import Literal, TypeAlias

from msgspec import Struct

from taskdeck_store import clock, recovery
from taskdeck_store.claiming import claim_of, new_owner
from taskdeck_store.contract import Claiming, Fault, Outcome, Pause, Store, StoreError
from taskdeck_store.machine import LEASED, Code, Command
from taskdeck_store.output import attempt_of
from taskdeck_store.pausing import said
from taskdeck_store.query.terms import EVERYTHING, Query
from taskdeck_store.values import Action, Claim, Event, Task, Time
from taskdeck_store.worker import commits
from taskdeck_store.worker.backoff import Backoff
from taskdeck_store.worker.failure import headline
from taskdeck_store.worker.handlers import handlers_of, load
from taskdeck_store.worker.keeping import Heard, Keeping, Kept
from taskdeck_store.worker.listening import listening
from taskdeck_store.worker.part import Ended, Part, failed
from taskdeck_store.worker.runners import Mixed, Processes, Runner
from taskdeck_store.worker.summary import Report, Summary

Until: TypeAlias = Literal["stopped", "empty", "once"]

_LOG = logging.getLogger("taskdeck.worker")
_STORE_LOG = logging.getLogger("taskdeck.worker.store")
_BEATS = 3
"""Heartbeats in the time of a lease, and looks for those that ran out."""
_SLEEP = 60.0
_BACKOFF = Backoff()
_CHANCE = Random()
_RETRY = 0.5
"""Seconds until a store that could not be written is tried again."""


class _Held(Struct):
    """A part that is under way, or has ended and is to be committed."""

    part: Part
    task: Task
    claim: Claim
    claimed: float
    begun: float
    kept: Kept | None
    heard: Heard | None

    def end(self) -> None:
        """Hear no more of it: what it says from now on is not part of the attempt."""
        if self.heard is not None:
            self.heard.end()


class _News:
    """What the worker waits for: what has ended, told by any thread, and None as a wake-up, by any signal handler."""

    def __init__(self) -> None:
        # An Event would not do: a signal handler that sets it while it is waited for may wait for ever.
        self._queue: SimpleQueue[tuple[int, Ended] | None] = SimpleQueue()
        self._first: list[tuple[int, Ended] | None] = []
        self.put = self._queue.put

    def is_set(self) -> bool:
        """Tell whether there are any."""
        return bool(self._first) or not self._queue.empty()

    def wait(self, timeout: float) -> None:
        """Wait until there are some, or for so many seconds."""
        if not self._first:
            with suppress(Empty):
                self._first.append(self._queue.get(timeout=timeout))

    def taken(self) -> list[tuple[int, Ended]]:
        """Return what has ended since the last call."""
        found, self._first = self._first, []
        with suppress(Empty):
            while True:
                found.append(self._queue.get_nowait())
        return [item for item in found if item is not None]


class Worker:
    """Works on the tasks of a store. One thread calls `run`; any may call `stop`.

    `handlers` is what `handlers_of` takes, or the name of one, ``MODULE:OBJECT``; with `processes` it must be a name,
    and each part is done in a process of its own. `jobs` parts are done beside each other. Only tasks that match
    `query` are claimed. A task is held for `lease` seconds without a sign of life; the worker gives three in that time.
    A part that takes longer than `time_limit` seconds is given up. When it is stopped, it waits `grace` seconds for
    what is under way. What has failed is left in the queue for a time, as `backoff` says, with the randomness of
    `chance`. `owner` is who holds the tasks, and no other worker may have the same; `actor` is who says so in the audit
    log. `report` is told what is committed, in the thread of `run`.
    """

    def __init__(
        self,
        store: Store,
        handlers: object,
        *,
        owner: str | None = None,
        actor: str | None = None,
        jobs: int = 1,
        processes: bool = False,
        query: Query = EVERYTHING,
        lease: float = 60.0,
        time_limit: float | None = None,
        grace: float = 30.0,
        backoff: Backoff = _BACKOFF,
        chance: Random = _CHANCE,
        now: clock.Clock = clock.utc_now,
        report: Callable[[Report], object] | None = None,
    ) -> None:
        if jobs < 1 or not lease > 0:
            raise ValueError(f"a worker has 1 job at least and a lease above 0 s, not {jobs} and {lease}")
        self.owner = owner or new_owner()
        self.actor = actor or self.owner
        self.summary = Summary()
        self._store = store
        self._jobs = jobs
        self._query = query
        self._lease = lease
        self._time_limit = time_limit
        self._grace = grace
        self._backoff = backoff
        self._chance = chance
        self._comes_back_by = 0.0
        self._due_at: float | None = None
        self._now = now
        self._tell = report
        self._news = _News()
        self._reference = handlers if isinstance(handlers, str) else None
        self._processes = processes
        if processes and self._reference is None:
            raise TypeError("a process imports its handlers: name them, as in 'module:object'")
        self._handlers = load(handlers, Path.cwd()) if isinstance(handlers, str) else handlers_of(handlers)
        self.verifies = self._handlers.verify is not None
        """Whether it looks at results itself."""
        self._keeping: Keeping | None = None
        self._held: dict[int, _Held] = {}
        self._numbers = count(1)
        self._closings: list[tuple[Command, _Held]] = []
        self._stop_by: float | None = None
        self._claims_left: int | None = None
        self._beat_at = self._recover_at = 0.0
        self._is_idle = False
        self._paused: tuple[Pause, ...] = ()
        self._trouble_since: float | None = None

    @property
    def busy(self) -> int:
        """How many parts are under way."""
        return len(self._held)

    def stop(self, *, at_once: bool = False) -> None:
        """Have `run` claim nothing more, and return when what is under way is done; `at_once`, it is given back."""
        self._stop_by = time.monotonic() + (0.0 if at_once else self._grace)
        self._news.put(None)

    def run(self, until: Until = "stopped") -> Summary:
        """Work until stopped, until nothing is to be claimed and all is done, or on one task; return what was done.

        What this worker has sent back to the queue is waited for, what others have left there until later is not.
        Raises StoreError when the store could not be written for as long as a lease lasts. What else ends it, an
        interrupt above all, ends it when all is given back.
        """
        self._claims_left = 1 if until == "once" else None
        folder = self._store.output_folder
        self._keeping = Keeping(folder, self._now) if folder is not None else None
        with listening() if folder is not None else nullcontext():
            return self._run(until)

    def _run(self, until: Until) -> Summary:
        runner = self._runner()
        try:
            while True:
                try:
                    is_done = self._turn(runner, until)
                    self._trouble_since = None
                except StoreError as error:
                    self._troubled(error)
                    is_done = False
                if is_done:
                    return self.summary
        except StoreError:
            raise
        except BaseException:
            self._give_back(runner)
            raise
        finally:
            runner.close()
            if self._keeping is not None:
                self._keeping.close()

    def _runner(self) -> Runner:
        def tell(number: int, ended: Ended) -> None:
            self._news.put((number, ended))

        if self._processes and self._reference is not None:
            return Processes(self._reference, tell)
        return Mixed(self._handlers, tell)

    def _turn(self, runner: Runner, until: Until) -> bool:
        """Commit what is done, claim what is free, and wait for news; tell whether there is nothing more to do."""
        for number, ended in self._news.taken():
            held = self._held.pop(number, None)
            if held is not None:
                held.end()
                self._close(held, ended)
        self._end_late(runner)
        if time.monotonic() >= self._beat_at:
            self._beat(runner)
        if time.monotonic() >= self._recover_at:
            self._recover()
        free = self._free()
        was_idle, is_closing = self._is_idle, bool(self._closings)
        if was_idle:
            # So that `wait` tells of what comes after this look.
            self._store.changes()
        claimed = self._commit(runner, free)
        self._is_idle = claimed < free
        if self._is_idle:
            self._look_at_pauses()
        self._due_at = self._next_due() if self._is_idle else None
        if is_closing or self._closings:
            # What has gone back to the queue may be claimed now.
            return False
        if not self._held and (self._stop_by is not None or self._claims_left == 0):
            return True
        if not self._held and not claimed and until != "stopped" and time.monotonic() >= self._comes_back_by:
            return True
        if not self._is_idle:
            self._news.wait(self._until_next())
        elif was_idle:
            self._store.wait(self._until_next(), self._news)
        return False

    def _look_at_pauses(self) -> None:
        """Say what is paused, when that is other than before: nobody else tells why there is nothing to do."""
        paused = tuple(self._store.pauses())
        for pause in paused:
            if pause not in self._paused:
                _STORE_LOG.warning("%s is paused, by %s: %s", said(pause), pause.by, pause.note)
        for pause in self._paused:
            if pause not in paused:
                _STORE_LOG.warning("%s is not paused any more", said(pause))
        self._paused = paused

    def _close(self, held: _Held, ended: Ended) -> None:
        is_looked_at = held.part is Part.WORK and self.verifies
        lease = clock.plus(self._now(), self._lease) if is_looked_at else None
        is_good = ended.error is None and ended.verdict
        again = self._again(held.task) if not is_good and not ended.final else None
        closing = commits.closing(held.part, held.task, ended, held.claim, actor=self.actor, lease=lease, again=again)
        self._closings.append((closing, held))

    def _again(self, task: Task) -> Time | None:
        """Return until when a task is left in the queue after an attempt in vain; None where it does not wait there."""
        if commits.is_last(task):
            return None
        seconds = self._backoff.seconds(task.attempts, self._chance)
        if not seconds:
            return None
        self._comes_back_by = max(self._comes_back_by, time.monotonic() + seconds)
        return clock.plus(self._now(), seconds)

    def _end_late(self, runner: Runner) -> None:
        """Give up what takes too long, and give back what is under way when there is no more time to wait for it."""
        now = time.monotonic()
        limit = self._time_limit
        for number, held in list(self._held.items()):
            if self._stop_by is not None and now >= self._stop_by:
                del self._held[number]
                self._drop(runner, number, held)
                if held.part is Part.WORK:
                    self._closings.append((commits.stopped(held.task, held.claim, actor=self.actor), held))
            elif limit is not None and now >= held.begun + limit:
                del self._held[number]
                self._drop(runner, number, held)
                what = "the work" if held.part is Part.WORK else "verify"
                self._close(held, failed(f"{what} took longer than {limit:g} s, and was given up"))

    def _beat(self, runner: Runner) -> None:
        every = [*self._held.values(), *(held for _, held in self._closings)]
        claims = {held.task.id: held.claim for held in every}
        if claims:
            self._drop_lost(runner, self._store.renew(claims, self._lease))
        self._beat_at = time.monotonic() + self._lease / _BEATS

    def _drop_lost(self, runner: Runner, task_ids: Collection[str]) -> None:
        for number, held in list(self._held.items()):
            if held.task.id in task_ids:
                del self._held[number]
                self._drop(runner, number, held)
                self._lost(held)

    def _drop(self, runner: Runner, number: int, held: _Held) -> None:
        runner.drop(number)
        held.end()

    def _recover(self) -> None:
        """Give back what dead workers held; what this one holds, and was late with, is its own to commit."""
        now = self._now()
        mine = {held.task.id for held in (*self._held.values(), *(held for _, held in self._closings))}
        overdue = [task for task in recovery.overdue(self._store, now, LEASED) if task.id not in mine]
        recovering = [commits.recovered(task, actor=self.actor, now=now, again=self._again(task)) for task in overdue]
        for outcome in self._store.apply(recovering):
            if outcome.refusal is None and outcome.task is not None:
                why = outcome.command.note or outcome.command.fields["error"]
                self._said(Report(task=outcome.task, action=outcome.command.action, why=why, is_recovery=True))
        self._recover_at = time.monotonic() + self._lease / _BEATS

    def _free(self) -> int:
        if self._stop_by is not None:
            return 0
        held = len(self._held) + sum(self.verifies and closing.action is Action.SUBMIT for closing, _ in self._closings)
        free = max(0, self._jobs - held)
        return free if self._claims_left is None else min(free, self._claims_left)

    def _commit(self, runner: Runner, free: int) -> int:
        """Commit what is done, and claim so many tasks with it; return how many there were."""
        closings = [closing for closing, _ in self._closings]
        if free:
            claiming = Claiming(owner=self.owner, actor=self.actor, seconds=self._lease, query=self._query, limit=free)
            outcomes = self._store.claim(claiming, after=closings)
        elif closings:
            outcomes = self._store.apply(closings)
        else:
            return 0
        held = [held for _, held in self._closings]
        self._closings = []
        claimed = outcomes[len(closings) :]
        taken = [(outcome.task, claim_of(outcome), outcome.event) for outcome in claimed]
        started = [(task, claim, event) for task, claim, event in taken if task and claim and event]
        # One that was taken away from this worker, and is in the queue again, may have come back to it.
        self._drop_lost(runner, {task.id for task, _, _ in started})
        for task, claim, event in started:
            self._begin(runner, Part.WORK, task, claim, kept=self._kept(event))
        if self._claims_left is not None:
            self._claims_left -= len(started)
        for outcome, one in zip(outcomes, held, strict=False):
            self._closed(runner, outcome, one)
        for task, _, _ in started:
            self._said(Report(task=task, action=Action.START))
        return len(started)

    def _closed(self, runner: Runner, outcome: Outcome, held: _Held) -> None:
        """Go on from what became of a commit."""
        refusal, asked = outcome.refusal, outcome.command
        if refusal is None and outcome.task is not None:
            why = asked.note or asked.fields.get("error")
            seconds = time.monotonic() - held.claimed
            self._said(Report(task=outcome.task, action=asked.action, seconds=seconds, why=why))
            claim = claim_of(outcome)
            if asked.action is Action.SUBMIT and self.verifies and claim is not None:
                self._begin(runner, Part.VERIFY, outcome.task, claim, kept=held.kept, claimed=held.claimed)
        elif refusal is not None and refusal.code is Code.READ_ONLY:
            self._closings.append((asked, held))
            raise StoreError(Fault.READ_ONLY, refusal.message)
        elif refusal is not None and refusal.code is Code.INVALID and asked.action is Action.SUBMIT:
            self._close(held, failed(refusal.message))
        else:
            self._lost(held, refusal.message if refusal is not None else None)

    def _kept(self, start: Event) -> Kept | None:
        return self._keeping.attempt(attempt_of(start)) if self._keeping is not None else None

    def _begin(
        self,
        runner: Runner,
        part: Part,
        task: Task,
        claim: Claim,
        *,
        kept: Kept | None,
        claimed: float | None = None,
    ) -> None:
        number, now = next(self._numbers), time.monotonic()
        heard = kept.part(part) if kept is not None else None
        self._held[number] = _Held(
            part=part, task=task, claim=claim, claimed=claimed or now, begun=now, kept=kept, heard=heard
        )
        try:
            runner.begin(number, part, task, heard)
        except (OSError, RuntimeError) as error:
            self._news.put((number, failed(f"the work could not be begun: {headline(error)}")))

    def _lost(self, held: _Held, why: str | None = None) -> None:
        why = why or f"{self.owner} does not hold it any more"
        self._said(Report(task=held.task, action=None, seconds=time.monotonic() - held.claimed, why=why))

    def _said(self, report: Report) -> None:
        self.summary.count(report)
        level = logging.INFO if report.why is None else logging.WARNING
        if _LOG.isEnabledFor(level):
            what, why = report.action or "lost", f": {report.why}" if report.why else ""
            _LOG.log(level, "%s: %s after %.3f s%s", report.task.id, what, report.seconds, why)
        if self._tell is not None:
            self._tell(report)

    def _give_back(self, runner: Runner) -> None:
        self._stop_by = time.monotonic()
        self._end_late(runner)
        with suppress(StoreError):
            self._store.apply([closing for closing, _ in self._closings])

    def _troubled(self, error: StoreError) -> None:
        """Wait a little, and go on with what was not committed; the store itself knows what it has done already."""
        now = time.monotonic()
        self._trouble_since = self._trouble_since or now
        if now - self._trouble_since > self._lease or (self._stop_by is not None and now > self._stop_by):
            raise error
        _STORE_LOG.warning("%s; trying again", error.message)
        self._news.wait(_RETRY)

    def _next_due(self) -> float | None:
        """Return when, by the clock of this process, the next task becomes due that is left until later."""
        now = self._now()
        due = self._store.next_due(now, self._query)
        return None if due is None else time.monotonic() + clock.to_seconds(due) - clock.to_seconds(now)

    def _until_next(self) -> float:
        """Return the seconds until something is due."""
        return max(0.0, min(self._moments()) - time.monotonic())

    def _moments(self) -> Iterator[float]:
        yield time.monotonic() + _SLEEP
        yield self._recover_at
        if self._held:
            yield self._beat_at
        if self._due_at is not None:
            yield self._due_at
        if self._comes_back_by > time.monotonic():
            yield self._comes_back_by
        if self._stop_by is not None:
            yield self._stop_by
        if self._time_limit is not None:
            yield from (held.begun + self._time_limit for held in self._held.values())
