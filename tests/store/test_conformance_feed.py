"""Every store: what changed since, sleeping until something does, and what other programs change."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from backends import Backend, Refused
from moving import do, done, put, quiet, t, until
from reaching import EMPTY, Shown, kept

from conftest import Opener, Turned
from taskdeck_store import Action, Code, Event, Order, State, Store, StoreError, Task, command
from taskdeck_store.contract import Change
from taskdeck_store.machine import plain
from taskdeck_store.values import EXTERNAL, OUTSIDE, REMOVED

DEADLINE = 30.0


@contextmanager
def waiting(store: Store, stop: threading.Event | None = None) -> Iterator[Future[bool]]:
    """Wait in another thread, as a screen does."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(store.wait, DEADLINE, stop)


def told(store: Store, cursor: str) -> list[Change]:
    """Return the changes since a cursor as soon as there are any."""
    deadline = time.monotonic() + DEADLINE
    while not (found := store.changes(cursor)).changes:
        assert found.complete
        assert time.monotonic() < deadline
        store.wait(0.05)
    return list(found.changes)


def of(event: Event) -> Change:
    return Change(
        seq=event.seq,
        task_id=event.task_id,
        at=event.at,
        actor=event.actor,
        action=event.action,
        from_state=event.from_state,
        to_state=event.to_state,
        note=event.note,
    )


def current(store: Store, task_id: str) -> Task:
    task = store.get(task_id)
    assert task is not None
    return task


@pytest.mark.needs(State.REVIEW, State.FAILED)
def test_the_feed_tells_each_commit_once_and_in_order(store: Store, opened: Opener) -> None:
    put(store, t(0))
    start = store.changes()
    assert (start.changes, start.complete) == ((), True)
    put(opened(), t(1), State.REVIEW)
    done(store, t(1), Action.REJECT, note="no")
    first = store.changes(start.cursor)
    assert first.complete
    assert list(first.changes) == [of(event) for event in store.events(t(1))]
    assert store.changes(first.cursor).changes == ()
    done(store, t(0), Action.FAIL)
    second = store.changes(first.cursor)
    assert [change.task_id for change in second.changes] == [t(0)]
    assert len(store.changes(start.cursor).changes) == 5


def test_a_cursor_never_misleads_another_handle(store: Store, opened: Opener) -> None:
    cursor = store.changes().cursor
    put(store, t(1))
    found = opened().changes(cursor)
    assert not found.complete or [change.task_id for change in found.changes] == [t(1)]


@pytest.mark.needs(EMPTY)
def test_more_than_the_limit_is_told_as_incomplete(store: Store) -> None:
    cursor = store.changes().cursor
    store.apply([command(t(n), Action.ADD, actor="ann", title="x") for n in range(20)])
    assert len(store.changes(cursor, limit=20).changes) == 20
    short = store.changes(cursor, limit=19)
    assert not short.complete
    assert store.changes(short.cursor).changes == ()
    assert store.changes(short.cursor).complete


@pytest.mark.parametrize("cursor", ["", "x", "0", "-1", "9" * 30, "a:b:c", "\ud800"])
def test_a_cursor_that_is_none_of_this_store_asks_to_read_anew(store: Store, cursor: str) -> None:
    put(store, t(1))
    found = store.changes(cursor)
    assert not found.complete
    assert store.changes(found.cursor).complete


def test_a_cursor_of_another_store_asks_to_read_anew(
    store: Store, backend: Backend, tmp_path: Path, now: Turned
) -> None:
    from taskdeck_store import open_store

    (tmp_path / "other").mkdir()
    other = open_store(backend.address(backend.make(tmp_path / "other"), now), now=now)
    put(other, t(1))
    now.turn(1)
    put(store, t(1))
    assert not store.changes(other.changes().cursor).complete
    other.close()


def test_waiting_ends_without_news_when_the_time_is_up(store: Store) -> None:
    put(store, t(1))
    assert quiet(store, 0.1) >= 0.1


def test_waiting_ends_when_another_handle_commits(store: Store, opened: Opener) -> None:
    put(store, t(1))
    other = opened()
    with waiting(store) as news:
        done(other, t(1), Action.START)
        assert news.result(DEADLINE)


def test_waiting_ends_when_another_program_writes(store: Store, backend: Backend, path: Path) -> None:
    put(store, t(1))
    cursor = store.changes().cursor
    with waiting(store) as news:
        backend.meddle(path, t(1), title="changed outside")
        assert news.result(DEADLINE)
    assert [change.task_id for change in told(store, cursor)] == [t(1)]


def test_what_was_committed_before_the_wait_and_not_read_ends_it(store: Store, opened: Opener) -> None:
    store.changes()
    put(opened(), t(1))
    assert store.wait(DEADLINE)


