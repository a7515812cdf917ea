"""kill -9, of a program that writes to the store and of the board itself."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from e2e import tmux
from e2e.boards import TASKDECK, board, counts, eventually, go, made, outside, state
from e2e.tmux import Tmux
from taskdeck_store import Action, State, open_store

BOTH = pytest.mark.parametrize("name", ["tasks.db", "tasks.json"])

_WRITE = """
import itertools, sys
from taskdeck_store import Action, command, open_store
store = open_store(sys.argv[1])
for number in itertools.count():
    store.apply([command(f"k-{number}", Action.ADD, actor="killed", title=f"task {number}")])
    print(number, flush=True)
"""


def _written_and_killed(path: Path, acknowledged: int) -> int:
    """Run a program that adds tasks, kill it after so many, and return how many it had been told were committed."""
    writer = subprocess.Popen([sys.executable, "-c", _WRITE, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    last = -1
    while last < acknowledged:
        last = int(writer.stdout.readline())
    writer.send_signal(signal.SIGKILL)
    rest, _ = writer.communicate()
    return max([last, *map(int, rest.split())]) + 1


def _consistent(path: Path) -> int:
    """Check that every task of the killed program has its event, and return how many there are."""
    store = open_store(str(path))
    tasks = {task.id for task in store.tasks() if task.id.startswith("k-")}
    added = [event.task_id for event in store.events() if event.actor == "killed"]
    store.close()
    assert sorted(added) == sorted(tasks)
    return len(tasks)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_the_board_leaves_the_terminal_as_it_was(tmp_path: Path, sent: signal.Signals) -> None:
    with board(made(tmp_path / "tasks.db")) as terminal:
        assert b"\x1b[?1049l" not in terminal.raw
        terminal.kill(sent)
        assert terminal.exit_code() == 128 + sent
        assert b"\x1b[?1049l" in terminal.raw


@BOTH
def test_a_killed_writer_leaves_a_whole_store_and_a_live_board(tmp_path: Path, name: str) -> None:
    path = made(tmp_path / name)
    with board(path) as terminal:
        acknowledged = _written_and_killed(path, 20)
        assert _consistent(path) in (acknowledged, acknowledged + 1)
        terminal.wait_for(lambda: counts(terminal)["pending"] >= 2 + acknowledged)
        outside(path, "t-3", title="Import supplier prices anew")
        terminal.wait_for("Import supplier prices anew|Import supplier prices…")
        go(terminal, "review", 1, of=2)
        terminal.send("a")
        terminal.wait_for("t-4 is now completed")


@BOTH
def test_a_killed_board_leaves_the_store_as_it_was_committed(tmp_path: Path, name: str) -> None:
    path = made(tmp_path / name)
    with board(path) as terminal:
        go(terminal, "review", 1, of=2)
        terminal.send("a")
        terminal.wait_for("t-4 is now completed")
        terminal.kill(signal.SIGKILL)
        assert terminal.exit_code() == -signal.SIGKILL
    assert state(path, "t-4") is State.COMPLETED
    store = open_store(str(path))
    assert [(event.action, event.actor) for event in store.events("t-4")][-1] == (Action.APPROVE, "reader")
    store.close()
    with board(path) as terminal:
        terminal.wait_for(lambda: counts(terminal)["completed"] == 2)
        go(terminal, "pending", 1, of=2)
        terminal.send("s")
        terminal.wait_for("t-1 is now in progress")


def test_a_kill_in_tmux(tmp_path: Path) -> None:
    tmux.required()
    path = made(tmp_path / "tasks.db")
    with Tmux([*TASKDECK, str(path)], columns=120, lines=30) as terminal:
        terminal.wait_for("t-4")
        acknowledged = _written_and_killed(path, 5)
        terminal.wait_for(rf"pending\s+{2 + acknowledged}|pending\s+{3 + acknowledged}")
        os.kill(terminal.pid, signal.SIGKILL)
        assert terminal.exit_code() == -signal.SIGKILL
    assert _consistent(path) in (acknowledged, acknowledged + 1)


def test_ended_politely_it_gives_the_terminal_back(tmp_path: Path) -> None:
    path = made(tmp_path / "tasks.db")
    with board(path) as terminal:
        terminal.send("q")
        assert terminal.exit_code() == 0
        assert terminal.raw.rindex(b"\x1b[?1049l") > terminal.raw.rindex(b"\x1b[?1049h")
        assert terminal.raw.rindex(b"\x1b[?25h") > terminal.raw.rindex(b"\x1b[?25l")
    eventually(lambda: not path.with_name("tasks.db-wal").exists())


@pytest.mark.parametrize("has_control", [True, False])
def test_a_board_whose_terminal_goes_away_while_it_paints_ends(tmp_path: Path, has_control: bool) -> None:
    """A play paints thirty times a second; without a controlling terminal no signal tells that it has gone."""
    path = made(tmp_path / "tasks.db")
    master, slave = os.openpty()
    program = subprocess.Popen(
        [*TASKDECK, "replay", str(path)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=(lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)) if has_control else None,
    )
    os.close(slave)
    seen = b""
    try:
        while b"THE PAST" not in seen:
            seen += os.read(master, 1 << 16)
        os.write(master, b"^(...)+++++ ")
        deadline = time.monotonic() + 30
        while "▶".encode() not in seen:
            assert time.monotonic() < deadline
            seen += os.read(master, 1 << 16)
        os.close(master)
        assert program.wait(30) == 128 + signal.SIGHUP
    finally:
        program.kill()
        program.wait()
