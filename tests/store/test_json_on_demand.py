"""A task is made of its record when it is first asked for: whoever asks, and whenever, is told the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Turned
from taskdeck_store import Action, Order, State, Store, Task, command, open_store
from taskdeck_store.contract import StoreError, key
from taskdeck_store.query.parse import parse
from taskdeck_store.values import FIELDS, FOUND_NOTE

Opener = Callable[..., Store]

MANY = 2_500
EARLY, LATE = "2026-01-01T00:00:00.000000Z", "2026-12-31T00:00:00.000000Z"

SAID: dict[str, dict[str, Any]] = {
    "little": {"title": "T"},
    "all": {
        "title": "T",
        "description": "D",
        "priority": 7,
        "tags": ["x", "y"],
        "data": {"k": [1, None]},
        "result": "R",
        "error": None,
        "attempts": 2,
        "max_attempts": 4,
        "owner": None,
        "lease_until": None,
        "created_at": EARLY,
        "updated_at": EARLY,
        "state_since": EARLY,
    },
    "later than the log": {"title": "T", "updated_at": LATE, "state_since": LATE},
    "nulls": {
        "title": "T",
        "description": None,
        "priority": None,
        "tags": None,
        "attempts": None,
        "max_attempts": None,
    },
    "no title": {"description": "D"},
    "an empty title": {"title": "", "description": "D"},
    "a blank title": {"title": " \t"},
    "a title of null": {"title": None, "description": ""},
    "moments in other spellings": {
        "title": "T",
        "created_at": "2026-01-31 10:00",
        "state_since": "2026-01-31T10:00+01:00",
    },
    "a moment between": {"title": "T", "state_since": "2026-01-31T09:30:00.000000Z"},
    "moments that are none": {"title": "T", "created_at": 5, "updated_at": "yesterday", "lease_until": ""},
    "a lone surrogate": {"title": "\ud800"},
    "a number of 50 digits": {"title": "T", "data": 10**49},
}

ODD = ("a lone surrogate", "a number of 50 digits")
"""What a file may hold only if its tasks are read one by one."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tasks.json"
    write(path, [{"id": f"t-{number}", "title": f"T {number}", "state": "pending"} for number in range(6)])
    return path


@pytest.fixture
def opened(path: Path, now: Turned) -> Iterator[Opener]:
    handles: list[Store] = []

    def another(**options: Any) -> Store:
        handles.append(open_store(str(path), now=now, **options))
        return handles[-1]

    yield another
    for handle in handles:
        handle.close()


def write(path: Path, tasks: list[dict[str, Any]]) -> None:
    path.write_text(json.dumps(tasks, indent=2))


def edit(path: Path, task_id: str, **fields: object) -> None:
    tasks = json.loads(path.read_text())
    next(task for task in tasks if task["id"] == task_id).update(fields)
    write(path, tasks)


def got(store: Store, task_id: str) -> Task:
    task = store.get(task_id)
    assert task is not None
    return task


def test_a_task_that_nobody_asked_for_is_as_it_is_now(opened: Opener, path: Path) -> None:
    store = opened()
    cursor = store.changes().cursor
    seen = opened().get("t-1")
    edit(path, "t-1", state="review", title="New")
    (change,) = store.changes(cursor).changes
    assert (change.task_id, change.action, change.from_state, change.to_state) == (
        "t-1",
        "outside",
        "pending",
        "review",
    )
    assert (got(store, "t-1").title, got(store, "t-1").state) == ("New", State.REVIEW)
    assert seen is not None
    assert seen.version != got(store, "t-1").version


def test_a_task_that_was_asked_for_is_as_it_is_now(opened: Opener, path: Path) -> None:
    store = opened()
    for title in ("One", "Two"):
        before = store.tasks(parse("T", me="me"))
        edit(path, "t-1", title=title)
        assert got(store, "t-1").title == title
        assert {task.version for task in before if task.id == "t-1"} != {got(store, "t-1").version}
        store.apply([command("t-2", Action.EDIT, actor="me", title=title)])
        assert got(store, "t-2").title == title


