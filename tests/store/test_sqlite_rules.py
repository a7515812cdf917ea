"""The rules that a SQLite store holds by itself, met by a program that writes plain SQL with Python's own SQLite."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apsw
import pytest
from backends import Refused, Sqlite
from moving import WAY, done, put

from taskdeck_store import Action, Event, Order, State, Store, Task, open_store
from taskdeck_store.clock import utc_now
from taskdeck_store.machine import RULES, action_between, why_no_move
from taskdeck_store.query.match import matches
from taskdeck_store.query.parse import parse
from taskdeck_store.sqlite import triggers
from taskdeck_store.values import EXTERNAL, REMOVED
from taskdeck_store.verification import Verification, verify

RECURSIVE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA recursive_triggers = ON")
connection.execute("UPDATE tasks SET title = 'a', version = 'mine'")
connection.execute("UPDATE tasks SET state = 'failed'")
connection.execute("DELETE FROM tasks")
connection.execute("INSERT INTO tasks (id, title) VALUES ('t-1', 'b')")
connection.execute("REPLACE INTO tasks (id, title) VALUES ('t-1', 'c')")
"""
"""With this pragma, triggers fire for what triggers do, and REPLACE fires the delete trigger."""


class Plain:
    """A store, and another program's SQL on it."""

    def __init__(self, program: Sqlite, path: Path) -> None:
        self._program = program
        self.path = path
        self.store: Store = open_store(str(path))

    def sql(self, *statements: str, values: tuple[Any, ...] = ()) -> list[Any]:
        """Run statements in one transaction; return the rows of the last."""
        return self._program.sql(self.path, *((sql, list(values)) for sql in statements))[-1]

    def refused(self, *statements: str, values: tuple[Any, ...] = ()) -> str:
        """Run statements that must be refused and change nothing; return what was said."""
        before = (list(self.store.tasks()), list(self.store.events()))
        with pytest.raises(Refused) as raised:
            self.sql(*statements, values=values)
        assert (list(self.store.tasks()), list(self.store.events())) == before
        return str(raised.value)

    def task(self, task_id: str = "t-1") -> Task:
        task = self.store.get(task_id)
        assert task is not None
        return task

    def last(self) -> Event:
        return self.store.events(newest=True, limit=1)[0]


@pytest.fixture
def plain(sqlite: Sqlite, tmp_path: Path) -> Iterator[Plain]:
    made = Plain(sqlite, sqlite.make(tmp_path))
    yield made
    made.store.close()


def test_an_id_and_a_title_make_a_task(plain: Plain) -> None:
    plain.sql("INSERT INTO tasks (id, title) VALUES ('t-1', 'x')")
    task, event = plain.task(), plain.last()
    assert (task.title, task.state, task.priority, task.max_attempts) == ("x", State.PENDING, 5, 3)
    assert (task.created_at, task.updated_at, task.state_since) == (event.at,) * 3
    assert len(event.at) == len("2026-01-31T09:05:00.000000Z")
    assert (event.actor, event.action, event.from_state, event.to_state) == (EXTERNAL, "add", None, "pending")
    assert event.changes == {
        "title": (None, "x"),
        "priority": (None, 5),
        "attempts": (None, 0),
        "max_attempts": (None, 3),
    }


def test_what_the_database_keeps_cannot_be_given(plain: Plain) -> None:
    names = "INSERT INTO tasks (id, title, version, created_at, updated_at, state_since)"
    assert "leave version out" in plain.refused(f"{names} VALUES ('t-1', 'x', '1', 'then', 'then', NULL)")
    plain.sql(f"{names} VALUES ('t-1', 'x', '', 'then', 'then', NULL)")
    born = plain.task()
    assert (born.created_at, born.version) == (plain.last().at, str(plain.last().seq))
    plain.sql("UPDATE tasks SET version = '7', created_at = 'then', state_since = NULL, updated_at = 'x'")
    task = plain.task()
    assert (task.created_at, task.state_since) == (born.created_at, born.state_since)
    assert task.version == str(plain.last().seq) != born.version


@pytest.mark.parametrize("state", [state for state in State if state is not State.PENDING])
def test_a_task_begins_in_pending(plain: Plain, state: State) -> None:
    said = plain.refused("INSERT INTO tasks (id, title, state) VALUES ('t-1', 'x', ?)", values=(state,))
    assert said == "a task begins in pending; add it there, then move it"


