"""The tools of a served store, called by the official client: the table's moves, the loop of an agent, and refusals."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import mcp_types as types
import pytest
from mcp.shared.exceptions import MCPError
from mcp_stage import ERAS, asking, made
from msgspec.structs import replace

from foreign.files import tagged, task, task_master
from taskdeck_store import Action, Pausing, command, open_store
from taskdeck_store.machine import TABLE
from taskdeck_store.mcp.serving.tools import TOOLS

SEED = {
    "add_task": {"description", "priority", "max_attempts"},
    "start_task": {"task_id"},
    "complete_task": {"task_id", "result"},
    "fail_task": {"task_id", "reason"},
    "retry_task": {"task_id", "feedback"},
    "get_next_task": set(),
}


@pytest.mark.parametrize("era", ERAS)
async def test_every_action_of_the_table_is_a_tool_and_so_is_what_a_loop_needs(era: str, tmp_path: Path) -> None:
    async with asking(made(tmp_path / "q.db"), era) as asked:
        tools = {tool.name: tool for tool in (await asked.client.list_tools()).tools}
    assert set(tools) == {*map(str, Action), "claim", "list", "show", "log", "wait_for_review", *SEED}
    for tool in tools.values():
        assert tool.description
        assert tool.input_schema["type"] == "object"
        assert tool.output_schema is not None
        assert tool.output_schema["type"] == "object"
        assert "$ref" not in str((tool.input_schema, tool.output_schema))
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is not TOOLS[tool.name].changes
    for rule in TABLE:
        tool = tools[rule.action]
        assert rule.summary[1:] in str(tool.description)
        taken = set(tool.input_schema["properties"])
        assert {*rule.takes, "note"} <= taken
        assert ("note" in tool.input_schema["required"]) is rule.note_required
        assert ("expect" in taken) is (rule.action is not Action.ADD)
    for name, takes in SEED.items():
        assert set(tools[name].input_schema["properties"]) == takes


@pytest.mark.parametrize("name", ["q.db", "q.json"])
async def test_an_agent_goes_round_the_loop(name: str, tmp_path: Path) -> None:
    address = made(tmp_path / name, "a", "b")
    async with asking(address, name="claude-code") as asked:
        [task] = (await asked.call("claim", query="id:a", lease_seconds=60))["tasks"]
        assert (task["id"], task["state"], task["status"], task["owner"]) == (
            "a",
            "in_progress",
            "in_progress",
            "mcp:claude-code",
        )
        done = await asked.call("submit", task_id="a", result={"rows": None}, expect=task["version"])
        assert done["task"]["state"] == "review"
        assert (done["event"]["action"], done["event"]["actor"]) == ("submit", "mcp:claude-code")
        waiting = await asked.call("wait_for_review", task_id="a", after=done["seq"], timeout=0)
        assert waiting["verdict"] == "waiting"

        asyncio.get_running_loop().call_later(0.05, _apply, address, "a", Action.REJECT, "count them anew")
        verdict = await asked.call("wait_for_review", task_id="a", after=done["seq"])
        assert (verdict["verdict"], verdict["note"], verdict["by"]) == ("rejected", "count them anew", "ann")
        assert verdict["task"]["attempts"] == 1

        [task] = (await asked.call("claim", query="id:a"))["tasks"]
        # Without a seq, the last review that it left counts, also once it is in progress again.
        assert (await asked.call("wait_for_review", task_id="a"))["verdict"] == "rejected"
        done = await asked.call("submit", task_id="a", result=2)
        _apply(address, "a", Action.APPROVE, None)
        assert (await asked.call("wait_for_review", task_id="a"))["verdict"] == "approved"
        log = (await asked.call("log", task_id="a"))["events"]
        assert [event["action"] for event in log] == ["add", "start", "submit", "reject", "start", "submit", "approve"]
        assert (await asked.call("claim", query="id:a"))["tasks"] == []


def _apply(address: str, task_id: str, action: Action, note: str | None) -> None:
    other = open_store(address)
    [outcome] = other.apply([command(task_id, action, actor="ann", note=note)])
    assert outcome.refusal is None
    other.close()


async def test_the_verdict_is_the_one_about_what_was_handed_in(tmp_path: Path) -> None:
    address = made(tmp_path / "q.db", "a")
    async with asking(address) as asked:
        await asked.call("start", task_id="a")
        mine = await asked.call("submit", task_id="a", result=1)
        _apply(address, "a", Action.REJECT, "no")
        for action in (Action.START, Action.SUBMIT, Action.APPROVE):
            _apply(address, "a", action, "by another")
        assert (await asked.call("wait_for_review", task_id="a", after=mine["seq"]))["verdict"] == "rejected"
        assert (await asked.call("wait_for_review", task_id="a"))["verdict"] == "approved"


async def test_while_a_commit_waits_for_another_writer_one_can_read(tmp_path: Path) -> None:
    address = made(tmp_path / "q.db", "a")
    async with asking(address) as asked:
        other = apsw.Connection(address)
        other.execute("BEGIN IMMEDIATE")
        starting = asyncio.create_task(asked.call("start", task_id="a"))
        assert (await asked.read("task://a"))["state"] == "pending"
        assert (await asked.call("list"))["total"] == 1
        assert not starting.done()
        other.execute("COMMIT")
        other.close()
        assert (await starting)["task"]["state"] == "in_progress"


async def test_what_no_text_can_carry_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    path.write_text('[{"id": "a", "title": "\\ud800!", "state": "pending", "result": {"\\udfff": ' + "9" * 50 + "}}]")
    async with asking(str(path)) as asked:
        for result in (await asked.client.call_tool("list"), await asked.client.read_resource("task://a")):
            result.model_dump_json()
        [task] = (await asked.call("list"))["tasks"]
        assert (task["title"], task["result"]) == ("\ufffd!", {"\ufffd": int("9" * 50)})
        assert (await asked.call("start", task_id="a"))["task"]["state"] == "in_progress"


async def test_every_move_of_the_table(tmp_path: Path) -> None:
    async with asking(made(tmp_path / "q.db")) as asked:
        added = await asked.call("add", title="x", id="a", tags=["t"], data={"k": [1]}, priority=2, not_before="+2h")
        assert added["task"]["not_before"] > added["task"]["created_at"]
        for name, more, state in (
            ("edit", {"title": "y", "data": None, "note": "why"}, "pending"),
            ("start", {"owner": "me"}, "in_progress"),
            ("release", {"note": "no time"}, "pending"),
            ("start", {"lease_until": "+1h"}, "in_progress"),
            ("submit", {"result": 0}, "review"),
            ("reject", {"note": "no"}, "pending"),
            ("fail", {"error": "no"}, "failed"),
            ("retry", {}, "pending"),
            ("start", {}, "in_progress"),
            ("submit", {"result": [None]}, "review"),
            ("approve", {"note": "good"}, "completed"),
        ):
            done = await asked.call(name, task_id="a", **more)
            assert (done["task"]["state"], done["event"]["action"]) == (state, name)
            assert done["event"]["note"] == more.get("note")
        assert done["task"]["data"] is None
        assert done["task"]["result"] == [None]
        assert done["task"]["attempts"] == 3


@pytest.mark.parametrize("era", ERAS)
async def test_errors_are_errors_with_the_machines_reason(era: str, tmp_path: Path) -> None:
    async with asking(made(tmp_path / "q.db", "a"), era) as asked:
        code, why = await asked.refused("approve", task_id="a")
        assert (code, why) == (
            "illegal",
            "cannot approve a: it is pending, and approve takes a task in review; from pending one can start or fail",
        )
        assert await asked.refused("start", task_id="nope") == ("not_found", "no task nope in this store")
        [task] = (await asked.call("list"))["tasks"]
        await asked.call("edit", task_id="a", priority=1)
        code, why = await asked.refused("start", task_id="a", expect=task["version"])
        assert code == "conflict"
        assert "changed meanwhile" in why
        [task] = (await asked.call("list"))["tasks"]
        assert f"(its version is now {task['version']})" in why
        assert (await asked.call("start", task_id="a", expect=task["version"]))["task"]["state"] == "in_progress"


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("start", {}, "missing required field `task_id`"),
    ("start", {"task_id": 7}, "task_id: Expected `str`, got `int`"),
    ("start", {"task_id": "a", "force": True}, "unknown field `force`; this tool takes task_id, owner"),
    ("start", {"task_id": "../../etc/passwd"}, "no task ../../etc/passwd"),
    ("start", {"task_id": "a\nb\x1b[2J"}, "no task a"),
    ("start", {"task_id": "a", "lease_until": "soon"}, "lease_until: 'soon' is no moment"),
    ("reject", {"task_id": "a"}, "missing required field `note`"),
    ("reject", {"task_id": "a", "note": " "}, "a note that says why is required"),
    ("edit", {"task_id": "a"}, "nothing to change was given"),
    ("add", {"title": "x", "id": "../x"}, "a task id takes letters"),
    ("add", {"title": " "}, "a title cannot be empty"),
    ("add", {"title": "x", "priority": 10**50}, "priority"),
    ("add", {"title": "x", "priority": 1.5}, "priority: Expected `int`"),
    ("add", {"title": "x", "depends_on": ["nope/"]}, "depends_on"),
    ("add_task", {"description": "\n "}, "a title cannot be empty"),
    ("claim", {"limit": 0}, "limit: Expected `int` >= 1"),
    ("claim", {"query": "stat:x"}, "query: unknown field 'stat'"),
    ("list", {"state": "paused"}, "state: Invalid enum value 'paused'"),
    ("list", {"after": "x"}, "that is not the `next` of a page"),
    ("log", {"task_id": "nope"}, "no task nope"),
    ("show", {"task_id": "nope"}, "no task nope"),
    ("wait_for_review", {"task_id": "nope"}, "no task nope"),
]


async def test_what_is_sent_twice_is_done_once(tmp_path: Path) -> None:
    async with asking(made(tmp_path / "q.db", "a")) as asked:
        first = await asked.call("start", task_id="a", operation="mine-1")
        again = await asked.call("start", task_id="a", operation="mine-1")
        assert (first["repeated"], again["repeated"]) == (False, True)
        assert again["seq"] == first["seq"]


async def test_wrong_arguments_get_a_clear_line_and_change_nothing(tmp_path: Path) -> None:
    address = made(tmp_path / "q.db", "a")
    async with asking(address) as asked:
        for tool, arguments, said in WRONG:
            _, why = await asked.refused(tool, **arguments)
            assert said in why
    store = open_store(address, read_only=True)
    assert [event.action for event in store.events()] == ["add"]
    store.close()


async def test_there_is_no_other_tool(tmp_path: Path) -> None:
    async with asking(made(tmp_path / "q.db")) as asked:
        with pytest.raises(MCPError, match="there is no tool 'reset_all_tasks'; there are claim, start"):
            await asked.client.call_tool("reset_all_tasks", {})


async def test_what_a_server_shows_read_only_offers_no_change(tmp_path: Path) -> None:
    address = made(tmp_path / "q.db", "a")
    async with asking(address, read_only=True) as asked:
        names = {tool.name for tool in (await asked.client.list_tools()).tools}
        assert names == {"list", "show", "log", "wait_for_review", "get_next_task"}
        for name in set(TOOLS) - names:
            code, why = await asked.refused(name)
            assert (code, why) == ("read_only", f"{name} changes tasks, and this server only shows them")
        assert (await asked.call("show", task_id="a"))["task"]["state"] == "pending"
        assert (await asked.client.list_prompts()).prompts == []
        assert "claim" not in str(asked.client.instructions)


async def test_a_store_that_takes_no_change_is_shown_read_only(tmp_path: Path) -> None:
    address = made(tmp_path / "q.db", "a")
    async with asking(address, opens=lambda: open_store(address, read_only=True)) as asked:
        assert "start" not in {tool.name for tool in (await asked.client.list_tools()).tools}
        assert (await asked.refused("start", task_id="a"))[0] == "read_only"
        assert (await asked.refused("claim"))[0] == "read_only"


async def test_the_tools_of_the_seed_do_what_theirs_do(tmp_path: Path) -> None:
    address = made(tmp_path / "q.db")
    async with asking(address) as asked:
        assert await asked.call("get_next_task") == {"task": None}
        added = (await asked.call("add_task", description="Sort it\nby date", priority=2, max_attempts=7))["task"]
        assert (added["title"], added["description"], added["priority"], added["max_attempts"]) == (
            "Sort it",
            "Sort it\nby date",
            2,
            7,
        )
        one = added["id"]
        assert (await asked.call("get_next_task"))["task"]["id"] == one
        assert (await asked.refused("complete_task", task_id=one, result="x"))[0] == "illegal"
        assert (await asked.call("start_task", task_id=one))["task"]["state"] == "in_progress"
        assert (await asked.call("fail_task", task_id=one, reason="no disk"))["task"]["error"] == "no disk"
        again = await asked.call("retry_task", task_id=one, feedback="make room")
        assert (again["task"]["state"], again["event"]["note"]) == ("pending", "make room")
        await asked.call("start_task", task_id=one)
        done = await asked.call("complete_task", task_id=one, result={"ok": True})
        assert (done["task"]["state"], done["task"]["result"]) == ("completed", {"ok": True})
        log = (await asked.call("log", task_id=one))["events"]
        assert [event["action"] for event in log][-2:] == ["submit", "approve"]
        assert log[-1]["group"] == log[-2]["group"] is not None

        other = (await asked.call("add_task", description="Two"))["task"]["id"]
        await asked.call("start", task_id=other)
        await asked.call("submit", task_id=other)
        assert (await asked.refused("retry_task", task_id=other))[0] == "invalid"
        back = await asked.call("retry_task", task_id=other, feedback="longer")
        assert (back["event"]["action"], back["task"]["state"]) == ("reject", "pending")


async def test_a_task_is_added_to_what_others_keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    async with asking(str(task_master(tmp_path, tagged(task(1))))) as asked:
        assert (await asked.call("add_task", description="Two"))["task"]["id"] == "2"
        assert (await asked.call("add", title="Three"))["task"]["id"] == "3"


async def test_the_next_task_is_none_that_is_paused_blocked_or_left_until_later(tmp_path: Path) -> None:
    address = made(tmp_path / "q.db")
    store = open_store(address)
    for one, more in (
        ("a", {"tags": ["x"]}),
        ("b", {"depends_on": ["a"]}),
        ("c", {"not_before": "2999-01-01T00:00:00.000000Z"}),
    ):
        store.apply([command(one, Action.ADD, actor="maker", title=one, **more)])
    async with asking(address) as asked:
        assert (await asked.call("get_next_task"))["task"]["id"] == "a"
        store.pause(Pausing(query="tag:x", actor="ann", operation="1", note="wait"))
        assert await asked.call("get_next_task") == {"task": None}
        claimed = await asked.call("claim", limit=5)
        assert claimed == {"tasks": [], "next_due": "2999-01-01T00:00:00.000000Z"}
        assert (await asked.read("task://stats"))["paused"] == [{"query": "tag:x", "by": "ann", "note": "wait"}]
    store.close()


@pytest.mark.parametrize("era", ERAS)
async def test_who_asks_by_a_client_is_named_behind_it(era: str, tmp_path: Path) -> None:
    async with asking(made(tmp_path / "q.db", "a"), era, name="taskdeck") as asked:
        tools = {tool.name: (tool.meta or {}).get("taskdeck/actor") for tool in (await asked.client.list_tools()).tools}
        assert (tools["start"], tools["claim"], tools["show"]) == (1, 1, None)
        for number, (given, actor) in enumerate(
            [
                ("alice", "mcp:taskdeck/alice"),
                (" \x1b[31m\n", "mcp:taskdeck/\ufffd[31m\ufffd"),
                ("x" * 1_000, f"mcp:taskdeck/{'x' * 80}…"),
                ("", "mcp:taskdeck"),
                ({"name": "alice"}, "mcp:taskdeck"),
            ]
        ):
            meta = types.RequestParamsMeta(**{"taskdeck/actor": given})  # type: ignore[typeddict-item]
            result = await asked.client.call_tool("edit", {"task_id": "a", "priority": number + 10}, meta=meta)
            assert result.structured_content is not None
            assert result.structured_content["event"]["actor"] == actor


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("name", "actor"),
    [("claude-code", "mcp:claude-code"), ("external", "mcp:external"), (" \x1b\n", "mcp:\ufffd\ufffd")],
)
async def test_the_actor_is_the_name_of_the_client_and_marked_as_that(
    name: str, actor: str, era: str, tmp_path: Path
) -> None:
    async with asking(made(tmp_path / "q.db", "a"), era, name=name) as asked:
        done = await asked.call("start", task_id="a")
        assert (done["event"]["actor"], done["task"]["owner"]) == (actor, actor)
        assert (await asked.call("list", query="owner:me"))["total"] == 1


async def test_of_many_that_claim_at_once_each_gets_another_task(tmp_path: Path) -> None:
    address = made(tmp_path / "q.db", *(f"t-{number:02}" for number in range(20)))
    async with asking(address) as asked:
        found = await asyncio.gather(*(asked.call("claim") for _ in range(21)))
    ids = [task["id"] for one in found for task in one["tasks"]]
    assert sorted(ids) == [f"t-{number:02}" for number in range(20)]


@pytest.mark.parametrize("era", ERAS)
async def test_a_wait_that_is_cancelled_ends_and_holds_up_nobody(era: str, tmp_path: Path) -> None:
    async with asking(made(tmp_path / "q.db", "a"), era) as asked:
        waiting = asyncio.create_task(asked.call("wait_for_review", task_id="a", timeout=600))
        assert (await asked.call("start", task_id="a"))["seq"] == 2
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (await asked.call("submit", task_id="a"))["seq"] == 3


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [
        ([(Action.START, None), (Action.FAIL, "no disk")], "failed"),
        ([(Action.START, None), (Action.SUBMIT, None), (Action.FAIL, "bad")], "failed"),
        ([(Action.START, None), (Action.SUBMIT, None), (Action.APPROVE, None)], "approved"),
    ],
)
async def test_the_verdict_is_told_however_it_ends(
    ends: list[tuple[Action, str | None]], verdict: str, tmp_path: Path
) -> None:
    address = made(tmp_path / "q.db", "a")
    async with asking(address) as asked:
        waiting = asyncio.create_task(asked.call("wait_for_review", task_id="a"))
        await asked.call("list")
        for action, note in ends:
            _apply(address, "a", action, note)
        found = await waiting
    assert found["verdict"] == verdict
    assert found["task"]["state"] in ("failed", "completed")


async def test_a_long_wait_shows_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskdeck_store.mcp.serving.server._SIGN_OF_LIFE", 0.01)
    signs: list[str | None] = []

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        signs.append(message)

    async with asking(made(tmp_path / "q.db", "a")) as asked:
        call = asked.client.call_tool("wait_for_review", {"task_id": "a", "timeout": 0.1}, progress_callback=tell)
        assert (await call).structured_content["verdict"] == "waiting"
    assert signs[:1] == ["a waits for a verdict"]


async def test_where_there_is_no_review_an_agent_is_taught_to_complete_its_task(tmp_path: Path) -> None:
    task = {"id": "a", "description": "x", "status": "pending", "result": None, "attempts": 0, "metadata": {}}
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps({"tasks": [task]}))
    with closing(open_store(str(path))) as store:
        limits = store.limits
    async with asking(str(path), limits=limits) as asked:
        said = str(asked.client.instructions)
        for word in ("submit", "wait_for_review", "approve"):
            assert word not in said
        await asked.call("claim")
        await asked.call("complete_task", task_id="a", result="well")
        assert (await asked.call("show", task_id="a"))["task"]["state"] == "completed"
        assert said in (await asked.client.get_prompt("work")).messages[0].content.text
    async with asking(str(path), limits=replace(limits, read_only="it is theirs alone")) as asked:
        assert "nothing can be changed from here" in str(asked.client.instructions)


async def test_the_instructions_and_the_prompt_teach_the_loop_by_the_tools_there_are(tmp_path: Path) -> None:
    async with asking(made(tmp_path / "q.db")) as asked:
        said = str(asked.client.instructions)
        assert len(said.splitlines()) == 11
        for word in ("claim", "submit", "wait_for_review", "release", "fail", "expect", "after"):
            assert word in said
        [prompt] = (await asked.client.list_prompts()).prompts
        told = await asked.client.get_prompt(prompt.name, {"query": "tag:docs"})
        assert 'match the filter "tag:docs"' in told.messages[0].content.text
        assert said in told.messages[0].content.text
        with pytest.raises(MCPError, match="there is no prompt 'nope'"):
            await asked.client.get_prompt("nope")
