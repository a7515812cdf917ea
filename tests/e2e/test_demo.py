"""The demo as a newcomer meets it."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pyte
import pytest

from e2e import tmux
from e2e.boards import TASKDECK, counts, eventually
from e2e.terminal import Terminal
from e2e.tmux import Tmux
from taskdeck_store import open_store

_BOARD = r"pending.*in progress.*review.*completed.*failed"


def _demo(tmp_path: Path) -> Terminal:
    return Terminal([*TASKDECK, "demo"], env={"TMPDIR": str(tmp_path), "TASKDECK_ACTOR": "reader"})


def _folder(tmp_path: Path) -> Path:
    (folder,) = tmp_path.glob("taskdeck-demo-*")
    return folder


def test_the_demo_moves_by_itself_can_be_driven_and_cleans_up(tmp_path: Path) -> None:
    with _demo(tmp_path) as terminal:
        terminal.wait_for(_BOARD)
        before = counts(terminal)
        assert sum(before.values()) == 120
        assert min(before.values()) > 0
        terminal.wait_for(lambda: counts(terminal) != before)

        terminal.send("3")
        terminal.wait_for("review 1/")
        terminal.send("a")
        terminal.wait_for("is now completed")
        store = open_store(str(_folder(tmp_path) / "demo.db"), read_only=True)
        assert [event.action for event in store.events() if event.actor == "reader"] == ["approve"]
        store.close()

        terminal.send("q")
        assert terminal.exit_code() == 0
        assert list(tmp_path.iterdir()) == []


def test_a_killed_demo_cleans_up_too(tmp_path: Path) -> None:
    with _demo(tmp_path) as terminal:
        terminal.wait_for(_BOARD)
        assert _folder(tmp_path).exists()
        os.kill(terminal.pid, signal.SIGKILL)
        assert terminal.exit_code() == -signal.SIGKILL
        eventually(lambda: list(tmp_path.iterdir()) == [])


_TOLD = r"taskdeck demo: ([\d,]+) of [\d,]+ events committed"


def test_a_long_build_says_how_far_it_is_and_clears_its_line(tmp_path: Path) -> None:
    many = Terminal([*TASKDECK, "demo", "--tasks", "5000"], 60, 12, env={"TMPDIR": str(tmp_path)})
    with many as terminal:
        terminal.wait_for(_TOLD)
        terminal.wait_for(lambda: len(set(re.findall(_TOLD, terminal.raw.decode(errors="replace")))) > 3)
        terminal.wait_for("○ pending", timeout=60)
        assert "committed" not in terminal.text()
        terminal.send("q")
        assert terminal.exit_code() == 0
    before_the_board, _, _ = bytes(terminal.raw).partition(b"\x1b[?1049h")
    screen = pyte.Screen(60, 12)
    pyte.ByteStream(screen).feed(before_the_board)
    assert "".join(screen.display).strip() == ""


@pytest.mark.parametrize("name", [None, "kept.db", "kept.json"])
def test_ctrl_c_while_it_is_built_leaves_nothing_behind(tmp_path: Path, name: str | None) -> None:
    (tmp_path / "kept.txt").write_text("mine")
    store = [] if name is None else ["--store", str(tmp_path / name)]
    arguments = [*TASKDECK, "demo", "--tasks", "20000", *store]
    with Terminal(arguments, env={"TMPDIR": str(tmp_path)}) as terminal:
        terminal.wait_for(_TOLD, timeout=60)
        terminal.send("ctrl+c")
        assert terminal.exit_code() == 130
        assert terminal.text().strip() in ("", "^C")
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


def test_a_store_that_was_asked_for_stays(tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    arguments = ["demo", "--store", str(kept), "--tasks", "12", "--seed", "3"]
    with Terminal([*TASKDECK, *arguments]) as terminal:
        terminal.wait_for(_BOARD)
        terminal.send("q")
        assert terminal.exit_code() == 0
    store = open_store(str(kept), read_only=True)
    assert len(store.tasks()) >= 12
    store.close()
    with Terminal([*TASKDECK, *arguments]) as terminal:
        assert terminal.exit_code() == 1
        terminal.wait_for("exists already")


def test_the_demo_in_tmux(tmp_path: Path) -> None:
    tmux.required()
    with Tmux([*TASKDECK, "demo"], env={"TMPDIR": str(tmp_path), "PATH": os.environ["PATH"]}) as terminal:
        terminal.wait_for(_BOARD)
        _folder(tmp_path)
        terminal.send("q")
        assert terminal.exit_code() == 0
        assert list(tmp_path.iterdir()) == []
