"""How many tasks each state has: counted once from an index, then carried on by the events.

Every change of a state leaves an event in the same commit. A table of counts would be one more page to write and to
sync in each commit, a tenth of what a commit takes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from taskdeck_store.contract import Tally
from taskdeck_store.sqlite import rows
from taskdeck_store.sqlite.rows import fetch
from taskdeck_store.values import State

if TYPE_CHECKING:
    from apsw import Connection

_LIMIT = 10_000
"""From so many new events on, to count anew (100,000 tasks: 4 ms) is not slower."""
_BELIEVED = 60.0
"""In seconds. Then the tasks are counted anew: a program that went past the triggers is not believed for long."""
_OLDEST = " UNION ALL ".join(
    f"SELECT min(state_since) FROM tasks WHERE state = '{state}' AND state_since > ''" for state in State
)
_MOVES = "SELECT from_state, to_state FROM events WHERE seq > ? AND from_state IS NOT to_state"


class Tallies:
    """The tallies of a connection's tasks, as of the event that was the last when they were asked for."""

    def __init__(self) -> None:
        self._store: str | None = None
        self._seq = 0
        self._until = 0.0
        self._counts: dict[State, int] = {}

    def read(self, connection: Connection) -> Mapping[State, Tally]:
        """Return the tally of every state, inside a read transaction."""
        store, seq = fetch(connection, "SELECT (SELECT store FROM identity), coalesce(max(seq), 0) FROM events")[0]
        if store != self._store or not 0 <= seq - self._seq < _LIMIT or time.monotonic() >= self._until:
            self._count(connection)
        elif seq != self._seq:
            self._carry_on(connection)
        self._store, self._seq = store, seq
        oldest = [since for (since,) in fetch(connection, _OLDEST)]
        return {state: rows.tally((self._counts[state], since)) for state, since in zip(State, oldest, strict=True)}

    def _count(self, connection: Connection) -> None:
        counts = dict.fromkeys(State, 0)
        for name, count in fetch(connection, "SELECT state, count(*) FROM tasks GROUP BY state"):
            counts[rows.state_named(name)] = count
        self._counts = counts
        self._until = time.monotonic() + _BELIEVED

    def _carry_on(self, connection: Connection) -> None:
        counts = dict(self._counts)
        for before, after in fetch(connection, _MOVES, (self._seq,)):
            if before is not None:
                counts[rows.state_named(before)] -= 1
            if after is not None:
                counts[rows.state_named(after)] += 1
        self._counts = counts
