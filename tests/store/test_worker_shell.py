"""A shell command as the handler: what it reads and writes, how it ends, and that nothing of it stays."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from moving import put

from taskdeck_store import State, Store, Task, create_store, open_store
from taskdeck_store.worker import Backoff, Summary, Worker, shell

if sys.platform == "win32":
    pytest.skip("the commands are written for a POSIX shell", allow_module_level=True)


@pytest.fixture
def store(tmp_path: Path) -> Any:
    path = tmp_path / "tasks.db"
    create_store(str(path))
    with closing(open_store(str(path))) as opened:
        yield opened


def ran(store: Store, shell_command: str, *, data: Any = None, **options: Any) -> tuple[Summary, Task]:
    """Have a command work on one task, once."""
    put(store, "t-1", data=data, max_attempts=1)
    summary = Worker(store, shell.handlers(shell_command), **options).run("empty")
    task = store.get("t-1")
    assert task is not None
    return summary, task


@pytest.mark.parametrize(
    ("shell_command", "result"),
    [
        ("cat", "the task"),
        ("echo done", "done"),
        ("echo '  several'; echo 'lines  '", "several\nlines"),
        ("echo '{\"a\": [1, null]}'", {"a": [1, None]}),
        ("echo 12", 12),
        ("true", None),
        ("printf '\\377'", "�"),
        ("echo $TASKDECK_TASK_ID $TASKDECK_ATTEMPTS", "t-1 0"),
        ("echo noise >&2; echo '\"well\"'", "well"),
    ],
)
def test_what_it_writes_is_the_result(store: Store, shell_command: str, result: Any) -> None:
    summary, task = ran(store, shell_command, data={"words": "ä"})
    assert summary == Summary(started=1, submitted=1)
    assert task.state is State.REVIEW
    if result == "the task":
        assert isinstance(task.result, dict)
        assert (task.result["id"], task.result["state"], task.result["data"]) == ("t-1", "in_progress", {"words": "ä"})
        assert list(task.result)[:2] == ["id", "title"]
    else:
        assert task.result == result


@pytest.mark.parametrize(
    ("shell_command", "error"),
    [
        ("exit 3", "exit code 3"),
        ("echo first >&2; echo last >&2; exit 1", "exit code 1: last\n\nfirst\nlast"),
        ("kill -9 $$", "killed by SIGKILL"),
        ("exit 65", "exit code 65"),
        ("/no/such/command", None),
    ],
)
def test_how_it_ends_decides(store: Store, shell_command: str, error: str | None) -> None:
    summary, task = ran(store, shell_command)
    assert summary == Summary(started=1, failed=1)
    assert task.error is not None
    assert task.error == error or (error is None and task.error.startswith("exit code 127: "))
    assert "Traceback" not in task.error


def test_one_exit_code_says_that_there_is_no_use_in_another_attempt(store: Store) -> None:
    put(store, "t-1", max_attempts=3)
    put(store, "t-2", max_attempts=3)
    command = "[ $TASKDECK_TASK_ID = t-1 ] && exit 65; exit 64"
    assert Worker(store, shell.handlers(command), backoff=Backoff(first=0.0)).run("empty") == Summary(
        started=4, released=2, failed=2
    )
    assert {task.id: task.attempts for task in store.tasks()} == {"t-1": 0, "t-2": 2}


def test_it_need_not_read_what_it_is_given(store: Store) -> None:
    summary, task = ran(store, "exec <&-; echo ready", data="x" * 1_000_000)
    assert (summary.submitted, task.result) == (1, "ready")


def test_what_it_says_of_any_length_is_bounded(store: Store) -> None:
    _, task = ran(store, "yes oh | head -c 1000000 >&2; exit 1")
    assert task.error is not None
    assert len(task.error) <= 8_000


def test_a_result_that_is_too_large_ends_the_attempt_and_the_command(store: Store) -> None:
    begun = time.monotonic()
    _, task = ran(store, "yes")
    assert task.error == "its result has more than 16 MiB"
    assert time.monotonic() - begun < 60


def test_what_takes_too_long_is_killed_with_all_that_it_began(store: Store, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    _, task = ran(store, f"sleep 600 & echo $! > {pids}; echo $$ >> {pids}; wait", time_limit=0.5)
    assert task.error == "the work took longer than 0.5 s, and was given up"
    _gone([int(pid) for pid in pids.read_text().split()])


def test_what_it_leaves_running_is_ended_with_it(store: Store, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    _, task = ran(store, f"sleep 600 >/dev/null 2>&1 & echo $! > {pids}; echo ready")
    assert task.result == "ready"
    _gone([int(pids.read_text())])


@pytest.mark.parametrize("way", ["", "setsid "])
def test_what_it_leaves_behind_is_not_waited_for(store: Store, tmp_path: Path, way: str) -> None:
    pids = tmp_path / "pids"
    # In a session of its own it is out of reach, and keeps the pipe open.
    command = f"echo ready; {way}sleep 600 & echo $! > {pids}"
    try:
        _, task = ran(store, command, time_limit=20)
        assert (task.state, task.result) == (State.REVIEW, "ready")
    finally:
        if way:
            with suppress(ProcessLookupError):
                os.kill(int(pids.read_text()), signal.SIGKILL)
    _gone([int(pids.read_text())])


def _gone(pids: list[int]) -> None:
    """Wait until processes are dead; a zombie, which nobody but its parent can take away, is."""
    deadline = time.monotonic() + 30
    while any(map(_is_alive, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
