"""Every store: a task that depends on others is not started before they are completed, and never waits for itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from backends import Backend
from moving import A, B, C, D, do, done, put, t, until
from reaching import LOOSE, WHOLE

from conftest import Opener
from taskdeck_store import Action, Claiming, Code, Order, State, Store, command, open_store
from taskdeck_store.past import Past
from taskdeck_store.query.parse import parse
from taskdeck_store.validity import DEPENDS_LIMIT
from taskdeck_store.verification import verify

pytestmark = pytest.mark.needs("depends_on")


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


@pytest.mark.needs(State.REVIEW)
def test_a_task_is_freed_when_the_last_one_that_it_depends_on_is_completed(store: Store) -> None:
    put(store, A)
    put(store, B)
    task = put(store, C, depends_on=[A, B, A], priority=1)
    assert (task.depends_on, task.blocked) == ((A, B), 2)
    assert (ids(store, "blocked:yes"), ids(store, "blocked:no")) == ([C], [A, B])
    assert ids(store, f"depends:{B}") == [C]
    complete(store, A)
    assert blocked(store, C) == 1
    done(store, B, Action.START)
    done(store, B, Action.SUBMIT)
    assert blocked(store, C) == 1
    assert claimed(store) == []
    done(store, B, Action.APPROVE)
    assert blocked(store, C) == 0
    assert (ids(store, "blocked:yes"), ids(store, "-blocked:yes state:pending")) == ([], [C])
    assert claimed(store) == [C]
    assert verify(store).is_sound


@pytest.mark.needs(State.REVIEW)
def test_what_is_freed_in_a_commit_is_claimed_in_it(store: Store) -> None:
    put(store, A, State.REVIEW)
    put(store, B, depends_on=[A])
    approve = command(A, Action.APPROVE, actor="ann")
    outcomes = store.claim(Claiming(owner="w", actor="w", seconds=30), after=[approve])
    assert [(outcome.command.task_id, outcome.refusal) for outcome in outcomes] == [(A, None), (B, None)]


@pytest.mark.needs(State.REVIEW, State.FAILED)
def test_what_fails_or_goes_back_frees_nobody(store: Store) -> None:
    put(store, A, State.REVIEW)
    put(store, B, State.FAILED)
    put(store, C, depends_on=[A, B])
    done(store, A, Action.REJECT, note="again")
    assert blocked(store, C) == 2
    done(store, B, Action.RETRY)
    assert (blocked(store, C), claimed(store)) == (2, [A, B])


@pytest.mark.needs(State.REVIEW, State.FAILED)
def test_a_blocked_task_cannot_be_started_by_hand(store: Store) -> None:
    for other in (A, B):
        put(store, other)
    put(store, C, depends_on=[A, B])
    outcome = do(store, C, Action.START)
    assert outcome.refusal is not None
    assert outcome.refusal.code is Code.ILLEGAL
    assert outcome.refusal.message == f"cannot start {C}: it depends on {A}, {B}, to be completed first"
    complete(store, A)
    outcome = do(store, C, Action.START)
    assert outcome.refusal is not None
    assert outcome.refusal.message == f"cannot start {C}: 1 of the tasks it depends on ({A}, {B}) are not completed"
    assert done(store, C, Action.FAIL, note="not wanted").state is State.FAILED


@pytest.mark.needs(State.REVIEW)
def test_dependencies_are_edited(store: Store) -> None:
    for other in (A, B):
        put(store, other)
    put(store, C, depends_on=[A])
    edited = done(store, C, Action.EDIT, depends_on=[B])
    assert (edited.depends_on, edited.blocked) == ((B,), 1)
    assert store.events(C)[-1].changes == {"depends_on": ([A], [B])}
    complete(store, A)
    assert blocked(store, C) == 1
    assert done(store, C, Action.EDIT, depends_on=[]).blocked == 0
    assert done(store, C, Action.EDIT, depends_on=[A]).blocked == 0
    assert done(store, C, Action.EDIT, title="other").depends_on == (A,)
    assert verify(store).is_sound


def test_a_circle_is_refused_and_named(store: Store) -> None:
    put(store, A)
    put(store, B, depends_on=[A])
    put(store, C, depends_on=[B])
    assert (
        refusal(store, A, Action.EDIT, depends_on=[C])
        == f"cannot edit {A}: it would wait for itself, by {A} → {C} → {B} → {A}"
    )
    assert refusal(store, A, Action.EDIT, depends_on=[A]) == f"cannot edit {A}: it would wait for itself, by {A} → {A}"
    assert refusal(store, D, Action.ADD, title="D", depends_on=[D]).endswith(f"by {D} → {D}")


def test_a_circle_within_one_commit_is_refused(store: Store) -> None:
    put(store, A)
    put(store, B)
    outcomes = store.apply(
        [
            command(A, Action.EDIT, actor="ann", depends_on=[B]),
            command(B, Action.EDIT, actor="ann", depends_on=[A]),
        ]
    )
    assert [outcome.refusal is None for outcome in outcomes] == [True, False]


@pytest.mark.needs(WHOLE)
def test_a_long_chain_is_no_circle_and_a_long_circle_is_cut_short(store: Store) -> None:
    adds = [command(t(0), Action.ADD, actor="ann", title="x")]
    adds += [command(t(n), Action.ADD, actor="ann", title="x", depends_on=[t(n - 1)]) for n in range(1, 200)]
    assert all(outcome.refusal is None for outcome in store.apply(adds, whole=True))
    said = refusal(store, t(0), Action.EDIT, depends_on=[t(199)])
    assert said.endswith("by " + " → ".join([t(0), *map(t, range(199, 193, -1)), "…", t(0)]))
    assert claimed(store) == [t(0)]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["gone"], "there is no task gone to depend on; add it first"),
        (A, "depends_on must be a list of task ids"),
        ([1], "depends_on must be a list of task ids"),
        (["a b"], "depends_on: a task id takes letters"),
        ([t(n) for n in range(DEPENDS_LIMIT + 1)], "a task depends on at most 1,000 others"),
    ],
)
def test_what_cannot_be_depended_on_is_refused(store: Store, given: object, said: str) -> None:
    put(store, A)
    assert said in refusal(store, B, Action.ADD, title="B", depends_on=given)
    assert said in refusal(store, A, Action.EDIT, depends_on=given)


@pytest.mark.needs(LOOSE)
def test_a_new_task_can_close_a_circle_that_others_have_begun(backend: Backend, path: Path, store: Store) -> None:
    put(store, A)
    put(store, B, depends_on=[A])
    backend.remove(path, A)
    until(store, lambda: store.get(A) is None, at_once=backend.here)
    assert refusal(store, A, Action.ADD, title="A", depends_on=[B]).endswith(f"by {A} → {B} → {A}")
    assert put(store, A).depends_on == ()


@pytest.mark.needs(WHOLE)
def test_what_is_added_looks_at_nothing_below_it(store: Store) -> None:
    """A chain of so many would else take minutes."""
    adds = [command(t(n), Action.ADD, actor="ann", title="x", depends_on=[t(n - 1)] if n else []) for n in range(3_000)]
    assert all(outcome.refusal is None for outcome in store.apply(adds, whole=True))
    assert claimed(store) == [t(0)]


def test_tasks_are_added_with_what_they_depend_on(store: Store) -> None:
    first = command(A, Action.ADD, actor="ann", title="A")
    second = command(B, Action.ADD, actor="ann", title="B", depends_on=[A])
    assert [outcome.refusal for outcome in store.apply([first, second])] == [None, None]
    assert blocked(store, B) == 1


@pytest.mark.needs(State.REVIEW)
def test_a_completed_task_that_was_taken_away_blocks_nobody(backend: Backend, path: Path, store: Store) -> None:
    put(store, A, State.COMPLETED)
    put(store, B)
    put(store, C, depends_on=[A, B])
    backend.remove(path, A)
    until(store, lambda: store.get(A) is None, at_once=backend.here)
    assert blocked(store, C) == 1
    complete(store, B)
    assert claimed(store) == [C]
    assert verify(store).is_sound


@pytest.mark.needs(LOOSE)
def test_a_task_that_was_taken_away_is_depended_on_as_it_was(backend: Backend, path: Path, store: Store) -> None:
    put(store, A, State.COMPLETED)
    put(store, B)
    put(store, C, depends_on=[A, B])
    for other in (A, B):
        backend.remove(path, other)
        until(store, lambda other=other: store.get(other) is None, at_once=backend.here)
        assert blocked(store, C) == 1
    assert done(store, C, Action.EDIT, depends_on=[A]).blocked == 0
    assert claimed(store) == [C]
    put(store, D)
    backend.meddle(path, A, title="again")
    until(store, lambda: store.get(A) is not None, at_once=backend.here)
    assert blocked(store, C) == 1
    assert verify(store).is_sound


@pytest.mark.needs(State.REVIEW)
def test_all_handles_see_what_blocks(store: Store, opened: Opener) -> None:
    other = opened()
    put(store, A)
    put(store, B, depends_on=[A])
    assert blocked(other, B) == 1
    cursor = other.changes().cursor
    complete(store, A)
    assert blocked(other, B) == 0
    assert {change.task_id for change in other.changes(cursor).changes} == {A}


@pytest.mark.needs(State.REVIEW)
def test_the_past_tells_what_was_blocked_then(store: Store) -> None:
    put(store, A)
    put(store, B, depends_on=[A])
    complete(store, A)
    done(store, B, Action.START)
    past = Past(store)
    past.read_all()
    told = []
    for position in range(past.end + 1):
        past.go(position)
        task = past.get(B)
        cards = [card for state in State for card in past.window(state, Order.PRIORITY).cards if card.id == B]
        assert [card.blocked for card in cards] == ([] if task is None else [task.blocked])
        assert [each.blocked for each in past.tasks(parse(f"id:{B}", me=""))] == [card.blocked for card in cards]
        told.append(None if task is None else task.blocked)
    assert told == [None, None, 1, 1, 1, 0, 0]


@pytest.mark.needs(State.REVIEW)
def test_a_version_outlives_what_becomes_of_others(store: Store) -> None:
    put(store, A, State.REVIEW)
    seen = put(store, B, depends_on=[A])
    done(store, A, Action.APPROVE)
    assert done(store, B, Action.START, expect=seen.version).state is State.IN_PROGRESS


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
