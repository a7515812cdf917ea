"""Why a format cannot hold what a command asks, as a refusal."""

from __future__ import annotations

from collections.abc import Sequence

from taskdeck_store.contract import Outcome
from taskdeck_store.limits import Limits
from taskdeck_store.machine import Code, Command, Refusal
from taskdeck_store.reach import why_unable
from taskdeck_store.values import Action


def not_done(kind: str, limits: Limits, command: Command) -> Refusal | None:
    """Return why a command cannot be done in a format, whatever its task; None where it may be."""
    why = limits.refuses.get(command.action)
    if why is None and command.action in (Action.ADD, Action.EDIT):
        unkept = [
            name for name, value in command.fields.items() if name not in limits.fields and value not in (None, "")
        ]
        why = f"{kind} keeps no {unkept[0]}" if unkept else None
    return None if why is None else _refusal(command, why)


def not_held(limits: Limits, outcomes: Sequence[Outcome]) -> dict[int, Refusal]:
    """Return, by the numbers of the outcomes, which commands would leave a task in a state that a format lacks.

    What passes through such a state in the same commit is not left there.
    """
    last = {outcome.command.task_id: outcome for outcome in outcomes if outcome.event is not None}
    refused: dict[int, Refusal] = {}
    for number, outcome in enumerate(outcomes):
        end = last.get(outcome.command.task_id)
        if outcome.event is None or outcome.repeated or end is None or end.event is None:
            continue
        state = end.event.to_state
        if state is not None and state in limits.lacks and end.event.from_state is not state:
            action = Action(end.event.action)
            refused[number] = _refusal(outcome.command, why_unable(action, limits) or limits.lacks[state])
    return refused


def _refusal(command: Command, why: str) -> Refusal:
    return Refusal(code=Code.ILLEGAL, message=f"cannot {command.action} {command.task_id}: {why}")
