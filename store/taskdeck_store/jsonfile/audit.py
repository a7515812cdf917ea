"""The audit log of a task file: NAME.audit.jsonl beside NAME.json, one event a line, written ahead of the file.

A line has the fields of an event, and three more: the `operation` of the command, the digest of the task's `record` in
the file after the event, and, on the first line of each commit, the `batch`: how many lines it has, and the digests of
the whole file before and after it. A commit that is here in full is decided: should the file not say it yet, whoever
next holds the write lock makes it say so. A commit that is here in part never happened, and is cut off.
"""

from __future__ import annotations

import errno
import os
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from io import FileIO
from pathlib import Path
from typing import TypeAlias

import msgspec
from msgspec import UNSET, Struct, UnsetType

from taskdeck_store import jsontext, validity
from taskdeck_store.audit import BEGINNING, sealed
from taskdeck_store.contract import Pause, Trace
from taskdeck_store.jsonfile.fields import are_held
from taskdeck_store.pausing import pauses_of
from taskdeck_store.placing import sync, sync_folder, write_all
from taskdeck_store.replacement import own_like
from taskdeck_store.values import QUEUE, Event


class Batch(Struct, frozen=True):
    """What the first line of a commit says of all of it: the number of lines, the file's digest before and after."""

    lines: int
    before: str
    after: str


class Line(Event, frozen=True, kw_only=True):
    """One line of the log. An event without an operation was not a command's: it came from outside."""

    operation: str | UnsetType = UNSET
    record: str | None
    batch: Batch | UnsetType = UNSET


Commit: TypeAlias = tuple[Line, ...]

_FLAGS = 0
for _name in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"):
    _FLAGS |= getattr(os, _name, 0)
_PIECE = 1_000
_LINE = msgspec.json.Decoder(Line)
_ENCODER = msgspec.json.Encoder()


class _Numbered(Struct):
    seq: int


class DamagedLog(Exception):
    """The log cannot be read: `line` is where, counted from 1."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def log_path(path: Path) -> Path:
    """Return where the log of a task file lies."""
    return path.with_name(f"{path.stem}.audit.jsonl" if path.suffix == ".json" else f"{path.name}-audit.jsonl")


def mark(commit: Commit) -> int:
    """Return the number, of 64 bits, that is left in the lock file when a commit has reached the task file."""
    batch = commit[0].batch
    text = f"{commit[-1].seq} {commit[0].at} {batch}".encode("utf-8", "surrogatepass")
    return zlib.crc32(text) << 32 | zlib.adler32(text)


def event_of(line: Line) -> Event:
    """Return the event of a line, without what is the log's own."""
    return Event(**{name: getattr(line, name) for name in Event.__struct_fields__})


def trace_of(line: Line) -> Trace:
    """Return the event of a line as light as a timeline needs it."""
    changes = line.changes if "priority" in line.changes or "state_since" in line.changes else None
    return line.seq, line.task_id, line.at, line.actor, line.action, line.from_state, line.to_state, changes


