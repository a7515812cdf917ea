"""What other programs do to the store while its board is open."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from e2e import tmux
from e2e.boards import TASKDECK, board, counts, go, made, outside, state, task
from e2e.tmux import Tmux
from taskdeck_store import State

BOTH = pytest.mark.parametrize("name", ["tasks.db", "tasks.json"])


@BOTH
def test_a_change_from_outside_appears_by_itself(tmp_path: Path, name: str) -> None:
    path = made(tmp_path / name)
    with board(path) as terminal:
        terminal.wait_for(lambda: counts(terminal) == dict(zip(counts(terminal), (2, 1, 2, 1, 0), strict=True)))
        outside(path, "t-1", state="in_progress", owner="alder")
        terminal.wait_for(lambda: counts(terminal)["in progress"] == 2)
        assert counts(terminal)["pending"] == 1


@BOTH
def test_a_change_that_touches_no_time_appears(tmp_path: Path, name: str) -> None:
    path = made(tmp_path / name)
    with board(path) as terminal:
        outside(path, "t-2", title="Rotate signing keys")
        terminal.wait_for("Rotate signing keys")
        assert "Rotate deploy tokens" not in terminal.text()


@BOTH
def test_it_appears_under_tmux(tmp_path: Path, name: str) -> None:
    tmux.required()
    path = made(tmp_path / name)
    with Tmux([*TASKDECK, str(path)], columns=160, lines=30) as terminal:
        terminal.wait_for("t-1")
        outside(path, "t-2", title="Rotate signing keys")
        terminal.wait_for("Rotate signing keys")
        terminal.send("q")
        assert terminal.exit_code() == 0


def test_a_file_written_in_place_appears(tmp_path: Path) -> None:
    path = made(tmp_path / "tasks.json")
    with board(path) as terminal:
        tasks = json.loads(path.read_text())
        tasks.append({"id": "t-7", "title": "Draft replies to tickets", "state": "pending"})
        path.write_text(json.dumps(tasks))
        terminal.wait_for("Draft replies to tickets")
        assert counts(terminal)["pending"] == 3


def test_a_burst_of_changes_leaves_the_last_of_them_on_screen(tmp_path: Path) -> None:
    path = made(tmp_path / "tasks.db")
    with board(path) as terminal:
        database = sqlite3.connect(path)
        with database:
            database.executemany(
                "INSERT INTO tasks (id, title) VALUES (?, ?)", [(f"b-{n}", f"burst {n}") for n in range(1_000)]
            )
        database.close()
        terminal.wait_for(lambda: counts(terminal)["pending"] == 1_002)


def test_the_database_refuses_an_illegal_move_from_outside(tmp_path: Path) -> None:
    path = made(tmp_path / "tasks.db")
    with board(path) as terminal:
        with pytest.raises(sqlite3.IntegrityError, match="no action moves a task from pending to completed"):
            outside(path, "t-1", state="completed")
        outside(path, "t-1", title="still pending")
        terminal.wait_for("still pending")
        assert state(path, "t-1") is State.PENDING


@BOTH
def test_the_cursor_stays_and_says_where_its_task_went(tmp_path: Path, name: str) -> None:
    path = made(tmp_path / name)
    with board(path) as terminal:
        go(terminal, "pending", 1, of=2)
        outside(path, "t-1", state="in_progress")
        terminal.wait_for("t-1 moved to in progress by external")
        terminal.wait_for("pending 1/1")


@BOTH
def test_looking_makes_no_file(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    path = made(folder / name)
    # A SQLite store in use has its -wal and -shm; they are SQLite's own, and go with the last reader.
    before = {file.name for file in folder.iterdir()}
    content = path.read_bytes()
    with board(path, "--read-only") as terminal:
        terminal.send("j", "enter")
        terminal.wait_for("t-1|t-2")
        terminal.send("q", "q")
        assert terminal.exit_code() == 0
    assert {file.name for file in folder.iterdir()} == before
    assert path.read_bytes() == content


@BOTH
def test_a_task_taken_away_from_outside_goes(tmp_path: Path, name: str) -> None:
    path = made(tmp_path / name)
    with board(path) as terminal:
        if name == "tasks.db":
            database = sqlite3.connect(path)
            with database:
                database.execute("DELETE FROM tasks WHERE id = 't-2'")
            database.close()
        else:
            tasks = [each for each in json.loads(path.read_text()) if each["id"] != "t-2"]
            (tmp_path / "new").write_text(json.dumps(tasks))
            (tmp_path / "new").replace(path)
        terminal.wait_gone("Rotate deploy tokens")
        terminal.wait_for(lambda: counts(terminal)["pending"] == 1)
        assert task(path, "t-1").state is State.PENDING
