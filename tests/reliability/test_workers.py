"""Workers that are killed, or stall past their lease and come back: each task is done once, by one who held it."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from reliability import hand
from reliability.doomed import Nursery
from taskdeck_store import Action, Event, State, Store, command, create_store, open_store
from taskdeck_store.verification import verify

WORKERS = 8
_PATIENCE = 120.0
_AT_ONCE = 200
"""Tasks that wait in the queue, so that no worker is ever idle."""


class Queue:
    """The tasks of a store: more are added until it is said to be enough."""

    def __init__(self, path: Path) -> None:
        create_store(str(path))
        self.path = path
        self.added = 0

    def fill(self, store: Store) -> None:
        """Add tasks until enough are waiting."""
        missing = _AT_ONCE - store.counts()[State.PENDING].count
        numbers = range(self.added, self.added + max(0, missing))
        self.added += len(numbers)
        adding = [command(f"t-{n}", Action.ADD, actor="planner", title=f"T {n}", max_attempts=10**6) for n in numbers]
        store.apply(adding, whole=True)


@pytest.mark.soak
@pytest.mark.parametrize("name", ["tasks.db", "tasks.json"])
def test_each_task_is_completed_once_whoever_dies_or_stalls(
    tmp_path: Path, nursery: Nursery, report: Callable[..., None], soak_seconds: float, name: str
) -> None:
    queue, chance, numbers = Queue(tmp_path / name), random.Random(name), count()
    killed, stalled = 0, dict[int, threading.Timer]()

    def begin() -> int:
        return nursery.writer(queue.path, f"h-{(n := next(numbers))}", tmp_path / f"told-{n}", program=hand.__file__)

    with closing(open_store(str(queue.path), patience=60)) as store:
        queue.fill(store)
        living = [begin() for _ in range(WORKERS)]
        until = time.monotonic() + soak_seconds
        while time.monotonic() < until:
            queue.fill(store)
            time.sleep(chance.uniform(0, 0.1))
            pid = living[chance.randrange(WORKERS)]
            if chance.random() < 0.3 and pid not in stalled:
                # By a thread: who stalls may hold the write lock, for which this one waits.
                os.kill(pid, signal.SIGSTOP)
                stalled[pid] = threading.Timer(chance.uniform(0, 3 * hand.LEASE), os.kill, (pid, signal.SIGCONT))
                stalled[pid].start()
            elif pid not in stalled or not stalled[pid].is_alive():
                assert nursery.end(pid) == -9
                killed += 1
                living[living.index(pid)] = begin()
        for timer in stalled.values():
            timer.join()
        deadline = time.monotonic() + _PATIENCE
        while store.counts()[State.COMPLETED].count < queue.added:
            assert time.monotonic() < deadline, store.counts()
            store.changes()
            store.wait(0.5)
        for pid in living:
            assert nursery.end(pid) == -9
        actions = check(store, queue)
        assert verify(store).is_sound
    assert killed > 3
    # Some work of the dead and the late was in vain.
    assert actions["release"] > 0
    assert actions["start"] > actions["approve"] == queue.added
    report(rounds=next(numbers), faults=killed, acknowledged=queue.added, lost=0, doubled=0, events=actions.total())


def check(store: Store, queue: Queue) -> Counter[str]:
    """Fail unless each task was completed once, and each result made by the start right before; count the events."""
    found: dict[str, list[Event]] = {}
    for event in store.events():
        found.setdefault(event.task_id, []).append(event)
    assert len(found) == queue.added
    for task in store.tasks():
        events = found[task.id]
        assert [event.action for event in events].count("approve") == 1
        assert task.state is State.COMPLETED
        start: Event | None = None
        for event in events:
            if event.action == "start":
                start = event
            elif event.action == "submit":
                assert start is not None
                made = event.changes["result"][1]
                assert (made["start"], made["by"], made["attempts"]) == (str(start.seq), start.actor, start.attempts)
                assert event.actor == start.actor
        assert task.result["start"] == str(start.seq if start else None)
    return Counter(event.action for events in found.values() for event in events)