def test_an_unknown_state_is_refused_with_the_states_there_are(plain: Plain) -> None:
    put(plain.store, "t-1")
    expected = "there is no such state; the states are pending, in_progress, review, completed, failed"
    assert plain.refused("INSERT INTO tasks (id, title, state) VALUES ('t-2', 'x', 'todo')") == expected
    assert plain.refused("UPDATE tasks SET state = 'done'") == expected
    assert plain.refused("UPDATE tasks SET state = NULL")


@pytest.mark.parametrize(("before", "after"), [pair for pair in product(State, State) if pair[0] is not pair[1]])
def test_a_move_obeys_the_table(plain: Plain, before: State, after: State) -> None:
    put(plain.store, "t-1", before)
    action = action_between(before, after)
    if action is None:
        assert plain.refused("UPDATE tasks SET state = ?", values=(after,)) == why_no_move(before, after)
        return
    plain.sql("UPDATE tasks SET state = ?", values=(after,))
    event, task = plain.last(), plain.task()
    assert (event.actor, event.action, event.from_state, event.to_state) == (EXTERNAL, action, before, after)
    assert task.state_since == task.updated_at == event.at
    assert task.attempts == event.attempts == (1 if RULES[action].again else 0)
    assert plain.store.counts()[after].count == 1


def test_going_back_to_the_queue_counts_once_and_frees_the_task(plain: Plain) -> None:
    put(plain.store, "t-1")
    done(plain.store, "t-1", Action.START, owner="w", lease_until="2026-02-01T00:00:00.000000Z")
    plain.sql("UPDATE tasks SET state = 'pending'")
    assert (plain.task().attempts, plain.task().owner, plain.task().lease_until) == (1, None, None)
    assert plain.last().changes == {
        "owner": ("w", None),
        "lease_until": ("2026-02-01T00:00:00.000000Z", None),
        "attempts": (0, 1),
    }
    plain.sql("UPDATE tasks SET state = 'in_progress', owner = 'v'")
    plain.sql("UPDATE tasks SET state = 'pending', attempts = attempts + 1, owner = 'next'")
    assert (plain.task().attempts, plain.task().owner) == (2, "next")


def test_a_heartbeat_writes_neither_version_nor_event(plain: Plain) -> None:
    put(plain.store, "t-1", State.IN_PROGRESS)
    before, seen = plain.task(), plain.last()
    plain.sql("UPDATE tasks SET lease_until = '2026-02-01T00:00:00.000000Z'")
    plain.sql("UPDATE tasks SET lease_until = 'x', updated_at = 'y'")
    assert plain.task().lease_until == "x"
    assert plain.task().version == before.version
    assert plain.last() == seen


def test_when_a_task_is_due_is_set_and_put_on_record(plain: Plain) -> None:
    at = "2026-02-01T00:00:00.000000Z"
    plain.sql("INSERT INTO tasks (id, title, not_before) VALUES ('t-1', 'x', ?)", values=(at,))
    assert (plain.task().not_before, plain.last().changes["not_before"]) == (at, (None, at))
    plain.sql("UPDATE tasks SET not_before = NULL")
    assert (plain.task().not_before, plain.last().changes) == (None, {"not_before": (at, None)})
    plain.sql("UPDATE tasks SET not_before = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '+2 hours')")
    assert plain.store.next_due(utc_now()) == plain.task().not_before
    plain.sql("DELETE FROM tasks")
    assert plain.last().changes["not_before"][1] is None
    assert verify(plain.store).is_sound


