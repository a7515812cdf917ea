"""Sealing the events that triggers have recorded: SQLite knows no SHA-256, so the next writer of Taskdeck does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskdeck_store.audit import BEGINNING, sealed
from taskdeck_store.sqlite import reads
from taskdeck_store.sqlite.rows import fetch

if TYPE_CHECKING:
    from apsw import Connection

_AT_ONCE = 2_000
"""So many are sealed in one transaction, which takes some 25 ms. More are left for the next, and what comes after them
stays unsealed meanwhile."""


def backlog(connection: Connection) -> None:
    """Seal the first events that are not, inside the write transaction of the caller."""
    first = fetch(connection, "SELECT min(seq) FROM events WHERE hash IS NULL")[0][0]
    if first is None:
        return
    before = fetch(connection, "SELECT hash FROM events WHERE seq < ? ORDER BY seq DESC LIMIT 1", (first,))
    previous = before[0][0] if before else BEGINNING
    for event in reads.events(connection, None, first - 1, None, _AT_ONCE, False):
        seal = event.hash
        if seal is None:
            seal = sealed(previous, event)
            connection.execute("UPDATE events SET hash = ? WHERE seq = ?", (seal, event.seq))
        previous = seal
