"""The stores under test, each with an outside program that knows nothing of Taskdeck and edits its file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from pathlib import Path
from typing import Any, ClassVar, Protocol
from unittest import mock

import apsw
from ledgers import ALL_WORDS, Ledger
from mcp_http import ours

from taskdeck_store import clock, create_store, kinds
from taskdeck_store.minna.memory import MinnaMemory
from taskdeck_store.minna.names import entity_of

CARRIED_ON = "carried on a commit of 2 events"


class Refused(Exception):
    """The store itself turned the outside program away, and this is what it said."""


class Backend(Protocol):
    """How the suite makes a store of one kind, and how others edit it."""

    name: str
    kind: str
    """What the store calls itself."""
    suffix: str
    scheme: str | None
    """What stands before the path of a store that is to be made; None: its own program makes it."""
    mends: str
    """What is told by who opens a store after a writer was killed in the middle of a commit of two events."""
    begun: bool
    """Whether there is a task in a new store, which is completed: by its keys the format is known."""
    guards: bool
    """Whether the store itself refuses an outside move that the transition table does not have."""
    records_times: bool
    """Whether an outside change gets new times."""
    here: bool
    """Whether the files themselves are opened, and not a server that has them."""

    def make(self, folder: Path) -> Path:
        """Make an empty store in a folder."""

    def address(self, path: Path, now: clock.Clock = clock.utc_now) -> str:
        """Return what is opened of the store at a path; `now` is the clock of who serves it, where somebody does."""

    def meddle(self, path: Path, task_id: str, **fields: Any) -> None:
        """Set fields of a task as another program would; add the task when there is none. Raises Refused."""

    def remove(self, path: Path, task_id: str) -> None:
        """Take a task away as another program would."""

    def known(self) -> AbstractContextManager[object]:
        """Have Taskdeck know such a store."""

    def age(self, path: Path) -> None:
        """Have so much time go by that a lock counts for nothing which nobody holds any more."""

    def close(self) -> None:
        """End the outside program."""


class Sqlite:
    """Plain SQL from another process, through the SQLite that Python brings.

    Never from this process: two SQLite libraries in one process undo each other's file locks.
    """

    name = "sqlite"
    kind = "SQLite"
    suffix = ".db"
    scheme: str | None = ""
    mends = "took over a log (-wal) of"
    begun = False
    guards = True
    records_times = True
    here = True

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

    def address(self, path: Path, now: clock.Clock = clock.utc_now) -> str:
        return str(path)

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

    def known(self) -> AbstractContextManager[object]:
        return nullcontext()

    def age(self, path: Path) -> None:
        pass

    def close(self) -> None:
        if self._process is not None:
            self._process.communicate()
            self._process = None


class Served(Sqlite):
    """A server of ours on an SQLite store, opened over HTTP; the outside program edits the file that is served."""

    name = "mcp"
    kind = "MCP"
    scheme: str | None = None
    mends = CARRIED_ON
    here = False

    def __init__(self) -> None:
        super().__init__()
        self._served: dict[Path, str] = {}
        self._servers = ExitStack()

    def address(self, path: Path, now: clock.Clock = clock.utc_now) -> str:
        if path not in self._served:
            self._served[path] = self._servers.enter_context(ours(str(path), now))
        return self._served[path]

    def close(self) -> None:
        self._servers.close()
        super().close()


class JsonFile:
    """A program that loads the whole file, changes it, and writes it back without any lock."""

    name = "json"
    kind = "JSON"
    suffix = ".json"
    scheme: str | None = ""
    mends = CARRIED_ON
    begun = False
    guards = False
    records_times = False
    here = True

    def make(self, folder: Path) -> Path:
        path = folder / "tasks.json"
        create_store(str(path))
        return path

    def address(self, path: Path, now: clock.Clock = clock.utc_now) -> str:
        return str(path)

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

    def known(self) -> AbstractContextManager[object]:
        return nullcontext()

    def age(self, path: Path) -> None:
        pass

    def close(self) -> None:
        pass

    def _load(self, path: Path) -> tuple[Any, list[dict[str, Any]]]:
        document = json.loads(path.read_text(encoding="utf-8"))
        return document, document if isinstance(document, list) else document["tasks"]


class Theirs:
    """What the stores have in common that are a mirror of what others own."""

    scheme: str | None = None
    mends: str = CARRIED_ON
    begun = False
    guards = False
    records_times = True
    here = True

    def address(self, path: Path, now: clock.Clock = clock.utc_now) -> str:
        return str(path)

    def known(self) -> AbstractContextManager[object]:
        return nullcontext()

    def age(self, path: Path) -> None:
        pass

    def close(self) -> None:
        pass


class Observed(Theirs):
    """A format made for the tests that can say all that Taskdeck can, in its own words; see `ledgers`."""

    name = "observed"
    kind = "ledger"
    suffix = ".ledger"

    def known(self) -> AbstractContextManager[object]:
        return mock.patch.object(kinds, "_OURS", ("ledgers:WHOLE_KIND",))

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


class Minna(Theirs):
    """Tasks in a file of memories; the outside program remembers something new of them."""

    name = "minna"
    kind = "Minna Memory"
    suffix = ".db"
    scheme: str | None = "minna:"

    def make(self, folder: Path) -> Path:
        path = folder / "minna.db"
        create_store(f"{self.scheme}{path}")
        return path

    def meddle(self, path: Path, task_id: str, **fields: Any) -> None:
        entity = entity_of(task_id)
        assert entity is not None
        with MinnaMemory(path) as memory:
            for name, value in fields.items():
                attribute = "status" if name == "state" else name
                memory.store(entity, attribute, value if isinstance(value, str) else json.dumps(value))

    def remove(self, path: Path, task_id: str) -> None:
        with closing(apsw.Connection(str(path))) as connection:
            connection.execute("DELETE FROM memories WHERE entity = ?", (entity_of(task_id),))


class TaskMaster(Theirs):
    """A program that writes Task Master's file anew, in its own words."""

    name = "taskmaster"
    kind = "Task Master"
    suffix = ".json"

    def make(self, folder: Path) -> Path:
        path = folder / "tasks.json"
        made = "2026-01-31T09:00:00.000Z"
        about = {"created": made, "updated": made, "description": "Tasks for master context"}
        path.write_text(json.dumps({"master": {"tasks": [], "metadata": about}}, indent=2))
        return path

    def meddle(self, path: Path, task_id: str, **fields: Any) -> None:
        document = json.loads(path.read_text())
        tasks = document["master"]["tasks"]
        task = next((task for task in tasks if str(task["id"]) == task_id), None)
        if task is None:
            task = {"id": int(task_id), "title": task_id, "description": "", "status": "pending", "dependencies": []}
            task |= {"priority": "medium", "subtasks": []}
            tasks.append(task)
        words = {"in_progress": "in-progress", "completed": "done", "failed": "cancelled"}
        for name, value in fields.items():
            match name:
                case "state":
                    task["status"] = words.get(value, value)
                case "priority":
                    task[name] = {1: "critical", 2: "high", 5: "medium", 8: "low"}[value]
                case _:
                    task[name] = value
        self._save(path, document)

    def remove(self, path: Path, task_id: str) -> None:
        document = json.loads(path.read_text())
        tasks = document["master"]["tasks"]
        tasks[:] = [task for task in tasks if str(task["id"]) != task_id]
        for task in tasks:
            task["dependencies"] = [other for other in task["dependencies"] if str(other) != task_id]
        self._save(path, document)

    def age(self, path: Path) -> None:
        _age(path.parent)

    def _save(self, path: Path, document: Any) -> None:
        path.write_text(json.dumps(document, indent=2))


