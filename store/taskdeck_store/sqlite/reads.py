"""The reads of a SQLite store, each from an index: functions of a connection inside a read transaction."""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from taskdeck_store.claiming import candidates
from taskdeck_store.contract import Change, Claiming, Key, Order, Pause, Tally, Trace, Window
from taskdeck_store.pausing import pauses_of, query_of
from taskdeck_store.sqlite import rows
from taskdeck_store.sqlite.rows import Row, fetch
from taskdeck_store.sqlite.tallies import Tallies
from taskdeck_store.sqlite.where import Where
from taskdeck_store.values import QUEUE, Event, State, Task, Time

if TYPE_CHECKING:
    from apsw import Connection, SQLiteValue

_ALL = -1
"""No limit, as SQLite says it."""

_LAST_SEQ = 2**63 - 1

_PENDING = f"likely(state = '{State.PENDING}')"
"""Were it not likely, SQLite would rather go through the whole column than through an index of a part of it."""


def task(connection: Connection, task_id: str) -> Task | None:
    """Return a task, or None."""
    if not rows.is_text(task_id):
        return None
    found = fetch(connection, f"SELECT {rows.TASK} FROM tasks WHERE id = ?", (task_id,))
    return rows.task(found[0]) if found else None


def depends_on(connection: Connection, task_id: str) -> tuple[str, ...] | None:
    """Return the ids of the tasks that a task depends on; None where it is not there."""
    found = fetch(connection, "SELECT depends_on FROM tasks WHERE id = ?", (task_id,))
    return rows.texts(found[0][0]) if found else None


def is_needed(connection: Connection, task_id: str) -> bool:
    """Tell whether any task depends on a task."""
    return bool(fetch(connection, "SELECT 1 FROM dependencies WHERE depends_on = ? LIMIT 1", (task_id,)))


def blocked(connection: Connection, task_id: str) -> int:
    """Return how many of the tasks that a task depends on are not completed."""
    return int(fetch(connection, "SELECT blocked FROM tasks WHERE id = ?", (task_id,))[0][0])


def counts(connection: Connection, where: Where, tallies: Tallies) -> Mapping[State, Tally]:
    """Return the tally of every state: from the tallies of all tasks, or by one scan for a query."""
    if not where.condition:
        known = tallies.read(connection)
        return {state: known[state] if state in where.states else Tally() for state in State}
    found = {state: Tally() for state in State}
    for state in where.states:
        sql = f"SELECT count(*), min(nullif(state_since, '')) FROM tasks WHERE state = ?{where.condition}"
        found[state] = rows.tally(fetch(connection, sql, (state, *where.parameters))[0])
    return found


def window(
    connection: Connection, where: Where, state: State, order: Order, start: int | Key, before: int, limit: int
) -> Window:
    """Return the cards around a place of a column; see `taskdeck_store.contract.Store.window`."""
    if state not in where.states:
        return Window(state=state, first=0, cards=())
    column = _Column(connection, where, state, order)
    if not isinstance(start, int):
        ahead = column.ahead(start, before)
        return column.window(column.rank(start) - len(ahead), ahead + column.onward(start, limit))
    start = max(0, start)
    first = max(0, start - max(0, before))
    place = column.place(first) if first else _TOP
    if place is not None:
        found = column.onward(place, limit + start - first)
        if len(found) >= start - first:
            return column.window(first, found)
    found = column.ahead(_END, before)
    return column.window(column.rank(_END) - len(found), found)


_TOP: Key = ()
_END: Key = ()
"""The places before the first card and after the last: no bound."""


class _Column:
    """One state in one order. Ranks count from 0 in that order."""

    def __init__(self, connection: Connection, where: Where, state: State, order: Order) -> None:
        self._connection = connection
        self._state = state
        self._columns = ("priority", "state_since", "id") if order is Order.PRIORITY else ("state_since", "id")
        self._later, self._earlier = ("<", ">") if order is Order.NEWEST else (">", "<")
        self._forth, self._back = ("DESC", "ASC") if order is Order.NEWEST else ("ASC", "DESC")
        self._where = f"FROM tasks WHERE state = ?{where.condition}"
        self._parameters: tuple[SQLiteValue, ...] = (state, *where.parameters)

    def window(self, first: int, found: list[Row]) -> Window:
        return Window(state=self._state, first=first, cards=tuple(map(rows.card, found)))

    def place(self, rank: int) -> Key | None:
        """The place of the card with a rank; None past the end."""
        order = self._ordered(self._forth)
        sql = f"SELECT {', '.join(self._columns)} {self._where} ORDER BY {order} LIMIT 1 OFFSET ?"
        found = fetch(self._connection, sql, (*self._parameters, rank))
        return found[0] if found else None

    def rank(self, place: Key) -> int:
        """How many cards lie before a place."""
        counts, parameters = [f"SELECT count(*) {self._where}"], list(self._parameters)
        if place:
            # A range of the index for each column: with one comparison of all columns SQLite looks at each row.
            counts, parameters = [], []
            for number, column in enumerate(self._columns):
                same = "".join(f" AND {name} = ?" for name in self._columns[:number])
                counts.append(f"SELECT count(*) {self._where}{same} AND {column} {self._earlier} ?")
                parameters += (*self._parameters, *place[: number + 1])
        sql = " + ".join(f"({count})" for count in counts)
        return int(fetch(self._connection, f"SELECT {sql}", parameters)[0][0])

    def onward(self, place: Key, limit: int) -> list[Row]:
        """The cards from a place on."""
        return self._cards(f"{self._later}=", place, self._forth, limit)

    def ahead(self, place: Key, limit: int) -> list[Row]:
        """The last cards before a place."""
        return self._cards(self._earlier, place, self._back, limit)[::-1]

    def _cards(self, op: str, place: Key, direction: str, limit: int) -> list[Row]:
        if limit <= 0:
            return []
        bound = f" AND ({', '.join(self._columns)}) {op} ({', '.join('?' * len(place))})" if place else ""
        sql = f"SELECT {rows.CARD} {self._where}{bound} ORDER BY {self._ordered(direction)} LIMIT ?"
        return fetch(self._connection, sql, (*self._parameters, *place, limit))

    def _ordered(self, direction: str) -> str:
        return ", ".join(f"{column} {direction}" for column in self._columns)


