"""What a query means for a task, against a second, simpler reading of the same rules."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskdeck_store import clock
from taskdeck_store.query.match import matches
from taskdeck_store.query.parse import parse
from taskdeck_store.query.terms import (
    EVERYTHING,
    BlockedTerm,
    DueTerm,
    Field,
    NumberTerm,
    Pattern,
    Query,
    Term,
    TextTerm,
)
from taskdeck_store.values import State, Task

NOW = "2026-01-31T12:00:00.000000Z"

TASK = Task(
    id="t-1",
    title="Fix the Login page",
    description="It fails on Größe",
    state=State.REVIEW,
    priority=3,
    tags=("ui", "big bug"),
    attempts=2,
    owner="ann",
    error="TimeoutError: 30 s",
    state_since="2026-01-31T10:00:00.000000Z",
)


def holds(text: str, task: Task = TASK) -> bool:
    return matches(parse(text, me="ann"), task, NOW)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "state:review",
        "state:failed,review",
        "-state:pending",
        "tag:ui",
        'tag:"big bug"',
        "tag:big*",
        "-tag:UI",
        "owner:me",
        "-owner:none",
        "-tag:none",
        "id:t-*",
        "LOGIN",
        '"the login"',
        "größe",
        "GRÖSSE",
        "t-1",
        "timeout",
        "title:fix",
        "title:Fix*",
        "-title:größe",
        "error:timeout",
        "attempts>1 attempts<3 attempts:2 attempts>=2 attempts<=2",
        "priority<4 -priority>3",
        "age>1h age<3h age>=2h age<=2h",
        "-age>2h",
    ],
)
def test_a_query_takes_the_task(text: str) -> None:
    assert holds(text)


@pytest.mark.parametrize(
    "text",
    [
        "state:pending",
        "tag:UI",
        "tag:u",
        "owner:Ann",
        "owner:none",
        "tag:none",
        "error:none",
        "id:t",
        "login tag:nope",
        "title:größe",
        "title:fix*",
        "attempts>2",
        "-attempts:2",
        "age>2h",
        "age<2h",
    ],
)
def test_a_query_leaves_the_task_out(text: str) -> None:
    assert not holds(text)


def test_none_means_that_there_is_no_value() -> None:
    bare = Task(id="b", title="bare")
    assert holds("owner:none tag:none error:none", bare)
    assert not holds("owner:*", bare)
    assert not holds("tag:*", bare)


def test_a_task_whose_time_is_not_known_has_no_age_in_either_direction() -> None:
    for since in (None, "yesterday"):
        ageless = Task(id="b", title="bare", state_since=since)
        assert not holds("age>1h", ageless)
        assert not holds("age<1h", ageless)
        assert not holds("-age>1h", ageless)


def test_ascii_text_ignores_the_case_of_a_to_z_alone() -> None:
    """As an index of SQLite does, so that every store gives the same tasks."""
    kelvin = Task(id="b", title="300 \u212a")
    assert not holds("title:k", kelvin)
    assert holds("title:\u212a", kelvin)
    assert holds("title:straße", Task(id="b", title="STRASSE"))
    assert not holds("title:strasse", Task(id="b", title="Straße"))


def test_a_lone_surrogate_in_a_task_is_no_obstacle() -> None:
    assert holds("title:x", Task(id="b", title="\ud800X"))


TEXTS = st.text(st.sampled_from("aAbB ßẞéÉ\u212akK*"), max_size=4)
PATTERNS = st.one_of(
    st.builds(Pattern, st.sampled_from(["exact", "prefix", "contains"]), TEXTS), st.just(Pattern("none"))
)
TEXT_FIELDS = [Field.STATE, Field.TAG, Field.OWNER, Field.ID, Field.TITLE, Field.ERROR, Field.TEXT, Field.DEPENDS]
TERMS: st.SearchStrategy[Term] = st.one_of(
    st.builds(
        TextTerm,
        field=st.sampled_from(TEXT_FIELDS),
        choices=st.lists(PATTERNS, min_size=1, max_size=3).map(tuple),
        negated=st.booleans(),
    ),
    st.builds(
        NumberTerm,
        field=st.sampled_from([Field.ATTEMPTS, Field.PRIORITY, Field.AGE]),
        op=st.sampled_from(["<", "<=", "=", ">=", ">"]),
        value=st.integers(-3, 3).map(float),
        negated=st.booleans(),
    ),
    st.builds(DueTerm, later=st.booleans(), negated=st.booleans()),
    st.builds(BlockedTerm, blocked=st.booleans(), negated=st.booleans()),
)
MOMENTS = st.none() | st.integers(-3, 3).map(lambda seconds: clock.plus(NOW, seconds))
TASKS = st.builds(
    Task,
    id=TEXTS,
    title=TEXTS,
    description=TEXTS,
    state=st.sampled_from(list(State)),
    priority=st.integers(-3, 3),
    tags=st.lists(TEXTS, max_size=2).map(tuple),
    attempts=st.integers(0, 3),
    owner=st.none() | TEXTS,
    error=st.none() | TEXTS,
    not_before=MOMENTS,
    depends_on=st.lists(TEXTS, max_size=2).map(tuple),
    blocked=st.integers(0, 2),
    state_since=MOMENTS,
)


def model(query: Query, task: Task) -> bool:
    return all(model_of_term(term, task) for term in query.terms)


def model_of_term(term: Term, task: Task) -> bool:
    if isinstance(term, DueTerm):
        left = clock.to_seconds(task.not_before) - clock.to_seconds(NOW) if task.not_before else 0
        return (task.state is State.PENDING and (left > 0) is term.later) != term.negated
    if isinstance(term, BlockedTerm):
        return (task.state is State.PENDING and (task.blocked > 0) is term.blocked) != term.negated
    fields: dict[str, list[object]] = {
        "state": [task.state.value],
        "tag": list(task.tags),
        "depends": list(task.depends_on),
        "owner": [task.owner],
        "id": [task.id],
        "title": [task.title],
        "error": [task.error],
        "text": [task.id, task.title, task.description, task.error],
        "attempts": [task.attempts],
        "priority": [task.priority],
        "age": [task.state_since and clock.to_seconds(NOW) - clock.to_seconds(task.state_since)],
    }
    values = [value for value in fields[term.field] if value is not None]
    if isinstance(term, NumberTerm):
        if not values:
            return False
        difference = float(str(values[0])) - term.value
        sign = "<" if difference < 0 else ">" if difference > 0 else "="
        return (sign in term.op) != term.negated
    return any(model_of_pattern(choice, [str(value) for value in values]) for choice in term.choices) != term.negated


def model_of_pattern(pattern: Pattern, values: list[str]) -> bool:
    if pattern.kind == "none":
        return values == []
    if pattern.kind == "contains" and not pattern.text.isascii():
        return any(re.search(re.escape(pattern.text.casefold()), value.casefold()) for value in values)
    form = {"exact": r"{}\Z", "prefix": "{}", "contains": "(?ai:.*{})"}[pattern.kind].format(re.escape(pattern.text))
    return any(re.match(form, value, re.DOTALL) for value in values)


@settings(deadline=None, max_examples=500)
@given(st.lists(TERMS, max_size=3).map(lambda terms: Query(tuple(terms))), TASKS)
def test_matching_agrees_with_the_model(query: Query, task: Task) -> None:
    assert matches(query, task, NOW) == model(query, task)


def test_no_terms_take_everything() -> None:
    assert matches(EVERYTHING, Task(id="x", title="y"), NOW)