class Claude(Theirs):
    """A program that writes the file of one task in a list of Claude Code's."""

    name = "claude"
    kind = "Claude Code"
    mends = "carried on a commit of 1 event"
    suffix = ""

    def make(self, folder: Path) -> Path:
        path = folder / "tasks" / "a-list"
        path.mkdir(parents=True)
        (path / ".highwatermark").write_text("0")
        return path

    def meddle(self, path: Path, task_id: str, **fields: Any) -> None:
        file = path / f"{task_id}.json"
        task = {"id": task_id, "subject": task_id, "description": "", "activeForm": "Doing", "status": "pending"}
        task |= json.loads(file.read_text()) if file.exists() else {"blocks": [], "blockedBy": []}
        names = {"title": "subject", "state": "status"}
        file.write_text(json.dumps({**task, **{names.get(name, name): fields[name] for name in fields}}, indent=2))

    def remove(self, path: Path, task_id: str) -> None:
        (path / f"{task_id}.json").unlink()

    def age(self, path: Path) -> None:
        _age(path)


def _age(folder: Path) -> None:
    for lock in folder.glob("*.lock"):
        os.utime(lock, (0, 0))


class Lab(JsonFile):
    """The file of a program that ends at a review; it has written a task into it."""

    scheme: str | None = None
    begun = True
    about: ClassVar[dict[str, Any]]
    """What a task says besides its id, description and status, when it is new."""

    def make(self, folder: Path) -> Path:
        path = folder / "tasks.json"
        path.write_text(json.dumps({"tasks": [self._new("1", "completed")]}, indent=2))
        return path

    def meddle(self, path: Path, task_id: str, **fields: Any) -> None:
        document, tasks = self._load(path)
        task = next((task for task in tasks if task["id"] == task_id), None)
        if task is None:
            task = self._new(task_id, "pending")
            tasks.append(task)
        names = {"title": "description", "state": "status"}
        task.update({names.get(name, name): value for name, value in fields.items()})
        path.write_text(json.dumps(document, indent=2), encoding="utf-8")

    def _new(self, task_id: str, word: str) -> dict[str, Any]:
        return {"id": task_id, "description": f"task {task_id}", "status": word, **self.about}


class Lab08(Lab):
    """docs/labs/08-orchestrator.md."""

    name = "lab08"
    about: ClassVar[dict[str, Any]] = {"result": None, "attempts": 0, "metadata": {}}


class Tier1(Lab):
    """docs/tutorials/tier1-tasks.md."""

    name = "tier1"
    about: ClassVar[dict[str, Any]] = {
        **dict.fromkeys(("result", "error", "completed_at")),
        "attempts": 0,
        "max_attempts": 3,
        "created_at": "2026-01-31T09:05:00",
    }


BACKENDS: tuple[type[Backend], ...] = (Sqlite, JsonFile)
"""Those whose files are Taskdeck's own."""

EVERY: tuple[type[Backend], ...] = (*BACKENDS, Minna, Observed, TaskMaster, Claude, Lab08, Tier1, Served)
"""Those that keep the contract of stores."""

SOAKED: tuple[type[Backend], ...] = (Observed, TaskMaster, Claude, Lab08, Tier1, Served)
"""Those of them whose whole suite is a part of the long run."""