def test_a_move_ends_how_long_a_task_is_left_unless_it_says_until_when(plain: Plain) -> None:
    first, second = "2026-02-01T00:00:00.000000Z", "2026-02-02T00:00:00.000000Z"
    put(plain.store, "t-1", not_before=first)
    plain.sql("UPDATE tasks SET state = 'in_progress'")
    assert (plain.task().not_before, plain.last().changes) == (None, {"not_before": (first, None)})
    plain.sql("UPDATE tasks SET state = 'pending', not_before = ?", values=(second,))
    assert (plain.task().not_before, plain.last().changes["not_before"]) == (second, (None, second))
    assert verify(plain.store).is_sound


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "now",
            "2026-02-01",
            "2026-02-01T00:00:00Z",
            "2026-02-01 00:00:00.000000Z",
            "2026-02-30T00:00:00.000000Z",
        ),
        *("2026-02-01T24:00:00.000000Z", "0000-02-01T00:00:00.000000Z", "2026-02-01T00:00:00.000000Z\0x", "9999"),
    ],
)
def test_a_task_is_left_until_a_moment_in_taskdecks_form_alone(plain: Plain, text: str) -> None:
    put(plain.store, "t-1")
    said = "CHECK constraint failed: not_before is a moment in UTC, like 2026-01-31T09:00:00.000000Z"
    assert plain.refused("UPDATE tasks SET not_before = ?", values=(text,)) == said
    assert plain.refused("INSERT INTO tasks (id, title, not_before) VALUES ('t-2', 'x', ?)", values=(text,)) == said


def test_a_lease_ends_with_the_work(plain: Plain) -> None:
    put(plain.store, "t-1", State.IN_PROGRESS)
    plain.sql("UPDATE tasks SET lease_until = 'x'")
    plain.sql("UPDATE tasks SET state = 'review', lease_until = 'y', result = '1'")
    assert (plain.task().lease_until, plain.task().result) == (None, 1)
    assert plain.last().changes == {"lease_until": ("x", None), "result": (None, 1)}


def test_only_what_changed_is_recorded(plain: Plain) -> None:
    put(plain.store, "t-1", data={"a": 1}, tags=["x"])
    count = len(plain.store.events())
    plain.sql("UPDATE tasks SET title = title, data = data, tags = tags")
    assert len(plain.store.events()) == count
    plain.sql("""UPDATE tasks SET title = 'y', data = '{ "a" : 1 }', error = 'e"\n', description = 'd'""")
    assert plain.last().changes == {
        "title": ("task t-1", "y"),
        "description": ("", "d"),
        "error": (None, 'e"\n'),
    }
    plain.sql("UPDATE tasks SET data = NULL, tags = '[]', error = NULL, title = 'z'")
    assert plain.last().changes["data"] == ({"a": 1}, None)
    assert plain.last().changes["tags"] == (["x"], [])


def test_long_numbers_stay_whole_in_the_task_and_in_the_record(plain: Plain) -> None:
    digits = "1234567890" * 5
    plain.sql("INSERT INTO tasks (id, title) VALUES ('t-1', 'x')")
    plain.sql("UPDATE tasks SET data = ?", values=(digits,))
    assert plain.task().data == int(digits)
    assert plain.last().changes["data"] == (None, int(digits))


def test_a_removal_is_recorded_with_what_was_there(plain: Plain) -> None:
    put(plain.store, "t-1", State.IN_PROGRESS, data=[1])
    plain.sql("DELETE FROM tasks")
    event = plain.last()
    assert (event.actor, event.action, event.from_state, event.to_state) == (EXTERNAL, REMOVED, "in_progress", None)
    assert event.changes["title"] == ("task t-1", None)
    assert event.changes["data"] == ([1], None)
    assert plain.store.counts()[State.IN_PROGRESS].count == 0


def test_replace_cannot_erase_a_task_unseen(plain: Plain) -> None:
    put(plain.store, "t-1", State.COMPLETED)
    put(plain.store, "t-2")
    assert "REPLACE" in plain.refused("REPLACE INTO tasks (id, title) VALUES ('t-1', 'mine')")
    assert "REPLACE" in plain.refused("INSERT OR REPLACE INTO tasks (id, title) VALUES ('t-1', 'mine')")
    assert "keeps its id" in plain.refused("UPDATE OR REPLACE tasks SET id = 't-1' WHERE id = 't-2'")
    assert plain.refused("INSERT OR REPLACE INTO tasks (rowid, id, title) VALUES (1, 't-3', 'x')")


