"""The demo store's past: the team's moves of the last hours, committed through the library at times of their own."""

from __future__ import annotations

from bisect import insort
from random import Random

from taskdeck_store import clock
from taskdeck_store.address import create_store, open_store
from taskdeck_store.machine import Command, Transition, transition
from taskdeck_store.values import State, Task, Time
from taskdeck_tui.demo import team
from taskdeck_tui.demo.progress import Tell

_SECONDS = 5 * 3600.0
_SLOWING = 2.0
_COMMITS = 150
_DISTINCT = 300
_TOLD = 100


def build(address: str, *, tasks: int, seed: int, now: Time, tell: Tell = lambda _: None) -> None:
    """Make a store at an address, with so many tasks and their history up to a moment.

    The same `tasks`, `seed` and `now` make the same tasks and events. `tell` is called with how far it is. Raises
    StoreError when there is something at the address already, or no place for it.
    """
    moves = past(tasks, Random(seed), tell)
    create_store(address)
    moment = now
    store = open_store(address, now=lambda: moment)
    try:
        run = max(len(moves) // _COMMITS, 1)
        for first in range(0, len(moves), run):
            share = (len(moves) - first) / len(moves)
            moment = clock.plus(now, -_SECONDS * share**_SLOWING)
            tell(f"taskdeck demo: {first:,} of {len(moves):,} events committed")
            store.apply(moves[first : first + run], whole=True)
    finally:
        store.close()


def past(tasks: int, random: Random, tell: Tell = lambda _: None) -> list[Command]:
    """Return the team's moves, in order, from its first task to the `tasks`-th."""
    queue = _Queue()
    targets = team.targets(tasks)
    moves = []
    number = 0
    titles: set[str] = set()
    while number < tasks:
        choice = team.choose(queue.situation(), targets, random)
        if choice.task is None:
            move = team.added(number, random)
            while move.fields["title"] in titles and len(titles) < _DISTINCT:
                move = team.added(number, random)
            titles.add(move.fields["title"])
            number += 1
            if number % _TOLD == 0:
                tell(f"taskdeck demo: {number:,} of {tasks:,} tasks drawn")
        else:
            move = team.commanded(choice, queue.tasks[choice.task.id], random)
        queue.follow(move)
        moves.append(move)
    return moves


class _Queue:
    """The tasks as the moves so far have left them, in memory; those that are completed are forgotten."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self._in: dict[State, list[Task]] = {state: [] for state in State}

    def situation(self) -> team.Situation:
        pending, review, failed = self._in[State.PENDING], self._in[State.REVIEW], self._in[State.FAILED]
        return team.Situation(
            pending=pending,
            working=self._in[State.IN_PROGRESS],
            review=review,
            failed=failed,
            pending_count=len(pending),
            review_count=len(review),
            failed_count=len(failed),
        )

    def follow(self, move: Command) -> None:
        before = self.tasks.get(move.task_id)
        outcome = transition(before, move, "")
        assert isinstance(outcome, Transition), outcome
        if before is not None:
            self._in[before.state].remove(before)
        after = outcome.task
        if after.state is State.COMPLETED:
            del self.tasks[after.id]
            return
        self.tasks[after.id] = after
        if after.state is State.PENDING:
            insort(self._in[after.state], after, key=lambda task: task.priority)
        else:
            self._in[after.state].append(after)
