"""What reaches the terminal: small sizes, a resize, and nothing that a task's text smuggled in."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from e2e.boards import STATES, TASKDECK, board, counts, go, made, task
from e2e.terminal import Terminal
from taskdeck_store import Action, State, command, create_store, open_store

_HOSTILE = {
    "colour": "\x1b[31mred",
    "title": "\x1b]0;pwned\x07set",
    "clipboard": "\x1b]52;c;cHduZWQ=\x07copy",
    "c1": "\x9b31mcsi",
    "bidi": "abc\u202egnp.exe",
    "isolate": "\u2066x\u2069y",
    "bell": "ding\x07\x08\x08dong",
    "newline": "one\r\ntwo\ttabs",
    "markup": "[/foo][bold]x[/bold] [@click=app.quit]y",
    "link": "\x1b]8;;http://x\x1b\\z",
}
_PLANTED = (b"[31m", b"]0;pwned", b"]52;c;cHduZWQ", b"]8;;http://x")


def test_nothing_escapes_from_a_title(tmp_path: Path) -> None:
    path = tmp_path / "hostile.json"
    tasks = [
        {
            "id": f"t-{number}",
            "title": text,
            "state": state,
            "error": text,
            "result": text,
            "owner": text,
            "tags": [text],
        }
        for number, text in enumerate(_HOSTILE.values())
        for state in [STATES[number % 5].replace(" ", "_")]
    ]
    path.write_text(json.dumps(tasks))
    with board(path) as terminal:
        for column in STATES:
            go(terminal, column, 1, of=2)
            terminal.send("enter")
            terminal.wait_for("history")
            terminal.send("escape")
            terminal.wait_for(f"{column} 1/2")
        terminal.send("/", "red")
        terminal.wait_for("red")
        for planted in _PLANTED:
            assert b"\x1b" + planted not in terminal.raw
        painted = terminal.raw.decode(errors="ignore")
        assert not {character for character in painted if 0x80 <= ord(character) < 0xA0}
        assert not {character for character in painted if character in "\u202e\u2066\u2069\x08"}


def test_a_hostile_store_through_the_library_is_as_harmless(tmp_path: Path) -> None:
    path = tmp_path / "hostile.db"
    create_store(str(path))
    store = open_store(str(path))
    for number, text in enumerate(_HOSTILE.values()):
        store.apply([command(f"t-{number}", Action.ADD, actor="planner", title=text, description=text, tags=[text])])
        store.apply([command(f"t-{number}", Action.FAIL, actor=text, note=text)])
    store.close()
    with board(path) as terminal:
        go(terminal, "failed", 1, of=10)
        terminal.send("enter")
        terminal.wait_for("history")
        terminal.send("escape", "L")
        terminal.wait_for("planner")
        for planted in _PLANTED:
            assert b"\x1b" + planted not in terminal.raw


def test_forty_by_twelve_shows_counts_and_three_tasks(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    tasks = [{"id": f"t-{number}", "title": f"Task number {number}", "state": "pending"} for number in range(30)]
    path.write_text(json.dumps(tasks))
    with board(path, columns=40, lines=12) as terminal:
        terminal.wait_for(lambda: sum("Task number" in row for row in terminal.rows()) >= 3)
        terminal.wait_for("○ 30.*◐ 0.*◆ 0.*✓ 0.*✗ 0")
        terminal.send("j")
        terminal.wait_for("pending 2/30")


def test_a_resize_lays_the_board_out_anew(tmp_path: Path) -> None:
    path = made(tmp_path / "tasks.db")
    with board(path, columns=160, lines=40) as terminal:
        assert len(counts(terminal)) == 5
        terminal.resize(40, 12)
        terminal.wait_for(lambda: len(terminal.rows()[0]) <= 40 and len(counts(terminal)) < 5)
        terminal.resize(160, 40)
        terminal.wait_for(lambda: len(counts(terminal)) == 5)


def test_keys_in_one_burst_act_on_the_card_they_lead_to(tmp_path: Path) -> None:
    path = made(tmp_path / "tasks.db")
    with board(path) as terminal:
        terminal.send("3gja")
        terminal.wait_for("t-5 is now completed")
        terminal.send("1gj", "s")
        terminal.wait_for("t-2 is now in progress")
        assert [task(path, f"t-{n}").state for n in (1, 2, 4, 5)] == [
            State.PENDING,
            State.IN_PROGRESS,
            State.REVIEW,
            State.COMPLETED,
        ]


def test_the_cursor_of_the_terminal_is_on_the_selected_card(tmp_path: Path) -> None:
    path = made(tmp_path / "tasks.db")
    with board(path) as terminal:
        go(terminal, "review", 1, of=2)
        row, _ = terminal.find("Document the webhook")
        terminal.wait_for(lambda: abs(terminal.cursor[0] - row) <= 1)


def test_a_board_that_nobody_would_see_is_refused(tmp_path: Path) -> None:
    path, log = made(tmp_path / "tasks.db"), tmp_path / "stderr"
    command = f"exec {shlex.join([*TASKDECK, str(path)])} 2>{shlex.quote(str(log))}"
    with Terminal(["sh", "-c", command]) as terminal:
        assert terminal.exit_code() == 2
    assert "needs a terminal" in log.read_text()


def test_a_board_that_was_left_in_another_order_comes_back_in_it(tmp_path: Path) -> None:
    path = made(tmp_path / "tasks.db")
    with board(path) as terminal:
        terminal.send("o")
        terminal.wait_for("priority order")
        terminal.send("q")
        assert terminal.exit_code() == 0
    with board(path) as terminal:
        terminal.wait_for("t-4")
        terminal.wait_for("priority order")
