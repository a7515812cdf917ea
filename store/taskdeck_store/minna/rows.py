"""New rows for the tables of a file: what goes into which column, or why that cannot be known."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping, Sequence

import apsw
from msgspec import Struct

from taskdeck_store.minna.faults import said
from taskdeck_store.minna.layout import Column, Layout, Names, Table, quoted
from taskdeck_store.minna.times import Spelled, Spelling, spelling_of

_SAMPLES = 50
_CREATED = "createdat created timestamp addedat createdon"
_UPDATED = "updatedat modifiedat updated modified lastupdated"
_TYPES = "entitytype type kind category"
_TASK_TYPE = "concept"
"""The documented type of an entity that is a task."""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HEX = re.compile(r"[0-9a-f]{32}")


class New(Struct, frozen=True, kw_only=True):
    """What a new row says. `moment` is in µs since 1970, in the zone of the file's texts."""

    entity: object
    attribute: object
    value: str
    moment: int
    source: str
    context: str


class Unfillable(Exception):
    """Why no row can be written to a table."""


class Form(Struct, frozen=True, kw_only=True):
    """How a row of a table is made: for each column that is given a value, what makes it of what a row is to say."""

    table: Table
    columns: Mapping[str, Callable[[New], object]]

    @property
    def sql(self) -> str:
        """The statement that writes a row."""
        columns = ", ".join(map(quoted, self.columns))
        return f"INSERT INTO {quoted(self.table.name)} ({columns}) VALUES ({', '.join('?' * len(self.columns))})"

    def values(self, new: New) -> list[object]:
        """Return what is bound to the statement."""
        return [make(new) for make in self.columns.values()]


class Forms(Struct, frozen=True, kw_only=True):
    """How rows are made: of memories, and of those that have the names of entities and attributes.

    `spelling` is that of the moments of memories; None where they have none. A `why_not` says why a new name cannot
    be written.
    """

    memories: Form
    spelling: Spelling | None
    entities: Form | str | None
    attributes: Form | str | None


def forms_of(connection: apsw.Connection, layout: Layout) -> Forms:
    """Return how rows are written in a layout. Raises Unfillable, and apsw.Error."""
    _check(layout)
    spelling = None if layout.time is None else _spelling(connection, layout.table, layout.time)
    if layout.time is not None and spelling is None:
        where = f"{said(layout.table.name)}.{said(layout.time)}"
        raise Unfillable(f"it cannot be told how {where} spells its times, from the rows there are")
    columns: dict[str, Callable[[New], object]] = {
        layout.entity: lambda new: new.entity,
        layout.attribute: lambda new: new.attribute,
        layout.value: lambda new: new.value,
    }
    if layout.time is not None and spelling is not None:
        columns[layout.time] = _moment(spelling)
    if layout.confidence is not None:
        certain = _certain(connection, layout.table, layout.confidence)
        if certain is not None:
            columns[layout.confidence] = lambda new: certain
    if layout.source is not None:
        columns[layout.source] = lambda new: new.source
    if layout.context is not None:
        columns[layout.context] = lambda new: new.context
    for column in filter(None, (layout.verified, *layout.touched)):
        spelled = _spelling(connection, layout.table, column)
        if spelled is not None:
            columns[column] = _moment(spelled)
    memories = _form(connection, layout.table, columns, spelling)
    _rehearse(connection, memories)
    return Forms(
        memories=memories,
        spelling=spelling,
        entities=_names_form(connection, layout.entities, spelling, lambda new: new.entity),
        attributes=_names_form(connection, layout.attributes, spelling, lambda new: new.attribute),
    )


def _check(layout: Layout) -> None:
    table = said(layout.table.name)
    if layout.table.rowid is None:
        raise Unfillable(f"the rows of {table} have no number that tells which is the newest")
    upkeep = (*layout.ended, *layout.period)
    if upkeep:
        raise Unfillable(f"{table}.{said(upkeep[0])} says which rows hold, and who keeps that is not known")
    told = {layout.entity, layout.attribute, layout.value, layout.source, layout.confidence}
    for columns in layout.table.alone:
        if set(columns) <= told:
            raise Unfillable(f"{table} takes one row for each {' and '.join(map(said, columns))}, so none can be added")


