"""pause and resume: workers claim nothing of it meanwhile, and it is on record."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_stage import taskdeck, told


@pytest.fixture(params=["tasks.db", "tasks.json"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    path = str(tmp_path / request.param)
    assert taskdeck("init", path).code == 0
    assert taskdeck("add", path, "A", "--id", "a", "--tag", "api").code == 0
    return path


def worked(store: str) -> str:
    return taskdeck("run", store, "--exec", "cat", "--until-empty", "--backoff", "0").out


def test_workers_do_nothing_while_the_queue_is_paused(store: str) -> None:
    assert taskdeck("pause", store, "--note", "deploy").out == "paused everything: deploy\n"
    ran = taskdeck("run", store, "--exec", "cat", "--until-empty")
    assert (ran.code, ran.out) == (0, "nothing to do\n")
    assert "everything is paused, by" in ran.err
    assert taskdeck("resume", store).out == "resumed everything\n"
    assert "1 started, 1 submitted" in worked(store)


def test_a_query_chooses_what_is_paused(store: str) -> None:
    assert taskdeck("add", store, "B", "--id", "b").code == 0
    assert taskdeck("pause", store, "tag:api", "--note", "broken").code == 0
    assert "1 started" in worked(store)
    (outcome,) = told(taskdeck("resume", store, "tag:api", "--note", "mended", "--actor", "ann", "--json"))
    assert (outcome["task_id"], outcome["action"], outcome["applied"]) == ("", "resume", True)
    assert (outcome["event"]["actor"], outcome["event"]["note"]) == ("ann", "mended")
    assert "1 started" in worked(store)


def test_every_pause_is_ended_at_once(store: str) -> None:
    for query in ("tag:api", "tag:none"):
        assert taskdeck("pause", store, query, "--note", "x").code == 0
    assert taskdeck("resume", store, "--all").out == "resumed tag:api\nresumed tag:none\n"
    assert taskdeck("resume", store, "--all").out == "nothing is paused\n"


def test_it_is_on_record(store: str) -> None:
    assert taskdeck("pause", store, "tag:api", "--note", "deploy", "--actor", "ann").code == 0
    line = taskdeck("log", store).out.splitlines()[-1]
    assert line.split()[3:] == ["ann", "pause", "queue", "paused", "tag:api", "deploy"]
    assert taskdeck("verify", store).code == 0
    assert taskdeck("list", store).out.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["pause"], 2, "a pause needs a reason"),
        (["pause", "tag:", "--note", "x"], 2, "tag needs a value here"),
        (["pause", "state:review", "--note", "x"], 2, "no pending task matches"),
        (["resume"], 4, "the queue as a whole is not paused; nothing is"),
        (["resume", "tag:x", "--all"], 2, "--all ends every pause"),
    ],
)
def test_what_cannot_be_is_refused(store: str, words: list[str], code: int, said: str) -> None:
    name, *rest = words
    ran = taskdeck(name, store, *rest, "--json")
    assert ran.code == code
    assert said in ran.error["message"]


def test_what_is_paused_already_stays_as_it_is(store: str) -> None:
    assert taskdeck("pause", store, "--note", "deploy", "--actor", "ann").code == 0
    ran = taskdeck("pause", store, "--note", "again", "--json")
    assert (ran.code, ran.error["message"]) == (4, "everything is paused already, by ann: deploy")
    ran = taskdeck("resume", store, "tag:x", "--json")
    assert ran.error["message"].endswith("paused is: everything; name it, or end every pause with --all")
