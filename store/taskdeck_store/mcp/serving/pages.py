"""A queue of any length, told a page at a time, in the order of the board's columns."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from taskdeck_store import jsontext
from taskdeck_store.contract import Change, Key, Order, Store, key
from taskdeck_store.mcp.serving.others import waiting
from taskdeck_store.mcp.serving.shapes import PAGED, Shown, ShownEvent, shown, shown_event
from taskdeck_store.query.terms import EVERYTHING, Query
from taskdeck_store.values import QUEUE, State

LIMIT = 200
"""How many tasks or events a page has unless more or fewer are asked for."""
MOST = 1_000
"""How many it has at most."""

_ROOM = 300_000
"""Bytes of JSON after which a page ends. Written inside a JSON text, as resources are, and with all that is not ASCII
escaped, it stays below the MiB that a client may refuse."""


class Page(Struct, frozen=True, kw_only=True):
    """A page of tasks. `total` counts all that match; `next` is what the page after this one is asked for by."""

    tasks: tuple[Shown, ...]
    total: int
    next: str | None


class News(Struct, frozen=True, kw_only=True):
    """What changed since a cursor: the tasks as they are now, and the ids of those that are no more.

    `events` are those that led there, in order, as far as there is room: of a task all, or none. `total` counts all
    tasks; `next` is the cursor of now. `complete` is false where not all is told: read the queue.
    """

    tasks: tuple[Shown, ...]
    events: tuple[ShownEvent, ...]
    gone: tuple[str, ...]
    total: int
    next: str
    complete: bool


class Log(Struct, frozen=True, kw_only=True):
    """A page of events in order of `seq`; `next` is the seq after which the page after this one begins."""

    events: tuple[ShownEvent, ...]
    next: int | None


def page(
    store: Store,
    states: Sequence[State] = tuple(State),
    query: Query = EVERYTHING,
    *,
    after: str | None = None,
    limit: int = LIMIT,
    most: int = PAGED,
) -> Page:
    """Return a page of the tasks of some states that match, each value of them in `most` characters.

    `after` is the `next` of the page before. Raises StoreError, and ValueError for an `after` that no page told.
    """
    order = [state for state in State if state in states]
    first, start = _place(after) if after is not None else (None, None)
    columns = order[order.index(first) :] if first in order else order
    tasks: list[Shown] = []
    room, then = _ROOM, None
    with store.reading():
        counts = store.counts(query)
        for state in columns:
            begins: int | Key = start if start is not None and state is first else 0
            # One more than there is room for: its place is where the next page begins.
            cards = store.window(state, Order.PRIORITY, start=begins, limit=limit - len(tasks) + 1, query=query).cards
            for card in cards:
                task = store.get(card.id)
                one = shown(task, most) if task is not None else None
                room -= _size(one) if one is not None else 0
                if len(tasks) == limit or (room < 0 and tasks):
                    then = _said(state, key(card, Order.PRIORITY))
                    break
                if one is not None:
                    tasks.append(one)
            if then is not None:
                break
    return Page(tasks=tuple(tasks), total=sum(counts[state].count for state in order), next=then)


def news(store: Store, after: str | None = None) -> News:
    """Return what changed since the `next` of an earlier call; without one, only the cursor of now.

    Raises StoreError.
    """
    tasks: list[Shown] = []
    gone: list[str] = []
    with store.reading():
        found = store.changes(after, limit=MOST)
        total = sum(tally.count for tally in store.counts().values())
        others = waiting(store, found.changes)
        room, is_complete = _ROOM, found.complete and others is not None
        changed = (change.task_id for change in found.changes if change.task_id != QUEUE)
        for task_id in dict.fromkeys((*changed, *(task.id for task in others or ()))):
            task = store.get(task_id)
            if task is None:
                gone.append(task_id)
                continue
            one = shown(task)
            room -= _size(one)
            if room < 0 and tasks:
                is_complete = False
                break
            tasks.append(one)
        events = _events(store, found.changes, room) if is_complete else ()
    return News(
        tasks=tuple(tasks), events=events, gone=tuple(gone), total=total, next=found.cursor, complete=is_complete
    )


def _events(store: Store, changes: Sequence[Change], room: int) -> tuple[ShownEvent, ...]:
    """Return the events of changes, in so many bytes; of a task of which not all can be told, none."""
    seqs = [change.seq for change in changes if change.seq]
    found = store.events(after=min(seqs) - 1, limit=len(seqs)) if seqs else ()
    events = [shown_event(event) for event in found]
    sizes: dict[str, int] = {}
    for event in events:
        sizes[event.task_id] = sizes.get(event.task_id, 0) + _size(event)
    left_out = {change.task_id for change in changes if not change.seq}
    for task_id, size in sizes.items():
        if size > room:
            left_out.add(task_id)
        else:
            room -= size
    return tuple(event for event in events if event.task_id not in left_out)


def log(
    store: Store, task_id: str | None = None, *, after: int | None = None, limit: int = LIMIT, most: int = PAGED
) -> Log:
    """Return a page of the events of a task or of all: those after a seq or, without one, the last.

    Raises StoreError.
    """
    newest = after is None
    found = store.events(task_id, after=after or 0, limit=limit + (0 if newest else 1), newest=newest)
    events: list[ShownEvent] = []
    room = _ROOM
    for event in reversed(found) if newest else found[:limit]:
        one = shown_event(event, most)
        room -= _size(one)
        if room < 0 and events:
            break
        events.append(one)
    if newest:
        return Log(events=tuple(reversed(events)), next=None)
    return Log(events=tuple(events), next=events[-1].seq if len(events) < len(found) else None)


def _size(told: Shown | ShownEvent) -> int:
    return len(jsontext.written(msgspec.to_builtins(told)))


def _said(state: State, place: Key) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((state, place))).decode().rstrip("=")


def _place(said: str) -> tuple[State, Key]:
    try:
        raw = base64.urlsafe_b64decode(said.encode("ascii") + b"=" * (-len(said) % 4))
        return msgspec.json.decode(raw, type=tuple[State, tuple[int, str, str]])
    except (binascii.Error, ValueError):
        raise ValueError("after: that is not the `next` of a page; begin anew without it") from None
