"""Which tasks are selected: a set of cards that follows its tasks, and a range that follows the cursor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from taskdeck_store.contract import Key, Order, key
from taskdeck_store.query.terms import Query
from taskdeck_store.values import Card, State
from taskdeck_tui.model.view import View


class Selection(Struct, frozen=True):
    """The selected tasks by id, each as it was last seen in the state it was selected in.

    One that moved to another state stays as it was: what was meant for it there is not meant for it here, and the
    store refuses it as a conflict.
    """

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
        fresh = {card.id: card for card in cards if card.id in self.cards and card.state is self.cards[card.id].state}
        return Selection({**self.cards, **fresh}) if fresh else self

    def told(self, cards: Iterable[Card]) -> Selection:
        """Return the selection with how the selected are by now, of which the operator was told one by one."""
        fresh = {card.id: card for card in cards if card.id in self.cards}
        return Selection({**self.cards, **fresh}) if fresh else self

    def without(self, ids: Iterable[str]) -> Selection:
        """Return the selection without some ids."""
        gone = set(ids)
        return Selection({each: card for each, card in self.cards.items() if each not in gone})


class Range(Struct, frozen=True, kw_only=True):
    """A run of one column's tasks, from where it began to where the operator moved the cursor last.

    `reached` holds each task that the cursor passed, with its place at that moment: it stays in the range though it
    leaves the column, and goes when the cursor goes back over that place. What comes into the column behind the
    cursor is no part of it. `before` holds the ids that were selected when the range began.
    """

    state: State
    order: Order
    query: Query
    start: Key
    end: Key
    reached: Mapping[str, Key]
    before: frozenset[str]

    @staticmethod
    def begun(view: View, card: Card, selected: Selection) -> Range:
        """Return the range of one card of the focused column."""
        column = view.column
        place = key(card, column.order)
        return Range(
            state=column.state,
            order=column.order,
            query=view.query,
            start=place,
            end=place,
            reached={card.id: place},
            before=frozenset(selected.cards),
        )

    def runs_in(self, view: View) -> bool:
        """Tell whether the cursor is in the column of the range, as it was sorted and filtered then."""
        return (view.column.state, view.column.order, view.query) == (self.state, self.order, self.query)

    def stretch(self, end: Key) -> tuple[Key, Key]:
        """Return the places between which the cursor passes when it goes to `end`."""
        low, high = sorted((self.start, end))
        if low <= self.end <= high:
            return self.end, end
        return (end, end) if _between(self.start, end, self.end) else (self.start, end)

    def reaching(self, end: Key, passed: Iterable[Card]) -> Range:
        """Return the range with the cursor at another place; `passed` are the cards of the stretch to there."""
        reached = {each: place for each, place in self.reached.items() if _between(self.start, place, end)}
        reached.update({card.id: key(card, self.order) for card in passed})
        return replace(self, end=end, reached=reached)

    def following(self, held: Card) -> Range:
        """Return the range with its end where the task at its end has gone within the column, as the cursor did."""
        place = key(held, self.order)
        if place == self.end or self.reached.get(held.id) != self.end:
            return self
        return replace(self, end=place, reached={**self.reached, held.id: place})

    def left_behind(self, after: Range | None) -> frozenset[str]:
        """Return the ids that were selected for this range alone, and are no part of the one after it."""
        return frozenset(self.reached) - self.before - (after.reached.keys() if after is not None else frozenset())


def _between(one: Key, place: Key, other: Key) -> bool:
    low, high = sorted((one, other))
    return low <= place <= high