class AuditLog:
    """Reads a log as it grows, and appends to it.

    A commit is settled when it is known to have reached the task file; only then is it told. Methods raise OSError,
    and DamagedLog for what a torn write does not explain.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: FileIO | None = None
        self._forget()

    def _forget(self) -> None:
        self.last: Line | None = None
        self.batch: Batch | None = None
        self.identity = ""
        self._offsets = array("Q")
        self._end = 0
        self._tail = b""
        self._size = 0
        self._of_task: dict[str, array[int]] = {}
        self._operations: dict[str, int] = {}
        self.torn: Batch | None = None
        """What the last commit says of itself of which, when the log was last read, not all lines were there."""
        self._waiting: list[tuple[Commit, list[bytes]]] = []
        self._head: tuple[int, str] | None = None

    @property
    def seq(self) -> int:
        """The number of the last settled event; 0 when there is none."""
        return self.last.seq if self.last is not None else 0

    @property
    def head(self) -> str:
        """The hash of the last settled event. Where a log began before its chain, it is what that would be."""
        if self.last is not None and self.last.hash is not None:
            return self.last.hash
        if self._head is None or self._head[0] != self.seq:
            head = BEGINNING
            for line in self.lines(range(1, self.seq + 1)):
                head = line.hash or sealed(head, line)
            self._head = (self.seq, head)
        return self._head[1]

    @property
    def pending(self) -> Commit | None:
        """The commit that is in the log and not known to be in the task file."""
        return self._waiting[-1][0] if self._waiting else None

    def fetch(self) -> bool:
        """Read what was appended, without settling it. False: it is another log, and all that was settled is void."""
        same = self._follow()
        self._waiting = []
        self.torn = None
        if self._file is not None:
            self._file.seek(self._end - len(self._tail))
            data = self._file.readall()
            if not data.startswith(self._tail):
                self._forget()
                same = False
                self._file.seek(0)
                data = self._file.readall()
            self._size = self._end - len(self._tail) + len(data)
            self._parse(data[len(self._tail) :].split(b"\n")[:-1])
        return same

    def grown(self) -> bool:
        """Tell whether the log is no longer as the last `fetch` found it."""
        try:
            return self._path.stat().st_size != self._size
        except FileNotFoundError:
            return self._file is not None

    def settle(self, done: Callable[[Commit], bool]) -> list[Commit]:
        """Settle what was fetched; the last commit only if `done` says that it has reached the task file."""
        if self._waiting and not done(self._waiting[-1][0]):
            settled, self._waiting = self._waiting[:-1], self._waiting[-1:]
        else:
            settled, self._waiting = self._waiting, []
        for commit, texts in settled:
            self._take(commit, texts)
        return [commit for commit, _ in settled]

    def append(self, commit: Commit, like: os.stat_result) -> None:
        """Write a commit and sync it; it is then pending. A new log gets owner and mode of `like`.

        Only under the store's write lock, with nothing pending. What a torn write has left is cut off.
        """
        texts = [_encoded(line) for line in commit]
        content = b"\n".join((*texts, b""))
        file, new = _opened(self._path, like)
        try:
            if os.fstat(file).st_size < self._end:
                raise OSError(errno.ESTALE, "it was replaced by another one a moment ago", str(self._path))
            os.ftruncate(file, self._end)
            write_all(file, content)
            sync(file)
            if new:
                sync_folder(self._path)
        except BaseException:
            if new:
                self._path.unlink()
            elif os.fstat(file).st_size > self._end:
                os.ftruncate(file, self._end)
            raise
        finally:
            os.close(file)
        self._follow()
        self._waiting = [(commit, texts)]
        self._size = self._end + len(content)

    def take_back(self) -> None:
        """Undo an `append`, still under the same lock."""
        self._waiting = []
        self._size = self._end
        if self._end == 0:
            self._path.unlink()
            self._follow()
            return
        file = os.open(self._path, os.O_WRONLY | _FLAGS)
        try:
            os.ftruncate(file, self._end)
            sync(file)
        finally:
            os.close(file)

    @property
    def rest(self) -> int:
        """Bytes after what is settled, when the log was last read: of a commit that waits, or of none that is whole."""
        return max(0, self._size - self._end)

    def has_rest(self) -> bool:
        """Tell whether there is anything in the log after what is settled."""
        try:
            return self._path.stat().st_size > self._end
        except FileNotFoundError:
            return False

    def seq_of(self, operation: str) -> int | None:
        """Return the number of the event that an operation made, or None."""
        return self._operations.get(operation)

    def lines(self, numbers: Sequence[int]) -> list[Line]:
        """Return settled lines by their numbers, which go upwards."""
        if not numbers:
            return []
        if numbers[-1] - numbers[0] < len(numbers):
            texts = self._texts(numbers[0], numbers[-1])
        else:
            texts = [text for number in numbers for text in self._texts(number, number)]
        lines = _decoded(texts, numbers)
        if len(lines) < len(numbers):
            raise DamagedLog(numbers[len(lines)])
        return lines

    def line(self, number: int) -> Line:
        """Return one settled line."""
        return self.lines((number,))[0]

    def events_of(self, task_id: str) -> Sequence[int]:
        """Return the numbers of a task's settled events."""
        return self._of_task.get(task_id, ())

    def pauses(self) -> tuple[Pause, ...]:
        """Return what is paused, as the settled lines have it."""
        last = self.events_of(QUEUE)[-1:]
        return pauses_of(event_of(self.line(last[0])) if last else None)

    def altered(self) -> Iterator[int]:
        """Yield the numbers of settled lines that are not what `append` writes of what they say, but for white space
        at their ends.
        """
        for first in range(1, self.seq + 1, _PIECE):
            numbers = range(first, min(first + _PIECE, self.seq + 1))
            texts = self._texts(numbers[0], numbers[-1])
            for line, text in zip(self.lines(numbers), texts, strict=True):
                if _encoded(line) != text.rstrip():
                    yield line.seq

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _follow(self) -> bool:
        """Make sure that the open file is the one at the path."""
        try:
            there = self._path.stat()
        except FileNotFoundError:
            there = None
        if self._file is not None:
            here = os.fstat(self._file.fileno())
            if there is not None and os.path.samestat(here, there) and there.st_size >= self._end:
                return True
            self.close()
        void = self._end > 0
        self._forget()
        if there is not None:
            self._file = FileIO(os.open(self._path, os.O_RDONLY | _FLAGS))
        return not void

    def _parse(self, texts: list[bytes]) -> None:
        """Take in commits that wait. One that is torn is left out: cut off, or with zeros for what was lost."""
        number, index = len(self._offsets) + 1, 0
        lines = _decoded(texts, range(number, number + len(texts)))
        while index < len(texts):
            batch = lines[index].batch if index < len(lines) else UNSET
            begun = isinstance(batch, Batch) and batch.lines > 0
            end = index + batch.lines if isinstance(batch, Batch) else index
            if begun and end > len(texts):
                # Whoever begins a commit has first cut off what is left of one before it.
                if any(isinstance(line.batch, Batch) for line in lines[index + 1 :]):
                    raise DamagedLog(number + index)
                self.torn = batch if isinstance(batch, Batch) else None
                return
            if not begun or end > len(lines):
                if _is_torn(texts[index:]):
                    return
                raise DamagedLog(number + (len(lines) if begun else index))
            self._waiting.append((tuple(lines[index:end]), texts[index:end]))
            index = end

    def _take(self, commit: Commit, texts: list[bytes]) -> None:
        for line, text in zip(commit, texts, strict=True):
            if not self._offsets:
                self.identity = f"{zlib.crc32(text):08x}"
            self._offsets.append(self._end)
            self._end += len(text) + 1
            self._of_task.setdefault(line.task_id, array("Q")).append(line.seq)
            if isinstance(line.operation, str):
                self._operations[line.operation] = line.seq
        self.last = commit[-1]
        self.batch = commit[0].batch if isinstance(commit[0].batch, Batch) else None
        self._tail = texts[-1] + b"\n"

    def _texts(self, first: int, last: int) -> list[bytes]:
        if self._file is None:
            return []
        end = self._offsets[last] if last < len(self._offsets) else self._end
        self._file.seek(self._offsets[first - 1])
        data = b""
        while len(data) < end - self._offsets[first - 1]:
            more = self._file.read(end - self._offsets[first - 1] - len(data))
            if not more:
                raise DamagedLog(first)
            data += more
        return data.split(b"\n")[:-1]


