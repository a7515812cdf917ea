"""Places of tasks that others own and that can be written, each with a task in every state that its format has."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

from taskdeck_store.minna.memory import MinnaMemory
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


_MASTER = {P: "pending", R: "in-progress", V: "review", C: "done", F: "cancelled"}
_PLAIN = {P: "pending", R: "in_progress", V: "review", C: "completed", F: "failed"}


def _task_master(folder: Path) -> str:
    path = folder / ".taskmaster" / "tasks" / "tasks.json"
    path.parent.mkdir(parents=True)
    tasks = [
        {"id": number, "title": f"do {state}", "description": "", "status": word, "dependencies": [], "priority": "low"}
        for number, (state, word) in enumerate(_MASTER.items(), 1)
    ]
    path.write_text(json.dumps({"master": {"tasks": tasks, "metadata": {}}}, indent=2))
    return str(path)


def _edit_master(folder: Path, task_id: str, state: State) -> None:
    path = folder / ".taskmaster" / "tasks" / "tasks.json"
    document = json.loads(path.read_text())
    next(task for task in document["master"]["tasks"] if str(task["id"]) == task_id)["status"] = _MASTER[state]
    path.write_text(json.dumps(document, indent=2))


def _claude(folder: Path) -> str:
    tasks = folder / ".claude" / "tasks" / "a-list"
    tasks.mkdir(parents=True)
    for number, state in enumerate((P, R, C), 1):
        task = {"id": str(number), "subject": f"do {state}", "description": "", "activeForm": "Doing"}
        (tasks / f"{number}.json").write_text(
            json.dumps({**task, "status": _PLAIN[state], "blocks": [], "blockedBy": []}, indent=2)
        )
    return str(tasks)


def _edit_claude(folder: Path, task_id: str, state: State) -> None:
    path = folder / ".claude" / "tasks" / "a-list" / f"{task_id}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "status": _PLAIN[state]}, indent=2))


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


def _minna(folder: Path) -> str:
    path = folder / ".spine" / "minna.db"
    with MinnaMemory(path) as memory:
        for state, word in _PLAIN.items():
            memory.store(f"task:p:{state}", "description", f"do {state}")
            memory.store(f"task:p:{state}", "status", word)
    return f"minna:{path}"


def _edit_minna(folder: Path, task_id: str, state: State) -> None:
    with MinnaMemory(folder / ".spine" / "minna.db") as memory:
        memory.store(task_id.replace("p~", "task:p:"), "status", _PLAIN[state])


PLACES = (
    Place(
        name="Task Master",
        make=_task_master,
        ids={state: str(number) for number, state in enumerate(_MASTER, 1)},
        edit=_edit_master,
    ),
    Place(name="Claude Code", make=_claude, ids={P: "1", R: "2", C: "3"}, edit=_edit_claude),
    Place(
        name="MCP of the seed",
        make=_lab_server("subscribe"),
        ids={state: f"task-{state}" for state in (P, R, C, F)},
        edit=_edit_queue,
        new_id="task-new",
    ),
    Place(name="Minna Memory", make=_minna, ids={state: f"p~{state}" for state in State}, edit=_edit_minna),
)
