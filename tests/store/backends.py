"""The stores under test, each with an outside program that knows nothing of Taskdeck and edits its file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

from ledgers import ALL_WORDS, Ledger

from taskdeck_store import create_store


class Refused(Exception):
    """The store itself turned the outside program away, and this is what it said."""


class Backend(Protocol):
    """How the suite makes a store of one kind, and how others edit it."""

    name: str
    suffix: str
    guards: bool
    """Whether the store itself refuses an outside move that the transition table does not have."""
    records_times: bool
    """Whether an outside change gets new times."""

    def make(self, folder: Path) -> Path:
        """Make an empty store in a folder."""

    def meddle(self, path: Path, task_id: str, **fields: Any) -> None:
        """Set fields of a task as another program would; add the task when there is none. Raises Refused."""

    def remove(self, path: Path, task_id: str) -> None:
        """Take a task away as another program would."""

    def close(self) -> None:
        """End the outside program."""


class Sqlite:
    """Plain SQL from another process, through the SQLite that Python brings.

    Never from this process: two SQLite libraries in one process undo each other's file locks.
    """

    name = "sqlite"
    suffix = ".db"
    guards = True
    records_times = True

    _PROGRAM = """
import json, sqlite3, sys
for line in sys.stdin:
    path, statements = json.loads(line)
    connection = sqlite3.connect(path, timeout=10)
    try:
        with connection:
            rows = [connection.execute(sql, values).fetchall() for sql, values in statements]
        answer = {"rows": rows}
    except sqlite3.Error as error:
        answer = {"error": str(error)}
    connection.close()
    print(json.dumps(answer), flush=True)
"""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def make(self, folder: Path) -> Path:
        path = folder / "tasks.db"
        create_store(str(path))
        return path

    def meddle(self, path: Path, task_id: str, **fields: Any) -> None:
        values = {
            name: json.dumps(value) if name in ("tags", "data", "result") else value for name, value in fields.items()
        }
        known = self.sql(path, ("SELECT 1 FROM tasks WHERE id = ?", [task_id]))[0]
        if known:
            sets = ", ".join(f"{name} = ?" for name in values)
            self.sql(path, (f"UPDATE tasks SET {sets} WHERE id = ?", [*values.values(), task_id]))
        else:
            names = ", ".join(("id", *values))
            marks = ", ".join("?" * (len(values) + 1))
            self.sql(path, (f"INSERT INTO tasks ({names}) VALUES ({marks})", [task_id, *values.values()]))

    def remove(self, path: Path, task_id: str) -> None:
        self.sql(path, ("DELETE FROM tasks WHERE id = ?", [task_id]))

    def sql(self, path: Path, *statements: tuple[str, list[Any]]) -> list[list[Any]]:
        """Run statements in one transaction of the outside program; return the rows of each. Raises Refused."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-E", "-c", self._PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([str(path), statements]) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise Refused(answer["error"])
        rows: list[list[Any]] = answer["rows"]
        return rows

    def forge(self, path: Path, statement: str, *values: Any) -> None:
        """Run a statement past all rules of the file, as one can who has it in his hands; the rules are back then."""
        rules = self.sql(path, ("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'", []))[0]
        drops = [(f"DROP TRIGGER {name}", []) for name, _ in rules]
        makes = [(rule, []) for _, rule in rules]
        self.sql(path, *drops, (statement, list(values)), *makes)

    def close(self) -> None:
        if self._process is not None:
            self._process.communicate()
            self._process = None


class JsonFile:
    """A program that loads the whole file, changes it, and writes it back without any lock."""

    name = "json"
    suffix = ".json"
    guards = False
    records_times = False

    def make(self, folder: Path) -> Path:
        path = folder / "tasks.json"
        create_store(str(path))
        return path

    def meddle(self, path: Path, task_id: str, **fields: Any) -> None:
        document, tasks = self._load(path)
        task = next((task for task in tasks if task["id"] == task_id), None)
        if task is None:
            task = {"id": task_id, "state": "pending"}
            tasks.append(task)
        if "status" in task and "state" in fields:
            fields["status"] = fields.pop("state")
        task.update(fields)
        path.write_text(json.dumps(document, indent=2), encoding="utf-8")

    def remove(self, path: Path, task_id: str) -> None:
        document, tasks = self._load(path)
        tasks[:] = [task for task in tasks if task["id"] != task_id]
        path.write_text(json.dumps(document, indent=2), encoding="utf-8")

    def close(self) -> None:
        pass

    def _load(self, path: Path) -> tuple[Any, list[dict[str, Any]]]:
        document = json.loads(path.read_text(encoding="utf-8"))
        return document, document if isinstance(document, list) else document["tasks"]


class Observed:
    """A format that is not Taskdeck's, seen through a mirror; see `ledgers`."""

    name = "observed"
    suffix = ".ledger"
    guards = False
    records_times = True

    def make(self, folder: Path) -> Path:
        path = folder / "tasks.ledger"
        Ledger(path).save({})
        return path

    def meddle(self, path: Path, task_id: str, **fields: Any) -> None:
        words = {state.value: word for word, state in ALL_WORDS.items()}
        names = {"state": "is", "title": "what", "priority": "rank"}
        said = {names.get(name, name): value for name, value in fields.items()}
        if "is" in said:
            said["is"] = words[said["is"]]
        Ledger(path).edit(**{task_id: said})

    def remove(self, path: Path, task_id: str) -> None:
        Ledger(path).edit(**{task_id: None})

    def close(self) -> None:
        pass


BACKENDS: tuple[type[Backend], ...] = (Sqlite, JsonFile)
"""Those whose files are Taskdeck's own."""

EVERY: tuple[type[Backend], ...] = (*BACKENDS, Observed)
"""Those that keep the contract of stores."""
