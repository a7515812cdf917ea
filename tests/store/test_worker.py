"""The worker: what its handlers come to is committed, and nothing else, whoever is late, stopped or dead."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from moving import done, put

from conftest import Opener, Turned
from taskdeck_store import Action, Claiming, State, Store, StoreError, Task, clock, open_store
from taskdeck_store.lock import SUFFIX, WriteLock
from taskdeck_store.query.parse import parse
from taskdeck_store.verification import verify as verify_log
from taskdeck_store.worker import Backoff, Failed, GiveUp, Handlers, Report, Summary, Worker, WrongHandlers
from taskdeck_store.worker.handlers import handlers_of, load

PATIENCE = 30.0


def work(store: Store, handlers: object, **options: Any) -> Summary:
    """Run a worker until the queue is empty; what failed is tried again at once."""
    return Worker(store, handlers, **{"backoff": Backoff(first=0.0), **options}).run("empty")


def state(store: Store, task_id: str) -> State:
    task = store.get(task_id)
    assert task is not None
    return task.state


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@contextmanager
def beside(worker: Worker) -> Iterator[threading.Thread]:
    """Run a worker, whose store serves that thread alone, beside the test; it is stopped in the end."""
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield thread
    finally:
        worker.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_each_state_is_on_record_before_its_work_begins(store: Store, path: Path) -> None:
    put(store, "t-1", data={"words": 3})
    seen: list[tuple[str, State, Any]] = []

    def look(name: str, task: Task) -> None:
        with closing(open_store(str(path), read_only=True)) as other:
            found = other.get(task.id)
            assert found == task
            seen.append((name, found.state, found.result))

    class Handlers:
        def start(self, task: Task) -> None:
            look("start", task)

        def execute(self, task: Task) -> dict[str, int]:
            look("execute", task)
            return {"words": task.data["words"] * 2}

        def verify(self, task: Task) -> bool:
            look("verify", task)
            return bool(task.result["words"] == 6)

    worker = Worker(store, Handlers, owner="w-1", actor="ann")
    summary = worker.run("empty")
    assert seen == [
        ("start", State.IN_PROGRESS, None),
        ("execute", State.IN_PROGRESS, None),
        ("verify", State.REVIEW, {"words": 6}),
    ]
    events = store.events("t-1")[1:]
    assert [(event.action, event.actor) for event in events] == [(one, "ann") for one in ("start", "submit", "approve")]
    task = store.get("t-1")
    assert task is not None
    assert (task.state, task.result, task.owner, task.lease_until) == (State.COMPLETED, {"words": 6}, "w-1", None)
    assert summary == Summary(started=1, submitted=1, completed=1)
    assert str(summary) == "1 started, 1 submitted, 1 completed"
    assert verify_log(store).is_sound


def test_without_verify_the_work_stays_in_review_for_a_person(store: Store) -> None:
    put(store, "t-1")
    assert work(store, {"execute": lambda task: task.title}) == Summary(started=1, submitted=1)
    task = store.get("t-1")
    assert task is not None
    assert (task.state, task.result, task.lease_until) == (State.REVIEW, "task t-1", None)
    # Nor does a worker that verifies look at what was left to a person.
    assert work(store, {"execute": lambda task: 1, "verify": lambda task: True}) == Summary()


async def _execute(task: Task) -> str:
    await asyncio.sleep(0)
    return f"done {task.id}"


class _Callable:
    async def __call__(self, task: Task) -> str:
        return await _execute(task)


class _Instance:
    def execute(self, task: Task) -> str:
        return f"done {task.id}"

    async def verify(self, task: Task) -> bool:
        return bool(task.result == f"done {task.id}")


@pytest.mark.parametrize(
    ("handlers", "ends"),
    [
        (_execute, State.REVIEW),
        (_Callable(), State.REVIEW),
        (lambda task: f"done {task.id}", State.REVIEW),
        ({"execute": _execute, "verify": lambda task: True}, State.COMPLETED),
        (_Instance, State.COMPLETED),
        (_Instance(), State.COMPLETED),
        (SimpleNamespace(execute=_execute, start=lambda task: None), State.REVIEW),
        (Handlers(execute=_execute), State.REVIEW),
    ],
)
def test_handlers_are_functions_wherever_they_are(store: Store, handlers: object, ends: State) -> None:
    put(store, "t-1")
    work(store, handlers)
    task = store.get("t-1")
    assert task is not None
    assert (task.state, task.result) == (ends, "done t-1")


def test_what_a_function_returns_is_awaited_if_it_can_be(store: Store) -> None:
    put(store, "t-1")
    handlers = {"start": _execute, "execute": lambda task: _execute(task), "verify": lambda task: _true(task)}
    assert work(store, handlers).completed == 1
    put(store, "t-2")
    assert work(store, lambda task: _execute(task)).submitted == 1
    assert [task.result for task in store.tasks()] == ["done t-2", "done t-1"]


async def _true(task: Task) -> bool:
    return True


@pytest.mark.parametrize(
    "wrong", [{"jobs": 0}, {"prefetch": 0}, {"lease": 0.0}, {"lease": -1.0}, {"lease": float("nan")}]
)
def test_a_worker_that_could_never_work_is_refused(store: Store, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a prefetch of 1 at least and a lease above 0 s"):
        Worker(store, lambda task: 1, **wrong)


def test_what_holds_no_handlers_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "somewhere.py").write_text("def execute(task): return 1\nclass Inner:\n    x = 1\n")
    monkeypatch.setattr("sys.path", [*sys.path])
    assert load("somewhere", tmp_path).execute(Task(id="t-1", title="T")) == 1
    for wrong, message in (
        (SimpleNamespace(), "SimpleNamespace has no function execute"),
        ({"execute": 1}, "execute of dict is no function"),
        ({"execute": len, "run": len}, "handlers are called start, execute, verify, and not run"),
    ):
        with pytest.raises(WrongHandlers, match=message):
            handlers_of(wrong)
    for reference, message in (
        ("nowhere", "there is no module nowhere, neither in .* nor installed"),
        ("somewhere:Nothing", "somewhere has no Nothing"),
        ("somewhere:Inner", "Inner has no function execute"),
        ("somewhere.py", "somewhere.py is a file; name the module, as Python imports it: somewhere"),
        ("", "names no module"),
    ):
        with pytest.raises(WrongHandlers, match=message):
            load(reference, tmp_path)


def test_an_error_sends_the_task_back_with_its_traceback_until_it_fails(store: Store) -> None:
    put(store, "t-1", max_attempts=2)

    def execute(task: Task) -> None:
        password = "hunter2"
        raise ValueError(f"no {task.attempts}" if password else "")

    assert work(store, {"execute": execute}) == Summary(started=2, released=1, failed=1)
    (released,) = (event for event in store.events("t-1") if event.action == "release")
    assert released.note is not None
    assert released.note.startswith("ValueError: no 0\n\nTraceback (most recent call last):\n")
    assert "raise ValueError" in released.note
    assert released.note.count("File") == 1
    assert "hunter2" not in released.note
    task = store.get("t-1")
    assert task is not None
    assert (task.state, task.attempts) == (State.FAILED, 1)
    assert task.error is not None
    assert task.error.startswith("ValueError: no 1\n")


def test_an_error_of_any_length_and_content_is_kept(store: Store) -> None:
    put(store, "t-1", max_attempts=1)

    def execute(task: Task) -> None:
        raise RuntimeError("\0\ud800 " + "x" * 100_000 + " the end")

    work(store, {"execute": execute})
    task = store.get("t-1")
    assert task is not None
    assert task.error is not None
    assert task.error.startswith("RuntimeError: ␀? xxx")
    assert "[…]" in task.error
    assert task.error.endswith(" the end")
    assert len(task.error) <= 8_000


class _Mute(Exception):
    def __str__(self) -> str:
        raise SystemExit("not even that")


class _MuteFailed(Failed):
    def __str__(self) -> str:
        raise RuntimeError("not even that")


async def _cancels(task: Task) -> None:
    inner = asyncio.create_task(asyncio.sleep(PATIENCE))
    inner.cancel()
    await inner


async def _exits(task: Task) -> None:
    async def leave() -> None:
        raise SystemExit("bye")

    await asyncio.wait_for(leave(), PATIENCE)


ERRORS = [
    *(_Mute(), _MuteFailed(), SystemExit("bye"), KeyboardInterrupt(), Failed(), StopIteration(1), GeneratorExit()),
    *(asyncio.CancelledError(), SyntaxError("odd", (1, "x", 2, 3)), ExceptionGroup("both", [ValueError(1)])),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("way", ["sync", "async", "start", "inner"])
def test_whatever_a_handler_raises_ends_the_attempt_and_not_the_worker(
    store: Store, error: BaseException, way: str
) -> None:
    for task_id in ("t-1", "t-2"):
        put(store, task_id, max_attempts=1)

    def execute(task: Task) -> int:
        if task.id == "t-1":
            raise error
        return 1

    async def execute_async(task: Task) -> int:
        return execute(task)

    async def execute_inside(task: Task) -> int:
        return await asyncio.wait_for(execute_async(task), PATIENCE)

    ways: dict[str, Any] = {
        "sync": execute,
        "async": execute_async,
        "start": {"start": execute, "execute": execute_async},
        "inner": execute_inside,
    }
    assert work(store, ways[way]) == Summary(started=2, submitted=1, failed=1)


@pytest.mark.parametrize("execute", [_cancels, _exits])
def test_what_a_coroutine_does_to_its_own_ends_only_its_attempt(store: Store, execute: Any) -> None:
    put(store, "t-1", max_attempts=2)
    assert work(store, execute) == Summary(started=2, released=1, failed=1)
    put(store, "t-2")
    assert work(store, _execute).submitted == 1


def test_what_is_given_up_is_not_tried_again(store: Store) -> None:
    put(store, "t-1")

    def execute(task: Task) -> None:
        raise GiveUp("nobody wants this")

    assert work(store, execute) == Summary(started=1, failed=1)
    task = store.get("t-1")
    assert task is not None
    assert task.error == "nobody wants this"


def test_a_result_is_whatever_json_can_say(store: Store) -> None:
    @dataclass
    class Found:
        words: int
        tags: tuple[str, ...]

    results: dict[str, Any] = {"a": Found(3, ("x",)), "b": {1: None}, "c": object(), "d": float("nan"), "e": None}
    for task_id in results:
        put(store, task_id, max_attempts=1)
    work(store, lambda task: results[task.id])
    assert [state(store, one) for one in "abcde"] == [
        State.REVIEW,
        State.REVIEW,
        State.FAILED,
        State.FAILED,
        State.REVIEW,
    ]
    found = {task.id: task for task in store.tasks()}
    assert (found["a"].result, found["b"].result) == ({"words": 3, "tags": ["x"]}, {"1": None})
    assert found["c"].error is not None
    assert "object" in found["c"].error


def test_a_result_that_the_store_cannot_keep_ends_the_attempt(store: Store) -> None:
    put(store, "t-1", max_attempts=2)
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    assert work(store, lambda task: deep) == Summary(started=2, released=1, failed=1)
    task = store.get("t-1")
    assert task is not None
    assert "nested" in str(task.error)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (False, "verify said no"),
        ((False, "it is empty"), "it is empty"),
        (None, "TypeError: verify returned None; it must return True, False, or (False, 'why')"),
        ("yes", "TypeError: verify returned 'yes'; it must return True, False, or (False, 'why')"),
        (ValueError("broken"), "ValueError: broken"),
    ],
)
def test_what_is_rejected_goes_back_with_the_reason_until_it_fails(store: Store, answer: object, reason: str) -> None:
    put(store, "t-1", max_attempts=2)

    def verify(task: Task) -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer

    handlers = {"execute": lambda task: 1, "verify": verify}
    assert work(store, handlers) == Summary(started=2, submitted=2, rejected=1, failed=1)
    (rejected,) = (event for event in store.events("t-1") if event.action == "reject")
    task = store.get("t-1")
    assert task is not None
    for said in (rejected.note, task.error):
        assert said is not None
        assert said.splitlines()[0] == reason


def test_what_failed_is_left_until_later_and_longer_each_time(path: Path) -> None:
    with closing(open_store(str(path))) as store:
        put(store, "t-1", max_attempts=4)
        put(store, "t-2", max_attempts=3)

        ended: dict[tuple[str, int], str] = {}

        def execute(task: Task) -> int:
            if task.id == "t-1":
                ended[task.id, task.attempts] = clock.utc_now()
                raise ValueError("no")
            return 1

        def verify(task: Task) -> tuple[bool, str]:
            ended[task.id, task.attempts] = clock.utc_now()
            return False, "no"

        handlers = {"execute": execute, "verify": verify}
        backoff = Backoff(first=0.05, factor=2.0, jitter=0.0)
        summary = Worker(store, handlers, backoff=backoff).run("empty")
        assert summary == Summary(started=7, submitted=3, rejected=2, released=3, failed=2)
        for task_id, action in (("t-1", "release"), ("t-2", "reject")):
            events = store.events(task_id)
            for number, event in enumerate(events):
                if event.action == action:
                    until = event.changes["not_before"][1]
                    wait = 0.05 * 2 ** (event.attempts - 1)
                    assert clock.plus(ended[task_id, event.attempts - 1], wait) <= until <= clock.plus(event.at, wait)
                    assert events[number + 1].action == "start"
                    assert events[number + 1].at >= until


def test_a_worker_takes_what_is_due_when_it_is_due(path: Path) -> None:
    with closing(open_store(str(path))) as store, closing(open_store(str(path))) as mine:
        at = clock.plus(clock.utc_now(), 0.5)
        put(mine, "later", not_before=at)
        with beside(Worker(store, lambda task: 1)):
            wait_for(lambda: state(mine, "later") is State.REVIEW)
        (_, start, _) = mine.events("later")
        assert at <= start.at < clock.plus(at, 10)


def test_what_others_left_until_later_is_not_waited_for(store: Store, now: Turned) -> None:
    put(store, "t-1", not_before=clock.plus(now(), 3_600))
    assert work(store, lambda task: 1, now=now) == Summary()
    now.turn(3_600)
    assert work(store, lambda task: 1, now=now) == Summary(started=1, submitted=1)


def test_only_what_matches_is_claimed_and_what_runs_first_is_first(store: Store) -> None:
    put(store, "a", tags=["api"], priority=5)
    put(store, "b", tags=["web"])
    put(store, "c", tags=["api"], priority=1)
    worked: list[str] = []
    work(store, lambda task: worked.append(task.id), query=parse("tag:api", me=""))
    assert worked == ["c", "a"]
    assert state(store, "b") is State.PENDING


def test_one_task_and_then_the_end(store: Store) -> None:
    for task_id in ("a", "b"):
        put(store, task_id)
    handlers = {"execute": lambda task: 1, "verify": lambda task: True}
    assert Worker(store, handlers, jobs=4).run("once") == Summary(started=1, submitted=1, completed=1)
    assert [state(store, one) for one in "ab"] == [State.COMPLETED, State.PENDING]


@pytest.mark.parametrize("is_async", [False, True])
def test_so_many_are_done_beside_each_other(store: Store, is_async: bool) -> None:
    for number in range(6):
        put(store, f"t-{number}")
    under_way, most = 0, 0
    together = threading.Barrier(3)

    def meet(task: Task) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        together.wait(PATIENCE)
        under_way -= 1

    async def meet_async(task: Task) -> None:
        await asyncio.to_thread(meet, task)

    work(store, meet_async if is_async else meet, jobs=3)
    assert most == 3
    assert {task.state for task in store.tasks()} == {State.REVIEW}


def test_who_was_overtaken_commits_nothing(store: Store, opened: Opener, path: Path) -> None:
    put(store, "t-1")
    reports: list[Report] = []

    def execute(task: Task) -> str:
        with closing(open_store(str(path))) as other:
            done(other, task.id, Action.RELEASE)
            (outcome,) = other.claim(Claiming(owner="w-2", actor="w-2", seconds=60))
            assert outcome.refusal is None
        return "late"

    worker = Worker(store, execute, owner="w-1", report=reports.append)
    assert worker.run("empty") == Summary(started=1, lost=1)
    assert reports[-1].action is None
    assert "w-1 does not hold t-1 any more" in str(reports[-1].why)
    task = store.get("t-1")
    assert task is not None
    assert (task.state, task.owner, task.result) == (State.IN_PROGRESS, "w-2", None)


@pytest.mark.parametrize("before", [[], ["t-0"]], ids=["first work", "work that another thread began"])
def test_a_lease_is_renewed_for_as_long_as_the_work_takes(path: Path, before: list[str]) -> None:
    with closing(open_store(str(path))) as store:
        for task_id in (*before, "t-1"):
            put(store, task_id)
        leases: set[str | None] = set()

        def execute(task: Task) -> int:
            if task.id in before:
                return 1
            with closing(open_store(str(path), read_only=True)) as other:

                def renewed() -> bool:
                    leases.add(found.lease_until) if (found := other.get(task.id)) else None
                    return len(leases) > 3

                wait_for(renewed)
            return 1

        both = 1 + len(before)
        assert work(store, execute, lease=0.3) == Summary(started=both, submitted=both)
        assert len(store.events("t-1")) == 3


def test_work_that_is_held_no_longer_is_dropped_at_the_next_heartbeat(path: Path) -> None:
    over = threading.Event()

    async def execute(task: Task) -> int:
        try:
            with closing(open_store(str(path))) as other:
                done(other, task.id, Action.FAIL, note="by hand")
            await asyncio.sleep(PATIENCE)
        finally:
            over.set()
        return 1

    with closing(open_store(str(path))) as store:
        put(store, "t-1")
        assert work(store, execute, lease=0.2) == Summary(started=1, lost=1)
        assert over.wait(PATIENCE)


def test_what_dead_workers_held_goes_back_until_it_fails(store: Store, now: Turned) -> None:
    put(store, "t-1")
    put(store, "t-2", max_attempts=1)
    store.claim(Claiming(owner="w-0", actor="w-0", seconds=10, limit=2))
    at = now.turn(11)
    reports: list[Report] = []
    summary = work(store, lambda task: 1, now=now, report=reports.append, owner="w-1")
    assert summary == Summary(started=1, submitted=1, recovered=2)
    assert {report.task.id: report.action for report in reports if report.is_recovery} == {
        "t-1": Action.RELEASE,
        "t-2": Action.FAIL,
    }
    ended = clock.plus(at, -1)
    task = store.get("t-2")
    assert task is not None
    assert task.error == f"its lease ran out at {ended}; w-0 held it; it was the last attempt"
    (event,) = (event for event in store.events("t-1") if event.action == "release")
    assert (event.attempts, event.actor, event.note) == (1, "w-1", f"its lease ran out at {ended}; w-0 held it")


def test_a_result_whose_worker_died_over_it_goes_back_until_it_fails(store: Store, now: Turned) -> None:
    for task_id, most in (("t-1", 3), ("t-2", 1)):
        put(store, task_id, max_attempts=most)
    store.claim(Claiming(owner="w-0", actor="w-0", seconds=10, limit=2))
    for task_id in ("t-1", "t-2"):
        done(store, task_id, Action.SUBMIT, result=7, lease_until=clock.plus(now(), 10))
    handlers = {"execute": lambda task: 1, "verify": lambda task: True}
    assert work(store, handlers, now=now) == Summary()
    now.turn(11)
    assert work(store, handlers, now=now) == Summary(started=1, submitted=1, completed=1, recovered=2)
    assert [event.action for event in store.events("t-1")][3:] == ["reject", "start", "submit", "approve"]
    assert state(store, "t-2") is State.FAILED


def test_what_was_done_while_the_lease_ran_out_is_committed_if_nobody_else_has_it(store: Store, now: Turned) -> None:
    put(store, "t-1", max_attempts=1)

    def execute(task: Task) -> str:
        now.turn(100)
        return "late, but mine"

    assert work(store, execute, now=now, lease=10) == Summary(started=1, submitted=1)


def test_a_task_that_comes_back_to_its_worker_is_not_worked_on_twice(path: Path) -> None:
    ended: list[int] = []

    async def execute(task: Task) -> int:
        try:
            if task.attempts == 0:
                with closing(open_store(str(path))) as other:
                    done(other, task.id, Action.RELEASE)
                await asyncio.sleep(PATIENCE)
        finally:
            ended.append(task.attempts)
        return task.attempts

    with closing(open_store(str(path))) as store:
        put(store, "t-1")
        assert work(store, execute, jobs=2) == Summary(started=2, submitted=1, lost=1)
        task = store.get("t-1")
        assert task is not None
        assert (task.result, sorted(ended)) == (1, [0, 1])


@pytest.mark.parametrize("is_async", [False, True])
def test_what_takes_too_long_is_given_up(store: Store, is_async: bool) -> None:
    # The second is begun by the thread that has done the first.
    put(store, "t-0")
    put(store, "t-1", max_attempts=1)
    put(store, "t-2")
    stuck = threading.Event()

    def execute(task: Task) -> int:
        if task.id == "t-1":
            stuck.wait(PATIENCE)
        return 1

    async def execute_async(task: Task) -> int:
        await asyncio.sleep(PATIENCE if task.id == "t-1" else 0)
        return 1

    try:
        assert work(store, execute_async if is_async else execute, time_limit=0.2) == Summary(
            started=3, submitted=2, failed=1
        )
    finally:
        stuck.set()
    task = store.get("t-1")
    assert task is not None
    assert task.error == "the work took longer than 0.2 s, and was given up"


def test_a_worker_waits_for_work_and_stops_when_it_is_done(path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def execute(task: Task) -> int:
        begun.set()
        assert go_on.wait(PATIENCE)
        return 1

    with closing(open_store(str(path))) as store, closing(open_store(str(path))) as mine:
        worker = Worker(store, execute)
        with beside(worker):
            put(mine, "t-1")
            assert begun.wait(PATIENCE)
            put(mine, "t-2")
            worker.stop()
            go_on.set()
        assert [state(mine, one) for one in ("t-1", "t-2")] == [State.REVIEW, State.PENDING]


@pytest.mark.parametrize("grace", [0.1, 60.0])
def test_what_is_under_way_when_there_is_no_more_time_is_given_back(path: Path, grace: float) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def execute(task: Task) -> int:
        begun.set()
        go_on.wait(PATIENCE)
        return 1

    with closing(open_store(str(path))) as store, closing(open_store(str(path))) as mine:
        worker = Worker(store, execute, grace=grace)
        with beside(worker) as thread:
            put(mine, "t-1", max_attempts=1)
            assert begun.wait(PATIENCE)
            worker.stop(at_once=grace > 1)
            thread.join(PATIENCE)
        go_on.set()
        assert worker.summary == Summary(started=1, released=1)
        assert mine.events("t-1")[-1].note == "the worker was stopped"


def test_an_interrupt_gives_back_what_is_under_way_and_commits_what_is_done(store: Store, opened: Opener) -> None:
    for task_id in ("a", "b"):
        put(store, task_id)
    go_on = threading.Event()

    def execute(task: Task) -> int:
        if task.id == "b":
            go_on.wait(PATIENCE)
        return 1

    def interrupted(report: Report) -> None:
        if report.action is Action.SUBMIT:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work(store, execute, jobs=2, report=interrupted)
    go_on.set()
    assert [state(store, one) for one in "ab"] == [State.REVIEW, State.PENDING]
    assert store.events("b")[-1].note == "the worker was stopped"


@pytest.mark.parametrize("jobs", [1, 3])
def test_what_is_committed_is_told_in_order_and_in_the_thread_of_run(store: Store, jobs: int) -> None:
    for number in range(6):
        put(store, f"t-{number}")
    told: list[tuple[str, str | None]] = []
    threads: set[int] = set()

    def report(told_of: Report) -> None:
        told.append((told_of.task.id, told_of.action))
        threads.add(threading.get_ident())

    assert work(store, lambda task: 1, jobs=jobs, report=report).submitted == 6
    assert threads == {threading.get_ident()}
    for number in range(6):
        assert [action for task_id, action in told if task_id == f"t-{number}"] == [Action.START, Action.SUBMIT]


def test_a_store_that_cannot_be_written_for_a_while_costs_nothing(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lock = WriteLock(path.with_name(path.name + SUFFIX), like=path)
    begun, locked = threading.Event(), threading.Event()

    def execute(task: Task) -> int:
        begun.set()
        assert locked.wait(PATIENCE)
        return 1

    with (
        closing(open_store(str(path), patience=0.05)) as store,
        closing(open_store(str(path))) as mine,
        caplog.at_level(logging.WARNING),
    ):
        put(mine, "t-1")
        with beside(Worker(store, execute)):
            assert begun.wait(PATIENCE)
            with lock.hold(PATIENCE):
                locked.set()
                wait_for(lambda: "trying again" in caplog.text)
            wait_for(lambda: state(mine, "t-1") is State.REVIEW)
        assert [event.action for event in mine.events("t-1")] == ["add", "start", "submit"]
    lock.close()


def test_a_store_that_is_gone_for_longer_than_a_lease_ends_the_worker(path: Path) -> None:
    with closing(open_store(str(path))) as store:
        for file in path.parent.iterdir():
            file.unlink()
        with pytest.raises(StoreError):
            Worker(store, lambda task: 1, lease=0.1).run()


MODULE = """
import os, signal, subprocess, sys, time
from pathlib import Path

