"""The commands that keep a store from loss, and what a death or a crash of Taskdeck itself leaves and says."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
from cli_stage import PROGRAM, add, environment, taskdeck, told

from taskdeck_store import Action, State, clock, command, open_store
from taskdeck_tui.folders import state_path
from taskdeck_tui.remembered import Remembered, remember

SECRET = "the-secret-of-a-task"
PAST = "2020-01-01T00:00:00.000000Z"


@pytest.fixture(params=["tasks.db", "tasks.json"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    path = str(tmp_path / request.param)
    taskdeck("init", path)
    add(path, "a", "b", "c")
    return path


def start(store: str, task_id: str, lease: str | None) -> None:
    with closing(open_store(store)) as opened:
        (outcome,) = opened.apply([command(task_id, Action.START, actor="worker-1", lease_until=lease)])
        assert outcome.event is not None


def test_release_overdue_releases_what_dead_workers_held(store: str) -> None:
    start(store, "a", PAST)
    start(store, "b", clock.plus(clock.utc_now(), 3600))
    start(store, "c", None)
    ran = taskdeck("release", store, "--overdue", "--actor", "ann", "--note", "host is gone", "--json")
    (outcome,) = told(ran)
    assert (ran.code, outcome["task_id"], outcome["task"]["state"]) == (0, "a", "pending")
    assert outcome["event"]["note"] == f"its lease ran out at {PAST}; worker-1 held it; host is gone"
    assert outcome["event"]["actor"] == "ann"
    assert outcome["event"]["group"]
    again = taskdeck("release", store, "--overdue")
    assert (again.code, again.out) == (0, "no task is overdue\n")
    assert told(taskdeck("release", store, "--overdue", "--json")) == []


@pytest.mark.parametrize("words", [[], ["a", "--overdue"], ["--overdue", "--expect", "1"]])
def test_release_takes_either_ids_or_overdue(store: str, words: list[str]) -> None:
    start(store, "a", PAST)
    ran = taskdeck("release", store, *words)
    assert ran.code == 2
    assert "--overdue" in ran.err
    assert taskdeck("show", store, "a", "--json").value["state"] == "in_progress"


def test_backup_says_what_it_holds_and_restore_brings_it_back(store: str, tmp_path: Path) -> None:
    target = str(tmp_path / f"copy{Path(store).suffix}")
    made = taskdeck("backup", store, target)
    assert (made.code, made.err) == (0, "")
    assert made.out.splitlines()[0] == f"copied {store} to {target}: 3 tasks, 3 events"
    before = taskdeck("list", store, "--json").out
    assert taskdeck("list", target, "--json").out == before
    assert taskdeck("start", store, "a").code == 0
    restored = taskdeck("restore", target, store, "--json")
    assert restored.value["kept"].startswith(f"{store}.before-restore-")
    assert {name: restored.value[name] for name in ("address", "tasks", "events", "sound", "problem")} == {
        "address": store,
        "tasks": 3,
        "events": 3,
        "sound": True,
        "problem": None,
    }
    assert taskdeck("list", store, "--json").out == before
    assert taskdeck("show", restored.value["kept"], "a", "--json").value["state"] == "in_progress"
    again = taskdeck("restore", target, store)
    assert "what was there before: " in again.out
    assert taskdeck("verify", store).code == 0


def test_backup_does_not_overwrite(store: str, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    target.write_text("precious")
    ran = taskdeck("backup", store, str(target), "--json")
    assert (ran.code, ran.error["code"]) == (1, "exists")
    assert target.read_text() == "precious"


def test_a_damaged_store_is_copied_and_told_and_its_copy_is_not_restored(store: str, tmp_path: Path) -> None:
    target = str(tmp_path / f"copy{Path(store).suffix}")
    data = bytearray(Path(store).read_bytes())
    data[40:100] = b"\xff" * 60
    Path(store).write_bytes(data)
    ran = taskdeck("backup", store, target)
    assert ran.code == 1
    assert "the copy is made" in ran.err
    assert Path(target).read_bytes() == data
    ran = taskdeck("backup", store, target + "2", "--json")
    assert (ran.code, ran.error["code"]) == (1, "damaged")
    assert '"sound":false' in ran.out
    ran = taskdeck("restore", target, store, "--json")
    assert (ran.code, ran.error["code"]) == (1, "damaged")
    assert Path(store).read_bytes() == data


def damage(store: str) -> bytes:
    """Damage a store, so that it can only be had from what is left; return what its file holds then."""
    data = bytearray(Path(store).read_bytes())
    data[100:400] = b"\xa5" * 300
    Path(store).write_bytes(data)
    os.utime(store, (1_700_000_000, 1_700_000_000))
    return bytes(data)


def test_a_damaged_store_is_shown_with_what_is_lost_and_recovered(store: str, tmp_path: Path) -> None:
    taskdeck("start", store, "a")
    whole = taskdeck("list", store, "--json").value
    data = damage(store)
    listed = taskdeck("list", store, "--json")
    assert listed.code == 1
    assert listed.error["code"] == "damaged"
    assert "3 tasks and 4 events can be read" in listed.error["message"]
    assert f"taskdeck recover {store} TARGET" in listed.error["message"]
    assert [(task["id"], task["state"]) for task in json.loads(listed.out)] == [
        (task["id"], task["state"]) for task in whole
    ]
    for words in (["counts"], ["show", "a"], ["log"]):
        ran = taskdeck(words[0], store, *words[1:])
        assert (ran.code, ran.err.count("\n")) == (1, 1)
        assert ran.out
    started = taskdeck("start", store, "b", "--json")
    assert (started.code, started.error["code"]) == (1, "damaged")
    target = str(tmp_path / f"new{Path(store).suffix}")
    ran = taskdeck("recover", store, target)
    assert (ran.code, ran.err) == (0, "")
    assert "3 tasks, 4 events" in ran.out
    assert "nothing is missing" in ran.out
    assert taskdeck("verify", target).code == 0
    assert taskdeck("submit", target, "a").code == 0
    again = taskdeck("recover", store, target, "--json")
    assert (again.code, again.error["code"]) == (1, "exists")
    report = taskdeck("recover", store, target.replace("new", "newer"), "--json").value
    assert {name: report[name] for name in ("tasks", "events", "outdated", "lost", "lost_events")} == {
        "tasks": 3,
        "events": 4,
        "outdated": [],
        "lost": [],
        "lost_events": [],
    }
    assert Path(store).read_bytes() == data


def test_what_is_missing_in_a_recovered_store_is_told(tmp_path: Path) -> None:
    store, target = tmp_path / "tasks.json", str(tmp_path / "new.json")
    taskdeck("init", str(store))
    add(str(store), "a", "b")
    taskdeck("start", str(store), "a")
    taskdeck("start", str(store), "b")
    log = tmp_path / "tasks.audit.jsonl"
    log.write_bytes(b"".join((*log.read_bytes().splitlines(keepends=True)[:3], b"{}\n")))
    damage(str(store))
    ran = taskdeck("recover", str(store), target)
    assert ran.code == 1
    assert "the last event known: 3" in ran.out


def test_a_board_opens_on_a_damaged_store(store: str) -> None:
    damage(store)
    board, ours = in_terminal(*PROGRAM, store)
    assert "Task b" in screen_until(ours, "Task b")
    os.write(ours, b"q")
    screen_until(ours, "\0")
    assert board.wait(30) == 0
    os.close(ours)


def screen_until(ours: int, wanted: str) -> str:
    """Read what a terminal was sent until it says something, or nobody sends any more."""
    seen = bytearray()
    deadline = time.monotonic() + 30
    with suppress(OSError):
        while wanted.encode() not in seen and time.monotonic() < deadline:
            seen += os.read(ours, 65_536)
    return seen.decode(errors="replace")


def in_terminal(*words: str) -> tuple[subprocess.Popen[bytes], int]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 120, 0, 0))
    process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment())
    os.close(theirs)
    return process, ours


def test_a_killed_board_holds_nothing(store: str) -> None:
    board, ours = in_terminal(*PROGRAM, store)
    assert "Task b" in screen_until(ours, "Task b")
    board.kill()
    board.wait()
    os.close(ours)
    with closing(open_store(store, patience=5)) as opened:
        (outcome,) = opened.apply([command("a", Action.START, actor="ann")])
        assert outcome.task is not None
        assert outcome.task.state is State.IN_PROGRESS


CRASHES = f"""
import sys
from taskdeck_tui.board.screen import BoardScreen
from taskdeck_tui.writer import Writer
from taskdeck_tui.cli.main import main

