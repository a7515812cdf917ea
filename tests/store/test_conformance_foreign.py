"""Every server of tasks that others own keeps the contract, within the limits that it declares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from foreign_places import PLACES, Place

from taskdeck_store import Action, Code, State, Store, Task, command, open_store
from taskdeck_store.machine import RULES, action_between
from taskdeck_store.reach import forward, why_unable
from taskdeck_store.values import EXTERNAL, OUTSIDE
from taskdeck_store.verification import verify

DEADLINE = 10.0
MOVES = tuple(rule for rule in RULES.values() if rule.target is not None and rule.sources)

Elsewhere = Callable[[], Store]


@pytest.fixture(params=PLACES, ids=lambda place: place.name)
def place(request: pytest.FixtureRequest) -> Place:
    made: Place = request.param
    return made


@pytest.fixture
def address(place: Place, tmp_path: Path) -> str:
    return place.make(tmp_path)


@pytest.fixture
def elsewhere(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    """Open the place as a machine does that has never seen it before."""
    handles: list[Store] = []

    def opened() -> Store:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / f"machine-{len(handles)}"))
        handles.append(open_store(address))
        return handles[-1]

    yield opened
    for handle in handles:
        handle.close()


@pytest.fixture
def store(elsewhere: Elsewhere) -> Store:
    return elsewhere()


def of(store: Store, task_id: str) -> Task:
    task = store.get(task_id)
    assert task is not None
    return task


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and "machine-" not in str(path))
    return {str(path): path.read_bytes() for path in files}


def test_every_state_that_it_has_is_shown(place: Place, store: Store) -> None:
    assert {task.id: task.state for task in store.tasks()} == {task_id: state for state, task_id in place.ids.items()}
    assert set(store.limits.words.values()) >= set(place.ids)
    assert store.limits.observed
    assert not store.defects()


def test_each_move_of_the_table_is_made_there_or_refused_with_the_reason(
    place: Place, store: Store, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    limits = store.limits
    for rule in MOVES:
        possible = [state for state in rule.sources if state in place.ids]
        for source in possible[:1]:
            task_id = place.ids[source]
            before = content(tmp_path)
            (outcome,) = store.apply([command(task_id, rule.action, actor="ann", note="so")])
            unable = why_unable(rule.action, limits)
            if unable is not None:
                assert outcome.refusal is not None
                assert (outcome.refusal.code, unable in outcome.refusal.message) == (Code.ILLEGAL, True)
                assert content(tmp_path) == before
                continue
            assert outcome.refusal is None, outcome.refusal
            assert outcome.event is not None
            assert (outcome.event.actor, outcome.event.note, outcome.event.to_state) == ("ann", "so", rule.target)
            assert of(store, task_id).state is rule.target
            assert of(elsewhere(), task_id).state is rule.target
            place.edit(tmp_path, task_id, source)
            wait_for(store, task_id, source)
    assert verify(store).is_sound


def wait_for(store: Store, task_id: str, state: State) -> None:
    while of(store, task_id).state is not state:
        assert store.wait(DEADLINE)


def test_what_others_do_is_seen_and_on_record(place: Place, store: Store, tmp_path: Path) -> None:
    task_id = place.ids[State.PENDING]
    for before, after in ((State.PENDING, State.IN_PROGRESS), (State.IN_PROGRESS, State.COMPLETED)):
        place.edit(tmp_path, task_id, after)
        wait_for(store, task_id, after)
        event = store.events(task_id)[-1]
        assert (event.actor, event.from_state, event.to_state) == (EXTERNAL, before, after)
        assert event.action == (action_between(before, after) or OUTSIDE)


def test_a_task_goes_step_by_step_from_the_queue_to_its_end(place: Place, store: Store, elsewhere: Elsewhere) -> None:
    task_id = place.ids[State.PENDING]
    while steps := forward(of(store, task_id).state, store.limits):
        asked = [command(task_id, action, actor="ann") for action in steps]
        assert [outcome.refusal for outcome in store.apply(asked)] == [None] * len(asked)
    assert of(store, task_id).state is State.COMPLETED
    assert of(elsewhere(), task_id).state is State.COMPLETED


def test_who_saw_an_older_version_is_refused(place: Place, store: Store, tmp_path: Path) -> None:
    task_id = place.ids[State.PENDING]
    seen = of(store, task_id)
    place.edit(tmp_path, task_id, State.IN_PROGRESS)
    wait_for(store, task_id, State.IN_PROGRESS)
    before = content(tmp_path)
    (outcome,) = store.apply([command(task_id, Action.START, actor="ann", expect=seen.version)])
    assert outcome.refusal is not None
    assert outcome.refusal.code is Code.CONFLICT
    assert content(tmp_path) == before


def test_all_or_nothing_is_kept_or_refused(place: Place, store: Store, tmp_path: Path) -> None:
    first, second = place.ids[State.PENDING], place.ids[State.IN_PROGRESS]
    before = content(tmp_path)
    asked: Sequence[tuple[str, Action]] = ((first, Action.START), (second, Action.START))
    outcomes = store.apply([command(task_id, action, actor="ann") for task_id, action in asked], whole=True)
    assert [outcome.event for outcome in outcomes] == [None, None]
    assert content(tmp_path) == before


def test_a_task_is_added_or_refused_with_the_reason(place: Place, store: Store, elsewhere: Elsewhere) -> None:
    (outcome,) = store.apply([command(place.new_id, Action.ADD, actor="ann", title="a new one")])
    if Action.ADD in store.limits.refuses:
        assert outcome.refusal is not None
        assert store.limits.refuses[Action.ADD] in outcome.refusal.message
        return
    assert outcome.refusal is None, outcome.refusal
    assert of(elsewhere(), place.new_id).title == "a new one"
    (again,) = store.apply([outcome.command])
    assert again.repeated


def test_a_field_is_edited_or_refused_with_the_reason(place: Place, store: Store, elsewhere: Elsewhere) -> None:
    task_id = place.ids[State.PENDING]
    for name, value in (("title", "another"), ("data", {"x": 1}), ("not_before", "2030-01-01T00:00:00.000000Z")):
        (outcome,) = store.apply([command(task_id, Action.EDIT, actor="ann", **{name: value})])
        if Action.EDIT in store.limits.refuses or name not in store.limits.fields:
            assert outcome.refusal is not None
            assert outcome.refusal.code is Code.ILLEGAL
            continue
        assert outcome.refusal is None, outcome.refusal
        assert getattr(of(elsewhere(), task_id), name) == value


def test_it_opens_again_with_nothing_new(store: Store, address: str) -> None:
    events = store.events()
    with closing(open_store(address)) as again:
        assert again.events() == events
