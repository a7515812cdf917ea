"""Every store: a worker does what it does anywhere, within the limits that each declares."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from backends import Backend
from foreign_places import PLACES
from moving import done, put, t
from test_worker import PATIENCE, beside, state, work

from taskdeck_store import Action, State, Store, Task, clock, open_store
from taskdeck_store.reach import working
from taskdeck_store.verification import verify as verify_log
from taskdeck_store.worker import Backoff, GiveUp, Summary, Worker


@pytest.fixture
def store(backend: Backend, path: Path) -> Iterator[Store]:
    with closing(open_store(backend.address(path))) as store:
        yield store


@pytest.fixture
def unreviewed(tmp_path: Path) -> str:
    """A file of a format that has no review, with one task."""
    task = {"id": "t-1", "description": "x", "status": "pending", "result": None, "attempts": 0, "metadata": {}}
    path = tmp_path / "unreviewed.json"
    path.write_text(json.dumps({"tasks": [task]}))
    return str(path)


def actions(store: Store, task_id: str) -> list[str]:
    return [event.action for event in store.events(task_id) if event.actor == "w-1"]


@pytest.mark.parametrize("verifies", [False, True], ids=["unseen", "verified"])
def test_work_ends_where_the_format_lets_it(store: Store, verifies: bool) -> None:
    put(store, t(1))
    seen: list[tuple[str, State, object]] = []

    def execute(task: Task) -> str:
        seen.append(("execute", task.state, task.result))
        return "well"

    def verify(task: Task) -> bool:
        seen.append(("verify", task.state, task.result))
        return True

    work(store, {"execute": execute, **({"verify": verify} if verifies else {})}, owner="w-1")
    is_reviewed = State.REVIEW not in store.limits.lacks
    between = State.REVIEW if is_reviewed else State.IN_PROGRESS
    told = [("execute", State.IN_PROGRESS, None), ("verify", between, "well")]
    assert seen == told[: 1 + verifies]
    is_completed = verifies or not is_reviewed
    assert state(store, t(1)) is (State.COMPLETED if is_completed else State.REVIEW)
    assert actions(store, t(1)) == ["start", "submit", *(["approve"] if is_completed else [])]
    assert verify_log(store).is_sound


def test_what_fails_for_good_is_failed_or_left_for_a_while(store: Store) -> None:
    put(store, t(1))

    def execute(task: Task) -> None:
        raise GiveUp("it never will")

    summary = work(store, execute, owner="w-1")
    task = store.get(t(1))
    assert task is not None
    if State.FAILED not in store.limits.lacks:
        assert (task.state, task.error, summary.failed) == (State.FAILED, "it never will", 1)
        return
    assert (task.state, summary.released) == (State.PENDING, 1)
    assert store.events(t(1), limit=1, newest=True)[0].note == "it never will"
    assert task.not_before is not None
    assert task.not_before > clock.plus(clock.utc_now(), 3_000)
    # It is not waited for, nor taken again before.
    assert work(store, execute, owner="w-2") == Summary()


def test_what_verify_turns_down_goes_back(store: Store) -> None:
    put(store, t(1))
    answers = iter([(False, "once more"), True])
    work(store, {"execute": lambda task: 1, "verify": lambda task: next(answers)}, owner="w-1")
    again = ["submit", "reject"] if State.REVIEW not in store.limits.lacks else ["release"]
    assert actions(store, t(1)) == ["start", *again, "start", "submit", "approve"]
    assert "once more" in {event.note for event in store.events(t(1))}


def test_what_becomes_of_work_in_a_format_is_told(store: Store) -> None:
    limits = store.limits
    ways = (limits.lacks.get(State.REVIEW), limits.lacks.get(State.FAILED), limits.refuses.get(Action.RELEASE))
    reasons = [reason for reason in ways if reason is not None]
    told = working(limits, verifies=False)
    assert len(told) == len(reasons)
    assert all(any(reason in clause for clause in told) for reason in reasons)
    assert len(working(limits, verifies=True)) == len(reasons) - (State.REVIEW in limits.lacks)


def test_what_cannot_be_given_back_is_failed_at_once(tmp_path: Path) -> None:
    (place,) = (place for place in PLACES if place.name == "MCP of the seed")
    task_id = place.ids[State.PENDING]
    with closing(open_store(place.make(tmp_path))) as store:
        (no_review, no_way_back) = working(store.limits, verifies=False)
        assert "waits for nobody's verdict" in no_review
        assert "nothing can be given back" in no_way_back
        work(store, {"execute": lambda task: 1, "verify": lambda task: (False, "once more")}, owner="w-1")
        task = store.get(task_id)
        assert task is not None
        assert (task.state, task.error) == (State.FAILED, "once more")
        assert actions(store, task_id) == ["start", "fail"]


def test_where_there_is_no_review_what_is_looked_at_is_given_back_when_there_is_no_more_time(unreviewed: str) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def verify(task: Task) -> bool:
        begun.set()
        go_on.wait(PATIENCE)
        return True

    with closing(open_store(unreviewed)) as store, closing(open_store(unreviewed)) as mine:
        worker = Worker(store, {"execute": lambda task: 1, "verify": verify})
        with beside(worker) as thread:
            assert begun.wait(PATIENCE)
            worker.stop(at_once=True)
            thread.join(PATIENCE)
        go_on.set()
        assert worker.summary == Summary(started=1, released=1)
        assert state(mine, "t-1") is State.PENDING


def test_where_there_is_no_review_who_was_overtaken_commits_nothing(unreviewed: str) -> None:
    def verify(task: Task) -> bool:
        with closing(open_store(unreviewed)) as other:
            done(other, task.id, Action.FAIL, note="by hand")
        return True

    with closing(open_store(unreviewed)) as store:
        summary = work(store, {"execute": lambda task: 1, "verify": verify})
        assert summary == Summary(started=1, lost=1)
        assert state(store, "t-1") is State.FAILED


def test_where_there_is_no_review_what_is_done_waits_for_no_other_job(unreviewed: str) -> None:
    document = json.loads(Path(unreviewed).read_text())
    document["tasks"].append({**document["tasks"][0], "id": "t-2"})
    Path(unreviewed).write_text(json.dumps(document))
    both = asyncio.Event()

    async def execute(task: Task) -> int:
        if task.id == "t-2":
            await both.wait()
        return 1

    with closing(open_store(unreviewed)) as store, closing(open_store(unreviewed)) as mine:

        async def verify(task: Task) -> bool:
            if task.id == "t-1":
                # Its verdict and the other's result come in one and the same turn.
                both.set()
                await asyncio.sleep(0)
            else:
                deadline = time.monotonic() + PATIENCE
                while state(mine, "t-1") is not State.COMPLETED:
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.005)
            return True

        handlers = {"execute": execute, "verify": verify}
        summary = work(store, handlers, jobs=2, lease=20 * PATIENCE)
        assert summary == Summary(started=2, submitted=2, completed=2)


def test_a_result_that_cannot_be_kept_ends_the_attempt_where_there_is_no_review_too(unreviewed: str) -> None:
    deep: object = 1
    for _ in range(150):
        deep = [deep]
    with closing(open_store(unreviewed)) as store:
        summary = work(store, {"execute": lambda task: deep, "verify": lambda task: True}, backoff=Backoff(first=0.0))
        task = store.get("t-1")
        assert task is not None
        assert (task.state, summary.failed) == (State.FAILED, 1)
        assert "result" in str(task.error)
