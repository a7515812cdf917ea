"""Bundles: the tables of a store in one SQLite file that is written once, with what tells whether it was changed since.

The tables `tasks` and `events` are those of a store, without its rules: what a task file holds may be more than they
let pass. Beside them are `extra` (the fields that a task's own format had, as JSON), `links` (for each run of events
that were left out, its first and last seq, and the hash of its last) and `manifest` (see
`taskdeck_store.contract.Manifest`; each value as JSON).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw
import msgspec

from taskdeck_store import jsontext, placing
from taskdeck_store.contract import Fault, LeftOut, Manifest, StoreError
from taskdeck_store.marks import BUNDLE_ID
from taskdeck_store.printable import one_line
from taskdeck_store.sqlite import rows, schema
from taskdeck_store.sqlite.faults import explained
from taskdeck_store.sqlite.rows import fetch
from taskdeck_store.values import Event, State, Task

if TYPE_CHECKING:
    from apsw import Connection

_STATES = ", ".join(f"'{state}'" for state in State)


def _tables(layout: int) -> str:
    """Return the SQL that makes the tables of a bundle, as they were made when stores had a layout."""
    columns, indexed = "", ""
    if layout >= schema.SCHEDULED:
        columns, indexed = ", not_before TEXT", ", not_before"
    if layout >= schema.DEPENDENT:
        columns += ", depends_on TEXT NOT NULL, blocked INTEGER NOT NULL"
    return f"""
    CREATE TABLE tasks (
      id TEXT NOT NULL PRIMARY KEY, title TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ({_STATES})),
      priority INTEGER NOT NULL, attempts INTEGER NOT NULL, max_attempts INTEGER NOT NULL, owner TEXT,
      lease_until TEXT, created_at TEXT, updated_at TEXT, state_since TEXT NOT NULL, version TEXT,
      tags TEXT NOT NULL, error TEXT, description TEXT NOT NULL, data TEXT, result TEXT{columns}
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX tasks_by_priority ON tasks (state, priority, state_since, id{indexed});
    CREATE INDEX tasks_by_time ON tasks (state, state_since, id);
    CREATE TABLE events (
      seq INTEGER PRIMARY KEY, task_id TEXT NOT NULL, at TEXT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
      from_state TEXT CHECK (from_state IN ({_STATES})), to_state TEXT CHECK (to_state IN ({_STATES})),
      attempts INTEGER NOT NULL, note TEXT, changes TEXT NOT NULL, "group" TEXT, undoes INTEGER, hash TEXT
    ) STRICT;
    CREATE INDEX events_by_task ON events (task_id, seq);
    CREATE TABLE extra (task_id TEXT NOT NULL PRIMARY KEY, fields TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE links (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, hash TEXT NOT NULL) STRICT;
    CREATE TABLE manifest (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE identity (store TEXT NOT NULL) STRICT;
    INSERT INTO identity VALUES (lower(hex(randomblob(16))));
    PRAGMA application_id = {BUNDLE_ID};
    PRAGMA user_version = {layout};
    """


def _content(layout: int) -> dict[str, str]:
    """Return, for each table, the SQL of all that a bundle of a layout holds in it."""
    later = {"not_before": schema.SCHEDULED, "depends_on": schema.DEPENDENT, "blocked": schema.DEPENDENT}
    tasks = ", ".join(name for name in rows.TASK_COLUMNS if layout >= later.get(name, 0))
    return {
        "manifest": "SELECT key, value FROM manifest WHERE key <> 'sha256' ORDER BY key",
        "links": "SELECT first, last, hash FROM links ORDER BY first",
        "events": f"SELECT {rows.EVENT} FROM events ORDER BY seq",
        "tasks": f"SELECT {tasks} FROM tasks ORDER BY id",
        "extra": "SELECT task_id, fields FROM extra ORDER BY task_id",
    }


_SCHEMA = "SELECT name, type, sql FROM sqlite_schema"
_INTEGERS = range(-(2**63), 2**63)


def write(
    draft: Path,
    tasks: Iterable[Task],
    events: Iterable[Event],
    ending: Callable[[], tuple[Sequence[LeftOut], Manifest]],
) -> Manifest:
    """Make a bundle at a path where nothing is, and return its manifest with the SHA-256 filled in.

    `ending` is asked for the runs left out and the manifest when the events have been read. Raises StoreError, also for
    what SQLite cannot hold as it is, and OSError.
    """
    os.close(placing.new_file(draft))
    with (
        explained(draft, "write"),
        closing(apsw.Connection(str(draft.absolute()), flags=apsw.SQLITE_OPEN_READWRITE)) as connection,
    ):
        # The draft is synced once, when it is whole; a draft that is not is no loss.
        connection.pragma("journal_mode", "MEMORY")
        connection.pragma("synchronous", "OFF")
        connection.execute(_tables(len(schema.MIGRATIONS)))
        # What fails is thrown away with the draft: to roll it back would hide why.
        connection.execute("BEGIN")
        connection.executemany(f"INSERT INTO events VALUES ({_marks(rows.EVENT)})", map(_event_row, events))
        for task in tasks:
            insert = f"INSERT INTO tasks ({rows.TASK}) VALUES ({_marks(rows.TASK)})"
            connection.execute(insert, _task_row(task))
            if task.extra:
                connection.execute("INSERT INTO extra VALUES (?, ?)", (task.id, jsontext.encode(task.extra)))
        links, manifest = ending()
        connection.executemany("INSERT INTO links VALUES (?, ?, ?)", [(one.first, one.last, one.hash) for one in links])
        told = {name: value for name, value in msgspec.to_builtins(manifest).items() if name != "sha256"}
        connection.executemany("INSERT INTO manifest VALUES (?, ?)", [(k, _ascii(v)) for k, v in told.items()])
        manifest = msgspec.structs.replace(manifest, sha256=digest(connection))
        connection.execute("INSERT INTO manifest VALUES ('sha256', ?)", (_ascii(manifest.sha256),))
        connection.execute("COMMIT")
    placing.sync_file(draft)
    return manifest


def digest(connection: Connection) -> str:
    """Return the SHA-256 of all that a bundle holds, 64 hexadecimal digits, inside a transaction.

    It is taken over one line for each row: the text that Python's `json.dumps` gives, with ``separators=(",", ":")``,
    for the list of the table's name and the row's values as stored, and a newline. The tables come in the order
    manifest (but for its key sha256), links, events, tasks, extra, each in the order of its key (texts by their bytes),
    with the columns in this order. manifest: key, value. links: first, last, hash. events: seq, task_id, at, actor,
    action, from_state, to_state, attempts, note, changes, group, undoes, hash. tasks: id, title, description, state,
    priority, tags, data, result, error, attempts, max_attempts, not_before (where the file's ``user_version`` is 4 or
    more), depends_on (5 or more), owner, lease_until, created_at, updated_at, state_since, version, blocked (5 or
    more). extra: task_id, fields. Raises apsw.CorruptError for what no bundle holds.
    """
    from hashlib import sha256
    from json import JSONEncoder

    found = sha256()
    encode = JSONEncoder(separators=(",", ":")).encode
    for table, sql in _content(schema.layout(connection)).items():
        try:
            for row in connection.execute(sql):
                found.update(encode([table, *row]).encode() + b"\n")
        except (TypeError, UnicodeDecodeError) as error:
            raise rows.damage(f"a value of its table {table} is no text and no number") from error
    return found.hexdigest()


def manifest(connection: Connection) -> Manifest:
    """Return the manifest of a bundle, inside a transaction. Raises apsw.CorruptError."""
    try:
        told = {key: jsontext.decode(value) for key, value in fetch(connection, "SELECT key, value FROM manifest")}
        return msgspec.convert(told, Manifest)
    except (ValueError, msgspec.MsgspecError) as error:
        raise rows.damage("its manifest cannot be read") from error


def strange_parts(connection: Connection) -> list[str]:
    """Return the names of tables, indexes and the like that a bundle has otherwise than they were made, or not at all.

    What a bundle holds is read through them, and whoever had it may have put others there.
    """
    with closing(apsw.Connection(":memory:")) as made:
        made.execute(_tables(schema.layout(connection)))
        return sorted({name for name, *_ in set(fetch(made, _SCHEMA)) ^ set(fetch(connection, _SCHEMA))})


def _marks(columns: str) -> str:
    return ", ".join("?" * len(columns.split(", ")))


def _ascii(value: object) -> str:
    """The JSON of a value in ASCII: the name of a file need not be Unicode."""
    import json

    return json.dumps(value, separators=(",", ":"))


def _event_row(event: Event) -> tuple[Any, ...]:
    values = (
        event.seq,
        event.task_id,
        event.at,
        event.actor,
        event.action,
        None if event.from_state is None else str(event.from_state),
        None if event.to_state is None else str(event.to_state),
        event.attempts,
        event.note,
        jsontext.written(event.changes),
        event.group,
        event.undoes,
        event.hash,
    )
    _check(values, f"event {event.seq} of task {event.task_id}")
    if rows.event(values) != event:
        raise _unheld(f"event {event.seq} of task {event.task_id}", "what it changed is nested too deeply")
    return values


def _task_row(task: Task) -> list[Any]:
    values = [rows.column(name, task) for name in rows.TASK_COLUMNS]
    _check(values, f"task {task.id}")
    # '' has a place in an order, which NULL has not.
    values[rows.TASK_COLUMNS.index("state_since")] = task.state_since or ""
    if msgspec.structs.replace(rows.task(values), extra=task.extra) != task:
        raise _unheld(f"task {task.id}", "its data or result is nested too deeply")
    return values


def _check(values: Iterable[object], what: str) -> None:
    for value in values:
        if isinstance(value, str) and not rows.is_text(value):
            raise _unheld(what, "it has a character that SQLite cannot hold (NUL, or half a surrogate)")
        if isinstance(value, int) and value not in _INTEGERS:
            raise _unheld(what, "it has a number that is too large for SQLite")


def _unheld(what: str, why: str) -> StoreError:
    advice = "choose the tasks with a query that leaves it out, as in -id:t-1"
    return StoreError(Fault.UNWRITABLE, one_line(f"{what[:200]} cannot be put into a bundle: {why}; {advice}"))