def test_what_was_read_does_not_end_a_wait(store: Store, opened: Opener) -> None:
    put(opened(), t(1))
    quiet(store)


def test_waiting_ends_when_it_is_stopped(store: Store) -> None:
    stop = threading.Event()
    quiet(store)
    with waiting(store, stop) as news:
        stop.set()
        assert not news.result(DEADLINE)


def test_waiting_ends_when_the_handle_is_closed(store: Store) -> None:
    quiet(store)
    with waiting(store) as news:
        store.close()
        assert not news.result(DEADLINE)


def test_no_commit_is_missed_in_a_stream_of_them(store: Store, opened: Opener, backend: Backend, path: Path) -> None:
    put(store, t(1))
    watching = opened()
    cursor = watching.changes().cursor
    seen: list[str] = []

    def write() -> None:
        for number in range(20):
            backend.meddle(path, t(1), title=f"title {number}")

    title = ""
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        deadline = time.monotonic() + DEADLINE
        while not seen or title != "title 19":
            assert time.monotonic() < deadline
            watching.wait(1)
            # A program that writes a file in place lets others see half of it.
            with suppress(StoreError):
                found = watching.changes(cursor)
                assert found.complete
                cursor = found.cursor
                seen += [change.task_id for change in found.changes]
                title = current(watching, t(1)).title
        writing.result()
    assert set(seen) == {t(1)}


def test_an_outside_edit_is_put_on_record_with_what_changed(
    store: Store, opened: Opener, backend: Backend, path: Path, now: Turned
) -> None:
    old, new = kept(store, {"data": {"a": 1}, "tags": ["x"]}), kept(store, {"data": {"a": [2]}, "tags": ["x", "y"]})
    new |= kept(store, {"priority": 1})
    before = put(store, t(1), description="old", **old)
    cursor = store.changes().cursor
    now.turn(60)
    backend.meddle(path, t(1), title="changed outside", **new)
    (change,) = told(store, cursor)
    assert (change.task_id, change.actor, change.action) == (t(1), EXTERNAL, Action.EDIT)
    assert (change.from_state, change.to_state) == (State.PENDING, State.PENDING)
    after = current(store, t(1))
    assert after.title == "changed outside"
    assert {name: plain(getattr(after, name)) for name in new} == new
    assert after.version != before.version
    assert after.state_since == before.state_since
    event = store.events(t(1))[-1]
    assert (event.actor, event.seq) == (EXTERNAL, change.seq)
    assert {name: list(pair) for name, pair in event.changes.items()} == {
        "title": [f"task {t(1)}", "changed outside"],
        **{name: [plain(getattr(before, name)), new[name]] for name in new},
    }
    assert list(opened().events(t(1))) == list(store.events(t(1)))


@pytest.mark.parametrize(
    ("before", "after", "action"),
    [
        pytest.param(before, after, action, marks=pytest.mark.needs(before, Shown(after)))
        for before, after, action in (
            (State.PENDING, State.IN_PROGRESS, Action.START),
            (State.IN_PROGRESS, State.REVIEW, Action.SUBMIT),
            (State.REVIEW, State.COMPLETED, Action.APPROVE),
            (State.REVIEW, State.PENDING, Action.REJECT),
            (State.PENDING, State.FAILED, Action.FAIL),
            (State.IN_PROGRESS, State.FAILED, Action.FAIL),
            (State.FAILED, State.PENDING, Action.RETRY),
            (State.IN_PROGRESS, State.PENDING, Action.RELEASE),
        )
    ],
)
def test_an_outside_move_has_the_action_of_the_table(
    store: Store, backend: Backend, path: Path, before: State, after: State, action: Action
) -> None:
    seen = put(store, t(1), before)
    cursor = store.changes().cursor
    backend.meddle(path, t(1), state=str(after))
    (change,) = told(store, cursor)
    assert (change.actor, change.action, change.from_state, change.to_state) == (EXTERNAL, action, before, after)
    task = current(store, t(1))
    assert task.state is after
    assert task.version != seen.version
    assert store.counts()[after].count == 1
    assert [card.id for card in store.window(after, Order.PRIORITY).cards] == [t(1)]
    assert done(store, t(1), Action.EDIT, title="goes on", expect=task.version).state is after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(before, after, marks=pytest.mark.needs(Shown(after)))
        for before, after in ((State.PENDING, State.REVIEW), (State.COMPLETED, State.PENDING))
    ],
)
def test_an_outside_move_that_the_table_lacks_is_refused_or_told_as_what_it_is(
    store: Store, backend: Backend, path: Path, before: State, after: State
) -> None:
    seen = put(store, t(1), before)
    cursor = store.changes().cursor
    if backend.guards:
        with pytest.raises(Refused, match="no action moves a task from"):
            backend.meddle(path, t(1), state=str(after))
        assert store.get(t(1)) == seen
        assert store.changes(cursor).changes == ()
    else:
        backend.meddle(path, t(1), state=str(after))
        (change,) = told(store, cursor)
        assert (change.actor, change.action, change.from_state, change.to_state) == (EXTERNAL, OUTSIDE, before, after)


