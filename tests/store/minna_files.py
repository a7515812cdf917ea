"""Files of memories in layouts that somebody may have chosen; that of the original is published nowhere."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import apsw

BEGAN = 1_790_000_000
"""When the first memory was stored, in seconds since 1970."""

TOLD = (
    ("task:proj:7", "status", "pending"),
    ("task:proj:7", "description", "mend the roof"),
    ("user", "prefers", "dark mode"),
    ("task:proj:8", "status", "pending"),
    ("task:proj:8", "description", "paint the door"),
    ("task:proj:7", "attempts", "2"),
    ("task:proj:7", "status", "in_progress"),
)
"""What each file remembers, a second between one and the next."""


class Layout(NamedTuple):
    """How a file is made, how a memory is put into it at a second, and how its own program recalls them."""

    ddl: str
    insert: Callable[[apsw.Connection, str, str, str, int], None]
    recall: str
    rows: str = "memories"


def iso(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat(timespec="microseconds")


def plain(sql: str, moment: Callable[[int], Any] = iso) -> Callable[..., None]:
    return lambda connection, *told: connection.execute(sql, (*told[:3], moment(told[3]))) and None


def by_id(
    sql: str, moment: Callable[[int], Any] = iso, new: Callable[[], Any] = lambda: None, kind: str = "concept"
) -> Callable[..., None]:
    """Put a memory in a file where entities have a table of their own."""

    def insert(connection: apsw.Connection, entity: str, attribute: str, value: str, second: int) -> None:
        find = "SELECT id FROM entities WHERE name = ?"
        if not connection.execute(find, (entity,)).fetchall():
            given = "INSERT INTO entities (id, name, entity_type) VALUES (?, ?, ?)"
            connection.execute(given, (new(), entity, kind))
        own = connection.execute(find, (entity,)).fetchall()[0][0]
        row = (own, attribute, value, moment(second))
        connection.execute(sql, row if new() is None else (new(), *row))

    return insert


def wholly(connection: apsw.Connection, entity: str, attribute: str, value: str, second: int) -> None:
    for table, name in (("entities", entity), ("attributes", attribute)):
        connection.execute(f"INSERT OR IGNORE INTO {table} (name) VALUES (?)", (name,))
    sql = """
        INSERT INTO facts (entity_id, attribute_id, value, created_at)
        SELECT e.id, a.id, ?, ? FROM entities e, attributes a WHERE e.name = ? AND a.name = ?
        """
    connection.execute(sql, (value, iso(second), entity, attribute))


def registered(connection: apsw.Connection, entity: str, attribute: str, value: str, second: int) -> None:
    connection.execute("INSERT OR IGNORE INTO entities (id, type) VALUES (?, 'concept')", (entity,))
    sql = "INSERT INTO memories (entity_id, attribute, value, stored_at) VALUES (?, ?, ?, ?)"
    connection.execute(sql, (entity, attribute, value, iso(second)))


FLAT = """
    CREATE TABLE memories (
      id INTEGER PRIMARY KEY AUTOINCREMENT, entity TEXT NOT NULL, attribute TEXT NOT NULL, value TEXT NOT NULL,
      source TEXT, confidence REAL DEFAULT 1.0, context TEXT, created_at TEXT NOT NULL, verified_at TEXT
    );
    """
ENTITIES = """
    CREATE TABLE entities (
      id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,
      entity_type TEXT NOT NULL CHECK (entity_type IN ('person', 'project', 'concept', 'topic', 'preference')),
      aliases TEXT DEFAULT '[]', created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
    );
    """
FLAT_INSERT = "INSERT INTO memories (entity, attribute, value, created_at) VALUES (?, ?, ?, ?)"
FLAT_RECALL = "SELECT value FROM memories WHERE entity = ? AND attribute = ? ORDER BY created_at DESC"

LAYOUTS = {
    "one table": Layout(FLAT, plain(FLAT_INSERT), FLAT_RECALL),
    "entities by number, times by default": Layout(
        ENTITIES
        + """
        CREATE TABLE memories (
          id INTEGER PRIMARY KEY AUTOINCREMENT, entity_id INTEGER NOT NULL REFERENCES entities (id) ON DELETE CASCADE,
          attribute TEXT NOT NULL, value TEXT NOT NULL, source TEXT DEFAULT 'user', confidence REAL DEFAULT 1.0,
          context TEXT, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, verified_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
        );
        CREATE TABLE relationships (id INTEGER PRIMARY KEY, from_entity_id INT, to_entity_id INT, rel_type TEXT);
        CREATE TABLE preferences (category TEXT, key TEXT, value TEXT, PRIMARY KEY (category, key));
        """,
        by_id(
            "INSERT INTO memories (entity_id, attribute, value, created_at) VALUES (?, ?, ?, ?)",
            lambda second: iso(second)[:19].replace("T", " "),
        ),
        "SELECT value FROM memories m JOIN entities e ON e.id = entity_id WHERE name = ? AND attribute = ?"
        " ORDER BY m.created_at DESC",
    ),
    "subject, predicate, object by UUID in seconds": Layout(
        """
        CREATE TABLE entities (id TEXT PRIMARY KEY, name TEXT NOT NULL, entity_type TEXT NOT NULL);
        CREATE TABLE facts (id TEXT PRIMARY KEY, subject_id TEXT NOT NULL REFERENCES entities,
          predicate TEXT NOT NULL, object TEXT, certainty REAL NOT NULL DEFAULT 1, timestamp INTEGER NOT NULL);
        """,
        by_id(
            "INSERT INTO facts (id, subject_id, predicate, object, timestamp) VALUES (?, ?, ?, ?, ?)",
            int,
            lambda: str(uuid.uuid4()),
        ),
        "SELECT object FROM facts f JOIN entities e ON e.id = subject_id WHERE name = ? AND predicate = ?"
        " ORDER BY timestamp DESC",
        "facts",
    ),
    "triples in parts of seconds": Layout(
        "CREATE TABLE triples (subject TEXT, predicate TEXT, object TEXT, ts REAL)",
        plain("INSERT INTO triples VALUES (?, ?, ?, ?)", lambda second: second + 0.25),
        "SELECT object FROM triples WHERE subject = ? AND predicate = ? ORDER BY ts DESC",
        "triples",
    ),
    "keys in milliseconds": Layout(
        "CREATE TABLE memory (entity_name TEXT, key TEXT, value, created INTEGER, updated_at INTEGER NOT NULL)",
        plain("INSERT INTO memory VALUES (?, ?, ?, ?4, ?4)", lambda second: second * 1000),
        "SELECT value FROM memory WHERE entity_name = ? AND key = ? ORDER BY created DESC",
        "memory",
    ),
    "entities and attributes by number": Layout(
        """
        CREATE TABLE entities (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
        CREATE TABLE attributes (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
        CREATE TABLE facts (entity_id INT REFERENCES entities (id), attribute_id INT REFERENCES attributes (id),
          value TEXT, created_at TEXT);
        """,
        wholly,
        "SELECT value FROM facts f JOIN entities e ON e.id = entity_id JOIN attributes a ON a.id = attribute_id"
        " WHERE e.name = ? AND a.name = ? ORDER BY created_at DESC",
        "facts",
    ),
    "entities listed by their names": Layout(
        """
        CREATE TABLE entities (id TEXT PRIMARY KEY, type TEXT NOT NULL, name TEXT);
        CREATE TABLE memories (entity_id TEXT NOT NULL REFERENCES entities (id), attribute TEXT, value TEXT,
          stored_at DATETIME NOT NULL);
        """,
        registered,
        "SELECT value FROM memories WHERE entity_id = ? AND attribute = ? ORDER BY stored_at DESC",
    ),
    "no times, confidence of a hundred": Layout(
        "CREATE TABLE eav (id INTEGER PRIMARY KEY, entity TEXT, attr TEXT, val TEXT, confidence INTEGER NOT NULL)",
        plain("INSERT INTO eav (entity, attr, val, confidence) VALUES (?, ?, ?, 80 + ?4 * 0)", int),
        "SELECT val FROM eav WHERE entity = ? AND attr = ? ORDER BY id DESC",
        "eav",
    ),
    "an index for search and rows taken back": Layout(
        FLAT.replace("source TEXT,", "source TEXT, is_deleted INTEGER DEFAULT 0,")
        + """
        CREATE VIRTUAL TABLE memories_fts USING fts5 (entity, value, content='memories', content_rowid='id');
        CREATE TRIGGER memories_ai AFTER INSERT ON memories BEGIN
          INSERT INTO memories_fts (rowid, entity, value) VALUES (new.id, new.entity, new.value);
        END;
        INSERT INTO memories (entity, attribute, value, created_at, is_deleted)
          VALUES ('task:proj:7', 'status', 'failed', '2099-01-01T00:00:00+00:00', 1);
        INSERT INTO memories (entity, attribute, value, created_at, is_deleted)
          VALUES ('task:proj:9', 'status', 'failed', '2026-01-01T00:00:00+00:00', 1);
        """,
        plain(FLAT_INSERT),
        FLAT_RECALL.replace("WHERE", "WHERE NOT is_deleted AND"),
    ),
    "capitals, odd names, and tables that look alike": Layout(
        """
        CREATE TABLE "My ""Memories" ("Entity" TEXT, "Attribute" TEXT, "Value" TEXT, "CreatedAt" TEXT, rowid INTEGER);
        CREATE TABLE relations (subject TEXT, predicate TEXT, object TEXT, created_at TEXT);
        INSERT INTO relations VALUES ('task:proj:7', 'blocks', 'task:proj:8', '2026-01-01');
        CREATE TABLE memories_archive ("Entity" TEXT, "Attribute" TEXT, "Value" TEXT, "CreatedAt" TEXT);
        """,
        plain('INSERT INTO "My ""Memories" VALUES (?, ?, ?, ?, 1)', lambda second: iso(second)[:19] + ".5Z"),
        'SELECT "Value" FROM "My ""Memories" WHERE "Entity" = ? AND "Attribute" = ? ORDER BY "CreatedAt" DESC',
        '"My ""Memories"',
    ),
    "an entity's table that no key declares": Layout(
        """
        CREATE TABLE entities (id INTEGER PRIMARY KEY, name TEXT, entity_type TEXT);
        CREATE TABLE memories (entity_id INTEGER, property TEXT, content TEXT, recorded_at TEXT);
        """,
        by_id("INSERT INTO memories VALUES (?, ?, ?, ?)"),
        "SELECT content FROM memories m JOIN entities e ON e.id = entity_id WHERE name = ? AND property = ?"
        " ORDER BY recorded_at DESC",
    ),
}


def make(path: Path, layout: Layout, told: Iterable[tuple[str, str, str]] = TOLD) -> Path:
    """Make a file in a layout, with what it remembers."""
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute(f"BEGIN; {layout.ddl}")
        for number, (entity, attribute, value) in enumerate(told):
            layout.insert(connection, entity, attribute, value, BEGAN + number)
        connection.execute("COMMIT")
    return path


def sql(path: Path, script: str, values: tuple[Any, ...] = ()) -> list[Any]:
    """Do something to a file as another program does."""
    with closing(apsw.Connection(str(path))) as connection:
        connection.set_busy_timeout(5_000)
        return connection.execute(script, values).fetchall()
