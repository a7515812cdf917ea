"""What is said during an attempt at a task, beside its result: where it is kept, and what is kept of it.

It lies beside the file of a store, in a hidden folder: a file for each attempt, named by the seq of the event that
began it. Its first line says whose it is; each of the others is a chunk, in JSON. It is no part of the store: it is not
synced, not in the audit log, not in a backup, and the oldest files go. What else is found there is passed over.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from taskdeck_store.values import Action, Event, Time

T = TypeVar("T")


class Stream(StrEnum):
    """Where something was said."""

    STDOUT = "stdout"
    STDERR = "stderr"
    LOG = "log"


Hear: TypeAlias = Callable[[Stream, str], object]
"""What is called with each piece as it is said; whole lines, or what there is of one. It raises nothing."""

_MOST = 8 << 20
"""Bytes that are read of a file: it may be anything."""
_FLAGS = os.O_RDONLY
for _name in ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "O_BINARY"):
    _FLAGS |= getattr(os, _name, 0)


class Attempt(Struct, frozen=True, kw_only=True):
    """An attempt at a task: the seq of the event that began it, who had the task from then on, and since when."""

    seq: int
    task_id: str
    owner: str | None
    at: Time


class Chunk(Struct, frozen=True, kw_only=True):
    """Something that was said at a moment: during the work, or while its result was looked at (`part`).

    Where `left_out` is not 0, so many characters are not kept that were said here.
    """

    at: Time
    stream: Stream
    text: str
    part: str = "work"
    left_out: int = 0


class Said(Struct, frozen=True, kw_only=True):
    """What is kept of an attempt, as far as it has come. `mark` tells whether it has gone on since."""

    chunks: tuple[Chunk, ...] = ()
    mark: tuple[int, ...] | None = None


_NOTHING = Said()


class Line(Struct, frozen=True, kw_only=True):
    """A whole line of what was said, without its end; or, where `left_out` is not 0, how many characters are missing.

    `at` is when it began.
    """

    at: Time
    stream: Stream
    part: str
    text: str = ""
    left_out: int = 0


def folder_of(path: Path) -> Path:
    """Return the folder for what is said during attempts at the tasks of a store's file; there may be none yet."""
    real = Path(os.path.realpath(path))
    return real.with_name(f".{real.name}.taskdeck-output")


def file_of(folder: Path, seq: int) -> Path:
    """Return the file of an attempt."""
    return folder / f"{seq}.jsonl"


def is_folder(folder: Path) -> bool:
    """Tell whether there is a folder of that name: one that a link leads to is somebody else's."""
    try:
        return stat.S_ISDIR(os.lstat(folder).st_mode)
    except OSError:
        return False


def attempts(events: Iterable[Event]) -> list[Attempt]:
    """Return the attempts that events tell of, in their order."""
    return [attempt_of(event) for event in events if event.action == Action.START]


def attempt_of(start: Event) -> Attempt:
    """Return the attempt that an event began."""
    owner = start.changes.get("owner", (None, None))[1]
    owner = owner if isinstance(owner, str) else None
    return Attempt(seq=start.seq, task_id=start.task_id, owner=owner, at=start.at)


def read(folder: Path | None, attempt: Attempt, before: Said | None = None) -> Said:
    """Return what is kept of an attempt: `before` itself while that is all. It raises nothing.

    What cannot be read, or is of another attempt, is as if nothing were kept.
    """
    if folder is None or not is_folder(folder):
        return _NOTHING
    try:
        fd = os.open(file_of(folder, attempt.seq), _FLAGS)
    except OSError:
        return _NOTHING
    try:
        found = os.fstat(fd)
        mark = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        if before is not None and before.mark == mark:
            return before
        lines = _read(fd).split(b"\n") if stat.S_ISREG(found.st_mode) else [b""]
    except OSError:
        return _NOTHING
    finally:
        os.close(fd)
    is_its = _decoded(lines[0], Attempt) == attempt
    chunks = [_decoded(line, Chunk) for line in lines[1:] if line] if is_its else []
    return Said(chunks=tuple(chunk for chunk in chunks if chunk is not None), mark=mark)


def since(chunks: Iterable[Chunk], place: int) -> tuple[list[Chunk], int]:
    """Return what comes after so many characters, counting those left out, and how many there are in all.

    So one who follows is told everything once, also when the middle has gone meanwhile.
    """
    found, end = [], 0
    for chunk in chunks:
        begins, end = end, end + len(chunk.text) + chunk.left_out
        seen = max(0, place - begins)
        if chunk.left_out and end > place:
            found.append(replace(chunk, left_out=chunk.left_out - seen))
        elif end > place:
            found.append(replace(chunk, text=chunk.text[seen:]))
    return found, max(end, place)


class Lines:
    """Makes lines of chunks: each stream's own, however others were said between."""

    def __init__(self) -> None:
        self._open: dict[Stream, Line] = {}
        self._part = ""

    def take(self, chunk: Chunk) -> Iterator[Line]:
        """Yield the lines that a chunk ends."""
        if chunk.left_out or chunk.part != self._part:
            yield from self.rest()
            self._part = chunk.part
        if chunk.left_out:
            yield Line(at=chunk.at, stream=chunk.stream, part=chunk.part, left_out=chunk.left_out)
        *ended, last = chunk.text.split("\n")
        for text in ended:
            yield self._line(chunk, text)
        if last:
            self._open[chunk.stream] = self._line(chunk, last)

    def rest(self) -> list[Line]:
        """Return the lines that have not ended, and forget them."""
        found, self._open = list(self._open.values()), {}
        return found

    def _line(self, chunk: Chunk, text: str) -> Line:
        begun = self._open.pop(chunk.stream, None)
        if begun is not None:
            return replace(begun, text=begun.text + text)
        return Line(at=chunk.at, stream=chunk.stream, part=chunk.part, text=text)


def lines(chunks: Iterable[Chunk]) -> list[Line]:
    """Return the lines of chunks, the last of each stream whether it has ended or not."""
    making = Lines()
    return [line for chunk in chunks for line in making.take(chunk)] + making.rest()


def _read(fd: int) -> bytes:
    found = bytearray()
    while len(found) < _MOST and (piece := os.read(fd, 1 << 18)):
        found += piece
    return bytes(found)


def _decoded(line: bytes, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Torn by the end of its worker, or never ours.
        return None