def _names_form(
    connection: apsw.Connection, names: Names | None, spelling: Spelling | None, name: Callable[[New], object]
) -> Form | str | None:
    if names is None:
        return None
    try:
        form = _form(connection, names.table, {names.name: name}, spelling)
        _rehearse(connection, form)
    except Unfillable as why:
        return str(why)
    return form


def _form(
    connection: apsw.Connection,
    table: Table,
    columns: dict[str, Callable[[New], object]],
    spelling: Spelling | None,
) -> Form:
    """Return the form of a table, with what can be told of those other columns that every row must fill."""
    for column in table.columns:
        if column.name in columns or not column.needs:
            continue
        make = _filled(connection, table, column, spelling)
        if make is None:
            where = f"{said(table.name)}.{said(column.name)}"
            raise Unfillable(f"every row has to fill {where}, and with what is not known")
        columns[column.name] = make
    return Form(table=table, columns=columns)


def _filled(
    connection: apsw.Connection, table: Table, column: Column, spelling: Spelling | None
) -> Callable[[New], object] | None:
    if column.name == table.key:
        return _key(_samples(connection, table, column.name))
    if column.name in table.all_named(f"{_CREATED} {_UPDATED}"):
        spelled = _spelling(connection, table, column.name) or spelling
        return None if spelled is None else _moment(spelled)
    if column.name in table.all_named(_TYPES):
        kind = _task_type(_samples(connection, table, column.name))
        return None if kind is None else lambda new: kind
    return None


def _task_type(samples: Sequence[object]) -> object:
    return samples[0] if len(set(samples)) == 1 else _TASK_TYPE if _TASK_TYPE in samples or not samples else None


def _key(samples: Sequence[object]) -> Callable[[New], object] | None:
    """Return what makes an id like others; None where those are made in a way that is not known."""
    if samples and all(isinstance(one, str) and _UUID.fullmatch(one) for one in samples):
        return lambda new: str(uuid.uuid4())
    if samples and all(isinstance(one, str) and _HEX.fullmatch(one) for one in samples):
        return lambda new: uuid.uuid4().hex
    return None


def _certain(connection: apsw.Connection, table: Table, column: str) -> float | int | None:
    """Return what a file says for a confidence of 1; None where it is told by no numbers."""
    samples = _samples(connection, table, column)
    if not all(isinstance(one, int | float) for one in samples):
        return None
    numbers = [one for one in samples if isinstance(one, int | float)]
    return 100 if any(one > 1 for one in numbers) else 1.0


def _moment(spelling: Spelling) -> Callable[[New], Spelled]:
    return lambda new: spelling.written(new.moment)


def _spelling(connection: apsw.Connection, table: Table, column: str) -> Spelling | None:
    default = next(one.default for one in table.columns if one.name == column)
    return spelling_of(_samples(connection, table, column), default)


def _samples(connection: apsw.Connection, table: Table, column: str) -> list[object]:
    """Return what the newest rows say in a column."""
    order = f"ORDER BY {quoted(table.rowid)} DESC" if table.rowid is not None else ""
    sql = f"SELECT {quoted(column)} FROM {quoted(table.name)} {order} LIMIT {_SAMPLES}"
    return [row[0] for row in connection.execute(sql) if row[0] is not None]


def _rehearse(connection: apsw.Connection, form: Form) -> None:
    """Have SQLite compile the statement, with the triggers of the table."""
    try:
        # Explaining reads what was compiled, and does not look whether the schema is still the one it was compiled for:
        # a statement kept from before would read memory that is free by now.
        connection.execute(f"EXPLAIN {form.sql}", [None] * len(form.columns), can_cache=False).fetchall()
    except apsw.SQLError as error:
        table = said(form.table.name)
        raise Unfillable(f"SQLite cannot write to {table} without the program it belongs to ({said(error)})") from None
