"""A look: what one commit of the store held of the part that is on screen, and how to ask for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from taskdeck_store.contract import Change, Key, Order, Pause, Store, Tally, Window, key
from taskdeck_store.limits import NONE, Limits
from taskdeck_store.query.terms import EVERYTHING, Query
from taskdeck_store.values import Event, State, Task, Time

STATES = tuple(State)

NATURAL: Mapping[State, Order] = {
    State.PENDING: Order.PRIORITY,
    State.IN_PROGRESS: Order.OLDEST,
    State.REVIEW: Order.PRIORITY,
    State.COMPLETED: Order.NEWEST,
    State.FAILED: Order.NEWEST,
}
"""The order that serves each column best: what is next in the queues, what is latest at the ends."""


class Place(Struct, frozen=True):
    """The part of a column to read: `limit` cards from a rank or key on, and `before` ahead of it."""

    start: int | Key = 0
    before: int = 0
    limit: int = 120


class Jump(Struct, frozen=True):
    """Put the cursor on a rank of a column when the look that was asked for arrives."""

    column: int
    row: int


class Wanted(Struct, frozen=True, kw_only=True):
    """What the screen needs of the next look.

    `held` is the id of the task under the cursor and its column, so that the look can follow it within the column.
    `followed` is the id of a task to read whole, with its events.
    """

    serial: int = 0
    query: Query = EVERYTHING
    orders: tuple[Order, ...] = tuple(NATURAL[state] for state in STATES)
    places: tuple[Place, ...] = tuple(Place() for _ in STATES)
    held: tuple[str, int] | None = None
    followed: str | None = None
    jump: Jump | None = None


class Look(Struct, frozen=True, kw_only=True):
    """What was read from one commit, at a moment of this machine's clock.

    `changes` is what was committed since the look before; `complete` is False where not all of it is told.
    `totals` are the tallies without the query. `damage` is what the store cannot read of itself any more,
    `mended` what it has finished or cleared away so far that had been left half done.
    """

    wanted: Wanted
    at: Time
    cursor: str
    tallies: Mapping[State, Tally]
    totals: Mapping[State, Tally]
    windows: tuple[Window, ...]
    changes: tuple[Change, ...] = ()
    complete: bool = True
    task: Task | None = None
    events: tuple[Event, ...] = ()
    stands: Mapping[str, State | None] = {}
    pauses: tuple[Pause, ...] = ()
    audited: bool = True
    limits: Limits = NONE
    damage: str | None = None
    mended: tuple[str, ...] = ()


STANDINGS_SHOWN = 20
"""Of how many tasks that another one depends on a look says where they are."""
EVENTS_SHOWN = 500
"""How many of a task's newest events a look carries."""


def look(store: Store, wanted: Wanted, at: Time, last: Look | None = None, *, latest: bool = True) -> Look:
    """Read what is wanted from one commit; of the last look, keep what no change since it touched.

    Raises StoreError when the store cannot be read.
    """
    with store.reading(latest=latest):
        fresh = store.changes(last.cursor if last else None)
        touched = _touched(last, wanted, fresh.changes) if fresh.complete else set(STATES)
        if last is None or touched:
            totals = store.counts()
            tallies = store.counts(wanted.query) if wanted.query else totals
        else:
            totals, tallies = last.totals, last.tallies
        windows = tuple(
            _window(store, wanted, column) if last is None or state in touched else last.windows[column]
            for column, state in enumerate(STATES)
        )
        task, events = _followed(store, wanted.followed)
        stands = standings(task, store)
        return Look(
            wanted=wanted,
            at=at,
            cursor=fresh.cursor,
            tallies=tallies,
            totals=totals,
            windows=windows,
            changes=fresh.changes,
            complete=fresh.complete,
            task=task,
            events=events,
            stands=stands,
            pauses=tuple(store.pauses()) if last is None or fresh.changes or not fresh.complete else last.pauses,
            audited=store.audited,
            limits=store.limits,
            damage=store.damage,
            mended=store.mended,
        )


def _touched(last: Look | None, wanted: Wanted, changes: Sequence[Change]) -> set[State]:
    if last is None or wanted.query != last.wanted.query or (changes and wanted.query.is_unsteady):
        return set(STATES)
    touched = {state for change in changes for state in (change.from_state, change.to_state) if state is not None}
    if State.COMPLETED in touched:
        # What was blocked may not be any more.
        touched.add(State.PENDING)
    for column, state in enumerate(STATES):
        before, now = last.wanted, wanted
        if (before.orders[column], before.places[column]) != (now.orders[column], now.places[column]):
            touched.add(state)
    return touched


def _window(store: Store, wanted: Wanted, column: int) -> Window:
    state, order, place = STATES[column], wanted.orders[column], wanted.places[column]

    def read(start: int | Key) -> Window:
        return store.window(state, order, start=start, before=place.before, limit=place.limit, query=wanted.query)

    window = read(place.start)
    if wanted.held is None or wanted.held[1] != column or wanted.jump is not None:
        return window
    if any(card.id == wanted.held[0] for card in window.cards):
        return window
    task = store.get(wanted.held[0])
    if task is None or task.state is not state:
        return window
    moved = read(key(task, order))
    return moved if any(card.id == task.id for card in moved.cards) else window


def standings(task: Task | None, store: Store) -> Mapping[str, State | None]:
    """Return where the first of the tasks are that a task depends on; None for one that is not in the store."""
    others = task.depends_on[:STANDINGS_SHOWN] if task is not None else ()
    found = {other: store.get(other) for other in others}
    return {other: one.state if one is not None else None for other, one in found.items()}


def _followed(store: Store, task_id: str | None) -> tuple[Task | None, tuple[Event, ...]]:
    if task_id is None:
        return None, ()
    return store.get(task_id), tuple(store.events(task_id, limit=EVENTS_SHOWN, newest=True))