def test_the_other_ways_to_meet_an_existing_task_work(plain: Plain) -> None:
    put(plain.store, "t-1")
    count = len(plain.store.events())
    plain.sql("INSERT OR IGNORE INTO tasks (id, title) VALUES ('t-1', 'ignored')")
    assert len(plain.store.events()) == count
    upsert = "INSERT INTO tasks (id, title) VALUES ('t-1', 'up') ON CONFLICT (id) DO UPDATE SET title = excluded.title"
    plain.sql(upsert)
    assert (plain.task().title, plain.last().action) == ("up", "edit")
    assert plain.store.counts()[State.PENDING].count == 1
    assert "UNIQUE" in plain.refused("INSERT INTO tasks (id, title) VALUES ('t-1', 'x')")


def test_a_task_keeps_its_id(plain: Plain) -> None:
    put(plain.store, "t-1")
    assert plain.refused("UPDATE tasks SET id = 't-2'") == "a task keeps its id; add a new task instead"


def test_many_rows_at_once_are_many_events_of_one_commit(plain: Plain) -> None:
    for number in range(5):
        put(plain.store, f"t-{number}")
    plain.sql("UPDATE tasks SET state = 'in_progress', owner = 'w' WHERE id <> 't-3'")
    events = plain.store.events(newest=True, limit=4)
    assert {event.task_id for event in events} == {"t-0", "t-1", "t-2", "t-4"}
    assert all(plain.task(event.task_id).version == str(event.seq) for event in events)
    said = plain.refused("UPDATE tasks SET state = 'review'")
    assert said == why_no_move(State.PENDING, State.REVIEW)
    assert plain.store.counts()[State.IN_PROGRESS].count == 4


def test_a_transaction_that_fails_leaves_no_trace(plain: Plain) -> None:
    put(plain.store, "t-1")
    plain.refused("UPDATE tasks SET title = 'half done'", "UPDATE tasks SET state = 'completed'")
    assert plain.task().title == "task t-1"


def test_triggers_that_fire_each_other_record_everything_once(plain: Plain) -> None:
    put(plain.store, "t-1")
    count = len(plain.store.events())
    program = [sys.executable, "-S", "-c", RECURSIVE, str(plain.path)]
    subprocess.run(program, check=True, timeout=60)
    events = plain.store.events()[count:]
    assert [event.action for event in events] == ["edit", "fail", "removed", "add", "removed", "add"]
    assert plain.store.counts()[State.PENDING].count == len(plain.store.tasks()) == 1


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("id", "", "an id takes"),
        ("id", "a b", "an id takes"),
        ("id", "ä", "an id takes"),
        ("id", "a/b", "an id takes"),
        ("id", "x" * 201, "an id takes"),
        ("id", "a\x00", "an id takes"),
        ("title", "", "a title has"),
        ("title", " \t\u3000\n", "a title has"),
        ("title", "x" * 2_001, "a title has"),
        ("title", "a\x00b", "a title has"),
        ("priority", 10**9 + 1, "priority lies"),
        ("priority", "high", "cannot store TEXT"),
        ("attempts", -1, "attempts lies"),
        ("max_attempts", -1, "max_attempts lies"),
        ("tags", "x", "tags is a JSON array"),
        ("tags", '{"a": 1}', "tags is a JSON array"),
        ("data", "{", "data is JSON"),
        ("result", "NaN", "result is JSON"),
    ],
)
def test_wrong_values_are_refused(plain: Plain, column: str, value: Any, said: str) -> None:
    values = {"id": "t-1", "title": "x", column: value}
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    assert said in plain.refused(f"INSERT INTO tasks ({names}) VALUES ({marks})", values=tuple(values.values()))


def test_limits_are_inclusive(plain: Plain) -> None:
    plain.sql("INSERT INTO tasks (id, title, priority) VALUES (?, ?, ?)", values=("x" * 200, "𝄞" * 2_000, -(10**9)))
    assert plain.task("x" * 200).title == "𝄞" * 2_000


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE events SET actor = 'someone else'",
        "UPDATE events SET note = 'x', hash = 'y'",
        "UPDATE events SET seq = 99",
        "DELETE FROM events",
        "REPLACE INTO events (seq, task_id, at, actor, action, attempts) VALUES (1, 't-1', 'x', 'x', 'x', 0)",
        "INSERT INTO events (seq, task_id, at, actor, action, attempts) VALUES (999999, 't-1', 'x', 'x', 'x', 0)",
        "REPLACE INTO events (task_id, at, actor, action, attempts, operation) VALUES ('t-1', 'x', 'x', 'x', 0, 'op')",
    ],
)
def test_the_log_only_grows(plain: Plain, sql: str) -> None:
    done(plain.store, "t-1", Action.ADD, title="x", operation="op")
    assert plain.refused(sql.replace("'t-1', 'x'", "'t-1', '2026-01-31T09:00:00.000000Z'"))


