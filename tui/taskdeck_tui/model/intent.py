"""From a key to commands: which tasks an action is meant for, as the operator saw them, and which it is legal for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from taskdeck_store.machine import RULES, STEP, Command, command, new_operation, said, why_illegal
from taskdeck_store.values import Action, Card, State

STEP_ACTION = "step"
"""The name of the key that does a state's next forward action; no action of the table itself."""


def action_for(name: str, state: State) -> Action | None:
    """Return the action that a key of this name does to a task in a state; None where step has none."""
    return STEP.get(state) if name == STEP_ACTION else Action(name)


def legal(cards: Iterable[Card]) -> frozenset[str]:
    """Return the names of the keys that at least one of the tasks can be moved by, `step` among them."""
    states = {card.state for card in cards}
    names = {str(rule.action) for rule in RULES.values() if rule.target and states & set(rule.sources)}
    return frozenset(names | {STEP_ACTION} if states & set(STEP) else names)


def why_not(name: str, card: Card) -> str:
    """Return why a key does nothing to a task, in a sentence."""
    action = action_for(name, card.state)
    if action is None:
        return f"cannot step {card.id}: it is {said(card.state)}, and there is no step forward from there"
    return why_illegal(card.id, action, card.state)


def commands(name: str, cards: Sequence[Card], *, actor: str, note: str | None) -> list[Command]:
    """Return a command for each task, on the version the operator saw; several share a group.

    A task that step has no action for gets the forward action of a started one, so that the store says why not.
    """
    group = new_operation() if len(cards) > 1 else None
    return [
        command(
            each.id,
            action_for(name, each.state) or Action.SUBMIT,
            actor=actor,
            note=note,
            expect=each.version,
            group=group,
        )
        for each in cards
    ]


class Selection(Struct, frozen=True):
    """The selected tasks by id, each as it was last seen on screen."""

    cards: Mapping[str, Card] = {}

    def __bool__(self) -> bool:
        return bool(self.cards)

    def toggled(self, card: Card) -> Selection:
        """Return the selection with a card added, or taken out."""
        cards = dict(self.cards)
        if cards.pop(card.id, None) is None:
            cards[card.id] = card
        return Selection(cards)

    def joined(self, cards: Iterable[Card]) -> Selection:
        """Return the selection with more cards."""
        return Selection({**self.cards, **{card.id: card for card in cards}})

    def seen(self, cards: Iterable[Card]) -> Selection:
        """Return the selection with what the screen shows by now of the selected."""
        fresh = {card.id: card for card in cards if card.id in self.cards}
        return Selection({**self.cards, **fresh}) if fresh else self

    def without(self, ids: Iterable[str]) -> Selection:
        """Return the selection without some ids."""
        gone = set(ids)
        return Selection({each: card for each, card in self.cards.items() if each not in gone})
