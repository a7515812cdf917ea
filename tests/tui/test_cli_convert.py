"""The command that makes one store of another, and what it tells of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_stage import taskdeck


@pytest.fixture
def source(tmp_path: Path) -> str:
    path = tmp_path / "tasks.json"
    tasks = [{"id": "a", "title": "A", "state": "pending", "team": "x"}, {"id": "b", "title": "B", "state": "failed"}]
    path.write_text(json.dumps(tasks))
    return str(path)


def test_what_was_put_where_and_what_did_not_fit_is_told(source: str, tmp_path: Path) -> None:
    made = str(tmp_path / "made.db")
    dry = taskdeck("convert", source, made, "--dry-run")
    assert dry.code == 0
    assert dry.out.startswith(f"would put 2 tasks and 3 events into {made} (SQLite)\n")
    assert not Path(made).exists()
    ran = taskdeck("convert", source, made, "--actor", "ann")
    assert ran.code == 0
    assert ran.out == (
        f"put 2 tasks and 3 events into {made} (SQLite)\nSQLite does not hold all that they said:\n  team: of 1 tasks\n"
    )
    assert "ann" in taskdeck("log", made).out
    again = taskdeck("convert", source, made)
    assert (again.code, "exists already; nothing was changed" in again.err) == (1, True)


def test_what_was_not_done_is_told_and_is_no_success(source: str, tmp_path: Path) -> None:
    there = str(tmp_path / "there.db")
    taskdeck("init", there)
    taskdeck("add", there, "mine", "--id", "b")
    ran = taskdeck("convert", source, there, "--into", "--json")
    assert ran.code == 4
    told = json.loads(ran.out)
    assert (told["tasks"], told["refused"]) == (1, {"b": "b is there already; it was left as it is"})
    assert (told["kind"], told["unkept"], told["dry"], told["problem"]) == ("SQLite", {"team": 1}, False, None)
    people = taskdeck("convert", source, there, "--into").out
    assert "not done, or not to the end, for 2 tasks:" in people


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["gone.json", "new.db"], 1, "there is no gone.json"),
        (["{source}", "no/folder.db"], 1, "there is no folder no"),
        (["{source}"], 2, "TARGET"),
        (["{source}", "gone.db", "--into"], 1, "there is no gone.db"),
    ],
)
def test_what_cannot_be_is_refused(source: str, words: list[str], code: int, said: str) -> None:
    ran = taskdeck("convert", *(word.format(source=source) for word in words))
    assert (ran.code, said in ran.err) == (code, True), ran.err
