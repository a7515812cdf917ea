"""Damage that cannot be healed: what can be read is shown, what is lost is said, and the rest makes a new store."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from backends import Backend, JsonFile, Sqlite
from moving import done, put
from msgspec.structs import replace

from taskdeck_store import Action, Code, Event, Fault, State, Store, StoreError, Task, command, open_store
from taskdeck_store.contract import Order
from taskdeck_store.jsonfile.audit import log_path
from taskdeck_store.readable import open_readable
from taskdeck_store.remains import Remains, salvaged
from taskdeck_store.replay import differences
from taskdeck_store.salvage import recover, told
from taskdeck_store.sqlite import triggers
from taskdeck_store.verification import verify

IDS = [f"t-{number:02}" for number in range(10)]
"""Of each state two."""


def work(path: Path) -> None:
    """Fill a store so that it has some of everything: pages of rows, texts over several pages, a removed task."""
    with closing(open_store(str(path))) as store:
        for number, task_id in enumerate(IDS):
            put(store, task_id, list(State)[number % 5], data={"n": number}, description="d" * 350)
        put(store, "long", State.REVIEW, description="x" * 9_000)
        put(store, "gone")
        done(store, "t-03", Action.EDIT, title="new title", tags=["a", "b"])


@pytest.fixture
def worked(path: Path, backend: Backend) -> Path:
    work(path)
    backend.remove(path, "gone")
    with closing(open_store(str(path))) as store:
        done(store, "t-00", Action.START)
    return path


def all_of(path: Path) -> tuple[dict[str, Task], list[Event]]:
    with closing(open_store(str(path), read_only=True)) as store:
        return {task.id: task for task in store.tasks()}, list(store.events())


def recovered_at(path: Path) -> Path:
    return path.with_name(f"recovered{path.suffix}")


def check_recovered(
    path: Path, tasks: dict[str, Task], events: list[Event], *, known: set[str] | None = None
) -> tuple[int, int]:
    """Recover a store: nothing may be wrong in what is there, and nothing missing that the report does not tell of.

    Return how many tasks and events were saved as they were.
    """
    target = recovered_at(path)
    for file in (target, log_path(target)):
        file.unlink(missing_ok=True)
    report = recover(str(path), str(target)).salvage
    with closing(open_store(str(target))) as store:
        found = {task.id: task for task in store.tasks()}
        log = {event.seq: event for event in store.events()}
        missing = {seq for first, last in report.gaps for seq in range(first, last + 1)}
        # What comes after the last event that is known cannot be told.
        missing |= set(range(max([0, *missing, *log]) + 1, len(events) + 1))
        for event in events:
            assert event.seq in missing or log[event.seq].task_id == event.task_id
        told = {*report.outdated, *report.lost}
        told |= {event.task_id for event in events if event.seq > max([0, *log, *(last for _, last in report.gaps)])}
        for task_id, task in tasks.items():
            if task_id not in told and (not missing or task_id in found):
                assert not {*differences(task, found[task_id])} - {"version"}, task_id
        assert set(report.rebuilt) <= found.keys()
        assert found.keys() <= tasks.keys() | told
        checked = verify(store)
        if report.is_whole and path.suffix == ".db":
            assert checked.broken is None or checked.broken.reason.startswith("its hash")
            assert not checked.differing or checked.broken
        put(store, "after")
    same = sum(1 for task_id, task in tasks.items() if task_id in found and not differences(task, found[task_id]))
    return same, len(log.keys() & {event.seq for event in events})


def look_at(path: Path) -> str | None:
    """Read all of a store, in whatever state it is; return its damage."""
    with closing(open_readable(str(path))) as store:
        with store.reading():
            tasks, events = store.tasks(), store.events()
            assert sum(tally.count for tally in store.counts().values()) >= 0
            for state in State:
                store.window(state, Order.PRIORITY, limit=50)
        for task in tasks[:3]:
            store.get(task.id)
        assert [event.seq for event in events] == sorted({event.seq for event in events})
        if store.damage is not None:
            assert store.read_only
            assert store.damage.isprintable()
            assert str(path) in store.damage
            assert "taskdeck restore" in store.damage
            (refused,) = store.apply([command("t-01", Action.START, actor="ann")])
            assert refused.refusal is not None
            assert refused.refusal.code is Code.READ_ONLY
        return store.damage


def said_of(path: Path) -> str | None:
    """Return the damage of a store, or why it could not be opened at all."""
    try:
        return look_at(path)
    except StoreError as error:
        refused = error
    assert refused.fault in (Fault.NEWER, Fault.FOREIGN, Fault.DAMAGED), refused
    assert refused.message.isprintable()
    return refused.message


def test_a_whole_store_is_read_and_worked_on_as_ever(worked: Path) -> None:
    with closing(open_readable(str(worked))) as store, closing(open_store(str(worked))) as plain:
        assert (store.damage, store.kind, store.read_only, store.audited) == (None, plain.kind, False, True)
        assert store.tasks() == plain.tasks()
        cursor = store.changes().cursor
        done(store, "t-01", Action.SUBMIT)
        assert [change.action for change in store.changes(cursor).changes] == ["submit"]
        assert verify(store).is_sound


def flips(path: Path) -> list[tuple[int, bytes]]:
    """Return damage to do: a place, and the bytes to write there; some in each page."""
    size = path.stat().st_size
    data = path.read_bytes()
    harm: list[tuple[int, bytes]] = []
    for page in range(0, size, 4096):
        begin = page + 100 if page == 0 else page
        places = (begin, begin + 4, begin + 9, page + 1_500, page + 4_090)
        harm += [(place, bytes([data[place] ^ 0xFF])) for place in places]
        harm += [(page, b"\0" * 4096), (page, b"\xa5" * 4096)]
    return harm


@pytest.fixture(scope="module")
def harmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite store at rest, that nobody changes: take a copy."""
    program = Sqlite()
    path = program.make(tmp_path_factory.mktemp("whole"))
    work(path)
    program.remove(path, "gone")
    program.close()
    with closing(open_store(str(path))) as store:
        done(store, "t-00", Action.START)
    assert not path.with_name(path.name + "-wal").exists()
    return path