def tasks(connection: Connection, where: Where, limit: int | None) -> list[Task]:
    """Return whole tasks by state, priority, state_since and id."""
    return [rows.task(row) for row in _by_state(connection, rows.TASK, where, limit)]


def events(
    connection: Connection, task_id: str | None, after: int, until: int | None, limit: int | None, newest: bool
) -> list[Event]:
    """Return events in the order of seq; with `newest`, the last `limit` of them."""
    if task_id is not None and not rows.is_text(task_id):
        return []
    of_task, parameters = ("", ()) if task_id is None else ("task_id = ? AND ", (task_id,))
    direction = "DESC" if newest else "ASC"
    sql = f"SELECT {rows.EVENT} FROM events WHERE {of_task}seq > ? AND seq <= ? ORDER BY seq {direction} LIMIT ?"
    bounds = (after, _LAST_SEQ if until is None else min(until, _LAST_SEQ), _ALL if limit is None else limit)
    found = [rows.event(row) for row in fetch(connection, sql, (*parameters, *bounds))]
    found = found[::-1] if newest else found
    _check_order([event.seq for event in found], after)
    return found


def traces(connection: Connection, after: int, limit: int) -> list[Trace]:
    """Return events as light as can be, in the order of seq."""
    sql = f"SELECT {rows.TRACE} FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
    found = rows.traces(fetch(connection, sql, (after, limit)))
    _check_order([trace[0] for trace in found], after)
    return found


def pauses(connection: Connection) -> tuple[Pause, ...]:
    """Return what is paused."""
    last = events(connection, QUEUE, 0, None, 1, True)
    return pauses_of(last[0]) if last else ()


def claimable(connection: Connection, claiming: Claiming, now: Time, without: Collection[str] = ()) -> list[str]:
    """Return the ids of the first tasks that can be claimed, by priority, state_since and id, but for some."""
    where, limit = Where(candidates(claiming), now), claiming.limit + len(without)
    if State.PENDING not in where.states:
        return []
    found = _ready(connection, where, limit)
    paused = pauses(connection) if found and found[0][1] is not None else ()
    if paused:
        for pause in paused:
            where = where.without(Where(query_of(pause), now))
        found = _ready(connection, where, limit)
    return [id for id, _ in found if id not in without][: claiming.limit]


def _ready(connection: Connection, where: Where, limit: int) -> list[Row]:
    """Return the ids of tasks that are not blocked, each beside the seq of the last event of the queue, if any."""
    # For the index that leaves out what is blocked, which may be nearly all.
    ready = f"{_PENDING} AND blocked = 0{where.condition}"
    # Few queues were ever paused, and one statement less in each claim is a tenth of it.
    last = f"(SELECT max(seq) FROM events WHERE task_id = '{QUEUE}')"
    sql = f"SELECT id, {last} FROM tasks WHERE {ready} ORDER BY priority, state_since, id LIMIT ?"
    return fetch(connection, sql, (*where.parameters, limit))


def next_due(connection: Connection, where: Where, after: Time) -> Time | None:
    """Return when the next pending task becomes due, of those that do so only after a moment."""
    if State.PENDING not in where.states:
        return None
    sql = (
        f"SELECT not_before FROM tasks WHERE {_PENDING} AND not_before > ?{where.condition} ORDER BY not_before LIMIT 1"
    )
    found = fetch(connection, sql, (after, *where.parameters))
    return str(found[0][0]) if found else None


def brought_by(connection: Connection, task_id: str) -> str | None:
    """Return the version of the event that brought a task to its state; None when no event tells of that."""
    sql = "SELECT seq FROM events WHERE task_id = ? AND from_state IS NOT to_state ORDER BY seq DESC LIMIT 1"
    found = fetch(connection, sql, (task_id,))
    return str(found[0][0]) if found else None


def _check_order(seqs: list[int], after: int) -> None:
    # Who reads on from the last of them would otherwise never come to an end.
    if any(map(operator.ge, seqs, seqs[1:])) or (seqs and seqs[0] <= after):
        raise rows.damage("events are stored out of order")


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
