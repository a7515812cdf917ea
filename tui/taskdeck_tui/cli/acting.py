"""The commands that move tasks: every action of the transition table by its name, and step."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import closing

from taskdeck_store import clock, open_store
from taskdeck_store.contract import Outcome, Store
from taskdeck_store.limits import Limits
from taskdeck_store.machine import (
    RULES,
    STEP,
    Code,
    Command,
    Refusal,
    actions_from,
    command,
    missing,
    new_operation,
    said,
)
from taskdeck_store.reach import stepping, why_unable
from taskdeck_store.values import Action, Json, Task
from taskdeck_tui.cli import parser
from taskdeck_tui.cli.actor import actor
from taskdeck_tui.cli.exits import Exit, UsageError
from taskdeck_tui.cli.outcomes import Told, tell
from taskdeck_tui.cli.output import Output

_MOVED_ON = (Code.CONFLICT, Code.NOT_FOUND)


def act(action: Action, options: Namespace, output: Output) -> Exit:
    """Ask one action of every task named, in one commit of those it is legal for."""
    if RULES[action].note_required and not (options.note or "").strip():
        raise UsageError(f"{action} needs a reason; give it with --note TEXT")
    return carry_out(
        action, options, {"result": options.result} if getattr(options, "result", None) is not None else {}, output
    )


def carry_out(action: Action, options: Namespace, fields: Mapping[str, Json], output: Output) -> Exit:
    """Ask an action, with values for fields, of every task named, in one commit of those it is legal for."""
    _one_version(options)
    sender = actor(options.actor)
    group = new_operation() if len(options.ids) > 1 else None
    commands = [
        command(task_id, action, actor=sender, note=options.note, expect=options.expect, group=group, **fields)
        for task_id in options.ids
    ]
    with closing(open_store(options.store)) as store:
        outcomes = store.apply(commands)
        output.mended(store.mended)
        return tell([told(outcome) for outcome in outcomes], output)


def release(options: Namespace, output: Output) -> Exit:
    """Release every task named, or with --overdue every task whose lease has run out."""
    if not options.overdue:
        if not options.ids:
            raise UsageError("name the IDs of the tasks to release, or --overdue for all whose lease has run out")
        return act(Action.RELEASE, options, output)
    if options.ids or options.expect is not None:
        raise UsageError("--overdue finds its tasks by itself; leave out the IDs and --expect, or leave out --overdue")
    from taskdeck_store.recovery import release_overdue

    sender = actor(options.actor)
    with closing(open_store(options.store)) as store:
        outcomes = release_overdue(store, actor=sender, now=clock.utc_now(), note=options.note)
    output.mended(store.mended)
    # Who got in between has made it a task that is not overdue.
    still = [outcome for outcome in outcomes if outcome.refusal is None or outcome.refusal.code not in _MOVED_ON]
    if not still and not output.json:
        output.line("no task is overdue")
        return Exit.DONE
    return tell([told(outcome) for outcome in still], output)


def step(options: Namespace, output: Output) -> Exit:
    """Ask the next forward action of every task named, if it is still as it was read: no task steps twice."""
    _one_version(options)
    sender = actor(options.actor)
    group = new_operation() if len(options.ids) > 1 else None
    with closing(open_store(options.store)) as store:
        planned = [plan for task_id in options.ids for plan in _plan(store, task_id, options, sender, group)]
        outcomes = iter(store.apply([plan for plan in planned if isinstance(plan, Command)]))
        output.mended(store.mended)
        return tell([told(next(outcomes)) if isinstance(plan, Command) else plan for plan in planned], output)


def told(outcome: Outcome) -> Told:
    """Return an outcome as it is told."""
    return Told(
        task_id=outcome.command.task_id,
        action=outcome.command.action,
        applied=outcome.event is not None,
        task=outcome.task,
        event=outcome.event,
        refusal=outcome.refusal,
        repeated=outcome.repeated,
    )


def _plan(
    store: Store, task_id: str, options: Namespace, sender: str, group: str | None
) -> Sequence[Command] | Sequence[Told]:
    task = store.get(task_id)
    if task is None:
        return [Told(task_id=task_id, action=parser.STEP, applied=False, refusal=missing(task_id))]
    expect = options.expect if options.expect is not None else task.version
    step = stepping(task, store.limits, actor=sender, note=options.note, expect=expect, group=group)
    if step:
        return step
    refusal = _no_step(task, store.limits)
    return [Told(task_id=task_id, action=parser.STEP, applied=False, task=task, refusal=refusal)]


def _no_step(task: Task, limits: Limits) -> Refusal:
    unable = why_unable(STEP[task.state], limits) if task.state in STEP else None
    if unable is not None:
        return Refusal(code=Code.ILLEGAL, message=f"cannot {STEP[task.state]} {task.id}: {unable}")
    others = " or ".join(actions_from(task.state))
    offer = f"from {said(task.state)} one can {others}" if others else f"{said(task.state)} is final"
    return Refusal(code=Code.ILLEGAL, message=f"cannot step {task.id}: it is {said(task.state)}; {offer}")


def _one_version(options: Namespace) -> None:
    if options.expect is not None and len(options.ids) > 1:
        raise UsageError("--expect is the version of one task; name one ID")
