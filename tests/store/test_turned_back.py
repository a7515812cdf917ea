"""A lock that is held for long, a clock that goes back, an older copy of the store."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from backends import Backend, JsonFile, Sqlite
from faulty import DEADLINE, checked, content, copied, look, made, older_put_back
from moving import done, put

from conftest import Opener, Turned
from taskdeck_store import Action, Fault, State, Store, StoreError, open_store
from taskdeck_store.lock import SUFFIX, WriteLock
from taskdeck_store.query.parse import parse
from taskdeck_store.recovery import overdue, release_overdue


@pytest.mark.soak
def test_a_lock_that_is_held_for_a_minute_is_told_again_and_again_and_waited_for(
    opened: Opener, path: Path, now: Turned
) -> None:
    impatient, patient = opened(patience=1.0), opened(patience=120.0)
    put(impatient, "t-1")
    lock = WriteLock(path.with_name(path.name + SUFFIX), path)
    with ThreadPoolExecutor(1) as pool:
        with lock.hold(DEADLINE):
            until = time.monotonic() + float(os.environ.get("TASKDECK_SOAK_SECONDS", "60"))
            waiting = pool.submit(lambda: done(opened(patience=120.0), "t-1", Action.START))
            while time.monotonic() < until:
                with pytest.raises(StoreError) as raised:
                    put(impatient, "t-2")
                checked(raised.value, Fault.BUSY, path, "nothing was changed")
                assert [task.state for task in patient.tasks()] == [State.PENDING]
                assert not waiting.done()
        assert waiting.result(DEADLINE).state is State.IN_PROGRESS
    put(impatient, "t-2")
    look(path, now)


def test_a_clock_that_goes_back_turns_no_time_of_the_log_back(
    store: Store, opened: Opener, backend: Backend, path: Path, now: Turned
) -> None:
    # The triggers of SQLite know the clock of the machine alone.
    now.moment = latest = "2096-01-31T09:00:00.000000Z"
    put(store, "t-1")
    put(store, "t-2")
    done(store, "t-1", Action.START, lease_until=now.moment)
    now.turn(-3_600)
    backend.meddle(path, "t-2", title="theirs")
    store.changes()
    assert overdue(store, now()) == []
    assert release_overdue(store, actor="ann", now=now()) == ()
    done(store, "t-1", Action.SUBMIT)
    now.turn(-3_600)
    done(opened(), "t-1", Action.APPROVE)
    times = [event.at for event in store.events()]
    assert times == sorted(times)
    assert min(times) == latest
    for task in store.tasks():
        moments = (task.created_at, task.state_since, task.updated_at)
        assert all(moment is not None and moment >= latest for moment in moments)
    for filter_, found in (("age<1m", 2), ("age>1m", 0)):
        assert len(store.tasks(parse(filter_, me="ann"))) == found
    look(path, now)


@pytest.mark.parametrize(
    ("kind", "way"),
    # SQLite has no defence against a copy over its open file: https://www.sqlite.org/howtocorrupt.html, 1.1.
    [(Sqlite, "renamed over it"), (JsonFile, "renamed over it"), (JsonFile, "copied over it")],
    ids=lambda given: given if isinstance(given, str) else given.name,
)
def test_an_older_copy_of_itself_is_noticed_and_read_anew(
    kind: type[Backend], way: str, tmp_path: Path, now: Turned
) -> None:
    path = made(kind(), tmp_path, now, 1)
    with closing(open_store(str(path), now=now)) as store, closing(open_store(str(path), now=now)) as onlooker:
        before, older = content(store), copied(path)
        for number in range(3):
            put(store, f"n-{number}")
        done(store, "old-0", Action.START)
        cursors = {handle: handle.changes().cursor for handle in (store, onlooker)}
        assert len(onlooker.tasks()) == 4
        with ThreadPoolExecutor(1) as pool:
            news = pool.submit(onlooker.wait, DEADLINE)
            older_put_back(path, older, way)
            assert news.result(DEADLINE)
        for handle, cursor in cursors.items():
            assert handle.tasks() == before[0]
            found = handle.changes(cursor)
            assert not found.complete
            assert handle.changes(found.cursor).complete
        assert content(onlooker) == look(path, now)
        put(store, "new")
        assert content(onlooker) == content(store) == look(path, now)
        assert {task.id for task in store.tasks()} == {"old-0", "new"}
