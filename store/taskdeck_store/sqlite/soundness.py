"""Whether a SQLite file is what its tables promise: whole, indexed, and with the rules that keep it so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from taskdeck_store.contract import Defect
from taskdeck_store.printable import one_line
from taskdeck_store.sqlite import schema
from taskdeck_store.sqlite.rows import fetch

if TYPE_CHECKING:
    from apsw import Connection

_MOST = 20
_SCHEMA = "SELECT name, type, sql FROM sqlite_schema WHERE sql IS NOT NULL"
_UNSTAMPED = """SELECT id FROM tasks
    WHERE created_at IS NULL OR updated_at IS NULL OR state_since IS NULL OR version IS NULL LIMIT ?"""


def defects(connection: Connection) -> Iterator[Defect]:
    """Yield what is wrong, inside a read transaction; of many defects of one kind, the first.

    Pages and indexes are checked by SQLite (https://www.sqlite.org/pragma.html#pragma_integrity_check).
    """
    for (found,) in fetch(connection, f"PRAGMA integrity_check({_MOST})"):
        if found != "ok":
            yield Defect(one_line(f"SQLite finds: {found}"))
    if schema.layout(connection) == len(schema.MIGRATIONS):
        yield from _missing_rules(connection)
    for (task_id,) in fetch(connection, _UNSTAMPED, (_MOST,)):
        yield Defect(one_line(f"task {task_id} lacks its version or one of its times, which the file's rules give it"))


def _missing_rules(connection: Connection) -> Iterator[Defect]:
    import apsw

    with closing(apsw.Connection(":memory:")) as made:
        schema.migrate(made)
        expected = fetch(made, _SCHEMA)
    there = {(name, what): sql for name, what, sql in fetch(connection, _SCHEMA)}
    for name, what, sql in expected:
        found = there.get((name, what))
        if found != sql:
            yield Defect(f"the {what} {name} is {'missing' if found is None else 'not the one that Taskdeck makes'}")
