"""The layout of a SQLite store: public tables `tasks` and `events`, and how older layouts become this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskdeck_store import validity
from taskdeck_store.marks import APPLICATION_ID
from taskdeck_store.sqlite import triggers
from taskdeck_store.values import State

if TYPE_CHECKING:
    from apsw import Connection


def _tables() -> str:
    # WITHOUT ROWID: REPLACE can take a row away by its rowid too. No AUTOINCREMENT: events are never deleted, so that
    # no seq comes twice, and it would write one more page with each commit.
    spaces = ", ".join(str(code) for code in range(0x3001) if chr(code).isspace())
    most = validity.WHOLE_LIMIT
    states = ", ".join(f"'{state}'" for state in State)
    return f"""
        CREATE TABLE tasks (
          id TEXT NOT NULL PRIMARY KEY,
          title TEXT NOT NULL,
          state TEXT NOT NULL DEFAULT 'pending',
          priority INTEGER NOT NULL DEFAULT 5,
          attempts INTEGER NOT NULL DEFAULT 0,
          max_attempts INTEGER NOT NULL DEFAULT 3,
          owner TEXT,
          lease_until TEXT,
          created_at TEXT,
          updated_at TEXT,
          state_since TEXT,
          version TEXT,
          tags TEXT NOT NULL DEFAULT '[]',
          error TEXT,
          description TEXT NOT NULL DEFAULT '',
          data TEXT,
          result TEXT,
          CONSTRAINT "an id takes 1 to {validity.ID_LIMIT} letters, digits and . _ ~ -"
            CHECK (length(CAST(id AS BLOB)) BETWEEN 1 AND {validity.ID_LIMIT} AND id NOT GLOB '*[^A-Za-z0-9._~-]*'
              AND instr(id, char(0)) = 0),
          CONSTRAINT "a title has 1 to {validity.TITLE_LIMIT} characters that are not all blank"
            CHECK (length(title) <= {validity.TITLE_LIMIT} AND trim(title, char({spaces})) <> ''
              AND instr(title, char(0)) = 0),
          CONSTRAINT "state is one of the five" CHECK (state IN ({states})),
          CONSTRAINT "priority lies between {-most} and {most}" CHECK (priority BETWEEN {-most} AND {most}),
          CONSTRAINT "attempts lies between 0 and {most}" CHECK (attempts BETWEEN 0 AND {most}),
          CONSTRAINT "max_attempts lies between 0 and {most}" CHECK (max_attempts BETWEEN 0 AND {most}),
          CONSTRAINT "tags is a JSON array" CHECK (json_valid(tags) AND json_type(tags) = 'array'),
          CONSTRAINT "data is JSON" CHECK (data IS NULL OR json_valid(data)),
          CONSTRAINT "result is JSON" CHECK (result IS NULL OR json_valid(result))
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX tasks_by_priority ON tasks (state, priority, state_since, id);
        CREATE INDEX tasks_by_time ON tasks (state, state_since, id);

        CREATE TABLE events (
          seq INTEGER PRIMARY KEY,
          task_id TEXT NOT NULL,
          at TEXT NOT NULL,
          actor TEXT NOT NULL,
          action TEXT NOT NULL,
          from_state TEXT CHECK (from_state IN ({states})),
          to_state TEXT CHECK (to_state IN ({states})),
          attempts INTEGER NOT NULL,
          note TEXT,
          changes TEXT NOT NULL DEFAULT '{{}}'
            CONSTRAINT "changes is a JSON object" CHECK (json_valid(changes) AND json_type(changes) = 'object'),
          "group" TEXT,
          undoes INTEGER,
          hash TEXT,
          operation TEXT
        ) STRICT;
        CREATE INDEX events_by_task ON events (task_id, seq);
        CREATE UNIQUE INDEX events_by_operation ON events (operation) WHERE operation IS NOT NULL;

        CREATE TABLE counts (state TEXT NOT NULL PRIMARY KEY, count INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        INSERT INTO counts VALUES {", ".join(f"('{state}', 0)" for state in State)};

        CREATE TABLE identity (store TEXT NOT NULL) STRICT;
        INSERT INTO identity VALUES (lower(hex(randomblob(16))));
        """


def _without_lists() -> str:
    # Of IN with more than two values, SQLite makes a table for each row that is written; it costs a commit 5 %.
    # What a constraint says is changed as in https://www.sqlite.org/lang_altertable.html, 7: it means the same.
    states = ", ".join(f"'{state}'" for state in State)
    sql = "sql"
    for name in ("state", "from_state", "to_state"):
        one_of = " OR ".join(f"{name} = '{state}'" for state in State)
        old, new = (f"CHECK ({check})".replace("'", "''") for check in (f"{name} IN ({states})", one_of))
        sql = f"replace({sql}, '{old}', '{new}')"
    return f"""
        PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET sql = {sql} WHERE type = 'table' AND name IN ('tasks', 'events');
        PRAGMA writable_schema = RESET;
        """


MIGRATIONS: tuple[str, ...] = (
    _tables(),
    "CREATE INDEX events_unsealed ON events (seq) WHERE hash IS NULL",
    """
        DROP TRIGGER IF EXISTS tasks_inserted_counted;
        DROP TRIGGER IF EXISTS tasks_deleted_counted;
        DROP TRIGGER IF EXISTS tasks_moved_counted;
        DROP TABLE counts;
        """,
    f"""
        ALTER TABLE tasks ADD COLUMN not_before TEXT
          CONSTRAINT "not_before is a moment in UTC, like 2026-01-31T09:00:00.000000Z"
            CHECK (not_before IS NULL OR not_before >= '0001' AND NOT {triggers.no_moment("not_before")});
        DROP INDEX tasks_by_priority;
        CREATE INDEX tasks_by_priority ON tasks (state, priority, state_since, id, not_before);
        CREATE INDEX tasks_by_due ON tasks (not_before) WHERE state = 'pending' AND not_before IS NOT NULL;
        """,
    """
        ALTER TABLE tasks ADD COLUMN depends_on TEXT NOT NULL DEFAULT '[]'
          CONSTRAINT "depends_on is a JSON array" CHECK (json_valid(depends_on) AND json_type(depends_on) = 'array');
        ALTER TABLE tasks ADD COLUMN blocked INTEGER NOT NULL DEFAULT 0;
        CREATE TABLE dependencies (
          depends_on TEXT NOT NULL,
          task_id TEXT NOT NULL,
          PRIMARY KEY (depends_on, task_id)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX tasks_ready ON tasks (priority, state_since, id, not_before)
          WHERE state = 'pending' AND blocked = 0;
        """,
    _without_lists(),
)
"""The n-th makes the tables of layout n + 1 from those of layout n; layout 0 is an empty database."""

READABLE = 1
"""The oldest layout that can be read without bringing it up to date."""

SCHEDULED = 4
"""The layout from which on a task has `not_before`."""

DEPENDENT = 5
"""The layout from which on a task has `depends_on` and `blocked`."""

COUNTED = f"""
    DELETE FROM dependencies;
    INSERT OR IGNORE INTO dependencies SELECT value, tasks.id FROM tasks, json_each(depends_on);
    UPDATE tasks SET blocked = {triggers.unmet("tasks")} WHERE depends_on <> '[]' OR blocked <> 0;
    """
"""Makes anew, with no trigger in the way, what triggers keep of `depends_on`."""


def migrate(connection: Connection) -> None:
    """Bring a database to the newest layout and its rules, inside the transaction of the caller."""
    # A column is added to a table only where its rows keep the rules, which salvaged ones need not.
    connection.pragma("ignore_check_constraints", True)
    for number in range(layout(connection), len(MIGRATIONS)):
        connection.execute(MIGRATIONS[number])
        connection.execute(f"PRAGMA user_version = {number + 1}")
    connection.pragma("ignore_check_constraints", False)
    for trigger in triggers.ddl():
        name = trigger.split()[2]
        connection.execute(f"DROP TRIGGER IF EXISTS {name}")
        connection.execute(trigger)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def show(connection: Connection) -> None:
    """Have a database of an older layout read like one of the newest, also once somebody has brought it up to date."""
    had = layout(connection)
    added = ", NULL AS not_before" if had < SCHEDULED else ""
    added += ", '[]' AS depends_on, 0 AS blocked" if had < DEPENDENT else ""
    if added:
        # Once the table has the columns too, those come first, and are the ones that their names mean.
        connection.execute(f"CREATE TEMP VIEW tasks AS SELECT *{added} FROM main.tasks")


def layout(connection: Connection) -> int:
    """Return the number of the layout a database has."""
    return int(connection.pragma("user_version"))
