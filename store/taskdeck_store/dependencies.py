"""What a task may depend on: tasks that are there, and never in a circle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from msgspec.structs import replace

from taskdeck_store.machine import Code, Command, Refusal
from taskdeck_store.validity import wrong_field
from taskdeck_store.values import State, Task

Find: TypeAlias = Callable[[str], Sequence[str] | None]
"""Returns the ids of the tasks that a task depends on; None where it is not there."""

Stands: TypeAlias = Callable[[str], State | None]
"""Returns where a task stands, or where it last stood; None where it never was there."""

_LONGEST = 8
"""So many tasks of a circle are named."""


def refused(command: Command, task: Task | None, find: Find, is_needed: Callable[[str], bool]) -> Refusal | None:
    """Return why a task may not depend on what a command says, as the other tasks stand; None where it may.

    `is_needed` tells whether any task depends on one; where none does, only the task itself can close a circle.

    What it depends on already may have left the store since. What is no list of ids at all is not looked at.
    """
    given = command.fields.get("depends_on")
    if given is None or wrong_field("depends_on", given) is not None:
        return None
    had = () if task is None else task.depends_on
    new = (other for other in given if other not in had and other != command.task_id)
    missing = next((other for other in new if find(other) is None), None)
    if missing is not None:
        message = f"there is no task {missing} to depend on; add it first"
        return Refusal(code=Code.INVALID, message=f"cannot {command.action} {command.task_id}: {message}")
    is_circle = command.task_id in given or is_needed(command.task_id)
    circle = _circle(command.task_id, given, find) if is_circle else None
    if circle is None:
        return None
    named = circle if len(circle) <= _LONGEST else [*circle[: _LONGEST - 1], "…", circle[-1]]
    message = f"it would wait for itself, by {' → '.join(named)}"
    return Refusal(code=Code.INVALID, message=f"cannot {command.action} {command.task_id}: {message}")


def unmet(depends_on: Sequence[str], stands: Stands) -> int:
    """Return how many of some tasks are not completed, as they stand."""
    return sum(stands(other) is not State.COMPLETED for other in depends_on)


def standing(task: Task, stands: Stands) -> Task:
    """Return a task with the number of tasks that it is blocked by, as they stand."""
    return replace(task, blocked=unmet(task.depends_on, stands)) if task.depends_on else task


def in_circles(depends_on: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """Return the ids of tasks that wait for themselves, and of those between two such, given what each depends on."""
    left = {task_id: frozenset(others) for task_id, others in depends_on.items() if others}
    for neighbours in (left, _reversed(left)):
        counts = {task_id: len(neighbours.get(task_id, frozenset()) & left.keys()) for task_id in left}
        backwards = _reversed({task_id: neighbours.get(task_id, frozenset()) for task_id in left})
        free = [task_id for task_id, count in counts.items() if not count]
        while free:
            done = free.pop()
            del left[done]
            for other in backwards.get(done, ()):
                if other in counts:
                    counts[other] -= 1
                    if not counts[other]:
                        free.append(other)
    return frozenset(left)


def _reversed(edges: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    backwards: dict[str, set[str]] = {}
    for task_id, others in edges.items():
        for other in others:
            backwards.setdefault(other, set()).add(task_id)
    return backwards


def _circle(task_id: str, depends_on: Sequence[str], find: Find) -> list[str] | None:
    """Return the way from a task by what it depends on back to itself; None where there is none."""
    came_from: dict[str, str] = {}
    ahead = [(other, task_id) for other in depends_on]
    while ahead:
        at, before = ahead.pop()
        if at in came_from:
            continue
        came_from[at] = before
        if at == task_id:
            return _way(came_from, task_id)
        ahead += [(other, at) for other in find(at) or ()]
    return None


def _way(came_from: Mapping[str, str], task_id: str) -> list[str]:
    way = [task_id]
    while (before := came_from[way[-1]]) != task_id:
        way.append(before)
    return [task_id, *way[:0:-1], task_id]