def fails(*_, **__):
    held = "{SECRET}"
    raise KeyError(held)

setattr({{"screen": BoardScreen, "writer": Writer}}[sys.argv[1]], sys.argv[2], fails)
sys.exit(main([sys.argv[3]]))
"""


@pytest.mark.parametrize(("where", "name"), [("screen", "on_mount"), ("writer", "close")])
def test_a_crash_of_the_board_tells_type_and_place_and_nothing_of_a_task(store: str, where: str, name: str) -> None:
    board, ours = in_terminal(sys.executable, "-c", CRASHES, where, name, store)
    seen = screen_until(ours, "Task b" if where == "writer" else "\0")
    if where == "writer":
        os.write(ours, b"q")
        seen += screen_until(ours, "\0")
    assert board.wait(30) == 1
    os.close(ours)
    assert "an error nobody foresaw (KeyError at <string>:" in seen
    assert "please report it" in seen
    assert SECRET not in seen
    assert "Traceback" not in seen


def test_what_the_board_remembers_is_its_users_alone_and_no_link_is_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path = state_path()
    path.parent.mkdir(parents=True)
    path.symlink_to(victim)
    before = os.umask(0)
    try:
        remember(Remembered(lines=3))
    finally:
        os.umask(before)
    assert victim.read_text() == "precious"
    assert (path.is_symlink(), path.stat().st_mode & 0o777) == (False, 0o600)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
