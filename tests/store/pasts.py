"""What a store was, worked out the slow way: by a fold of the first events, and sorting."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from taskdeck_store import Card, Event, Order, State, Task
from taskdeck_store.cards import card_of
from taskdeck_store.contract import Tally, key
from taskdeck_store.past import UNTOLD, Past
from taskdeck_store.replay import after


def folded(events: Sequence[Event]) -> dict[str, Task]:
    """Return all tasks after these events, by their ids."""
    tasks: dict[str, Task] = {}
    stood: dict[str, State | None] = {}
    for event in events:
        task = after(tasks.pop(event.task_id, None), event)
        if task is not None:
            tasks[task.id] = task
        stood[event.task_id] = event.to_state or event.from_state
    for task in list(tasks.values()):
        blocked = sum(stood.get(other) is not State.COMPLETED for other in task.depends_on)
        tasks[task.id] = replace(task, blocked=blocked)
    return tasks


def shown(past: Past, task: Task) -> Card:
    """Return a task's card, which says so where the log does not tell the title."""
    card = card_of(task)
    return card if card.title or not past.is_headless(task.id) else replace(card, title=UNTOLD)


def check(past: Past, events: Sequence[Event]) -> None:
    """Check all that a past tells of its position against a fold of that many events."""
    happened = events[: past.position]
    tasks = folded(happened)
    assert past.event() == (happened[-1] if happened else None)
    for state in State:
        column = [task for task in tasks.values() if task.state is state]
        known = [task.state_since for task in column if task.state_since is not None]
        assert past.counts()[state] == Tally(len(column), min(known, default=None))
        for order in Order:
            cards = [
                shown(past, task)
                for task in sorted(column, key=lambda task: key(task, order), reverse=order is Order.NEWEST)
            ]
            assert list(past.window(state, order).cards) == cards
            for rank, card in enumerate(cards):
                assert past.place(card.id, dict.fromkeys(State, order)) == (state, rank)
                window = past.window(state, order, start=key(card, order), before=1, limit=2)
                assert window.first == max(0, rank - 1)
                assert list(window.cards) == cards[window.first : rank + 2]
    ordered = sorted(tasks.values(), key=lambda task: (list(State).index(task.state), key(task, Order.PRIORITY)))
    assert list(past.tasks()) == ordered
    for task in ordered:
        assert past.get(task.id) == task
    for task_id in {event.task_id for event in events} - tasks.keys():
        assert past.place(task_id, dict.fromkeys(State, Order.OLDEST)) is None
        assert past.get(task_id) is None
