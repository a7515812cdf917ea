"""Keys that arrive in one piece, as over a slow line, mean what they mean one at a time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from e2e.boards import board, go, made, state
from taskdeck_store import State, open_store


def test_keys_behind_one_that_closes_a_page_are_for_the_board(tmp_path: Path) -> None:
    path = made(tmp_path / "tasks.db")
    with board(path) as terminal:
        go(terminal, "review", 1, of=2)
        terminal.send("enter")
        terminal.wait_for("history")
        terminal.send("qja")
        terminal.wait_for("t-5 is now completed")
        assert state(path, "t-4") is State.REVIEW


@pytest.mark.parametrize("turn", range(8))
def test_keys_behind_one_that_opens_a_page_are_for_the_page(tmp_path: Path, turn: int) -> None:
    with board(made(tmp_path / "tasks.db")) as terminal:
        terminal.send("\r")
        time.sleep(turn * 0.01)
        terminal.send("qq")
        assert terminal.exit_code() == 0


def test_a_note_may_be_typed_in_one_go_with_the_key_that_asks_for_it(tmp_path: Path) -> None:
    path = made(tmp_path / "tasks.db")
    with board(path) as terminal:
        go(terminal, "review", 1, of=2)
        terminal.send("Xnot yet\r")
        terminal.wait_for("t-4 is now pending")
        store = open_store(str(path), read_only=True)
        assert store.events("t-4")[-1].note == "not yet"
        store.close()


def test_a_filter_may_be_typed_in_one_go_with_its_key(tmp_path: Path) -> None:
    path = made(tmp_path / "tasks.db")
    with board(path) as terminal:
        terminal.send("/webhook\rj")
        terminal.wait_for("1 of 6")
        terminal.wait_gone("clear")


def test_a_moment_may_be_typed_in_one_go_with_the_keys_that_lead_to_the_past(tmp_path: Path) -> None:
    with board(made(tmp_path / "tasks.db")) as terminal:
        terminal.send("tt#3\r")
        terminal.wait_for("event 3 of")