@pytest.mark.parametrize(
    "at",
    [
        *("'x'", "''", "'2026-01-31'", "'2026-01-31T09:00:00Z'", "'zzzz-01-31T09:00:00.000000Z'"),
        "'9026-19-39T29:59:59.000000Z'",
        "'2026-01-31T09:00:00.000000Z' || char(0) || 'x'",
    ],
)
def test_an_event_has_a_moment(plain: Plain, at: str) -> None:
    insert = f"INSERT INTO events (task_id, at, actor, action, attempts) VALUES ('t-1', {at}, 'x', 'x', 0)"
    assert "at is a moment in UTC" in plain.refused(insert)


DEEP = "'" + "[" * 999 + "]" * 999 + "'"
"""What a task can hold, and an event, in which it lies deeper, cannot."""


@pytest.mark.parametrize("way", ["", "OR IGNORE", "OR FAIL", "OR REPLACE", "OR ROLLBACK"])
@pytest.mark.parametrize(
    "sql",
    [
        f"UPDATE {{way}} tasks SET data = {DEEP} WHERE id = 't-1'",
        f"INSERT {{way}} INTO tasks (id, title, data) VALUES ('t-9', 'x', {DEEP})",
        "UPDATE {way} tasks SET state = 'pending' WHERE id = 't-2'",
    ],
    ids=["an event that cannot be", "a task whose event cannot be", "a task that cannot be"],
)
def test_what_cannot_be_put_on_record_is_not_done(plain: Plain, way: str, sql: str) -> None:
    """Whatever the statement says of conflicts: that would hold for what the triggers do as well."""
    for task_id in ("t-1", "t-2"):
        put(plain.store, task_id, State.IN_PROGRESS)
    plain.sql("UPDATE tasks SET attempts = 1000000000 WHERE id = 't-2'")
    before = plain.store.tasks(), plain.store.events()
    # In the program that has it: the SQLite that Python brings may take JSON that lies deeper.
    with closing(apsw.Connection(str(plain.path))) as connection, suppress(apsw.ConstraintError):
        connection.execute(sql.format(way=way))
    assert (plain.store.tasks(), plain.store.events()) == before
    assert verify(plain.store).is_sound


def test_an_upsert_moves_a_task_that_is_there(plain: Plain) -> None:
    put(plain.store, "t-1")
    added = "INSERT INTO tasks (id, title, state) VALUES ('t-1', 'new', ?)"
    upsert = f"{added} ON CONFLICT (id) DO UPDATE SET (title, state) = (excluded.title, excluded.state)"
    plain.sql(upsert, values=("in_progress",))
    assert (plain.task().title, plain.task().state) == ("new", State.IN_PROGRESS)
    assert plain.last().action == Action.START
    assert "state is one of the five" in plain.refused(upsert.replace("?", "'nowhere'"))
    assert "begins in pending" in plain.refused("INSERT INTO tasks (id, title, state) VALUES ('t-2', 'x', 'review')")
    assert verify(plain.store).is_sound


def test_a_task_is_not_replaced_under_the_version_that_it_has(plain: Plain) -> None:
    put(plain.store, "t-1")
    for state in ("pending", "in_progress"):
        forged = f"REPLACE INTO tasks (id, title, state, version) VALUES ('t-1', 'forged', '{state}', '1')"
        assert plain.refused(forged)
    assert plain.task().title == "task t-1"


@pytest.mark.parametrize("tags", ["[1]", "[null]", "[1.50]", '[{"a":1}]', '[["x"]]', "[" * 300 + "]" * 300])
def test_tags_that_are_no_texts_are_told_alike(plain: Plain, tags: str) -> None:
    put(plain.store, "t-1")
    plain.sql("UPDATE tasks SET tags = ?", values=(tags,))
    assert all(isinstance(tag, str) for tag in plain.task().tags)
    assert verify(plain.store).is_sound


