"""Bundles of every store: what they hold, that they are only read, and that whatever was changed in one is found."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from backends import Backend, Sqlite
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from killing import killed
from moving import do, done, put
from unprivileged import unprivileged

from conftest import Opener
from taskdeck_store import Action, Code, Fault, Order, State, Store, StoreError, Task, create_store, open_store
from taskdeck_store.audit import BEGINNING
from taskdeck_store.backup import backup, restore
from taskdeck_store.bundle import Exported
from taskdeck_store.bundle import export as exported
from taskdeck_store.contract import LeftOut, Tally
from taskdeck_store.jsonfile.audit import log_path
from taskdeck_store.past import Past
from taskdeck_store.query.parse import parse
from taskdeck_store.readable import open_readable
from taskdeck_store.statistics import gathered
from taskdeck_store.timeline import Doubt
from taskdeck_store.values import EXTERNAL
from taskdeck_store.verification import Verification, verify

NOW = "2026-01-31T10:00:00.000000Z"


def export(path: Path, target: Path, query: str = "") -> Exported:
    found = parse(query, me="ann")
    return exported(str(path), str(target), query=found, asked=query, actor="ann", version="1.2", now=lambda: NOW)


def checked(path: Path) -> Verification:
    with closing(open_store(str(path))) as store:
        return verify(store)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


@pytest.fixture
def worked(store: Store, path: Path) -> Path:
    """A store with some work done; the events of its five tasks lie in each other."""
    for number in range(5):
        put(store, f"t-{number}", data={"n": number}, tags=["odd" if number % 2 else "even"])
    for number in range(5):
        done(store, f"t-{number}", Action.START, owner="worker-1")
    for number in (0, 1, 3):
        done(store, f"t-{number}", Action.SUBMIT, result={"b": [1, 2.5, None]})
    done(store, "t-1", Action.REJECT, note="not yet")
    done(store, "t-2", Action.FAIL, note="boom\x1b[31m")
    store.close()
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "evidence.bundle"


def test_a_bundle_holds_all_tasks_and_events_of_a_store(worked: Path, target: Path) -> None:
    made = export(worked, target)
    with closing(open_store(str(worked))) as store, closing(open_store(str(target))) as bundle:
        assert bundle.events() == store.events()
        assert bundle.tasks() == store.tasks()
        assert bundle.counts() == store.counts()
        assert bundle.traces(limit=100) == store.traces(limit=100)
        assert bundle.events("t-1") == store.events("t-1")
        for state, order in itertools.product(State, Order):
            assert bundle.window(state, order) == store.window(state, order)
        assert (bundle.kind, bundle.read_only, bundle.audited, bundle.damage) == ("bundle", True, True, None)
        assert bundle.manifest == made.manifest
        assert bundle.output_folder is None
        head = store.events()[-1].hash
        kind = store.kind
    found = checked(target)
    assert (found.is_sound, found.events, found.left_out, found.head) == (True, 15, 0, head)
    manifest = made.manifest
    assert made.problem is None
    assert (manifest.store, manifest.kind, manifest.query) == (worked.name, kind, "")
    assert (manifest.made_at, manifest.made_by, manifest.taskdeck) == (NOW, "ann", "1.2")
    assert (manifest.tasks, manifest.store_tasks, manifest.events, manifest.store_events) == (5, 5, 15, 15)
    assert (manifest.first_seq, manifest.last_seq, manifest.head_seq, manifest.head) == (1, 15, 15, head)
    assert str(worked.parent).encode() not in target.read_bytes()


def test_with_a_query_a_bundle_holds_what_matches_and_what_the_chain_needs(worked: Path, target: Path) -> None:
    made = export(worked, target, "tag:odd")
    with closing(open_store(str(worked))) as store, closing(open_store(str(target))) as bundle:
        every = store.events()
        kept = [event for event in every if event.task_id in ("t-1", "t-3")]
        assert bundle.events() == kept
        assert [task.id for task in bundle.tasks()] == ["t-1", "t-3"]
        assert bundle.left_out(0) == LeftOut(1, 1, str(every[0].hash))
        assert bundle.left_out(1) is None
        assert bundle.left_out(4) == LeftOut(5, 6, str(every[5].hash))
    found = checked(target)
    assert (found.is_sound, found.events, found.left_out, found.seq) == (True, 7, 8, 15)
    assert found.head == every[-1].hash
    assert (made.manifest.tasks, made.manifest.store_tasks, made.manifest.left_out) == (2, 5, 8)
    assert (made.manifest.query, made.manifest.head) == ("tag:odd", every[-1].hash)
    assert made.problem is None


def test_the_past_and_the_statistics_know_that_events_are_left_out_and_not_missing(worked: Path, target: Path) -> None:
    export(worked, target, "tag:odd")
    with closing(open_store(str(target))) as bundle, closing(open_store(str(worked))) as store:
        past, whole = Past(bundle), Past(store)
        past.read_all()
        whole.read_all()
        assert not any(past.timeline.doubt)
        for position in range(past.end + 1):
            past.go(position)
            whole.go(whole.timeline.position_of(past.timeline.seqs[position]))
            assert past.tasks() == whole.tasks(parse("tag:odd", me=""))
        unknown = gathered(bundle).unknown
        assert (unknown.gaps, unknown.missing) == (0, 0)


def test_what_a_bundle_leaves_out_blocks_nobody_in_its_past(store: Store, path: Path, target: Path) -> None:
    put(store, "a", State.COMPLETED)
    put(store, "b", depends_on=["a"])
    export(path, target, "id:b")
    with closing(open_store(str(target))) as bundle:
        past = Past(bundle)
        past.read_all()
        past.go(past.end)
        assert [task.blocked for task in (*bundle.tasks(), *past.tasks())] == [0, 0]


def test_an_event_that_is_gone_is_missing_in_past_and_statistics(worked: Path, target: Path) -> None:
    export(worked, target, "tag:odd")
    sql(target, "DELETE FROM events WHERE seq = 7")
    with closing(open_store(str(target))) as bundle:
        past = Past(bundle)
        past.read_all()
        assert [seq for seq, doubt in zip(past.timeline.seqs, past.timeline.doubt, strict=True) if doubt] == [9, 12]
        assert Doubt.MISSING in Doubt(past.timeline.doubt[past.timeline.position_of(9)])
        assert gathered(bundle).unknown.gaps == 1


def test_a_bundle_refuses_every_action_and_stays_as_it_is(worked: Path, target: Path) -> None:
    export(worked, target)
    before = target.read_bytes()
    there = names(target.parent)
    with closing(open_readable(str(target))) as bundle:
        outcome = do(bundle, "t-1", Action.START)
        assert outcome.refusal is not None
        assert outcome.refusal.code is Code.READ_ONLY
        assert "bundle" in outcome.refusal.message
        assert outcome.task == bundle.get("t-1")
        cursor = bundle.changes().cursor
        assert bundle.changes(cursor).complete
        assert not bundle.wait(0.01)
    assert target.read_bytes() == before
    assert names(target.parent) == there


def test_a_bundle_is_one_file_for_its_owner_alone(worked: Path, target: Path) -> None:
    before = set(names(target.parent))
    export(worked, target)
    assert set(names(target.parent)) - before - {"tasks.db.taskdeck-lock"} == {target.name}
    if os.name == "posix":
        assert stat.S_IMODE(target.stat().st_mode) == 0o600


@pytest.mark.skipif(os.name == "nt", reason="file modes")
def test_a_bundle_is_verified_in_a_folder_that_cannot_be_written_to(worked: Path, target: Path, folder: Path) -> None:
    export(worked, target, "tag:odd")
    there = folder / "there"
    there.mkdir()
    shutil.copy(target, there / "x")
    (there / "x").chmod(0o444)
    there.chmod(0o555)
    folder.chmod(0o755)
    try:
        unprivileged(lambda: _assert_sound(there / "x"))
    finally:
        there.chmod(0o755)


def _assert_sound(path: Path) -> None:
    found = checked(path)
    assert (found.is_sound, found.events) == (True, 7)


def test_an_empty_store_makes_an_empty_bundle(path: Path, target: Path) -> None:
    made = export(path, target)
    assert (made.manifest.tasks, made.manifest.events, made.manifest.head, made.problem) == (0, 0, None, None)
    found = checked(target)
    assert (found.is_sound, found.events, found.head) == (True, 0, BEGINNING)


def test_a_query_that_nothing_matches_makes_a_bundle_of_the_head_alone(worked: Path, target: Path) -> None:
    made = export(worked, target, "id:nobody")
    found = checked(target)
    assert (found.is_sound, found.events, found.left_out, found.head) == (True, 0, 15, made.manifest.head)


def test_a_task_file_without_a_log_or_times_reads_as_it_did(tmp_path: Path, target: Path) -> None:
    path = tmp_path / "old.json"
    tasks = [
        {"id": f"t-{n}", "state": "review", "title": "x" * 3_000, "size": 10**50, "at": {"a": [n]}} for n in range(4)
    ]
    since = "2026-01-31T09:00:00.000000Z"
    tasks += [{"id": "dated", "state": "review", "state_since": since, "title": "d"}]
    path.write_text(json.dumps(tasks))
    made = export(path, target)
    assert names(tmp_path) == [target.name, "old.json"]
    assert (made.problem, made.manifest.origin, made.manifest.store_events) == (None, None, 0)
    with closing(open_store(str(path))) as store, closing(open_store(str(target))) as bundle:
        assert not bundle.audited
        assert bundle.tasks() == store.tasks()
        assert bundle.get("t-2") == store.get("t-2")
        assert bundle.counts() == store.counts()
        assert bundle.counts()[State.REVIEW] == Tally(5, since)
        for order in Order:
            assert bundle.window(State.REVIEW, order) == store.window(State.REVIEW, order)
            last = (5, "", "t-3") if order is Order.PRIORITY else ("", "t-3")
            asked = {"start": last, "before": 2, "limit": 3}
            assert bundle.window(State.REVIEW, order, **asked) == store.window(State.REVIEW, order, **asked)
        for query in ("age>1s", "-age>1s", "age<1s", "title:x", "age>1s tag:none"):
            found = parse(query, me="")
            assert bundle.tasks(found) == store.tasks(found), query
            assert bundle.counts(found) == store.counts(found), query


def test_what_outside_programs_did_is_on_record_in_a_bundle(
    store: Store, backend: Backend, path: Path, target: Path
) -> None:
    put(store, "t-1")
    backend.meddle(path, "t-1", title="by hand")
    backend.meddle(path, "t-2", title="from elsewhere")
    backend.remove(path, "t-2")
    made = export(path, target)
    assert made.problem is None
    with closing(open_store(str(target))) as bundle:
        assert {event.actor for event in bundle.events()} >= {"ann", EXTERNAL}
        task = bundle.get("t-1")
        assert task is not None
        assert task.title == "by hand"
    assert checked(target).is_sound


def test_unsealed_events_are_told_as_such(sqlite: Sqlite, tmp_path: Path, target: Path) -> None:
    path = sqlite.make(tmp_path)
    for number in range(4):
        sqlite.meddle(path, f"t-{number}", title=f"t {number}")
    export(path, target, "id:t-2")
    found = checked(target)
    assert (found.is_sound, found.events, found.left_out, found.unsealed) == (True, 1, 3, 1)
    with closing(open_store(str(path))) as store:
        assert found.head == verify(store).head


def test_a_bundle_can_be_made_of_a_bundle(worked: Path, target: Path, tmp_path: Path) -> None:
    first = export(worked, target, "tag:odd").manifest
    made = export(target, tmp_path / "second", "id:t-3").manifest
    found = checked(tmp_path / "second")
    assert (found.is_sound, found.events, found.left_out, found.head) == (True, 3, 12, first.head)
    assert (made.origin, made.store_events, made.head_seq) == (first.origin, 15, 15)


def test_a_backup_of_a_bundle_is_one_and_no_store_is_restored_from_it(worked: Path, target: Path) -> None:
    export(worked, target)
    copy = target.with_name("copy.bundle")
    assert backup(str(target), str(copy)).problem is None
    with pytest.raises(StoreError, match="is a bundle"):
        restore(str(copy), str(target.with_name("new.db")))
    assert not target.with_name("new.db").exists()


def test_the_sha256_is_that_of_the_documented_text(worked: Path, target: Path) -> None:
    manifest = export(worked, target, "tag:odd").manifest
    tables = {
        "manifest": ("key, value", "key <> 'sha256'", "key"),
        "links": ("first, last, hash", "1", "first"),
        "events": (
            'seq, task_id, at, actor, action, from_state, to_state, attempts, note, changes, "group", undoes, hash',
            "1",
            "seq",
        ),
        "tasks": (
            "id, title, description, state, priority, tags, data, result, error, attempts, max_attempts, "
            "not_before, depends_on, owner, lease_until, created_at, updated_at, state_since, version, blocked",
            "1",
            "id",
        ),
        "extra": ("task_id, fields", "1", "task_id"),
    }
    found = sha256()
    for name, (columns, where, order) in tables.items():
        for row in sql(target, f"SELECT {columns} FROM {name} WHERE {where} ORDER BY {order}"):
            found.update(json.dumps([name, *row], separators=(",", ":")).encode() + b"\n")
    assert found.hexdigest() == manifest.sha256


TAMPERING = {
    "task": "UPDATE tasks SET title = 'other' WHERE id = 't-1'",
    "lease": "UPDATE tasks SET lease_until = '2030-01-01T00:00:00.000000Z' WHERE id = 't-1'",
    "task added": "INSERT INTO tasks SELECT 't-9', title, state, priority, attempts, max_attempts, owner, lease_until, "
    "created_at, updated_at, state_since, version, tags, error, description, data, result, not_before, depends_on, "
    "blocked FROM tasks "
    "WHERE id = 't-1'",
    "when it is due": "UPDATE tasks SET not_before = '2030-01-01T00:00:00.000000Z' WHERE id = 't-1'",
    "what it depends on": "UPDATE tasks SET depends_on = '[\"t-2\"]' WHERE id = 't-1'",
    "what it waits for": "UPDATE tasks SET blocked = 1 WHERE id = 't-1'",
    "task dropped": "DELETE FROM tasks WHERE id = 't-1'",
    "note": "UPDATE events SET note = 'fine' WHERE action = 'reject'",
    "actor": "UPDATE events SET actor = 'eve' WHERE seq = 4",
    "order": "UPDATE events SET seq = 100 WHERE seq = 14",
    "event dropped": "DELETE FROM events WHERE seq = 7",
    "last event dropped": "DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)",
    "hash": f"UPDATE events SET hash = '{'0' * 64}' WHERE seq = 2",
    "hash dropped": "UPDATE events SET hash = NULL WHERE seq = 7",
    "twice told": """UPDATE events SET changes = '{"title":[null,"x"],' || substr(changes, 2) WHERE seq = 2""",
    "changes": "UPDATE events SET changes = '[' WHERE seq = 2",
    "link": f"UPDATE links SET hash = '{'0' * 64}' WHERE first = 5",
    "link dropped": "DELETE FROM links WHERE first = 5",
    "link longer": "UPDATE links SET last = 9 WHERE first = 5",
    "extra": """INSERT INTO extra VALUES ('t-1', '{"a":1}')""",
    "who made it": """UPDATE manifest SET value = '"eve"' WHERE key = 'made_by'""",
    "its query": """UPDATE manifest SET value = '""' WHERE key = 'query'""",
    "head": f"""UPDATE manifest SET value = '"{"0" * 64}"' WHERE key = 'head'""",
    "sha256": """UPDATE manifest SET value = '"0"' WHERE key = 'sha256'""",
    "more in the manifest": """INSERT INTO manifest VALUES ('proved', 'true')""",
}


@pytest.mark.parametrize("kind", TAMPERING)
@pytest.mark.parametrize("query", ["", "tag:odd"])
def test_whatever_is_changed_in_a_bundle_is_found(worked: Path, target: Path, kind: str, query: str) -> None:
    export(worked, target, query)
    assert checked(target).is_sound
    before = target.read_bytes()
    sql(target, TAMPERING[kind])
    if target.read_bytes() == before or (not query and kind.startswith("link")):
        assert not query
        return
    found = checked(target)
    assert not found.is_sound
    assert [one.message for one in found.defects if "SHA-256" in one.message]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE more (a)",
        "DROP INDEX events_by_task",
        "ALTER TABLE events ADD COLUMN more TEXT",
        "ALTER TABLE tasks RENAME TO other; CREATE VIEW tasks AS SELECT * FROM other",
        "CREATE TRIGGER more AFTER UPDATE ON tasks BEGIN SELECT 1; END",
    ],
)
def test_a_part_that_taskdeck_did_not_make_is_found(worked: Path, target: Path, statement: str) -> None:
    export(worked, target)
    for one in statement.split("; ") if "TRIGGER" not in statement else [statement]:
        sql(target, one)
    found = checked(target)
    assert not found.is_sound
    assert [one.message for one in found.defects if "is not what Taskdeck makes" in one.message]


@pytest.mark.parametrize("kind", ["note", "actor", "event dropped", "last event dropped", "hash", "link", "head"])
def test_a_broken_chain_is_found_also_under_a_new_sha256(worked: Path, target: Path, kind: str) -> None:
    export(worked, target, "tag:odd")
    sql(target, TAMPERING[kind])
    _seal_anew(target)
    found = checked(target)
    assert not found.defects
    assert found.broken is not None


def test_a_task_that_is_not_what_its_events_say_is_found_also_under_a_new_sha256(worked: Path, target: Path) -> None:
    export(worked, target, "tag:odd")
    sql(target, TAMPERING["task"])
    _seal_anew(target)
    found = checked(target)
    assert (found.defects, found.broken, list(found.differing)) == ((), None, ["t-1"])


def test_an_anchor_is_held_against_events_that_are_left_out_too(worked: Path, target: Path) -> None:
    export(worked, target, "tag:odd")
    with closing(open_store(str(worked))) as store, closing(open_store(str(target))) as bundle:
        hashes = {event.seq: str(event.hash) for event in store.events()}
        assert verify(bundle, hashes).is_sound
        for seq in (2, 6, 15):
            broken = verify(bundle, {seq: "0" * 64}).broken
            assert broken is not None
            assert broken.seq == seq


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE manifest",
        "DELETE FROM manifest",
        "UPDATE manifest SET value = 'x' WHERE key = 'tasks'",
        "UPDATE manifest SET value = '[1]' WHERE key = 'tasks'",
        "DROP TABLE links",
        "DROP TABLE extra",
        "UPDATE extra SET fields = '[]'",
        "PRAGMA user_version = 0",
    ],
)
def test_a_bundle_that_lacks_a_part_is_told_as_damaged(tmp_path: Path, target: Path, statement: str) -> None:
    path = tmp_path / "tasks.json"
    path.write_text('[{"id": "a", "state": "pending", "theirs": 1}, {"id": "b", "state": "pending"}]')
    with closing(open_store(str(path))) as store:
        done(store, "b", Action.START)
        done(store, "a", Action.START)
    export(path, target, "id:a")
    sql(target, statement)
    with pytest.raises(StoreError) as raised:
        checked(target)
    assert raised.value.fault is Fault.DAMAGED
    assert raised.value.message.isprintable()


@pytest.mark.parametrize("text", ["half \ud800", "nul \0"])
def test_what_sqlite_cannot_hold_is_refused_by_name(tmp_path: Path, target: Path, text: str) -> None:
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps([{"id": "a", "state": "pending", "title": text}, {"id": "b", "state": "pending"}]))
    with pytest.raises(StoreError) as raised:
        export(path, target)
    assert raised.value.fault is Fault.UNWRITABLE
    assert "task a cannot be put into a bundle" in raised.value.message
    assert raised.value.message.isprintable()
    assert names(tmp_path) == ["tasks.json"]
    assert export(path, target, "-id:a").manifest.tasks == 1


def test_numbers_of_an_edited_log_that_sqlite_cannot_hold_are_refused_by_name(tmp_path: Path, target: Path) -> None:
    path = tmp_path / "tasks.json"
    create_store(str(path))
    with closing(open_store(str(path))) as store:
        put(store, "a", State.IN_PROGRESS)
    log = log_path(path)
    lines = log.read_text().splitlines()
    lines[0] = lines[0].replace('"attempts":0', f'"attempts":{10**50}')
    assert str(10**50) in lines[0]
    log.write_text("\n".join(lines) + "\n")
    with pytest.raises(StoreError) as raised:
        export(path, target)
    assert raised.value.message.isprintable()
    assert not target.exists()


def test_a_store_that_is_not_sound_is_told_and_its_bundle_shows_it(
    worked: Path, target: Path, backend: Backend
) -> None:
    if isinstance(backend, Sqlite):
        backend.forge(worked, "UPDATE events SET note = 'other' WHERE seq = 14")
    else:
        log = log_path(worked)
        log.write_text(log.read_text().replace("not yet", "not now"))
    made = export(worked, target)
    assert made.problem is not None
    assert "event 14" in made.problem
    broken = checked(target).broken
    assert broken is not None
    assert broken.seq == 14


def test_events_that_the_store_itself_lacks_are_missing_in_its_bundle(
    sqlite: Sqlite, tmp_path: Path, target: Path
) -> None:
    path = sqlite.make(tmp_path)
    with closing(open_store(str(path))) as store:
        for number in range(6):
            put(store, f"t-{number}")
    sqlite.forge(path, "DELETE FROM events WHERE seq = 4")
    assert export(path, target, "id:t-5").problem is not None
    broken = checked(target).broken
    assert broken is not None
    assert broken.seq == 4
    assert "missing" in broken.reason


def test_what_is_there_already_is_never_overwritten(worked: Path, target: Path) -> None:
    target.write_text("precious")
    with pytest.raises(StoreError) as raised:
        export(worked, target)
    assert raised.value.fault is Fault.EXISTS
    assert target.read_text() == "precious"
    with pytest.raises(StoreError):
        export(worked, worked)
    with pytest.raises(StoreError) as raised:
        export(worked, worked.parent / "no" / "folder")
    assert raised.value.fault is Fault.MISSING
    with pytest.raises(StoreError) as raised:
        export(worked.with_name("none.db"), worked.with_name("new"))
    assert raised.value.fault is Fault.MISSING


def test_an_export_that_is_killed_at_any_step_is_whole_or_not_there(worked: Path, tmp_path: Path) -> None:
    died = 0
    for step in itertools.count(1, 3):
        target = tmp_path / f"bundle-{step}"
        if not killed(lambda target=target: export(worked, target, "tag:odd"), step):
            break
        died += 1
        if target.exists():
            assert checked(target).is_sound
    assert checked(target).is_sound
    assert died > 5


_TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXTS,
    lambda some: st.lists(some) | st.dictionaries(_TEXTS, some),
    max_leaves=6,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tasks=st.lists(
        st.fixed_dictionaries(
            {"state": st.sampled_from([str(state) for state in State]), "title": _TEXTS, "data": _JSON},
            optional={"theirs": _JSON, "priority": st.integers(-9, 9), "tags": st.lists(_TEXTS), "error": _TEXTS},
        ),
        max_size=5,
    ),
    chosen=st.sets(st.integers(0, 4)),
    moved=st.lists(st.tuples(st.integers(0, 4), st.sampled_from([Action.START, Action.FAIL, Action.EDIT])), max_size=8),
)
def test_any_tasks_and_events_come_out_as_they_went_in(
    tmp_path_factory: pytest.TempPathFactory,
    tasks: list[dict[str, Any]],
    chosen: set[int],
    moved: list[tuple[int, Action]],
) -> None:
    folder = tmp_path_factory.mktemp("any")
    path = folder / "tasks.json"
    path.write_text(json.dumps([{"id": f"t-{number}", **fields} for number, fields in enumerate(tasks)]))
    with closing(open_store(str(path))) as store:
        for number, action in moved:
            do(store, f"t-{number}", action, note="because", **({"priority": number} if action is Action.EDIT else {}))
    query = " ".join(f"-id:t-{number}" for number in chosen)
    made = export(path, folder / "bundle", query)
    with closing(open_store(str(path))) as store, closing(open_store(str(folder / "bundle"))) as bundle:
        kept: list[Task] = [task for task in store.tasks() if int(task.id[2:]) not in chosen]
        assert list(bundle.tasks()) == kept
        ids = {task.id for task in kept}
        assert list(bundle.events()) == [event for event in store.events() if event.task_id in ids or not query]
        assert verify(bundle).is_sound == (made.problem is None)
        assert verify(store).head == verify(bundle).head


def _seal_anew(path: Path) -> None:
    """Give a bundle the SHA-256 of what it holds, as one can who has it in his hands."""
    program = (
        "import json, sys, apsw\n"
        "from taskdeck_store.sqlite import bundling\n"
        "connection = apsw.Connection(sys.argv[1])\n"
        "connection.execute(\"UPDATE manifest SET value = ? WHERE key = 'sha256'\","
        " (json.dumps(bundling.digest(connection)),))\n"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)


def sql(path: Path, statement: str) -> list[tuple[Any, ...]]:
    """Run SQL on a bundle, in this process: no handle of it is open meanwhile."""
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement).fetchall()


def test_a_handle_sees_a_bundle_that_takes_the_place_of_another(worked: Path, target: Path, opened: Opener) -> None:
    export(worked, target, "tag:odd")
    export(worked, target.with_name("new"))
    with closing(open_readable(str(target))) as bundle:
        assert len(bundle.events()) == 7
        target.with_name("new").replace(target)
        assert len(bundle.events()) == 15
        assert bundle.manifest is not None
        assert bundle.manifest.query == ""
        assert opened().manifest is None
