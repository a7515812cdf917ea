"""kanban-tui: the tasks of all boards of its SQLite file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from taskdeck_store.limits import Limits
from taskdeck_store.source import Kind, Sight
from taskdeck_store.sources.columns import lacking, states_of
from taskdeck_store.sources.database import DatabaseSource, has_tables, records
from taskdeck_store.sources.reading import is_file
from taskdeck_store.sources.translation import Gathering, Record, moment_of, others_of, text_of, title_of
from taskdeck_store.values import Json, State, Task, Time

if TYPE_CHECKING:
    import apsw

LIMITS = Limits(
    words={"Ready": State.PENDING, "Doing": State.IN_PROGRESS, "Done": State.COMPLETED, "Archive": State.COMPLETED},
    fields=(
        "id",
        "title",
        "description",
        "state",
        "tags",
        "depends_on",
        "created_at",
        "state_since",
    ),
    notes=(
        "The states are the columns: those that a board resets to, starts and finishes in, then those whose names say "
        "it, then by their places.",
        "The tags are a task's category and, where there are several, its board.",
    ),
)

_TABLES = ("tasks", "columns", "categories", "audits")
_ROLES = {"reset_column": State.PENDING, "start_column": State.IN_PROGRESS, "finish_column": State.COMPLETED}
_SINCE = {State.IN_PROGRESS: "start_date", State.COMPLETED: "finish_date"}
_KNOWN = frozenset(("task_id", "title", "description", "creation_date"))


class KanbanTui(DatabaseSource):
    """The tasks of one file."""

    kind = "kanban-tui"
    limits = LIMITS
    _tables = _TABLES
    read_only = "kanban-tui keeps dates, positions and a log with each move; use ktui task move"

    def _sight(self, connection: apsw.Connection) -> Sight:
        columns, boards = records(connection, "columns"), records(connection, "boards")
        names = {row.get("board_id"): text_of(row.get("name")) for row in boards}
        words, states = _states(columns, boards, names)
        categories = {row.get("category_id"): text_of(row.get("name")) for row in records(connection, "categories")}
        self.limits = replace(LIMITS, words=words, lacks=lacking(words, "none of the columns stands for it"))
        found = Gathering(words)
        needed: dict[Json, list[str]] = {}
        for row in records(connection, "dependencies"):
            needed.setdefault(row.get("task_id"), []).append(str(row.get("depends_on_task_id")))
        on_board = {row.get("column_id"): names.get(row.get("board_id"), "") for row in columns}
        for row in records(connection, "tasks"):
            column = row.get("column")
            state = states.get(column)
            task_id = str(row.get("task_id"))
            if state is None:
                found.flaw(f"{task_id} is in no column; it is shown as pending")
            board = on_board.get(column, "") if len(boards) > 1 else ""
            tags = tuple(tag for tag in (categories.get(row.get("category"), ""), board) if tag)
            wanted = needed.get(row.get("task_id"), [])
            found.add(_task(row, task_id, state or State.PENDING, tags, tuple(wanted)), "dependencies", wanted)
        return found.sight()


def _states(
    columns: list[Record], boards: list[Record], names: Mapping[Json, str]
) -> tuple[dict[str, State], dict[Json, State]]:
    """Return the states of columns, by their names, with the board's where there are several, and by their ids."""
    words: dict[str, State] = {}
    states: dict[Json, State] = {}
    for board in boards or [{}]:
        board_id = board.get("board_id")
        own = [row for row in columns if row.get("board_id") == board_id]
        own.sort(key=lambda row: position if type(position := row.get("position")) is int else 0)
        by_name = states_of([text_of(row.get("name")) for row in own])
        roles = {board.get(role): state for role, state in _ROLES.items() if board.get(role) is not None}
        for row in own:
            name = text_of(row.get("name"))
            state = roles.get(row.get("column_id")) or by_name[name]
            states[row.get("column_id")] = state
            words[f"{names[board_id]}: {name}" if len(boards) > 1 else name] = state
    return words, states


def _task(row: Record, task_id: str, state: State, tags: tuple[str, ...], depends_on: tuple[str, ...]) -> Task:
    return Task(
        id=task_id,
        title=title_of(row.get("title"), task_id),
        description=text_of(row.get("description")),
        state=state,
        tags=tags,
        depends_on=depends_on,
        created_at=_local(row.get("creation_date")),
        state_since=_local(row.get(_SINCE.get(state, ""))),
        extra={key: value for key, value in others_of(row, _KNOWN).items() if value is not None},
    )


def _local(value: Json) -> Time | None:
    """Return a moment that was noted without a zone, in that of this machine."""
    try:
        return moment_of(datetime.fromisoformat(text_of(value)).astimezone().isoformat())
    except (ValueError, OverflowError, OSError):
        return None


def _recognises(path: Path) -> bool:
    return has_tables(path, _TABLES)


def _nearby(folder: Path) -> Iterable[str]:
    return [str(path)] if is_file(path := folder / "kanban_tui.db") and _recognises(path) else []


KIND = Kind(name=KanbanTui.kind, recognises=_recognises, open=KanbanTui, nearby=_nearby)
