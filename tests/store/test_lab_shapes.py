"""The task files of the five labs: each opens as a store, and the lab's own program reads what a move leaves.

The programs are rebuilt here from what the labs document of their files: how they load, what they take for granted,
and what they write.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

import taskdeck_store
from taskdeck_store.machine import command
from taskdeck_store.values import Action, State
from taskdeck_store.verification import verify

Read = Callable[[Path], dict[str, str]]
"""A lab's program: it loads the file as that lab does, and returns the statuses by their ids."""


def concepts(path: Path) -> dict[str, str]:
    """docs/concepts/state-management.md: a bare list; `state` is the only word for it."""
    tasks = json.loads(path.read_text())
    return {str(task["id"]): task["state"] for task in tasks if task["attempts"] >= 0 and "result" in task}


def lab_02(path: Path) -> dict[str, str]:
    """labs/02-external-state.md: an object with `tasks`, and ids that are numbers."""
    state = json.loads(path.read_text())
    assert max(task["id"] for task in state["tasks"]) + 1 > 0
    return {str(task["id"]): task["status"] for task in state["tasks"]}


@dataclass
class Lab04Task:
    """A task of lab 04, which takes no key that it does not know."""

    description: str
    id: str = ""
    status: str = "pending"
    priority: int = 5
    created_at: str = ""
    started_at: str | None = None
    completed_at: str | None = None
    attempts: int = 0
    max_attempts: int = 3
    result: str | None = None
    criteria: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    failure_reason: str | None = None


def lab_04(path: Path) -> dict[str, str]:
    """labs/04-json-tasks.md: every key of a task is an argument."""
    data = json.loads(path.read_text())
    assert "saved_at" in data
    tasks = [Lab04Task(**task) for task in data["tasks"]]
    assert sorted(tasks, key=lambda task: (task.priority, task.created_at))
    return {task.id: task.status for task in tasks}


_FOUR = ("pending", "in_progress", "completed", "failed")


def four_states(path: Path) -> dict[str, str]:
    """docs/tutorials/tier1-tasks.md and labs/08-orchestrator.md: a status is one of four, or the program ends."""
    tasks = json.loads(path.read_text())["tasks"]
    for task in tasks:
        if task["status"] not in _FOUR:
            raise ValueError(f"{task['status']!r} is not a valid TaskStatus")
        assert isinstance(task["description"], str)
    return {task["id"]: task["status"] for task in tasks}


def _lab_04_task(number: int) -> dict[str, Any]:
    made = "2026-01-31T09:05:00.123456"
    return asdict(
        Lab04Task(
            id=f"task-0000000{number}",
            description=f"Task {number}",
            created_at=made,
            history=[{"timestamp": made, "event": "created", "details": ""}],
        )
    )


_TIER1 = {
    "attempts": 0,
    "max_attempts": 3,
    "result": None,
    "error": None,
    "created_at": "2026-01-31T09:05:00",
    "completed_at": None,
}
NUMBERS = (1, 2)
LABS: dict[str, tuple[Read, Any]] = {
    "concepts": (concepts, [{"id": n, "state": "pending", "result": None, "attempts": 0} for n in NUMBERS]),
    "lab 02": (
        lab_02,
        {"tasks": [{"id": n, "description": f"Task {n}", "status": "pending", "result": None} for n in NUMBERS]},
    ),
    "lab 04": (lab_04, {"tasks": [_lab_04_task(n) for n in NUMBERS], "saved_at": "2026-01-31T09:05:00.123456"}),
    "tier 1": (
        four_states,
        {
            "tasks": [
                {"id": str(n), "description": f"Task {n}", "status": "pending", "attempts": 0, **_TIER1}
                for n in NUMBERS
            ],
            "metadata": {"created": "2026-01-31T09:05:00", "last_updated": "2026-01-31T09:05:00"},
        },
    ),
    "lab 08": (
        four_states,
        {
            "tasks": [
                {
                    "id": f"task-00{n}",
                    "description": f"Task {n}",
                    "status": "pending",
                    "result": None,
                    "attempts": 0,
                    "metadata": {},
                }
                for n in NUMBERS
            ]
        },
    ),
}
WAYS: dict[str, tuple[tuple[tuple[Action, ...], ...], State]] = {
    "started": (((Action.START,),), State.IN_PROGRESS),
    "reviewed": (((Action.START,), (Action.SUBMIT,)), State.REVIEW),
    "completed": (((Action.START,), (Action.SUBMIT, Action.APPROVE)), State.COMPLETED),
    "failed": (((Action.START,), (Action.FAIL,)), State.FAILED),
}
"""Commits, each of some actions, and the state that they lead to."""
NO_REVIEW = ("tier 1", "lab 08")
"""The labs whose programs end at a review."""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("lab", LABS)
def test_the_program_of_a_lab_reads_what_moves_leave(tmp_path: Path, lab: str, way: str) -> None:
    read, document = LABS[lab]
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps(document, indent=2))
    commits, state = WAYS[way]
    with closing(taskdeck_store.open_store(str(path))) as store:
        task_id = store.tasks()[0].id
        for actions in commits:
            outcomes = store.apply([command(task_id, action, actor="ada") for action in actions])
            refusals = [outcome.refusal for outcome in outcomes if outcome.refusal is not None]
            if lab in NO_REVIEW and actions == (Action.SUBMIT,):
                assert "review; step, or complete_task of MCP, takes it to completed at once" in refusals[0].message
                state = State.IN_PROGRESS
            else:
                assert refusals == []
        assert (State.REVIEW in store.limits.lacks) is (lab in NO_REVIEW)
        assert verify(store).is_sound
    before = document if isinstance(document, list) else document["tasks"]
    after = json.loads(path.read_text())
    after = after if isinstance(after, list) else after["tasks"]
    assert [list(task) for task in after] == [list(task) for task in before]
    assert read(path) == {task_id: state.value, str(before[1]["id"]): "pending"}


@pytest.mark.parametrize("lab", NO_REVIEW)
def test_a_file_that_has_a_review_already_is_from_a_program_that_knows_it(tmp_path: Path, lab: str) -> None:
    _, document = LABS[lab]
    reviewed = [{**document["tasks"][0], "status": "review"}, *document["tasks"][1:]]
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps({**document, "tasks": reviewed}))
    with closing(taskdeck_store.open_store(str(path))) as store:
        task_id = store.tasks()[0].id
        for action in (Action.START, Action.SUBMIT):
            (outcome,) = store.apply([command(task_id, action, actor="ada")])
            assert outcome.refusal is None
