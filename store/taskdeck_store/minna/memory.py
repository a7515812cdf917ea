"""A small `MinnaMemory`, for whoever has not the original: it does what is documented of it, on a file of its own.

Of the tables of the original nothing is known. Those made here are found, as those of any such file are, by
`taskdeck_store.minna.layout`.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

import apsw

from taskdeck_store import clock, placing
from taskdeck_store.marks import MEMORIES_ID
from taskdeck_store.minna import decay
from taskdeck_store.minna.faults import explained
from taskdeck_store.minna.times import microseconds

Row: TypeAlias = dict[str, Any]
"""A memory: id, entity, attribute, value, source, confidence, created_at, context and verified_at."""

_TABLES = """
    CREATE TABLE memories (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      entity TEXT NOT NULL,
      attribute TEXT NOT NULL,
      value TEXT NOT NULL,
      source TEXT NOT NULL DEFAULT 'user',
      confidence REAL NOT NULL DEFAULT 1.0 CHECK (confidence BETWEEN 0 AND 1),
      context TEXT,
      created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
      verified_at TEXT
    );
    CREATE INDEX memories_by_entity ON memories (entity, attribute, created_at, id);
    CREATE TABLE relationships (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      from_entity TEXT NOT NULL,
      to_entity TEXT NOT NULL,
      rel_type TEXT NOT NULL,
      created_at TEXT NOT NULL,
      UNIQUE (from_entity, to_entity, rel_type)
    );
    """
_COLUMNS = ("id", "entity", "attribute", "value", "source", "confidence", "created_at", "context", "verified_at")
_PATIENCE_MS = 10_000


class MinnaMemory:
    """Memories in a file, which is made where there is none yet. A handle serves one thread at a time.

    Every method raises StoreError when the file as a whole cannot be read or written, and ValueError for a text that
    is none.
    """

    def __init__(self, path: str | os.PathLike[str], *, now: clock.Clock = clock.utc_now) -> None:
        self._path = Path(path)
        self._now = now
        if not self._path.exists():
            with suppress(FileExistsError):
                self._path.parent.mkdir(parents=True)
            create(self._path)
        with explained(self._path, "read"):
            self._connection = apsw.Connection(str(self._path.absolute()), flags=apsw.SQLITE_OPEN_READWRITE)
            self._connection.set_busy_timeout(_PATIENCE_MS)
            self._connection.pragma("synchronous", "FULL")
            self._connection.pragma("fullfsync", True)

    def store(
        self,
        entity: str,
        attribute: str,
        value: str,
        confidence: float = 1.0,
        source: str = "user",
        context: str | None = None,
    ) -> int:
        """Keep one memory more, durably, and return its id. What was stored before stays. Confidence: from 0 to 1."""
        if not 0 <= confidence <= 1:
            raise ValueError(f"a confidence lies between 0 and 1, not {confidence!r}")
        _texts(entity=entity, attribute=attribute, value=value, source=source, context=context or "")
        columns = "entity, attribute, value, confidence, source, context, created_at"
        sql = f"INSERT INTO memories ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)"
        return self._inserted(sql, (entity, attribute, value, float(confidence), source, context, self._now()))

    def recall(
        self,
        entity: str | None = None,
        attribute: str | None = None,
        *,
        include_decay: bool = False,
        half_life_days: float = decay.HALF_LIFE_DAYS,
        min_confidence: float | None = None,
        limit: int | None = None,
    ) -> list[Row]:
        """Return memories, the newest first: of an entity, of an attribute, or all.

        With `include_decay`, each also has its `effective_confidence`, and it is this, in any case, that must be
        `min_confidence` at least.
        """
        _texts(entity=entity or "", attribute=attribute or "")
        where = " AND ".join(f"{name} = ?" for name, given in _given(entity, attribute)) or "true"
        rows = self._rows(where, [given for _, given in _given(entity, attribute)])
        now = microseconds(self._now()) or 0
        kept = []
        for row in rows:
            since = microseconds(row["verified_at"]) or microseconds(row["created_at"]) or now
            effective = decay.left(row["confidence"], since, now, half_life_days)
            if include_decay:
                row["effective_confidence"] = effective
            if min_confidence is None or effective >= min_confidence:
                kept.append(row)
        return kept[:limit]

    def search(self, query: str, limit: int | None = None) -> list[Row]:
        """Return the memories that have a text in entity, attribute or value, the newest first. A to Z is a to z."""
        _texts(query=query)
        where = " OR ".join(f"instr(lower({name}), lower(?1)) > 0" for name in ("entity", "attribute", "value"))
        return self._rows(where, [query])[:limit]

    def relate(self, from_entity: str, to_entity: str, rel_type: str) -> int:
        """Keep that one entity has a relation to another, and return its id: the same when it was kept before."""
        _texts(from_entity=from_entity, to_entity=to_entity, rel_type=rel_type)
        sql = """
            INSERT INTO relationships (from_entity, to_entity, rel_type, created_at) VALUES (?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET rel_type = excluded.rel_type RETURNING id
            """
        with explained(self._path, "write"):
            return int(next(iter(self._connection.execute(sql, (from_entity, to_entity, rel_type, self._now()))))[0])

    def verify(self, memory_id: int) -> bool:
        """Say that a memory is still true, so that its confidence is whole again. False where there is no such."""
        with explained(self._path, "write"):
            self._connection.execute("UPDATE memories SET verified_at = ? WHERE id = ?", (self._now(), memory_id))
            return self._connection.changes() > 0

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close(True)

    def __enter__(self) -> MinnaMemory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _inserted(self, sql: str, values: tuple[object, ...]) -> int:
        with explained(self._path, "write"):
            self._connection.execute(sql, values)
            return self._connection.last_insert_rowid()

    def _rows(self, where: str, values: list[str]) -> list[Row]:
        sql = f"SELECT {', '.join(_COLUMNS)} FROM memories WHERE {where} ORDER BY created_at DESC, id DESC"
        with explained(self._path, "read"):
            return [dict(zip(_COLUMNS, row, strict=True)) for row in self._connection.execute(sql, values)]


def create(path: Path) -> None:
    """Make a file without memories: whole or not at all, never over another, for its owner alone. Raises StoreError."""
    with explained(path, "write"):
        placing.make_database(path, _fill)


def _fill(draft: Path) -> None:
    connection = apsw.Connection(str(draft.absolute()), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.execute(f"BEGIN; {_TABLES} PRAGMA application_id = {MEMORIES_ID}; COMMIT")
    finally:
        connection.close(True)
    placing.sync_file(draft)


def _given(entity: str | None, attribute: str | None) -> list[tuple[str, str]]:
    return [(name, given) for name, given in (("entity", entity), ("attribute", attribute)) if given is not None]


def _texts(**values: object) -> None:
    for name, value in values.items():
        if not isinstance(value, str):
            raise ValueError(f"{name} must be a text, not {value!r:.40}")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{name} has half a character (a lone surrogate), which cannot be stored") from None
