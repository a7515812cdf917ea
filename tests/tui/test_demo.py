"""The demo's store and the team that keeps it moving. What is seen of it on a board is in tests/e2e/test_demo.py."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from taskdeck_store import Action, Event, Fault, State, StoreError, Task, clock, command, open_store
from taskdeck_tui.demo import catalogue, history, team, work
from taskdeck_tui.demo.command import run_demo

NOW = "2026-03-02T14:30:00.000000Z"


def _built(path: Path, *, tasks: int = 120, seed: int = 1) -> tuple[list[Task], list[Event]]:
    history.build(str(path), tasks=tasks, seed=seed, now=NOW)
    store = open_store(str(path), read_only=True)
    try:
        return list(store.tasks()), list(store.events())
    finally:
        store.close()


def _plain(values: list[Any]) -> list[dict[str, Any]]:
    """What a person could tell apart: not the versions and hashes, which are a store's own."""
    return [{**msgspec.to_builtins(value), "version": "", "hash": None} for value in values]


def _eventually(condition: Callable[[], Any], timeout: float = 20.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.02)


@pytest.mark.parametrize("name", ["demo.db", "demo.json"])
def test_the_same_seed_and_moment_make_the_same_store(tmp_path: Path, name: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    tasks, events = _built(tmp_path / "a" / name)
    again_tasks, again_events = _built(tmp_path / "b" / name)
    assert _plain(tasks) == _plain(again_tasks)
    assert _plain(events) == _plain(again_events)
    other_tasks, _ = _built(tmp_path / f"other-{name}", seed=2)
    assert [task.title for task in tasks] != [task.title for task in other_tasks]


def test_the_store_looks_like_an_afternoon_of_work(tmp_path: Path) -> None:
    tasks, events = _built(tmp_path / "demo.db")
    by_state = {state: [task for task in tasks if task.state is state] for state in State}
    assert len(tasks) == 120
    assert len(by_state[State.PENDING]) >= 15
    assert len(by_state[State.IN_PROGRESS]) >= 3
    assert len(by_state[State.REVIEW]) >= 10
    assert len(by_state[State.FAILED]) >= 6
    assert len(by_state[State.COMPLETED]) >= 50

    assert all(task.owner in team.AGENTS for task in by_state[State.IN_PROGRESS])
    assert len({task.owner for task in by_state[State.IN_PROGRESS]}) == len(by_state[State.IN_PROGRESS])
    assert {type(task.result) for task in by_state[State.REVIEW]} >= {str, dict}
    assert all(task.error for task in by_state[State.FAILED])
    assert any(task.attempts for task in by_state[State.PENDING])
    assert len({task.title for task in tasks}) == len(tasks)

    times = [event.at for event in events]
    assert times == sorted(times)
    assert clock.plus(NOW, -5 * 3600) <= times[0] < clock.plus(NOW, -4 * 3600)
    assert clock.plus(NOW, -60) < times[-1] < NOW
    assert {event.action for event in events} == set(Action)


def test_a_thousand_tasks_have_a_history_too(tmp_path: Path) -> None:
    tasks, events = _built(tmp_path / "demo.db", tasks=1_000)
    assert len(tasks) == 1_000
    assert len(events) > 3_000


@pytest.mark.parametrize("tasks", [0, 1, 2, 7])
def test_a_small_store_can_be_asked_for(tmp_path: Path, tasks: int) -> None:
    assert len(_built(tmp_path / "demo.json", tasks=tasks)[0]) == tasks


def test_every_template_can_be_filled() -> None:
    random = Random(5)
    seen = set()
    for _ in range(3_000):
        _, fields = work.draw(random)
        seen.add(fields["data"]["kind"])
        said = [fields["title"], fields["description"], work.error_of(fields["data"], random)]
        said.append(json.dumps(work.result_of(fields["data"], random)))
        assert not [text for text in said[:3] if "{" in text or "}" in text], said
        assert "{few" not in said[3]
        assert "{some" not in said[3]
    assert seen == {kind.name for kind in catalogue.KINDS}


def test_a_task_of_somebody_else_gets_a_plain_result_and_error() -> None:
    for data in (None, 3, {"kind": "nothing known"}, {"kind": "fix"}):
        assert work.result_of(data, Random(1))
        assert work.error_of(data, Random(1))


@pytest.mark.parametrize("name", ["mine.db", "mine.json"])
def test_a_store_that_is_there_already_is_refused_and_kept(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    _built(path, tasks=3)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="exists already") as refused:
        run_demo(store=str(path), tasks=5, seed=1, actor="me")
    assert refused.value.fault is Fault.EXISTS
    assert path.read_bytes() == before


def _team(path: Path, *more: str) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-m", "taskdeck_tui.demo.worker", str(path), "--tasks", "20", "--seed", "1", *more]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE)


def test_the_team_moves_tasks_but_not_those_a_person_took(tmp_path: Path) -> None:
    path = tmp_path / "demo.db"
    history.build(str(path), tasks=20, seed=1, now=clock.utc_now())
    store = open_store(str(path))
    mine = next(task.id for task in store.tasks() if task.state is State.PENDING)
    (taken,) = store.apply([command(mine, Action.START, actor="me")])
    assert taken.event is not None
    worker = _team(path)
    assert worker.stdin is not None
    try:
        worker.stdin.write(b"begin\n")
        worker.stdin.flush()
        _eventually(lambda: len(store.events(after=taken.event.seq)) >= 3)
        assert {event.actor for event in store.events(after=taken.event.seq)} <= {
            *team.AGENTS,
            *team.REVIEWERS,
            team.PLANNER,
        }
        task = store.get(mine)
        assert task is not None
        assert (task.state, task.owner) == (State.IN_PROGRESS, "me")
    finally:
        worker.stdin.close()
        assert worker.wait(20) == 0
        store.close()


def test_the_team_ends_and_cleans_up_when_its_parent_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    history.build(str(folder / "demo.db"), tasks=20, seed=1, now=clock.utc_now())
    parent_code = (
        "import subprocess, sys, time\n"
        "worker = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, start_new_session=True)\n"
        "worker.stdin.write(b'begin\\n'); worker.stdin.flush()\n"
        "print(worker.pid, flush=True); time.sleep(1000)\n"
    )
    worker = [sys.executable, "-m", "taskdeck_tui.demo.worker", str(folder / "demo.db"), "--tasks", "20", "--seed", "1"]
    parent = subprocess.Popen(
        [sys.executable, "-c", parent_code, *worker, "--remove", str(folder)], stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    worker_pid = int(parent.stdout.readline())
    store = open_store(str(folder / "demo.db"), read_only=True)
    seen = store.events()[-1].seq
    _eventually(lambda: store.events(after=seen))
    store.close()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    _eventually(lambda: not folder.exists())
    _eventually(lambda: not _alive(worker_pid))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    if sys.platform == "linux":
        # An orphan whose new parent does not collect it stays as a zombie: it has ended all the same.
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return True


def test_the_team_lives_through_a_store_that_goes_away_for_a_while(tmp_path: Path) -> None:
    path = tmp_path / "demo.json"
    history.build(str(path), tasks=20, seed=1, now=clock.utc_now())
    whole = path.read_bytes()
    path.write_bytes(b'[{"id": "half')
    worker = _team(path)
    assert worker.stdin is not None
    try:
        worker.stdin.write(b"begin\n")
        worker.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            worker.wait(1.6)
        assert path.read_bytes() == b'[{"id": "half'
        path.write_bytes(whole)
        _eventually(lambda: path.read_bytes() != whole)
    finally:
        worker.stdin.close()
        assert worker.wait(20) == 0
