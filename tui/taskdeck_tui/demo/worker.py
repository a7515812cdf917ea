"""The demo's team at work, in a process of its own: ``python -m taskdeck_tui.demo.worker STORE``.

It begins when a line comes on its standard input, and ends when that input ends: so it cannot outlive its parent,
however that one ends.
"""

from __future__ import annotations

import sys
import threading
from argparse import ArgumentParser
from random import Random

from taskdeck_store import Order, State, Store, StoreError, clock, open_store
from taskdeck_store.recovery import release_overdue
from taskdeck_tui.demo import team

_PAUSE = (0.7, 1.5)
_LOOK = 60


def main(arguments: list[str] | None = None) -> int:
    """Work until the standard input ends, then remove the folder named by ``--remove``, if one is."""
    parser = ArgumentParser(prog="python -m taskdeck_tui.demo.worker")
    parser.add_argument("store")
    parser.add_argument("--tasks", type=int, required=True, help="about how many tasks the store has")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--remove", metavar="FOLDER", help="remove this folder at the end")
    given = parser.parse_args(arguments)
    try:
        if sys.stdin.readline():
            end = threading.Event()
            threading.Thread(target=_watch_input, args=(end,), daemon=True).start()
            work(given.store, tasks=given.tasks, random=Random(f"live {given.seed}"), end=end)
    finally:
        if given.remove:
            import shutil

            shutil.rmtree(given.remove, ignore_errors=True)
    return 0


def work(address: str, *, tasks: int, random: Random, end: threading.Event) -> None:
    """Make a move in the store at an address about every second, until `end` is set.

    A store that cannot be read or written for a while is tried again at the next move.
    """
    store: Store | None = None
    number: int | None = None
    try:
        while not end.wait(random.uniform(*_PAUSE)):
            try:
                store = store or open_store(address)
                if number is None:
                    release_overdue(store, actor=team.PLANNER, now=clock.utc_now())
                    number = sum(tally.count for tally in store.counts().values())
                number += _move(store, team.targets(tasks), number, random)
            except StoreError:
                if store is not None:
                    store.close()
                store = None
    finally:
        if store is not None:
            store.close()


def _move(store: Store, targets: team.Targets, number: int, random: Random) -> int:
    choice = team.choose(_situation(store), targets, random)
    if choice.task is None:
        store.apply([team.added(number, random)])
        return 1
    task = store.get(choice.task.id)
    if task is not None and task.version == choice.task.version:
        store.apply([team.commanded(choice, task, random)])
    return 0


def _situation(store: Store) -> team.Situation:
    with store.reading():
        counts = store.counts()
        pending = store.window(State.PENDING, Order.PRIORITY, limit=_LOOK).cards
        working = store.window(State.IN_PROGRESS, Order.OLDEST, limit=_LOOK).cards
        review = store.window(State.REVIEW, Order.OLDEST, limit=_LOOK).cards
        failed = store.window(State.FAILED, Order.OLDEST, limit=_LOOK).cards
    return team.Situation(
        pending=pending,
        working=[card for card in working if card.owner in team.AGENTS],
        review=review,
        failed=failed,
        pending_count=counts[State.PENDING].count,
        review_count=counts[State.REVIEW].count,
        failed_count=counts[State.FAILED].count,
    )


def _watch_input(end: threading.Event) -> None:
    sys.stdin.read()
    end.set()


if __name__ == "__main__":
    sys.exit(main())
