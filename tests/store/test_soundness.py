"""What is wrong with the files of a store, though its tasks and events need not show it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path

import apsw
import pytest
from backends import Backend, JsonFile, Sqlite
from killing import killed
from moving import done, put

from taskdeck_store import Action, State, Store, open_store
from taskdeck_store.backup import backup, restore
from taskdeck_store.contract import StoreError
from taskdeck_store.jsonfile.audit import log_path
from taskdeck_store.salvage import recover
from taskdeck_store.sqlite import triggers
from taskdeck_store.verification import Verification, verify

_WRITABLE = ("PRAGMA writable_schema = 1", [])


@pytest.fixture
def database(sqlite: Sqlite, tmp_path: Path) -> Path:
    """A SQLite store with a task in each state: t-0 to t-4."""
    return filled(sqlite.make(tmp_path))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A JSON store with a task in each state: t-0 to t-4."""
    return filled(JsonFile().make(tmp_path))


def filled(path: Path) -> Path:
    with closing(open_store(str(path))) as store:
        for number, state in enumerate(State):
            put(store, f"t-{number}", state)
    return path


def hide(sqlite: Sqlite, path: Path, index: str, hidden: str) -> None:
    """Make an index leave rows out that it should have, as a bug of a disk or of a program can."""
    ((sql,),) = sqlite.sql(path, ("SELECT sql FROM sqlite_schema WHERE name = ?", [index]))[0]
    rename = "UPDATE sqlite_schema SET sql = ? WHERE name = ?"
    sqlite.sql(path, _WRITABLE, (rename, [f"{sql} WHERE NOT ({hidden})", index]))
    sqlite.sql(path, (f"REINDEX {index}", []))
    sqlite.sql(path, _WRITABLE, (rename, [sql, index]))


def verified(path: Path) -> Verification:
    with closing(open_store(str(path), read_only=True)) as store:
        return verify(store)


def told(path: Path) -> list[str]:
    """Return the defects of a store that is not sound, though its chain is whole and each task as its events say."""
    found = verified(path)
    assert (found.broken, found.differing, found.is_sound) == (None, {}, False)
    assert not any(one.heals for one in found.defects)
    return [one.message for one in found.defects]


def test_a_store_that_was_worked_on_has_no_defects(store: Store, backend: Backend, path: Path) -> None:
    filled(path)
    backend.meddle(path, "t-1", title="by hand")
    assert store.get("t-1") is not None
    done(store, "t-0", Action.START)
    assert store.defects() == ()


@pytest.mark.parametrize(
    ("index", "hidden"),
    [
        ("tasks_by_priority", "id = 't-2'"),
        ("tasks_by_time", "id = 't-2'"),
        ("events_by_task", "seq = 3"),
        ("events_by_task", "task_id = 't-2'"),
    ],
)
def test_an_index_that_leaves_a_row_out_is_told_and_recovered_from(
    sqlite: Sqlite, database: Path, index: str, hidden: str
) -> None:
    hide(sqlite, database, index, hidden)
    found = verified(database)
    assert not found.is_sound
    assert any(f"missing from index {index}" in one.message for one in found.defects)
    copy, new = database.with_name("copy.db"), database.with_name("new.db")
    assert backup(str(database), str(copy)).problem
    with pytest.raises(StoreError, match="is not restored: "):
        restore(str(copy), str(database))
    recovered = recover(str(database), str(new))
    assert "SQLite finds" in str(recovered.problem)
    assert recovered.salvage.is_whole
    assert verified(new).is_sound
    with closing(open_store(str(new))) as store:
        assert sorted(task.id for task in store.tasks()) == [f"t-{number}" for number in range(5)]


def test_a_task_that_no_column_lists_is_told_without_looking_through_the_file(sqlite: Sqlite, database: Path) -> None:
    for index in ("tasks_by_priority", "tasks_by_time"):
        hide(sqlite, database, index, "id = 't-2'")
    with closing(open_store(str(database))) as store:
        check = Verification(store)
        while check.advance(2):
            pass
    assert (check.unlisted, check.differing, check.is_sound) == ({"t-2"}, {}, False)


@pytest.mark.parametrize("name", [trigger.split()[2] for trigger in triggers.ddl()])
def test_a_rule_that_was_taken_away_or_weakened_is_told(sqlite: Sqlite, database: Path, name: str) -> None:
    ((sql,),) = sqlite.sql(database, ("SELECT sql FROM sqlite_schema WHERE name = ?", [name]))[0]
    sqlite.sql(database, (f"DROP TRIGGER {name}", []))
    assert told(database) == [f"the trigger {name} is missing"]
    assert backup(str(database), str(database.with_name("copy.db"))).problem == f"the trigger {name} is missing"
    sqlite.sql(database, (sql.replace("BEGIN", "BEGIN SELECT 1;", 1), []))
    assert told(database) == [f"the trigger {name} is not the one that Taskdeck makes"]
    sqlite.sql(database, (f"DROP TRIGGER {name}", []), (sql, []))
    assert verified(database).is_sound


def test_a_part_that_is_missing_is_told_though_the_file_says_it_is_older(sqlite: Sqlite, database: Path) -> None:
    sqlite.sql(database, ("DROP INDEX tasks_by_time", []), ("PRAGMA user_version = 2", []))
    assert {"the table counts is missing", "the index tasks_by_time is missing"} <= set(told(database))


