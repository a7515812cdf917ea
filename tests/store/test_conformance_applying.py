"""Every store: commands, their outcomes, and what is committed."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from moving import do, done, put, t
from reaching import WHOLE, kept

from conftest import Opener, Turned
from taskdeck_store import Action, Code, State, Store, command
from taskdeck_store.machine import RULES, TABLE, Transition, plain, transition

NOTE = "because"
GIVEN: dict[Action, dict[str, Any]] = {
    Action.START: {"owner": "worker-1", "lease_until": "2026-01-31T09:30:00.000000Z"},
    Action.SUBMIT: {"result": {"answer": 42, "parts": [1, None, "x"]}},
    Action.FAIL: {"error": "TimeoutError: 30 s"},
    Action.EDIT: {
        "title": "another title",
        "description": "more\nlines",
        "priority": 8,
        "tags": ["a", "b"],
        "data": {"k": [True]},
        "max_attempts": 9,
        "not_before": "2026-02-01T10:00:00+01:00",
    },
    Action.RELEASE: {"not_before": "2026-02-01"},
}
needs = pytest.mark.needs
LEGAL = [pytest.param(rule.action, state, marks=needs(state, rule.action)) for rule in TABLE for state in rule.sources]
ILLEGAL = [
    pytest.param(rule.action, state, marks=needs(state))
    for rule, state in product(TABLE, State)
    if rule.action is not Action.ADD and state not in rule.sources
]


@pytest.mark.parametrize(("action", "state"), LEGAL)
def test_a_legal_action_commits_the_task_and_its_event(
    store: Store, opened: Opener, now: Turned, action: Action, state: State
) -> None:
    before = put(store, t(1), state)
    at = now.turn(90)
    given = GIVEN.get(action, {})
    given = kept(store, given) if action is Action.EDIT else given
    asked = command(t(1), action, actor="bob", note=NOTE, group="g-1", expect=before.version, **given)
    (outcome,) = store.apply([asked])

    move = transition(before, asked, at)
    assert isinstance(move, Transition)
    assert outcome.command == asked
    assert outcome.refusal is None
    assert not outcome.repeated
    assert outcome.task is not None
    assert outcome.event is not None
    for name in ("id", "title", "description", "state", "priority", "tags", "data", "result", "error", "attempts",
                 "max_attempts", "not_before", "owner", "lease_until", "created_at", "updated_at",
                 "state_since"):  # fmt: skip
        assert getattr(outcome.task, name) == getattr(move.task, name), name
    assert outcome.task.version != before.version

    event = outcome.event
    assert (event.task_id, event.at, event.actor, event.action) == (t(1), at, "bob", action)
    assert (event.from_state, event.to_state, event.attempts) == (state, move.to_state, move.task.attempts)
    assert (event.note, event.group, event.undoes) == (NOTE, "g-1", None)
    assert {name: list(pair) for name, pair in event.changes.items()} == {
        name: list(pair) for name, pair in move.changes.items()
    }
    for handle in (store, opened()):
        assert handle.get(t(1)) == outcome.task
        assert handle.events(t(1))[-1] == event


@pytest.mark.parametrize(("action", "state"), ILLEGAL)
def test_an_illegal_action_is_refused_and_changes_nothing(store: Store, action: Action, state: State) -> None:
    before = put(store, t(1), state)
    seen = store.changes().cursor
    outcome = do(store, t(1), action, note=NOTE, **GIVEN.get(action, {}))
    assert outcome.refusal is not None
    assert outcome.refusal.code is Code.ILLEGAL
    assert outcome.refusal == transition(before, outcome.command, "2026-01-31T09:00:00.000000Z")
    assert outcome.event is None
    assert outcome.task == before == store.get(t(1))
    assert store.changes(seen).changes == ()


def test_adding_gives_the_defaults_and_the_times(store: Store, now: Turned) -> None:
    outcome = do(store, t(1), Action.ADD, title="first")
    task, event = outcome.task, outcome.event
    assert task is not None
    assert event is not None
    assert (task.state, task.priority, task.max_attempts, task.attempts) == (State.PENDING, 5, 3, 0)
    assert (task.created_at, task.updated_at, task.state_since) == (now(),) * 3
    assert (task.data, task.result, task.error, task.owner) == (None, None, None, None)
    assert task.description == "" or (store.limits.observed and task.description == task.title)
    assert task.tags == () or "tags" in store.limits.fixed
    assert (event.from_state, event.to_state, event.action) == (None, State.PENDING, Action.ADD)
    assert tuple(event.changes["title"]) == (None, "first")


@pytest.mark.parametrize(
    ("action", "options"),
    [
        (Action.ADD, {"title": "again"}),
        (Action.EDIT, {"title": ""}),
        (Action.EDIT, {"title": "x" * 2_001}),
        pytest.param(Action.EDIT, {"priority": "high"}, marks=needs("priority")),
        pytest.param(Action.EDIT, {"tags": [1]}, marks=needs("tags")),
        pytest.param(Action.EDIT, {"result": 1}, marks=needs("result")),
        (Action.EDIT, {}),
        pytest.param(Action.EDIT, {"data": float("nan")}, marks=needs("data")),
        pytest.param(Action.EDIT, {"data": [float("inf")]}, marks=needs("data")),
        pytest.param(Action.EDIT, {"data": object()}, marks=needs("data")),
    ],
)
def test_wrong_input_is_refused_and_changes_nothing(store: Store, action: Action, options: dict[str, Any]) -> None:
    before = put(store, t(1))
    outcome = do(store, t(1), action, **options)
    assert outcome.refusal is not None
    assert outcome.refusal.code is Code.INVALID
    assert outcome.refusal.message
    assert outcome.task == before == store.get(t(1))
    assert len(store.events(t(1))) == 1


@pytest.mark.parametrize("task_id", ["", "a b", "a/b", "ä", "a\x00b", "\ud800", "x" * 201])
def test_an_id_that_no_uri_can_carry_is_refused(store: Store, task_id: str) -> None:
    before = store.tasks()
    outcome = do(store, task_id, Action.ADD, title="x")
    assert outcome.refusal is not None
    assert outcome.refusal.code is Code.INVALID
    assert store.tasks() == before
    assert store.get(task_id) is None


@pytest.mark.needs(State.REVIEW)
def test_reject_without_a_note_is_refused(store: Store) -> None:
    put(store, t(1), State.REVIEW)
    outcome = do(store, t(1), Action.REJECT, note=" ")
    assert outcome.refusal is not None
    assert outcome.refusal.code is Code.INVALID
    assert RULES[Action.REJECT].note_required


def test_a_task_that_is_not_there_is_not_found(store: Store) -> None:
    outcome = do(store, t(9), Action.START)
    assert outcome.refusal is not None
    assert outcome.refusal.code is Code.NOT_FOUND
    assert outcome.task is None


def test_a_version_that_was_overtaken_is_a_conflict_that_says_who_did_what(store: Store, opened: Opener) -> None:
    seen = put(store, t(1))
    now_is = done(opened(), t(1), Action.START, actor="carol")
    outcome = do(store, t(1), Action.EDIT, title="mine", expect=seen.version)
    assert outcome.refusal is not None
    assert outcome.refusal.code is Code.CONFLICT
    assert outcome.task == now_is == store.get(t(1))
    assert "carol" in outcome.refusal.message
    assert "in progress" in outcome.refusal.message


@pytest.mark.needs(State.FAILED)
def test_a_conflict_comes_before_what_the_new_state_allows(store: Store, opened: Opener) -> None:
    seen = put(store, t(1))
    done(opened(), t(1), Action.FAIL)
    outcome = do(store, t(1), Action.START, expect=seen.version)
    assert outcome.refusal is not None
    assert outcome.refusal.code is Code.CONFLICT


def test_each_commit_gives_a_version_that_was_never_there(store: Store) -> None:
    versions = [put(store, t(1)).version]
    for title in ("b", "a", "b", "a"):
        versions.append(done(store, t(1), Action.EDIT, title=title, expect=versions[-1]).version)
    assert len(set(versions)) == len(versions)


@pytest.mark.needs(State.REVIEW)
def test_a_repeated_operation_is_told_that_it_is_done(store: Store, opened: Opener) -> None:
    put(store, t(1))
    asked = command(t(1), Action.START, actor="ann")
    (first,) = store.apply([asked])
    later = done(store, t(1), Action.SUBMIT)
    for handle in (store, opened()):
        (again,) = handle.apply([asked])
        assert again.repeated
        assert again.refusal is None
        assert again.event == first.event
        assert again.task == later
    assert len(store.events(t(1))) == 3


def test_an_operation_is_known_after_reopening(store: Store, opened: Opener) -> None:
    asked = command(t(1), Action.ADD, actor="ann", title="x")
    (first,) = store.apply([asked])
    store.close()
    (again,) = opened().apply([asked])
    assert again.repeated
    assert again.event == first.event


def test_an_operation_twice_in_one_apply_is_done_once(store: Store) -> None:
    asked = command(t(1), Action.ADD, actor="ann", title="x")
    first, again = store.apply([asked, asked])
    assert (first.repeated, again.repeated) == (False, True)
    assert len(store.events(t(1))) == 1


def test_one_refusal_does_not_stop_the_others(store: Store) -> None:
    put(store, t(1))
    put(store, t(2), State.COMPLETED)
    put(store, t(3))
    outcomes = store.apply([command(t(n), Action.START, actor="ann", group="g") for n in (1, 2, 9, 3)])
    assert [outcome.refusal.code if outcome.refusal else None for outcome in outcomes] == [
        None,
        Code.ILLEGAL,
        Code.NOT_FOUND,
        None,
    ]
    assert [task.id for task in store.tasks() if task.state is State.IN_PROGRESS] == [t(1), t(3)]
    assert [event.group for event in store.events()[-2:]] == ["g", "g"]


def test_all_or_nothing_commits_nothing_when_one_is_refused(store: Store) -> None:
    before = put(store, t(1))
    put(store, t(2), State.COMPLETED)
    count = len(store.events())
    fine, bad = store.apply([command(t(n), Action.START, actor="ann") for n in (1, 2)], whole=True)
    assert (fine.event, fine.refusal, fine.task) == (None, None, before)
    assert bad.refusal is not None
    assert bad.refusal.code is Code.ILLEGAL
    assert store.get(t(1)) == before
    assert len(store.events()) == count


def test_what_all_or_nothing_left_undone_can_be_done(store: Store) -> None:
    put(store, t(1))
    asked = command(t(1), Action.START, actor="ann")
    store.apply([asked, command(t(9), Action.START, actor="ann")], whole=True)
    (outcome,) = store.apply([asked], whole=True)
    assert outcome.event is not None
    assert not outcome.repeated


@pytest.mark.needs(WHOLE)
def test_all_or_nothing_commits_all_when_none_is_refused(store: Store) -> None:
    put(store, t(1))
    put(store, t(2))
    outcomes = store.apply([command(t(n), Action.START, actor="ann") for n in (1, 2)], whole=True)
    assert all(outcome.event for outcome in outcomes)
    assert store.counts()[State.IN_PROGRESS].count == 2


def test_commands_for_one_task_follow_each_other(store: Store) -> None:
    seen = put(store, t(1))
    actions = (Action.START, Action.SUBMIT, Action.APPROVE, Action.START)
    outcomes = store.apply([command(t(1), action, actor="ann") for action in actions])
    assert [outcome.refusal is None for outcome in outcomes] == [True, True, True, False]
    assert outcomes[-1].task == store.get(t(1)) == outcomes[2].task
    again = store.apply([command(t(1), Action.EDIT, actor="ann", title=title, expect=seen.version) for title in "xy"])
    assert all(outcome.refusal and outcome.refusal.code is Code.CONFLICT for outcome in again)


def test_a_second_command_on_the_version_that_the_first_one_changed_is_a_conflict(store: Store) -> None:
    seen = put(store, t(1))
    one, two = store.apply(
        [command(t(1), Action.EDIT, actor="ann", title=title, expect=seen.version) for title in "xy"]
    )
    assert one.refusal is None
    assert two.refusal is not None
    assert two.refusal.code is Code.CONFLICT
    assert two.task == one.task


def test_no_commands_have_no_outcomes(store: Store) -> None:
    assert store.apply([]) == ()


@pytest.mark.needs("tags")
def test_an_edit_that_changes_nothing_is_still_an_event(store: Store) -> None:
    put(store, t(1), tags=["a"])
    outcome = do(store, t(1), Action.EDIT, tags=["a"])
    assert outcome.event is not None
    assert dict(outcome.event.changes) == {}


def test_seqs_grow_by_commit_over_all_handles(store: Store, opened: Opener) -> None:
    other = opened()
    for number in range(6):
        put((store, other)[number % 2], t(number))
    seqs = [event.seq for event in store.events()]
    assert seqs == sorted(set(seqs))
    assert [event.task_id for event in other.events()][-6:] == [t(number) for number in range(6)]


@pytest.mark.needs(State.REVIEW)
def test_times_in_the_log_never_run_backwards(store: Store, opened: Opener, now: Turned) -> None:
    put(store, t(1))
    late = now.turn(3_600)
    done(store, t(1), Action.START)
    now.turn(-7_200)
    assert done(store, t(1), Action.SUBMIT).state_since == late
    done(opened(), t(1), Action.APPROVE)
    now.turn(7_201)
    done(store, t(1), Action.EDIT, title="later")
    times = [event.at for event in store.events()]
    assert times == sorted(times)
    assert times[-1] > late


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[31mred\x1b[0m \x07",
        "\u202eoverride\u202c \u200b\ufeff",
        "[bold]markup[/] ${x} %s {y} '; DROP TABLE tasks; --",
        "line\r\nline\tand \u2028 more",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 Größe 漢字 ﷽",
        "null",
        '"quoted\\"',
    ],
)
def test_hostile_text_is_kept_as_it_is(store: Store, opened: Opener, text: str) -> None:
    given = kept(store, {"title": text, "description": text, "tags": [text], "data": {text: text}})
    put(store, t(1), **given)
    done(store, t(1), Action.START, actor=text, note=text, owner=text)
    for handle in (store, opened()):
        task = handle.get(t(1))
        assert task is not None
        assert {name: plain(getattr(task, name)) for name in given} == given
        assert task.owner == text
        event = handle.events(t(1))[-1]
        assert (event.actor, event.note) == (text, text)


@pytest.mark.parametrize("text", ["half \ud800 surrogate", "\udfff", "nul \x00 in it"])
@pytest.mark.needs("tags", "data")
def test_text_that_a_store_cannot_hold_is_refused_and_else_it_is_kept(store: Store, opened: Opener, text: str) -> None:
    put(store, t(1))
    for action, options in (
        (Action.EDIT, {"title": text}),
        (Action.EDIT, {"description": text}),
        (Action.EDIT, {"tags": [text]}),
        (Action.EDIT, {"data": {text: [text]}}),
        (Action.EDIT, {"title": "x", "note": text}),
        (Action.EDIT, {"title": "x", "actor": text}),
        (Action.EDIT, {"title": "x", "operation": text}),
    ):
        before = store.get(t(1))
        outcome = do(store, t(1), action, **options)
        if outcome.refusal is not None:
            assert outcome.refusal.code is Code.INVALID
            assert outcome.refusal.message.isprintable()
            assert outcome.task == before
        assert store.get(t(1)) == outcome.task == opened().get(t(1))
        if outcome.event is not None:
            assert opened().events(t(1))[-1] == outcome.event


@pytest.mark.parametrize(
    "value",
    [
        12345678901234567890123456789012345678901234567890,
        -(10**49),
        2**53 + 1,
        2**64,
        0.1,
        1e308,
        -0.0,
        5e-324,
        1.0,
        True,
        "",
        [],
        {},
        [None, {"": {"a": [[]]}}],
        "x" * 200_000,
    ],
    ids=lambda value: repr(value)[:20],
)
@pytest.mark.needs("data", State.REVIEW)
def test_any_json_value_comes_back_as_it_was(store: Store, opened: Opener, value: object) -> None:
    put(store, t(1), data=value)
    done(store, t(1), Action.START)
    outcome = do(store, t(1), Action.SUBMIT, result={"v": [value]})
    task = opened().get(t(1))
    assert task is not None
    assert repr((task.data, task.result)) == repr((value, {"v": [value]}))
    assert outcome.event is not None
    assert opened().events(t(1))[-1] == outcome.event


@pytest.mark.needs("data", "tags")
def test_values_with_a_json_form_of_their_own_are_given_back_in_it_at_once(store: Store) -> None:
    task = put(store, t(1), data={"t": (1, 2)}, tags=("a", "b"))
    assert task.data == {"t": [1, 2]}
    assert task.tags == ("a", "b")
    assert store.get(t(1)) == task


def test_a_large_text_is_held(store: Store, opened: Opener) -> None:
    put(store, t(1), description="d" * 10_000_000)
    task = opened().get(t(1))
    assert task is not None
    assert len(task.description) == 10_000_000
    outcome = do(store, t(1), Action.EDIT, title="t" * 10_000_000)
    assert outcome.refusal is not None
    assert len(outcome.refusal.message) < 1_000


@pytest.mark.needs(WHOLE)
def test_commands_of_many_tasks_are_one_commit(store: Store, opened: Opener) -> None:
    watching = opened()
    seen = watching.changes().cursor
    store.apply([command(t(n), Action.ADD, actor="ann", title="x") for n in range(500)], whole=True)
    assert len(watching.changes(seen).changes) == 500


def test_a_read_only_handle_refuses_every_command_and_reads_on(store: Store, opened: Opener) -> None:
    task = put(store, t(1))
    looking = opened(read_only=True)
    assert looking.read_only
    assert not store.read_only
    asked = [command(t(1), Action.START, actor="ann"), command(t(2), Action.ADD, actor="ann", title="x")]
    for whole in (False, True):
        outcomes = looking.apply(asked, whole=whole)
        assert [o.refusal.code if o.refusal else None for o in outcomes] == [Code.READ_ONLY, Code.READ_ONLY]
        assert [o.task for o in outcomes] == [task, None]
    done(store, t(1), Action.START)
    assert looking.counts()[State.IN_PROGRESS].count == 1


@pytest.mark.needs("data")
def test_values_nested_too_deeply_are_refused_and_the_others_committed(store: Store, opened: Opener) -> None:
    for depth in (300, 600, 984, 985, 986, 987, 988, 989, 990, 1_000, 100_000):
        deep: list[Any] = []
        for _ in range(depth):
            deep = [deep]
        task_id = t(depth)
        put(store, task_id, data=[1])
        before, count = store.get(task_id), len(store.events())
        asked = command(task_id, Action.EDIT, actor="ann", data=deep)
        outcome, other = store.apply([asked, command(task_id, Action.START, actor="ann")])
        assert other.event is not None
        if outcome.refusal is not None:
            assert outcome.refusal.code is Code.INVALID
            assert outcome.task == before
            assert outcome.refusal.message.isprintable()
        assert len(store.events()) == count + 1 + (outcome.refusal is None)
        assert opened().get(task_id) == store.get(task_id) == other.task
