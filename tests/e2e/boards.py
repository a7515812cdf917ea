"""Stores and boards for the tests here: a small store of either kind, its board on a terminal, and what it shows."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from e2e.terminal import PATIENCE, Terminal
from taskdeck_store import Action, State, Task, command, create_store, open_store

TASKDECK = [sys.executable, "-m", "taskdeck_tui"]

TASKS = (
    ("t-1", "Backfill orders.currency", ()),
    ("t-2", "Rotate deploy tokens", ()),
    ("t-3", "Import supplier prices", (Action.START,)),
    ("t-4", "Document the webhook retries", (Action.START, Action.SUBMIT)),
    ("t-5", "Reconcile open invoices", (Action.START, Action.SUBMIT)),
    ("t-6", "Upgrade Node in web-shop", (Action.START, Action.SUBMIT, Action.APPROVE)),
)
"""Id, title and history of the tasks of a made store; `t-1` and `t-2` wait."""


STATES = ("pending", "in progress", "review", "completed", "failed")


def made(path: Path) -> Path:
    """Make a store of `TASKS`: SQLite by Taskdeck's own library; JSON as some other program writes it."""
    if path.suffix == ".json":
        states = {(): "pending", (Action.START,): "in_progress", (Action.START, Action.SUBMIT): "review"}
        tasks = [{"id": id, "title": title, "state": states.get(past, "completed")} for id, title, past in TASKS]
        path.write_text(json.dumps(tasks, indent=2) + "\n")
        return path
    create_store(str(path))
    store = open_store(str(path))
    for id, title, past in TASKS:
        store.apply([command(id, Action.ADD, actor="planner", title=title)])
        for action in past:
            store.apply([command(id, action, actor="alder")])
    store.close()
    return path


def board(
    path: Path | str, *more: str, columns: int = 160, lines: int = 40, env: Mapping[str, str] | None = None
) -> Terminal:
    """Open the board of a store on a terminal and wait for its first cards."""
    terminal = Terminal([*TASKDECK, str(path), *more], columns, lines, env={"TASKDECK_ACTOR": "reader", **(env or {})})
    terminal.wait_for("t-1|t-4")
    return terminal


def go(terminal: Terminal, state: str, row: int, of: int) -> None:
    """Put the cursor on the n-th card of a column, and wait until the board says that it is there."""
    terminal.send(str(STATES.index(state) + 1), "g", *["j"] * (row - 1))
    terminal.wait_for(f"{state} {row}/{of}")


def counts(terminal: Terminal) -> dict[str, int]:
    """Return the counts that stand above the columns."""
    found = re.findall(rf"[○◐◆✓✗] ({'|'.join(STATES)})\s+([\d,]+)", terminal.text())
    return {state: int(count.replace(",", "")) for state, count in found}


def task(path: Path, task_id: str) -> Task:
    """Return a task as the store has it now."""
    store = open_store(str(path), read_only=True)
    try:
        found = store.get(task_id)
        assert found is not None
        return found
    finally:
        store.close()


def state(path: Path, task_id: str) -> State:
    """Return the state of a task as the store has it now."""
    return task(path, task_id).state


def outside(path: Path, task_id: str, **fields: Any) -> None:
    """Change a task as a program does that knows nothing of Taskdeck, and touches no time and no version."""
    if path.suffix == ".json":
        tasks = json.loads(path.read_text())
        for task in tasks:
            if task["id"] == task_id:
                task.update(fields)
        partial = path.with_suffix(".new")
        partial.write_text(json.dumps(tasks, indent=2) + "\n")
        partial.replace(path)
        return
    database = sqlite3.connect(path)
    with database:
        names = ", ".join(f"{name} = :{name}" for name in fields)
        database.execute(f"UPDATE tasks SET {names} WHERE id = :id", {"id": task_id, **fields})
    database.close()


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Have another program hold the store's write lock for as long as the body of a `with` runs."""
    arguments = [sys.executable, "-c", _HOLD, str(path)]
    holder = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdin is not None
    try:
        assert holder.stdout.readline() == "held\n"
        yield
    finally:
        holder.stdin.close()
        holder.wait()
        holder.stdout.close()


_HOLD = """
import sys
from pathlib import Path
from taskdeck_store.lock import SUFFIX, WriteLock
path = Path(sys.argv[1])
with WriteLock(path.with_name(path.name + SUFFIX), path).hold(10.0):
    print("held", flush=True)
    sys.stdin.read()
"""


def eventually(condition: Callable[[], Any], timeout: float = PATIENCE) -> None:
    """Ask again and again until a condition holds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"did not come true in {timeout:g} s"
        time.sleep(0.02)
