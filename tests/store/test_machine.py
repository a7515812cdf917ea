"""The transition table and the pure function that applies it."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from taskdeck_store.machine import (
    RULES,
    STEP,
    TABLE,
    Code,
    Refusal,
    Transition,
    action_between,
    actions_from,
    changed,
    command,
    new_operation,
    same,
    transition,
    why_no_move,
)
from taskdeck_store.validity import wrong_field, wrong_id
from taskdeck_store.values import Action, State, Task

BORN = "2026-01-31T09:00:00.000000Z"
NOW = "2026-01-31T10:00:00.000000Z"

LEGAL = {
    (Action.START, State.PENDING): State.IN_PROGRESS,
    (Action.SUBMIT, State.IN_PROGRESS): State.REVIEW,
    (Action.APPROVE, State.REVIEW): State.COMPLETED,
    (Action.REJECT, State.REVIEW): State.PENDING,
    (Action.FAIL, State.PENDING): State.FAILED,
    (Action.FAIL, State.IN_PROGRESS): State.FAILED,
    (Action.FAIL, State.REVIEW): State.FAILED,
    (Action.RETRY, State.FAILED): State.PENDING,
    (Action.RELEASE, State.IN_PROGRESS): State.PENDING,
    **{(Action.EDIT, state): state for state in State},
}
"""DESIGN's table, written down a second time."""
AGAIN = {Action.REJECT, Action.RETRY, Action.RELEASE}


def a_task(state: State = State.PENDING, **fields: Any) -> Task:
    return Task(**{"id": "t-1", "title": "a", "state": state, "created_at": BORN, "state_since": BORN, **fields})


def done(task: Task | None, action: Action, **fields: Any) -> Transition:
    fields = {"title": "b", **fields} if action in (Action.EDIT, Action.ADD) else fields
    move = transition(task, command("t-1", action, actor="ann", note="because", **fields), NOW)
    assert isinstance(move, Transition), move
    return move


def refused(task: Task | None, action: Action, note: str | None = "because", **fields: Any) -> Refusal:
    refusal = transition(task, command("t-1", action, actor="ann", note=note, **fields), NOW)
    assert isinstance(refusal, Refusal), refusal
    return refusal


def test_the_table_is_the_designs() -> None:
    assert {(r.action, s): r.target or s for r in TABLE for s in r.sources} == LEGAL
    assert {rule.action for rule in TABLE if rule.again} == AGAIN
    assert {rule.action for rule in TABLE} == set(Action)


@pytest.mark.parametrize(("action", "state"), LEGAL)
def test_a_legal_move_leads_where_the_table_says(action: Action, state: State) -> None:
    before = a_task(state, attempts=1, owner="w")
    move = done(before, action)
    assert (move.from_state, move.to_state, move.task.state) == (state, LEGAL[action, state], LEGAL[action, state])
    assert move.task.attempts == before.attempts + (action in AGAIN)
    assert move.task.updated_at == NOW
    assert move.task.state_since == (NOW if action is not Action.EDIT else BORN)
    assert move.changes == changed(before, move.task)


@pytest.mark.parametrize(
    ("action", "state"), [pair for pair in product(Action, State) if pair not in LEGAL and pair[0] is not Action.ADD]
)
def test_an_illegal_move_is_refused_with_the_state_and_what_one_can_do(action: Action, state: State) -> None:
    refusal = refused(a_task(state), action)
    assert refusal.code is Code.ILLEGAL
    assert f"cannot {action} t-1: it is {state.replace('_', ' ')}" in refusal.message
    offered = actions_from(state)
    assert all(str(action) in refusal.message for action in offered)
    assert offered or "is final" in refusal.message


def test_what_each_action_sets_besides_the_state() -> None:
    leased = {"owner": "w", "lease_until": NOW}
    started = done(a_task(error="old"), Action.START).task
    assert (started.owner, started.lease_until, started.error) == ("ann", None, None)
    assert done(a_task(), Action.START, **leased).task.owner == "w"
    assert done(a_task(), Action.START, **leased).task.lease_until == NOW
    working = a_task(State.IN_PROGRESS, **leased)
    submitted = done(working, Action.SUBMIT, result={"a": 1}).task
    assert (submitted.result, submitted.lease_until, submitted.owner) == ({"a": 1}, None, "w")
    assert done(working, Action.SUBMIT).task.result is None
    assert done(working, Action.FAIL).task.error == "because"
    assert done(working, Action.FAIL, error="boom").task.error == "boom"
    quiet = transition(working, command("t-1", Action.FAIL, actor="ann"), NOW)
    assert isinstance(quiet, Transition)
    assert quiet.task.error == "failed by ann"
    released = done(working, Action.RELEASE)
    assert (released.task.owner, released.task.lease_until) == (None, None)
    assert released.changes == {"attempts": (0, 1), "owner": ("w", None), "lease_until": (NOW, None)}


def test_a_task_is_left_until_later_as_its_last_move_says() -> None:
    at = "2026-02-01T08:00:00.000000Z"
    added = transition(
        None, command("t-1", Action.ADD, actor="ann", title="x", not_before="2026-02-01 09:00+01:00"), NOW
    )
    assert isinstance(added, Transition)
    assert (added.task.not_before, added.changes["not_before"]) == (at, (None, at))
    started = done(added.task, Action.START)
    assert (started.task.not_before, started.changes["not_before"]) == (None, (at, None))
    assert done(started.task, Action.EDIT, not_before=at).task.not_before == at
    for state, action in (
        (State.IN_PROGRESS, Action.RELEASE),
        (State.REVIEW, Action.REJECT),
        (State.FAILED, Action.RETRY),
    ):
        assert done(a_task(state, not_before=NOW), action).task.not_before is None
        assert done(a_task(state), action, not_before=at).task.not_before == at
    assert done(added.task, Action.EDIT, not_before=None).task.not_before is None
    assert done(added.task, Action.EDIT, title="y").task.not_before == at
    assert done(added.task, Action.FAIL).task.not_before is None


