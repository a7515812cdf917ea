"""A worker that claims several tasks at a time: they are done in turn, and committed together, yet none waits long."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from moving import done, put
from test_worker import PATIENCE, beside, state, wait_for, work

from taskdeck_store import Action, State, Store, Task, open_store
from taskdeck_store.verification import verify as verify_log
from taskdeck_store.worker import Summary, Worker

BATCH = 4


def commits(store: Store, action: Action) -> list[int]:
    """How many events of an action each commit has: all of one commit have one time."""
    return sorted(Counter(event.at for event in store.events() if event.action == action).values())


@pytest.mark.parametrize("is_async", [False, True], ids=["thread", "loop"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_what_is_claimed_together_is_committed_together(path: Path, jobs: int, is_async: bool) -> None:
    every = [f"t-{number}" for number in range(2 * jobs * BATCH)]
    order: list[str] = []

    def execute(task: Task) -> int:
        order.append(task.id)
        return len(order)

    async def awaited(task: Task) -> int:
        return execute(task)

    handlers: dict[str, Any] = {"execute": awaited if is_async else execute, "verify": lambda task: True}
    with closing(open_store(str(path))) as store:
        for task_id in every:
            put(store, task_id)
        summary = work(store, handlers, jobs=jobs, prefetch=BATCH)
        assert summary == Summary(started=len(every), submitted=len(every), completed=len(every))
        assert sorted(order) == sorted(every)
        assert commits(store, Action.START)[-1] == jobs * BATCH
        assert commits(store, Action.SUBMIT)[-1] > jobs
        assert verify_log(store).is_sound


def test_only_what_is_claimed_at_a_time_is_held(path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def execute(task: Task) -> int:
        begun.set()
        assert go_on.wait(PATIENCE)
        return 1

    with closing(open_store(str(path))) as store, closing(open_store(str(path))) as mine:
        for number in range(BATCH + 2):
            put(mine, f"t-{number}")
        worker = Worker(store, execute, prefetch=BATCH)
        with beside(worker):
            assert begun.wait(PATIENCE)
            states = [state(mine, f"t-{number}") for number in range(BATCH + 2)]
            assert states == [State.IN_PROGRESS] * BATCH + [State.PENDING] * 2
            assert worker.busy == 1
            # What it holds it does, and claims nothing more.
            worker.stop()
            go_on.set()
        assert worker.summary == Summary(started=BATCH, submitted=BATCH)


def test_what_is_done_does_not_wait_for_what_takes_long(path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def execute(task: Task) -> int:
        if task.id == "t-2":
            begun.set()
            assert go_on.wait(PATIENCE)
        return 1

    with closing(open_store(str(path))) as store, closing(open_store(str(path))) as mine:
        for number in range(2 * BATCH):
            put(mine, f"t-{number}")
        worker = Worker(store, execute, prefetch=BATCH, lease=20 * PATIENCE)
        with beside(worker):
            assert begun.wait(PATIENCE)
            wait_for(lambda: [state(mine, one) for one in ("t-0", "t-1")] == [State.REVIEW] * 2)
            # As many as were handed in are claimed instead.
            assert mine.counts()[State.IN_PROGRESS].count == BATCH
            go_on.set()
            wait_for(lambda: mine.counts()[State.REVIEW].count == 2 * BATCH)


def test_what_was_not_begun_is_given_back_as_well_when_there_is_no_more_time(path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()
    seen: list[str] = []

    def execute(task: Task) -> int:
        seen.append(task.id)
        begun.set()
        go_on.wait(PATIENCE)
        return 1

    with closing(open_store(str(path))) as store, closing(open_store(str(path))) as mine:
        for number in range(BATCH):
            put(mine, f"t-{number}")
        worker = Worker(store, execute, prefetch=BATCH)
        with beside(worker) as thread:
            assert begun.wait(PATIENCE)
            worker.stop(at_once=True)
            thread.join(PATIENCE)
        go_on.set()
        assert worker.summary == Summary(started=BATCH, released=BATCH)
        assert seen == ["t-0"]
        assert {task.state for task in mine.tasks()} == {State.PENDING}


def test_what_was_taken_away_before_it_was_begun_is_not_begun(path: Path) -> None:
    go_on = threading.Event()
    seen: list[str] = []

    def execute(task: Task) -> int:
        seen.append(task.id)
        assert go_on.wait(PATIENCE)
        return 1

    with closing(open_store(str(path))) as store, closing(open_store(str(path))) as mine:
        for number in range(BATCH):
            put(mine, f"t-{number}")
        lost: list[str] = []
        worker = Worker(
            store,
            execute,
            prefetch=BATCH,
            lease=0.3,
            report=lambda report: lost.append(report.task.id) if report.action is None else None,
        )
        with beside(worker):
            wait_for(lambda: state(mine, "t-2") is State.IN_PROGRESS)
            done(mine, "t-2", Action.FAIL, note="by hand")
            wait_for(lambda: lost == ["t-2"])
            go_on.set()
            wait_for(lambda: state(mine, "t-3") is State.REVIEW)
        assert seen == ["t-0", "t-1", "t-3"]
        assert worker.summary == Summary(started=BATCH, submitted=BATCH - 1, lost=1)
