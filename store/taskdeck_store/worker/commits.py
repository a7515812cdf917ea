"""What is committed for what came of a part: pure functions from the end of the work to a command."""

from __future__ import annotations

from taskdeck_store.machine import Command, command
from taskdeck_store.recovery import overdue_note
from taskdeck_store.values import Action, Claim, Json, State, Task, Time
from taskdeck_store.worker.part import Ended, Part


def closing(
    part: Part, task: Task, ended: Ended, claim: Claim | None, *, actor: str, lease: Time | None, again: Time | None
) -> Command:
    """Return the command for what came of a part.

    A result is handed in with a `lease` to look at it, or with None; what goes back to the queue is left there until
    `again`. Without a `claim`, it is for the task as it was seen.
    """
    if ended.error is not None and part is Part.WORK:
        if ended.final or is_last(task):
            return _held(task, Action.FAIL, claim, actor, error=ended.error)
        return _held(task, Action.RELEASE, claim, actor, note=ended.error, not_before=again)
    if part is Part.WORK:
        return _held(task, Action.SUBMIT, claim, actor, result=ended.result, lease_until=lease)
    if ended.verdict and ended.error is None:
        return _held(task, Action.APPROVE, claim, actor)
    why = ended.error or ended.reason or "verify said no"
    if ended.final or is_last(task):
        return _held(task, Action.FAIL, claim, actor, error=why)
    return _held(task, Action.REJECT, claim, actor, note=why, not_before=again)


def stopped(task: Task, claim: Claim, *, actor: str) -> Command:
    """Return the command that gives back what a worker was at when it was stopped, also after the last attempt."""
    return _held(task, Action.RELEASE, claim, actor, note="the worker was stopped")


def recovered(task: Task, *, actor: str, now: Time, again: Time | None) -> Command:
    """Return the command for a task whose lease has run out: an attempt in vain, as it may have killed its worker."""
    why = overdue_note(task)
    if is_last(task):
        error = f"{why}; it was the last attempt"
        return command(task.id, Action.FAIL, actor=actor, expect=task.version, overdue_at=now, error=error)
    action = Action.REJECT if task.state is State.REVIEW else Action.RELEASE
    return command(task.id, action, actor=actor, expect=task.version, overdue_at=now, note=why, not_before=again)


def is_last(task: Task) -> bool:
    """Tell whether a task is not to be tried again after this attempt: it would have gone back as often as it may."""
    return task.attempts + 1 >= task.max_attempts


def _held(task: Task, action: Action, claim: Claim | None, actor: str, **given: Json) -> Command:
    seen = task.version if claim is None else None
    return command(task.id, action, actor=actor, claim=claim, expect=seen, **given)
