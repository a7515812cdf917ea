"""Whether a SQLite file is what its tables promise: whole, indexed, and with the rules that keep it so."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cache
from typing import TYPE_CHECKING

from taskdeck_store.contract import Defect
from taskdeck_store.printable import one_line
from taskdeck_store.sqlite import schema, triggers
from taskdeck_store.sqlite.rows import fetch

if TYPE_CHECKING:
    from apsw import Connection

_MOST = 20
_OURS = ("tasks", "events", "identity")
_THEIRS = "theirs{} TEXT"
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
        found = [row for table in _OURS for row in fetch(connection, f"PRAGMA main.integrity_check({table})")]
    yield from (Defect(one_line(f"SQLite finds: {message}")) for (message,) in found if message != "ok")


def doubled(connection: Connection) -> Iterator[Defect]:
    """Yield the first events of which a field is told twice."""
    for (seq,) in fetch(connection, _DOUBLED, (_MOST,)):
        yield Defect(f"event {seq} tells twice, and so perhaps otherwise, what a field was")


def _missing_rules(connection: Connection) -> Iterator[Defect]:
    there = {(name, what): sql for name, what, sql in fetch(connection, _SCHEMA)}
    layout = schema.layout(connection)
    for name, what, made in _expected(schema.MIGRATIONS[:layout], layout == len(schema.MIGRATIONS)):
        found = there.get((name, what))
        if found is None:
            yield Defect(f"the {what} {name} is missing")
        elif not made.fullmatch(found):
            yield Defect(f"the {what} {name} is not the one that Taskdeck makes")


@cache
def _expected(migrations: tuple[str, ...], is_newest: bool) -> Sequence[tuple[str, str, re.Pattern[str]]]:
    """Return what makes each part of a store of a layout: its name, its kind and its SQL; rules for the newest alone.

    Between the pieces of a table, ALTER TABLE puts the columns that another program keeps there. It may have begun to
    at any of the layouts.
    """
    import apsw

    with closing(apsw.Connection(":memory:")) as made:
        for number, migration in enumerate(migrations):
            made.execute(migration)
            for (table,) in fetch(made, "SELECT name FROM sqlite_schema WHERE type = 'table'"):
                made.execute(f"ALTER TABLE {table} ADD COLUMN {_THEIRS.format(number)}")
        for trigger in triggers.ddl() if is_newest else ():
            made.execute(trigger)
        return [(name, what, _pattern(sql)) for name, what, sql in fetch(made, _SCHEMA)]


def _pattern(sql: str) -> re.Pattern[str]:
    pieces = re.split(f", {_THEIRS.format('[0-9]+')}", sql)
    return re.compile("(?:,.*)?".join(re.escape(piece) for piece in pieces if piece), re.DOTALL)
