"""Which tool of a server does an action, and what it is told: no server is asked here."""

from __future__ import annotations

from typing import Any

import pytest

from taskdeck_store import clock
from taskdeck_store.machine import Transition, command, transition
from taskdeck_store.mcp.client.offer import Offer, Tool
from taskdeck_store.mcp.client.tools import CannotTell, Slot, Way, Ways, arguments, calls_of, ways_of
from taskdeck_store.source import Move
from taskdeck_store.values import Action, Json, State, Task

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}


def tool(name: str, *required: str, **properties: Any) -> Tool:
    known = {**dict.fromkeys(required, TEXT), **properties}
    return Tool(name=name, schema={"type": "object", "properties": known, "required": list(required)})


def offer(*tools: Tool) -> Offer:
    return Offer(server="s", tools={one.name: one for one in tools})


SEED = offer(
    tool("add_task", "description", priority=WHOLE, max_attempts=WHOLE),
    tool("start_task", "task_id"),
    tool("complete_task", "task_id", "result"),
    tool("fail_task", "task_id", "reason"),
    tool("retry_task", "task_id", feedback=TEXT),
    tool("clear_completed"),
)
TASK = Task(id="t-1", title="draw", state=State.IN_PROGRESS, version="v1")


def move(task: Task | None, *actions: Action, note: str | None = "why", **fields: Json) -> Move:
    after = task
    asked = []
    for action in actions:
        one = command(TASK.id, action, actor="ann", note=note, operation="op", **fields)
        made = transition(after, one, clock.utc_now())
        assert isinstance(made, Transition)
        after = made.task
        asked.append(one)
        fields = {}
    assert after is not None
    return Move(commands=tuple(asked), seen=task, task=after)


def told(way: Way, moved: Move, own: Json = "t-1") -> dict[str, Json]:
    return arguments(way, moved, moved.commands[0], own, moved.seen.version if moved.seen else "")


def way(found: Ways, *actions: Action) -> Way:
    return found.by[actions]


def test_the_names_of_the_seed_are_known() -> None:
    ways = ways_of(SEED)
    assert {action: way.tool.name for action, way in ways.by.items()} == {
        (Action.START,): "start_task",
        (Action.SUBMIT, Action.APPROVE): "complete_task",
        (Action.FAIL,): "fail_task",
        (Action.RETRY,): "retry_task",
    }
    assert set(ways.refuses) == {Action.ADD, Action.REJECT, Action.RELEASE, Action.EDIT}
    assert ways.refuses[Action.ADD] == "the server's add_task takes no id: it gives ids itself"
    assert ways.refuses[Action.EDIT].startswith("the server has no tool for it (edit")
    assert ways.lacks == {
        State.REVIEW: "the server has no review: its complete_task takes a task from in progress to completed"
    }


def test_a_result_is_handed_in_and_accepted_by_one_tool() -> None:
    moved = move(TASK, Action.SUBMIT, Action.APPROVE, result={"lines": 3})
    ((found, first),) = calls_of(ways_of(SEED), moved.commands)
    assert found.tool.name == "complete_task"
    assert arguments(found, moved, first, "t-1", "") == {"task_id": "t-1", "result": '{"lines":3}'}
    with pytest.raises(CannotTell, match="no review"):
        list(calls_of(ways_of(SEED), moved.commands[:1]))


def test_a_result_that_was_not_given_is_an_empty_text() -> None:
    moved = move(TASK, Action.SUBMIT, Action.APPROVE)
    found = way(ways_of(SEED), Action.SUBMIT, Action.APPROVE)
    assert told(found, moved) == {"task_id": "t-1", "result": ""}


def test_a_failure_is_told_with_its_reason_and_a_retry_with_what_to_do_better() -> None:
    ways = ways_of(SEED)
    assert told(way(ways, Action.FAIL), move(TASK, Action.FAIL, note=None)) == {
        "task_id": "t-1",
        "reason": "failed by ann",
    }
    failed = Task(id="t-1", title="draw", state=State.FAILED)
    assert told(way(ways, Action.RETRY), move(failed, Action.RETRY)) == {"task_id": "t-1", "feedback": "why"}
    assert told(way(ways, Action.RETRY), move(failed, Action.RETRY, note=None)) == {"task_id": "t-1"}


@pytest.mark.parametrize("name", ["start_task", "startTask", "start-task", "task_start", "start"])
def test_a_tool_is_known_however_it_is_spelled(name: str) -> None:
    assert way(ways_of(offer(tool(name, "taskId"))), Action.START).tool.name == name


