"""What other programs leave on disk, as they write it; made after their sources, none of it copied."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from taskdeck_store.machine import Command, Transition, command, transition
from taskdeck_store.source import Move, Source
from taskdeck_store.values import Action, Task

AT = "2026-01-31T09:05:00.123456Z"


def stringified(value: object) -> str:
    """What `JSON.stringify(value, null, 2)` returns."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def task(number: int, **more: Any) -> dict[str, Any]:
    """A task of Task Master with all keys that it writes."""
    plain = {
        "id": number,
        "title": f"Task {number}",
        "description": f"What {number} is about",
        "details": "",
        "testStrategy": "",
        "status": "pending",
        "dependencies": [],
        "priority": "medium",
        "subtasks": [],
    }
    return plain | more


def subtask(number: int, **more: Any) -> dict[str, Any]:
    plain = {
        "id": number,
        "title": f"Sub {number}",
        "description": "",
        "dependencies": [],
        "details": "",
        "status": "pending",
    }
    return plain | more


def tagged(*tasks: dict[str, Any], **tags: list[dict[str, Any]]) -> dict[str, Any]:
    every = {"master": list(tasks), **tags}
    metadata = {"created": "2026-01-01T00:00:00.000Z", "updated": "2026-01-01T00:00:00.000Z", "description": "x"}
    return {tag: {"tasks": inner, "metadata": dict(metadata)} for tag, inner in every.items()}


def task_master(folder: Path, document: object) -> Path:
    path = folder / ".taskmaster" / "tasks" / "tasks.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(stringified(document), encoding="utf-8")
    return path


def claude(folder: Path, number: int | str, **more: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    plain = {
        "id": str(number),
        "subject": f"Task {number}",
        "description": "what it is about",
        "activeForm": f"Doing {number}",
        "status": "pending",
        "blocks": [],
        "blockedBy": [],
    }
    path = folder / f"{number}.json"
    path.write_text(stringified(plain | more), encoding="utf-8")
    return path


def database(path: Path, script: str) -> Path:
    """Make a SQLite file in another process: the standard library's SQLite beside ours would break locks."""
    code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.executescript(sys.argv[2]); c.close()"
    subprocess.run([sys.executable, "-c", code, str(path), script], check=True)
    return path


TASKWARRIOR = """
PRAGMA journal_mode=WAL;
CREATE TABLE operations (id INTEGER PRIMARY KEY AUTOINCREMENT, data STRING);
CREATE TABLE sync_meta (key STRING PRIMARY KEY, value STRING);
CREATE TABLE tasks (uuid STRING PRIMARY KEY, data STRING);
CREATE TABLE working_set (id INTEGER PRIMARY KEY, uuid STRING);
"""

KANBAN = """
CREATE TABLE tasks (task_id INTEGER PRIMARY KEY, title TEXT NOT NULL, column INTEGER NOT NULL, category INTEGER,
    description TEXT, creation_date DATETIME NOT NULL, start_date DATETIME, finish_date DATETIME, due_date DATETIME,
    metadata TEXT DEFAULT '{}', position INTEGER NOT NULL DEFAULT 0);
CREATE TABLE boards (board_id INTEGER PRIMARY KEY, name TEXT NOT NULL, icon TEXT, creation_date DATETIME NOT NULL,
    reset_column INTEGER, start_column INTEGER, finish_column INTEGER);
CREATE TABLE columns (column_id INTEGER PRIMARY KEY, name TEXT NOT NULL, visible BOOLEAN, position INTEGER,
    board_id INTEGER);
CREATE TABLE categories (category_id INTEGER PRIMARY KEY, name TEXT NOT NULL, color TEXT NOT NULL);
CREATE TABLE audits (event_id INTEGER PRIMARY KEY, event_timestamp DATETIME NOT NULL, event_type TEXT NOT NULL);
CREATE TABLE dependencies (dependency_id INTEGER PRIMARY KEY, task_id INTEGER, depends_on_task_id INTEGER);
"""


def move(source: Source, task_id: str, *actions: Action, note: str | None = None, **fields: Any) -> Move:
    """Return the move that commands make of a task as it is seen now, as the state machine works it out; the fields
    go with the first of them.
    """
    seen = next((task for task in source.look().tasks if task.id == task_id), None)
    return moved(seen, task_id, *actions, note=note, **fields)


def moved(seen: Task | None, task_id: str, *actions: Action, note: str | None = None, **fields: Any) -> Move:
    after = seen
    commands: list[Command] = []
    for action in actions:
        commands.append(command(task_id, action, actor="ada", note=note, **({} if commands else fields)))
        done = transition(after, commands[-1], AT)
        assert isinstance(done, Transition), done
        after = done.task
    assert after is not None
    return Move(commands=tuple(commands), seen=seen, task=after)
