"""How far a format reaches: which moves of the transition table can be made in it, and which go together."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import count

from taskdeck_store.contract import Outcome
from taskdeck_store.limits import Limits
from taskdeck_store.machine import RULES, STEP, Code, Command, Refusal, command, said
from taskdeck_store.validity import wrong_field
from taskdeck_store.values import Action, Card, Json, State, Task


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
    way = "; step, or complete_task of MCP, takes it to completed at once" if target is State.REVIEW else ""
    return f"it would be {said(target)} then, and {limits.lacks[target]}{way}"


def why_no_debugging(limits: Limits) -> str | None:
    """Return why work cannot be stepped by hand in a format, as a clause and what to do; None where it can."""
    if State.REVIEW not in limits.lacks:
        return None
    why = f"between two steps a result waits in review, and {limits.lacks[State.REVIEW]}"
    return f"{why}; taskdeck run works on its tasks"


def working(limits: Limits, *, verifies: bool) -> Sequence[str]:
    """Return, a clause each, what becomes of work where a format lacks a way for it.

    `verifies` tells whether the worker looks at results itself.
    """
    told = []
    no_release = limits.refuses.get(Action.RELEASE)
    no_fail = limits.refuses.get(Action.FAIL) or limits.lacks.get(State.FAILED)
    if State.REVIEW in limits.lacks and not verifies:
        told.append(f"{limits.lacks[State.REVIEW]}, so that what is done is completed, and waits for nobody's verdict")
    if no_release is not None and no_fail is not None:
        told.append(f"nothing can be given back or failed ({no_release}), so that what fails stays in progress")
    elif no_release is not None:
        told.append(f"nothing can be given back ({no_release}), so that what fails is not tried again")
    elif no_fail is not None:
        told.append(
            f"nothing can be failed ({no_fail}), so that what fails for good goes back to the queue for a while"
        )
    return told


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


def not_done(kind: str, limits: Limits, command: Command) -> Refusal | None:
    """Return why a command cannot be done in a format, whatever its task; None where it may be."""
    why = limits.refuses.get(command.action)
    if why is None and command.action in (Action.ADD, Action.EDIT):
        given = command.fields.items()
        why = next(filter(None, (why_unset(kind, limits, name, value) for name, value in given)), None)
    return None if why is None else refusal(command, why)


def why_unset(kind: str, limits: Limits, name: str, value: Json) -> str | None:
    """Return why no task of a format can be given a value of a field, as a clause; None where one can."""
    if value in (None, "", [], ()):
        return None
    if name not in limits.fields:
        return f"{kind} keeps no {name}"
    if name in limits.fixed:
        return limits.fixed[name]
    words = limits.only.get(name)
    if words is None or value in words.values() or wrong_field(name, value) is not None:
        return None
    known = ", ".join(f"{word} ({number})" for word, number in words.items())
    return f"its {name} can be {known}, and no other"


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
            refused[number] = refusal(outcome.command, why_unable(action, limits) or limits.lacks[state])
    return refused


def new_ids(limits: Limits) -> Iterator[str]:
    """Yield ids for tasks that are to be added: each 48 random bits, or the numbers that the format wants next."""
    if limits.next_id is not None:
        yield from map(str, count(limits.next_id))
    while True:
        yield f"t-{os.urandom(6).hex()}"


def refusal(command: Command, why: str) -> Refusal:
    """Return the refusal of a command that a format has no place for, for a reason that is a clause."""
    return Refusal(code=Code.ILLEGAL, message=f"cannot {command.action} {command.task_id}: {why}")
