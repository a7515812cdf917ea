"""What a server says of its tasks, and what is made of it: no server is asked here."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdeck_store import validity
from taskdeck_store.contract import StoreError
from taskdeck_store.mcp.client.reading import MOST, Reading, id_of, reading_of
from taskdeck_store.values import State, Task

QUEUE = "task://queue"


def read(document: Any, **others: Any) -> Reading:
    texts = [(QUEUE, document if isinstance(document, str) else json.dumps(document))]
    texts += [(f"task://{name}", json.dumps(other)) for name, other in others.items()]
    return reading_of(texts, "the server")


def tasks(document: Any, **others: Any) -> dict[str, Task]:
    return {task.id: task for task in read(document, **others).sight.tasks}


LAB = {"id": "task-1", "description": "draw", "status": "in_progress", "attempts": 1, "priority": 2}


@pytest.mark.parametrize(
    "document",
    [
        [LAB],
        {"tasks": [LAB]},
        {"queue": [LAB], "total": 1},
        {"tasks": {"task-1": {"description": "draw", "status": "in_progress", "attempts": 1, "priority": 2}}},
        {"in_progress": [{"id": "task-1", "description": "draw", "attempts": 1, "priority": 2}], "pending": []},
        LAB,
    ],
    ids=["a list", "tasks", "queue", "by id", "by state", "one"],
)
def test_a_queue_is_read_in_every_shape(document: Any) -> None:
    reading = read(document)
    (task,) = reading.sight.tasks
    assert (task.id, task.title, task.state, task.attempts, task.priority) == (
        "task-1",
        "draw",
        State.IN_PROGRESS,
        1,
        2,
    )
    assert task.description == ""
    assert reading.sight.flaws == ()
    assert reading.fields == {"id", "title", "state", "attempts", "priority"}


@pytest.mark.parametrize("document", ["null", "[]", '{"tasks": []}', '{"tasks": null}'])
def test_an_empty_queue_is_read(document: str) -> None:
    assert read(document).sight.tasks == ()


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("No tasks in the queue.", "no list of tasks"),
        ("", "no list of tasks"),
        ('[{"id": NaN}]', "NaN"),
        ('{"message": "hello"}', "no list of tasks"),
        ("7", "it is 7"),
        ("[" * 100_000, "no list of tasks"),
        ('[{"id": "a", "data": ' + "[" * 150 + "]" * 150 + "}]", ""),
        ('[{"id": "a", "data": ' + "[" * 250 + "]" * 250 + "}]", ""),
        ('{"id": "a", "data": ' + "[" * 250 + "]" * 250 + "}", "nested"),
        (json.dumps([{"id": "a"}] * (MOST + 1)), "more than 100,000"),
    ],
    ids=[
        "prose",
        "nothing",
        "NaN",
        "no tasks",
        "a number",
        "an abyss",
        "a shaft",
        "a deep shaft",
        "one deep shaft",
        "a million",
    ],
)
def test_what_is_no_queue_is_told_in_a_line(document: str, said: str) -> None:
    if not said:
        assert read(document).sight.flaws
        return
    with pytest.raises(StoreError) as caught:
        read(document)
    assert said in caught.value.message
    assert "the server" in caught.value.message
    assert caught.value.message.isprintable()


def test_a_title_and_a_description_are_two_things_where_both_are_there() -> None:
    task = tasks([{"id": 1, "title": "draw", "description": "with a pen", "state": "review"}])["1"]
    assert (task.title, task.description, task.state) == ("draw", "with a pen", State.REVIEW)


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("pending", State.PENDING),
        ("To Do", State.PENDING),
        ("in-progress", State.IN_PROGRESS),
        ("IN_REVIEW", State.REVIEW),
        ("done", State.COMPLETED),
        ("cancelled", State.FAILED),
    ],
)
def test_a_word_is_shown_as_a_state_and_kept(word: str, state: State) -> None:
    reading = read([{"id": "a", "description": "x", "status": word}])
    (task,) = reading.sight.tasks
    assert task.state is state
    assert reading.words == {word: state}
    assert task.extra == ({} if word == state else {"status": word})
    assert reading.sight.flaws == ()


def test_a_state_that_is_missing_or_unknown_is_told_once() -> None:
    reading = read([{"id": "a"}, {"id": "b"}, {"id": "c", "status": "on fire"}, {"id": "d", "status": 7}])
    assert {task.state for task in reading.sight.tasks} == {State.PENDING}
    assert reading.sight.tasks[2].extra == {"status": "on fire"}
    assert reading.sight.flaws == (
        "a has no state; it is shown as pending (and 1 more like this)",
        "c has a state that is not known, 'on fire'; it is shown as pending (and 1 more like this)",
    )


def test_what_the_queue_does_not_say_another_resource_may() -> None:
    found = tasks(
        [{"id": "a", "description": "x"}, {"id": "b", "description": "y", "status": "pending"}],
        current={"id": "a", "description": "x"},
        completed=[{"id": "a"}, {"id": "z", "description": "old"}, {"id": "b"}],
    )
    assert {task_id: task.state for task_id, task in found.items()} == {
        "a": State.COMPLETED,
        "b": State.PENDING,
        "z": State.COMPLETED,
    }


def test_what_is_current_is_next_where_it_is_in_the_queue_and_worked_on_where_it_is_not() -> None:
    waiting = {"id": "a", "description": "x", "status": "pending"}
    assert tasks([waiting], current=waiting)["a"].state is State.PENDING
    assert tasks([], current={"id": "b", "description": "y"})["b"].state is State.IN_PROGRESS
    assert tasks([], current=[{"id": "b"}, {"id": "c"}])["c"].state is State.IN_PROGRESS
    assert tasks([waiting], current=None)["a"].state is State.PENDING


def test_another_resource_that_is_none_is_a_flaw() -> None:
    texts = [(QUEUE, "[]"), ("task://current", "nobody")]
    assert "task://current is no list of tasks" in reading_of(texts, "s").sight.flaws[0]


def test_ids_are_told_apart_and_are_safe() -> None:
    odd = ["../../etc/passwd", "a/b", "a~2Fb", "ü", "x" * 300, "x" * 299 + "y", 17, 10**50, "\ud800", " "]
    reading = read([{"id": one, "status": "pending"} for one in [*odd, odd[0], 17, "17"]])
    ids = [task.id for task in reading.sight.tasks]
    assert len(ids) == len(set(ids)) == len(odd)
    assert [validity.wrong_id(task_id) for task_id in ids] == [None] * len(odd)
    assert [reading.own.get(task_id, task_id) for task_id in ids] == odd
    assert reading.own["17"] == 17
    assert "twice" in reading.sight.flaws[0]
    assert "2 more" in reading.sight.flaws[0]


@given(st.text() | st.integers(), st.text() | st.integers())
def test_an_id_is_always_the_same_and_no_other_one(one: str | int, other: str | int) -> None:
    if one == "" or other == "":
        return
    assert validity.wrong_id(id_of(one)) is None
    assert id_of(one) == id_of(one)
    if str(one) != str(other):
        assert id_of(one) != id_of(other)


def test_a_task_without_an_id_and_what_is_no_task_are_flaws() -> None:
    reading = read([{"title": "x"}, None, 7, {"id": None}, {"id": True}, {"id": ""}, {"id": 1.5}, {"id": "a"}])
    assert [task.id for task in reading.sight.tasks] == ["a"]
    assert len(reading.sight.flaws) == 3
    assert all(flaw.isprintable() for flaw in reading.sight.flaws)


def test_a_value_that_a_task_cannot_hold_is_kept_as_it_is() -> None:
    odd = {"priority": "high", "attempts": 10**50, "tags": "a", "created_at": "yesterday", "depends_on": [{}]}
    reading = read([{"id": "a", "title": "x", "state": "pending", "colour": "red", **odd}])
    (task,) = reading.sight.tasks
    assert task.extra == {"colour": "red", **odd}
    assert (task.priority, task.attempts, task.tags, task.created_at, task.depends_on) == (5, 0, (), None, ())
    assert len(reading.sight.flaws) == 3


def test_a_huge_title_and_control_characters_are_read() -> None:
    title = "x" * 10_000_000
    assert tasks([{"id": "a", "title": title, "state": "pending"}])["a"].title == title
    assert tasks([{"id": "a", "title": "\x1b[31m\u202e", "state": "pending"}])["a"].title == "\x1b[31m\u202e"


def test_of_two_pages_the_later_counts() -> None:
    early = {"id": "a", "title": "x", "state": "pending", "version": "1"}
    late = {**early, "state": "completed", "version": "2"}
    texts = [(QUEUE, json.dumps({"tasks": [early], "next": "b"})), (QUEUE, json.dumps({"tasks": [late]}))]
    (task,) = reading_of(texts, "s").sight.tasks
    assert (task.state, task.version) == (State.COMPLETED, "2")


def test_what_a_page_cut_short_is_read_whole() -> None:
    cut = {"id": "a", "title": "x", "state": "pending", "data": None, "cut": ["data"]}
    whole = {**cut, "data": {"long": "y"}, "cut": []}
    texts = [(QUEUE, json.dumps({"tasks": [cut]})), ("task://a", json.dumps(whole))]
    reading = reading_of(texts, "s")
    assert reading.sight.tasks[0].data == {"long": "y"}
    assert reading.sight.flaws == ()
    assert "only a part" in reading_of(texts[:1], "s").sight.flaws[0]


def test_what_stays_as_it_was_is_not_read_anew() -> None:
    rows = [{"id": number, "description": f"do {number}", "status": "done", "x": [number]} for number in range(3)]
    before = read(rows)
    rows[1]["x"] = [True]
    after = reading_of([(QUEUE, json.dumps(rows))], "the server", before)
    assert after.sight.tasks[0] is before.sight.tasks[0]
    assert after.sight.tasks[1].extra["x"] == [True]
    assert (after.own, after.words, after.fields) == (before.own, before.words, before.fields)
    titled = [{**row, "title": "t"} for row in rows[:1]] + rows[1:]
    assert reading_of([(QUEUE, json.dumps(titled))], "the server", after) == read(titled)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
_KEYS = st.sampled_from(
    [*Task.__struct_fields__, "status", "extra", "cut", "subject", "name", "x", "pending", "tasks", "\0listed"]
)


@given(st.lists(st.dictionaries(_KEYS, _JSON, max_size=8) | _JSON, max_size=4) | _JSON, _JSON)
def test_whatever_a_server_says_is_tasks_or_told(document: Any, current: Any) -> None:
    try:
        reading = read(document, current=current)
    except StoreError:
        return
    ids = [task.id for task in reading.sight.tasks]
    assert len(ids) == len(set(ids))
    assert all(validity.wrong_id(task_id) is None for task_id in ids)
    assert all(flaw.isprintable() for flaw in reading.sight.flaws)


_WORDS = st.sampled_from(["pending", "done", "on fire", None])
_ROWS = st.lists(
    st.fixed_dictionaries(
        {"id": st.integers(0, 3)},
        optional={
            "title": st.text(),
            "description": st.text(),
            "state": _WORDS,
            "status": _WORDS,
            "priority": st.integers() | st.text(),
        },
    ),
    max_size=4,
)


@given(_ROWS, _ROWS, _ROWS)
def test_a_reading_after_another_says_the_same_as_one_without(first: Any, second: Any, completed: Any) -> None:
    before = read(first, completed=first)
    texts = [(QUEUE, json.dumps(second)), ("task://completed", json.dumps(completed))]
    after, alone = reading_of(texts, "the server", before), reading_of(texts, "the server")
    assert after.sight == alone.sight
    assert after.own == alone.own
    assert after.fields >= alone.fields
    assert after.words.items() >= alone.words.items()
