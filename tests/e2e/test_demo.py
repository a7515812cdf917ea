"""The demo as a newcomer meets it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

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
