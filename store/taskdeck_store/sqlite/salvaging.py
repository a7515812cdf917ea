"""What is left of a damaged SQLite store, and a new store made of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import apsw

from taskdeck_store import jsontext, validity
from taskdeck_store.remains import Remains, Salvage, is_held
from taskdeck_store.sqlite import carving, opening, rows, schema, triggers
from taskdeck_store.sqlite.faults import explained
from taskdeck_store.values import Event, Task

_WRONG = (apsw.CorruptError, KeyError, TypeError, ValueError, AttributeError, RecursionError)
"""What a row with a flipped bit raises."""
_EVENT = ("seq", "task_id", "at", "actor", "action", "from_state", "to_state", "attempts", "note", "changes")


_ADDED = 3
"""How many columns of `tasks` came after the first layout."""
_UNTOLD = {"depends_on": "[]", "blocked": 0}
"""What the columns that came later hold in rows from before, but for those that hold nothing."""


def files(path: Path) -> tuple[Path, ...]:
    """Return the files that hold a store."""
    return (path, path.with_name(path.name + "-wal"))


def read(path: Path) -> Remains | None:
    """Return what can be read of the store at a path; None when that is nothing. Raises StoreError and OSError."""
    with explained(path, "read"):
        task_columns, event_columns = _columns("tasks"), _columns("events")
        tasks: dict[str, Task] = {}
        # A row that was written before the last columns were added ends before them.
        for rowid, values in carving.rows(path, range(len(task_columns) - _ADDED, len(task_columns) + 1)):
            told = dict.fromkeys(task_columns) | _UNTOLD | dict(zip(task_columns, values, strict=False))
            found = _task(told) if rowid is None else None
            if found is not None and (found.id not in tasks or _age(found) >= _age(tasks[found.id])):
                tasks[found.id] = found
        events: dict[int, Event] = {}
        operations: dict[int, str] = {}
        for rowid, values in carving.rows(path, (len(event_columns),)):
            told = dict(zip(event_columns, values, strict=True)) | {"seq": rowid}
            event = _event(told) if rowid is not None and 0 < rowid < validity.WHOLE_LIMIT else None
            if event is not None:
                events[event.seq] = event
                if isinstance(told["operation"], str):
                    operations[event.seq] = told["operation"]
    if not tasks and not events:
        return None
    last = max([*events, *map(_age, tasks.values())])
    return Remains(tasks=tasks, events=tuple(events[seq] for seq in sorted(events)), operations=operations, last=last)


def write(draft: Path, remains: Remains, salvage: Salvage) -> None:
    """Make a store of what was salvaged, at a path where nothing is. Raises StoreError."""
    make(draft, salvage)


def make(draft: Path, salvage: Salvage) -> None:
    """Make a store of tasks and events, at a path where nothing is. Raises StoreError."""
    opening.create(draft)
    with explained(draft, "write"), closing(apsw.Connection(str(draft.absolute()))) as connection:
        connection.pragma("synchronous", "FULL")
        # What the rules of the tables would not let pass may have been there all the same.
        connection.pragma("ignore_check_constraints", True)
        with connection:
            _fill(connection, salvage)


_SEALS = ('"group"', "undoes", "hash", "operation")


def _columns(table: str) -> Sequence[str]:
    """Return the columns of a table in the order in which its rows hold them."""
    with closing(apsw.Connection(":memory:")) as connection:
        schema.migrate(connection)
        return [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]


def _fill(connection: apsw.Connection, salvage: Salvage) -> None:
    for trigger in triggers.ddl():
        connection.execute(f"DROP TRIGGER {trigger.split()[2]}")
    columns = (*_EVENT, *_SEALS)
    insert = f"INSERT OR IGNORE INTO events ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    connection.executemany(insert, (_event_row(event, salvage) for event in salvage.events))
    insert = f"INSERT INTO tasks ({', '.join(rows.WRITTEN)}) VALUES ({', '.join('?' * len(rows.WRITTEN))})"
    for task in salvage.tasks:
        connection.execute(insert, [rows.column(name, task) for name in rows.WRITTEN])
    connection.execute(schema.COUNTED)
    schema.migrate(connection)


def _task(values: dict[str, Any]) -> Task | None:
    with suppress(*_WRONG):
        found = rows.task([values[name] for name in rows.TASK_COLUMNS])
        if is_held(found) and found.title.strip():
            return found
    return None


def _event(values: dict[str, Any]) -> Event | None:
    with suppress(*_WRONG):
        if isinstance(values["operation"] or "", str):
            return rows.event(tuple(values[name.strip('"')] for name in rows.EVENT.split(", ")))
    return None


def _age(task: Task) -> int:
    return int(task.version) if task.version and task.version.isdecimal() and len(task.version) < 10 else 0


def _event_row(event: Event, salvage: Salvage) -> list[Any]:
    told = [str(value) if isinstance(value, str) else value for value in (getattr(event, name) for name in _EVENT[:-1])]
    seals = (event.group, event.undoes, event.hash, salvage.operations.get(event.seq))
    return [*told, jsontext.written(event.changes), *seals]
