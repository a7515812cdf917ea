"""The loop written out: the seed's own example, adapted only in what it imports."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from moving import done, put

from taskdeck_store import Action, Claiming, State, Store, open_store
from taskdeck_store.verification import verify as verify_log
from taskdeck_store.worker.loop import (
    TaskState,
    get_next_task,
    has_work,
    save_task,
    start_task,
    summarize,
)

EXAMPLE = '''
def state_machine_loop(task_store):
    """
    Tasks transition through states.
    Different handlers for each state.
    """
    while has_work(task_store):
        task = get_next_task(task_store)

        if task.state == TaskState.PENDING:
            start_task(task)
            task.state = TaskState.IN_PROGRESS

        elif task.state == TaskState.IN_PROGRESS:
            result = execute(task)
            task.result = result
            task.state = TaskState.REVIEW

        elif task.state == TaskState.REVIEW:
            if verify(task.result):
                task.state = TaskState.COMPLETED
            else:
                task.state = TaskState.PENDING  # Back to queue
                task.attempts += 1

        save_task(task)

    return summarize(task_store)
'''
"""From https://github.com/fbratten/8me-showcase, docs/concepts/state-management.md, word for word."""


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    """Open the store with the clock on the wall: the loop has no other."""
    with closing(open_store(str(path))) as store:
        yield store


def loop(store: Store, execute: Any, verify: Any) -> dict[str, int]:
    """Run the example."""
    names = {"TaskState": TaskState, "has_work": has_work, "get_next_task": get_next_task, "start_task": start_task}
    names |= {"save_task": save_task, "summarize": summarize}
    space: dict[str, Any] = {**names, "execute": execute, "verify": verify}
    exec(EXAMPLE, space)
    found: dict[str, int] = space["state_machine_loop"](store)
    return found


def test_the_example_runs(store: Store, path: Path) -> None:
    for number in range(5):
        put(store, f"t-{number}")
    looks: Counter[str] = Counter()

    def execute(task: Any) -> str:
        with closing(open_store(str(path), read_only=True)) as other:
            found = other.get(task.id)
            assert found is not None
            assert found.state is State.IN_PROGRESS
        return f"did {task.title}"

    def verify(result: str) -> bool:
        looks[result] += 1
        return result != "did task t-1" and (result != "did task t-2" or looks[result] > 1)

    counts = loop(store, execute, verify)
    assert counts == {"pending": 0, "in_progress": 0, "review": 0, "completed": 4, "failed": 1}
    assert [event.action for event in store.events("t-0")] == ["add", "start", "submit", "approve"]
    ways = ["add", "start", "submit", "reject", "start", "submit", "approve"]
    assert [event.action for event in store.events("t-2")] == ways
    tries = ["start", "submit", "reject", "start", "submit", "reject", "start", "submit", "fail"]
    assert [event.action for event in store.events("t-1")] == ["add", *tries]
    tasks = {task.id: task for task in store.tasks()}
    assert (tasks["t-2"].attempts, tasks["t-1"].attempts) == (1, 2)
    assert tasks["t-4"].result == "did task t-4"
    assert verify_log(store).is_sound


def test_loops_beside_each_other_do_no_task_twice(path: Path) -> None:
    with closing(open_store(str(path))) as store:
        for number in range(20):
            put(store, f"t-{number}")
    worked: Counter[str] = Counter()

    def run() -> None:
        def execute(task: Any) -> int:
            worked[task.id] += 1
            time.sleep(0)
            return 1

        with closing(open_store(str(path))) as mine:
            loop(mine, execute, lambda result: True)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with closing(open_store(str(path))) as store:
        assert {task.state for task in store.tasks()} == {State.COMPLETED}
        assert worked == Counter(f"t-{number}" for number in range(20))
        assert len(store.events()) == 20 * 4


def test_what_somebody_else_has_by_now_is_not_saved(store: Store) -> None:
    put(store, "t-1")
    assert has_work(store)
    task = get_next_task(store)
    task.state = TaskState.IN_PROGRESS
    assert save_task(task)
    done(store, "t-1", Action.RELEASE)
    store.claim(Claiming(owner="w-2", actor="w-2", seconds=60))
    task = get_next_task(store)
    task.result, task.state = "late", TaskState.REVIEW
    assert not save_task(task)
    assert not has_work(store)
    found = store.get("t-1")
    assert found is not None
    assert (found.state, found.owner, found.result) == (State.IN_PROGRESS, "w-2", None)


def test_a_move_that_the_table_does_not_have_is_refused_and_the_task_stays(store: Store) -> None:
    put(store, "t-1")
    task = get_next_task(store)
    task.state = TaskState.COMPLETED
    with pytest.raises(ValueError, match="no action moves a task from in progress to completed"):
        save_task(task)
    task = get_next_task(store)
    assert task.state is TaskState.IN_PROGRESS
    task.result, task.state = object(), TaskState.REVIEW
    with pytest.raises(ValueError, match="result"):
        save_task(task)
    task.state, task.error = TaskState.FAILED, "it is broken"
    assert save_task(task)
    found = store.get("t-1")
    assert found is not None
    assert (found.state, found.error) == (State.FAILED, "it is broken")
    with pytest.raises(LookupError):
        get_next_task(store)
