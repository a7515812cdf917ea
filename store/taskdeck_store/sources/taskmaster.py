"""Task Master: all tags of a ``.taskmaster/tasks/tasks.json``, and the subtasks as tasks.

The tasks of the tag ``master`` have their own ids (``3``, ``3.2`` for a subtask), those of others their tag before
them: ``feature~3.2``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from taskdeck_store.clock import Clock, utc_now
from taskdeck_store.jsonstyle import Style, written
from taskdeck_store.machine import Code, Refusal
from taskdeck_store.placing import make, making
from taskdeck_store.source import Kind, Move, Sight
from taskdeck_store.sources.changing import put, why_not
from taskdeck_store.sources.files import FileSource
from taskdeck_store.sources.folderlock import STALE, FolderLock
from taskdeck_store.sources.reading import content, head, is_file, said
from taskdeck_store.sources.taskmasterfile import LIMITS, MASTER, is_tagged, next_id, read, records_of
from taskdeck_store.sources.taskmasterwriting import Writing
from taskdeck_store.sources.translation import Record
from taskdeck_store.watch import FolderWatch

_TAGGED = re.compile(rb'\s*\{\s*"(?:[^"\\]|\\.)*"\s*:\s*\{\s*"(?:tasks|metadata)"\s*:')
_ONE = re.compile(rb'\s*\{\s*"(?:tasks|metadata)"\s*:.*"(?:testStrategy|subtasks)"\s*:', re.DOTALL)
_LAST = (".taskmaster", "tasks", "tasks.json")
_PATIENCE = STALE + 2.0


class TaskMaster(FileSource):
    """The tasks of one file."""

    kind = "Task Master"
    limits = LIMITS

    def __init__(self, address: str, *, now: Clock = utc_now, patience: float = _PATIENCE) -> None:
        """`patience` bounds, in seconds, how long a move waits for Task Master's lock."""
        path = Path(address)
        super().__init__(path, FolderWatch(path))
        self._real = Path(self.place)
        self._lock = FolderLock(path.absolute())
        self._now = now
        self._patience = patience
        self.read_only = _why_read_only(self._real)

    def _read(self) -> Sight:
        found = read(self._path, content(self._path))
        tag = MASTER if is_tagged(found.document) else None
        self.limits = replace(LIMITS, next_id=next_id(records_of(found.document, tag)))
        return found.sight

    def carry_out(self, moves: Sequence[Move]) -> Mapping[int, Refusal]:
        """Write moves in one commit; return those that were refused. Raises StoreError."""
        if self.read_only is not None:
            return super().carry_out(moves)
        with self._lock.hold(self._patience):
            found = read(self._path, content(self._path))
            tasks = {task.id: task for task in found.sight.tasks}
            writing = Writing(found, self._now())
            refused: dict[int, Refusal] = {}
            for number, move in enumerate(moves):
                now = tasks.get(move.task.id)
                refusal = why_not(move, now, LIMITS) or writing.take(move, now)
                if refusal is not None:
                    refused[number] = refusal
                else:
                    tasks[move.task.id] = move.task
            content_then = writing.content()
            if content_then != found.raw and not put(self._real, content_then, found.raw, self._lock.keep):
                message = f"another program wrote {said(self._path)} without Task Master's lock; nothing was changed"
                changed = Refusal(code=Code.CONFLICT, message=message)
                return {number: refused.get(number, changed) for number in range(len(moves))}
            return refused


def _why_read_only(path: Path) -> str | None:
    if not is_file(path):
        return None
    if not os.access(path.parent, os.W_OK):
        return f"the folder {said(path.parent)} cannot be written to"
    return None if os.access(path, os.W_OK) else "the file cannot be written to"


def _recognises(path: Path) -> bool:
    if path.suffix != ".json":
        return False
    first = head(path)
    if path.absolute().parts[-3:] == _LAST:
        return is_file(path) and first.lstrip()[:1] in (b"{", b"")
    return _TAGGED.match(first) is not None or _ONE.match(first) is not None


def _nearby(folder: Path) -> Iterable[str]:
    return [str(path)] if _recognises(path := folder.joinpath(*_LAST)) else []


def _create(address: str) -> None:
    """Make a file with the one tag that Task Master always has, and that it makes by asking a model alone."""
    path, now = Path(address), f"{utc_now()[:-4]}Z"
    metadata = {"created": now, "updated": now, "description": f"Tasks for {MASTER} context"}
    record: Record = {MASTER: {"tasks": [], "metadata": metadata}}
    with making(path):
        make(path, f"{written(record, Style(escaped=False, indent='  ', closing=''))}\n".encode())


KIND = Kind(name=TaskMaster.kind, recognises=_recognises, open=TaskMaster, nearby=_nearby, create=_create, place=_LAST)
