"""The board on tasks that other tools keep: live, and moved by keys as far as their format goes."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from pathlib import Path

import psutil
import pytest

from e2e.boards import TASKDECK, counts
from e2e.terminal import Terminal

RAW = Path(__file__).parents[1] / "store" / "mcp_raw.py"


@pytest.fixture
def task_master(tmp_path: Path) -> Path:
    path = tmp_path / ".taskmaster" / "tasks" / "tasks.json"
    path.parent.mkdir(parents=True)
    words = ("pending", "in-progress", "review", "done")
    tasks = [
        {"id": number, "title": f"Job {number}", "description": "", "status": word, "dependencies": []}
        for number, word in enumerate(words, 1)
    ]
    path.write_text(json.dumps({"master": {"tasks": tasks, "metadata": {}}}, indent=2))
    return path


def status(path: Path, number: int) -> str:
    tasks = json.loads(path.read_text())["master"]["tasks"]
    word: str = next(task["status"] for task in tasks if task["id"] == number)
    return word


def test_a_file_of_task_master_is_live_and_moved(task_master: Path) -> None:
    with Terminal([*TASKDECK, str(task_master)], 160, 40) as terminal:
        terminal.wait_for("Job 1")
        assert list(counts(terminal).values()) == [1, 1, 1, 1, 0]
        assert "Task Master, observed" in terminal.text()
        terminal.send("3", "a")
        terminal.wait_for(lambda: counts(terminal)["completed"] == 2)
        assert status(task_master, 3) == "done"
        text = task_master.read_text()
        task_master.write_text(text.replace('"in-progress"', '"review"'))
        terminal.wait_for(lambda: counts(terminal)["review"] == 1)
        terminal.send("1", "F")
        terminal.wait_for("Task Master has no state for a task that failed")
        assert status(task_master, 1) == "pending"
        terminal.send("L")
        terminal.wait_for("as seen from this machine")
        terminal.send("escape")
        terminal.wait_for(lambda: len(counts(terminal)) == 5)
        terminal.send("q")
        assert terminal.exit_code() == 0
    assert [path.name for path in task_master.parent.iterdir()] == ["tasks.json"]


def test_a_server_that_is_killed_under_the_board_is_said_and_comes_back(tmp_path: Path) -> None:
    queue = tmp_path / "queue.json"
    queue.write_text(json.dumps([{"id": "t-1", "description": "Job one", "status": "pending", "attempts": 0}]))
    server = [sys.executable, "-S", "-E", str(RAW), str(queue), "subscribe"]
    with Terminal([*TASKDECK, f"mcp:{shlex.join(server)}"], 160, 40) as terminal:
        terminal.wait_for("Job one")
        (child,) = (one for one in psutil.process_iter(["cmdline"]) if one.info["cmdline"] == server)
        os.kill(child.pid, signal.SIGKILL)
        terminal.wait_for("lost|is back")
        terminal.wait_for("is back")
        queue.write_text(queue.read_text().replace("Job one", "Job two"))
        terminal.wait_for("Job two")
        terminal.send("s")
        terminal.wait_for(lambda: counts(terminal)["in progress"] == 1)
        assert json.loads(queue.read_text())[0]["status"] == "in_progress"
        terminal.send("q")
        assert terminal.exit_code() == 0


def test_the_stores_of_a_folder_are_offered_and_one_is_opened(task_master: Path) -> None:
    folder = task_master.parents[2]
    (folder / "own.json").write_text('[{"id": "t-1", "title": "Mine", "state": "pending"}]')
    program = [sys.executable, "-c", "import os, sys; os.chdir(sys.argv[1]); os.execv(sys.executable, sys.argv[2:])"]
    with Terminal([*program, str(folder), *TASKDECK], 120, 30) as terminal:
        terminal.wait_for("stores in this folder(.|\n)*Task Master(.|\n)*which one")
        terminal.send("9", "enter")
        terminal.wait_for("a number from 1 to 2, or q")
        terminal.send("2", "enter")
        terminal.wait_for("Job 1")
        terminal.send("q")
        assert terminal.exit_code() == 0
