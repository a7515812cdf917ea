"""Claude Code: the tasks of one list, ``~/.claude/tasks/LIST/``, each a file named by its id."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.jsonstyle import Style, edited, written
from taskdeck_store.jsontext import NESTING
from taskdeck_store.limits import Limits
from taskdeck_store.machine import Code, Refusal
from taskdeck_store.placing import make
from taskdeck_store.source import Kind, Move, Sight
from taskdeck_store.sources.changing import asked, invalid, put, why_not, word_of
from taskdeck_store.sources.files import FileSource
from taskdeck_store.sources.folderlock import STALE, FolderLock
from taskdeck_store.sources.folders import Remembered, files_in, is_fresh
from taskdeck_store.sources.reading import content, head, is_folder, json_of, said, unwritable
from taskdeck_store.sources.translation import (
    Gathering,
    Record,
    named,
    others_of,
    safe_id,
    shown,
    text_of,
    title_of,
)
from taskdeck_store.values import State, Task
from taskdeck_store.watch import FilesWatch

LIMITS = Limits(
    words={"pending": State.PENDING, "in_progress": State.IN_PROGRESS, "completed": State.COMPLETED},
    lacks={
        State.REVIEW: "Claude Code has no state for a review",
        State.FAILED: "Claude Code has no state for a task that was given up",
    },
    fields=("id", "title", "description", "state", "depends_on"),
    fixed={"depends_on": "what blocks a task is said in two files; have Claude Code say it"},
    ids="an id of Claude Code is a whole number, above all that were used before",
    whole=False,
    notes=(
        "Claude Code removes a list's files once all its tasks are completed; they are then shown as removed.",
        "Tasks that Claude Code keeps for itself (metadata._internal) are not shown.",
        "Who Claude Code says does a task is kept among the other fields; whom Taskdeck starts it for, its log knows.",
    ),
)

_LOCK = ".lock"
_HIGHEST = ".highwatermark"
_KNOWN = frozenset(("id", "subject", "description", "status", "blockedBy"))
_KEYS = {"title": "subject", "description": "description", "state": "status"}
_TASK = re.compile(rb'\s*\{[^{}]*"(?:subject|status|activeForm)"\s*:')
_NUMBER = re.compile("[0-9]{1,15}")
_FEW = 5
_PATIENCE = STALE + 2.0


class _File(Struct, frozen=True):
    """What a task's file says; or what is wrong with it."""

    path: Path
    raw: bytes
    said: Record
    wrong: str | None = None


class _Seen(Struct):
    """The tasks and their files, as they are while moves are carried out."""

    tasks: dict[str, Task]
    files: dict[str, _File]


class ClaudeTasks(FileSource):
    """The tasks of one list."""

    kind = "Claude Code"
    limits = LIMITS

    def __init__(self, address: str, *, patience: float = _PATIENCE) -> None:
        """`patience` bounds, in seconds, how long a move waits for Claude Code's locks."""
        path = Path(address)
        super().__init__(path, FilesWatch([path], (".json",)))
        self._files = Remembered(_file)
        self._patience = patience
        if is_folder(path) and not os.access(path, os.W_OK):
            self.read_only = f"the folder {said(path)} cannot be written to"

    def _paths(self) -> Iterable[str]:
        return files_in(self._path, ".json")

    def _read(self) -> Sight:
        self.limits = replace(LIMITS, next_id=self._highest() + 1)
        return self._gathered()[0]

    def _gathered(self) -> tuple[Sight, dict[str, _File]]:
        if not is_folder(self._path):
            raise StoreError(Fault.MISSING, f"there is no folder {said(self._path)}")
        found = Gathering(LIMITS.words)
        files: dict[str, _File] = {}
        is_deep = False
        for file in sorted(self._files.of(files_in(self._path, ".json"), *self._footprint.taken), key=_order):
            if file.wrong is not None:
                found.flaw(f"{file.path.name} cannot be read: {file.wrong}")
            elif not (isinstance(about := file.said.get("metadata"), dict) and about.get("_internal")):
                is_deep = is_deep or file.raw.count(b"[") + file.raw.count(b"{") > NESTING // 2
                task_id = _add(found, file)
                if task_id is not None:
                    files[task_id] = file
        if is_deep:
            found.shorten_deep()
        return found.sight(), files

    def _seen(self) -> _Seen:
        self._footprint.take(self._paths())
        sight, files = self._gathered()
        return _Seen({task.id: task for task in sight.tasks}, files)

    def carry_out(self, moves: Sequence[Move]) -> Mapping[int, Refusal]:
        """Write moves, each in a commit of its own; return those that were refused. Raises StoreError."""
        if self.read_only is not None:
            return super().carry_out(moves)
        refused: dict[int, Refusal] = {}
        with FolderLock(self._path / _LOCK).hold(self._patience):
            seen = self._seen()
            for number, move in enumerate(moves):
                file = seen.files.get(move.task.id)
                if file is None:
                    refusal = why_not(move, None, LIMITS) or self._added(move.task, seen)
                else:
                    lock = FolderLock(file.path)
                    with lock.hold(self._patience):
                        if _bytes(file.path) != file.raw:
                            seen = self._seen()
                        refusal = self._written(move, seen, lock)
                if refusal is not None:
                    refused[number] = refusal
        return refused

    def _written(self, move: Move, seen: _Seen, lock: FolderLock) -> Refusal | None:
        task_id = move.task.id
        now, file = seen.tasks.get(task_id), seen.files.get(task_id)
        refusal = why_not(move, now, LIMITS)
        if refusal is not None or now is None or file is None:
            return refusal
        values: Record = {}
        for name in asked(move, now, LIMITS):
            key = _KEYS.get(name)
            if key is None:
                return invalid(task_id, LIMITS.fixed["depends_on"])
            if key not in file.said:
                return invalid(task_id, f"its file has no {key}, and nothing is added to it")
            values[key] = word_of(move.task.state, LIMITS.words) if name == "state" else getattr(move.task, name)
        if not values:
            return None
        raw = edited(file.raw.decode(), values, escaped=False).encode()
        if not put(file.path, raw, file.raw, lock.keep):
            message = f"another program wrote {file.path.name} meanwhile; look at it, then decide anew"
            return Refusal(code=Code.CONFLICT, message=message)
        seen.tasks[task_id] = move.task
        seen.files[task_id] = _File(file.path, raw, {**file.said, **values})
        return None

    def _added(self, task: Task, seen: _Seen) -> Refusal | None:
        highest = self._highest()
        if not (task.id.isascii() and task.id.isdigit()) or not highest < int(task.id[:15]) == int(task.id):
            return invalid(task.id, f"{LIMITS.ids}; take {highest + 1}")
        if task.depends_on:
            return invalid(task.id, LIMITS.fixed["depends_on"])
        record: Record = {
            "id": task.id,
            "subject": task.title,
            "description": task.description,
            "activeForm": task.title,
            "status": word_of(task.state, LIMITS.words),
            "blocks": [],
            "blockedBy": [],
        }
        path = self._path / f"{task.id}.json"
        raw = written(record, Style(escaped=False, indent="  ", closing="")).encode()
        try:
            make(path, raw)
        except FileExistsError:
            message = f"there is a {path.name} by now; look at it, then choose another id"
            return Refusal(code=Code.CONFLICT, message=message)
        except OSError as error:
            raise unwritable(path, error) from error
        seen.tasks[task.id], seen.files[task.id] = task, _File(path, raw, record)
        return None

    def _highest(self) -> int:
        """Return the highest number that is the id of a task, or ever was."""
        names = (Path(path).stem for path in files_in(self._path, ".json"))
        kept = head(self._path / _HIGHEST, 20).decode(errors="replace").strip()
        return max((int(text) for text in (*names, kept) if _NUMBER.fullmatch(text)), default=0)


