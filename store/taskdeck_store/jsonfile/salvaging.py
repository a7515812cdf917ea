"""What is left of a damaged JSON store, and a new store made of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from taskdeck_store import clock, jsontext, placing
from taskdeck_store.audit import BEGINNING, sealed
from taskdeck_store.contract import StoreError
from taskdeck_store.jsonfile.audit import AuditLog, Batch, DamagedLog, Line, alone, event_of, log_path
from taskdeck_store.jsonfile.document import file_digest, record_of
from taskdeck_store.jsonfile.store import JsonStore
from taskdeck_store.machine import plain
from taskdeck_store.remains import Remains, Salvage
from taskdeck_store.values import FIELDS, Event, Task

_PATIENCE = 10.0
_UNKNOWN = ""
"""The digest of a file as a commit left it that is not the one that is there."""


_ALONE = Batch(1, _UNKNOWN, _UNKNOWN)
"""What a line says that is a commit by itself."""


class JsonRemains(Remains, frozen=True, kw_only=True):
    """What could be read of a task file and its log: also the `raw` file, None when it cannot be, and the `lines` that
    stand ahead of the first damaged one.
    """

    raw: bytes | None
    lines: tuple[Line, ...]

    def in_order(self) -> JsonRemains:
        """Return what is left without the events behind the damage: in a log, nothing can follow a gap."""
        if len(self.events) == len(self.lines):
            return self
        return _remains(self.raw, self.tasks, self.lines, (), self.last)


def files(path: Path) -> tuple[Path, ...]:
    """Return the files that hold a store."""
    return (path, log_path(path))


def read(path: Path) -> JsonRemains | None:
    """Return what can be read of the store at a path; None without a file or a log to go by. Raises OSError."""
    path = Path(os.path.realpath(path))
    raw: bytes | None = path.read_bytes()
    with tempfile.TemporaryDirectory(prefix="taskdeck-") as folder:
        texts = _texts(log_path(path))
        lines, count = _lines(texts, Path(folder) / "log")
        behind = _behind(texts, lines) if count else ()
        last = max(count, len(lines)) if not behind else behind[-1].seq + _unread(texts)
        # What a task file has no place for is only in its log: also in what stands behind the damage.
        closed = [replace(line, seq=seq, batch=_ALONE) for seq, line in enumerate(behind, start=len(lines) + 1)]
        tasks = _stored(raw or b"", [*lines, *closed], Path(folder) / "tasks.json")
    if tasks is None:
        raw = None
        if not lines and not behind:
            return None
    return _remains(raw, tasks or {}, lines, behind, last)


def _remains(
    raw: bytes | None, tasks: Mapping[str, Task], lines: tuple[Line, ...], behind: Sequence[Line], last: int
) -> JsonRemains:
    every = (*lines, *behind)
    return JsonRemains(
        tasks=tasks,
        events=tuple(map(event_of, every)),
        operations={line.seq: line.operation for line in every if isinstance(line.operation, str)},
        last=last,
        raw=raw,
        lines=lines,
    )


def write(draft: Path, remains: Remains, salvage: Salvage) -> None:
    """Make a store of what was salvaged, at a path where nothing is; a file that could be read stays as it is.

    Raises OSError.
    """
    assert isinstance(remains, JsonRemains)
    assert remains.in_order() is remains
    if remains.raw is None:
        _make(draft, salvage.tasks, remains.lines)
    else:
        _write_pair(draft, remains.raw, list(remains.lines), left=_UNKNOWN)


def make(draft: Path, salvage: Salvage) -> None:
    """Make a store of tasks and events that are in order, at a path where nothing is. Raises OSError."""
    _make(draft, salvage.tasks, [_line(event, salvage.operations.get(event.seq)) for event in salvage.events])


def _make(draft: Path, tasks: Sequence[Task], lines: Sequence[Line]) -> None:
    texts = {task.id: _text(task) for task in tasks}
    raw = msgspec.json.format(b"[" + b",".join(texts.values()) + b"]", indent=2) + b"\n"
    told = list(lines)
    newest = {line.task_id: number for number, line in enumerate(told)}
    for task_id, text in texts.items():
        if task_id in newest:
            digest = record_of(text, jsontext.decode(text)).digest
            told[newest[task_id]] = replace(told[newest[task_id]], record=digest)
    _write_pair(draft, raw, told, left=file_digest(raw))


def _line(event: Event, operation: str | None) -> Line:
    values = {name: getattr(event, name) for name in Event.__struct_fields__}
    return Line(**values, operation=UNSET if operation is None else operation, record=None, batch=_ALONE)


def _texts(log: Path) -> list[bytes]:
    try:
        return log.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []


def _behind(texts: Sequence[bytes], lines: Sequence[Line]) -> tuple[Line, ...]:
    """Return the lines of a damaged log behind those that are in order: by number, but for what a hash belies."""
    found: dict[int, Line] = {}
    for line in map(alone, texts[len(lines) :]):
        if line is not None and line.seq > len(lines):
            found.setdefault(line.seq, line)
    last = lines[-1] if lines else None
    for seq in sorted(found):
        line, before = found[seq], found.get(seq - 1, last if last is not None and last.seq == seq - 1 else None)
        begun = BEGINNING if seq == 1 else before.hash if before is not None else None
        if begun is not None and line.hash is not None and sealed(begun, event_of(line)) != line.hash:
            del found[seq]
    return tuple(found[seq] for seq in sorted(found))


def _unread(texts: Sequence[bytes]) -> int:
    """Return how many lines at the end of a log say no event."""
    return next((number for number, text in enumerate(reversed(texts)) if alone(text) is not None), len(texts))


def _lines(texts: list[bytes], draft: Path) -> tuple[tuple[Line, ...], int]:
    """Return the lines of the commits ahead of the first damaged line, and how many lines there were: 0, if none is."""
    count = 0
    while True:
        draft.write_bytes(b"".join(text + b"\n" for text in texts))
        with closing(AuditLog(draft)) as reading:
            try:
                reading.fetch()
            except DamagedLog as error:
                count = count or max(number for number, text in enumerate(texts, 1) if b"\0" not in text)
                texts = texts[: error.line - 1]
                continue
            return tuple(line for commit in reading.settle(lambda _: True) for line in commit), count


def _stored(raw: bytes, lines: Sequence[Line], draft: Path) -> dict[str, Task] | None:
    """Return the tasks that a file holds, with what only the log knows of them; None when it cannot be read."""
    _write_pair(draft, raw, list(lines), left=_UNKNOWN)
    # A file that nobody is in the middle of writing: the store would wait a moment for that one.
    os.utime(draft, (0, 0))
    try:
        with closing(
            JsonStore.open(draft, address=str(draft), read_only=True, now=clock.utc_now, patience=_PATIENCE)
        ) as store:
            # A file may hold what is not on record, so that no version of it is older than another.
            return {task.id: replace(task, version="") for task in store.tasks()}
    except StoreError:
        return None


def _write_pair(path: Path, raw: bytes, lines: list[Line], *, left: str) -> None:
    """Write a task file, and a log whose last commit counts as having reached it, and as having left it so."""
    if lines:
        begins = max(number for number, line in enumerate(lines) if isinstance(line.batch, Batch))
        lines[begins] = replace(lines[begins], batch=Batch(len(lines) - begins, left, left))
        _write(log_path(path), b"".join(_encoded(line) + b"\n" for line in lines))
    _write(path, raw)


def _text(task: Task) -> bytes:
    said = {name: plain(getattr(task, name)) for name in FIELDS}
    return jsontext.encode({**said, "state": task.state.value, **task.extra}).encode()


def _encoded(line: Line) -> bytes:
    try:
        return msgspec.json.encode(line)
    except (UnicodeEncodeError, OverflowError):
        return jsontext.encode(msgspec.to_builtins(line)).encode()


def _write(path: Path, content: bytes) -> None:
    file = placing.new_file(path)
    try:
        placing.write_all(file, content)
        placing.sync(file)
    finally:
        os.close(file)
