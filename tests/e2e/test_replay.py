"""Time travel as an operator does it: on the demo store, which goes on meanwhile, and from the command line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from e2e import tmux
from e2e.boards import TASKDECK, board, made, outside
from e2e.terminal import Terminal
from e2e.tmux import Tmux
from taskdeck_store import Action, command, open_store

_PAST = r"THE PAST.*event ([\d,]+) of ([\d,]+)"


def _position(terminal: Terminal | Tmux) -> tuple[int, int]:
    found = re.search(_PAST, terminal.text())
    assert found
    position, end = (int(text.replace(",", "")) for text in found.groups())
    return position, end


def _drive(terminal: Terminal | Tmux, folder: Path) -> None:
    """Go back, have an action refused, play, and come back to a board that has gone on."""
    terminal.wait_for(r"pending.*in progress.*review.*completed.*failed")
    terminal.send("t")
    terminal.wait_for(_PAST)
    _, end = _position(terminal)
    terminal.send(",")
    terminal.wait_for(rf"event {end - 1:,} of")
    # The demo goes on: events arrive meanwhile, and are counted.
    terminal.wait_for(r"\+\d+ since")
    assert _position(terminal)[0] == end - 1
    (path,) = folder.glob("taskdeck-demo-*/demo.db")
    before = _by(path)
    for key in "saRXF":
        terminal.send(key)
    terminal.wait_for("this is the past, where nothing can be changed; esc goes back to now")
    terminal.send("^")
    terminal.wait_for("before the first event")
    terminal.send("space" if isinstance(terminal, Terminal) else "Space")
    terminal.wait_for("▶ 5 events a second")
    terminal.wait_for(r"event [3-9] of")
    terminal.send("space" if isinstance(terminal, Terminal) else "Space")
    terminal.wait_gone("▶")
    assert _by(path) == before
    terminal.send("escape" if isinstance(terminal, Terminal) else "Escape")
    terminal.wait_gone("THE PAST")
    terminal.wait_for("● live")


def _by(path: Path) -> int:
    store = open_store(str(path), read_only=True)
    try:
        return sum(event.actor == "reader" for event in store.events())
    finally:
        store.close()


def test_the_demo_is_played_and_an_action_refused(tmp_path: Path) -> None:
    environment = {"TMPDIR": str(tmp_path), "TASKDECK_ACTOR": "reader"}
    with Terminal([*TASKDECK, "demo"], env=environment) as terminal:
        _drive(terminal, tmp_path)
        terminal.send("q")
        assert terminal.exit_code() == 0


def test_the_demo_is_played_in_tmux(tmp_path: Path) -> None:
    tmux.required()
    environment = {"TMPDIR": str(tmp_path), "TASKDECK_ACTOR": "reader"}
    with Tmux([*TASKDECK, "demo"], env=environment) as terminal:
        _drive(terminal, tmp_path)
        terminal.send("q")
        assert terminal.exit_code() == 0


@pytest.mark.parametrize("name", ["tasks.db", "tasks.json"])
def test_replay_opens_the_past_and_leads_to_the_board(tmp_path: Path, name: str) -> None:
    path = made(tmp_path / name)
    store = open_store(str(path))
    store.apply([command("t-1", Action.START, actor="alder")])
    store.close()
    with Terminal([*TASKDECK, "replay", str(path)]) as terminal:
        terminal.wait_for(_PAST)
        _, end = _position(terminal)
        outside(path, "t-4", title="Document webhooks")
        terminal.wait_for(r"\+1 since")
        terminal.send("$")
        terminal.wait_for(rf"event {end + 1:,} of {end + 1:,}")
        terminal.wait_for("an outside program changed title")
        terminal.send("escape")
        terminal.wait_gone("THE PAST")
        terminal.wait_for("Document webhooks")
        terminal.send("q")
        assert terminal.exit_code() == 0


def test_a_key_is_not_lost_when_the_past_is_left_and_entered_again(tmp_path: Path) -> None:
    path = made(tmp_path / "tasks.db")
    with board(path) as terminal:
        for _ in range(3):
            terminal.send("t")
            terminal.wait_for(_PAST)
            terminal.send(",", ",", ",")
            _, end = _position(terminal)
            terminal.wait_for(rf"event {end - 3:,} of")
            terminal.send("escape")
            terminal.wait_gone("THE PAST")
        terminal.send("q")
        assert terminal.exit_code() == 0
