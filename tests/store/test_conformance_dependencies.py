"""Every store: a task that depends on others is not started before they are completed, and never waits for itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from backends import Backend
from moving import do, done, put

from conftest import Opener
from taskdeck_store import Action, Claiming, Code, Order, State, Store, command, open_store
from taskdeck_store.machine import DEPENDS_LIMIT
from taskdeck_store.past import Past
from taskdeck_store.query.parse import parse
from taskdeck_store.verification import verify


def claimed(store: Store, limit: int = 9) -> list[str]:
    outcomes = store.claim(Claiming(owner="w", actor="w", seconds=30, limit=limit))
    return [outcome.command.task_id for outcome in outcomes]


def complete(store: Store, task_id: str) -> None:
    for action in (Action.START, Action.SUBMIT, Action.APPROVE):
        done(store, task_id, action)


def blocked(store: Store, task_id: str) -> int:
    task = store.get(task_id)
    assert task is not None
    (card,) = [card for card in store.window(task.state, Order.PRIORITY).cards if card.id == task_id]
    assert card.blocked == task.blocked
    return task.blocked


def ids(store: Store, query: str) -> list[str]:
    return [task.id for task in store.tasks(parse(query, me=""))]


def refusal(store: Store, task_id: str, action: Action, **fields: object) -> str:
    before = (list(store.tasks()), list(store.events()))
    outcome = do(store, task_id, action, **fields)
    assert outcome.refusal is not None
    assert outcome.refusal.code is Code.INVALID
    assert (list(store.tasks()), list(store.events())) == before
    return outcome.refusal.message


def test_a_task_is_freed_when_the_last_one_that_it_depends_on_is_completed(store: Store) -> None:
    put(store, "a")
    put(store, "b")
    task = put(store, "c", depends_on=["a", "b", "a"], priority=1)
    assert (task.depends_on, task.blocked) == (("a", "b"), 2)
    assert (ids(store, "blocked:yes"), ids(store, "blocked:no")) == (["c"], ["a", "b"])
    assert ids(store, "depends:b") == ["c"]
    complete(store, "a")
    assert blocked(store, "c") == 1
    done(store, "b", Action.START)
    done(store, "b", Action.SUBMIT)
    assert blocked(store, "c") == 1
    assert claimed(store) == []
    done(store, "b", Action.APPROVE)
    assert blocked(store, "c") == 0
    assert (ids(store, "blocked:yes"), ids(store, "-blocked:yes state:pending")) == ([], ["c"])
    assert claimed(store) == ["c"]
    assert verify(store).is_sound


def test_what_is_freed_in_a_commit_is_claimed_in_it(store: Store) -> None:
    put(store, "a", State.REVIEW)
    put(store, "b", depends_on=["a"])
    approve = command("a", Action.APPROVE, actor="ann")
    outcomes = store.claim(Claiming(owner="w", actor="w", seconds=30), after=[approve])
    assert [(outcome.command.task_id, outcome.refusal) for outcome in outcomes] == [("a", None), ("b", None)]


def test_what_fails_or_goes_back_frees_nobody(store: Store) -> None:
    put(store, "a", State.REVIEW)
    put(store, "b", State.FAILED)
    put(store, "c", depends_on=["a", "b"])
    done(store, "a", Action.REJECT, note="again")
    assert blocked(store, "c") == 2
    done(store, "b", Action.RETRY)
    assert (blocked(store, "c"), claimed(store)) == (2, ["a", "b"])


def test_a_blocked_task_cannot_be_started_by_hand(store: Store) -> None:
    for other in "ab":
        put(store, other)
    put(store, "c", depends_on=["a", "b"])
    outcome = do(store, "c", Action.START)
    assert outcome.refusal is not None
    assert outcome.refusal.code is Code.ILLEGAL
    assert outcome.refusal.message == "cannot start c: it depends on a, b, to be completed first"
    complete(store, "a")
    outcome = do(store, "c", Action.START)
    assert outcome.refusal is not None
    assert outcome.refusal.message == "cannot start c: 1 of the tasks it depends on (a, b) are not completed"
    assert done(store, "c", Action.FAIL, note="not wanted").state is State.FAILED


def test_dependencies_are_edited(store: Store) -> None:
    for other in "ab":
        put(store, other)
    put(store, "c", depends_on=["a"])
    edited = done(store, "c", Action.EDIT, depends_on=["b"])
    assert (edited.depends_on, edited.blocked) == (("b",), 1)
    assert store.events("c")[-1].changes == {"depends_on": (["a"], ["b"])}
    complete(store, "a")
    assert blocked(store, "c") == 1
    assert done(store, "c", Action.EDIT, depends_on=[]).blocked == 0
    assert done(store, "c", Action.EDIT, depends_on=["a"]).blocked == 0
    assert done(store, "c", Action.EDIT, title="other").depends_on == ("a",)
    assert verify(store).is_sound


def test_a_circle_is_refused_and_named(store: Store) -> None:
    put(store, "a")
    put(store, "b", depends_on=["a"])
    put(store, "c", depends_on=["b"])
    assert (
        refusal(store, "a", Action.EDIT, depends_on=["c"])
        == "cannot edit a: it would wait for itself, by a → c → b → a"
    )
    assert refusal(store, "a", Action.EDIT, depends_on=["a"]) == "cannot edit a: it would wait for itself, by a → a"
    assert refusal(store, "d", Action.ADD, title="D", depends_on=["d"]).endswith("by d → d")


def test_a_circle_within_one_commit_is_refused(store: Store) -> None:
    put(store, "a")
    put(store, "b")
    outcomes = store.apply(
        [
            command("a", Action.EDIT, actor="ann", depends_on=["b"]),
            command("b", Action.EDIT, actor="ann", depends_on=["a"]),
        ]
    )
    assert [outcome.refusal is None for outcome in outcomes] == [True, False]


def test_a_long_chain_is_no_circle_and_a_long_circle_is_cut_short(store: Store) -> None:
    adds = [command("t-0", Action.ADD, actor="ann", title="x")]
    adds += [command(f"t-{n}", Action.ADD, actor="ann", title="x", depends_on=[f"t-{n - 1}"]) for n in range(1, 200)]
    assert all(outcome.refusal is None for outcome in store.apply(adds, whole=True))
    said = refusal(store, "t-0", Action.EDIT, depends_on=["t-199"])
    assert said.endswith("by t-0 → t-199 → t-198 → t-197 → t-196 → t-195 → t-194 → … → t-0")
    assert claimed(store) == ["t-0"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["gone"], "there is no task gone to depend on; add it first"),
        ("a", "depends_on must be a list of task ids"),
        ([1], "depends_on must be a list of task ids"),
        (["a b"], "depends_on: a task id takes letters"),
        ([f"t-{n}" for n in range(DEPENDS_LIMIT + 1)], "a task depends on at most 1,000 others"),
    ],
)
def test_what_cannot_be_depended_on_is_refused(store: Store, given: object, said: str) -> None:
    put(store, "a")
    assert said in refusal(store, "b", Action.ADD, title="B", depends_on=given)
    assert said in refusal(store, "a", Action.EDIT, depends_on=given)


def test_a_new_task_can_close_a_circle_that_others_have_begun(backend: Backend, path: Path, store: Store) -> None:
    put(store, "a")
    put(store, "b", depends_on=["a"])
    backend.remove(path, "a")
    assert refusal(store, "a", Action.ADD, title="A", depends_on=["b"]).endswith("by a → b → a")
    assert put(store, "a").depends_on == ()


def test_what_is_added_looks_at_nothing_below_it(store: Store) -> None:
    """A chain of so many would else take minutes."""
    adds = [
        command(f"t-{n}", Action.ADD, actor="ann", title="x", depends_on=[f"t-{n - 1}"] if n else [])
        for n in range(3_000)
    ]
    assert all(outcome.refusal is None for outcome in store.apply(adds, whole=True))
    assert claimed(store) == ["t-0"]


def test_tasks_are_added_with_what_they_depend_on(store: Store) -> None:
    first = command("a", Action.ADD, actor="ann", title="A")
    second = command("b", Action.ADD, actor="ann", title="B", depends_on=["a"])
    assert [outcome.refusal for outcome in store.apply([first, second])] == [None, None]
    assert blocked(store, "b") == 1


def test_a_completed_task_that_was_taken_away_blocks_nobody(backend: Backend, path: Path, store: Store) -> None:
    put(store, "a", State.COMPLETED)
    put(store, "b")
    put(store, "c", depends_on=["a", "b"])
    backend.remove(path, "a")
    assert blocked(store, "c") == 1
    backend.remove(path, "b")
    assert blocked(store, "c") == 1
    assert done(store, "c", Action.EDIT, depends_on=["a"]).blocked == 0
    assert claimed(store) == ["c"]
    put(store, "d")
    backend.meddle(path, "a", title="again")
    assert blocked(store, "c") == 1
    assert verify(store).is_sound


def test_all_handles_see_what_blocks(store: Store, opened: Opener) -> None:
    other = opened()
    put(store, "a")
    put(store, "b", depends_on=["a"])
    assert blocked(other, "b") == 1
    cursor = other.changes().cursor
    complete(store, "a")
    assert blocked(other, "b") == 0
    assert {change.task_id for change in other.changes(cursor).changes} == {"a"}


def test_the_past_tells_what_was_blocked_then(store: Store) -> None:
    put(store, "a")
    put(store, "b", depends_on=["a"])
    complete(store, "a")
    done(store, "b", Action.START)
    past = Past(store)
    past.read_all()
    told = []
    for position in range(past.end + 1):
        past.go(position)
        task = past.get("b")
        cards = [card for state in State for card in past.window(state, Order.PRIORITY).cards if card.id == "b"]
        assert [card.blocked for card in cards] == ([] if task is None else [task.blocked])
        assert [each.blocked for each in past.tasks(parse("id:b", me=""))] == [card.blocked for card in cards]
        told.append(None if task is None else task.blocked)
    assert told == [None, None, 1, 1, 1, 0, 0]


def test_a_version_outlives_what_becomes_of_others(store: Store) -> None:
    put(store, "a", State.REVIEW)
    seen = put(store, "b", depends_on=["a"])
    done(store, "a", Action.APPROVE)
    assert done(store, "b", Action.START, expect=seen.version).state is State.IN_PROGRESS


def test_a_task_file_by_another_program_may_depend_as_it_likes(tmp_path: Path) -> None:
    """What cannot be refused is shown: a circle, an unknown id, and numbers for ids; other values are kept."""
    path = tmp_path / "theirs.json"
    path.write_text(
        """[{"id": 1, "title": "A", "state": "pending", "depends_on": [2]},
        {"id": 2, "title": "B", "state": "pending", "depends_on": [1, 7]},
        {"id": 3, "title": "C", "state": "pending", "depends_on": {"odd": true}},
        {"id": 4, "title": "D", "state": "pending", "depends_on": null}]"""
    )
    store = open_store(str(path))
    assert [(task.id, task.depends_on, task.blocked) for task in store.tasks()] == [
        ("1", ("2",), 1),
        ("2", ("1", "7"), 2),
        ("3", (), 0),
        ("4", (), 0),
    ]
    done(store, "2", Action.EDIT, depends_on=["4"])
    assert '"depends_on": [4]' in path.read_text()
    done(store, "3", Action.EDIT, depends_on=["4"])
    task = store.get("3")
    assert task is not None
    assert (task.depends_on, task.extra) == (("4",), {})
    done(store, "4", Action.EDIT, title="first")
    assert [task.blocked for task in store.tasks()] == [1, 1, 1, 0]
    assert verify(store).is_sound
    store.close()
