"""From a key to commands: which tasks an action is meant for, as the operator saw them, and which it is legal for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from taskdeck_store.limits import NONE, Limits
from taskdeck_store.machine import RULES, STEP, Command, command, new_operation, said, why_illegal
from taskdeck_store.reach import forward, stepping, why_unable
from taskdeck_store.values import Action, Card, State

STEP_ACTION = "step"
"""The name of the key that does a state's next forward action; no action of the table itself."""


def action_for(name: str, state: State) -> Action | None:
    """Return the action that a key of this name does to a task in a state; None where step has none."""
    return STEP.get(state) if name == STEP_ACTION else Action(name)


def legal(cards: Iterable[Card], limits: Limits = NONE) -> frozenset[str]:
    """Return the names of the keys that at least one of the tasks can be moved by, `step` among them."""
    states = {card.state for card in cards}
    rules = (rule for rule in RULES.values() if rule.target and states & set(rule.sources))
    names = {str(rule.action) for rule in rules if why_unable(rule.action, limits) is None}
    return frozenset(names | {STEP_ACTION} if any(forward(state, limits) for state in states) else names)


def why_not(name: str, card: Card, limits: Limits = NONE) -> str:
    """Return why a key does nothing to a task, in a sentence."""
    action = action_for(name, card.state)
    if action is None:
        return f"cannot step {card.id}: it is {said(card.state)}, and there is no step forward from there"
    unable = why_unable(action, limits) if card.state in RULES[action].sources else None
    return why_illegal(card.id, action, card.state) if unable is None else f"cannot {action} {card.id}: {unable}"


def commands(name: str, cards: Sequence[Card], *, actor: str, note: str | None, limits: Limits = NONE) -> list[Command]:
    """Return the commands for each task, on the version the operator saw; several tasks share a group.

    A step takes more than one where a format lacks the state between them. A task that step has no action for gets the
    forward action of a started one, so that the store says why not.
    """
    group = new_operation() if len(cards) > 1 else None
    found: list[Command] = []
    for each in cards:
        step = stepping(each, limits, actor=actor, note=note, expect=each.version, group=group)
        if name == STEP_ACTION and step:
            found += step
            continue
        action = action_for(name, each.state) or Action.SUBMIT
        found.append(command(each.id, action, actor=actor, note=note, expect=each.version, group=group))
    return found
