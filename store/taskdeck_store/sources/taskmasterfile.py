"""What a Task Master file says: the tasks of all its tags, and where in the file each of them is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.jsontext import NESTING, depth
from taskdeck_store.limits import Limits
from taskdeck_store.source import Sight
from taskdeck_store.sources.reading import json_of, said
from taskdeck_store.sources.translation import (
    PRIORITIES,
    Gathering,
    Record,
    id_text,
    moment_of,
    others_of,
    safe_id,
    text_of,
    texts_of,
    title_of,
)
from taskdeck_store.values import Json, State, Task

LIMITS = Limits(
    words={
        "pending": State.PENDING,
        "in-progress": State.IN_PROGRESS,
        "review": State.REVIEW,
        "done": State.COMPLETED,
        "completed": State.COMPLETED,
        "deferred": State.PENDING,
        "blocked": State.PENDING,
        "cancelled": State.FAILED,
    },
    lacks={
        State.FAILED: "Task Master has no state for a task that failed; cancelled would let what depends on it go ahead"
    },
    fields=("id", "title", "description", "state", "priority", "tags", "depends_on"),
    fixed={"tags": "its tags say where it lies and how it stands; use task-master move"},
    only={"priority": PRIORITIES},
    tied=True,
    ids="an id of Task Master is a whole number that no other task has",
    notes=(
        "Tasks of all tags are shown; those of other tags than master have their tag before their id: feature~3.2.",
        "Deferred and blocked tasks are shown as pending, cancelled ones as failed, with that word among their tags: "
        "a worker that is to leave them alone asks for pending tasks without these tags.",
        "What depends on a cancelled task waits here; Task Master lets it go ahead.",
        "Task Master itself adjusts a parent when a subtask moves. Taskdeck moves the one task that it was asked to.",
    ),
)

MASTER = "master"
NUMBER = re.compile("[1-9][0-9]{0,14}")
_MARK = "~"
_PLAIN = ("pending", "in-progress", "review", "done", "completed")
_KNOWN = frozenset(
    ("id", "title", "description", "status", "priority", "dependencies", "subtasks", "createdAt", "updatedAt")
)
_KEYS = ("tasks", "metadata")


class Place(Struct, frozen=True):
    """Where in the file a task is: its tag (None: the file has none), its rank there, and its rank as a subtask."""

    tag: str | None
    rank: int
    sub: int | None = None


class Reading(Struct, frozen=True):
    """One look at the file: its bytes, what they say, the tasks, and where each of them is."""

    raw: bytes
    document: Record
    sight: Sight
    places: Mapping[str, Place]


def read(path: Path, raw: bytes) -> Reading:
    """Return what a file's bytes say. Raises StoreError."""
    document = json_of(path, raw)
    if not isinstance(document, dict):
        raise StoreError(Fault.FOREIGN, f"{said(path)} holds no object, so it is none of Task Master's")
    found = Gathering(LIMITS.words)
    places: dict[str, Place] = {}
    has_tags = is_tagged(document)
    tags = {tag: inner for tag, inner in document.items() if tag not in _KEYS} if has_tags else {MASTER: document}
    for tag, inner in tags.items():
        tasks = inner.get("tasks") if isinstance(inner, dict) else None
        if isinstance(tasks, list):
            _add_tag(found, places, tag if has_tags else None, tasks)
        elif document:
            found.flaw(f"{tag} is no tag: it holds no list of tasks")
    if has_tags and not any(isinstance(inner, dict) and "tasks" in inner for inner in tags.values()):
        raise StoreError(Fault.FOREIGN, f"{said(path)} has no tag that holds tasks, so it is none of Task Master's")
    if depth(document) > NESTING // 2:
        found.shorten_deep()
    return Reading(raw, document, found.sight(), places)


def is_tagged(document: Record) -> bool:
    """Tell whether a file has tags; one that was made before there were any has the tasks of one."""
    return any(key not in _KEYS for key in document)