def _opened(path: Path, like: os.stat_result) -> tuple[int, bool]:
    flags = os.O_WRONLY | os.O_APPEND | _FLAGS
    try:
        return os.open(path, flags), False
    except FileNotFoundError:
        file = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        own_like(file, like)
    except PermissionError:
        pass
    except BaseException:
        os.close(file)
        path.unlink()
        raise
    return file, True


def _encoded(line: Line) -> bytes:
    try:
        return _ENCODER.encode(line)
    except (UnicodeEncodeError, OverflowError):
        return jsontext.encode(msgspec.to_builtins(line)).encode()


def _decoded(texts: list[bytes], numbers: Sequence[int]) -> list[Line]:
    """Return the lines that texts say, up to the first that is damaged or has not its number."""
    try:
        lines = list(map(_LINE.decode, texts))
        if _are_sound(lines, numbers):
            return lines
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    lines = []
    for text, number in zip(texts, numbers, strict=True):
        try:
            line = msgspec.convert(jsontext.decode(text.decode("utf-8", "surrogatepass")), Line)
        except (msgspec.MsgspecError, ValueError):
            break
        if not _are_sound([line], [number]):
            break
        lines.append(line)
    return lines


def alone(text: bytes) -> Line | None:
    """Return what a line of a log says by itself, wherever it stands; None where it says no event."""
    try:
        seq = msgspec.json.decode(text, type=_Numbered).seq
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return next(iter(_decoded([text], [seq])), None) if 0 < seq < validity.WHOLE_LIMIT else None


def _is_torn(texts: list[bytes]) -> bool:
    """Tell whether lines can be what a power loss left of the last commit: zeros in it, and no commit after it."""
    return any(b"\0" in text for text in texts) and not any(b'"batch":{' in text for text in texts[1:])


def _are_sound(lines: list[Line], numbers: Sequence[int]) -> bool:
    """Tell whether lines have these numbers, and tell of what a task can hold."""
    held = [{name: after for name, (_, after) in line.changes.items()} for line in lines if line.changes]
    return [line.seq for line in lines] == list(numbers) and are_held(held)