@pytest.mark.parametrize("part", range(6))
def test_a_flipped_byte_in_any_page_is_no_crash_and_no_silence(harmed: Path, tmp_path: Path, part: int) -> None:
    tasks, events = all_of(harmed)
    whole = harmed.read_bytes()
    seen = {"whole": 0, "damaged": 0}
    for number, (place, piece) in enumerate(flips(harmed)):
        if number % 6 != part:
            continue
        path = tmp_path / f"{number}.db"
        path.write_bytes(whole[:place] + piece + whole[place + len(piece) :])
        seen["damaged" if said_of(path) else "whole"] += 1
        path.with_name(path.name + "-wal").unlink(missing_ok=True)
        if number % 12 == part:
            path.write_bytes(whole[:place] + piece + whole[place + len(piece) :])
            check_recovered(path, tasks, events)
    assert seen["damaged"] > 3


@pytest.mark.parametrize("page", range(0, 24, 2))
def test_a_lost_page_costs_no_task_whose_events_are_there(harmed: Path, tmp_path: Path, page: int) -> None:
    tasks, events = all_of(harmed)
    data = bytearray(harmed.read_bytes())
    begin = page * 4096 % len(data)
    data[begin : begin + 4096] = b"\xa5" * 4096
    path = tmp_path / "tasks.db"
    path.write_bytes(data)
    same, left = check_recovered(path, tasks, events)
    assert same == len(tasks) or left < len(events)
    assert same >= len(tasks) // 2


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_a_cut_file_shows_what_is_left(harmed: Path, tmp_path: Path, share: float) -> None:
    tasks, events = all_of(harmed)
    whole = harmed.read_bytes()
    path = tmp_path / "tasks.db"
    path.write_bytes(whole[: int(len(whole) * share)])
    said = said_of(path)
    if said is None or "events can be read" in said:
        check_recovered(path, tasks, events)
    else:
        assert share < 0.4
        with pytest.raises(StoreError):
            recover(str(path), str(recovered_at(path)))
        assert not recovered_at(path).exists()


