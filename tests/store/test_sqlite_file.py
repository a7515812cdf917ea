"""The file of a SQLite store: what is opened and what is not, what is durable, and who else may have it open."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import apsw
import pytest
from backends import Sqlite
from moving import do, done, put, rest
from unprivileged import open_folder, unprivileged

from taskdeck_store import Action, Code, Fault, State, Store, StoreError, command, create_store, open_store
from taskdeck_store.lock import SUFFIX, WriteLock
from taskdeck_store.marks import APPLICATION_ID
from taskdeck_store.sqlite import mending, schema, triggers

DEADLINE = 30.0


@pytest.fixture
def path(sqlite: Sqlite, tmp_path: Path) -> Path:
    return sqlite.make(tmp_path)


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = open_store(str(path), patience=5)
    yield store
    store.close()


def refused(path: Path, fault: Fault) -> str:
    with pytest.raises(StoreError) as raised:
        open_store(str(path))
    assert raised.value.fault is fault
    assert str(path) in raised.value.message
    assert raised.value.message.isprintable()
    return raised.value.message


@contextmanager
def other_program(path: Path, *statements: str) -> Iterator[subprocess.Popen[str]]:
    """Another program that runs statements and then sits there with its connection open."""
    code = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
    code += "".join(f"c.execute({sql!r}).fetchall()\n" for sql in statements)
    code += "print('done', flush=True)\nsys.stdin.readline()\n"
    program = [sys.executable, "-S", "-c", code, str(path)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "done\n"
            yield process
        finally:
            process.kill()


def test_a_new_store_is_a_marked_wal_file_in_one_piece(path: Path) -> None:
    with sqlite3.connect(path) as looking:
        assert looking.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert looking.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS),)
        assert looking.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert looking.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    looking.close()
    assert [file.name for file in path.parent.iterdir()] == ["tasks.db"]


def test_stores_are_told_apart(tmp_path: Path, sqlite: Sqlite) -> None:
    found = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        found.add(str(sqlite.sql(sqlite.make(tmp_path / name), ("SELECT store FROM identity", []))))
    assert len(found) == 2


def test_a_foreign_sqlite_file_is_named_with_its_tables(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.executescript('CREATE TABLE columns (x); CREATE TABLE "evil\x1b[2J\n" (x); CREATE TABLE audits (x);')
    other.close()
    before = path.read_bytes()
    message = refused(path, Fault.FOREIGN)
    assert "columns" in message
    assert "audits" in message
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_sqlite_file_without_tables_is_said_to_have_none(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.executescript("CREATE TABLE x (x); DROP TABLE x")
    other.close()
    assert "no tables" in refused(path, Fault.FOREIGN)


def test_a_newer_layout_is_left_alone(path: Path, sqlite: Sqlite) -> None:
    sqlite.sql(path, (f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}", []))
    assert "newer" in refused(path, Fault.NEWER)


def test_an_older_layout_is_brought_up_to_date_in_one_step(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(str(path))
    task = put(store, "t-1")
    store.close()
    newer = (*schema.MIGRATIONS, "ALTER TABLE tasks ADD COLUMN mood TEXT", "CREATE TABLE moods (mood TEXT) STRICT")
    monkeypatch.setattr(schema, "MIGRATIONS", newer)
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda _: open_store(str(path)), range(4)))
    assert [store.get("t-1") for store in stores] == [task] * 4
    assert done(stores[0], "t-1", Action.START).state is State.IN_PROGRESS
    for store in stores:
        store.close()
    with sqlite3.connect(path) as looking:
        assert looking.execute("PRAGMA user_version").fetchone() == (len(newer),)
        assert looking.execute("SELECT mood FROM tasks").fetchall() == [(None,)]
    looking.close()


def test_a_program_that_commits_while_a_layout_is_brought_up_to_date_is_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, "CREATE TABLE moods (mood TEXT) STRICT"))
    with started(path, _BUSY) as other, ThreadPoolExecutor(1) as pool:
        assert other.stdout is not None
        assert other.stdout.readline() == "began\n"
        opening = pool.submit(open_store, str(path))
        with pytest.raises(TimeoutError):
            opening.result(0.1)
        other.communicate("go on\n", timeout=60)
        opening.result(60).close()


_BUSY = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
connection.execute("INSERT INTO tasks (id, title) VALUES ('t-1', 'x')")
print("began", flush=True)
sys.stdin.readline()
connection.execute("COMMIT")
"""


@contextmanager
def started(path: Path, program: str) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-S", "-c", program, str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process


