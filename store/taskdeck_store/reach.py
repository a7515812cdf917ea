"""How far a format reaches: which moves of the transition table can be made in it, and which go together."""

from __future__ import annotations

from collections.abc import Sequence

from taskdeck_store.limits import Limits
from taskdeck_store.machine import RULES, STEP, Command, command, said
from taskdeck_store.values import Action, Card, State, Task


def forward(state: State, limits: Limits) -> tuple[Action, ...]:
    """Return the actions that take a task one step forward from a state: more than one where a format lacks the state
    between them; none where there is no way.
    """
    actions: list[Action] = []
    at: State | None = state
    while at is not None and at in STEP:
        action = STEP[at]
        if action in limits.refuses:
            return ()
        actions.append(action)
        at = RULES[action].target
        if at not in limits.lacks:
            return tuple(actions)
    return ()


def why_unable(action: Action, limits: Limits) -> str | None:
    """Return why an action by itself can never be done in a format, as a clause; None where it can."""
    target = RULES[action].target
    if action in limits.refuses:
        return limits.refuses[action]
    if target is None or target not in limits.lacks:
        return None
    way = "; step takes it to completed at once" if target is State.REVIEW else ""
    return f"it would be {said(target)} then, and {limits.lacks[target]}{way}"


def stepping(
    task: Card | Task, limits: Limits, *, actor: str, note: str | None, expect: str | None, group: str | None
) -> Sequence[Command]:
    """Return the commands of one step forward, for one commit; none where there is none. `expect` is the version that
    the first of them is for.
    """
    actions = forward(task.state, limits)
    return [
        command(task.id, action, actor=actor, note=note, expect=expect if number == 0 else None, group=group)
        for number, action in enumerate(actions)
    ]
