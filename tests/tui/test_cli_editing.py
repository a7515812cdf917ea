"""edit: what tasks say is changed, on record; what is not given stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli_stage import taskdeck, told


@pytest.fixture(params=["tasks.db", "tasks.json"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    path = str(tmp_path / request.param)
    assert taskdeck("init", path).code == 0
    for task_id in "abc":
        assert taskdeck("add", path, task_id.upper(), "--id", task_id, "--tag", "x", "--data", "1").code == 0
    return path


def shown(store: str, task_id: str) -> dict[str, Any]:
    found = taskdeck("show", store, task_id, "--json").value
    assert isinstance(found, dict)
    return found


def test_what_is_given_is_changed_and_the_rest_stays(store: str) -> None:
    words = ["--title", "Other", "--description", "more", "--priority", "2", "--max-attempts", "7", "--depends-on", "b"]
    ran = taskdeck("edit", store, "a", *words, "--note", "as agreed", "--actor", "ann", "--json")
    (outcome,) = told(ran)
    assert outcome["task"] == shown(store, "a")
    event = outcome["event"]
    assert (event["action"], event["actor"], event["note"]) == ("edit", "ann", "as agreed")
    assert event["changes"] == {
        "title": ["A", "Other"],
        "description": ["", "more"],
        "priority": [5, 2],
        "max_attempts": [3, 7],
        "depends_on": [[], ["b"]],
    }
    assert (outcome["task"]["tags"], outcome["task"]["data"]) == (["x"], 1)


def test_lists_moments_and_data_can_be_emptied(store: str) -> None:
    assert taskdeck("edit", store, "a", "--depends-on", "b", "--not-before", "+2h").code == 0
    before = shown(store, "a")
    assert (before["depends_on"], before["not_before"] is None) == (["b"], False)
    emptied = ["--tag", "", "--depends-on", "", "--not-before", "", "--data", "null", "--description", ""]
    assert taskdeck("edit", store, "a", *emptied).code == 0
    after = shown(store, "a")
    assert (after["tags"], after["depends_on"], after["not_before"], after["data"]) == ([], [], None, None)


def test_several_are_changed_in_one_commit(store: str) -> None:
    events = told(taskdeck("edit", store, "a", "b", "--tag", "y", "--tag", "z", "--json"))
    assert [shown(store, task_id)["tags"] for task_id in "abc"] == [["y", "z"], ["y", "z"], ["x"]]
    assert events[0]["event"]["group"] == events[1]["event"]["group"] is not None


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "nothing to change was given"),
        (["--title", ""], 2, "a title cannot be empty"),
        (["--depends-on", "gone"], 2, "there is no task gone to depend on"),
        (["--depends-on", "a"], 2, "it would wait for itself, by a → a"),
        (["--not-before", "soon"], 2, "is no moment"),
        (["--tag", "y", "--expect", "0"], 5, "changed meanwhile"),
    ],
)
def test_what_cannot_be_is_refused(store: str, words: list[str], code: int, said: str) -> None:
    before = shown(store, "a")
    ran = taskdeck("edit", store, "a", *words, "--json")
    assert ran.code == code
    assert said in ran.error["message"]
    assert shown(store, "a") == before


def test_a_task_that_is_not_there_is_said(store: str) -> None:
    assert taskdeck("edit", store, "gone", "--tag", "y").code == 3
