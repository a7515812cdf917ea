"""Every store: what its limits allow lands in the store itself, and what they lack is refused with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from backends import Backend
from moving import WAY, do, done, put, t, until
from reaching import BOUND, IDS, THEIRS, WHOLE, Lacking, Shown, can_set, states

from taskdeck_store import Action, Code, Outcome, State, Store, Task, command, open_store
from taskdeck_store.machine import RULES, TABLE, plain
from taskdeck_store.reach import forward
from taskdeck_store.values import EXTERNAL
from taskdeck_store.verification import verify

needs = pytest.mark.needs
VALUES: dict[str, Any] = {
    "title": "another",
    "description": "more\nlines",
    "priority": 8,
    "tags": ["a", "b"],
    "data": {"x": [1]},
    "max_attempts": 9,
    "not_before": "2030-01-01T00:00:00.000000Z",
    "depends_on": [t(0)],
}
Elsewhere = Callable[[], Store]


@pytest.fixture
def elsewhere(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    """Open the store as a machine does that has never seen it before: it has but what lies there."""
    handles: list[Store] = []

    def opened() -> Store:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / f"machine-{len(handles)}"))
        handles.append(open_store(address))
        return handles[-1]

    yield opened
    for handle in handles:
        handle.close()


def of(store: Store, task_id: str) -> Task:
    task = store.get(task_id)
    assert task is not None
    return task


def content(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {str(file): file.read_bytes() for file in files}


def is_refused(store: Store, path: Path, why: str, code: Code, ask: Callable[[], tuple[Outcome, ...]]) -> None:
    before, tasks, events = content(path), list(store.tasks()), list(store.events())
    for outcome in ask():
        assert outcome.refusal is not None
        assert outcome.refusal.code is code
        assert why in outcome.refusal.message
        assert outcome.event is None
    assert (list(store.tasks()), list(store.events())) == (tasks, events)
    assert content(path) == before


def stand(store: Store, backend: Backend, path: Path, state: State) -> None:
    """Have a task in a state, by whom the state can be said."""
    if state not in store.limits.lacks:
        put(store, t(1), state)
        return
    put(store, t(1))
    backend.meddle(path, t(1), state=state.value)
    until(store, lambda: of(store, t(1)).state is state, at_once=backend.here)


def test_what_is_done_is_there_for_all_others(store: Store, elsewhere: Elsewhere) -> None:
    for number, state in enumerate(states(store.limits)):
        put(store, t(number), state)
    for handle in (store, elsewhere()):
        found = {task.id: (task.title, task.state) for task in handle.tasks() if task.id >= t(0)}
        assert found == {t(n): (f"task {t(n)}", state) for n, state in enumerate(states(store.limits))}
        assert not handle.defects()


@pytest.mark.parametrize(
    ("action", "state"),
    [
        pytest.param(rule.action, state, marks=needs(Shown(state), rule.action))
        for rule in TABLE
        if rule.target is not None
        for state in rule.sources
    ],
)
def test_a_move_that_can_be_made_is_made_there(
    store: Store, backend: Backend, path: Path, elsewhere: Elsewhere, action: Action, state: State
) -> None:
    stand(store, backend, path, state)
    done(store, t(1), action, note="so")
    assert of(elsewhere(), t(1)).state is RULES[action].target
    assert verify(store).is_sound


@pytest.mark.parametrize(
    ("action", "state"),
    [
        pytest.param(rule.action, state, marks=needs(Shown(state), Lacking(rule.action)))
        for rule in TABLE
        for state in rule.sources
    ],
)
def test_a_move_that_cannot_be_made_is_refused_with_the_reason(
    store: Store, backend: Backend, path: Path, action: Action, state: State
) -> None:
    stand(store, backend, path, state)
    target = RULES[action].target
    why = store.limits.refuses.get(action) or store.limits.lacks[target or state]
    is_refused(store, path, why, Code.ILLEGAL, lambda: store.apply([command(t(1), action, actor="ann", note="so")]))


@needs(Lacking(Action.ADD))
def test_a_task_that_cannot_be_added_is_refused_with_the_reason(store: Store, path: Path) -> None:
    asked = command(t(1), Action.ADD, actor="ann", title="x")
    is_refused(store, path, store.limits.refuses[Action.ADD], Code.ILLEGAL, lambda: store.apply([asked]))


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs(name)) for name in VALUES])
def test_a_field_that_is_kept_is_there_for_all_others(store: Store, elsewhere: Elsewhere, name: str) -> None:
    put(store, t(0))
    put(store, t(1), **{name: VALUES[name]})
    put(store, t(2))
    done(store, t(2), Action.EDIT, **{name: VALUES[name]})
    there = elsewhere()
    for task_id in (t(1), t(2)):
        assert plain(getattr(of(there, task_id), name)) == plain(getattr(of(store, task_id), name)) == VALUES[name]


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs(Lacking(name))) for name in VALUES])
def test_a_field_that_cannot_be_set_is_refused_with_the_reason(store: Store, path: Path, name: str) -> None:
    put(store, t(0))
    put(store, t(1))
    why = store.limits.fixed.get(name, f"{store.kind} keeps no {name}")
    for asked in (
        command(t(1), Action.EDIT, actor="ann", **{name: VALUES[name]}),
        command(t(2), Action.ADD, actor="ann", **{"title": "x", name: VALUES[name]}),
    ):
        is_refused(store, path, why, Code.ILLEGAL, lambda asked=asked: store.apply([asked]))


@needs(BOUND)
def test_a_value_that_is_none_of_the_known_ones_is_refused_with_them(store: Store, path: Path) -> None:
    put(store, t(1))
    for name, words in store.limits.only.items():
        assert all(can_set(store.limits, name, value) for value in words.values())
        for word, value in words.items():
            assert getattr(done(store, t(1), Action.EDIT, **{name: value}), name) == value
            wrong = command(t(1), Action.EDIT, actor="ann", **{name: max(words.values()) + 1})
            is_refused(store, path, f"{word} ({value})", Code.ILLEGAL, lambda wrong=wrong: store.apply([wrong]))


@needs(IDS)
def test_an_id_that_a_new_task_cannot_have_is_refused_with_the_reason(store: Store, path: Path) -> None:
    assert store.limits.ids is not None
    asked = command("t-1", Action.ADD, actor="ann", title="x")
    is_refused(store, path, store.limits.ids, Code.INVALID, lambda: store.apply([asked]))


@needs(Lacking(WHOLE))
def test_all_or_none_is_refused_where_it_cannot_be_promised(store: Store, path: Path) -> None:
    put(store, t(1))
    put(store, t(2))
    asked = [command(t(number), Action.START, actor="ann") for number in (1, 2)]
    is_refused(store, path, "one task at a time", Code.INVALID, lambda: store.apply(asked, whole=True))
    assert all(outcome.event for outcome in store.apply(asked))


def test_a_task_goes_step_by_step_from_the_queue_to_its_end(store: Store, elsewhere: Elsewhere) -> None:
    put(store, t(1))
    while steps := forward(of(store, t(1)).state, store.limits):
        asked = [command(t(1), action, actor="ann") for action in steps]
        assert [outcome.refusal for outcome in store.apply(asked)] == [None] * len(asked)
    assert of(store, t(1)).state is of(elsewhere(), t(1)).state is State.COMPLETED


@needs(THEIRS)
def test_every_state_that_it_has_a_word_for_is_shown(store: Store, backend: Backend, path: Path) -> None:
    shown = [state for state in State if state in store.limits.words.values()]
    for number, state in enumerate(shown):
        backend.meddle(path, t(number), title="theirs")
        for action in WAY[state]:
            if RULES[action].target in shown:
                backend.meddle(path, t(number), state=str(RULES[action].target))
    until(store, lambda: all(store.counts()[state].count == 1 for state in shown), at_once=backend.here)
    assert {task.id: task.state for task in store.tasks()} == {t(n): state for n, state in enumerate(shown)}
    assert {event.actor for event in store.events()} == {EXTERNAL}
    assert not store.defects()


def test_what_was_added_is_one_event_and_can_be_changed_at_once(store: Store) -> None:
    task = put(store, t(1))
    assert len(store.events(t(1))) == 1
    assert task == store.get(t(1))
    outcome = do(store, t(1), Action.START, expect=task.version)
    assert outcome.refusal is None
    assert outcome.task == store.get(t(1))
