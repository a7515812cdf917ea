"""Moves of the tasks of a source, as a store would ask for them."""

from __future__ import annotations

from typing import Any

from taskdeck_store import Action, Refusal, Task, clock, command
from taskdeck_store.machine import transition
from taskdeck_store.source import Move, Source


def task_of(source: Source, task_id: str) -> Task:
    """Return a task as it is by now."""
    return next(task for task in source.look().tasks if task.id == task_id)


def move(task: Task | str, action: Action, *, at: str | None = None, note: str | None = None, **fields: Any) -> Move:
    """Return the move that an action makes of a task, or of nothing, by an id."""
    seen = task if isinstance(task, Task) else None
    task_id = task.id if isinstance(task, Task) else task
    asked = command(task_id, action, actor="ada", note=note, **fields)
    done = transition(seen, asked, at or clock.utc_now())
    assert not isinstance(done, Refusal), done
    return Move(commands=(asked,), seen=seen, task=done.task)


def do(source: Source, task: Task | str, action: Action, **fields: Any) -> Task:
    """Carry out an action, and return the task as the source has it then."""
    asked = move(task, action, **fields)
    assert source.carry_out([asked]) == {}
    return task_of(source, asked.task.id)