def test_a_column_moves_with_tasks_that_nobody_asked_for(opened: Opener, path: Path) -> None:
    store = opened()
    assert store.counts()[State.PENDING].count == 6
    edit(path, "t-5", priority=1)
    assert store.window(State.PENDING, Order.PRIORITY).cards[0].id == "t-5"
    edit(path, "t-5", state="failed")
    assert [card.id for card in store.window(State.PENDING, Order.PRIORITY).cards] == [f"t-{n}" for n in range(5)]
    assert [card.id for card in store.window(State.FAILED, Order.OLDEST).cards] == ["t-5"]


def test_all_handles_tell_the_same_version(opened: Opener, path: Path) -> None:
    early, onlooker = opened(), opened(read_only=True)
    asked = opened()
    steps: list[Callable[[], object]] = [
        lambda: None,
        lambda: asked.apply([command("t-1", Action.START, actor="me")]),
        lambda: edit(path, "t-2", title="Theirs"),
        lambda: early.apply(
            [command("t-2", Action.START, actor="me"), command("t-9", Action.ADD, actor="me", title="N")]
        ),
        lambda: asked.apply([command("t-1", Action.SUBMIT, actor="me")]),
    ]
    for step in steps:
        step()
        asked.tasks()
        # Whoever may only read sees what is not on record, until a handle that may write has looked.
        versions = [
            {task.id: task.version for task in store.tasks()}
            for store in (early, asked, onlooker, opened(), opened(read_only=True))
        ]
        assert all(found == versions[0] for found in versions)
        for state in State:
            for card in early.window(state, Order.NEWEST).cards:
                assert card.version == versions[0][card.id]


def test_a_filter_right_after_an_outside_change_sees_it(opened: Opener, path: Path) -> None:
    store = opened()
    query = parse("title:T", me="me")
    assert len(store.tasks(query)) == 6
    edit(path, "t-1", title="Gone")
    edit(path, "t-2", title="T two", state="review")
    assert store.counts(query)[State.PENDING].count == 4
    (card,) = store.window(State.REVIEW, Order.PRIORITY, query=query).cards
    assert (card.id, card.version) == ("t-2", got(opened(), "t-2").version)
    assert [task.version for task in store.tasks(query)] == [
        got(opened(), task.id).version for task in store.tasks(query)
    ]


def test_a_file_as_the_last_commit_left_it_holds_nothing_from_outside(opened: Opener, path: Path) -> None:
    opened().apply([command("t-1", Action.START, actor="me")])
    committed = path.read_bytes()
    onlooker = opened(read_only=True)
    versions = {task.id: task.version for task in onlooker.tasks()}
    assert versions == {f"t-{number}": str(7 if number == 1 else number + 1) for number in range(6)}
    edit(path, "t-2", title="Their")
    assert got(onlooker, "t-2").version.startswith("3+")
    assert got(opened(read_only=True), "t-2").version == got(onlooker, "t-2").version
    path.write_bytes(committed)
    assert {task.id: task.version for task in onlooker.tasks()} == versions


@pytest.mark.parametrize("title", ["T 3", "Longer than before"])
def test_what_changed_while_no_handle_was_open_is_put_on_record(opened: Opener, path: Path, title: str) -> None:
    opened().apply([command("t-1", Action.START, actor="me")])
    edit(path, "t-2", title=title)
    store = opened()
    store.counts()
    assert [(event.task_id, event.actor, event.changes) for event in store.events(after=7)] == [
        ("t-2", "external", {"title": ("T 2", title)})
    ]
    assert got(store, "t-2").version == "8"


@pytest.mark.parametrize("logged", [False, True], ids=["no log", "a log"])
@pytest.mark.parametrize("name", SAID)
def test_a_key_more_changes_nothing_else_of_a_task(tmp_path: Path, now: Turned, name: str, logged: bool) -> None:
    found = []
    for more in ({}, {"more": 1}):
        path = tmp_path / f"{len(more)}.json"
        write(path, [{"id": "a", "state": "pending", **SAID[name], **more}])
        store = open_store(str(path), now=now)
        if logged:
            store.apply([command("a", Action.START, actor="me", lease_until=LATE)])
            store.apply([command("a", Action.EDIT, actor="me", tags=("z",))])
            store.apply([command("a", Action.FAIL, actor="me", error="E")])
            store.close()
            store = open_store(str(path), now=now)
        task = got(store, "a")
        assert task.extra.pop("more", None) == more.get("more")
        found.append([getattr(task, field) for field in (*FIELDS, "extra")])
        (card,) = store.window(task.state, Order.PRIORITY).cards
        assert (card.title, card.priority, card.state_since) == (task.title, task.priority, task.state_since)
        store.close()
    assert found[0] == found[1]


