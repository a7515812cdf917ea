"""Breakpoints: what each text means, which outcomes it holds, and what is refused."""

from __future__ import annotations

import pytest

from taskdeck_store import Action, State, Task, command
from taskdeck_store.query.parse import QueryError
from taskdeck_store.worker.breakpoints import Breakpoints, fits, parse_breakpoint

NOW = "2026-01-31T09:05:00.000000Z"
AFTER = Task(id="t-1", title="a task", state=State.REVIEW, tags=("x",), owner="ann", attempts=1, state_since=NOW)
SUBMIT = command("t-1", Action.SUBMIT, actor="ann")


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("next", True),
        ("state:review", True),
        ("state:in_progress", False),
        ("action:submit", True),
        ("action:submit,fail", True),
        ("action:fail", False),
        ("task:t-1", True),
        ("task:t-", False),
        ("tag:x attempts>0 owner:me", True),
        ("tag:x attempts>1", False),
        ("action:submit tag:y", False),
        ('"a task" action:submit', True),
        ('"action:fail"', False),
    ],
)
def test_an_outcome_is_held_where_all_of_it_fits(text: str, held: bool) -> None:
    assert fits(parse_breakpoint(text, me="ann"), SUBMIT, AFTER, NOW) is held


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "type where to hold"),
        ("action:", "needs a name"),
        ("action:retry", "no step ends with retry"),
        ("age>1h", "age:"),
        ("actor:ann", "actor"),
        ("state:nowhere", "nowhere"),
    ],
)
def test_what_means_nothing_is_refused_with_what_to_type(text: str, told: str) -> None:
    with pytest.raises(QueryError, match=told):
        parse_breakpoint(text, me="ann")


def test_one_that_is_typed_again_is_gone_and_one_that_is_meant_once_goes_by_itself() -> None:
    stops = Breakpoints()
    assert stops.turn(parse_breakpoint("action:fail", me="ann"))
    assert stops.turn(parse_breakpoint(" next ", me="ann"))
    assert stops.texts == ("action:fail", "next")
    hit = stops.hit(SUBMIT, AFTER, NOW)
    assert hit is not None
    assert hit.text == "next"
    assert stops.hit(SUBMIT, AFTER, NOW) is None
    assert stops.turn(parse_breakpoint("state:review  tag:x", me="ann"))
    assert not stops.turn(parse_breakpoint("state:review tag:x", me="ann"))
    assert stops.texts == ("action:fail",)
