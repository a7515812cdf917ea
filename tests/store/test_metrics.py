"""Metrics: what is counted of a store is what its tasks and events say, at each look and after each change."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from backends import Backend
from moving import done, put

from conftest import Opener, Turned
from taskdeck_store import Action, Claiming, Pausing, State, Store
from taskdeck_store.metrics import BOUNDS, Meter, Metrics


def counted(store: Store) -> Counter[tuple[str, State | None, State | None]]:
    return Counter((event.action, event.from_state, event.to_state) for event in store.events())


def stays(found: Metrics, state: State) -> tuple[list[float | None], float]:
    """Return the bounds below which the stays in a state lie, and their sum in seconds."""
    bounds = [*BOUNDS, None]
    histogram = found.stays[state]
    assert len(histogram.counts) == len(bounds)
    each = [bound for bound, count in zip(bounds, histogram.counts, strict=True) for _ in range(count)]
    return each, round(histogram.seconds, 6)


def test_an_empty_store_is_measured(store: Store, now: Turned) -> None:
    found = Meter(store, now).read()
    assert (found.at, found.events, found.overdue, found.last_at, found.transitions) == (now(), 0, 0, None, {})
    assert all(tally.count == 0 for tally in found.tallies.values())
    assert stays(found, State.PENDING) == ([], 0)


def test_what_happens_is_counted_on_from_look_to_look(store: Store, now: Turned) -> None:
    meter = Meter(store, now)
    put(store, "t-1")
    now.turn(0.1)
    put(store, "t-2")
    assert meter.read().events == 2
    now.turn(4.9)
    done(store, "t-1", Action.START)
    now.turn(0.05)
    done(store, "t-1", Action.EDIT, title="another")
    now.turn(90_000)
    done(store, "t-1", Action.SUBMIT, result=1)
    found = meter.read()
    assert found.transitions == counted(store)
    assert stays(found, State.PENDING) == ([5.0], 5.0)
    assert stays(found, State.IN_PROGRESS) == ([None], 90_000.05)
    assert found.last_at == now()
    assert found.tallies == store.counts()
    assert found == Meter(store, now).read()


def test_what_is_blocked_and_what_is_paused_are_told(store: Store, now: Turned) -> None:
    meter = Meter(store, now)
    put(store, "t-1")
    put(store, "t-2", depends_on=["t-1"])
    store.pause(Pausing(query="tag:x", actor="ann", operation="op-1", note="deploy"))
    found = meter.read()
    assert (found.blocked, [pause.query for pause in found.pauses]) == (1, ["tag:x"])
    assert found.transitions["pause", None, None] == 1
    assert found.tallies[State.PENDING].count == 2


def test_tasks_whose_lease_ran_out_are_counted(store: Store, now: Turned) -> None:
    put(store, "t-1")
    store.claim(Claiming(owner="w-1", actor="w-1", seconds=10))
    meter = Meter(store, now)
    assert meter.read().overdue == 0
    now.turn(11)
    assert meter.read().overdue == 1


def test_what_others_do_is_counted_too(store: Store, backend: Backend, path: Path, now: Turned) -> None:
    put(store, "t-1")
    backend.meddle(path, "t-1", state="in_progress")
    backend.remove(path, "t-1")
    assert len(store.events()) >= 2
    found = Meter(store, now).read()
    assert found.transitions == counted(store)
    assert found.tallies[State.PENDING].count == 0


def test_another_log_is_counted_anew(store: Store, now: Turned, path: Path, backend: Backend, opened: Opener) -> None:
    meter = Meter(store, now)
    for task_id in ("t-1", "t-2", "t-3"):
        put(store, task_id)
    assert meter.read().events == 3
    for file in path.parent.iterdir():
        file.unlink()
    backend.make(path.parent)
    other = opened()
    now.turn(1)
    for task_id in ("a", "b", "c", "d"):
        put(other, task_id)
    found = meter.read()
    assert (found.events, found.transitions) == (4, counted(other))


@pytest.mark.parametrize("seconds", [0.1, 0.1001])
def test_a_class_holds_what_took_up_to_its_bound(store: Store, now: Turned, seconds: float) -> None:
    put(store, "t-1")
    now.turn(seconds)
    done(store, "t-1", Action.START)
    assert stays(Meter(store, now).read(), State.PENDING)[0] == [0.1 if seconds == 0.1 else 0.5]
