"""run: work on a queue from the command line, for a person, for a program and for a process manager."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_stage import add, running, taskdeck, taskdeck_process

from taskdeck_store import StoreError
from taskdeck_tui.app import run_board

HANDLERS = """
import os, time
from taskdeck_store.worker import GiveUp

def execute(task):
    if task.id == "bad":
        raise GiveUp("nobody wants\\tthis\\x1b[31m")
    if task.id == "slow":
        time.sleep(600)
    return {"title": task.title}

class Checked:
    execute = staticmethod(execute)

    def verify(self, task):
        return task.id != "odd" or (False, "it is odd")

class Nothing:
    pass

class Tells:
    def execute(self, task):
        with open("pid", "w") as file:
            file.write(str(os.getpid()))
        time.sleep(600)

class Prints:
    def execute(self, task):
        print("hello")

class Moves:
    def execute(self, task):
        os.chdir("/")
"""


@pytest.fixture(params=["tasks.db", "tasks.json"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "jobs.py").write_text(HANDLERS)
    (tmp_path / "broken.py").write_text("x = 1 / 0\n")
    assert taskdeck("init", request.param).code == 0
    yield request.param
    sys.modules.pop("jobs", None)


def states(store: str) -> dict[str, str]:
    return {task["id"]: task["state"] for task in taskdeck("list", store, "--json").value}


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


def test_it_says_what_becomes_of_each_task_and_the_sum(store: str) -> None:
    add(store, "a", "bad", "odd")
    ran = taskdeck("run", store, "--handlers", "jobs:Checked", "--until-empty", "--backoff", "0")
    assert ran.code == 0
    assert "works on " in ran.err
    lines = ran.out.splitlines()
    assert [line.split()[1] for line in lines[:-1]] == ["completed", "failed", "pending", "pending", "failed"]
    assert lines[1].endswith("bad  Task bad  nobody wants this␛[31m")
    assert lines[2].endswith("odd  Task odd  attempt 1 of 3  it is odd")
    assert lines[-1] == "5 started, 4 submitted, 1 completed, 2 rejected, 2 failed"
    assert states(store) == {"a": "completed", "bad": "failed", "odd": "failed"}


def test_it_says_it_to_programs_as_a_document_a_line(store: str) -> None:
    add(store, "a", "bad")
    ran = taskdeck("run", store, "--handlers", "jobs", "--until-empty", "--json", "--actor", "ann")
    assert (ran.code, ran.err) == (0, "")
    *reports, last = map(json.loads, ran.out.splitlines())
    assert all(list(one) == ["at", "task_id", "action", "state", "attempts", "seconds", "why"] for one in reports)
    told = [(one["task_id"], one["action"], one["state"], one["why"]) for one in reports]
    assert told == [
        ("a", "start", "in_progress", None),
        ("a", "submit", "review", None),
        ("bad", "start", "in_progress", None),
        ("bad", "fail", "failed", "nobody wants\tthis\x1b[31m"),
    ]
    assert last["summary"]["submitted"] == last["summary"]["failed"] == 1
    actors = {event["actor"] for event in taskdeck("log", store, "a", "--after", "2", "--json").value}
    assert actors == {"ann"}
    (task,) = taskdeck("list", store, "state:review", "--json").value
    assert task["owner"] not in ("ann", None)


def test_a_command_of_the_shell_does_the_work(store: str) -> None:
    add(store, "a", "b")
    ran = taskdeck("run", store, "--exec", "echo done $TASKDECK_TASK_ID", "--until-empty", "id:a")
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "1 started, 1 submitted")
    assert taskdeck("show", store, "a", "--json").value["result"] == "done a"
    assert states(store)["b"] == "pending"


def test_processes_of_their_own_do_the_work(store: str) -> None:
    add(store, "a", "b")
    ran = taskdeck_process("run", store, "--handlers", "jobs:Checked", "--processes", "--jobs", "2", "--until-empty")
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "2 started, 2 submitted, 2 completed")


def test_one_task_and_an_empty_queue_end_well(store: str) -> None:
    add(store, "a", "b")
    assert taskdeck("run", store, "--handlers", "jobs", "--once").out.splitlines()[-1] == "1 started, 1 submitted"
    assert sorted(states(store).values()) == ["pending", "review"]
    assert taskdeck("run", store, "--handlers", "jobs", "--once").code == 0
    ran = taskdeck("run", store, "--handlers", "jobs", "--once")
    assert (ran.code, ran.out) == (0, "nothing to do\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "say what does the work: --handlers MODULE:OBJECT, or --exec COMMAND"),
        (
            ["--handlers", "jobs", "--exec", "true"],
            "say what does the work: --handlers MODULE:OBJECT, or --exec COMMAND",
        ),
        (["--handlers", "nowhere"], "--handlers: there is no module nowhere, neither in {folder} nor installed"),
        (["--handlers", "jobs:Nothing"], "--handlers: Nothing has no function execute(task)"),
        (["--handlers", "jobs.py"], "--handlers: jobs.py is a file; name the module, as Python imports it: jobs"),
        (["--handlers", "broken"], "--handlers: broken: ZeroDivisionError: division by zero"),
        (["--exec", "true", "--processes"], "a command has a process of its own anyway; leave out --processes"),
        (["--exec", "true", "--jobs", "0"], "argument --jobs: a number from 1 up is needed, not 0"),
        (
            ["--exec", "true", "--lease", "0"],
            "argument --lease: a number of seconds is needed, above 0 and up to a year, not '0'",
        ),
        (
            ["--exec", "true", "--backoff", "-1"],
            "argument --backoff: a number of seconds is needed, from 0 up to a year, not '-1'",
        ),
        (
            ["--exec", "true", "--grace", "soon"],
            "argument --grace: a number of seconds is needed, above 0 and up to a year, not 'soon'",
        ),
        (["--exec", "true", "priority<x"], None),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_claimed(
    store: str, words: list[str], message: str | None
) -> None:
    add(store, "a")
    ran = taskdeck("run", store, *words, "--until-empty", "--json")
    assert ran.code == 2
    if message is not None:
        assert ran.error["message"].partition("; see:")[0] == message.format(folder=Path.cwd())
    assert states(store) == {"a": "pending"}


def test_a_module_that_does_not_load_says_where(store: str) -> None:
    ran = taskdeck("run", store, "--handlers", "broken")
    assert ran.code == 2
    assert 'broken.py", line 1' in ran.err
    assert "importlib" not in ran.err


def test_a_store_that_cannot_be_written_is_refused(store: str, tmp_path: Path) -> None:
    missing = taskdeck("run", str(tmp_path / "none.db"), "--exec", "true")
    assert missing.code == 1
    if os.geteuid() != 0:
        Path(store).chmod(0o400)
        assert taskdeck("run", store, "--exec", "true").code == 6


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130), (signal.SIGHUP, 0)])
def test_a_signal_ends_it_when_what_is_under_way_is_given_back(store: str, sent: signal.Signals, code: int) -> None:
    add(store, "slow")
    with running("run", store, "--handlers", "jobs", "--grace", "0.2", "--json") as process:
        until(lambda: states(store)["slow"] == "in_progress")
        process.send_signal(sent)
        assert process.wait(30) == code
        assert process.stdout is not None
        last = json.loads(process.stdout.read().splitlines()[-1])
    assert last["summary"]["released"] == 1
    assert states(store)["slow"] == "pending"


def test_a_second_signal_does_not_wait(store: str) -> None:
    add(store, "slow")
    with running("run", store, "--handlers", "jobs", "--grace", "600") as process:
        until(lambda: states(store)["slow"] == "in_progress")
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        said = b""
        while b"stopping" not in said:
            said = process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert states(store)["slow"] == "pending"


@pytest.mark.parametrize("way", ["--exec", "--processes"])
def test_what_a_killed_worker_began_does_not_work_on(store: str, tmp_path: Path, way: str) -> None:
    add(store, "a")
    pid = tmp_path / "pid"
    how = ["--exec", f"echo $$ > {pid}; sleep 600"] if way == "--exec" else ["--handlers", "jobs:Tells", "--processes"]
    with running("run", store, *how) as process:
        until(lambda: pid.exists() and bool(pid.read_text().strip()))
        process.kill()
        process.wait(30)

    def is_gone() -> bool:
        try:
            os.kill(int(pid.read_text()), 0)
        except ProcessLookupError:
            return True
        return Path(f"/proc/{int(pid.read_text())}/stat").read_text().rpartition(")")[2].split()[0] == "Z"

    until(is_gone)


def test_what_handlers_print_is_not_among_the_documents(store: str) -> None:
    add(store, "a")
    ran = taskdeck("run", store, "--handlers", "jobs:Prints", "--until-empty", "--json")
    assert [json.loads(line).get("action") for line in ran.out.splitlines()] == ["start", "submit", None]
    assert "hello" in ran.err


def test_a_handler_may_change_the_folder(store: str) -> None:
    add(store, "a", "b")
    folder = Path.cwd()
    try:
        ran = taskdeck("run", store, "--handlers", "jobs:Moves", "--until-empty")
    finally:
        os.chdir(folder)
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "2 started, 2 submitted")


def test_what_a_killed_worker_had_is_done_by_the_next(store: str) -> None:
    add(store, "slow")
    with running("run", store, "--handlers", "jobs", "--lease", "0.5") as process:
        until(lambda: states(store)["slow"] == "in_progress")
        process.kill()
        process.wait(30)

    def recovered() -> bool:
        ran = taskdeck("run", store, "--exec", "echo well", "--until-empty", "--json", "--backoff", "0")
        summary: dict[str, Any] = json.loads(ran.out.splitlines()[-1])["summary"]
        return bool(summary["recovered"])

    until(recovered)
    task = taskdeck("show", store, "slow", "--json").value
    assert (task["state"], task["result"], task["attempts"]) == ("review", "well", 1)


def test_where_there_is_no_review_work_is_completed_at_once_and_that_is_said(tmp_path: Path) -> None:
    task = {"id": "task-001", "description": "x", "status": "pending", "result": None, "attempts": 0, "metadata": {}}
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps({"tasks": [task]}))
    ran = taskdeck("run", str(path), "--exec", "echo well", "--until-empty")
    assert ran.code == 0
    assert "what is done is completed, and waits for nobody's verdict" in ran.err
    (after,) = json.loads(path.read_text())["tasks"]
    assert (after["status"], after["result"]) == ("completed", "well")
    with pytest.raises(StoreError, match="taskdeck run works on its tasks"):
        run_board(str(path), read_only=False, actor="ann", handlers="jobs")