def test_an_outside_change_between_look_and_commit_is_a_conflict_and_is_kept(
    store: Store, backend: Backend, path: Path
) -> None:
    seen = put(store, t(1))
    backend.meddle(path, t(1), title="theirs")
    outcome = do(store, t(1), Action.EDIT, title="mine", expect=seen.version)
    assert outcome.refusal is not None
    assert outcome.refusal.code is Code.CONFLICT
    assert EXTERNAL in outcome.refusal.message
    assert outcome.task is not None
    assert outcome.task.title == "theirs" == current(store, t(1)).title


def test_an_outside_change_of_another_task_survives_our_commit(store: Store, backend: Backend, path: Path) -> None:
    mine = put(store, t(1))
    put(store, t(2))
    backend.meddle(path, t(2), title="theirs")
    done(store, t(1), Action.START, expect=mine.version)
    until(store, lambda: current(store, t(2)).title == "theirs", at_once=backend.here)
    assert [event.actor for event in store.events(t(2))] == ["ann", EXTERNAL]


def test_an_outside_change_that_touches_no_time_counts_too(store: Store, backend: Backend, path: Path) -> None:
    put(store, t(1))
    cursor = store.changes().cursor
    for title in ("a", "b", "a"):
        backend.meddle(path, t(1), title=title)
        (*_, last) = told(store, cursor)
        cursor = store.changes(cursor).cursor
        assert last.task_id == t(1)
        assert current(store, t(1)).title == title


def test_an_outside_task_is_put_on_record(store: Store, backend: Backend, path: Path) -> None:
    cursor = store.changes().cursor
    backend.meddle(path, t(7), title="from outside")
    (change,) = told(store, cursor)
    assert (change.actor, change.action, change.from_state, change.to_state) == (
        EXTERNAL,
        Action.ADD,
        None,
        State.PENDING,
    )
    task = current(store, t(7))
    assert (task.title, task.state, task.version != "") == ("from outside", State.PENDING, True)
    assert done(store, t(7), Action.START, expect=task.version).state is State.IN_PROGRESS


@pytest.mark.needs(State.REVIEW)
def test_a_task_that_was_taken_away_is_gone_and_on_record(store: Store, backend: Backend, path: Path) -> None:
    put(store, t(1), State.REVIEW)
    put(store, t(2))
    cursor = store.changes().cursor
    backend.remove(path, t(1))
    (change,) = told(store, cursor)
    assert (change.actor, change.action, change.from_state, change.to_state) == (EXTERNAL, REMOVED, State.REVIEW, None)
    assert store.get(t(1)) is None
    assert [task.id for task in store.tasks()] == [t(2)]
    assert store.counts()[State.REVIEW].count == 0
    refusal = do(store, t(1), Action.APPROVE).refusal
    assert refusal is not None
    assert refusal.code is Code.NOT_FOUND


def test_a_task_that_went_and_came_back_is_another(store: Store, backend: Backend, path: Path) -> None:
    seen = put(store, t(1))
    backend.remove(path, t(1))
    until(store, lambda: store.get(t(1)) is None, at_once=backend.here)
    cursor = store.changes().cursor
    backend.meddle(path, t(1), title=seen.title)
    told(store, cursor)
    assert current(store, t(1)).version != seen.version
    outcome = do(store, t(1), Action.START, expect=seen.version)
    assert outcome.refusal is not None
    assert outcome.refusal.code is Code.CONFLICT


def test_adding_a_task_again_that_was_taken_away_works(store: Store, backend: Backend, path: Path) -> None:
    seen = put(store, t(1), State.COMPLETED)
    backend.remove(path, t(1))
    until(store, lambda: store.get(t(1)) is None, at_once=backend.here)
    again = put(store, t(1))
    assert again.version != seen.version
    assert again.state is State.PENDING
    assert [event.action for event in store.events(t(1))][-2:] == [REMOVED, Action.ADD]


@pytest.mark.parametrize("value", [10**49, {"n": [1.5, None, "ü"]}, "text"])
@pytest.mark.needs("data")
def test_outside_values_are_kept_as_they_are(store: Store, backend: Backend, path: Path, value: Any) -> None:
    put(store, t(1))
    backend.meddle(path, t(1), data=value)
    until(store, lambda: current(store, t(1)).data == value, at_once=backend.here)
    done(store, t(1), Action.START)
    assert current(store, t(1)).data == value