@pytest.mark.parametrize("value", ["", "soon", "2026-02-30", "10000-01-01", 5, True, ["2026-01-01"]])
def test_what_is_no_moment_is_said_to_be_none(value: object) -> None:
    refusal = refused(a_task(), Action.EDIT, not_before=value)
    assert refusal.code is Code.INVALID
    assert "not_before must be a moment in UTC, like 2026-01-31T09:00:00.000000Z, not " in refusal.message


def test_step_is_the_forward_action_of_a_state() -> None:
    assert STEP == {
        State.PENDING: Action.START,
        State.IN_PROGRESS: Action.SUBMIT,
        State.REVIEW: Action.APPROVE,
    }


@pytest.mark.parametrize(("before", "after"), list(product(State, State)))
def test_an_outside_move_has_the_tables_action_or_its_reason(before: State, after: State) -> None:
    action = action_between(before, after)
    if action is not None:
        assert LEGAL[action, before] is after
    else:
        assert after not in [target for (_, source), target in LEGAL.items() if source is before]
        assert before.replace("_", " ") in why_no_move(before, after)
        assert after.replace("_", " ") in why_no_move(before, after)


def test_adding_makes_a_pending_task_with_the_fields_and_times() -> None:
    move = done(None, Action.ADD, title="x", tags=["a"], priority=1, data={"n": 1})
    assert move.from_state is None
    assert move.task == Task(
        id="t-1", title="x", tags=("a",), priority=1, data={"n": 1}, created_at=NOW, updated_at=NOW, state_since=NOW
    )
    assert move.changes["tags"] == (None, ["a"])


def test_adding_a_task_that_is_there_is_refused() -> None:
    assert refused(a_task(), Action.ADD, title="x").code is Code.INVALID


def test_a_task_that_is_not_there_is_not_found() -> None:
    refusal = refused(None, Action.START)
    assert refusal.code is Code.NOT_FOUND
    assert "t-1" in refusal.message


@pytest.mark.parametrize("note", [None, "", "  \n"])
def test_reject_needs_a_note(note: str | None) -> None:
    refusal = refused(a_task(State.REVIEW), Action.REJECT, note=note)
    assert refusal.code is Code.INVALID
    assert "note" in refusal.message


@pytest.mark.parametrize(
    ("action", "fields", "said"),
    [
        (Action.ADD, {}, "title is required"),
        (Action.EDIT, {}, "nothing to change"),
        (Action.EDIT, {"state": "failed"}, "edit does not set state"),
        (Action.EDIT, {"result": 1}, "edit does not set result"),
        (Action.EDIT, {"title": " "}, "cannot be empty"),
        (Action.EDIT, {"title": 7}, "must be text"),
        (Action.EDIT, {"title": "x" * 2_001}, "at most 2,000"),
        (Action.EDIT, {"priority": True}, "whole number"),
        (Action.EDIT, {"priority": 1.5}, "whole number"),
        (Action.EDIT, {"priority": 10**9 + 1}, "between"),
        (Action.EDIT, {"max_attempts": -1}, "between"),
        (Action.EDIT, {"tags": "urgent"}, "list of texts"),
        (Action.EDIT, {"tags": [1]}, "list of texts"),
        (Action.EDIT, {"description": None}, "must be text"),
        (Action.START, {"owner": 3}, "must be text"),
        (Action.APPROVE, {"result": 1}, "approve does not set result; it sets nothing"),
    ],
)
def test_wrong_input_is_refused_and_says_what_is_wrong(action: Action, fields: dict[str, Any], said: str) -> None:
    task = None if action is Action.ADD else a_task(next(iter(RULES[action].sources)))
    refusal = refused(task, action, **fields)
    assert refusal.code is Code.INVALID
    assert said in refusal.message


@pytest.mark.parametrize("task_id", ["a", "T-1", "a.b_c~d-e", "x" * 200])
def test_an_id_that_a_uri_can_carry_is_fine(task_id: str) -> None:
    assert wrong_id(task_id) is None


@pytest.mark.parametrize("task_id", ["", "a b", "a/b", "ä", "a\x00", "a\n", "x" * 201, "a%20", "?"])
def test_an_id_that_a_uri_cannot_carry_is_refused(task_id: str) -> None:
    assert wrong_id(task_id)


def test_limits_are_inclusive() -> None:
    assert wrong_field("title", "x" * 2_000) is None
    assert wrong_field("priority", -(10**9)) is None
    assert wrong_field("max_attempts", 0) is None


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (1, 1.0), (0, False), ([1], [True]), ({"a": 1}, {"a": 1.0}), ([], {}), (None, 0)]
)
def test_values_that_json_tells_apart_are_not_the_same(one: Any, other: Any) -> None:
    assert not same(one, other)
    assert same(one, one)


def test_the_same_values_change_nothing() -> None:
    task = a_task(tags=("a",), data={"x": [1, {"y": None}]})
    assert done(task, Action.EDIT, title="a", tags=["a"], data={"x": [1, {"y": None}]}).changes == {}


def test_operations_are_unique() -> None:
    assert len({new_operation() for _ in range(1_000)}) == 1_000
