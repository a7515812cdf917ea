"""A store that is locked, gone, or half-written: the board says so, answers keys, and recovers by itself."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from e2e.boards import board, counts, eventually, go, held, made, outside, state
from taskdeck_store import State

BOTH = pytest.mark.parametrize("name", ["tasks.db", "tasks.json"])


@BOTH
def test_a_locked_store_holds_up_the_commit_but_no_key(tmp_path: Path, name: str) -> None:
    path = made(tmp_path / name)
    with board(path) as terminal:
        go(terminal, "pending", 1, of=2)
        with held(path):
            terminal.send("s")
            go(terminal, "review", 2, of=2)
            assert state(path, "t-1") is State.PENDING
            assert counts(terminal)["pending"] == 2
        terminal.wait_for("t-1 is now in progress")
        assert state(path, "t-1") is State.IN_PROGRESS


def test_a_transaction_of_another_program_holds_up_the_commit_but_no_key(tmp_path: Path) -> None:
    path = made(tmp_path / "tasks.db")
    with board(path) as terminal:
        database = sqlite3.connect(path, isolation_level=None)
        database.execute("BEGIN IMMEDIATE")
        go(terminal, "pending", 1, of=2)
        terminal.send("s")
        go(terminal, "review", 2, of=2)
        assert counts(terminal)["pending"] == 2
        database.execute("COMMIT")
        database.close()
        terminal.wait_for("t-1 is now in progress")


@BOTH
def test_leaving_says_that_it_waits_for_a_locked_store_and_the_commit_is_made(tmp_path: Path, name: str) -> None:
    path = made(tmp_path / name)
    with board(path) as terminal:
        go(terminal, "pending", 1, of=2)
        with held(path):
            terminal.send("s", "q")
            terminal.wait_for("waiting for the store to take the last action")
            assert terminal.process.poll() is None
            assert state(path, "t-1") is State.PENDING
        assert terminal.exit_code() == 0
    assert state(path, "t-1") is State.IN_PROGRESS
    assert b"not committed" not in terminal.raw


@BOTH
def test_a_file_that_goes_and_comes_back(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    path = made(folder / name)
    with board(path) as terminal:
        folder.rename(tmp_path / "gone")
        terminal.wait_for("lost")
        terminal.wait_for(r"last good look \d\d:\d\d:\d\dZ")
        terminal.send("3", "j")
        terminal.wait_for(r"(?s)t-4.*t-5|t-5")
        (tmp_path / "gone").rename(folder)
        terminal.wait_for("the store is back")
        terminal.wait_gone("lost")
        outside(path, "t-2", title="Rotate signing keys")
        terminal.wait_for("Rotate signing keys")


@BOTH
def test_a_deleted_file_is_not_made_anew(tmp_path: Path, name: str) -> None:
    path = made(tmp_path / name)
    with board(path) as terminal:
        for file in tmp_path.iterdir():
            file.unlink()
        terminal.wait_for("lost")
        terminal.send("1", "s")
        terminal.wait_for("Backfill")
        assert not path.exists()
        made(path)
        terminal.wait_for("the store is back")
        terminal.send("q")
        assert terminal.exit_code() == 0


def test_a_half_written_file_is_named_by_line_and_column(tmp_path: Path) -> None:
    path = made(tmp_path / "tasks.json")
    whole = path.read_text()
    with board(path) as terminal:
        path.write_text(whole[: len(whole) // 2])
        terminal.wait_for(r"line \d+.*column \d+")
        assert "Rotate deploy tokens" in terminal.text()
        assert counts(terminal)["review"] == 2
        terminal.send("1", "s")
        path.write_text(whole.replace("Rotate deploy tokens", "Rotate signing keys"))
        terminal.wait_for("Rotate signing keys")
        terminal.wait_gone(r"line \d+.*column \d+")


def test_a_read_only_board_refuses_and_says_so(tmp_path: Path) -> None:
    path = made(tmp_path / "tasks.db")
    with board(path, "--read-only") as terminal:
        terminal.wait_for("read-only")
        terminal.send("1", "s")
        terminal.wait_for("read-only; nothing was changed")
        outside(path, "t-2", title="Rotate signing keys")
        terminal.wait_for("Rotate signing keys")
        assert state(path, "t-1") is State.PENDING


def test_many_rounds_of_going_and_coming_back(tmp_path: Path) -> None:
    path = made(tmp_path / "tasks.json")
    whole = path.read_text()
    with board(path) as terminal:
        for number in range(5):
            path.write_text("[")
            terminal.wait_for(r"line 1")
            path.write_text(whole.replace("Backfill orders.currency", f"Backfill round {number}"))
            terminal.wait_for(f"Backfill round {number}")
        eventually(lambda: counts(terminal)["pending"] == 2)
