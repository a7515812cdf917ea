"""Tasks stepped from the board in a real terminal: a handler that raises, and a board that is killed in mid-step."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from e2e import tmux
from e2e.boards import TASKDECK, eventually, made, outside, task
from e2e.terminal import Terminal
from e2e.tmux import Tmux
from taskdeck_store import Action, State, open_store

BOTH = pytest.mark.parametrize("name", ["tasks.db", "tasks.json"])

JOBS = """
import os, sys, time
from pathlib import Path

def execute(task):
    print("reading", task.title)
    print("no rate for ISK", file=sys.stderr)
    if task.id == "t-2":
        Path("pid").write_text(str(os.getpid()))
        time.sleep(600)
    raise KeyError("ISK")
"""
MENDED = """
def execute(task):
    return {"rates": 214}

def verify(task):
    return task.result["rates"] > 200
"""


def test_a_handler_that_raises_is_mended_and_stepped_to_its_end_in_tmux(tmp_path: Path) -> None:
    tmux.required()
    path = made(tmp_path / "tasks.db")
    (tmp_path / "jobs.py").write_text(JOBS)
    with Tmux([*TASKDECK, path.name, "--handlers", "jobs"], columns=120, lines=40, cwd=str(tmp_path)) as terminal:
        terminal.wait_for(r"▶ jobs")
        terminal.send("s")
        terminal.wait_for(r"output  ▷ claimed")
        assert task(path, "t-1").state is State.IN_PROGRESS
        terminal.send("s")
        terminal.wait_for(r"no rate for ISK")
        terminal.wait_for(r"Traceback \(most recent call last\)")
        terminal.wait_for(r'raise KeyError\("ISK"\)')
        terminal.wait_for(r"now pending, attempts 1 of 3: KeyError: 'ISK'")
        terminal.wait_for(r"○ pending  t-1")
        failed = task(path, "t-1")
        assert (failed.state, failed.attempts, failed.owner) == (State.PENDING, 1, None)

        (tmp_path / "jobs.py").write_text(MENDED)
        terminal.send("b")
        terminal.wait_for("Hold which outcomes")
        terminal.send("state:review", "Enter")
        terminal.wait_gone("Hold which outcomes")
        terminal.send("c")
        terminal.wait_for(r"‖ held  t-1  submit .*in progress → ◆ review")
        terminal.wait_for(r'"rates": 214')
        assert task(path, "t-1").state is State.IN_PROGRESS
        terminal.send("Enter")
        terminal.wait_for(r"◆ review  t-1")
        terminal.send("s")
        terminal.wait_for(r"✓ completed  t-1")
        terminal.send("Escape")
        terminal.wait_gone("esc back")
        terminal.send("q")
        assert terminal.exit_code() == 0
    store = open_store(str(path))
    actions = [event.action for event in store.events("t-1")]
    assert actions == ["add", "start", "release", "start", "submit", "approve"]
    assert "KeyError: 'ISK'" in (store.events("t-1")[2].note or "")
    store.close()


@BOTH
def test_a_board_that_is_killed_in_mid_step_takes_the_step_with_it_and_leaves_a_lease(
    tmp_path: Path, name: str
) -> None:
    path = made(tmp_path / name)
    (tmp_path / "jobs.py").write_text(JOBS)
    with Terminal([*TASKDECK, name, "--handlers", "jobs"], 160, 40, cwd=str(tmp_path)) as terminal:
        terminal.wait_for("▶ jobs")
        terminal.send("j", "c")
        terminal.wait_for("no rate for ISK")
        pid = int((tmp_path / "pid").read_text())
        terminal.kill(signal.SIGKILL)
    eventually(lambda: not psutil.pid_exists(pid))
    held = task(path, "t-2")
    assert (held.state, held.attempts) == (State.IN_PROGRESS, 0)
    assert held.owner is not None
    assert held.lease_until is not None
    # As if a minute had gone by.
    outside(path, "t-2", lease_until="2026-01-31T09:00:00.000000Z")
    release = [*TASKDECK, "release", str(path), "--overdue"]
    assert "t-2" in subprocess.run(release, capture_output=True, text=True, check=True).stdout
    assert (task(path, "t-2").state, task(path, "t-2").attempts) == (State.PENDING, 1)


def test_a_board_that_is_left_in_mid_step_gives_the_task_back_and_says_so(tmp_path: Path) -> None:
    path = made(tmp_path / "tasks.db")
    (tmp_path / "jobs.py").write_text(JOBS)
    with Terminal([*TASKDECK, path.name, "--handlers", "jobs"], 160, 40, cwd=str(tmp_path)) as terminal:
        terminal.wait_for("▶ jobs")
        terminal.send("j", "c")
        terminal.wait_for("no rate for ISK")
        pid = int((tmp_path / "pid").read_text())
        terminal.send("escape")
        terminal.wait_gone("no rate for ISK")
        terminal.send("q")
        assert terminal.exit_code() == 0
        assert "t-2 was given back to the queue" in terminal.text()
    assert not psutil.pid_exists(pid)
    store = open_store(str(path))
    last = store.events("t-2")[-1]
    assert (last.action, last.to_state) == (Action.RELEASE, State.PENDING)
    store.close()
