"""replay STORE: the board or a task as it was, and the events between two moments."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from cli_stage import EVENT_FIELDS, TASK_FIELDS, on_terminal, taskdeck, taskdeck_process

from taskdeck_store import Action, command, create_store, open_store
from taskdeck_store.clock import plus

BEGIN = "2026-01-31T09:00:00.000000Z"


class Clock:
    """Ten minutes go by between two commits."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> str:
        self.now = plus(self.now, 600)
        return self.now


@pytest.fixture(params=["tasks.db", "tasks.json"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Five events, at 09:10, 09:20, … of two tasks."""
    path = str(tmp_path / request.param)
    create_store(path)
    with closing(open_store(path, now=Clock())) as handle:
        for task_id, action, fields in (
            ("a", Action.ADD, {"title": "first", "priority": 3}),
            ("b", Action.ADD, {"title": "second"}),
            ("a", Action.START, {}),
            ("a", Action.FAIL, {"note": "no disk"}),
            ("b", Action.EDIT, {"title": "second, anew"}),
        ):
            (outcome,) = handle.apply([command(task_id, action, actor="ann", **fields)])
            assert outcome.event is not None
    return path


def board(store: str, at: str) -> list[tuple[str, str, str]]:
    """Return id, state and title of each task as it was."""
    return [
        (task["id"], task["state"], task["title"]) for task in taskdeck("replay", store, "--at", at, "--json").value
    ]


def test_the_board_is_told_as_it_was_after_each_event(store: str) -> None:
    boards = [
        [],
        [("a", "pending", "first")],
        [("a", "pending", "first"), ("b", "pending", "second")],
        [("b", "pending", "second"), ("a", "in_progress", "first")],
        [("b", "pending", "second"), ("a", "failed", "first")],
        [("b", "pending", "second, anew"), ("a", "failed", "first")],
    ]
    assert [board(store, str(seq)) for seq in range(6)] == boards
    assert board(store, "#3") == boards[3]


def test_the_last_board_is_the_store(store: str) -> None:
    assert taskdeck("replay", store, "--at", "now", "--json").value == taskdeck("list", store, "--json").value


@pytest.mark.parametrize(
    ("moment", "seq"),
    [
        ("2026-01-31 09:09:59", 0),
        ("2026-01-31 09:10", 1),
        ("2026-01-31T09:45:00+00:00", 4),
        ("2026-01-30", 0),
        ("now", 5),
        (" -1s", 5),
    ],
)
def test_a_moment_is_a_time_too(store: str, moment: str, seq: int) -> None:
    assert board(store, moment) == board(store, str(seq))


def test_one_task_is_told_as_it_was(store: str) -> None:
    task = taskdeck("replay", store, "b", "--at", "4", "--json").value
    assert list(task) == TASK_FIELDS
    assert (task["title"], task["version"]) == ("second", "2")
    assert "second, anew" not in taskdeck("replay", store, "b", "--at", "4").out
    assert "second, anew" in taskdeck("replay", store, "b", "--at", "5").out


def test_a_task_that_was_not_there_yet_is_an_error_of_its_own(store: str) -> None:
    ran = taskdeck("replay", store, "b", "--at", "1")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err == "taskdeck: there was no task b in this store after event 1, 2026-01-31 09:10:00Z\n"
    assert taskdeck("replay", store, "b", "--at", "0", "--json").code == 3


def test_an_empty_span_and_a_task_that_is_none_are_said(store: str) -> None:
    backwards = taskdeck("replay", store, "--from", "5", "--to", "2")
    assert (backwards.code, backwards.out) == (2, "")
    assert "the span is empty: --from 5 is not before --to 2" in backwards.err
    assert taskdeck("replay", store, "nobody", "--from", "1").code == 3
    assert taskdeck("replay", store, "--at", "\u0661").code == 2
    assert "the log ends with event 5" in taskdeck("replay", store, "--at", "6").err
    assert taskdeck("replay", store, "--from", "-1h", "--to", "-2h").code == 2
    assert taskdeck("replay", store, "--from", "2030-01-02", "--to", "2030-01-01").code == 2


@pytest.mark.parametrize(
    ("words", "seqs"),
    [
        (["--from", "2", "--to", "4"], [2, 3, 4]),
        (["--from", "4"], [4, 5]),
        (["--to", "2"], [1, 2]),
        (["--from", "2026-01-31 09:20", "--to", "2026-01-31 09:40"], [2, 3, 4]),
        (["--from", "2026-01-31 09:20:01"], [3, 4, 5]),
        (["a", "--from", "2"], [3, 4]),
        (["--to", "0"], []),
    ],
)
def test_the_events_between_are_those_of_the_log(store: str, words: list[str], seqs: list[int]) -> None:
    events = taskdeck("replay", store, *words, "--json").value
    log = taskdeck("log", store, "--json").value
    assert events == [event for event in log if event["seq"] in seqs]
    assert all(list(event) == EVENT_FIELDS for event in events)
    lines = taskdeck("replay", store, *words).out.splitlines()
    assert [int(line.split()[0]) for line in lines] == seqs


def test_a_terminal_is_told_which_moment_it_sees(store: str) -> None:
    code, screen = on_terminal("replay", store, "--at", "4", columns=80)
    assert code == 0
    assert "as it was after event 4, 2026-01-31 09:40:00Z" in screen
    assert "0s" in screen.splitlines()[-1]
    code, screen = on_terminal("replay", store, "--at", "0", columns=80)
    assert "as it was before the first event" in screen
    assert "no tasks" in screen


@pytest.mark.parametrize("words", [[], ["--at", "now"]])
def test_a_store_without_a_log_has_no_past(tmp_path: Path, words: list[str]) -> None:
    path = tmp_path / "tasks.json"
    path.write_text('[{"id": "t-1", "title": "x", "state": "pending"}]')
    ran = taskdeck("replay", str(path), *words)
    assert (ran.code, ran.out) == (1, "")
    assert "there is no past to go to: " in ran.err
    assert not path.with_name("tasks.audit.jsonl").exists()


def test_without_a_terminal_the_past_cannot_be_opened(store: str) -> None:
    ran = taskdeck_process("replay", store)
    assert (ran.code, ran.out) == (2, "")
    assert "for scripts: taskdeck replay STORE --at WHEN" in ran.err


@pytest.mark.parametrize("option", ["--at", "--from", "--to"])
def test_what_is_no_moment_is_a_usage_error(store: str, option: str) -> None:
    ran = taskdeck("replay", store, option, "teatime")
    assert (ran.code, ran.out) == (2, "")
    assert f"{option}: 'teatime' is no moment" in ran.err
    assert "or the number of an event" in ran.err


def test_what_is_not_on_record_is_said_and_not_made_up(tmp_path: Path) -> None:
    path = str(tmp_path / "tasks.db")
    create_store(path)
    with closing(open_store(path)) as handle:
        for task_id in ("a", "b"):
            handle.apply([command(task_id, Action.ADD, actor="ann", title=task_id)])
            handle.apply([command(task_id, Action.START, actor="ann")])
    with closing(sqlite3.connect(path)) as forger:
        rules = forger.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for name, _ in rules:
            forger.execute(f"DROP TRIGGER {name}")
        forger.execute("DELETE FROM events WHERE seq = 3")
        for _, rule in rules:
            forger.execute(rule)
        forger.commit()
    ran = taskdeck_process("replay", path, "--at", "2")
    assert [line.split()[3] for line in ran.out.splitlines()] == ["a"]
    assert ran.err == "taskdeck: 1 task was there too, of which nothing is on record yet\n"
    missing = "taskdeck: events are missing in the log: 3\n"
    headless = "of these tasks the beginning is not on record, nor what no later event tells: b"
    assert taskdeck_process("replay", path, "--at", "4").err == f"{missing}taskdeck: {headless}\n"
    assert taskdeck_process("replay", path, "b", "--at", "4").err == f"{missing}taskdeck: {headless}\n"
    assert taskdeck_process("replay", path, "--from", "2").err == missing
    in_doubt = '{"in_doubt":"events are missing in the log: 3"}\n'
    assert taskdeck_process("log", path, "--json").err == in_doubt
    assert taskdeck_process("log", path, "--after", "3").err == ""
    torn = "events of b are missing in the log: what is told does not lead to event 4"
    assert taskdeck_process("log", path, "b").err == f"taskdeck: {torn}\n"
    assert taskdeck_process("log", path, "b", "--after", "3").err == ""
    assert taskdeck_process("log", path, "a").err == ""
    assert taskdeck_process("log", path, "--after", "2").err == missing
