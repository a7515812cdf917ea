"""The columns of a board from tasks in memory: sorted when first asked for, kept sorted as tasks change."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import TypeAlias

from taskdeck_store.cards import card_of
from taskdeck_store.contract import Key, Order, Tally, Window, key
from taskdeck_store.values import State, Task

_FEW = 8
"""Below one in so many, changed tasks are put in their new places one by one; above, columns are sorted anew."""


Placed: TypeAlias = tuple[State, tuple[int, str, str]]
"""Where a task stands: its column, and its place there by priority."""


def placed(task: Task) -> Placed:
    """Return where a task stands."""
    return task.state, (task.priority, task.state_since or "", task.id)


class Columns:
    """Sorted columns of tasks which their owner changes; `moved` must be told of every change.

    `placed` tells where all tasks stand, and `shown` returns the task of an id.
    """

    def __init__(self, placed: Callable[[], Iterable[Placed]], shown: Callable[[str], Task]) -> None:
        self._placed = placed
        self._shown = shown
        self._sorted: dict[tuple[State, bool], list[Key]] = {}
        self._oldest: dict[State, str | None] = {}

    def moved(self, changed: Sequence[tuple[Task | None, Task | None]]) -> None:
        """Take in what became of changed tasks: each before and after, None where there is none."""
        if len(changed) * _FEW > sum(map(len, self._sorted.values())):
            self._sorted.clear()
            self._oldest.clear()
            return
        for before, after in changed:
            self._age(before, after)
        for (state, by_priority), places in self._sorted.items():
            order = Order.PRIORITY if by_priority else Order.OLDEST
            for before, after in changed:
                if before is not None and before.state is state:
                    del places[bisect_left(places, key(before, order))]
                if after is not None and after.state is state:
                    insort(places, key(after, order))

    def tallies(self) -> Mapping[State, Tally]:
        """Return the tally of every state."""
        tallies = {}
        for state in State:
            places = self._places(state, Order.PRIORITY)
            if state not in self._oldest:
                self._oldest[state] = min([str(place[1]) for place in places if place[1]], default=None)
            tallies[state] = Tally(len(places), self._oldest[state])
        return tallies

    def window(self, state: State, order: Order, start: int | Key, before: int, limit: int) -> Window:
        """Return the cards around a rank or a place of a column."""
        places = self._places(state, order)
        count = len(places)
        if isinstance(start, int):
            rank = min(max(0, start), count)
        elif order is Order.NEWEST:
            rank = count - bisect_right(places, start)
        else:
            rank = bisect_left(places, start)
        first, last = max(0, rank - max(0, before)), min(count, rank + max(0, limit))
        shown = places[count - last : count - first][::-1] if order is Order.NEWEST else places[first:last]
        return Window(state=state, first=first, cards=tuple(card_of(self._shown(str(place[-1]))) for place in shown))

    def tasks(self, limit: int | None = None) -> Iterator[Task]:
        """Yield tasks by state, priority, state_since and id."""
        return islice(chain.from_iterable(map(self.column, State)), limit)

    def column(self, state: State) -> Iterator[Task]:
        """Yield the tasks of a state by priority, state_since and id, each made when it is come to."""
        return (self._shown(str(place[-1])) for place in self._places(state, Order.PRIORITY))

    def _age(self, before: Task | None, after: Task | None) -> None:
        """Take in since when the oldest of a column is in it; where the oldest goes, that is looked for anew."""
        if before is not None and before.state_since and before.state_since == self._oldest.get(before.state):
            self._oldest.pop(before.state, None)
        if after is not None and after.state_since and after.state in self._oldest:
            self._oldest[after.state] = min(after.state_since, self._oldest[after.state] or after.state_since)

    def _places(self, state: State, order: Order) -> list[Key]:
        """Return the places of a column, upwards for every order."""
        by_priority = order is Order.PRIORITY
        if (state, by_priority) not in self._sorted:
            self._sort(by_priority)
        return self._sorted[state, by_priority]

    def _sort(self, by_priority: bool) -> None:
        columns: dict[State, list[Key]] = {state: [] for state in State}
        for state, place in self._placed():
            columns[state].append(place if by_priority else place[1:])
        for state, places in columns.items():
            places.sort()
            self._sorted[state, by_priority] = places