def _file(path: Path) -> _File:
    """Return what a file says. Raises StoreError for one that may be half written."""
    try:
        raw = content(path, follow=False)
        document = json_of(path, raw)
        if isinstance(document, dict):
            return _File(path, raw, document)
        wrong = "it holds no object"
    except StoreError as error:
        if error.fault not in (Fault.DAMAGED, Fault.FOREIGN, Fault.UNREADABLE):
            raise
        if error.fault is Fault.DAMAGED and is_fresh(path):
            message = f"{error.message}; another program may be writing it: try again"
            raise StoreError(Fault.DAMAGED, message) from error
        wrong = error.message
    return _File(path, b"", {}, wrong=wrong)


def _bytes(path: Path) -> bytes | None:
    try:
        return content(path, follow=False)
    except StoreError:
        return None


def _add(found: Gathering, file: _File) -> str | None:
    says, stem = file.said, file.path.stem
    task_id = safe_id(stem)
    own = says.get("id")
    if own != stem:
        found.flaw(f"{file.path.name} has the id {shown(own)!r}, so Claude Code does not show it")
    elif "activeForm" in says and not isinstance(says["activeForm"], str):
        found.flaw(f"{file.path.name} has an activeForm that is no text, so Claude Code does not show it")
    needed = says.get("blockedBy")
    extra = others_of(says, _KNOWN)
    if says.get("status") not in tuple(LIMITS.words):
        extra["status"] = says.get("status")
    task = Task(
        id=task_id,
        title=title_of(says.get("subject"), text_of(says.get("description")), task_id),
        description=text_of(says.get("description")),
        state=found.state(task_id, says.get("status")),
        depends_on=named(needed),
        extra=extra,
    )
    if not found.add(task, "blockedBy", needed):
        return None
    return task_id


def _order(file: _File) -> tuple[int, str]:
    stem = file.path.stem
    return (int(stem), stem) if stem.isascii() and stem.isdigit() and len(stem) < 15 else (1 << 60, stem)


def _recognises(path: Path) -> bool:
    if not is_folder(path):
        return False
    try:
        with os.scandir(path) as entries:
            names = [entry.name for entry, _ in zip(entries, range(1_000), strict=False)]
    except OSError:
        return False
    some = [name for name in names if name.endswith(".json") and name[:1].isdigit()][:_FEW]
    if some:
        return all(_TASK.match(head(path / name)) for name in some)
    return _HIGHEST in names and path.parent.name == "tasks"


def _nearby(folder: Path) -> Iterable[str]:
    """Return the lists of a folder ``.claude`` or ``.claude/tasks``: they belong to no project."""
    whole = folder.absolute()
    if whole.name == ".claude":
        folder, whole = folder / "tasks", whole / "tasks"
    if whole.parent.name != ".claude" or not is_folder(folder):
        return []
    return [str(path) for path in sorted(folder.iterdir()) if _recognises(path)]


KIND = Kind(name=ClaudeTasks.kind, recognises=_recognises, open=ClaudeTasks, nearby=_nearby)
