"""add: one task from its options, many from lines, all of them or none."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cli_stage import PROGRAM, taskdeck, told

from foreign.files import claude, tagged, task, task_master
from taskdeck_store.clock import plus, utc_now
from taskdeck_store.validity import wrong_id


@pytest.fixture(params=["tasks.db", "tasks.json"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    path = str(tmp_path / request.param)
    assert taskdeck("init", path).code == 0
    return path


def tasks(store: str) -> list[dict[str, Any]]:
    found = taskdeck("list", store, "--json").value
    assert isinstance(found, list)
    return found


def test_a_task_is_added_with_all_it_is_given(store: str) -> None:
    words = ["--id", "t-1", "--priority", "-2", "--tag", "ui", "--tag", "a b", "--data", '{"n": 1}', "--actor", "ann"]
    ran = taskdeck("add", store, "Fix the login", *words, "--json")
    assert ran.code == 0
    (outcome,) = told(ran)
    assert (outcome["task_id"], outcome["action"], outcome["applied"]) == ("t-1", "add", True)
    (task,) = tasks(store)
    assert outcome["task"] == task
    assert {name: task[name] for name in ("id", "title", "state", "priority", "tags", "data")} == {
        "id": "t-1",
        "title": "Fix the login",
        "state": "pending",
        "priority": -2,
        "tags": ["ui", "a b"],
        "data": {"n": 1},
    }
    (event,) = taskdeck("log", store, "--json").value
    assert (event["action"], event["actor"], event["from_state"]) == ("add", "ann", None)


def test_a_task_without_an_id_gets_one_of_its_own(store: str) -> None:
    for _ in range(3):
        assert taskdeck("add", store, "x").code == 0
    ids = {task["id"] for task in tasks(store)}
    assert len(ids) == 3
    assert [wrong_id(task_id) for task_id in ids] == [None] * 3


@pytest.mark.parametrize("kind", ["Task Master", "Claude Code"])
def test_where_ids_are_numbers_a_task_without_one_gets_the_next(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / ".claude" / "tasks" / "a-list"
    store = str(task_master(tmp_path, tagged(task(1), task(4)))) if kind == "Task Master" else str(folder)
    claude(folder, 4)
    assert [one["task_id"] for one in told(taskdeck("add", store, "x", "--json"))] == ["5"]
    if kind == "Task Master":
        ran = taskdeck("add", store, "-", "--json", stdin='"y"\n{"id": "6", "title": "z"}\n"w"\n')
        assert [one["task_id"] for one in told(ran)] == ["7", "6", "8"]
    else:
        (folder / ".highwatermark").write_text("12")
        assert [one["task_id"] for one in told(taskdeck("add", store, "x", "--json"))] == ["13"]


def test_a_task_is_added_for_later(store: str) -> None:
    before = utc_now()
    for task_id, when in (("a", "+2h"), ("b", "2027-02-01 09:00+01:00"), ("c", "tomorrow 9am")):
        assert taskdeck("add", store, "x", "--id", task_id, "--not-before", when).code == 0
    moments = {task["id"]: task["not_before"] for task in tasks(store)}
    assert plus(before, 7_200) <= moments["a"] <= plus(utc_now(), 7_200)
    assert moments["b"] == "2027-02-01T08:00:00.000000Z"
    assert moments["c"].endswith("T09:00:00.000000Z")
    assert taskdeck("add", store, "-", stdin='{"title": "x", "id": "d", "not_before": "2027-02-01"}').code == 0
    assert taskdeck("show", store, "d", "--json").value["not_before"] == "2027-02-01T00:00:00.000000Z"


def test_a_task_is_added_that_depends_on_others(store: str) -> None:
    lines = '{"id": "a", "title": "A"}\n{"id": "b", "title": "B", "depends_on": ["a"]}'
    assert taskdeck("add", store, "-", stdin=lines).code == 0
    assert taskdeck("add", store, "C", "--id", "c", "--depends-on", "a", "--depends-on", "b").code == 0
    assert {task["id"]: (task["depends_on"], task["blocked"]) for task in tasks(store)} == {
        "a": ([], 0),
        "b": (["a"], 1),
        "c": (["a", "b"], 2),
    }
    refused = taskdeck("start", store, "c", "--json")
    assert (refused.code, refused.error["message"]) == (
        4,
        "cannot start c: it depends on a, b, to be completed first",
    )
    wrong = taskdeck("add", store, "-", "--json", stdin='{"id": "e", "title": "E", "depends_on": ["f"]}\n"fine"')
    assert (wrong.code, wrong.error["line"]) == (2, 1)
    assert wrong.error["message"].endswith("there is no task f to depend on; add it first; nothing was added")


def test_what_is_no_moment_is_refused(store: str) -> None:
    ran = taskdeck("add", store, "x", "--not-before", "soon", "--json")
    assert ran.code == 2
    assert ran.error["message"].startswith("--not-before: 'soon' is no moment; understood are ")
    assert taskdeck("add", store, "-", "--not-before", "+2h", stdin='"x"').code == 2
    assert tasks(store) == []


def test_the_id_is_what_a_person_is_told(store: str) -> None:
    ran = taskdeck("add", store, "x")
    assert ran.out == f"{tasks(store)[0]['id']}  ○ pending\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["x", "--id", "a/b"], "'/'"),
        (["x", "--id", ""], "empty"),
        ([" "], "a title cannot be empty"),
        (["x" * 2_001], "at most 2,000"),
        (["x", "--priority", str(10**10)], "priority"),
    ],
)
def test_what_no_task_can_be_is_refused(store: str, words: list[str], said: str) -> None:
    ran = taskdeck("add", store, *words, "--json")
    assert ran.code == 2
    assert ran.error["code"] == "invalid"
    assert said in ran.error["message"]
    assert tasks(store) == []


def test_an_id_that_is_taken_is_refused(store: str) -> None:
    assert taskdeck("add", store, "x", "--id", "a").code == 0
    ran = taskdeck("add", store, "y", "--id", "a", "--json")
    assert ran.code == 2
    assert "already exists" in ran.error["message"]
    assert [task["title"] for task in tasks(store)] == ["x"]


def test_lines_from_stdin_are_added_in_one_commit(store: str) -> None:
    rows = [
        {"id": "a", "title": "A", "description": "d", "priority": 1, "tags": ["x"], "data": [1], "max_attempts": 9},
        "just a title",
        {"title": "Größe\nzwei"},
    ]
    text = "\n\n".join(json.dumps(row, ensure_ascii=number == 1) for number, row in enumerate(rows)) + "\n \n"
    ran = taskdeck("add", store, "-", "--json", stdin=text)
    assert ran.code == 0
    outcomes = told(ran)
    assert [outcome["task"]["title"] for outcome in outcomes] == ["A", "just a title", "Größe\nzwei"]
    assert len({outcome["event"]["group"] for outcome in outcomes}) == 1
    first = outcomes[0]["task"]
    assert {name: first[name] for name in rows[0]} == rows[0]
    assert {task["id"] for task in tasks(store)} == {outcome["task_id"] for outcome in outcomes}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"title": "x"', "line 3: "),
        ("{'title': 'x'}", "line 3: "),
        ("42", "an object with a title, or a title alone"),
        ('["x"]', "an object with a title, or a title alone"),
        ("null", "an object with a title, or a title alone"),
        ("{}", "a title is required"),
        ('""', "a title cannot be empty"),
        ('{"title": 5}', "a title must be text, not 5"),
        ('{"title": "x", "state": "failed"}', "there is no field 'state' to add"),
        ('{"title": "x", "id": 7}', "an id must be text, not 7"),
        ('{"title": "x", "id": null}', "an id must be text"),
        ('{"title": "x", "id": "a b"}', "' '"),
        ('{"title": "x", "id": "ok"}', "the id ok is that of line 1 too"),
        ('{"title": "x", "tags": "ui"}', "tags must be a list of texts"),
        ('{"title": "x", "tags": [1]}', "tags must be a list of texts"),
        ('{"title": "x", "priority": "high"}', "priority must be a whole number"),
        ('{"title": "x", "priority": true}', "priority must be a whole number"),
        ('{"title": "x", "priority": ' + "9" * 50 + "}", "priority must lie between"),
        ('{"title": "x", "priority": ' + "9" * 5_000 + "}", "line 3: "),
        ('{"title": "x", "max_attempts": -1}', "max_attempts must lie between"),
        ('{"title": "x", "description": null}', "description must be text"),
        ('{"title": "x", "not_before": "soon"}', "not_before must be a moment in UTC"),
        ('{"title": "x", "data": NaN}', "NaN is not JSON"),
        ('{"title": "x", "data": 1e999}', "too large"),
        ('{"title": "x", "data": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
        ('{"title": "' + "x" * 10_000_000 + '"}', "a title has at most 2,000 characters, this one 10,000,000"),
        (b'{"title": "\xe9"}', "line 3: "),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_line_is_named_and_nothing_is_added(line: str | bytes, said: str, store: str) -> None:
    wrong = line.encode() if isinstance(line, str) else line
    stdin = b'{"id": "ok", "title": "fine"}\n"fine too"\n' + wrong + b'\n"never read"\n'
    ran = taskdeck("add", store, "-", "--json", stdin=stdin)
    assert (ran.code, ran.out) == (2, "")
    assert ran.error["message"].startswith("line 3: ")
    assert said in ran.error["message"]
    assert "nothing was added" in ran.error["message"]
    assert ran.error["line"] == 3
    assert len(ran.err) < 1_000
    assert tasks(store) == []
    assert taskdeck("log", store, "--json").value == []


def test_a_line_whose_id_is_taken_is_named_and_nothing_is_added(store: str) -> None:
    assert taskdeck("add", store, "x", "--id", "a").code == 0
    ran = taskdeck("add", store, "-", "--json", stdin='"fine"\n{"id": "a", "title": "y"}\n')
    assert (ran.code, ran.out) == (2, "")
    assert ran.error["message"].startswith("line 2: a already exists")
    assert ran.error["line"] == 2
    assert len(tasks(store)) == 1


def test_no_lines_add_nothing(store: str) -> None:
    for stdin in ("", "\n  \n"):
        assert taskdeck("add", store, "-", "--json", stdin=stdin).value == []
    assert tasks(store) == []


def test_data_of_any_json_comes_back_as_it_went_in(store: str) -> None:
    data = {"big": 10**50, "deep": [[[[]]]], "text": "\x00\x1b\u2028é🎉", "half": "\ud800", "number": -0.5, "": None}
    assert taskdeck("add", store, "x", "--id", "a", "--data", json.dumps(data)).code == 0
    assert taskdeck("show", store, "a", "--json").value["data"] == data


def test_writers_at_once_lose_nothing(store: str) -> None:
    writers = [
        subprocess.Popen([*PROGRAM, "add", store, f"task {n}", "--id", f"t-{n}"], stdout=subprocess.DEVNULL)
        for n in range(8)
    ]
    assert [writer.wait(120) for writer in writers] == [0] * 8
    assert len(tasks(store)) == 8