def test_looking_read_only_brings_nothing_up_to_date(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()
    monkeypatch.setattr(schema, "READABLE", len(schema.MIGRATIONS) + 1)
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, "CREATE TABLE moods (mood TEXT)"))
    with pytest.raises(StoreError) as raised:
        open_store(str(path), read_only=True)
    assert raised.value.fault is Fault.READ_ONLY
    assert path.read_bytes() == before


def test_the_layout_is_what_stores_have(path: Path) -> None:
    """A store in the field keeps what made it: change the layout or the rules by a further migration.

    A new text of a rule is a change too, for the texts lie in the triggers, which a migration makes anew (it may be
    empty otherwise). Write the digest down here.
    """
    layout = "\n".join((*schema.MIGRATIONS, *triggers.ddl()))
    assert (len(schema.MIGRATIONS), sha256(layout.encode()).hexdigest()[:16]) == (6, "271fa784f78435cd")


def test_a_migration_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = (*schema.MIGRATIONS, "CREATE TABLE moods (mood TEXT)", "INSERT INTO no_such_table VALUES (1)")
    monkeypatch.setattr(schema, "MIGRATIONS", broken)
    refused(path, Fault.DAMAGED)
    monkeypatch.undo()
    store = open_store(str(path))
    put(store, "t-1")
    store.close()


def test_an_older_layout_that_cannot_be_written_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_folder() as folder:
        path = Sqlite().make(folder)
        path.chmod(0o444)
        folder.chmod(0o555)
        monkeypatch.setattr(schema, "READABLE", len(schema.MIGRATIONS) + 1)
        monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, "CREATE TABLE moods (mood TEXT)"))
        unprivileged(lambda: refused(path, Fault.READ_ONLY) and None)


def cut(path: Path) -> None:
    os.truncate(path, 6_000)


def scribble(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4_096:] = b"\xa5" * (len(data) - 4_096)
    path.write_bytes(data)


