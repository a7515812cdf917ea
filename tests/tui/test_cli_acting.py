"""The actions from the command line: their outcomes, and the exit codes that scripts rely on."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from cli_stage import EVENT_FIELDS, PROGRAM, TASK_FIELDS, add, commit_and_die, taskdeck, taskdeck_process, told

from taskdeck_store import open_store
from taskdeck_store.contract import Outcome, Store
from taskdeck_store.machine import RULES, Command, command
from taskdeck_store.values import Action, State
from taskdeck_tui.cli import acting
from taskdeck_tui.cli.main import main
from taskdeck_tui.cli.parser import MOVES

PATH_TO = {
    State.PENDING: (),
    State.IN_PROGRESS: (Action.START,),
    State.REVIEW: (Action.START, Action.SUBMIT),
    State.COMPLETED: (Action.START, Action.SUBMIT, Action.APPROVE),
    State.FAILED: (Action.FAIL,),
}


@pytest.fixture(params=["tasks.db", "tasks.json"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    path = str(tmp_path / request.param)
    assert taskdeck("init", path).code == 0
    add(path, "a", "b", "c")
    return path


def move(store: str, task_id: str, state: State) -> None:
    for action in PATH_TO[state]:
        assert taskdeck(action, store, task_id).code == 0


def task(store: str, task_id: str) -> dict[str, Any]:
    found = taskdeck("show", store, task_id, "--json").value
    assert isinstance(found, dict)
    return found


def events(store: str, task_id: str) -> list[dict[str, Any]]:
    found = taskdeck("log", store, task_id, "--json").value
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("action", MOVES)
@pytest.mark.parametrize("state", State)
def test_every_action_does_what_the_table_says(action: Action, state: State, tmp_path: Path) -> None:
    store = str(tmp_path / "tasks.db")
    taskdeck("init", store)
    taskdeck("add", store, "x", "--id", "a")
    move(store, "a", state)
    before = task(store, "a")
    ran = taskdeck(action, store, "a", "--note", "because", "--actor", "ann", "--json")
    (outcome,) = told(ran)
    assert (outcome["task_id"], outcome["action"], outcome["repeated"]) == ("a", action, False)
    rule = RULES[action]
    if state not in rule.sources:
        assert ran.code == 4
        assert outcome["applied"] is False
        assert outcome["event"] is None
        assert outcome["task"] == before == task(store, "a")
        assert outcome["refusal"]["code"] == "illegal"
        assert ran.error == {"code": "illegal", "message": outcome["refusal"]["message"], "task_id": "a"}
        return
    assert ran.code == 0
    assert ran.err == ""
    assert outcome["applied"] is True
    assert outcome["refusal"] is None
    assert list(outcome["task"]) == TASK_FIELDS
    assert outcome["task"] == task(store, "a")
    assert outcome["task"]["state"] == rule.target
    assert outcome["task"]["attempts"] == before["attempts"] + rule.again
    event = outcome["event"]
    assert list(event) == EVENT_FIELDS
    assert event == events(store, "a")[-1]
    assert (event["action"], event["actor"], event["note"]) == (action, "ann", "because")
    assert (event["from_state"], event["to_state"]) == (state, rule.target)


def test_a_person_reads_one_line_an_outcome(store: str) -> None:
    ran = taskdeck("start", store, "a")
    assert (ran.code, ran.out, ran.err) == (0, "a  ○ pending → ◐ in progress\n", "")
    ran = taskdeck("approve", store, "a")
    assert (ran.code, ran.out) == (4, "")
    assert ran.err.startswith("taskdeck: cannot approve a: it is in progress, and approve takes a task in review; ")
    assert ran.err.count("\n") == 1


def test_several_are_all_tried_and_the_first_failure_gives_the_code(store: str) -> None:
    taskdeck("start", store, "b")
    ran = taskdeck("start", store, "a", "zz", "b", "c", "--json")
    assert ran.code == 3
    outcomes = told(ran)
    assert [outcome["task_id"] for outcome in outcomes] == ["a", "zz", "b", "c"]
    assert [outcome["applied"] for outcome in outcomes] == [True, False, False, True]
    assert [(outcome["refusal"] or {}).get("code") for outcome in outcomes] == [None, "not_found", "illegal", None]
    assert ran.error["code"] == "not_found"
    assert ran.error["task_id"] == "zz"
    assert {task(store, each)["state"] for each in "abc"} == {"in_progress"}
    groups = {outcome["event"]["group"] for outcome in outcomes if outcome["event"]}
    assert len(groups) == 1
    assert None not in groups
    ran = taskdeck("start", store, "b", "zz")
    assert ran.code == 4
    assert len(ran.err.splitlines()) == 2


def test_a_task_named_twice_moves_once(store: str) -> None:
    ran = taskdeck("start", store, "a", "a", "--json")
    assert ran.code == 4
    assert [outcome["applied"] for outcome in told(ran)] == [True, False]
    assert len(events(store, "a")) == 2


def test_a_version_that_is_not_the_task_s_is_a_conflict(store: str) -> None:
    seen = task(store, "a")["version"]
    assert taskdeck("start", store, "a", "--expect", seen).code == 0
    ran = taskdeck("fail", store, "a", "--expect", seen, "--json")
    assert ran.code == 5
    (outcome,) = told(ran)
    assert outcome["refusal"]["code"] == ran.error["code"] == "conflict"
    assert outcome["task"] == task(store, "a")
    assert outcome["task"]["state"] == "in_progress"
    assert taskdeck("step", store, "a", "--expect", seen).code == 5
    assert len(events(store, "a")) == 2


def test_a_reason_that_is_needed_must_be_given(store: str) -> None:
    move(store, "a", State.REVIEW)
    for words in ([], ["--note", ""], ["--note", " \n"]):
        assert taskdeck("reject", store, "a", *words).code == 2
    assert task(store, "a")["state"] == "review"
    assert taskdeck("reject", store, "a", "--note", "no tests").code == 0
    assert events(store, "a")[-1]["note"] == "no tests"


def test_submit_hands_in_a_result(store: str) -> None:
    for task_id, words, result in (
        ("a", ["--result", '{"n": [1, 2.5, null, "é"]}'], {"n": [1, 2.5, None, "é"]}),
        ("b", ["--result", "null"], None),
        ("c", [], None),
    ):
        move(store, task_id, State.IN_PROGRESS)
        assert taskdeck("submit", store, task_id, *words).code == 0
        assert task(store, task_id)["result"] == result


def test_fail_takes_its_error_from_the_note(store: str) -> None:
    taskdeck("fail", store, "a", "--note", "no disk left")
    assert task(store, "a")["error"] == "no disk left"


def test_step_goes_forward_until_the_end(store: str) -> None:
    for state, action in (("in_progress", "start"), ("review", "submit"), ("completed", "approve")):
        ran = taskdeck("step", store, "a", "--json")
        assert ran.code == 0
        (outcome,) = told(ran)
        assert outcome["action"] == action
        assert outcome["task"]["state"] == state
    for task_id, said in (("a", "completed is final"), ("b", "from failed one can retry")):
        if task_id == "b":
            taskdeck("fail", store, "b")
        ran = taskdeck("step", store, task_id, "--json")
        assert ran.code == 4
        (outcome,) = told(ran)
        assert (outcome["action"], outcome["applied"]) == ("step", False)
        assert said in ran.error["message"]
        assert outcome["task"] == task(store, task_id)


def test_step_of_several_takes_each_from_where_it_stands(store: str) -> None:
    move(store, "b", State.REVIEW)
    ran = taskdeck("step", store, "zz", "b", "a", "--json")
    assert ran.code == 3
    assert [outcome["action"] for outcome in told(ran)] == ["step", "approve", "start"]
    assert (task(store, "a")["state"], task(store, "b")["state"]) == ("in_progress", "completed")


def test_a_task_that_moves_while_it_is_stepped_does_not_step_twice(
    store: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Overtaken:
        """The store, in which another program starts the task just before our commit."""

        mended = ()

        def __init__(self, inner: Store) -> None:
            self.get, self.close, self.limits = inner.get, inner.close, inner.limits
            self.inner = inner

        def apply(self, commands: Sequence[Command]) -> Sequence[Outcome]:
            other = open_store(store)
            other.apply([command("a", Action.START, actor="other")])
            other.close()
            return self.inner.apply(commands)

    monkeypatch.setattr(acting, "open_store", lambda address: Overtaken(open_store(address)))
    assert main(["step", store, "a"]) == 5
    assert task(store, "a")["owner"] == "other"
    assert [event["action"] for event in events(store, "a")] == ["add", "start"]


@pytest.mark.parametrize(
    ("words", "env", "actor"),
    [
        (["--actor", "ann"], {"TASKDECK_ACTOR": "bob"}, "ann"),
        ([], {"TASKDECK_ACTOR": "bob"}, "bob"),
        ([], {}, getpass.getuser()),
        ([], {"TASKDECK_ACTOR": ""}, getpass.getuser()),
        (["--actor", " a\x1b[31m\u202eb\n "], {}, "a␛[31m\ufffdb"),
    ],
)
def test_the_actor_is_who_one_says_or_the_login_name(
    words: list[str], env: dict[str, str], actor: str, tmp_path: Path
) -> None:
    store = str(tmp_path / "tasks.db")
    taskdeck("init", store)
    add(store, "a")
    assert taskdeck("start", store, "a", *words, env=env).code == 0
    assert task(store, "a")["owner"] == actor
    assert events(store, "a")[-1]["actor"] == actor


@pytest.mark.parametrize("name", ["", "  ", "external", "external:ann", "x" * 101])
def test_a_name_no_actor_can_have_is_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["start", str(tmp_path / "none.db"), "a", "--actor", name]) == 2
    assert "--actor" in capsys.readouterr().err


@pytest.fixture
def unwritable(store: str) -> Iterator[str]:
    """A store that may be read and not written."""
    folder = Path(tempfile.mkdtemp(prefix="taskdeck-read-only-"))
    for file in Path(store).parent.iterdir():
        shutil.copy(file, folder / file.name)
        (folder / file.name).chmod(0o444)
    folder.chmod(0o555)
    yield str(folder / Path(store).name)
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.skipif(sys.platform != "linux" and os.geteuid() == 0, reason="root may write everything")
def test_a_store_that_may_not_be_written_is_exit_6(unwritable: str) -> None:
    folder = Path(unwritable).parent
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    for words in (["start", unwritable, "a"], ["step", unwritable, "a"], ["add", unwritable, "x"]):
        ran = taskdeck_process(*words, "--actor", "ann", "--json", humble=True)
        assert ran.code == 6, ran
        assert ran.error["code"] == "read_only"
    ran = taskdeck_process("list", unwritable, "--json", humble=True)
    assert [task["id"] for task in ran.value] == ["a", "b", "c"]
    assert len(taskdeck_process("log", unwritable, "--json", humble=True).value) == 3
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_many_processes_that_step_one_task_step_it_once_each_or_say_so(store: str) -> None:
    racers = [
        subprocess.Popen([*PROGRAM, "step", store, "a", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    told_by_all = [(json.loads(racer.communicate(timeout=120)[0])[0], racer.returncode) for racer in racers]
    assert {code for _, code in told_by_all} <= {0, 4, 5}
    applied = sorted(outcome["event"]["seq"] for outcome, _ in told_by_all if outcome["applied"])
    assert applied == [event["seq"] for event in events(store, "a")[1:]]
    assert [outcome["applied"] for outcome, code in told_by_all if code == 0] == [True] * len(applied)


@pytest.mark.parametrize(
    "words",
    [("start", "b"), ("step", "b"), ("release", "--overdue"), ("add", "New"), ("log",)],
    ids=lambda words: words[0],
)
def test_who_mends_what_a_killed_program_left_says_so_once(store: str, words: Sequence[str]) -> None:
    left = commit_and_die(store, "a")
    mending = taskdeck(words[0], store, *words[1:])
    assert mending.code == 0
    assert mending.err.startswith(f"taskdeck: mended: {left}")
    assert mending.err.count("\n") == 1
    assert task(store, "a")["state"] == "in_progress"
    assert taskdeck("show", store, "a").err == ""


def test_programs_are_told_of_mending_beside_the_outcomes(store: str) -> None:
    left = commit_and_die(store, "a")
    mending = taskdeck("start", store, "b", "--json")
    assert [outcome["applied"] for outcome in told(mending)] == [True]
    (sentence,) = json.loads(mending.err)["mended"]
    assert sentence.startswith(left)
