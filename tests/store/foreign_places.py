"""Servers of tasks that others own and that can be written, each with a task in every state that it has."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

from taskdeck_store.values import State

P, R, V, C, F = State
_RAW = Path(__file__).with_name("mcp_raw.py")


class Place(Struct, frozen=True, kw_only=True):
    """How a place is made in a folder, which returns its address, and which of its tasks is in which state.

    `edit` has another program bring a task to a state.
    """

    name: str
    make: Callable[[Path], str]
    ids: Mapping[State, str]
    edit: Callable[[Path, str, State], None]
    new_id: str = "90"


_PLAIN = {P: "pending", R: "in_progress", V: "review", C: "completed", F: "failed"}


def _lab_server(*traits: str) -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        path = folder / "queue.json"
        tasks = [
            {"id": f"task-{state}", "description": f"do {state}", "status": _PLAIN[state], "attempts": 0}
            for state in (P, R, C, F)
        ]
        path.write_text(json.dumps(tasks))
        return "mcp:" + shlex.join([sys.executable, "-S", "-E", str(_RAW), str(path), *traits])

    return make


def _edit_queue(folder: Path, task_id: str, state: State) -> None:
    path = folder / "queue.json"
    tasks = json.loads(path.read_text())
    next(task for task in tasks if task["id"] == task_id)["status"] = _PLAIN[state]
    path.write_text(json.dumps(tasks))


PLACES = (
    Place(
        name="MCP of the seed",
        make=_lab_server("subscribe"),
        ids={state: f"task-{state}" for state in (P, R, C, F)},
        edit=_edit_queue,
        new_id="task-new",
    ),
)
