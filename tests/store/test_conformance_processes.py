"""Every store: several processes that write at once, and processes that are killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from itertools import count
from pathlib import Path

import pytest
from backends import Backend
from killing import killed
from moving import A, B, put, t
from reaching import EMPTY, HERE, MADE
from writer import TASKS

from conftest import Opener
from taskdeck_store import Action, State, Store, Task, command, create_store, open_store
from taskdeck_store.machine import RULES

WRITER = Path(__file__).with_name("writer.py")
Told = tuple[str, str, int]
"""A task, the operation on it, and the seq of its event, as a writer had it from `apply`."""


@pytest.fixture
def pool(store: Store) -> Store:
    for number in range(TASKS):
        put(store, t(number))
    return store


def start(address: str, name: str, wanted: int) -> subprocess.Popen[str]:
    program = [sys.executable, str(WRITER), address, name, str(wanted)]
    return subprocess.Popen(program, stdout=subprocess.PIPE, text=True)


def parsed(output: str) -> list[Told]:
    """What was told; a kill may have cut off the end of the last line."""
    lines = output.splitlines()[: output.count("\n")]
    return [(task_id, operation, int(seq)) for task_id, operation, seq in map(str.split, lines)]


def check_record(store: Store, told: list[Told]) -> None:
    """The log holds each commit that was told, once; and the tasks are what the log says."""
    events = {event.seq: event for event in store.events()}
    assert sorted(events) == list(range(min(events), max(events) + 1))
    assert len({seq for _, _, seq in told}) == len(told)
    for task_id, operation, seq in told:
        assert events[seq].task_id == task_id
        (again,) = store.apply([command(task_id, Action.START, actor="x", operation=operation)])
        assert again.repeated
        assert again.event == events[seq]
    assert len(store.events()) == len(events)
    states: dict[str, State | None] = {}
    attempts: Counter[str] = Counter()
    for event in store.events():
        assert event.from_state == states.get(event.task_id)
        states[event.task_id] = event.to_state
        attempts[event.task_id] += event.action in RULES and RULES[Action(event.action)].again
        assert event.attempts == attempts[event.task_id]
    tasks: dict[str, Task] = {task.id: task for task in store.tasks()}
    assert {task_id: task.state for task_id, task in tasks.items()} == states
    assert all(tasks[task_id].attempts == count for task_id, count in attempts.items())
    assert sum(tally.count for tally in store.counts().values()) == len(tasks) == TASKS


@pytest.mark.needs(EMPTY)
def test_four_writers_lose_nothing_and_all_get_on(pool: Store, address: str) -> None:
    wanted = 40
    writers = {name: start(address, name, wanted) for name in ("w-1", "w-2", "w-3", "w-4")}
    told = {name: parsed(process.communicate(timeout=120)[0]) for name, process in writers.items()}
    assert [process.returncode for process in writers.values()] == [0] * 4
    assert [len(lines) for lines in told.values()] == [wanted] * 4
    check_record(pool, [line for lines in told.values() for line in lines])
    assert Counter(event.actor for event in pool.events()) == {"ann": TASKS, **dict.fromkeys(writers, wanted)}


def kill_writers(store: Store, opened: Opener, address: str, rounds: int, seed: int) -> None:
    chance = random.Random(seed)
    told: list[Told] = []
    for number in range(rounds):
        doomed, bystander = start(address, f"doomed-{number}", 0), start(address, f"bystander-{number}", 15)
        assert doomed.stdout is not None
        lines = [doomed.stdout.readline() for _ in range(chance.randrange(1, 40))]
        doomed.kill()
        told += parsed("".join(lines) + doomed.communicate(timeout=60)[0])
        told += parsed(bystander.communicate(timeout=60)[0])
        assert bystander.returncode == 0
        check_record(opened(), told)
    check_record(store, told)


@pytest.mark.needs(EMPTY)
def test_what_apply_returned_survives_kill_9_and_blocks_nobody(pool: Store, opened: Opener, address: str) -> None:
    kill_writers(pool, opened, address, rounds=4, seed=1)


MAKER = """
import os, signal, sys
from taskdeck_store import create_store
create_store(sys.argv[4] + sys.argv[1] + ".first" + sys.argv[3])
left = int(sys.argv[2])
def hook(event, arguments):
    global left
    if event == "open" or event.startswith("os."):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
create_store(sys.argv[4] + sys.argv[1])
"""
"""Makes a store, and dies before its so-manieth use of a file; what it imports, it has imported before."""


@pytest.mark.needs(MADE)
def test_a_maker_that_is_killed_leaves_a_whole_store_or_none(backend: Backend, tmp_path: Path) -> None:
    for uses in range(1, 50):
        path = tmp_path / f"{uses}" / f"tasks{backend.suffix}"
        path.parent.mkdir()
        program = [sys.executable, "-c", MAKER, str(path), str(uses), backend.suffix, str(backend.scheme)]
        ended = subprocess.run(program, check=False, timeout=60).returncode
        if not path.exists():
            create_store(f"{backend.scheme}{path}")
        open_store(backend.address(path)).close()
        if ended == 0:
            break
    assert uses > 3


def test_who_opens_a_whole_store_has_nothing_to_tell_of_mending(pool: Store, opened: Opener) -> None:
    opened(read_only=True).counts()
    beside = opened()
    beside.apply([command(t(1), Action.START, actor="me")])
    pool.close()
    beside.close()
    for options in ({"read_only": True}, {}):
        after = opened(**options)
        after.counts()
        assert (after.mended, beside.mended, pool.mended) == ((), (), ())


# A process that serves the store here is not to be forked: its threads may hold SQLite's own locks.
@pytest.mark.needs(EMPTY, HERE)
def test_the_first_to_open_a_store_after_a_kill_says_once_what_it_mended(
    backend: Backend, opened: Opener, path: Path, address: str
) -> None:
    """Killed at one step after the other, until there is something to carry on, or a log to take over."""

    def commit() -> None:
        store = open_store(address)
        store.apply([command(task_id, Action.ADD, actor="me", title="T") for task_id in (A, B)])
        os.kill(os.getpid(), signal.SIGKILL)

    mended = ""
    for step in count(1):
        assert killed(commit, step)
        backend.age(path)
        store = opened()
        tasks = len(store.tasks())
        store.close()
        mended = " ".join(store.mended)
        if tasks:
            break
    assert backend.mends in mended
    again = opened()
    again.counts()
    assert again.mended == ()


def test_who_opens_a_store_that_others_write_to_has_nothing_to_tell_of_mending(
    pool: Store, opened: Opener, address: str
) -> None:
    pool.close()
    writer = start(address, "w", 0)
    try:
        assert writer.stdout is not None
        for _ in range(20):
            assert writer.stdout.readline()
            beside = opened(patience=60)
            beside.counts()
            beside.apply([command(t(1), Action.EDIT, actor="me", title="T")])
            beside.close()
            assert beside.mended == ()
    finally:
        writer.kill()
        writer.communicate()