def test_updated_at_is_free(plain: Plain) -> None:
    put(plain.store, "t-1")
    for moment in ("NULL", "'x'"):
        plain.sql(f"UPDATE tasks SET updated_at = {moment}")
        assert verify(plain.store).is_sound


def test_an_event_can_be_sealed_once(plain: Plain) -> None:
    plain.sql("INSERT INTO tasks (id, title) VALUES ('t-1', 'x')")
    assert plain.last().hash is None
    plain.sql("UPDATE events SET hash = 'abc'")
    assert plain.last().hash == "abc"
    assert "only grows" in plain.refused("UPDATE events SET hash = 'def'")
    assert "only grows" in plain.refused("UPDATE events SET hash = NULL")


def test_a_forged_version_does_not_pass_for_an_event(plain: Plain) -> None:
    put(plain.store, "t-1")
    put(plain.store, "t-2")
    for version in (str(plain.last().seq), str(plain.last().seq + 1), "0", ""):
        count = len(plain.store.events())
        plain.sql("UPDATE tasks SET title = title || 'x', version = ? WHERE id = 't-1'", values=(version,))
        assert len(plain.store.events()) == count + 1
        assert plain.last().actor == EXTERNAL
        assert plain.task().version == str(plain.last().seq)


def test_the_tables_can_be_read_by_their_public_names(plain: Plain) -> None:
    put(plain.store, "t-1", State.FAILED, data={"a": 1}, tags=["x"])
    (row,) = plain.sql("SELECT id, title, state, data, tags, attempts, max_attempts, version FROM tasks")
    assert row == ["t-1", "task t-1", "failed", '{"a":1}', '["x"]', 0, 3, "2"]
    (row,) = plain.sql("SELECT seq, task_id, actor, action, from_state, to_state, changes FROM events WHERE seq = 2")
    assert row[:6] == [2, "t-1", "ann", "fail", "pending", "failed"]
    assert json.loads(row[6]) == {"error": [None, "failed by ann"]}
    names = {name for (name,) in plain.sql("SELECT name FROM pragma_table_info('tasks')")}
    assert names == set(Task.__struct_fields__) - {"extra"}
    names = {name for (name,) in plain.sql("SELECT name FROM pragma_table_info('events')")}
    assert names == {*Event.__struct_fields__, "operation"}


@pytest.mark.parametrize("title", [b"\xff\xfe bad", b"\xed\xa0\x80 half", b"cut \xc3"])
def test_bytes_that_are_no_text_blind_nobody(plain: Plain, title: bytes) -> None:
    put(plain.store, "t-2")
    plain.sql(
        f"INSERT INTO tasks (id, title, owner, tags) VALUES ('t-1', CAST(x'{title.hex()}' AS TEXT), 'w', '[]')",
    )
    assert "\ufffd" in plain.task().title
    assert plain.task().owner == "w"
    for text in ("�", "é", "bad", "w"):
        query = parse(f'"{text}"', me="ann")
        found = plain.store.tasks(query)
        assert found == [task for task in plain.store.tasks() if matches(query, task, utc_now())]
        assert sum(tally.count for tally in plain.store.counts(query).values()) == len(found)
    assert len(plain.store.tasks()) == 2
    assert "\ufffd" in plain.last().changes["title"][1]
    assert done(plain.store, "t-1", Action.START, owner=None).state is State.IN_PROGRESS


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e999", "1e999"),
        ("[-1e999, 1]", ["-1e999", 1]),
        ("9" * 5_000, "9" * 5_000),
        ('{"a": 1, "a": 2}', {"a": 2}),
        ('"\\ud800"', "\ud800"),
        ('" \\u0000 "', " \x00 "),
    ],
)
def test_json_that_python_cannot_hold_is_shown_and_kept(plain: Plain, text: str, value: Any) -> None:
    plain.sql("INSERT INTO tasks (id, title, data) VALUES ('t-1', 'x', ?)", values=(text,))
    assert plain.task().data == value
    assert plain.store.events("t-1")
    assert WAY[State.REVIEW]
    for action in WAY[State.REVIEW]:
        done(plain.store, "t-1", action)
    assert plain.sql("SELECT data FROM tasks") == [[text]]


