"""beads: the issues that it exports to ``.beads/issues.jsonl``, one JSON object a line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.jsontext import NESTING
from taskdeck_store.limits import Limits
from taskdeck_store.source import Kind, Sight
from taskdeck_store.sources.files import FileSource
from taskdeck_store.sources.reading import content, head, is_file, json_of, said
from taskdeck_store.sources.translation import (
    Gathering,
    Record,
    id_text,
    moment_of,
    named,
    others_of,
    records_of,
    safe_id,
    text_of,
    texts_of,
    title_of,
    whole_of,
)
from taskdeck_store.values import Json, State, Task
from taskdeck_store.watch import FolderWatch

LIMITS = Limits(
    words={
        "open": State.PENDING,
        "in_progress": State.IN_PROGRESS,
        "hooked": State.IN_PROGRESS,
        "blocked": State.PENDING,
        "deferred": State.PENDING,
        "pinned": State.PENDING,
        "closed": State.COMPLETED,
    },
    lacks={
        State.REVIEW: "beads has no state for a review",
        State.FAILED: "beads has no state for a task that was given up",
    },
    fields=(
        "id",
        "title",
        "description",
        "state",
        "priority",
        "tags",
        "not_before",
        "depends_on",
        "owner",
        "created_at",
        "updated_at",
        "state_since",
    ),
    notes=(
        "issues.jsonl is what beads exports from its database: it is as old as the last export.",
        "An issue that is blocked, deferred, pinned or hooked has that word among its tags.",
        "Deleted issues (tombstones), and lines that are no issues, are not shown.",
    ),
)

_PLAIN = ("open", "in_progress", "closed")
_SINCE = {State.COMPLETED: "closed_at", State.IN_PROGRESS: "started_at"}
_GONE = "tombstone"
_NAMES = ("issues.jsonl", "beads.jsonl")
_ISSUE = re.compile(rb'\s*\{[^\n]*"(?:issue_type|_type)"\s*:')
_KNOWN = frozenset(
    (
        "_type",
        "id",
        "title",
        "description",
        "status",
        "priority",
        "labels",
        "assignee",
        "defer_until",
        "created_at",
        "updated_at",
    )
)


class Beads(FileSource):
    """The issues of one export."""

    kind = "beads"
    limits = LIMITS
    read_only = "beads keeps its tasks in a database, and what is written to its export is lost; use bd update"

    def __init__(self, address: str) -> None:
        """Raises StoreError."""
        path = Path(address)
        super().__init__(path, FolderWatch(path))

    def _read(self) -> Sight:
        raw = content(self._path)
        found = Gathering(LIMITS.words)
        for number, line in enumerate(_lines(self._path, raw), 1):
            if not isinstance(line, dict):
                found.flaw(f"line {number:,} of {said(self._path)} is no issue: it is no object")
            elif line.get("_type", "issue") == "issue" and line.get("status") != _GONE:
                _add(found, line, f"line {number:,}")
        if any(line.count(b"{") + line.count(b"[") > NESTING // 2 for line in raw.split(b"\n")):
            found.shorten_deep()
        return found.sight()


def _lines(path: Path, raw: bytes) -> list[Json]:
    try:
        if b"\\ud" not in raw and b"\\uD" not in raw:
            lines: list[Json] = msgspec.json.Decoder().decode_lines(raw)
            return lines
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        pass
    lines = []
    for number, line in enumerate(raw.split(b"\n"), 1):
        if line.strip():
            try:
                lines.append(json_of(path, line))
            except StoreError as error:
                _, _, why = error.message.partition(" is no JSON: ")
                message = f"line {number:,} of {said(path)} is no JSON: {why or error.message}"
                raise StoreError(Fault.DAMAGED, message) from error
    return lines


def _add(found: Gathering, issue: Record, place: str) -> None:
    text = id_text(issue.get("id"))
    if text is None:
        found.flaw(f"{place} has no id")
        return
    task_id = safe_id(text)
    word = issue.get("status", "open")
    state = found.state(task_id, word)
    edges = records_of(issue.get("dependencies"))
    others = [edge.get("depends_on_id") for edge in edges if edge.get("type") == "blocks"]
    says_more = word not in _PLAIN
    task = Task(
        id=task_id,
        title=title_of(issue.get("title"), text),
        description=text_of(issue.get("description")),
        state=state,
        priority=whole_of(issue.get("priority"), 5),
        tags=(*texts_of(issue.get("labels")), *((text_of(word),) if says_more else ())),
        not_before=moment_of(issue.get("defer_until")),
        depends_on=named(others),
        owner=text_of(issue.get("assignee")) or None,
        created_at=moment_of(issue.get("created_at")),
        updated_at=moment_of(issue.get("updated_at")),
        state_since=moment_of(issue.get(_SINCE.get(state, ""))),
        extra=others_of(issue, _KNOWN) | ({"status": word} if says_more else {}),
    )
    found.add(task, "that it is blocked", others)


def _recognises(path: Path) -> bool:
    if path.suffix != ".jsonl":
        return False
    if path.name in _NAMES and path.parent.name == ".beads":
        return is_file(path)
    return _ISSUE.match(head(path)) is not None


def _nearby(folder: Path) -> Iterable[str]:
    return [str(path) for name in _NAMES if is_file(path := folder / ".beads" / name)][:1]


KIND = Kind(name=Beads.kind, recognises=_recognises, open=Beads, nearby=_nearby)
