"""The audit log as a chain, and a store checked against it: what is found, and what each kind of forgery looks like."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import apsw
import pytest
from backends import Backend, Sqlite
from hypothesis import example, given
from hypothesis import strategies as st
from moving import done, put, t
from writer import TASKS

from conftest import Opener
from taskdeck_store import Action, Event, Fault, State, Store, StoreError, create_store, open_store
from taskdeck_store.audit import BEGINNING, sealed
from taskdeck_store.jsonfile.audit import log_path
from taskdeck_store.values import EXTERNAL
from taskdeck_store.verification import Verification, verify

WRITER = Path(__file__).with_name("writer.py")


def independent(previous: str, event: Event) -> str:
    """The hash as README tells it, without the library."""
    told = [previous, event.seq, event.task_id, event.at, event.actor, event.action, event.from_state, event.to_state]
    told += [event.attempts, event.note, event.changes, event.group, event.undoes]
    return sha256(json.dumps(told, separators=(",", ":"), sort_keys=True).encode()).hexdigest()


TEXTS = st.text('ab ./:\\"\n\x1f') | st.sampled_from(("\x7f", "é", "\ud800"))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=8)
CHANGES = st.dictionaries(TEXTS, st.tuples(VALUES, VALUES), max_size=3)


@example("t", "a", None, {"data": (1e16, {"x": [1e-7]})})
@example("t", "a", None, {"data": (None, {"x": [1e-7]})})
@example("t", "a", "é", {})
@example("t", "a", None, {"é": (1, 10**30)})
@example("t", "a", "\x7f", {})
@example("t", "a", None, {"data": (True, {"b": ["\\"], "a": {}}), "attempts": (0, 1)})
@given(TEXTS, TEXTS, st.none() | TEXTS, CHANGES)
def test_a_seal_is_the_hash_that_is_told_whatever_an_event_says(
    task_id: str, actor: str, note: str | None, changes: dict[str, tuple[Any, Any]]
) -> None:
    event = Event(
        seq=1,
        task_id=task_id,
        at="2026-01-31T09:00:00.000000Z",
        actor=actor,
        action=Action.EDIT,
        from_state=State.PENDING,
        to_state=State.PENDING,
        attempts=0,
        note=note,
        changes=changes,
    )
    assert sealed(BEGINNING, event) == independent(BEGINNING, event)


def worked(store: Store) -> None:
    put(store, "t-1", State.COMPLETED, data={"b": [1, 2.5, None], "a": "\ud83d\ude00 ü"}, tags=["x", "y"])
    put(store, "t-2", State.FAILED)
    done(store, "t-2", Action.RETRY)
    done(store, "t-2", Action.EDIT, priority=1, description="over\nlines")


def test_every_event_is_sealed_over_the_one_before(store: Store, opened: Opener) -> None:
    worked(store)
    previous = BEGINNING
    for event in opened().events():
        assert event.hash == independent(previous, event)
        previous = str(event.hash)


def test_an_outcome_has_the_event_as_it_was_sealed(store: Store) -> None:
    put(store, "t-1")
    assert store.apply([]) == ()
    task = done(store, "t-1", Action.START)
    assert task.version == "2"
    (last,) = store.events(limit=1, newest=True)
    assert last.hash is not None


def test_a_store_that_was_worked_on_is_sound(store: Store, backend: Backend, path: Path) -> None:
    worked(store)
    backend.meddle(path, "t-2", title="by hand", data={"x": 1})
    backend.meddle(path, "t-9", title="from elsewhere")
    backend.remove(path, "t-1")
    assert store.get("t-1") is None
    found = verify(store)
    assert (found.broken, found.differing, found.is_sound) == (None, {}, True)
    assert found.events == len(store.events())


def test_what_an_outside_program_did_is_sealed_by_the_next_writer(store: Store, backend: Backend, path: Path) -> None:
    put(store, "t-1")
    backend.meddle(path, "t-1", title="by hand")
    done(store, "t-1", Action.START)
    found = verify(store)
    assert [event.actor for event in store.events()] == ["ann", EXTERNAL, "ann"]
    assert (found.is_sound, found.unsealed) == (True, 0)
    assert found.head == store.events(newest=True, limit=1)[0].hash


def test_an_empty_store_is_sound(store: Store) -> None:
    found = verify(store)
    assert (found.is_sound, found.events, found.head) == (True, 0, BEGINNING)


def test_a_check_goes_on_where_it_was_when_the_store_has_grown(store: Store, backend: Backend, path: Path) -> None:
    check = Verification(store)
    for number in range(30):
        put(store, f"t-{number}", State.REVIEW)
        check.advance(2)
    while check.advance(2):
        pass
    assert (check.is_sound, check.events) == (True, 90)
    done(store, "t-3", Action.APPROVE)
    backend.meddle(path, "t-4", title="by hand")
    while check.advance(1):
        pass
    assert (check.is_sound, check.events) == (True, 92)


class Forged:
    """A SQLite store, and someone who can write to its file past all its rules."""

    def __init__(self, program: Sqlite, folder: Path) -> None:
        self.path = program.make(folder)
        self._program = program

    def sql(self, statement: str, *values: Any) -> None:
        self._program.forge(self.path, statement, *values)


def worked_on(path: Path) -> Store:
    """A store with tasks that were moved: t-1 by the events 1 to 4, t-2 by those after."""
    store = open_store(str(path))
    worked(store)
    return store


@pytest.fixture
def forged(sqlite: Sqlite, tmp_path: Path) -> Forged:
    return Forged(sqlite, tmp_path)


@pytest.mark.parametrize(
    ("forgery", "seq", "said"),
    [
        ("UPDATE events SET actor = 'bob' WHERE seq = 3", 3, "hash"),
        ("UPDATE events SET note = 'never said' WHERE seq = 2", 2, "hash"),
        ("UPDATE events SET at = '2020-01-01T00:00:00.000000Z' WHERE seq = 1", 1, "hash"),
        ("UPDATE events SET changes = '{}' WHERE seq = 1", 1, "hash"),
        ("UPDATE events SET \"group\" = 'g' WHERE seq = 4", 4, "hash"),
        ("UPDATE events SET undoes = 1 WHERE seq = 4", 4, "hash"),
        ("UPDATE events SET attempts = 7 WHERE seq = 4", 4, "hash"),
        ("UPDATE events SET hash = upper(hash) WHERE seq = 4", 4, "hash"),
        ("UPDATE events SET to_state = 'failed' WHERE seq = 2", 2, "hash"),
        ("UPDATE events SET from_state = 'review' WHERE seq = 2", 2, "pending"),
        ("UPDATE events SET task_id = 't-2' WHERE seq = 2", 2, "t-2"),
        ("DELETE FROM events WHERE seq = 3", 3, "missing"),
        ("DELETE FROM events WHERE seq = 1", 1, "missing"),
    ],
)
def test_a_changed_or_missing_event_breaks_the_chain_where_it_is(
    forged: Forged, forgery: str, seq: int, said: str
) -> None:
    store = worked_on(forged.path)
    forged.sql(forgery)
    found = verify(store)
    assert found.broken is not None
    assert found.broken.seq == seq
    assert said in found.broken.reason
    store.close()


@pytest.mark.parametrize("actor", ["ann", "eve"])
def test_an_event_without_a_hash_after_one_that_has_one_is_told(tmp_path: Path, actor: str) -> None:
    path = tmp_path / "tasks.json"
    create_store(str(path))
    worked_on(path).close()
    log = log_path(path)
    *lines, last = log.read_text().splitlines()
    last = re.sub('"hash":"[0-9a-f]+"', '"hash":null', last).replace('"actor":"ann"', f'"actor":"{actor}"')
    log.write_text("\n".join([*lines, last, ""]))
    with closing(open_store(str(path), read_only=True)) as store:
        found = verify(store)
    assert found.broken is not None
    assert found.broken.seq == len(lines) + 1
    assert "has no hash" in found.broken.reason


def test_a_store_is_sound_beside_a_busy_writer(store: Store, path: Path) -> None:
    for number in range(TASKS):
        put(store, t(number))
    program = [sys.executable, str(WRITER), str(path), "busy", "0"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        threading.Thread(target=writer.stdout.read, daemon=True).start()
        for _ in range(60):
            with closing(open_store(str(path), read_only=True)) as onlooker:
                found = verify(onlooker)
                assert (found.broken, found.differing, found.defects) == (None, {}, ())
        writer.kill()


def test_an_event_that_was_never_written_breaks_the_chain(forged: Forged) -> None:
    store = worked_on(forged.path)
    forged.sql(
        "INSERT INTO events (task_id, at, actor, action, from_state, to_state, attempts) "
        "VALUES ('t-1', '2026-01-31T09:00:00.000000Z', 'bob', 'start', 'pending', 'in_progress', 0)"
    )
    found = verify(store)
    assert found.broken is not None
    assert found.broken.seq == 9
    store.close()


@pytest.mark.parametrize(
    ("forgery", "task_id", "fields"),
    [
        ("UPDATE tasks SET title = 'other' WHERE id = 't-1'", "t-1", {"title": ("other", "task t-1")}),
        ("UPDATE tasks SET result = '1' WHERE id = 't-1'", "t-1", {"result": (1, None)}),
        ("UPDATE tasks SET tags = '[]' WHERE id = 't-1'", "t-1", {"tags": ([], ["x", "y"])}),
        ("UPDATE tasks SET version = '7' WHERE id = 't-1'", "t-1", {"version": ("7", "4")}),
        ("UPDATE tasks SET state = 'review' WHERE id = 't-1'", "t-1", {"state": ("review", "completed")}),
        ("DELETE FROM tasks WHERE id = 't-1'", "t-1", {"state": (None, "completed")}),
        ("UPDATE tasks SET id = 't-7' WHERE id = 't-1'", "t-7", {"state": ("completed", None)}),
    ],
)
def test_a_task_that_is_not_what_its_events_say_is_named(
    forged: Forged, forgery: str, task_id: str, fields: dict[str, Any]
) -> None:
    store = worked_on(forged.path)
    forged.sql(forgery)
    found = verify(store)
    assert found.broken is None
    assert not found.is_sound
    assert found.differing[task_id].fields == fields
    store.close()


def test_a_task_slipped_in_past_the_rules_is_named(forged: Forged) -> None:
    store = worked_on(forged.path)
    forged.sql("INSERT INTO tasks (id, title) VALUES ('t-8', 'x')")
    found = verify(store)
    assert list(found.differing) == ["t-8"]
    store.close()


def test_a_heartbeat_leaves_a_store_sound(sqlite: Sqlite, forged: Forged) -> None:
    store = worked_on(forged.path)
    done(store, "t-2", Action.START, lease_until="2026-01-31T09:10:00.000000Z")
    sqlite.sql(forged.path, ("UPDATE tasks SET lease_until = '2026-01-31T09:20:00.000000Z' WHERE id = 't-2'", []))
    assert verify(store).is_sound
    store.close()


def test_a_great_backlog_is_sealed_bit_by_bit(sqlite: Sqlite, forged: Forged) -> None:
    store = worked_on(forged.path)
    many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4500)"
    sqlite.sql(forged.path, (f"{many} INSERT INTO tasks (id, title) SELECT 'o-' || i, 'outside' FROM n", []))
    unsealed = []
    for number in range(4):
        put(store, f"t-{number + 10}")
        unsealed.append(verify(store).unsealed)
    assert unsealed == [2_501, 502, 0, 0]
    assert verify(store).is_sound
    store.close()


@pytest.mark.parametrize(("layout", "unsealed"), [(1, 5), (2, 0), (3, 0)])
def test_a_store_of_an_older_layout_is_sealed_and_keeps_its_rules(tmp_path: Path, layout: int, unsealed: int) -> None:
    path = tmp_path / "old.db"
    old = apsw.Connection(str(path))
    old.execute((Path(__file__).parent / "layouts" / f"layout-{layout}.sql").read_text())
    old.close()
    looking = open_store(str(path), read_only=True)
    assert [event.hash is None for event in looking.events()] == [unsealed > 0] * 5
    assert (verify(looking).is_sound, verify(looking).unsealed) == (True, unsealed)
    assert [tally.count for tally in looking.counts().values()] == [2, 0, 1, 0, 0]
    looking.close()

    store = open_store(str(path))
    done(store, "t-1", Action.APPROVE)
    found = verify(store)
    assert (found.is_sound, found.unsealed, found.events) == (True, 0, 6)
    store.close()
    fresh = Sqlite().make(tmp_path)
    assert schema_of(path) == schema_of(fresh)


def schema_of(path: Path) -> list[Any]:
    connection = apsw.Connection(str(path))
    found = list(connection.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name"))
    version = connection.pragma("user_version")
    connection.close()
    return [version, *((kind, name, " ".join((sql or "").split())) for kind, name, sql in found)]


def harmed_logs(log: bytes) -> dict[str, bytes]:
    lines = log.splitlines(keepends=True)
    longer = [re.sub(rb'"lines":\d+', b'"lines":99', line) for line in lines]
    return {
        **{f"more lines in {n}": b"".join((*lines[:n], longer[n], *lines[n + 1 :])) for n in range(len(lines))},
        "zeros": b"\0" * len(log),
        "another encoding": log.decode().encode("utf-16"),
        "no line ends": log.replace(b"\n", b" "),
    }


def edit(store: Store) -> None:
    done(store, "t-1", Action.EDIT, priority=9)


def test_what_was_told_of_is_never_taken_for_a_commit_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    create_store(str(path))
    with closing(open_store(str(path))) as store:
        worked(store)
    log = log_path(path)
    whole = log.read_bytes()
    for name, raw in harmed_logs(whole).items():
        if raw == whole:
            continue
        log.write_bytes(raw)
        for use in (verify, edit):
            reads = use is verify
            with pytest.raises(StoreError) as raised, closing(open_store(str(path), read_only=reads)) as store:
                use(store)
            assert raised.value.fault is Fault.DAMAGED, name
        assert log.read_bytes() == raw, name
