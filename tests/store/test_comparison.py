"""Two moments side by side."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from backends import Backend
from moving import done, put
from pasts import folded

from conftest import Turned
from taskdeck_store import Action, State, Store, command
from taskdeck_store.comparison import Flow, compare
from taskdeck_store.past import Past

PENDING, RUNNING, REVIEW, COMPLETED, FAILED = State


def test_what_moved_is_new_is_gone_and_how_much_happened(
    store: Store, backend: Backend, path: Path, now: Turned
) -> None:
    put(store, "t-1", REVIEW)
    put(store, "t-2", REVIEW)
    put(store, "t-3")
    put(store, "t-4")
    past = Past(store)
    past.read_all()
    first = past.end
    now.turn(3_600)
    done(store, "t-1", Action.APPROVE)
    done(store, "t-2", Action.REJECT, note="why")
    done(store, "t-2", Action.START)
    done(store, "t-2", Action.SUBMIT)
    done(store, "t-3", Action.EDIT, title="anew")
    put(store, "t-5", RUNNING)
    put(store, "t-7", RUNNING)
    done(store, "t-5", Action.EDIT, priority=1)
    now.turn(3_600)
    backend.remove(path, "t-4")
    assert store.get("t-4") is None
    put(store, "t-6")
    past.read_all()
    found = compare(past.timeline, past.end, first)
    assert found == compare(past.timeline, first, past.end)
    assert (found.first, found.last, found.events) == (first, past.end, past.end - first)
    assert found.flows == (
        Flow(None, PENDING, ("t-6",)),
        Flow(None, RUNNING, ("t-7", "t-5")),
        Flow(REVIEW, COMPLETED, ("t-1",)),
        Flow(PENDING, None, ("t-4",)),
    )
    assert (found.returned, found.changed) == (1, 1)
    assert found.then == {PENDING: 2, RUNNING: 0, REVIEW: 2, COMPLETED: 0, FAILED: 0}
    assert found.now == {PENDING: 2, RUNNING: 2, REVIEW: 1, COMPLETED: 1, FAILED: 0}
    assert found.actions["add"] == 3
    assert sum(found.actions.values()) == found.events


def test_a_moment_and_itself_have_nothing_between_them(store: Store) -> None:
    put(store, "t-1")
    past = Past(store)
    past.read_all()
    for position in (0, 1):
        found = compare(past.timeline, position, position)
        assert (found.flows, found.events, found.returned, found.changed) == ((), 0, 0, 0)
        assert found.hourly(3) is None
    assert compare(past.timeline, -3, 99) == compare(past.timeline, 0, 1)


def test_rates_are_by_the_hour(store: Store, now: Turned) -> None:
    put(store, "t-1")
    now.turn(1_800)
    put(store, "t-2", RUNNING)
    past = Past(store)
    past.read_all()
    found = compare(past.timeline, 1, 3)
    assert (found.seconds, found.hourly(2)) == (1_800, 4)
    assert compare(past.timeline, 0, 3).seconds == 1_800


@pytest.mark.parametrize("seed", range(3))
def test_flows_are_what_two_folds_differ_in(store: Store, now: Turned, seed: int) -> None:
    chance = random.Random(seed)
    ids = [f"t-{number}" for number in range(5)]
    for _ in range(40):
        now.turn(chance.choice([0, 60]))
        action, task_id = chance.choice(list(Action)), chance.choice(ids)
        fields = {"title": f"{chance.random()}"} if action in (Action.ADD, Action.EDIT) else {}
        store.apply([command(task_id, action, actor="ann", note="why", **fields)])
    events = store.events()
    past = Past(store)
    past.read_all()
    for _ in range(20):
        first, last = sorted(chance.sample(range(past.end + 1), 2))
        then, after = folded(events[:first]), folded(events[:last])
        wanted = Counter(
            (then[each].state if each in then else None, after[each].state if each in after else None)
            for each in then.keys() | after.keys()
        )
        found = compare(past.timeline, first, last)
        assert {(flow.before, flow.after): len(flow.tasks) for flow in found.flows} == {
            states: count for states, count in wanted.items() if states[0] is not states[1]
        }
        for flow in found.flows:
            for task_id in flow.tasks:
                assert (then[task_id].state if task_id in then else None) is flow.before
                assert (after[task_id].state if task_id in after else None) is flow.after
        for state in State:
            assert found.then[state] == sum(task.state is state for task in then.values())
            assert found.now[state] == sum(task.state is state for task in after.values())
        happened = Counter(event.action for event in events[first:last])
        assert found.actions == happened
        touched = {event.task_id for event in events[first:last]}
        same = [each for each in touched if each in then and each in after and then[each].state is after[each].state]
        assert found.returned + found.changed == len(same)