def behead(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[18:100] = b"\xff" * 82
    path.write_bytes(data)


@pytest.mark.parametrize("harm", [cut, scribble, behead])
def test_a_damaged_file_is_said(path: Path, harm: Callable[[Path], None]) -> None:
    harm(path)
    refused(path, Fault.DAMAGED)


def test_damage_that_is_met_later_is_said_too(path: Path) -> None:
    store = open_store(str(path))
    store.apply([command(f"t-{n:04}", Action.ADD, actor="ann", title="x" * 500) for n in range(100)])
    store.close()
    whole = path.read_bytes()
    met = []
    for start in range(4_096, len(whole), 4_096):
        path.write_bytes(whole[:start] + b"\xa5" * 4_096 + whole[start + 4_096 :])
        try:
            store = open_store(str(path))
        except StoreError:
            continue
        try:
            store.tasks()
        except StoreError as error:
            met.append(error)
        store.close()
    assert {error.fault for error in met} == {Fault.DAMAGED}
    assert all(str(path) in error.message and "taskdeck recover" in error.message for error in met)


def test_what_is_left_of_a_database_that_is_gone_is_not_taken_into_a_new_one(path: Path) -> None:
    with other_program(path, "INSERT INTO tasks (id, title) VALUES ('old', 'x')"):
        path.unlink()
        with pytest.raises(StoreError) as raised:
            create_store(str(path))
        assert raised.value.fault is Fault.EXISTS
        assert "tasks.db-wal" in raised.value.message
    assert not path.exists()


def test_closing_a_replaced_file_leaves_the_log_of_the_new_one(tmp_path: Path, sqlite: Sqlite) -> None:
    path, away = sqlite.make(tmp_path), tmp_path / "away"
    store = open_store(str(path))
    put(store, "t-1")
    away.mkdir()
    for file in [file for file in tmp_path.iterdir() if file.is_file()]:
        file.rename(away / file.name)
    sqlite.make(tmp_path)
    with other_program(path, "INSERT INTO tasks (id, title) VALUES ('new', 'x')"):
        assert [task.id for task in store.tasks()] == ["new"]
        store.close()
        assert (tmp_path / "tasks.db-wal").stat().st_size > 0
        assert sqlite.sql(path, ("SELECT id FROM tasks", [])) == [[["new"]]]


@pytest.mark.parametrize("rested", [False, True])
@pytest.mark.parametrize("noticed_by", ["reading", "waiting", "writing"])
def test_a_file_moved_over_it_does_not_get_the_log_of_the_old_one(
    tmp_path: Path, sqlite: Sqlite, noticed_by: str, rested: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sqlite.make(tmp_path)
    (tmp_path / "other").mkdir()
    other_path = sqlite.make(tmp_path / "other")
    other = open_store(str(other_path))
    for number in range(40):
        put(other, f"n-{number}", State.REVIEW)
    expected = other.tasks()
    other.close()
    store = open_store(str(path))
    put(store, "t-1")
    store.wait(0.01)
    if rested:
        rest(tmp_path, monkeypatch)
        done(store, "t-1", Action.START)
    assert (tmp_path / "tasks.db-wal").stat().st_size > 0
    path.rename(tmp_path / "old.db")
    other_path.replace(path)
    if noticed_by == "waiting":
        assert store.wait(DEADLINE)
    if noticed_by == "writing":
        done(store, "n-0", Action.APPROVE)
        assert len(store.tasks()) == 40
    else:
        assert store.tasks() == expected
    assert sqlite.sql(path, ("PRAGMA integrity_check", [])) == [[["ok"]]]
    store.close()
    assert sqlite.sql(tmp_path / "old.db", ("SELECT id FROM tasks", [])) == [[["t-1"]]]


@pytest.mark.parametrize("rested", [False, True])
def test_a_log_that_someone_removed_costs_no_commit(
    path: Path, sqlite: Sqlite, rested: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(str(path))
    put(store, "t-1")
    if rested:
        rest(path.parent, monkeypatch)
        done(store, "t-1", Action.EDIT, priority=1)
    (path.parent / "tasks.db-wal").unlink()
    done(store, "t-1", Action.START)
    (path.parent / "tasks.db-wal").unlink()
    assert store.counts()[State.IN_PROGRESS].count == 1
    done(store, "t-1", Action.SUBMIT)
    assert sqlite.sql(path, ("SELECT state FROM tasks", [])) == [[["review"]]]
    assert sqlite.sql(path, ("PRAGMA integrity_check", [])) == [[["ok"]]]
    store.close()


def test_a_store_that_was_deleted_while_open_leaves_room_for_a_new_one(path: Path) -> None:
    store = open_store(str(path))
    put(store, "t-1")
    path.unlink()
    store.close()
    create_store(str(path))
    again = open_store(str(path))
    assert again.tasks() == []
    again.close()


def test_opening_it_once_more_does_not_take_the_locks_of_the_first(path: Path, sqlite: Sqlite) -> None:
    store = open_store(str(path))
    put(store, "t-1")
    open_store(str(path)).close()
    with pytest.raises(StoreError):
        create_store(str(path))
    # Were the locks lost, the other program, closing, would think itself the last one and remove the log.
    sqlite.sql(path, ("UPDATE tasks SET title = 'theirs'", []))
    done(store, "t-1", Action.START)
    assert sqlite.sql(path, ("SELECT state, title FROM tasks", [])) == [[["in_progress", "theirs"]]]
    store.close()
    assert [file.name for file in path.parent.iterdir() if "-" in file.name] == ["tasks.db.taskdeck-lock"]


def test_a_writer_that_knows_no_lock_is_waited_for(store: Store, path: Path) -> None:
    put(store, "t-1")
    with other_program(path, "BEGIN IMMEDIATE", "UPDATE tasks SET title = 'theirs'") as process:
        assert store.get("t-1") == store.tasks()[0]
        threading.Timer(0.1, process.kill).start()
        task = done(store, "t-1", Action.START)
    assert (task.state, task.title) == (State.IN_PROGRESS, "task t-1")


def test_a_writer_that_does_not_end_is_reported_and_reads_go_on(store: Store, path: Path) -> None:
    put(store, "t-1")
    impatient = open_store(str(path), patience=0.05)
    with other_program(path, "BEGIN IMMEDIATE"):
        with pytest.raises(StoreError) as raised:
            do(impatient, "t-1", Action.START)
        assert raised.value.fault is Fault.BUSY
        assert "nothing was changed" in raised.value.message
        assert impatient.counts()[State.PENDING].count == 1
    assert done(impatient, "t-1", Action.START).state is State.IN_PROGRESS
    impatient.close()


def test_a_program_that_locks_readers_out_is_reported(path: Path) -> None:
    store = open_store(str(path))
    put(store, "t-1")
    store.close()
    with other_program(path, "PRAGMA locking_mode = EXCLUSIVE", "UPDATE tasks SET title = 'x'"):
        assert "locked" in refused(path, Fault.BUSY)
    open_store(str(path)).close()


def test_a_copy_that_left_wal_mode_returns_to_it_with_the_first_commit(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with sqlite3.connect(path) as original:
        original.execute("VACUUM INTO ?", (str(copy),))
    original.close()
    store = open_store(str(copy))
    put(store, "t-1")
    with other_program(copy, "BEGIN IMMEDIATE", "UPDATE tasks SET title = 'theirs'"):
        assert store.get("t-1") is not None
    store.close()
    with sqlite3.connect(copy) as looking:
        assert looking.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    looking.close()


@contextmanager
def connections() -> Iterator[list[apsw.Connection]]:
    made: list[apsw.Connection] = []
    apsw.connection_hooks.append(made.append)
    try:
        yield made
    finally:
        apsw.connection_hooks.remove(made.append)


def test_a_full_disk_is_said_and_nothing_is_half_done(path: Path) -> None:
    with connections() as made:
        store = open_store(str(path))
    put(store, "t-1")
    before = (store.tasks(), store.events())
    made[-1].pragma("max_page_count", 1)
    with pytest.raises(StoreError) as raised:
        store.apply([command(f"n-{n}", Action.ADD, actor="ann", title="x", description="d" * 9_000) for n in range(9)])
    assert raised.value.fault is Fault.UNWRITABLE
    assert "full" in raised.value.message
    assert (store.tasks(), store.events()) == before
    made[-1].pragma("max_page_count", 10**6)
    put(store, "t-2")
    store.close()


class Watched(apsw.VFS):
    """The file system of SQLite, with a record of what is synced and faults to order."""

    def __init__(self) -> None:
        self.base = apsw.vfs_names()[0]
        super().__init__("watched", self.base, makedefault=True)
        self.synced: list[str] = []
        self.failing: set[str] = set()
        self.pause = 0.0

    def xOpen(self, name: Any, flags: list[int]) -> WatchedFile:
        return WatchedFile(self, name, flags)


class WatchedFile(apsw.VFSFile):
    def __init__(self, vfs: Watched, name: Any, flags: list[int]) -> None:
        self._watched = vfs
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else name or ""
        super().__init__(vfs.base, name, flags)

    def xSync(self, flags: int) -> None:
        if "sync" in self._watched.failing:
            raise apsw.IOError
        self._watched.synced.append(Path(self._name).name)
        time.sleep(self._watched.pause)
        super().xSync(flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        if "write" in self._watched.failing:
            raise apsw.IOError
        super().xWrite(data, offset)

    def xRead(self, amount: int, offset: int) -> bytes:
        if "read" in self._watched.failing:
            raise apsw.IOError
        return super().xRead(amount, offset)


@pytest.fixture
def watched() -> Iterator[Watched]:
    vfs = Watched()
    yield vfs
    vfs.unregister()


def test_each_commit_is_synced_before_apply_returns(watched: Watched, path: Path) -> None:
    store = open_store(str(path))
    put(store, "t-1")
    for action in (Action.START, Action.SUBMIT, Action.APPROVE):
        watched.synced.clear()
        done(store, "t-1", action)
        assert "tasks.db-wal" in watched.synced
    watched.synced.clear()
    do(store, "t-1", Action.START)
    store.counts()
    assert watched.synced == []
    store.close()


def test_a_commit_that_a_slow_disk_holds_up_is_announced_when_it_can_be_read(watched: Watched, path: Path) -> None:
    store = open_store(str(path))
    put(store, "t-1")
    watched.pause = 0.05
    task = done(store, "t-1", Action.START)
    assert WriteLock(path.with_name(path.name + SUFFIX), path).serial() == int(task.version)
    store.close()


@pytest.mark.parametrize("what", ["sync", "write"])
def test_a_disk_that_fails_is_said_and_the_commit_is_not_told(watched: Watched, path: Path, what: str) -> None:
    store = open_store(str(path))
    task = put(store, "t-1")
    watched.failing.add(what)
    asked = command("t-1", Action.START, actor="ann")
    with pytest.raises(StoreError) as raised:
        store.apply([asked])
    assert raised.value.fault is Fault.UNWRITABLE
    assert str(path) in raised.value.message
    watched.failing.clear()
    (outcome,) = store.apply([asked])
    assert outcome.event is not None
    assert len(store.events()) == 2
    assert task.state is State.PENDING
    store.close()


def test_a_disk_that_cannot_be_read_is_said(watched: Watched, path: Path) -> None:
    watched.failing.add("read")
    refused(path, Fault.UNREADABLE)


def test_a_file_on_a_read_only_file_system_is_read_and_followed(sqlite: Sqlite) -> None:
    with open_folder() as folder:
        path = sqlite.make(folder)
        store = open_store(str(path))
        put(store, "t-1")
        store.close()
        (folder / "tasks.db.taskdeck-lock").unlink()
        shutil.copy(path, folder / "later.db")
        later = open_store(str(folder / "later.db"))
        done(later, "t-1", Action.START)
        later.close()
        newer = (folder / "later.db").read_bytes()
        folder.chmod(0o555)
        path.chmod(0o444)
        from_root = os.geteuid() == 0

        def check() -> None:
            looking = open_store(str(path))
            assert looking.read_only
            assert looking.counts()[State.PENDING].count == 1
            cursor = looking.changes().cursor
            assert not looking.wait(0.05)
            refusal = do(looking, "t-1", Action.START).refusal
            assert refusal is not None
            assert refusal.code is Code.READ_ONLY
            os.write(ready, b"x")
            os.read(written, 1)
            assert looking.wait(DEADLINE)
            assert [change.action for change in looking.changes(cursor).changes] == ["start"]
            assert looking.counts()[State.IN_PROGRESS].count == 1
            looking.close()

        # Someone who may, writes to the file in place while it is read.
        is_ready, ready = os.pipe()
        written, write = os.pipe()

        def change() -> None:
            os.read(is_ready, 1)
            if not from_root:
                path.chmod(0o644)
            with path.open("r+b") as file:
                file.write(newer)
            if not from_root:
                path.chmod(0o444)
            os.write(write, b"x")

        changing = threading.Thread(target=change)
        changing.start()
        unprivileged(check)
        os.write(ready, b"x")
        changing.join(DEADLINE)


def test_names_that_sqlite_would_take_for_something_else_are_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("file:x?mode=memory.db", "a b%20?&#.db", "ünï.db"):
        create_store(f"sqlite:///{name}")
        store = open_store(f"sqlite:///{name}")
        put(store, "t-1")
        store.close()
        assert (tmp_path / name).stat().st_size > 0


def test_to_open_a_store_twice_leaves_the_first_handle_its_locks(store: Store, path: Path) -> None:
    """Another process would else take the file for one that nobody has open, and remake the index under our feet."""
    put(store, "t-1")
    open_store(str(path)).close()
    program = "import sys, taskdeck_store; print(taskdeck_store.open_store(sys.argv[1]).mended)"
    other = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=60)
    assert (other.stdout, other.stderr) == ("()\n", "")


def test_who_waits_for_a_store_that_cannot_be_opened_does_not_try_without_end(path: Path) -> None:
    """To open it makes files beside it, which wakes the others who wait for it; and these would wake him."""
    opens = 0

    def count(_: apsw.Connection) -> None:
        nonlocal opens
        opens += 1

    with closing(open_store(str(path))) as store, closing(apsw.Connection(str(path))) as newer:
        newer.pragma("user_version", len(schema.MIGRATIONS) + 1)
        store.wait(0.1)
        stop = threading.Event()

        def meddle() -> None:
            while not stop.wait(0.005):
                path.with_name(f"{path.name}-journal").touch()

        meddling = threading.Thread(target=meddle)
        apsw.connection_hooks.append(count)
        meddling.start()
        try:
            store.wait(0.6)
            tried, begun = opens, time.monotonic()
            newer.pragma("user_version", len(schema.MIGRATIONS))
            while not store.wait(0.05):
                assert time.monotonic() < begun + 10
        finally:
            apsw.connection_hooks.remove(count)
            stop.set()
            meddling.join()
    assert tried < 10


def test_a_file_that_takes_the_place_of_another_while_that_is_opened_keeps_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, newer = tmp_path / "tasks.db", tmp_path / "newer.db"
    for file, task_id in ((path, "old"), (newer, "new")):
        create_store(str(file))
        with closing(open_store(str(file))) as filled:
            put(filled, task_id)
    looks_for_a_log = mending.LeftLog

    def replaced_meanwhile(log: Path, index: Path) -> mending.LeftLog:
        if newer.exists():
            newer.replace(path)
        return looks_for_a_log(log, index)

    monkeypatch.setattr(mending, "LeftLog", replaced_meanwhile)
    with closing(open_store(str(path))) as store, closing(open_store(str(path))) as other:
        put(other, "later")
        log = path.with_name("tasks.db-wal").stat().st_ino
        # Who took it for the file of before would find it replaced now, and remove the log of that.
        assert {task.id for task in store.tasks()} == {"new", "later"}
        assert path.with_name("tasks.db-wal").stat().st_ino == log
        put(other, "last")
        assert store.get("last") is not None