def shown_id(tag: str | None, own: str) -> str:
    """Return the id by which a task of a tag is shown."""
    return own if tag in (None, MASTER) else f"{safe_id(tag or '')}{_MARK}{own}"


def own_id(value: Json) -> str:
    """Return the id of a task or subtask within its list, '' where it has none."""
    return safe_id(id_text(value) or "")


def records_of(document: Record, tag: str | None) -> list[Json]:
    """Return the records of a tag's tasks, none where it has no list; None is the tag of a file without tags."""
    inner = document if tag is None else document.get(tag)
    tasks = inner.get("tasks") if isinstance(inner, dict) else None
    return tasks if isinstance(tasks, list) else []


def next_id(records: Sequence[Json]) -> int:
    """Return the number after all those that are ids of tasks, by their records."""
    ids = [own_id(record.get("id")) for record in records if isinstance(record, dict)]
    return max((int(own) for own in ids if NUMBER.fullmatch(own)), default=0) + 1


def _add_tag(found: Gathering, places: dict[str, Place], tag: str | None, tasks: list[Json]) -> None:
    where = f"in {tag}, " if tag not in (None, MASTER) else ""
    for rank, record in enumerate(tasks):
        own = own_id(record.get("id")) if isinstance(record, dict) else ""
        if not own:
            found.flaw(f"{where}task {rank + 1:,} has no id")
            continue
        _add(found, places, Place(tag, rank), own, record, None)
        subtasks = record.get("subtasks")
        for sub, inner in enumerate(subtasks if isinstance(subtasks, list) else ()):
            own_sub = own_id(inner.get("id")) if isinstance(inner, dict) else ""
            if own_sub:
                # An older version wrote the whole id there.
                own_sub = own_sub.removeprefix(f"{own}.")
                _add(found, places, Place(tag, rank, sub), f"{own}.{own_sub}", inner, record)
            else:
                found.flaw(f"{where}subtask {sub + 1:,} of {own} has no id")


def _add(
    found: Gathering, places: dict[str, Place], place: Place, own: str, record: Record, parent: Record | None
) -> None:
    tag = place.tag or MASTER
    task_id = shown_id(tag, own)
    word = record.get("status", "pending")
    level = record.get("priority") if parent is None else record.get("priority", parent.get("priority"))
    extra = others_of(record, _KNOWN)
    if word in _PLAIN:
        tags: tuple[str, ...] = (tag, *texts_of(record.get("tags")))
    else:
        tags = (tag, text_of(word), *texts_of(record.get("tags")))
    if word not in _PLAIN or word == "completed":
        extra["status"] = word
    priority = PRIORITIES.get(level) if isinstance(level, str) else None
    if priority is None and level is not None:
        extra["priority"] = level
    extra.setdefault("tag", tag)
    needed = record.get("dependencies")
    task = Task(
        id=task_id,
        title=title_of(record.get("title"), text_of(record.get("description")), task_id),
        description=text_of(record.get("description")),
        state=found.state(task_id, word),
        priority=priority or PRIORITIES["medium"],
        tags=tags,
        depends_on=_needed(tag, own if parent is not None else None, needed) if needed else (),
        created_at=moment_of(record.get("createdAt")),
        updated_at=moment_of(record.get("updatedAt")),
        extra=extra,
    )
    if found.add(task, "dependencies", needed):
        places[task_id] = place


def _needed(tag: str, sub: str | None, needed: Json) -> tuple[str, ...]:
    """Return the ids that a task depends on; those without a dot are, of a subtask, its siblings."""
    if not isinstance(needed, list):
        return ()
    parent = f"{sub.rpartition('.')[0]}." if sub is not None else ""
    owns = (own_id(other) for other in needed)
    return tuple(dict.fromkeys(shown_id(tag, own if "." in own else parent + own) if own else "" for own in owns))
