"""A board whose disk or descriptors run out, and one on whose store an older copy is put."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from backends import Backend, JsonFile, Sqlite
from faulty import copied, look, older_put_back

from conftest import Turned
from e2e import boards
from e2e.boards import board, go
from e2e.terminal import Terminal
from taskdeck_store import State


@contextmanager
def limited(terminal: Terminal, limit: int, value: int) -> Iterator[None]:
    """Set a limit of a board's process for the body of a `with`."""
    if not hasattr(resource, "prlimit"):
        pytest.skip("no limit can be set for another process here: no board was tried")
    before = resource.prlimit(terminal.process.pid, limit)
    resource.prlimit(terminal.process.pid, limit, (value, before[1]))
    try:
        yield
    finally:
        resource.prlimit(terminal.process.pid, limit, before)


def test_a_board_that_cannot_write_says_so_and_the_key_works_later(
    backend: Backend, tmp_path: Path, now: Turned
) -> None:
    path = tmp_path / f"tasks{backend.suffix}"
    with board(boards.made(path), columns=300) as terminal:
        go(terminal, "pending", 1, of=2)
        with limited(terminal, resource.RLIMIT_FSIZE, 0):
            terminal.send("s")
            terminal.wait_for("nothing was changed")
            go(terminal, "review", 2, of=2)
        assert boards.state(path, "t-1") is State.PENDING
        go(terminal, "pending", 1, of=2)
        terminal.send("s")
        terminal.wait_for("t-1 is now in progress")
    look(path, now)


def test_a_board_without_descriptors_lives_and_follows_the_store_again(
    backend: Backend, tmp_path: Path, now: Turned
) -> None:
    path = tmp_path / f"tasks{backend.suffix}"
    with board(boards.made(path), columns=300) as terminal:
        go(terminal, "pending", 1, of=2)
        with limited(terminal, resource.RLIMIT_NOFILE, 3):
            boards.outside(path, "t-2", title="Rotate signing keys")
            terminal.send("s")
            terminal.wait_for("oo many|unable to open|t-1 is now in progress|lost")
            terminal.send("3")
            terminal.wait_for("a approve")
        terminal.wait_for("Rotate signing keys")
        terminal.wait_gone("lost")
        boards.outside(path, "t-4", title="Document the hooks")
        terminal.wait_for("Document the hooks")
        assert terminal.process.poll() is None
    look(path, now)


def test_a_board_without_descriptors_verifies_its_log(tmp_path: Path) -> None:
    with board(boards.made(tmp_path / "tasks.db")) as terminal, limited(terminal, resource.RLIMIT_NOFILE, 3):
        terminal.wait_for("verified to 14")


@pytest.mark.parametrize("kind", [Sqlite, JsonFile], ids=lambda kind: kind.name)
def test_a_board_on_whose_store_an_older_copy_is_put_shows_that(kind: type[Backend], tmp_path: Path) -> None:
    path = boards.made(tmp_path / f"tasks{kind.suffix}")
    older = copied(path)
    with board(path) as terminal:
        go(terminal, "pending", 1, of=2)
        terminal.send("s")
        terminal.wait_for("t-1 is now in progress")
        terminal.wait_for(r"pending +1 .*in progress +2 ")
        older_put_back(path, older, "renamed over it")
        terminal.wait_for(r"pending +2 .*in progress +1 ")
        boards.outside(path, "t-2", title="Rotate signing keys")
        terminal.wait_for("Rotate signing keys")
