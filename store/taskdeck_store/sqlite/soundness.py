"""Whether a SQLite file is what its tables promise: whole, indexed, and with the rules that keep it so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from taskdeck_store.contract import Defect
from taskdeck_store.printable import one_line
from taskdeck_store.sqlite import schema, triggers
from taskdeck_store.sqlite.rows import fetch

if TYPE_CHECKING:
    from apsw import Connection

_MOST = 20
_OURS = ("tasks", "events", "identity")
_THEIRS = ", theirs TEXT"
_SCHEMA = "SELECT name, type, sql FROM sqlite_schema WHERE sql IS NOT NULL"
_UNSTAMPED = """SELECT id FROM tasks
    WHERE created_at IS NULL OR state_since IS NULL OR version IS NULL LIMIT ?"""
_DOUBLED = """SELECT seq FROM events WHERE json_valid(changes) AND
    (SELECT count(*) - count(DISTINCT key) FROM json_each(changes)) LIMIT ?"""


def defects(connection: Connection) -> Iterator[Defect]:
    """Yield what is wrong, inside a read transaction; of many defects of one kind, the first.

    Pages and indexes are checked by SQLite (https://www.sqlite.org/pragma.html#pragma_integrity_check).
    """
    yield from damage(connection)
    yield from _missing_rules(connection)
    yield from doubled(connection)
    for (task_id,) in fetch(connection, _UNSTAMPED, (_MOST,)):
        yield Defect(one_line(f"task {task_id} lacks its version or one of its times, which the file's rules give it"))


def damage(connection: Connection) -> Iterator[Defect]:
    """Yield what SQLite finds wrong with pages and indexes."""
    import apsw

    try:
        found = fetch(connection, f"PRAGMA integrity_check({_MOST})")
    except apsw.SQLError:
        # A table or index of another program needs a function or an order that only that program has.
        found = [row for table in _OURS for row in fetch(connection, f"PRAGMA integrity_check({table})")]
    yield from (Defect(one_line(f"SQLite finds: {message}")) for (message,) in found if message != "ok")


def doubled(connection: Connection) -> Iterator[Defect]:
    """Yield the first events of which a field is told twice."""
    for (seq,) in fetch(connection, _DOUBLED, (_MOST,)):
        yield Defect(f"event {seq} tells twice, and so perhaps otherwise, what a field was")


def _missing_rules(connection: Connection) -> Iterator[Defect]:
    there = {(name, what): sql for name, what, sql in fetch(connection, _SCHEMA)}
    for name, what, sql, rest in _expected(schema.layout(connection)):
        found = there.get((name, what))
        if found is None:
            yield Defect(f"the {what} {name} is missing")
        elif found != sql + rest and not (rest and found.startswith(f"{sql},") and found.endswith(rest)):
            yield Defect(f"the {what} {name} is not the one that Taskdeck makes")


def _expected(layout: int) -> Iterator[tuple[str, str, str, str]]:
    """Yield what makes each part of a store of a layout: its name, its kind and its SQL; rules for the newest alone.

    That of a table is in two parts: between them, ALTER TABLE puts the columns that another program keeps there.
    """
    import apsw

    with closing(apsw.Connection(":memory:")) as made:
        for migration in schema.MIGRATIONS[:layout]:
            made.execute(migration)
        for trigger in triggers.ddl() if layout == len(schema.MIGRATIONS) else ():
            made.execute(trigger)
        for name, what, sql in fetch(made, _SCHEMA):
            place = len(sql)
            if what == "table":
                made.execute(f"ALTER TABLE {name} ADD COLUMN {_THEIRS[2:]}")
                place = str(fetch(made, "SELECT sql FROM sqlite_schema WHERE name = ?", (name,))[0][0]).index(_THEIRS)
            yield name, what, sql[:place], sql[place:]