@pytest.mark.parametrize("inner", ["", '"\\ud800"', '"a,]b\\"\\\\"', ' { "k" : [ 2 , "x" ] } '])
@pytest.mark.parametrize("depth", [150, 197, 198, 199, 200, 201, 203, 700, 950])
def test_json_that_lies_deep_is_kept_and_told_alike_wherever_it_is_asked_for(
    plain: Plain, depth: int, inner: str
) -> None:
    def deeply(levels: int) -> Verification:
        return deeply(levels - 1) if levels else verify(plain.store)

    text = "[" * depth + inner + "]" * depth
    plain.sql("INSERT INTO tasks (id, title, data) VALUES ('t-1', 'x', '1')")
    plain.sql("UPDATE tasks SET data = ?", values=(text,))
    task = plain.task()
    done(plain.store, "t-1", Action.START)
    assert plain.sql("SELECT data FROM tasks") == [[text]]
    assert plain.task().data == task.data
    for found in (deeply(0), deeply(500)):
        assert (found.broken, found.differing, found.is_sound) == (None, {}, True)


def test_another_programs_columns_and_tables_are_left_alone(plain: Plain) -> None:
    put(plain.store, "t-1")
    plain.sql("ALTER TABLE tasks ADD COLUMN sprint TEXT", "UPDATE tasks SET sprint = 'seven'")
    done(plain.store, "t-1", Action.START)
    assert plain.sql("SELECT sprint FROM tasks") == [["seven"]]
    assert plain.task().state is State.IN_PROGRESS
    assert verify(plain.store).is_sound


def test_times_of_the_record_never_run_backwards(plain: Plain) -> None:
    ahead = open_store(str(plain.path), now=lambda: "2999-01-01T00:00:00.000000Z")
    put(ahead, "t-1")
    ahead.close()
    plain.sql("UPDATE tasks SET title = 'later'")
    assert plain.last().at == "2999-01-01T00:00:00.000000Z"


@pytest.mark.parametrize("limit", [0, 3, 10_000])
def test_what_other_programs_do_is_counted(plain: Plain, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr("taskdeck_store.sqlite.tallies._LIMIT", limit)
    assert sum(tally.count for tally in plain.store.counts().values()) == 0
    other = open_store(str(plain.path))
    for number in range(4):
        put(other, f"t-{number}", State.REVIEW)
        plain.sql(f"INSERT INTO tasks (id, title) VALUES ('o-{number}', 'x')")
    other.close()
    counted = plain.store.counts()
    assert [counted[state].count for state in State] == [4, 0, 4, 0, 0]
    plain.sql("UPDATE tasks SET state = 'completed' WHERE id IN ('t-0', 't-1')")
    plain.sql("DELETE FROM tasks WHERE id IN ('t-2', 'o-1')")
    counted = plain.store.counts()
    assert [counted[state].count for state in State] == [3, 0, 1, 2, 0]
    assert counted[State.REVIEW].oldest == plain.store.window(State.REVIEW, Order.OLDEST).cards[0].state_since


def test_a_program_that_goes_past_the_rules_is_not_believed_for_long(
    plain: Plain, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert plain.store.counts()[State.PENDING].count == 0
    dropped = [f"DROP TRIGGER {trigger.split()[2]}" for trigger in triggers.ddl()]
    for statement in (*dropped, "INSERT INTO tasks (id, title) VALUES ('t-1', 'x')", *triggers.ddl()):
        plain.sql(statement)
    assert plain.store.counts()[State.PENDING].count == 0
    later = time.monotonic() + 61
    monkeypatch.setattr("taskdeck_store.sqlite.tallies.time", SimpleNamespace(monotonic=lambda: later))
    assert plain.store.counts()[State.PENDING].count == 1


@pytest.mark.parametrize("seq", [-7, -1, 0, 5])
def test_an_event_gets_its_number_from_the_database_alone(plain: Plain, seq: int) -> None:
    with pytest.raises(Refused, match="gets its seq from the database"):
        plain.sql(
            "INSERT INTO events (seq, task_id, at, actor, action, to_state, attempts) "
            f"VALUES ({seq}, 'zz', '2026-01-01T00:00:00.000000Z', 'x', 'add', 'pending', 0)"
        )
    put(plain.store, "zz")
    assert [event.seq for event in plain.store.events()] == [1]


def test_dependencies_are_kept_by_the_database(plain: Plain) -> None:
    plain.sql("INSERT INTO tasks (id, title) VALUES ('a', 'A'), ('b', 'B')")
    plain.sql("""INSERT INTO tasks (id, title, depends_on) VALUES ('c', 'C', '["a", "b", "a"]')""")
    assert (plain.task("c").depends_on, plain.task("c").blocked) == (("a", "b"), 2)
    plain.sql("""UPDATE tasks SET depends_on = '["b"]' WHERE id = 'c'""")
    assert (plain.task("c").blocked, plain.last().changes) == (1, {"depends_on": (["a", "b", "a"], ["b"])})
    assert plain.refused("UPDATE tasks SET state = 'in_progress' WHERE id = 'c'") == (
        "it depends on tasks that are not completed"
    )
    for state in ("in_progress", "review", "completed"):
        plain.sql(f"UPDATE tasks SET state = '{state}' WHERE id = 'b'")
    assert plain.task("c").blocked == 0
    plain.sql("DELETE FROM tasks WHERE id = 'b'")
    assert plain.task("c").blocked == 0
    plain.sql("INSERT INTO tasks (id, title) VALUES ('b', 'again')")
    assert plain.task("c").blocked == 1
    assert plain.store.events("c")[-1].changes == {"depends_on": (["a", "b", "a"], ["b"])}
    assert verify(plain.store).is_sound


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ('["a", "c"]', "it would wait for itself: what it depends on depends on it"),
        ('["d"]', "it would wait for itself: what it depends on depends on it"),
        ('["gone"]', "a task depends on tasks that are there; add those first"),
        ("[7]", "depends_on is an array of task ids"),
        ('["a b"]', "depends_on is an array of task ids"),
    ],
)
def test_what_cannot_be_depended_on_is_refused_by_the_database(plain: Plain, given: str, said: str) -> None:
    plain.sql("INSERT INTO tasks (id, title) VALUES ('a', 'A'), ('c', 'C')")
    plain.sql("""INSERT INTO tasks (id, title, depends_on) VALUES ('d', 'D', '["c"]')""")
    assert plain.refused("UPDATE tasks SET depends_on = ? WHERE id = 'c'", values=(given,)) == said


