"""Moves against what a source holds: what they change, why one is refused, and how a file takes a new content."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.limits import Limits
from taskdeck_store.machine import Code, Refusal, changed_meanwhile, said, same
from taskdeck_store.replacement import Replacement
from taskdeck_store.source import Move
from taskdeck_store.sources import reading
from taskdeck_store.values import Json, State, Task


def differing(one: Task, other: Task, limits: Limits) -> list[str]:
    """Return the fields of a format in which two tasks differ."""
    return [name for name in limits.fields if not same(getattr(one, name), getattr(other, name))]


def asked(move: Move, now: Task, limits: Limits) -> list[str]:
    """Return the fields that a move is to change of a task: its state, and what its commands name."""
    names = {"state", *(name for command in move.commands for name in command.fields)}
    return [name for name in differing(now, move.task, limits) if name in names]


def why_not(move: Move, now: Task | None, limits: Limits) -> Refusal | None:
    """Return why a move cannot be carried out on a task as it stands (None: there is none); None where it can."""
    task = move.task
    lacking = limits.lacks.get(task.state)
    if lacking is not None and (now is None or task.state is not now.state):
        return Refusal(code=Code.ILLEGAL, message=f"{task.id} cannot become {said(task.state)}: {lacking}")
    for command in move.commands:
        reason = limits.refuses.get(command.action)
        if reason is not None:
            return Refusal(code=Code.ILLEGAL, message=f"cannot {command.action} {task.id}: {reason}")
    if move.seen is None:
        message = f"there is a task {task.id} by now; look at it, then choose another id"
        return None if now is None else Refusal(code=Code.CONFLICT, message=message)
    if now is None:
        return Refusal(code=Code.CONFLICT, message=f"there is no task {task.id} any more; nothing was changed")
    return changed_meanwhile(now, None) if differing(now, move.seen, limits) else None


def invalid(task_id: str, message: str) -> Refusal:
    """Return the refusal of what a format cannot say."""
    return Refusal(code=Code.INVALID, message=f"cannot write {task_id}: {message}")


def word_of(state: State, words: Mapping[str, State]) -> str:
    """Return the format's first word for a state that it has."""
    return next(word for word, other in words.items() if other is state)


def number_word(number: Json, words: Mapping[str, int]) -> str | None:
    """Return the word for a priority; None where there is none."""
    return next((word for word, other in words.items() if other == number), None)


def put(path: Path, content: bytes, expected: bytes, keep: Callable[[], None]) -> bool:
    """Put a content in the place of a file, durably; False, with nothing changed, where it did not hold `expected`.

    `keep` is called right before. Raises StoreError.
    """
    replacement = Replacement(path)
    try:
        try:
            replacement.write(content)
            keep()
            return replacement.put(expected)
        finally:
            replacement.discard()
    except FileNotFoundError as error:
        raise StoreError(Fault.MISSING, f"{reading.said(path)} has gone; nothing was changed") from error
    except OSError as error:
        raise reading.unwritable(path, error) from error
