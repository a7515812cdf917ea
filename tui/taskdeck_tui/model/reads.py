"""What the screen asks of a store now and then, beside the looks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from taskdeck_store.contract import Key, Order, Store, key
from taskdeck_store.query.terms import Query
from taskdeck_store.values import Card, Event, State
from taskdeck_tui.model.look import STATES

if TYPE_CHECKING:
    from taskdeck_store.query.complete import Vocabulary

Read: TypeAlias = Callable[[Store], Sequence[Card]]

_RUN = 500
"""How many cards are read at a time."""

_HISTORY = 1_000
"""How many of the newest events the throughput begins with."""


def history(store: Store) -> Sequence[Event]:
    """Return the newest events, oldest of them first."""
    return store.events(limit=_HISTORY, newest=True)


def matching(store: Store, query: Query) -> list[Card]:
    """Return the cards of exactly the tasks that match at this moment."""
    with store.reading():
        tallies = store.counts(query)
        return [
            card
            for state in STATES
            if tallies[state].count
            for card in store.window(state, Order.OLDEST, limit=tallies[state].count, query=query).cards
        ]


def between(store: Store, state: State, order: Order, query: Query, one: Key, other: Key) -> list[Card]:
    """Return the cards of a column from one place to another, both included."""
    downwards = order is Order.NEWEST
    start, end = sorted((one, other), reverse=downwards)
    cards: list[Card] = []
    with store.reading():
        while True:
            window = store.window(state, order, start=start, limit=_RUN, query=query)
            for card in window.cards:
                place = key(card, order)
                if (place < end) if downwards else (place > end):
                    return cards
                if not cards or card.id != cards[-1].id:
                    cards.append(card)
            if len(window.cards) < _RUN:
                return cards
            start = key(window.cards[-1], order)


def vocabulary(store: Store) -> Vocabulary:
    """Return the tags and owners at present, of a bounded part of each column."""
    from taskdeck_store.query.complete import Vocabulary

    tags: Counter[str] = Counter()
    owners: set[str] = set()
    with store.reading():
        for state in STATES:
            for card in store.window(state, Order.NEWEST, limit=_RUN).cards:
                tags.update(card.tags)
                owners.update([card.owner] if card.owner else [])
    return Vocabulary(tags=tuple(tag for tag, _ in tags.most_common()), owners=tuple(sorted(owners)))