@pytest.mark.parametrize("given", ['["e"]', '["gone"]', "[7]", '["a b"]'])
def test_a_task_is_not_added_with_what_it_cannot_depend_on(plain: Plain, given: str) -> None:
    said = plain.refused("INSERT INTO tasks (id, title, depends_on) VALUES ('e', 'E', ?)", values=(given,))
    assert "depend" in said


@pytest.mark.parametrize("clause", ["", "OR FAIL", "OR IGNORE", "OR REPLACE", "OR ROLLBACK"])
def test_an_id_that_is_given_twice_counts_once_whatever_the_statement_does_on_conflicts(
    plain: Plain, clause: str
) -> None:
    plain.sql("INSERT INTO tasks (id, title) VALUES ('a', 'A'), ('b', 'B')")
    plain.sql(f"""UPDATE {clause} tasks SET depends_on = '["a", "a"]' WHERE id = 'b'""")
    plain.sql(f"""INSERT {clause} INTO tasks (id, title, depends_on) VALUES ('c', 'C', '["a", "a", "b"]')""")
    assert (plain.task("b").blocked, plain.task("c").blocked) == (1, 2)
    assert plain.refused("UPDATE tasks SET state = 'in_progress' WHERE id = 'b'")
    assert verify(plain.store).is_sound


def test_what_the_database_counts_cannot_be_given(plain: Plain) -> None:
    plain.sql("INSERT INTO tasks (id, title) VALUES ('a', 'A')")
    plain.sql("""INSERT INTO tasks (id, title, depends_on, blocked) VALUES ('b', 'B', '["a"]', 0)""")
    plain.sql("INSERT INTO tasks (id, title, blocked) VALUES ('c', 'C', 7)")
    assert (plain.task("b").blocked, plain.task("c").blocked) == (1, 0)
    said = plain.refused("UPDATE tasks SET blocked = 0 WHERE id = 'b'")
    assert said == "blocked is counted by the database; change depends_on instead"
    count = len(plain.store.events())
    plain.sql("UPDATE tasks SET blocked = 1 WHERE id = 'b'")
    assert len(plain.store.events()) == count
