"""What is committed for what came of a part: pure functions from the end of the work to a command."""

from __future__ import annotations

from taskdeck_store.limits import NONE, Limits
from taskdeck_store.machine import Command, command
from taskdeck_store.reach import why_unable
from taskdeck_store.recovery import overdue_note
from taskdeck_store.values import Action, Claim, Json, State, Task, Time
from taskdeck_store.worker.part import Ended, Part


def closing(
    part: Part,
    task: Task,
    ended: Ended,
    claim: Claim | None,
    *,
    actor: str,
    lease: Time | None,
    again: Time | None,
    limits: Limits = NONE,
) -> tuple[Command, ...]:
    """Return the commands for what came of a part, which go together.

    A result is handed in with a `lease` to look at it, or with None; what goes back to the queue is left there until
    `again`. Without a `claim`, it is for the task as it was seen. Where the format has no review, a task that was
    worked on, or a result that was looked at meanwhile, is handed in and completed at once.
    """
    is_reviewed = State.REVIEW not in limits.lacks
    if ended.error is None and ended.verdict:
        if part is Part.VERIFY and is_reviewed:
            return (_held(task, Action.APPROVE, claim, actor),)
        result = ended.result if part is Part.WORK else task.result
        submit = _held(task, Action.SUBMIT, claim, actor, result=result, lease_until=lease if is_reviewed else None)
        return (submit,) if is_reviewed else (submit, command(task.id, Action.APPROVE, actor=actor))
    why = ended.error or ended.reason or "verify said no"
    back = Action.REJECT if part is Part.VERIFY and is_reviewed else Action.RELEASE
    if fails(back, limits, is_over=ended.final or is_last(task)):
        return (_held(task, Action.FAIL, claim, actor, error=why),)
    return (_held(task, back, claim, actor, note=why, not_before=again),)


def stopped(task: Task, claim: Claim, *, actor: str) -> Command:
    """Return the command that gives back what a worker was at when it was stopped, also after the last attempt."""
    return _held(task, Action.RELEASE, claim, actor, note="the worker was stopped")


def recovered(task: Task, *, actor: str, now: Time, again: Time | None, limits: Limits = NONE) -> Command:
    """Return the command for a task whose lease has run out: an attempt in vain, as it may have killed its worker."""
    why = overdue_note(task)
    action = Action.REJECT if task.state is State.REVIEW else Action.RELEASE
    if fails(action, limits, is_over=is_last(task)):
        error = f"{why}; it was the last attempt" if is_last(task) else why
        return command(task.id, Action.FAIL, actor=actor, expect=task.version, overdue_at=now, error=error)
    return command(task.id, action, actor=actor, expect=task.version, overdue_at=now, note=why, not_before=again)


def fails(back: Action, limits: Limits, *, is_over: bool) -> bool:
    """Tell whether an attempt in vain fails the task, and does not send it `back`: when it `is_over` for good, as far
    as the format has a way for the one and the other.
    """
    return why_unable(Action.FAIL, limits) is None and (is_over or why_unable(back, limits) is not None)


def is_last(task: Task) -> bool:
    """Tell whether a task is not to be tried again after this attempt: it would have gone back as often as it may."""
    return task.attempts + 1 >= task.max_attempts


def _held(task: Task, action: Action, claim: Claim | None, actor: str, **given: Json) -> Command:
    seen = task.version if claim is None else None
    return command(task.id, action, actor=actor, claim=claim, expect=seen, **given)