def test_what_lies_in_the_log_of_sqlite_is_saved_too(tmp_path: Path) -> None:
    program = Sqlite()
    path = program.make(tmp_path)
    program.close()
    held = open_store(str(path))
    put(held, "t-1", State.REVIEW)
    (tmp_path / "copy").mkdir()
    for file in (path, path.with_name(path.name + "-wal")):
        shutil.copy(file, tmp_path / "copy")
    held.close()
    copy = tmp_path / "copy" / path.name
    copy.write_bytes(b"\0" * 100 + copy.read_bytes()[100:])
    assert recover(str(copy), str(tmp_path / "new.db")).salvage.is_whole
    assert all_of(tmp_path / "new.db") == all_of(path)


def test_a_page_of_tasks_is_made_anew_from_the_events(harmed: Path, tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    shutil.copy(harmed, path)
    path.chmod(0o640)
    tasks, _ = all_of(path)
    connection = apsw.Connection(str(path))
    pages = [page for (page,) in connection.execute("SELECT pageno FROM dbstat WHERE name = 'tasks'")]
    connection.close()
    data = bytearray(path.read_bytes())
    for page in pages:
        data[(page - 1) * 4096 : page * 4096] = b"\0" * 4096
    path.write_bytes(data)
    with closing(open_readable(str(path))) as store:
        assert {task.id: task.title for task in store.tasks()} == {task.id: task.title for task in tasks.values()}
        assert store.damage is not None
        assert "from their events" in store.damage
        assert store.get("gone") is None
        (outcome,) = store.apply([command("t-01", Action.START, actor="ann")])
        assert outcome.refusal is not None
        assert outcome.refusal.code is Code.READ_ONLY
        assert f"taskdeck recover {path}" in outcome.refusal.message
    report = recover(str(path), str(tmp_path / "new.db"))
    assert report.salvage.is_whole
    assert set(report.salvage.rebuilt) == tasks.keys()
    with closing(open_store(str(tmp_path / "new.db"))) as store:
        assert verify(store).is_sound
        assert verify(store).unsealed == 0
        assert stat.S_IMODE((tmp_path / "new.db").stat().st_mode) == 0o640


def test_a_task_whose_events_may_be_lost_is_told(harmed: Path, tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    shutil.copy(harmed, path)
    connection = apsw.Connection(str(path))
    for trigger in triggers.ddl():
        connection.execute(f"DROP TRIGGER {trigger.split()[2]}")
    connection.execute("DELETE FROM events WHERE seq BETWEEN 11 AND 13; DELETE FROM tasks WHERE id IN ('t-01', 't-09')")
    connection.execute(
        "DELETE FROM events WHERE task_id = 't-07' AND action = 'add'; DELETE FROM tasks WHERE id = 't-07'"
    )
    connection.execute("VACUUM")
    connection.close()
    report = recover(str(path), str(tmp_path / "new.db"))
    assert report.problem == "the trigger tasks_insert_refused is missing"
    found = report.salvage
    assert found.gaps[0] == (11, 13)
    assert "t-01" in found.outdated
    assert "t-07" in found.lost
    assert "t-09" in found.rebuilt
    assert not found.is_whole
    assert "1 task is lost (t-07)" in told(found)


def event(seq: int, action: Action, before: State | None, after: State | None) -> Event:
    at = f"2026-01-31T09:00:0{seq}.000000Z"
    changes = {"title": (None, "T")} if before is None else {}
    return Event(
        seq=seq,
        task_id="t",
        at=at,
        actor="a",
        action=action,
        from_state=before,
        to_state=after,
        attempts=0,
        changes=changes,
    )


@pytest.mark.parametrize(("version", "state"), [("2", State.REVIEW), ("5", State.COMPLETED)])
def test_a_stored_row_counts_unless_a_later_event_is_known(version: str, state: State) -> None:
    told = [
        event(1, Action.ADD, None, State.PENDING),
        event(2, Action.START, State.PENDING, State.IN_PROGRESS),
        event(4, Action.SUBMIT, State.IN_PROGRESS, State.REVIEW),
    ]
    stored = Task(id="t", title="T", version=version, state=State.COMPLETED if version == "5" else State.IN_PROGRESS)
    found = salvaged(Remains(tasks={"t": stored}, events=told, operations={}, last=5))
    assert [task.state for task in found.tasks] == [state]
    assert found.outdated == (() if version == "5" else ("t",))
    assert found.gaps == ((3, 3), (5, 5))


def test_a_recovered_store_knows_what_was_done(harmed: Path, tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    shutil.copy(harmed, path)
    asked = command("t-00", Action.SUBMIT, actor="ann")
    with closing(open_store(str(path))) as store:
        store.apply([asked])
    path.write_bytes(b"\0" * 4096 + path.read_bytes()[4096:])
    recover(str(path), str(tmp_path / "new.db"))
    with closing(open_store(str(tmp_path / "new.db"))) as store:
        (again,) = store.apply([asked])
        assert again.repeated


def test_damage_that_is_met_while_it_is_read_ends_in_what_can_be_read(harmed: Path, tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    shutil.copy(harmed, path)
    connection = apsw.Connection(str(path))
    ((page,),) = connection.execute("SELECT max(pageno) FROM dbstat WHERE name = 'tasks' AND pagetype = 'leaf'")
    connection.close()
    data = bytearray(path.read_bytes())
    data[(page - 1) * 4096 : page * 4096] = b"\xa5" * 4096
    path.write_bytes(data)
    with closing(open_readable(str(path))) as store:
        assert store.damage is None
        cursor = store.changes().cursor
        with store.reading():
            before = len(store.events())
            assert len(store.tasks()) == len(all_of(harmed)[0])
            assert len(store.events()) == before
        assert store.damage is not None
        assert not store.changes(cursor).complete
        cursor = store.changes().cursor
        assert store.changes(cursor).complete
        # Somebody puts a good file there.
        shutil.copy(harmed, tmp_path / "good")
        (tmp_path / "good").replace(path)
        assert store.wait(30)
        assert not store.changes(cursor).complete
        assert store.damage is None
        assert done(store, "t-01", Action.SUBMIT).state is State.REVIEW


def test_a_store_of_which_nothing_is_left_says_so_and_comes_back(harmed: Path, tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    shutil.copy(harmed, path)
    with closing(open_readable(str(path))) as store:
        whole = store.tasks()
        path.write_bytes(b"nothing of it is left\n" * 10_000)
        for _ in range(2):
            with pytest.raises(StoreError) as raised:
                store.tasks()
            assert raised.value.fault in (Fault.DAMAGED, Fault.FOREIGN)
        shutil.copy(harmed, tmp_path / "good")
        (tmp_path / "good").replace(path)
        assert store.tasks() == whole
        assert store.damage is None


def test_a_state_that_is_none_is_told_as_damage(harmed: Path, tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    whole = harmed.read_bytes()
    told = []
    for place in (match.start() for match in re.finditer(b"review", whole)):
        path.write_bytes(whole[:place] + b"rewiew" + whole[place + 6 :])
        with closing(open_readable(str(path))) as store:
            for read in (store.tasks, store.events, store.changes):
                read()
            for state in State:
                store.window(state, Order.PRIORITY)
            told.append(store.damage or "")
    assert any("no state 'rewiew'" in damage for damage in told)


@pytest.mark.parametrize(
    ("table", "column"),
    [
        *(("tasks", column) for column in ("title", "priority", "state", "tags", "attempts", "created_at")),
        *(("events", column) for column in ("actor", "to_state", "attempts", "note", "hash")),
        ("tasks", "state_since"),
    ],
)
def test_a_value_that_its_column_cannot_hold_is_damage(harmed: Path, tmp_path: Path, table: str, column: str) -> None:
    path = tmp_path / "tasks.db"
    shutil.copy(harmed, path)
    with closing(apsw.Connection(str(path))) as connection:
        sql = connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (table,)).get
        layout(connection, table, sql.removesuffix(" STRICT").replace("STRICT, ", ""))
    with closing(apsw.Connection(str(path))) as connection:
        connection.pragma("ignore_check_constraints", True)
        connection.execute(f"UPDATE {table} SET {column} = x'0102'")
        layout(connection, table, sql)
    with pytest.raises(StoreError, match=r"its column cannot hold|there is no state") as raised:
        read_all(open_store(str(path)))
    assert raised.value.fault is Fault.DAMAGED
    with closing(open_readable(str(path))) as store:
        read_all(store)
        assert store.damage


def read_all(store: Store) -> None:
    with closing(store):
        store.counts()
        store.tasks()
        store.changes(store.changes().cursor)
        store.events()
        store.get("t-02")
        for state in State:
            store.window(state, Order.PRIORITY)


@pytest.mark.parametrize("layout", [-5, -(2**31), 0])
def test_a_layout_that_is_none_is_damage(harmed: Path, tmp_path: Path, layout: int) -> None:
    path = tmp_path / "tasks.db"
    data = bytearray(harmed.read_bytes())
    struct.pack_into(">i", data, 60, layout)
    path.write_bytes(data)
    with pytest.raises(StoreError, match="damaged") as raised:
        open_store(str(path))
    assert raised.value.fault is Fault.DAMAGED
    with closing(open_readable(str(path))) as store:
        assert store.damage
        assert {task.id for task in store.tasks()} == set(all_of(harmed)[0])


def test_events_that_stand_out_of_order_are_damage_and_not_an_endless_read(harmed: Path, tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    shutil.copy(harmed, path)
    with closing(apsw.Connection(str(path))) as connection:
        page = connection.execute("SELECT max(pageno) FROM dbstat WHERE name = 'events' AND pagetype = 'leaf'").get
    data = bytearray(path.read_bytes())
    begin = (page - 1) * 4096
    (count,) = struct.unpack_from(">H", data, begin + 3)
    (cell,) = struct.unpack_from(">H", data, begin + 8 + 2 * (count - 1))
    # The payload's size, in one byte or two, then the number of the row: https://www.sqlite.org/fileformat.html.
    place = begin + cell + (2 if data[begin + cell] > 0x7F else 1)
    assert data[place] < 0x80
    data[place] = 1
    path.write_bytes(data)
    with closing(open_store(str(path), read_only=True)) as store, pytest.raises(StoreError, match="out of order"):
        verify(store)
    with closing(open_readable(str(path))) as store:
        verify(store)
        assert store.damage


def layout(connection: apsw.Connection, table: str, sql: str) -> None:
    """Give a table another definition, and no rules; what is stored stays as it is."""
    for trigger in triggers.ddl():
        connection.execute(f"DROP TRIGGER IF EXISTS {trigger.split()[2]}")
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (sql, table))


def test_what_is_shown_of_a_damaged_store_is_private_and_goes_with_it(
    harmed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    path = tmp_path / "tasks.db"
    path.write_bytes(b"\0" * 4096 + harmed.read_bytes()[4096:])
    before = path.read_bytes()
    with closing(open_readable(str(path))) as store:
        (folder,) = (tmp_path / "tmp").iterdir()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in folder.iterdir() if file.suffix == ".db")
        assert len(store.tasks()) == len(all_of(harmed)[0])
    assert list((tmp_path / "tmp").iterdir()) == []
    assert path.read_bytes() == before


def test_nothing_of_another_database_is_taken_for_a_store(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    other = apsw.Connection(str(path))
    other.execute("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 2)")
    other.close()
    before = path.read_bytes()
    for call in (open_readable, lambda name: recover(name, str(tmp_path / "new.db"))):
        with pytest.raises(StoreError) as raised:
            call(str(path))  # type: ignore[operator]
        assert raised.value.fault is Fault.FOREIGN
    assert path.read_bytes() == before
    assert not (tmp_path / "new.db").exists()


def test_a_store_that_is_whole_is_recovered_whole(worked: Path) -> None:
    tasks, events = all_of(worked)
    report = recover(str(worked), str(recovered_at(worked)))
    assert (report.problem, report.salvage.is_whole, report.salvage.rebuilt) == (None, True, ())
    found = all_of(recovered_at(worked))
    assert {name: task.title for name, task in found[0].items()} == {name: task.title for name, task in tasks.items()}
    assert found[1] == events
    with closing(open_store(str(recovered_at(worked)))) as store:
        assert verify(store).is_sound


def test_recover_never_takes_the_place_of_anything(worked: Path) -> None:
    recovered_at(worked).write_text("precious")
    with pytest.raises(StoreError) as raised:
        recover(str(worked), str(recovered_at(worked)))
    assert raised.value.fault is Fault.EXISTS
    assert recovered_at(worked).read_text() == "precious"


@pytest.fixture
def json_store(tmp_path: Path) -> Path:
    """A JSON store with some work done, whose tasks have a key of their own."""
    path = JsonFile().make(tmp_path)
    path.write_text(json.dumps([{"id": "own", "state": "pending", "title": "Own", "x": 7}]))
    work(path)
    JsonFile().remove(path, "gone")
    with closing(open_store(str(path))) as store:
        done(store, "own", Action.START, owner="w", lease_until="2026-01-31T09:00:00.000000Z")
    return path


GARBAGE: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda raw: b"",
    "cut": lambda raw: raw[: len(raw) // 2],
    "garbage": lambda raw: os.urandom(500),
    "flipped": lambda raw: raw.replace(b'"state"', b'"stat', 1),
}


def write(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)
    os.utime(path, (1_700_000_000, 1_700_000_000))


@pytest.mark.parametrize("harm", GARBAGE)
def test_a_task_file_that_cannot_be_read_is_shown_by_its_log(json_store: Path, harm: str) -> None:
    tasks, events = all_of(json_store)
    whole = json_store.read_bytes()
    write(json_store, GARBAGE[harm](whole))
    broken = json_store.read_bytes()
    damage = look_at(json_store) if broken else ""
    if broken:
        assert damage is not None
        assert "line 1 column" in damage or "line" in damage
        with closing(open_readable(str(json_store))) as store:
            own = store.get("own")
            assert own is not None
            assert (own.state, own.owner, own.extra) == (State.IN_PROGRESS, "w", {"x": 7})
    report = recover(str(json_store), str(recovered_at(json_store)))
    assert report.salvage.is_whole
    assert set(report.salvage.rebuilt) == tasks.keys()
    found = all_of(recovered_at(json_store))
    assert found[1] == events
    assert all(not differences(task, found[0][name]) for name, task in tasks.items())
    with closing(open_store(str(recovered_at(json_store)))) as store:
        assert verify(store).is_sound
        done(store, "own", Action.SUBMIT)
        assert verify(store).is_sound
    assert json_store.read_bytes() == broken


def test_a_file_that_was_half_written_for_a_moment_is_shown_as_soon_as_it_is_whole(json_store: Path) -> None:
    whole = json_store.read_bytes()
    write(json_store, whole[:200])
    with closing(open_readable(str(json_store))) as store:
        assert store.damage is not None
        cursor = store.changes().cursor
        json_store.write_bytes(whole)
        assert store.wait(30)
        assert not store.changes(cursor).complete
        assert store.damage is None
        assert done(store, "own", Action.SUBMIT).state is State.REVIEW


def test_an_open_store_keeps_its_last_good_look_at_a_broken_file(json_store: Path) -> None:
    with closing(open_readable(str(json_store))) as store:
        before = store.tasks()
        write(json_store, b"[")
        with pytest.raises(StoreError, match="the last good look stays"):
            store.tasks()
        with store.reading(latest=False):
            assert store.tasks() == before
        assert store.damage is None


def test_a_broken_file_without_a_log_is_not_guessed_at(tmp_path: Path) -> None:
    write(tmp_path / "tasks.json", b'[{"id": "a", "state": "pending"}, {"id": ')
    for call in (open_readable, lambda name: recover(name, str(tmp_path / "new.json"))):
        with pytest.raises(StoreError, match="line 1 column") as raised:
            call(str(tmp_path / "tasks.json"))  # type: ignore[operator]
        assert raised.value.fault is Fault.DAMAGED
    assert [file.name for file in tmp_path.iterdir()] == ["tasks.json"]


@pytest.mark.parametrize("line", [1, 7, 20])
def test_a_damaged_log_costs_its_events_and_no_task(json_store: Path, line: int) -> None:
    tasks, events = all_of(json_store)
    log = log_path(json_store)
    lines = log.read_bytes().splitlines(keepends=True)
    lines[line - 1] = lines[line - 1][:30] + b"\xff" + lines[line - 1][31:]
    log.write_bytes(b"".join(lines))
    damage = look_at(json_store)
    assert damage is not None
    assert f"line {line} is not the event" in damage
    assert f"events are lost: {line}, the last event known is {len(events)}" in damage
    with closing(open_readable(str(json_store))) as store:
        assert (store.kind, store.manifest, store.read_only) == ("JSON", None, True)
        assert {task.id for task in store.tasks()} == tasks.keys()
        for task in store.tasks():
            if task.id != events[line - 1].task_id:
                assert replace(task, version="") == replace(tasks[task.id], version="")
        assert list(store.events()) == [event for event in events if event.seq != line]
    report = recover(str(json_store), str(recovered_at(json_store))).salvage
    assert not report.is_whole
    assert report.gaps[-1][1] == len(events)
    assert report.gaps[0][0] <= line
    with closing(open_store(str(recovered_at(json_store)))) as store:
        assert verify(store).is_sound
        found = {task.id: task for task in store.tasks()}
        assert all(found[name].title == task.title and found[name].state is task.state for name, task in tasks.items())


@pytest.mark.parametrize("harm", ["doubled", "swapped", "out", "out and changed"])
def test_what_stands_behind_a_damaged_line_of_a_log_is_still_told(json_store: Path, harm: str) -> None:
    _, events = all_of(json_store)
    log = log_path(json_store)
    lines = log.read_bytes().splitlines(keepends=True)
    missing: set[int] = set()
    if harm == "doubled":
        lines.insert(12, lines[11])
    elif harm == "swapped":
        lines[11:13] = lines[12], lines[11]
    else:
        missing = {12, 13, 14}
        del lines[11:14]
    if harm == "out and changed":
        assert b'"actor":"' in lines[15]
        lines[15] = lines[15].replace(b'"actor":"', b'"actor":"not-', 1)
        missing.add(19)
    log.write_bytes(b"".join(lines))
    damage = look_at(json_store)
    assert damage is not None
    assert ("events are lost" in damage) == bool(missing)
    with closing(open_readable(str(json_store))) as store:
        assert list(store.events()) == [event for event in events if event.seq not in missing]
    # A new log can hold only what follows on what stands ahead.
    report = recover(str(json_store), str(recovered_at(json_store))).salvage
    assert [last for _, last in report.gaps] == [len(events)]
    assert report.gaps[0][0] <= 13


def test_a_last_line_that_is_damaged_too_is_called_lost(json_store: Path) -> None:
    _, events = all_of(json_store)
    log = log_path(json_store)
    lines = log.read_bytes().splitlines(keepends=True)
    lines[11] = lines[-1] = b"what was here?\n"
    log.write_bytes(b"".join(lines))
    damage = look_at(json_store)
    assert damage is not None
    assert f"events are lost: 12, {len(events)}, the last event known is {len(events) - 1}" in damage


def test_a_broken_file_and_a_damaged_log_give_what_is_told_before_the_damage(json_store: Path) -> None:
    tasks, events = all_of(json_store)
    log = log_path(json_store)
    lines = log.read_bytes().splitlines(keepends=True)
    lines[19] = b"{}\n"
    log.write_bytes(b"".join(lines))
    write(json_store, b"[{")
    report = recover(str(json_store), str(recovered_at(json_store))).salvage
    assert report.outdated
    assert {task.id for task in report.tasks} <= tasks.keys()
    with closing(open_store(str(recovered_at(json_store)))) as store:
        assert verify(store).is_sound
        assert list(store.events()) == events[: len(store.events())]


def test_a_torn_log_is_no_damage(json_store: Path) -> None:
    log = log_path(json_store)
    log.write_bytes(log.read_bytes() + b'{"seq":99,"task_')
    assert look_at(json_store) is None


def test_an_opener_that_takes_no_damaged_store_gets_none(harmed: Path, tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    path.write_bytes(b"SQLite format 3\0" + b"\0" * 4080 + harmed.read_bytes()[4096:])
    with pytest.raises(StoreError):
        open_store(str(path))


def test_reading_a_damaged_store_leaves_its_locks_to_who_has_them(harmed: Path, tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    shutil.copy(harmed, path)
    holder = apsw.Connection(str(path))
    holder.execute("BEGIN IMMEDIATE")
    recover(str(path), str(tmp_path / "new.db"))
    program = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"
    ran = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False)
    assert "locked" in ran.stderr
    holder.close()
