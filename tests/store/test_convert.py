"""From any store to any other: with the whole history into a new one, task by task into one that is there."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from ledgers import Ledger

from foreign.files import tagged, task, task_master
from taskdeck_store import (
    Action,
    Fault,
    Order,
    State,
    Store,
    StoreError,
    Task,
    command,
    create_store,
    kinds,
    open_store,
)
from taskdeck_store.bundle import export
from taskdeck_store.convert import convert
from taskdeck_store.query.parse import parse
from taskdeck_store.values import FIELDS
from taskdeck_store.verification import verify

TARGETS = ("made.db", "made.json")


@pytest.fixture(autouse=True)
def ledgers_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    ours = (f"taskdeck_store.sources.{name}:KIND" for name in ("taskmaster", "ralph"))
    monkeypatch.setattr(kinds, "_OURS", ("ledgers:KIND", *ours))


def filled(path: Path) -> str:
    """Make a store with a task in each state, some with a past."""
    create_store(str(path))
    with closing(open_store(str(path))) as store:
        for state in State:
            fields = {"title": f"a {state} one", "tags": ["x", "ü"], "data": {"n": [1, None]}, "priority": 3}
            store.apply([command(state.value, Action.ADD, actor="me", operation=f"add-{state}", **fields)])
        moves = {
            State.IN_PROGRESS: [(Action.START, {})],
            State.REVIEW: [(Action.START, {}), (Action.SUBMIT, {"result": {"ok": True}})],
            State.COMPLETED: [(Action.START, {}), (Action.SUBMIT, {"result": "done"}), (Action.APPROVE, {})],
            State.FAILED: [(Action.START, {}), (Action.RELEASE, {}), (Action.FAIL, {"error": "boom"})],
        }
        for state, steps in moves.items():
            for action, given in steps:
                store.apply([command(state.value, action, actor="w", note="so", **given)])
        store.apply([command("pending", Action.EDIT, actor="me", depends_on=["review"])])
    return str(path)


def told(store: Store) -> list[dict[str, object]]:
    return [{name: getattr(task, name) for name in FIELDS} for task in store.tasks()]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("source", ["tasks.db", "tasks.json"])
def test_a_new_store_has_the_tasks_and_their_whole_history(tmp_path: Path, source: str, target: str) -> None:
    address, made = filled(tmp_path / source), str(tmp_path / target)
    found = convert(address, made, actor="me")
    assert (found.tasks, found.unkept, found.refused, found.renumbered, found.problem) == (5, {}, {}, False, None)
    with closing(open_store(address)) as before, closing(open_store(made)) as after:
        assert told(after) == told(before)
        assert list(after.events()) == list(before.events())
        assert found.events == len(after.events())
        assert verify(after).is_sound
        (outcome,) = after.apply([command("review", Action.APPROVE, actor="me")])
        assert outcome.event is not None
        assert verify(after).is_sound


def test_there_and_back_again_is_the_same(tmp_path: Path) -> None:
    address = filled(tmp_path / "tasks.db")
    convert(address, str(tmp_path / "b.json"), actor="me")
    convert(str(tmp_path / "b.json"), str(tmp_path / "c.db"), actor="me")
    with closing(open_store(address)) as before, closing(open_store(str(tmp_path / "c.db"))) as after:
        assert list(after.tasks()) == list(before.tasks())
        assert list(after.events()) == list(before.events())


def test_a_dry_run_writes_nothing_and_tells_the_same(tmp_path: Path) -> None:
    address, made = filled(tmp_path / "tasks.json"), str(tmp_path / "made.db")
    before = sorted(entry.name for entry in tmp_path.iterdir())
    dry = convert(address, made, actor="me", dry=True)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == before
    wet = convert(address, made, actor="me")
    assert (dry.dry, dry.tasks, dry.events) == (True, wet.tasks, wet.events)


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_put_over_what_is_there(tmp_path: Path, target: str) -> None:
    address, made = filled(tmp_path / "tasks.db"), tmp_path / target
    create_store(str(made))
    content = made.read_bytes()
    with closing(open_store(str(made))), pytest.raises(StoreError, match=f"{target} exists already") as caught:
        convert(address, str(made), actor="me")
    assert caught.value.fault is Fault.EXISTS
    assert made.read_bytes() == content
    ledger = tmp_path / "work.ledger"
    Ledger(ledger).edit(a={})
    with pytest.raises(StoreError, match="to add the tasks to what it has: --into"):
        convert(address, str(ledger), actor="me")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (
            "minna:new.db",
            "minna:new.db is a place of Minna Memory, .*once it is made \\(taskdeck init minna:new.db\\): --into",
        ),
        (".taskmaster/tasks/tasks.json", "is a place of Task Master, .*once it is made"),
    ],
)
def test_where_others_keep_tasks_no_store_of_ours_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".taskmaster" / "tasks").mkdir(parents=True)
    address = filled(tmp_path / "tasks.db")
    with pytest.raises(StoreError, match=said):
        convert(address, target, actor="me")
    create_store(target)
    assert convert(address, target, actor="me", into=True).tasks >= 4


def test_what_a_database_has_no_place_for_is_on_record(tmp_path: Path) -> None:
    source = tmp_path / "tasks.json"
    source.write_text(json.dumps([{"id": "a", "title": "A", "state": "failed", "team": "x"}]))
    found = convert(str(source), str(tmp_path / "made.db"), actor="me")
    assert (found.unkept, found.problem) == ({"team": 1}, None)
    with closing(open_store(str(tmp_path / "made.db"))) as store:
        events = store.events("a")
        assert [event.action for event in events] == [Action.ADD, Action.EDIT]
        assert (events[-1].actor, events[-1].changes) == ("me", {"team": ("x", None)})
        assert verify(store).is_sound
        assert len(store.window(State.FAILED, Order.PRIORITY, start=(5, "", "a")).cards) == 1


def test_tasks_without_a_log_keep_their_own_moments(tmp_path: Path) -> None:
    source, begun = tmp_path / "tasks.json", "2026-01-01T00:00:00.000000Z"
    source.write_text(
        json.dumps(
            [{"id": "a", "title": "A", "state": "review", "result": "", "created_at": begun, "state_since": begun}]
        )
    )
    found = convert(str(source), str(tmp_path / "made.db"), actor="me")
    assert (found.tasks, found.events, found.problem) == (1, 1, None)
    with closing(open_store(str(tmp_path / "made.db"))) as store:
        (task,) = store.tasks()
        assert (task.created_at, task.state_since, task.result) == (begun, begun, "")
        assert verify(store).is_sound


def test_a_part_of_a_log_gets_new_numbers(tmp_path: Path) -> None:
    address, part = filled(tmp_path / "tasks.db"), str(tmp_path / "part.bundle")
    export(address, part, actor="me", version="1", query=parse("state:failed", me="me"), asked="state:failed")
    found = convert(part, str(tmp_path / "made.db"), actor="me")
    assert (found.tasks, found.events, found.renumbered, found.problem) == (1, 4, True, None)
    with closing(open_store(str(tmp_path / "made.db"))) as store:
        assert [event.seq for event in store.events()] == [1, 2, 3, 4]
        assert verify(store).is_sound


@pytest.mark.parametrize("target", TARGETS)
def test_into_a_store_that_is_there_each_task_is_moved_to_where_it_stood(tmp_path: Path, target: str) -> None:
    address, there = filled(tmp_path / "tasks.json"), str(tmp_path / target)
    create_store(there)
    with closing(open_store(there)) as store:
        store.apply([command("failed", Action.ADD, actor="other", title="mine")])
    found = convert(address, there, actor="me", into=True)
    assert (found.tasks, found.refused) == (4, {"failed": "failed is there already; it was left as it is"})
    with closing(open_store(there)) as store, closing(open_store(address)) as source:
        assert {task.id: task.state for task in store.tasks()} == {
            state.value: state if state is not State.FAILED else State.PENDING for state in State
        }
        one, other = store.get("completed"), source.get("completed")
        assert isinstance(one, Task)
        assert isinstance(other, Task)
        assert (one.result, one.tags, one.data) == (other.result, other.tags, other.data)
        assert store.get("pending").depends_on == ("review",)  # type: ignore[union-attr]
        assert {event.note for event in store.events("review")} == {f"converted from {address}"}


@pytest.mark.parametrize("dry", [True, False])
def test_into_what_cannot_be_written_to_nothing_is_planned(tmp_path: Path, dry: bool) -> None:
    stories = tmp_path / "prd.json"
    stories.write_text(json.dumps({"userStories": [{"id": "a", "title": "A", "passes": False}]}))
    with pytest.raises(StoreError, match="a story passes when"):
        convert(filled(tmp_path / "tasks.json"), str(stories), actor="me", into=True, dry=dry)


@pytest.mark.parametrize("dry", [True, False])
def test_into_what_others_own_what_does_not_fit_is_told(tmp_path: Path, dry: bool) -> None:
    address, ledger = filled(tmp_path / "tasks.json"), tmp_path / "work.ledger"
    Ledger(ledger).save({})
    found = convert(address, str(ledger), actor="me", into=True, dry=dry)
    assert (found.kind, found.tasks, found.refused) == ("ledger", 5, {})
    assert found.unkept == {"tags": 5, "data": 5, "depends_on": 1, "owner": 3, "error": 1, "attempts": 1}
    said = json.loads(ledger.read_text())
    assert {task_id: one["is"] for task_id, one in said.items()} == (
        {}
        if dry
        else {"pending": "todo", "in_progress": "doing", "review": "look", "completed": "done", "failed": "dead"}
    )


def test_what_a_format_cannot_be_given_is_left_out_and_the_task_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds, "_OURS", ("taskdeck_store.sources.taskmaster:KIND",))
    ours, theirs = tmp_path / "ours.json", tmp_path / "tasks.json"
    create_store(str(ours))
    with closing(open_store(str(ours))) as store:
        store.apply([command("1", Action.ADD, actor="ann", title="one", priority=3, tags=["api"], description="d")])
    theirs.write_text('{"master": {"tasks": []}}')
    found = convert(str(ours), str(theirs), actor="me", into=True, dry=False)
    assert (found.tasks, found.refused, found.unkept) == (1, {}, {"priority": 1, "tags": 1})
    (task,) = json.loads(theirs.read_text())["master"]["tasks"]
    assert (task["title"], task["description"], task["priority"]) == ("one", "d", "medium")


def test_where_ids_are_numbers_tasks_get_the_next_ones_and_are_known_again(tmp_path: Path) -> None:
    address, there = filled(tmp_path / "tasks.db"), str(task_master(tmp_path, tagged(task(1), task(4))))
    with closing(open_store(address)) as store:
        store.apply([command("6", Action.ADD, actor="me", title="six", priority=9, depends_on=["in_progress"])])
    content = Path(there).read_bytes()
    dry = convert(address, there, actor="me", into=True, dry=True)
    assert Path(there).read_bytes() == content
    found = convert(address, there, actor="me", into=True)
    assert (dry.tasks, dry.refused, dry.renamed, dry.unkept) == (5, found.refused, found.renamed, found.unkept)
    assert (found.tasks, [*found.refused]) == (5, ["failed"])
    assert found.renamed == {"review": "5", "pending": "6", "in_progress": "7", "6": "8", "completed": "9"}
    assert found.unkept == {"tags": 4, "data": 4, "priority": 5, "owner": 3, "result": 2}
    with closing(open_store(there)) as store:
        states = {one.id: one.state for one in store.tasks()}
        assert (states["5"], states["7"], states["9"]) == (State.REVIEW, State.IN_PROGRESS, State.COMPLETED)
        waits = {one.id: one.depends_on for one in store.tasks() if one.depends_on}
        assert waits == {"6": ("5",), "8": ("7",)}
        assert store.get("8").priority == 5  # type: ignore[union-attr]
    again = convert(address, there, actor="me", into=True)
    assert (again.tasks, again.refused["6"]) == (0, "6 is there already, as 8; it was left as it is")


def test_from_what_others_own_the_observed_log_comes_along(tmp_path: Path) -> None:
    ledger = tmp_path / "work.ledger"
    Ledger(ledger).edit(a={}, b={"is": "dead"})
    with closing(open_store(str(ledger))) as store:
        store.apply([command("a", Action.START, actor="me")])
    found = convert(str(ledger), str(tmp_path / "made.db"), actor="me")
    assert (found.tasks, found.events, found.problem) == (2, 3, None)
    with closing(open_store(str(tmp_path / "made.db"))) as store:
        assert [event.actor for event in store.events("a")] == ["external", "me"]
        assert verify(store).is_sound


def test_files_that_others_own_are_not_copied_as_ours(tmp_path: Path) -> None:
    from taskdeck_store.backup import backup

    ledger = tmp_path / "work.ledger"
    Ledger(ledger).edit(a={})
    with pytest.raises(StoreError, match="kept by its own tools \\(ledger\\)"):
        backup(str(ledger), str(tmp_path / "copy"))
    exported = export(str(ledger), str(tmp_path / "all.bundle"), actor="me", version="1")
    assert (exported.problem, exported.manifest.tasks, exported.manifest.kind) == (None, 1, "ledger")
