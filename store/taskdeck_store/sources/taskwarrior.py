"""Taskwarrior 3: the tasks of its replica, a ``taskchampion.sqlite3``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from taskdeck_store import clock, jsontext
from taskdeck_store.limits import Limits
from taskdeck_store.source import Kind, Sight
from taskdeck_store.sources.database import DatabaseSource, has_tables, records
from taskdeck_store.sources.translation import Gathering, Record, named, safe_id, scrubbed, text_of, title_of
from taskdeck_store.values import Json, State, Task, Time

if TYPE_CHECKING:
    import apsw

LIMITS = Limits(
    words={"pending": State.PENDING, "started": State.IN_PROGRESS, "completed": State.COMPLETED},
    lacks={
        State.REVIEW: "Taskwarrior has no state for a review",
        State.FAILED: "Taskwarrior has no state for a task that was given up",
    },
    fields=(
        "id",
        "title",
        "state",
        "priority",
        "tags",
        "not_before",
        "depends_on",
        "created_at",
        "updated_at",
        "state_since",
    ),
    notes=(
        "A pending task that has a start is shown as in progress.",
        "Deleted tasks, and the templates of recurring ones, are not shown.",
    ),
)

_TABLES = ("operations", "sync_meta", "working_set")
_HIDDEN = ("deleted", "recurring")
_PRIORITIES = {"H": 2, "M": 5, "L": 8}
_SINCE = {State.IN_PROGRESS: "start", State.COMPLETED: "end"}
_KNOWN = frozenset(("description", "status", "priority", "entry", "modified", "wait", "start"))
_TAG, _NEEDED = "tag_", "dep_"


class Taskwarrior(DatabaseSource):
    """The tasks of one replica."""

    kind = "Taskwarrior"
    limits = LIMITS
    _tables = ("tasks", *_TABLES)
    read_only = "Taskwarrior keeps each change as an operation to be synchronised; use task"

    def _sight(self, connection: apsw.Connection) -> Sight:
        found = Gathering(LIMITS.words)
        every: dict[str, Record] = {}
        for row in records(connection, "tasks"):
            task_id = text_of(row.get("uuid"))
            try:
                data = jsontext.decode(text_of(row.get("data")))
            except ValueError:
                data = None
            if not isinstance(data, dict):
                found.flaw(f"what is known of {task_id} is no JSON object")
            else:
                every[task_id] = scrubbed(data)
        hidden = frozenset(task_id for task_id, data in every.items() if data.get("status") in _HIDDEN)
        for task_id, data in every.items():
            if task_id not in hidden:
                _add(found, safe_id(task_id), data, hidden)
        return found.sight()


def _add(found: Gathering, task_id: str, data: Record, hidden: frozenset[str]) -> None:
    state = found.state(task_id, data.get("status", "pending"))
    if state is State.PENDING and "start" in data:
        state = State.IN_PROGRESS
    others = (key.removeprefix(_NEEDED) for key in data if key.startswith(_NEEDED))
    needed: Json = [other for other in others if other not in hidden]
    task = Task(
        id=task_id,
        title=title_of(data.get("description"), task_id),
        state=state,
        priority=_PRIORITIES.get(text_of(data.get("priority")), 5),
        tags=tuple(key.removeprefix(_TAG) for key in sorted(data) if key.startswith(_TAG)),
        not_before=_moment(data.get("wait")),
        depends_on=named(needed),
        created_at=_moment(data.get("entry")),
        updated_at=_moment(data.get("modified")),
        state_since=_moment(data.get(_SINCE.get(state, ""))),
        extra={key: value for key, value in data.items() if not (key in _KNOWN or key.startswith((_TAG, _NEEDED)))},
    )
    found.add(task, "dependencies", needed)


def _moment(value: Json) -> Time | None:
    """Return a moment given in seconds since 1970."""
    text = text_of(value)
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        return None
    return clock.from_microseconds(int(text) * 1_000_000)


def _recognises(path: Path) -> bool:
    return has_tables(path, _TABLES)


def _nearby(folder: Path) -> Iterable[str]:
    return [str(path)] if _recognises(path := folder / "taskchampion.sqlite3") else []


KIND = Kind(name=Taskwarrior.kind, recognises=_recognises, open=Taskwarrior, nearby=_nearby)