class Mute(Exception):
    def __str__(self):
        raise SystemExit

def execute(task):
    match task.data:
        case "reads":
            return subprocess.run(["cat"], capture_output=True).stdout.decode() + sys.stdin.read()
        case "large":
            return 2**70
        case "half":
            return "\\ud800"
        case "nan":
            return float("nan")
        case "mute":
            raise Mute
        case "forks":
            Path(f"{task.id}.pid").write_text(str(subprocess.Popen(["sleep", "600"], start_new_session=True).pid))
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(3)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hang":
            Path(f"{task.id}.pid").write_text(str(os.getpid()))
            time.sleep(600)
    print("noise on standard output")
    return os.getpid()

def verify(task):
    return task.result == os.getpid() or (False, "another process")
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"handlers_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    return name


def test_a_process_of_its_own_may_die_and_may_be_killed(store: Store, module: str, tmp_path: Path) -> None:
    for task_id, data in (("a", "exit"), ("b", "kill"), ("c", "hang"), ("d", "well")):
        put(store, task_id, data=data, max_attempts=1)
    assert work(store, module, processes=True, time_limit=2.0) == Summary(started=4, submitted=1, completed=1, failed=3)
    errors = {task.id: task.error for task in store.tasks()}
    assert errors == {
        "a": "the process that did the work ended with exit code 3",
        "b": "the process that did the work was killed by SIGKILL",
        "c": "the work took longer than 2 s, and was given up",
        "d": None,
    }
    pid = int((tmp_path / "c.pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_in_a_process_of_its_own_the_outcome_is_as_in_a_thread(store: Store, module: str, tmp_path: Path) -> None:
    kinds = ("reads", "large", "half", "nan", "mute", "forks")
    for data in kinds:
        put(store, data, data=data, max_attempts=1)
    put(store, "odd", data={"n": 10**30, "s": "half"}, max_attempts=1)
    module = module + ":execute"
    try:
        work(store, module, processes=True)
    finally:
        os.kill(int((tmp_path / "forks.pid").read_text()), signal.SIGKILL)
    tasks = {task.id: task for task in store.tasks()}
    assert [tasks[one].result for one in ("reads", "large")] == ["", 2**70]
    assert {one: task.state for one, task in tasks.items() if task.state is State.FAILED}.keys() >= {
        *("nan", "mute", "forks"),
    }
    assert tasks["odd"].state is State.REVIEW
    assert str(tasks["mute"].error).startswith(f"{module.partition(':')[0]}.Mute: it cannot say why")
    assert str(tasks["nan"].error).startswith("ValueError: ")
    assert tasks["forks"].error == "the process that did the work was killed by SIGKILL"


def test_a_process_that_died_while_it_did_nothing_costs_no_attempt(store: Store, module: str) -> None:
    def killed(report: Report) -> None:
        if report.action is Action.APPROVE and report.task.id == "a":
            os.kill(report.task.result, signal.SIGKILL)
            # Until it is dead, and not taken note of.
            os.waitid(os.P_PID, report.task.result, os.WEXITED | os.WNOWAIT)
            put(store, "b", max_attempts=1)

    put(store, "a", max_attempts=1)
    assert work(store, module, processes=True, report=killed).completed == 2


def test_a_process_must_be_told_where_its_handlers_are(store: Store) -> None:
    with pytest.raises(TypeError, match="name them"):
        Worker(store, lambda task: 1, processes=True)
