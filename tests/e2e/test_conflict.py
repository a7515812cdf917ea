"""Someone else changes the task under the cursor between the look and the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e import tmux
from e2e.boards import TASKDECK, board, go, held, made, outside, state, task
from e2e.terminal import Terminal
from e2e.tmux import Tmux
from taskdeck_store import State

BOTH = pytest.mark.parametrize("name", ["tasks.db", "tasks.json"])


def _conflict(path: Path) -> Terminal:
    """While the write lock is held, the key's commit waits: so the change from outside surely comes before it."""
    terminal = board(path)
    go(terminal, "review", 1, of=2)
    with held(path):
        terminal.send("a")
        terminal.wait_for("committing")
        outside(path, "t-4", title="Document webhooks")
    terminal.wait_for("Changed meanwhile")
    return terminal


@BOTH
def test_a_conflict_is_shown_and_can_be_done_again(tmp_path: Path, name: str) -> None:
    path = made(tmp_path / name)
    with _conflict(path) as terminal:
        terminal.wait_for("title +Document the webhook retries +Document webhooks")
        if path.suffix == ".db":
            # A JSON file has no audit log that could name who it was until something is committed to it.
            terminal.wait_for("outside program changed title")
        assert state(path, "t-4") is State.REVIEW
        terminal.send("enter")
        terminal.wait_for("t-4 is now completed")
        assert task(path, "t-4").title == "Document webhooks"
        assert state(path, "t-4") is State.COMPLETED


@BOTH
def test_a_conflict_can_be_dropped(tmp_path: Path, name: str) -> None:
    path = made(tmp_path / name)
    with _conflict(path) as terminal:
        terminal.send("d")
        terminal.wait_gone("Changed meanwhile")
        terminal.wait_for("Document webhooks")
        assert state(path, "t-4") is State.REVIEW
        terminal.send("q")
        assert terminal.exit_code() == 0


@BOTH
def test_a_frozen_board_that_acts_on_old_news_gets_a_conflict_too(tmp_path: Path, name: str) -> None:
    path = made(tmp_path / name)
    with board(path) as terminal:
        go(terminal, "review", 1, of=2)
        terminal.send("p")
        terminal.wait_for("frozen")
        outside(path, "t-4", title="Document webhooks")
        terminal.send("a")
        terminal.wait_for("Changed meanwhile")
        terminal.wait_for("title +Document the webhook retries +Document webhooks")
        assert state(path, "t-4") is State.REVIEW


def test_a_conflict_in_tmux(tmp_path: Path) -> None:
    tmux.required()
    path = made(tmp_path / "tasks.db")
    with Tmux([*TASKDECK, str(path)], columns=160, lines=40) as terminal:
        terminal.wait_for("t-4")
        terminal.send("3", "g")
        terminal.wait_for("review 1/2")
        terminal.send("p")
        terminal.wait_for("frozen")
        outside(path, "t-4", title="Document webhooks")
        terminal.send("a")
        terminal.wait_for("Changed meanwhile")
        terminal.wait_for("title +Document the webhook retries +Document webhooks")
        terminal.send("Enter")
        terminal.wait_for("t-4 is now completed")
        assert state(path, "t-4") is State.COMPLETED
