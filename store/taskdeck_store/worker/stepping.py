"""Work done by hand, a step at a time: a task is claimed, worked on or looked at, and what comes of it may be held.

One thread holds the store, claims, renews leases and commits, as that of a worker does; each part is done in a process
of its own that ends with it, so that the next step runs the handlers as they are by then. Several tasks may be stepped
beside each other, each by one step at a time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from queue import Empty, SimpleQueue

from msgspec import Struct
from msgspec.structs import replace

from taskdeck_store import clock, machine, wording
from taskdeck_store.claiming import claim_of, new_owner
from taskdeck_store.contract import Outcome, Store, StoreError
from taskdeck_store.machine import Code, Command, Refusal, command, said
from taskdeck_store.output import Stream, attempt_of
from taskdeck_store.values import Action, Claim, Json, State, Task
from taskdeck_store.worker import commits
from taskdeck_store.worker.breakpoints import Breakpoints
from taskdeck_store.worker.failure import headline
from taskdeck_store.worker.held import Held, turned_down, with_result, would
from taskdeck_store.worker.keeping import Heard, Keeping, Kept
from taskdeck_store.worker.part import Ended, Part, failed
from taskdeck_store.worker.process import Process
from taskdeck_store.worker.stepped import Goal, HearOf, News, Phase, Tell

LEASE = 60.0
"""Seconds for which a task is held without a sign of life."""
_BEATS = 3
_NEVER = float("inf")
_STOPPED = "given back: it was stepped by hand, and that has ended"
_RETRY = 1.0
"""Seconds until a store that could not be written is told again that leases go on."""


class _Had(Struct):
    """A task that the stepper has: as it was last read, and by what it is held, None: by nothing but its version."""

    task: Task
    claim: Claim | None = None
    goal: Goal = Goal.STEP
    number: int = 0
    part: Part | None = None
    process: Process | None = None
    held: Held | None = None
    verifies: bool = False

    @property
    def phase(self) -> Phase:
        return Phase.RUNNING if self.process else Phase.HELD if self.held else Phase.CLAIMED


class Stepper:
    """Steps tasks of a store with the handlers that a reference names, ``module:object``. Any thread may ask.

    `run` does what is asked, in the thread that calls it, with a store of its own; `tell` and `hear` are told what
    comes of it. What is held goes by `breakpoints`. `owner` is who holds the tasks, `actor` who says so in the audit
    log, `lease` the seconds for which they are held without a sign of life.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        handlers: str,
        *,
        actor: str,
        tell: Tell,
        hear: HearOf,
        owner: str | None = None,
        lease: float = LEASE,
        now: clock.Clock = clock.utc_now,
    ) -> None:
        self.owner = owner or new_owner()
        self.breakpoints = Breakpoints()
        self._open = open_store
        self._handlers = handlers
        self._actor = actor
        self._tell = tell
        self._hear = hear
        self._lease = lease
        self._now = now
        self._asked: SimpleQueue[tuple[str, Callable[[], None]] | None] = SimpleQueue()
        self._store: Store | None = None
        self._keeping: Keeping | None = None
        self._kept: dict[str, Kept] = {}
        self._has: dict[str, _Had] = {}
        self._numbers = count(1)
        self._beat_at = 0.0

    def step(self, task_id: str, goal: Goal = Goal.STEP, *, expect: str | None = None) -> None:
        """Do the next step of a task, or step it on. `expect` is the version of the task that is to be claimed."""
        self._ask(task_id, lambda: self._step(task_id, goal, expect))

    def halt(self, task_id: str) -> None:
        """Let a task that is stepped on do no step after the one under way."""
        self._ask(task_id, lambda: self._halt(task_id))

    def kill(self, task_id: str) -> None:
        """Kill the process of the step under way, of which nothing is committed; the task stays claimed."""
        self._ask(task_id, lambda: self._kill(task_id))

    def commit(self, task_id: str) -> None:
        """Commit the outcome that is held."""
        self._ask(task_id, lambda: self._commit(*self._with_outcome(task_id)))

    def change(self, task_id: str, result: Json) -> None:
        """Put another result in the place of the outcome that is held; it is held on."""
        self._ask(task_id, lambda: self._change(*self._with_outcome(task_id), result))

    def reject(self, task_id: str, note: str) -> None:
        """Send the task back to the queue in the place of the outcome that is held."""
        self._ask(task_id, lambda: self._reject(*self._with_outcome(task_id), note))

    def throw_away(self, task_id: str) -> None:
        """Commit nothing of the outcome that is held: the task stays as it is, and the step may be done again."""
        self._ask(task_id, lambda: self._throw_away(self._with_outcome(task_id)[0]))

    def give_back(self, task_id: str) -> None:
        """Give a claimed task back to the queue; an outcome that is held is thrown away."""
        self._ask(task_id, lambda: self._give_back(task_id))

    def look(self) -> None:
        """Look whether the tasks are still its own: somebody has changed some. What is not is ended."""
        self._ask("", self._look)

    def stop(self) -> None:
        """Have `run` kill what is under way, give back what is claimed, and return."""
        self._asked.put(None)

    def run(self) -> None:
        """Do what is asked until stopped. What it raises has killed what was under way."""
        try:
            while (asked := self._next()) is not None:
                task_id, do = asked
                try:
                    do()
                except (StoreError, _Refused) as error:
                    self._say(task_id, str(error), refused=True)
        finally:
            self._end()

    def _ask(self, task_id: str, do: Callable[[], None]) -> None:
        self._asked.put((task_id, do))

    def _next(self) -> tuple[str, Callable[[], None]] | None:
        """Return what is to be done next, and renew the leases until there is something."""
        while True:
            is_held = any(had.claim is not None for had in self._has.values())
            with suppress(Empty):
                return self._asked.get(timeout=max(0.0, self._beat_at - time.monotonic()) if is_held else None)
            self._beat()

    @property
    def _opened(self) -> Store:
        if self._store is None:
            self._store = self._open()
            folder = self._store.output_folder
            self._keeping = Keeping(folder, self._now) if folder is not None else None
        return self._store

    def _step(self, task_id: str, goal: Goal, expect: str | None) -> None:
        had = self._has.get(task_id)
        if had is not None and had.phase is not Phase.CLAIMED:
            what = "a step of it is under way" if had.phase is Phase.RUNNING else "its outcome is held: decide on that"
            raise _Refused(f"cannot step {task_id}: {what}")
        task = self._opened.get(task_id)
        if task is None:
            raise _Refused(machine.missing(task_id).message)
        if task.state is State.REVIEW and goal is Goal.REVIEW:
            raise _Refused(f"{task_id} is in review already")
        if task.state is State.PENDING:
            self._has[task_id] = had = _Had(task=task, goal=goal)
            lease = clock.plus(self._now(), self._lease)
            start = command(task_id, Action.START, actor=self._actor, owner=self.owner, lease_until=lease)
            self._conclude(had, replace(start, expect=expect or task.version))
        elif task.state in machine.LEASED:
            had = self._taken(had, task)
            had.goal = goal
            self._begin(had, Part.WORK if task.state is State.IN_PROGRESS else Part.VERIFY)
        else:
            raise _Refused(f"cannot step {task_id}: it is {said(task.state)}, and there is no step forward from there")

    def _taken(self, had: _Had | None, task: Task) -> _Had:
        """Return a task that is worked on or in review as one to be stepped. Raises _Refused when it is another's."""
        if had is not None and had.claim is not None and (task.owner, task.state) == (self.owner, had.task.state):
            had.task = task
            return had
        until = clock.normalised(task.lease_until or "") or ""
        if task.state is State.IN_PROGRESS or until > self._now():
            who = task.owner or "nobody who is named"
            lease = f" until {until}" if until > self._now() else "; give it back to the queue first"
            raise _Refused(f"cannot step {task.id}: {who} holds it{lease}")
        self._has[task.id] = found = _Had(task=task)
        return found

    def _begin(self, had: _Had, part: Part) -> None:
        task, number = had.task, next(self._numbers)
        had.number, had.part = number, part
        try:
            process = had.process = Process(self._handlers, quiet=True)
        except (OSError, RuntimeError) as error:
            self._ended(had, number, failed(f"the work could not be begun: {headline(error)}"))
            return
        what = f"attempt {task.attempts + 1} of {task.id} is under way"
        self._say(task.id, what if part is Part.WORK else f"the result of {task.id} is being verified", part=part)

        kept = self._kept.get(task.id)
        arguments = (process, part, task, had, number, kept.part(part) if kept is not None else None)
        threading.Thread(target=self._work, args=arguments, name="taskdeck-step", daemon=True).start()

    def _work(self, process: Process, part: Part, task: Task, had: _Had, number: int, heard: Heard | None) -> None:
        def hear(stream: Stream, text: str) -> None:
            self._hear(task.id, stream, text)
            if heard is not None:
                heard(stream, text)

        try:
            ended = process.do(part, task, hear)
        except Exception as error:
            ended = failed(f"the process that did the work could not be asked: {headline(error)}")
        if process.is_alive:
            process.end()
        if heard is not None:
            heard.end()
        self._ask(task.id, lambda: self._ended(had, number, ended))

    def _ended(self, had: _Had, number: int, ended: Ended) -> None:
        """Go on from what came of a part; of one that was killed, nothing is."""
        if had.number != number or self._has.get(had.task.id) is not had or had.part is None:
            return
        part, process = had.part, had.process
        had.process = had.part = None
        had.verifies = process is None or process.verifies
        if part is Part.VERIFY and not had.verifies:
            self._has.pop(had.task.id, None)
            self._leave(had.task)
            return
        if had.claim is not None:
            with suppress(StoreError):
                # It may have been edited meanwhile.
                had.task = self._opened.get(had.task.id) or had.task
        (closing,) = commits.closing(part, had.task, ended, had.claim, actor=self._actor, lease=None, again=None)
        self._conclude(had, closing, part, ended.error)

    def _conclude(self, had: _Had, closing: Command, part: Part | None = None, error: str | None = None) -> None:
        """Hold an outcome for which there is a breakpoint, and commit every other."""
        found = would(part, had.task, closing, self._now())
        if isinstance(found, Refusal) and closing.action is Action.SUBMIT and found.code is Code.INVALID:
            self._conclude(had, self._unfit(had, found), part, found.message)
        elif isinstance(found, Refusal) and had.claim is None:
            self._drop(had, found.message, refused=True)
        elif isinstance(found, Refusal):
            self._lose(had)
        elif (hit := self.breakpoints.hit(closing, found.after, self._now())) is not None:
            self._hold(had, replace(found, why=hit.text), error)
        else:
            self._apply(had, found, error)

    def _unfit(self, had: _Had, refusal: Refusal) -> Command:
        """Return the command for a result that no store can keep: the work has failed."""
        ended = failed(refusal.message)
        (closing,) = commits.closing(Part.WORK, had.task, ended, had.claim, actor=self._actor, lease=None, again=None)
        return closing

    def _hold(self, had: _Had, held: Held, error: str | None = None) -> None:
        had.held, had.goal = held, Goal.STEP
        what = f"{held.command.action} of {had.task.id} is held, and nothing is committed: {held.why}"
        self._say(had.task.id, what, error=error)

    def _commit(self, had: _Had, held: Held) -> None:
        """Commit an outcome that somebody looked at; where the task has changed since, it is to be looked at anew."""
        task = self._opened.get(had.task.id)
        is_ours = had.claim is not None and task is not None and task.owner == self.owner
        if held.part is None or task is None or not is_ours or task.version == held.before.version:
            self._apply(had, held)
            return
        found = would(held.part, task, held.command, self._now())
        if isinstance(found, Refusal):
            self._apply(had, held)
            return
        had.task = task
        (last,) = self._opened.events(task.id, limit=1, newest=True)
        why = f"{wording.who(last.actor)} {wording.did(last)} meanwhile; look at it, then decide anew"
        self._hold(had, replace(found, why=why, by_hand=held.by_hand))

    def _apply(self, had: _Had, held: Held, error: str | None = None, *, instead: Held | None = None) -> None:
        """Commit an outcome, perhaps instead of one that is held.

        Where the store cannot take it, that is held on; where another has the task, it is lost.
        """
        had.held, kept = None, instead or held
        is_to_be_verified = held.command.action is Action.SUBMIT and had.goal is Goal.END and had.verifies
        asked = self._leased(held.command) if is_to_be_verified or held.part is None else held.command
        try:
            (outcome,) = self._opened.apply([asked])
        except StoreError as trouble:
            self._hold(had, replace(kept, why=trouble.message), error)
            return
        refusal = outcome.refusal
        if refusal is None:
            self._applied(had, outcome, error, goes_on=is_to_be_verified)
        elif refusal.code is Code.INVALID and asked.action is Action.SUBMIT and not held.by_hand:
            self._conclude(had, self._unfit(had, refusal), held.part, refusal.message)
        elif refusal.code in (Code.INVALID, Code.READ_ONLY):
            self._hold(had, replace(kept, why=refusal.message), error)
        else:
            self._drop(had, refusal.message, refused=True)

    def _leased(self, asked: Command) -> Command:
        lease = clock.plus(self._now(), self._lease)
        return replace(asked, fields={**asked.fields, "lease_until": lease})

    def _applied(self, had: _Had, outcome: Outcome, error: str | None, *, goes_on: bool) -> None:
        """Go on from what was committed: with the next step, if there is to be one, or not."""
        task, action = outcome.task, outcome.command.action
        assert task is not None
        goal, had.task = had.goal, task
        if action is not Action.START and not goes_on:
            self._drop(had, _now_is(task, outcome.command), error=error)
            if action is Action.SUBMIT and goal is Goal.END:
                self._leave(task)
            return
        had.claim = claim_of(outcome)
        self._beat_at = min(self._beat_at or _NEVER, time.monotonic() + self._lease / _BEATS)
        if action is Action.START and outcome.event is not None and self._keeping is not None:
            self._kept[task.id] = self._keeping.attempt(attempt_of(outcome.event))
        if action is Action.START:
            self._say(task.id, f"{task.id} is claimed, and its work has not begun")
        if had.goal is not Goal.STEP:
            self._begin(had, Part.WORK if action is Action.START else Part.VERIFY)

    def _leave(self, task: Task) -> None:
        """Say that a task in review is a person's."""
        told = f"{task.id} waits for a person: there is no verify to look at its result"
        self._tell(News(task_id=task.id, said=told, waits=True))

    def _halt(self, task_id: str) -> None:
        had = self._has.get(task_id)
        if had is None or had.goal is Goal.STEP:
            raise _Refused(f"{task_id} is not stepped on")
        had.goal = Goal.STEP
        self._say(task_id, f"{task_id} is not stepped on after this")

    def _kill(self, task_id: str) -> None:
        had = self._has.get(task_id)
        if had is None or had.process is None:
            raise _Refused(f"nothing is under way of {task_id}")
        self._end_part(had)
        told = f"{task_id}: the step under way was killed, and nothing was committed"
        if had.claim is None:
            self._drop(had, told)
        else:
            self._say(task_id, told)

    def _end_part(self, had: _Had) -> None:
        process, had.process, had.part, had.goal = had.process, None, None, Goal.STEP
        if process is not None:
            process.kill()

    def _with_outcome(self, task_id: str) -> tuple[_Had, Held]:
        """Return a task of which an outcome is held. Raises _Refused."""
        had = self._has.get(task_id)
        if had is None or had.held is None:
            raise _Refused(f"no outcome of {task_id} is held")
        return had, had.held

    def _change(self, had: _Had, held: Held, result: Json) -> None:
        try:
            had.held = with_result(held, result, self._now())
        except ValueError as error:
            raise _Refused(str(error)) from None
        self._say(had.task.id, f"{had.task.id} would be handed in with another result; nothing is committed yet")

    def _reject(self, had: _Had, held: Held, note: str) -> None:
        try:
            asked = turned_down(held, note)
        except ValueError as error:
            raise _Refused(str(error)) from None
        found = would(held.part, held.before, asked, self._now())
        if isinstance(found, Refusal):
            raise _Refused(found.message)
        self._apply(had, found, instead=held)

    def _throw_away(self, had: _Had) -> None:
        had.held = None
        told = f"{had.task.id}: the outcome was thrown away, and nothing was committed"
        if had.claim is None:
            self._drop(had, told)
        else:
            self._say(had.task.id, told)

    def _give_back(self, task_id: str) -> None:
        had = self._has.get(task_id)
        if had is None or had.claim is None or had.task.state is not State.IN_PROGRESS:
            raise _Refused(f"{task_id} is not claimed here, and cannot be given back")
        if had.process is not None:
            raise _Refused(f"a step of {task_id} is under way; kill it first")
        had.held = None
        (outcome,) = self._opened.apply([self._release(had, had.claim, "given back, its step was not committed")])
        if outcome.refusal is not None:
            self._drop(had, outcome.refusal.message, refused=True)
        else:
            self._drop(had, _given_back(task_id))

    def _release(self, had: _Had, claim: Claim, note: str) -> Command:
        return command(had.task.id, Action.RELEASE, actor=self._actor, claim=claim, note=note)

    def _beat(self) -> None:
        claims = {task_id: had.claim for task_id, had in self._has.items() if had.claim is not None}
        try:
            lost = self._opened.renew(claims, self._lease)
        except StoreError:
            # The lease may last until the next try; if not, the commit is refused.
            self._beat_at = time.monotonic() + min(_RETRY, self._lease / _BEATS)
            return
        self._beat_at = time.monotonic() + self._lease / _BEATS
        for task_id in lost:
            self._lose(self._has[task_id])

    def _look(self) -> None:
        for had in list(self._has.values()):
            with suppress(StoreError):
                task = self._opened.get(had.task.id)
                if had.claim is None:
                    is_ours = task is not None and task.version == had.task.version
                else:
                    is_ours = task is not None and (task.owner, task.state) == (self.owner, had.task.state)
                if not is_ours:
                    self._lose(had)

    def _lose(self, had: _Had) -> None:
        """Let go of a task that is another's by now, and of what came of it."""
        self._end_part(had)
        task_id, last = had.task.id, None
        message = machine.missing(task_id).message
        with suppress(StoreError):
            task = self._opened.get(task_id)
            events = self._opened.events(task_id, limit=1, newest=True)
            if events:
                last = f"{wording.who(events[-1].actor)} {wording.did(events[-1])}"
            if task is not None and had.claim is not None:
                message = machine.lost_claim(task, had.claim, last).message
            elif task is not None:
                message = machine.changed_meanwhile(task, last).message
        self._drop(had, message, refused=True)

    def _drop(self, had: _Had, told: str, *, error: str | None = None, refused: bool = False) -> None:
        self._has.pop(had.task.id, None)
        self._say(had.task.id, told, error=error, refused=refused)

    def _say(
        self, task_id: str, told: str, *, part: Part | None = None, error: str | None = None, refused: bool = False
    ) -> None:
        news = News(task_id=task_id, said=told, part=part, error=error, refused=refused)
        had = self._has.get(task_id)
        self._tell(news if had is None else replace(news, phase=had.phase, goal=had.goal, held=had.held))

    def _end(self) -> None:
        """Kill what is under way, and give back what is claimed, as far as the store can be written."""
        for had in self._has.values():
            self._end_part(had)
        claimed = [(had, had.claim) for had in self._has.values() if had.task.state is State.IN_PROGRESS]
        given_back = [self._release(had, claim, _STOPPED) for had, claim in claimed if claim is not None]
        self._has = {}
        if self._store is not None:
            with suppress(StoreError):
                for outcome in self._store.apply(given_back):
                    if outcome.refusal is None:
                        self._say(outcome.command.task_id, _given_back(outcome.command.task_id))
            self._store.close()
        if self._keeping is not None:
            self._keeping.close()


class _Refused(Exception):
    """What was asked cannot be done, and why."""


def _now_is(task: Task, done: Command) -> str:
    """Say where a task is after an outcome was committed, and in a line why it went back."""
    why = (done.note or done.fields.get("error") or "").partition("\n")[0]
    again = f", attempts {task.attempts} of {task.max_attempts}" if machine.RULES[done.action].again else ""
    return f"{task.id} is now {wording.standing(task.state)}{again}{f': {why}' if why else ''}"


def _given_back(task_id: str) -> str:
    return f"{task_id} was given back to the queue; nothing of its step was committed"