def test_a_field_that_an_event_tells_of_twice_is_told(sqlite: Sqlite, database: Path) -> None:
    """Who reads it with SQL gets the first of the two, who checks it the last."""
    twice = """UPDATE events SET changes = '{"title":[null,"forged"],' || substr(changes, 2) WHERE seq = 1"""
    sqlite.forge(database, twice)
    (message,) = told(database)
    assert message.startswith("event 1 tells twice")


def test_what_another_program_alone_can_read_does_not_keep_a_store_from_being_checked(database: Path) -> None:
    with closing(apsw.Connection(str(database))) as connection:
        connection.create_collation("theirs", lambda one, other: (one > other) - (one < other))
        connection.execute(
            "CREATE TABLE mine (a TEXT COLLATE theirs PRIMARY KEY); INSERT INTO mine VALUES ('x'), ('y')"
        )
    assert verified(database).is_sound
    with closing(apsw.Connection(str(database))) as connection:
        connection.execute("DROP INDEX tasks_by_time")
    assert told(database) == ["the index tasks_by_time is missing"]


def test_an_index_that_is_gone_is_told(sqlite: Sqlite, database: Path) -> None:
    sqlite.sql(database, ("DROP INDEX events_by_operation", []))
    assert told(database) == ["the index events_by_operation is missing"]


def test_what_another_program_keeps_beside_is_no_defect(sqlite: Sqlite, database: Path) -> None:
    sqlite.sql(database, ("CREATE TABLE mine (a)", []), ("CREATE INDEX mine_too ON tasks (owner)", []))
    sqlite.sql(database, ("ALTER TABLE tasks ADD COLUMN sprint TEXT DEFAULT 'one'", []))
    sqlite.sql(database, ("ALTER TABLE tasks ADD COLUMN points INTEGER CHECK (points > 0)", []))
    assert verified(database).is_sound


def test_a_table_that_lost_a_check_is_told(sqlite: Sqlite, database: Path) -> None:
    ((sql,),) = sqlite.sql(database, ("SELECT sql FROM sqlite_schema WHERE name = 'tasks'", []))[0]
    weaker = sql.replace("length(title) <=", "1 OR length(title) <=")
    assert weaker != sql
    sqlite.sql(database, _WRITABLE, ("UPDATE sqlite_schema SET sql = ? WHERE name = 'tasks'", [weaker]))
    assert told(database) == ["the table tasks is not the one that Taskdeck makes"]


@pytest.mark.parametrize("column", ["created_at", "state_since", "version"])
def test_a_task_without_its_times_is_told(sqlite: Sqlite, database: Path, column: str) -> None:
    """Elsewhere a store need not keep them: here the rules of the file give them."""
    sqlite.forge(database, f"UPDATE tasks SET {column} = NULL WHERE id = 't-3'")
    assert any("task t-3 lacks" in one.message for one in verified(database).defects)


@pytest.mark.parametrize(
    "alter",
    [
        lambda line: line.replace('"actor":"ann"', '"actor":"bob","actor":"ann"'),
        lambda line: line.replace('"actor":"ann"', '"actor":"ann","approved_by":"bob"'),
        lambda line: line.replace('"actor":"ann"', '"actor": "ann"'),
        lambda line: json.dumps(json.loads(line), sort_keys=True, separators=(",", ":")),
    ],
    ids=["doubled key", "unknown key", "blanks", "other order"],
)
def test_what_no_hash_of_a_log_covers_is_told(file: Path, alter: Callable[[str], str]) -> None:
    log = log_path(file)
    lines = log.read_text().splitlines()
    lines[2] = alter(lines[2])
    log.write_text("\n".join([*lines, ""]))
    (message,) = told(file)
    assert "tasks.audit.jsonl line 3 is not as Taskdeck writes it" in message


def test_the_end_of_a_log_that_was_never_told_of_is_said_and_heals(file: Path) -> None:
    log = log_path(file)
    whole = log.read_bytes()
    log.write_bytes(whole + whole.splitlines()[-1][:70])
    found = verified(file)
    (defect,) = found.defects
    assert defect.heals
    assert found.is_sound
    assert "ends in 70 bytes that are no whole commit" in defect.message
    with closing(open_store(str(file))) as store:
        done(store, "t-0", Action.START)
        assert "cut off the end of the audit log, 70 bytes" in store.mended[0]
    assert verified(file).defects == ()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nobody is killed without fork")
def test_a_commit_that_a_killed_writer_left_is_said_and_heals(file: Path) -> None:
    def work() -> None:
        with closing(open_store(str(file))) as store:
            done(store, "t-0", Action.START)

    said = 0
    for step in count(1):
        if not killed(work, step):
            break
        found = verified(file)
        assert found.is_sound
        assert all(one.heals for one in found.defects)
        said += bool(found.defects)
        with closing(open_store(str(file))) as store:
            store.counts()
            assert bool(store.mended) == bool(found.defects)
            if store.counts()[State.IN_PROGRESS].count == 2:
                done(store, "t-0", Action.RELEASE)
        assert verified(file).defects == ()
    assert said > 3
