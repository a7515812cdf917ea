"""The worker: it takes tasks from the queue, has the handlers work on them, and commits what comes of it.

The thread of `run` holds the store, claims, renews leases and commits; the handlers run elsewhere. While it only waits
for them, whichever thread has done a part takes a turn in its place: it commits, claims, and goes on with what it
claimed, so that no task waits for two threads to wake each other. The handlers never touch the store. What was done is
handed in and the next task claimed in one commit. Every commit is fenced on the claim, so that a worker that comes too
late changes nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import nullcontext, suppress
from enum import Enum, auto
from pathlib import Path
from random import Random
from typing import Literal, TypeAlias

from msgspec.structs import replace

from taskdeck_store import clock, recovery
from taskdeck_store.claiming import claim_of, new_owner
from taskdeck_store.contract import Claiming, Fault, Outcome, Pause, Store, StoreError
from taskdeck_store.machine import LEASED, Code
from taskdeck_store.output import attempt_of
from taskdeck_store.pausing import said
from taskdeck_store.query.terms import EVERYTHING, Query
from taskdeck_store.values import Action, Claim, State, Task, Time
from taskdeck_store.worker import commits
from taskdeck_store.worker.backoff import Backoff
from taskdeck_store.worker.handlers import handlers_of, load
from taskdeck_store.worker.holding import Held, Holding
from taskdeck_store.worker.keeping import Keeping
from taskdeck_store.worker.listening import listening
from taskdeck_store.worker.news import News
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
_MOMENT = 0.00002
"""Seconds for which a commit waits while more is under way, as PostgreSQL's `commit_delay`: what ends as quickly as the
rest goes into it. (Measured with 4 jobs that do nothing: 3.7 tasks a commit, and without it 2; a third more a second.)
"""
_LATE = 0.02
"""Seconds that what is done waits at most for the rest of what was claimed with it."""
_RETRY = 0.5
"""Seconds until a store that could not be written is tried again."""


class _Next(Enum):
    """What comes after a turn."""

    END = auto()
    TURN = auto()
    NEWS = auto()
    """Wait for what is under way."""
    STORE = auto()
    """Wait for work as well."""


class Worker:
    """Works on the tasks of a store. One thread calls `run`; any may call `stop`.

    `handlers` is what `handlers_of` takes, or the name of one, ``MODULE:OBJECT``; with `processes` it must be a name,
    and each part is done in a process of its own. `jobs` parts are done beside each other. For each of them, `prefetch`
    tasks are claimed at a time and done one after another, and what comes of them is committed together, some tens of
    milliseconds after the first is done at the latest. Only tasks that match `query` are
    claimed. A task is held for `lease` seconds without a sign of life; the worker gives three in that time.
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
        prefetch: int = 1,
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
        if jobs < 1 or prefetch < 1 or not lease > 0:
            given = f"{jobs}, {prefetch} and {lease}"
            raise ValueError(
                f"a worker has 1 job at least, a prefetch of 1 at least and a lease above 0 s, not {given}"
            )
        self.owner = owner or new_owner()
        self.actor = actor or self.owner
        self.summary = Summary()
        self._store = store
        self._limits = store.limits
        self._is_reviewed = State.REVIEW not in store.limits.lacks
        self._room = jobs * prefetch
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
        self._news = News()
        self._untold: deque[Report] = deque()
        self._failure: BaseException | None = None
        self._reference = handlers if isinstance(handlers, str) else None
        self._processes = processes
        if processes and self._reference is None:
            raise TypeError("a process imports its handlers: name them, as in 'module:object'")
        self._handlers = load(handlers, Path.cwd()) if isinstance(handlers, str) else handlers_of(handlers)
        self.verifies = self._handlers.verify is not None
        """Whether it looks at results itself."""
        self._keeping: Keeping | None = None
        self._holding = Holding(jobs)
        self._stop_by: float | None = None
        self._claims_left: int | None = None
        self._beat_at = self._recover_at = 0.0
        self._is_idle = False
        self._paused: tuple[Pause, ...] = ()
        self._trouble_since: float | None = None

    @property
    def busy(self) -> int:
        """How many parts are under way."""
        return len(self._holding.under_way)

    def stop(self, *, at_once: bool = False) -> None:
        """Have `run` claim nothing more, and return when what is under way is done; `at_once`, it is given back."""
        self._stop_by = time.monotonic() + (0.0 if at_once else self._grace)
        self._news.wake()

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
        turns = threading.Lock()
        # For good: whatever thread comes late finds it taken, and touches nothing.
        turns.acquire()
        runner = self._runner(turns, until)
        try:
            while True:
                try:
                    following = self._own_turn(runner, until)
                except StoreError as error:
                    self._troubled(error)
                    following = _Next.TURN
                if following is _Next.END:
                    return self.summary
                if following is _Next.NEWS:
                    seconds = self._until_next()
                    turns.release()
                    try:
                        self._news.wait(seconds)
                    finally:
                        turns.acquire()
                elif following is _Next.STORE:
                    self._store.wait(self._until_next(), self._news)
        except StoreError:
            raise
        except BaseException:
            self._give_back(runner)
            raise
        finally:
            runner.close()
            if self._keeping is not None:
                self._keeping.close()

    def _runner(self, turns: threading.Lock, until: Until) -> Runner:
        def tell(number: int, ended: Ended) -> None:
            self._news.put((number, ended))

        def hand_in(number: int, ended: Ended) -> None:
            if not turns.acquire(blocking=False):
                tell(number, ended)
                return
            try:
                self._news.keep((number, ended))
                self._turn_of_another(runner, until)
            finally:
                turns.release()

        if self._processes and self._reference is not None:
            return Processes(self._reference, tell)
        runner: Runner = Mixed(self._handlers, tell, hand_in)
        return runner

    def _own_turn(self, runner: Runner, until: Until) -> _Next:
        """Have a turn in the thread of `run`, and say what others have left to be said there."""
        self._news.awake()
        failure, self._failure = self._failure, None
        try:
            if failure is not None:
                raise failure
            return self._turn(runner, until)
        finally:
            self._say()

    def _turn_of_another(self, runner: Runner, until: Until) -> None:
        """Have a turn in a thread that has done a part, and wake that of `run` where something is left for it."""
        try:
            following = self._turn(runner, until)
        except BaseException as error:
            self._failure = error
            following = _Next.TURN
        if following is not _Next.NEWS or self._untold:
            self._news.wake()

    def _turn(self, runner: Runner, until: Until) -> _Next:
        """Commit what is done, and claim what is free; return what comes next."""
        holding = self._holding
        if self._news.items and not holding.ahead and len(holding.under_way) > len(self._news.items):
            time.sleep(_MOMENT)
        for number, ended in self._news.taken():
            held = holding.under_way.pop(number, None)
            if held is not None:
                held.end()
                self._close(held, ended)
        self._end_late(runner)
        if time.monotonic() >= self._beat_at:
            self._beat(runner)
        if time.monotonic() >= self._recover_at:
            self._recover()
        self._begin(runner)
        if holding.ahead and not holding.is_late(_LATE):
            # One commit for many costs little more than one for each.
            return _Next.NEWS
        free = self._free()
        was_idle, is_closing = self._is_idle, bool(holding.done)
        if was_idle:
            # So that `wait` tells of what comes after this look.
            self._store.changes()
        claimed = self._commit(runner, free)
        self._trouble_since = None
        self._is_idle = claimed < free
        if self._is_idle:
            self._look_at_pauses()
        self._due_at = self._next_due() if self._is_idle else None
        if holding.done or (is_closing and self._free()):
            # What has gone back to the queue may be claimed now.
            return _Next.TURN
        if not holding.under_way and (self._stop_by is not None or self._claims_left == 0):
            return _Next.END
        if not holding.under_way and not claimed and until != "stopped" and time.monotonic() >= self._comes_back_by:
            return _Next.END
        if not self._is_idle:
            return _Next.NEWS
        return _Next.STORE if was_idle else _Next.TURN

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

    def _close(self, held: Held, ended: Ended) -> None:
        is_good = ended.error is None and ended.verdict
        is_looked_at = is_good and held.part is Part.WORK and self.verifies
        if is_looked_at and not self._is_reviewed:
            self._verify(held, replace(held.task, result=ended.result), held.claim)
            return
        closing = commits.closing(
            held.part,
            held.task,
            ended,
            held.claim,
            actor=self.actor,
            lease=clock.plus(self._now(), self._lease) if is_looked_at else None,
            again=None if is_good else self._again(held.task, final=ended.final),
            limits=self._limits,
        )
        self._holding.finish(closing, held)

    def _verify(self, held: Held, task: Task, claim: Claim) -> None:
        """Have the result of a task looked at next."""
        self._holding.add(Held(part=Part.VERIFY, task=task, claim=claim, claimed=held.claimed, kept=held.kept))

    def _again(self, task: Task, *, final: bool = False) -> Time | None:
        """Return until when a task is left in the queue after an attempt in vain; None where it does not wait there."""
        if final or commits.is_last(task):
            # Where nothing can be failed, it is left for as long as anything.
            return clock.plus(self._now(), self._backoff.most)
        seconds = self._backoff.seconds(task.attempts, self._chance)
        if not seconds:
            return None
        self._comes_back_by = max(self._comes_back_by, time.monotonic() + seconds)
        return clock.plus(self._now(), seconds)

    def _end_late(self, runner: Runner) -> None:
        """Give up what takes too long, and give back what is under way when there is no more time to wait for it."""
        now, holding = time.monotonic(), self._holding
        if self._stop_by is not None and now >= self._stop_by:
            left = [holding.drop(runner, number) for number in list(holding.under_way)] + list(holding.ahead)
            holding.ahead.clear()
            for held in left:
                if held.part is Part.WORK or not self._is_reviewed:
                    holding.finish((commits.stopped(held.task, held.claim, actor=self.actor),), held)
        limit = self._time_limit
        if limit is None:
            return
        for number, held in list(holding.under_way.items()):
            if now >= held.begun + limit:
                holding.drop(runner, number)
                what = "the work" if held.part is Part.WORK else "verify"
                self._close(held, failed(f"{what} took longer than {limit:g} s, and was given up"))

    def _beat(self, runner: Runner) -> None:
        claims = {held.task.id: held.claim for held in self._holding}
        if claims:
            self._drop_lost(runner, self._store.renew(claims, self._lease))
        self._beat_at = time.monotonic() + self._lease / _BEATS

    def _drop_lost(self, runner: Runner, task_ids: Collection[str]) -> None:
        for held in self._holding.drop_of(runner, task_ids):
            self._lost(held)

    def _recover(self) -> None:
        """Give back what dead workers held; what this one holds, and was late with, is its own to commit."""
        now = self._now()
        mine = {held.task.id for held in self._holding}
        overdue = [task for task in recovery.overdue(self._store, now, LEASED) if task.id not in mine]
        recovering = [
            commits.recovered(task, actor=self.actor, now=now, again=self._again(task), limits=self._limits)
            for task in overdue
        ]
        for outcome in self._store.apply(recovering):
            if outcome.refusal is None and outcome.task is not None:
                why = outcome.command.note or outcome.command.fields["error"]
                self._said(Report(task=outcome.task, action=outcome.command.action, why=why, is_recovery=True))
        self._recover_at = time.monotonic() + self._lease / _BEATS

    def _free(self) -> int:
        if self._stop_by is not None:
            return 0
        holding = self._holding
        held = len(holding.under_way) + len(holding.ahead)
        if self.verifies and self._is_reviewed:
            held += sum(closing.action is Action.SUBMIT for (closing, *_), _ in holding.done)
        free = max(0, self._room - held)
        return free if self._claims_left is None else min(free, self._claims_left)

    def _commit(self, runner: Runner, free: int) -> int:
        """Commit what is done, and claim so many tasks with it; return how many there were."""
        closings = [closing for commands, _ in self._holding.done for closing in commands]
        if free:
            claiming = Claiming(owner=self.owner, actor=self.actor, seconds=self._lease, query=self._query, limit=free)
            outcomes = self._store.claim(claiming, after=closings)
        elif closings:
            outcomes = self._store.apply(closings)
        else:
            return 0
        for outcome in outcomes:
            if outcome.refusal is not None and outcome.refusal.code is Code.READ_ONLY:
                raise StoreError(Fault.READ_ONLY, outcome.refusal.message)
        done, self._holding.done = self._holding.done, []
        claimed = outcomes[len(closings) :]
        taken = [(outcome.task, claim_of(outcome), outcome.event) for outcome in claimed]
        started = [(task, claim, event) for task, claim, event in taken if task and claim and event]
        # One that was taken away from this worker, and is in the queue again, may have come back to it.
        self._drop_lost(runner, {task.id for task, _, _ in started})
        for task, claim, event in started:
            kept = self._keeping.attempt(attempt_of(event)) if self._keeping is not None else None
            self._holding.add(Held(part=Part.WORK, task=task, claim=claim, claimed=time.monotonic(), kept=kept))
        if self._claims_left is not None:
            self._claims_left -= len(started)
        of_closings = iter(outcomes)
        for commands, held in done:
            self._closed([next(of_closings) for _ in commands], held)
        self._begin(runner)
        for task, _, _ in started:
            self._said(Report(task=task, action=Action.START))
        return len(started)

    def _closed(self, outcomes: Sequence[Outcome], held: Held) -> None:
        """Go on from what became of what was committed for a part."""
        refused = next((outcome for outcome in outcomes if outcome.refusal is not None), None)
        if refused is not None and refused.refusal is not None:
            if refused.refusal.code is Code.INVALID and refused.command.action is Action.SUBMIT:
                self._close(held, failed(refused.refusal.message))
            else:
                self._lost(held, refused.refusal.message)
            return
        seconds = time.monotonic() - held.claimed
        for outcome in outcomes:
            task, asked = outcome.task, outcome.command
            if task is None:
                self._lost(held)
                continue
            why = asked.note or asked.fields.get("error")
            self._said(Report(task=task, action=asked.action, seconds=seconds, why=why))
            claim = claim_of(outcome)
            if asked.action is Action.SUBMIT and self.verifies and self._is_reviewed and claim is not None:
                self._verify(held, task, claim)

    def _begin(self, runner: Runner) -> None:
        for item in self._holding.begin(runner):
            self._news.put(item)

    def _lost(self, held: Held, why: str | None = None) -> None:
        why = why or f"{self.owner} does not hold it any more"
        self._said(Report(task=held.task, action=None, seconds=time.monotonic() - held.claimed, why=why))

    def _said(self, report: Report) -> None:
        self.summary.count(report)
        level = logging.INFO if report.why is None else logging.WARNING
        if _LOG.isEnabledFor(level):
            what, why = report.action or "lost", f": {report.why}" if report.why else ""
            _LOG.log(level, "%s: %s after %.3f s%s", report.task.id, what, report.seconds, why)
        if self._tell is not None:
            self._untold.append(report)

    def _say(self) -> None:
        while self._untold and self._tell is not None:
            self._tell(self._untold.popleft())

    def _give_back(self, runner: Runner) -> None:
        self._stop_by = time.monotonic()
        self._end_late(runner)
        with suppress(StoreError):
            self._store.apply([closing for commands, _ in self._holding.done for closing in commands])

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
        yield self._beat_at
        if self._due_at is not None:
            yield self._due_at
        if self._comes_back_by > time.monotonic():
            yield self._comes_back_by
        if self._stop_by is not None:
            yield self._stop_by
        if self._time_limit is not None:
            yield from (held.begun + self._time_limit for held in self._holding.under_way.values())
        if self._holding.ahead:
            yield (self._holding.waits_since if self._holding.done else time.monotonic()) + _LATE
