"""Where in a SQLite file the memories are: read from its tables, since no layout of Minna Memory is published.

A table holds memories where columns are named as entity, attribute and value are, or as subject, predicate and object.
An entity, or an attribute, may be told by the row of a table of its own that has its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import apsw
from msgspec import Struct

from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.minna import names
from taskdeck_store.minna.faults import said
from taskdeck_store.printable import one_line

_ROLES = {
    "entity": "entity entityname entitykey subject subjectname entityid subjectid",
    "attribute": "attribute attributename attr predicate property key attributeid attrid predicateid",
    "value": "value val attributevalue object objectvalue content",
}
_TIME = "createdat created timestamp storedat recordedat createdon datecreated addedat time ts createdtime"
_VERIFIED = "verifiedat lastverifiedat lastverified verified lastconfirmed lastconfirmedat confirmedat"
_CONFIDENCE = "confidence baseconfidence conf certainty"
_SOURCE = "source origin"
_CONTEXT = "context"
_TOUCHED = "updatedat modifiedat updated modified lastaccessed lastaccessedat accessedat lastupdated"
_NAME = "name entityname entity entitykey attributename attribute key identifier slug label"
_DROPPED = "deleted isdeleted deletedat isarchived archived archivedat forgotten"
_ENDED = "iscurrent current isactive active supersededby supersededat replacedby invalidatedat"
_PERIOD = "validto validuntil"
_STANDS = ("iscurrent", "current", "isactive", "active")
_OTHERS = {"features", "work_items"}
_SHOWN = 6


class Column(Struct, frozen=True, kw_only=True):
    """A column of a table: `needs` says that a new row has to give it a value."""

    name: str
    needs: bool
    default: str | None
    is_whole: bool


class Table(Struct, frozen=True, kw_only=True):
    """A table by its columns. `rowid` is a name for the number of a row; None where rows have none.

    `key` is the column that is the primary key; None where several are, or none. `alone` tells the unique indexes,
    each by the columns of which no two rows may be the same.
    """

    name: str
    columns: tuple[Column, ...]
    rowid: str | None
    key: str | None
    alone: tuple[tuple[str, ...], ...]

    def named(self, words: str) -> str | None:
        """Return the column that is named by the earliest of some words."""
        plain = {_plain(column.name): column.name for column in self.columns}
        return next((plain[word] for word in words.split() if word in plain), None)

    def all_named(self, words: str) -> tuple[str, ...]:
        """Return all columns that are named by one of some words."""
        return tuple(column.name for column in self.columns if _plain(column.name) in words.split())


class Names(Struct, frozen=True, kw_only=True):
    """A table whose rows have the names of entities or attributes. `id` is the column by which a memory tells the row;
    it may be that of the `name` itself.
    """

    table: Table
    id: str
    name: str


class Layout(Struct, frozen=True, kw_only=True):
    """Where the memories of a file are: the table and its columns, by their names."""

    table: Table
    entity: str
    attribute: str
    value: str
    entities: Names | None
    attributes: Names | None
    time: str | None
    verified: str | None
    confidence: str | None
    source: str | None
    context: str | None
    touched: tuple[str, ...]
    dropped: tuple[str, ...]
    ended: tuple[str, ...]
    period: tuple[str, ...]
    search: str | None
    """A full-text index of the memories that no trigger keeps."""

    def newest_time(self) -> str:
        """Return the SQL that reads the last time that any memory tells."""
        return f"SELECT max({quoted(self.time or self.value)}) FROM {quoted(self.table.name)}"

    def selected(self, where: str = "") -> str:
        """Return the SQL that reads the memories of tasks, the oldest first.

        A row is: entity, attribute, value, time, confidence, verified, number.
        """
        entity, attribute = (
            _told_by("m", self.entity, self.entities, "e"),
            _told_by("m", self.attribute, self.attributes, "a"),
        )
        time, number = _of("m", self.time), _of("m", self.table.rowid)
        columns = (entity, attribute, _of("m", self.value), time, _of("m", self.confidence), _of("m", self.verified))
        order = ", ".join(one for one in (time, number) if one != "NULL") or "1"
        conditions = [*map(_stands, (*self.dropped, *self.ended)), *([f"{entity} {where}"] if where else [])]
        return f"""
            SELECT {", ".join(columns)}, {number} FROM {quoted(self.table.name)} AS m
            {_joined(self.entity, self.entities, "e")} {_joined(self.attribute, self.attributes, "a")}
            WHERE {entity} >= '{names.PREFIX}' AND {entity} < '{names.AFTER}'
              AND {" AND ".join(conditions) or "true"}
            ORDER BY {order}
            """

    def has_tasks(self) -> str:
        """Return the SQL that finds a row if any memory is of a task."""
        entity = _told_by("m", self.entity, self.entities, "e")
        return f"""
            SELECT 1 FROM {quoted(self.table.name)} AS m {_joined(self.entity, self.entities, "e")}
            WHERE {entity} >= '{names.PREFIX}' AND {entity} < '{names.AFTER}' LIMIT 1
            """


def layout_of(connection: apsw.Connection, path: Path) -> Layout:
    """Return where the memories of a file are. Raises StoreError where that cannot be told, and apsw.Error."""
    tables = tables_of(connection)
    try:
        found = [layout for table in tables if (layout := _memories(connection, table, tables)) is not None]
        if not found:
            raise _Unclear(_why_none(tables))
        return _chosen(connection, found)
    except _Unclear as why:
        message = f"{path} is a SQLite file, but where its memories are cannot be told: {why}"
        raise StoreError(Fault.FOREIGN, one_line(message, 900)) from None


def tables_of(connection: apsw.Connection) -> list[Table]:
    """Return a file's plain tables."""
    listed = connection.execute("SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
    return [_table(connection, name, bool(wr)) for name, wr in sorted(listed) if not name.startswith("sqlite_")]


def quoted(name: str) -> str:
    """Return the name of a table or a column as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


class _Unclear(Exception):
    """Why it cannot be told where the memories are."""


def _table(connection: apsw.Connection, name: str, is_without_rowid: bool) -> Table:
    info = list(
        connection.execute("SELECT name, type, [notnull], dflt_value, pk, hidden FROM pragma_table_xinfo(?)", (name,))
    )
    keys = [row[0] for row in sorted(info, key=lambda row: row[4]) if row[4]]
    numbered = (
        not is_without_rowid and len(keys) == 1 and next(r[1] for r in info if r[0] == keys[0]).upper() == "INTEGER"
    )
    columns = [
        Column(
            name=column,
            needs=default is None and (bool(notnull) or bool(pk)) and not (numbered and pk),
            default=default,
            is_whole="INT" in declared.upper(),
        )
        for column, declared, notnull, default, pk, hidden in info
        if not hidden
    ]
    taken = {row[0].lower() for row in info}
    free = next((word for word in ("rowid", "_rowid_", "oid") if word not in taken), None)
    rowid = None if is_without_rowid else keys[0] if numbered else free
    indexes = list(connection.execute("SELECT name FROM pragma_index_list(?) WHERE [unique]", (name,)))
    alone = [
        tuple(row[0] or "" for row in connection.execute("SELECT name FROM pragma_index_info(?)", index))
        for index in indexes
    ]
    key = keys[0] if len(keys) == 1 else None
    return Table(name=name, columns=tuple(columns), rowid=rowid, key=key, alone=tuple(alone))


def _memories(connection: apsw.Connection, table: Table, tables: Sequence[Table]) -> Layout | None:
    entity, attribute, value = (table.named(words) for words in _ROLES.values())
    if entity is None or attribute is None or value is None:
        return None
    return Layout(
        table=table,
        entity=entity,
        attribute=attribute,
        value=value,
        entities=_names(connection, table, entity, tables),
        attributes=_names(connection, table, attribute, tables),
        time=table.named(_TIME),
        verified=table.named(_VERIFIED),
        confidence=table.named(_CONFIDENCE),
        source=table.named(_SOURCE),
        context=table.named(_CONTEXT),
        touched=table.all_named(_TOUCHED),
        dropped=table.all_named(_DROPPED),
        ended=table.all_named(_ENDED),
        period=table.all_named(_PERIOD),
        search=_search(connection, table),
    )


def _names(connection: apsw.Connection, table: Table, column: str, tables: Sequence[Table]) -> Names | None:
    """Return the table that has the names which a column tells by something else; None where it has them itself."""
    keys = connection.execute(
        "SELECT [table], [to] FROM pragma_foreign_key_list(?) WHERE [from] = ?", (table.name, column)
    )
    declared = {other.lower(): to for other, to in keys}
    stem = _plain(column).removesuffix("id")
    likely = {stem, f"{stem}s", f"{stem[:-1]}ies", f"{_plain(table.name)}{stem}s"}
    parents = [other for other in tables if other.name.lower() in declared]
    if not parents and _plain(column).endswith("id"):
        parents = [other for other in tables if other is not table and _plain(other.name) in likely]
    if len(parents) > 1:
        raise _Unclear(f"{_listed(one.name for one in parents)} could have the names for {table.name}.{column}")
    if not parents:
        if _has_numbers(connection, table, column) and not _has_names(connection, table, column):
            raise _Unclear(f"{table.name}.{column} holds numbers, and no table tells whose they are")
        return None
    parent = parents[0]
    own = declared.get(parent.name.lower()) or parent.key or ("id" if parent.named("id") else None)
    name = parent.named(_NAME)
    if own is None or (name is None and _has_numbers(connection, table, column)):
        raise _Unclear(f"{table.name}.{column} tells rows of {parent.name}, and it has no column for their names")
    if name is None or _has_names(connection, table, column):
        name = own
    return Names(table=parent, id=own, name=name)


def _search(connection: apsw.Connection, table: Table) -> str | None:
    sql = "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ? AND sql LIKE '%INSERT%'"
    if list(connection.execute(sql, (table.name,))):
        return None
    sql = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'virtual' AND name LIKE ? || '%'"
    return next((name for (name,) in connection.execute(sql, (table.name.rstrip("s"),))), None)


def _has_names(connection: apsw.Connection, table: Table, column: str) -> bool:
    sql = f"SELECT 1 FROM {quoted(table.name)} WHERE {quoted(column)} >= ? AND {quoted(column)} < ? LIMIT 1"
    return bool(list(connection.execute(sql, (names.PREFIX, names.AFTER))))


def _has_numbers(connection: apsw.Connection, table: Table, column: str) -> bool:
    some = f"SELECT {quoted(column)} AS one FROM {quoted(table.name)} LIMIT 100"
    sql = f"SELECT 1 FROM ({some}) WHERE typeof(one) = 'integer'"
    is_whole = any(one.is_whole for one in table.columns if one.name == column)
    return is_whole or bool(list(connection.execute(sql)))


def _chosen(connection: apsw.Connection, found: Sequence[Layout]) -> Layout:
    """Return the one layout that is meant: of those that know of tasks, the one named the most as Minna's is."""
    known = [layout for layout in found if list(connection.execute(layout.has_tasks()))] or list(found)
    ranked = sorted(known, key=_rank)
    best = [layout for layout in ranked if _rank(layout) == _rank(ranked[0])]
    if len(best) > 1:
        raise _Unclear(f"each of the tables {_listed(layout.table.name for layout in best)} could have them")
    return best[0]


def _rank(layout: Layout) -> int:
    columns = (layout.entity, layout.attribute, layout.value)
    return sum(words.split().index(_plain(column)) for words, column in zip(_ROLES.values(), columns, strict=True))


def _why_none(tables: Sequence[Table]) -> str:
    if not tables:
        return "it has no tables"
    shown = _listed(table.name for table in tables)
    if {table.name.lower() for table in tables} >= _OTHERS:
        return f"it has the tables {shown}, as another program has that is called Minna too"
    parts = [
        f"{table.name} has {_listed(has)}, but none for {_listed(lacks)}"
        for table in tables
        if (has := [role for role, words in _ROLES.items() if table.named(words)])
        and (lacks := [role for role, words in _ROLES.items() if not table.named(words)])
        and len(has) == 2
    ]
    return parts[0] if parts else f"of its tables ({shown}), none has columns for entity, attribute and value"


def _told_by(alias: str, column: str, by: Names | None, other: str) -> str:
    return _of(alias, column) if by is None or by.id == by.name else _of(other, by.name)


def _joined(column: str, by: Names | None, other: str) -> str:
    if by is None or by.id == by.name:
        return ""
    return f"JOIN {quoted(by.table.name)} AS {other} ON {_of(other, by.id)} = {_of('m', column)}"


def _of(alias: str, column: str | None) -> str:
    return "NULL" if column is None else f"{alias}.{quoted(column)}"


def _stands(column: str) -> str:
    """Return the condition that a row was not taken back, by what a column of its says of that."""
    told = _of("m", column)
    if _plain(column) in _STANDS:
        return f"({told} IS NULL OR {told} NOT IN (0, '0', 'false'))"
    return f"({told} IS NULL OR {told} IN (0, '', '0', 'false'))"


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def _listed(words: Iterable[str]) -> str:
    shown = [said(word) for word in words]
    few = [*shown[:_SHOWN], "…"] if len(shown) > _SHOWN else shown
    return " and ".join(filter(None, [", ".join(few[:-1]), *few[-1:]]))