def test_an_argument_that_is_not_known_refuses_the_action() -> None:
    ways = ways_of(offer(tool("start_task", "task_id", "secret", "wand")))
    assert not ways.by
    assert ways.refuses[Action.START] == "the server's start_task requires secret or wand, which is not known here"


def test_of_two_tools_the_one_that_can_be_told_is_taken() -> None:
    ways = ways_of(offer(tool("start", "task_id", "secret"), tool("start_task", "task_id")))
    assert way(ways, Action.START).tool.name == "start_task"


@pytest.mark.parametrize(
    ("schema", "own", "given"),
    [
        (WHOLE, "17", 17),
        (WHOLE, 17, 17),
        (TEXT, 17, "17"),
        ({"type": ["string", "null"]}, "a", "a"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 17, 17),
        ({}, "a", "a"),
        (True, "a", "a"),
        ({"type": "string", "enum": ["a", "b"]}, "a", "a"),
    ],
)
def test_an_id_is_told_as_the_tool_takes_it(schema: Json, own: Json, given: Json) -> None:
    found = way(ways_of(offer(tool("start", "id", id=schema))), Action.START)
    pending = Task(id="t-1", title="draw")
    assert told(found, move(pending, Action.START), own) == {"id": given}


def test_an_id_that_the_tool_does_not_take_cannot_be_told() -> None:
    found = way(ways_of(offer(tool("start", "id", id=WHOLE))), Action.START)
    with pytest.raises(CannotTell, match="its id takes no such value as 'a'"):
        told(found, move(Task(id="t-1", title="draw"), Action.START), "a")


def test_a_list_of_ids_has_the_one() -> None:
    ids = {"type": "array", "items": TEXT}
    found = way(ways_of(offer(tool("start", "ids", ids=ids))), Action.START)
    assert told(found, move(Task(id="t-1", title="draw"), Action.START)) == {"ids": ["t-1"]}


def test_a_tool_that_compares_is_told_what_was_seen() -> None:
    nullable = {"anyOf": [TEXT, {"type": "null"}]}
    found = way(ways_of(offer(tool("submit", "task_id", result={}, note=nullable, expect=nullable))), Action.SUBMIT)
    assert found.can_compare
    assert told(found, move(TASK, Action.SUBMIT, result=[1])) == {
        "task_id": "t-1",
        "result": [1],
        "note": "why",
        "expect": "v1",
    }


def test_who_takes_a_task_is_told() -> None:
    found = way(ways_of(offer(tool("start", "task_id", owner=TEXT, lease_until=TEXT))), Action.START)
    assert told(found, move(Task(id="t-1", title="draw"), Action.START)) == {"task_id": "t-1", "owner": "ann"}


def test_a_new_task_is_told_with_its_id() -> None:
    found = ways_of(offer(tool("add", "title", id=TEXT, description=TEXT, tags={"type": "array", "items": TEXT})))
    added = move(None, Action.ADD, title="draw", description="a cat", tags=["art"])
    assert told(way(found, Action.ADD), added) == {
        "title": "draw",
        "id": "t-1",
        "description": "a cat",
        "tags": ["art"],
    }
    assert found.settable == {"title", "description", "tags"}


def test_where_there_is_one_text_it_is_the_title() -> None:
    found = ways_of(offer(tool("add_task", "description", id=TEXT)))
    assert told(way(found, Action.ADD), move(None, Action.ADD, title="draw")) == {"description": "draw", "id": "t-1"}
    assert found.settable == set()


def test_an_edit_that_a_tool_does_not_make_cannot_be_told() -> None:
    found = way(
        ways_of(offer(tool("edit", "task_id", title=TEXT, not_before={"type": ["string", "null"]}))), Action.EDIT
    )
    assert told(found, move(TASK, Action.EDIT, title="paint", not_before=None)) == {
        "task_id": "t-1",
        "title": "paint",
        "not_before": None,
    }
    with pytest.raises(CannotTell, match="edit does not set priority"):
        told(found, move(TASK, Action.EDIT, priority=1))


@pytest.mark.parametrize(
    "schema",
    [{}, {"properties": 7}, {"properties": {}, "required": "id"}, {"properties": {"id": 7}, "required": ["id"]}],
)
def test_a_schema_that_says_nothing_useful_does_no_harm(schema: dict[str, Json]) -> None:
    ways = ways_of(Offer(server="s", tools={"start": Tool(name="start", schema=schema)}))
    for found in ways.by.values():
        assert Slot.ID in found.slots.values()