@pytest.mark.parametrize("odd", ["", *ODD])
@pytest.mark.parametrize("logged", [False, True], ids=["no log", "a log"])
def test_tasks_stand_where_their_fields_say(opened: Opener, path: Path, now: Turned, logged: bool, odd: str) -> None:
    some = [said for name, said in SAID.items() if name == odd or name not in ODD]
    tasks = [{"id": f"{n}-{m}", "state": "pending", **said} for m in range(2) for n, said in enumerate(some)]
    write(path, tasks)
    if logged:
        writer = opened()
        writer.apply([command(task["id"], Action.START, actor="me") for task in tasks[3:]])
        now.turn(60)
        writer.apply([command(task["id"], Action.EDIT, actor="me", priority=n % 4) for n, task in enumerate(tasks[5:])])
        edit(path, "2-1", priority=-1, title="Theirs")
        edit(path, "1-1", state_since=EARLY)
    for store in (opened(read_only=True), opened()):
        for state in State:
            for order in Order:
                cards = store.window(state, order).cards
                places = [key(card, order) for card in cards]
                assert places == sorted(places, reverse=order is Order.NEWEST)
            since = [card.state_since for card in cards if card.state_since]
            assert store.counts()[state].oldest == min(since, default=None)


def test_what_an_outside_program_took_away_is_gone_before_and_after_it_is_on_record(opened: Opener, path: Path) -> None:
    write(path, [{"id": task_id, "title": "T", "state": "pending", "owner": None} for task_id in ("a", "b")])
    onlooker = opened(read_only=True)
    opened().apply([command("a", Action.START, actor="me")])
    assert got(onlooker, "a").owner == "me"
    tasks = json.loads(path.read_text())
    del tasks[0]["owner"]
    write(path, tasks)
    assert got(onlooker, "a").owner is None
    assert got(opened(), "a").owner is None
    assert got(onlooker, "a").owner is None


def test_a_log_that_began_and_went_between_two_looks_at_the_feed_is_not_passed_over(opened: Opener, path: Path) -> None:
    store = opened()
    cursor = store.changes().cursor
    opened().apply([command("t-1", Action.START, actor="me")])
    store.counts()
    path.with_name("tasks.audit.jsonl").unlink()
    told = store.changes(cursor)
    assert not told.complete or "t-1" in [change.task_id for change in told.changes]


def test_a_task_that_is_nested_too_deeply_is_told_though_all_else_is_right(opened: Opener, path: Path) -> None:
    path.write_text('[{"id": "a", "state": "pending", "x": ' + "[" * 250 + "]" * 250 + "}]")
    with pytest.raises(StoreError, match="line 1 column 2: this task is nested more than 200 levels deep"):
        opened()


@pytest.mark.parametrize("at", [0, 1_200, MANY - 1])
def test_a_flaw_among_many_tasks_is_told_with_its_place(opened: Opener, path: Path, at: int) -> None:
    tasks = [{"id": f"t-{number}", "state": "pending"} for number in range(MANY)]
    for wrong, why in ({"priority": "high"}, "priority must be"), ({"id": f"t-{(at + 1) % MANY}"}, "a second task has"):
        path.write_text(
            "[\n" + ",\n".join(json.dumps(task | (wrong if n == at else {})) for n, task in enumerate(tasks)) + "\n]"
        )
        line = MANY + 1 if at == MANY - 1 else at + 2 + ("id" in wrong)
        with pytest.raises(StoreError, match=f"line {line} column [0-9]+: {why}"):
            opened()


def test_a_line_that_takes_a_closer_look_hides_no_damage_after_it(opened: Opener, path: Path) -> None:
    store = opened()
    store.apply([command("t-1", Action.START, actor="me", note="\ud800")])
    store.apply([command("t-1", Action.FAIL, actor="me", error="E")])
    assert [event.note for event in opened().events("t-1")] == [FOUND_NOTE, "\ud800", None]
    log = path.with_name("tasks.audit.jsonl")
    log.write_bytes(log.read_bytes().replace(b'[null,"E"]', b"[null,5]"))
    with pytest.raises(StoreError, match="line 8 is not the event"):
        opened()
