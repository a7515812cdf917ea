"""The reads of a SQLite store, each from an index: functions of a connection inside a read transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from taskdeck_store.contract import Change, Key, Order, Tally, Window
from taskdeck_store.sqlite import rows
from taskdeck_store.sqlite.rows import Row, fetch
from taskdeck_store.sqlite.where import Where
from taskdeck_store.values import Event, State, Task

if TYPE_CHECKING:
    from apsw import Connection, SQLiteValue

_ALL = -1
"""No limit, as SQLite says it."""


def task(connection: Connection, task_id: str) -> Task | None:
    """Return a task, or None."""
    if not rows.is_text(task_id):
        return None
    found = fetch(connection, f"SELECT {rows.TASK} FROM tasks WHERE id = ?", (task_id,))
    return rows.task(found[0]) if found else None


def counts(connection: Connection, where: Where) -> Mapping[State, Tally]:
    """Return the tally of every state: from the counted counts, or by one scan for a query."""
    tallies = {state: Tally() for state in State}
    if not where.condition:
        oldest = "(SELECT min(state_since) FROM tasks WHERE tasks.state = counts.state)"
        for state, count, since in fetch(connection, f"SELECT state, count, {oldest} FROM counts"):
            if state in where.states:
                tallies[State(state)] = Tally(count, since)
        return tallies
    for state in where.states:
        sql = f"SELECT count(*), min(state_since) FROM tasks WHERE state = ?{where.condition}"
        tallies[state] = Tally(*fetch(connection, sql, (state, *where.parameters))[0])
    return tallies


def window(
    connection: Connection, where: Where, state: State, order: Order, start: int | Key, before: int, limit: int
) -> Window:
    """Return the cards around a place of a column; see `taskdeck_store.contract.Store.window`."""
    if state not in where.states:
        return Window(state=state, first=0, cards=())
    column = _Column(connection, where, state, order)
    if isinstance(start, int):
        place = column.place(max(0, start))
        if place is None:
            found = column.ahead(None, before)
            return Window(state=state, first=column.rank(None) - len(found), cards=tuple(map(rows.card, found)))
        ahead = column.ahead(place, min(before, start))
        first = start - len(ahead)
    else:
        place = start
        ahead = column.ahead(place, before)
        first = column.rank(place) - len(ahead)
    found = ahead + column.onward(place, limit)
    return Window(state=state, first=first, cards=tuple(map(rows.card, found)))


class _Column:
    """One state in one order: `place` and `rank` turn ranks to places and back, None being the place past the end."""

    def __init__(self, connection: Connection, where: Where, state: State, order: Order) -> None:
        self._connection = connection
        self._key = "priority, state_since, id" if order is Order.PRIORITY else "state_since, id"
        self._onward, self._ahead = ("<=", ">") if order is Order.NEWEST else (">=", "<")
        self._ascending, self._descending = ("DESC", "ASC") if order is Order.NEWEST else ("ASC", "DESC")
        self._where = f"FROM tasks WHERE state = ?{where.condition}"
        self._parameters: tuple[SQLiteValue, ...] = (state, *where.parameters)

    def place(self, rank: int) -> Key | None:
        sql = f"SELECT {self._key} {self._where} ORDER BY {self._sorted(self._ascending)} LIMIT 1 OFFSET ?"
        found = fetch(self._connection, sql, (*self._parameters, rank))
        return found[0] if found else None

    def rank(self, place: Key | None) -> int:
        limits, parameters = self._bounds(self._ahead, place)
        return int(fetch(self._connection, f"SELECT count(*) {self._where}{limits}", parameters)[0][0])

    def ahead(self, place: Key | None, limit: int) -> list[Row]:
        limits, parameters = self._bounds(self._ahead, place)
        return self._cards(limits, parameters, self._descending, limit)[::-1]

    def onward(self, place: Key, limit: int) -> list[Row]:
        limits, parameters = self._bounds(self._onward, place)
        return self._cards(limits, parameters, self._ascending, limit)

    def _cards(self, limits: str, parameters: tuple[SQLiteValue, ...], direction: str, limit: int) -> list[Row]:
        if limit <= 0:
            return []
        sql = f"SELECT {rows.CARD} {self._where}{limits} ORDER BY {self._sorted(direction)} LIMIT ?"
        return fetch(self._connection, sql, (*parameters, limit))

    def _bounds(self, op: str, place: Key | None) -> tuple[str, tuple[SQLiteValue, ...]]:
        if place is None:
            return "", self._parameters
        marks = ", ".join("?" * len(place))
        return f" AND ({self._key}) {op} ({marks})", (*self._parameters, *place)

    def _sorted(self, direction: str) -> str:
        return ", ".join(f"{name} {direction}" for name in self._key.split(", "))


def tasks(connection: Connection, where: Where, limit: int | None) -> list[Task]:
    """Return whole tasks by state, priority, state_since and id."""
    return [rows.task(row) for row in _by_state(connection, rows.TASK, where, limit)]


def ids(connection: Connection, where: Where) -> list[tuple[str, str]]:
    """Return id and version of every match, in the order of `tasks`."""
    return [(task_id, version) for task_id, version in _by_state(connection, "id, version", where, None)]


def events(connection: Connection, task_id: str | None, after: int, limit: int | None, newest: bool) -> list[Event]:
    """Return events in the order of seq; with `newest`, the last `limit` of them."""
    if task_id is not None and not rows.is_text(task_id):
        return []
    of_task, parameters = ("", ()) if task_id is None else ("task_id = ? AND ", (task_id,))
    direction = "DESC" if newest else "ASC"
    sql = f"SELECT {rows.EVENT} FROM events WHERE {of_task}seq > ? ORDER BY seq {direction} LIMIT ?"
    found = [rows.event(row) for row in fetch(connection, sql, (*parameters, after, _ALL if limit is None else limit))]
    return found[::-1] if newest else found


def changes(connection: Connection, after: int, limit: int) -> list[Change]:
    """Return what was committed after a seq, up to `limit`."""
    sql = f"SELECT {rows.CHANGE} FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
    return [rows.change(row) for row in fetch(connection, sql, (after, limit))]


def _by_state(connection: Connection, columns: str, where: Where, limit: int | None) -> Iterator[Row]:
    left = _ALL if limit is None else limit
    sql = f"SELECT {columns} FROM tasks WHERE state = ?{where.condition} ORDER BY priority, state_since, id LIMIT ?"
    for state in where.states:
        if left == 0:
            return
        found = fetch(connection, sql, (state, *where.parameters, left))
        yield from found
        left -= len(found) if limit is not None else 0
