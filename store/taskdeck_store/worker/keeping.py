"""Keeps what is said during attempts, as it comes, each in a file of its own: its beginning and its end.

It is written some tens of milliseconds late, many pieces at once, and not synced. For those who say nothing there is
no file, nor anything else to do. What cannot be written is said once, and harms nobody.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import stat
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from taskdeck_store import jsontext
from taskdeck_store.clock import Clock
from taskdeck_store.output import Attempt, Chunk, Stream, file_of, is_folder
from taskdeck_store.values import Time

_LOG = logging.getLogger("taskdeck.worker.store")
_LATE = 0.03
"""Seconds that a piece waits for others to be written with."""
_PIECE = 4_096
"""Characters of a chunk: the end of an attempt is kept by whole chunks."""
_WAITING = 1 << 16
"""Characters that wait at most."""
_OPEN = os.O_RDWR | os.O_CREAT
for _name in ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "O_BINARY"):
    _OPEN |= getattr(os, _name, 0)


class Bounds(Struct, frozen=True, kw_only=True):
    """How much is kept, in bytes: of an attempt, its beginning (`head`) and its end (`tail`); in all, up to so many
    `files` of so many bytes (`total`). Each is kept a little more of: it is cut when there is some to cut.
    """

    head: int = 64 << 10
    tail: int = 192 << 10
    files: int = 1_000
    total: int = 64 << 20
    often: int = 50
    """So many files are made between two looks at all of them."""


_BOUNDS = Bounds()
_NONE = Bounds(files=0)
_OURS = re.compile(r"[0-9]+\.jsonl(\.new)?")
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


class Keeping:
    """What is said to one worker. Any thread may call."""

    def __init__(self, folder: Path, now: Clock, bounds: Bounds = _BOUNDS) -> None:
        self.bounds = bounds
        self.now = now
        self.pid = os.getpid()
        self._folder = folder
        self._lock = threading.Lock()
        self._due: list[Kept] = []
        self._news = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_over = False
        self._is_troubled = False
        self._until_look = 0
        self._bytes_until_look = 0

    def attempt(self, attempt: Attempt) -> Kept:
        """Return what keeps an attempt."""
        return Kept(self, attempt)

    def close(self) -> None:
        """Wait for no more."""
        self._is_over = True
        self._news.set()

    def soon(self, kept: Kept) -> None:
        """Have something written in a while."""
        with self._lock:
            self._due.append(kept)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="taskdeck-worker-output", daemon=True)
                self._thread.start()
        self._news.set()

    def made(self, seq: int) -> Path:
        """Return where a file is to be made, in a folder that is there, and is no link to another. Raises OSError."""
        with self._lock:
            self._until_look -= 1
            is_time = self._until_look < 0 or self._bytes_until_look < 0
            if is_time:
                self._until_look, self._bytes_until_look = self.bounds.often, self.bounds.total // 8
        if is_time:
            self._folder.mkdir(mode=0o700, exist_ok=True)
        if not is_folder(self._folder):
            raise NotADirectoryError(errno.ENOTDIR, "that is no folder, or a link to one")
        if is_time:
            self._clear(self.bounds)
        return file_of(self._folder, seq)

    def wrote(self, size: int) -> None:
        """Count what was written."""
        self._bytes_until_look -= size

    def failed(self, error: OSError) -> None:
        """Say that something is not kept, the first time."""
        is_first, self._is_troubled = not self._is_troubled, True
        if error.errno in _FULL and is_folder(self._folder):
            # The store needs the room more.
            with suppress(OSError):
                self._clear(_NONE)
        if is_first:
            why = error.strerror or str(error)
            _LOG.warning("what is said during attempts is not kept in %s: %s; the work goes on", self._folder, why)

    def _run(self) -> None:
        while not self._is_over:
            self._news.wait()
            time.sleep(_LATE)
            self._news.clear()
            with self._lock:
                due, self._due = self._due, []
            for kept in due:
                kept.flush()

    def _clear(self, bounds: Bounds) -> None:
        """Remove what was written to longest ago, where there is too much."""
        found = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with suppress(OSError):
                    if _OURS.fullmatch(entry.name):
                        status = entry.stat(follow_symlinks=False)
                        found.append((status.st_mtime_ns, status.st_size, entry.path))
        found.sort(reverse=True)
        files = total = 0
        for _, size, path in found:
            files, total = files + 1, total + size
            if files > bounds.files or total > bounds.total:
                with suppress(OSError):
                    os.unlink(path)  # noqa: PTH108 - it comes from scandir, and there are many


class Kept:
    """What is kept of one attempt."""

    def __init__(self, keeping: Keeping, attempt: Attempt) -> None:
        self._keeping = keeping
        self._attempt = attempt
        # What cannot be written is logged, and that may be heard here.
        self._lock = threading.RLock()
        self._waiting: list[_Waiting] = []
        self._waits = 0
        self._fd: int | None = None
        self._path: Path | None = None
        self._head = self._beyond = self._tail_size = self._left_out = 0
        self._tail: deque[tuple[bytes, int]] = deque()
        self._heard: Heard | None = None
        self._is_broken = False

    def part(self, part: str) -> Heard:
        """Return what hears a part of it, from now on."""
        self._heard = Heard(self, part)
        return self._heard

    def add(self, heard: Heard, stream: Stream, text: str) -> None:
        """Keep what was said."""
        # A fork has its own copy of all this, and locks that nobody in it holds.
        if os.getpid() != self._keeping.pid:
            return
        with self._lock:
            if heard is not self._heard or self._is_broken or not text:
                return
            is_first = not self._waiting
            last = self._waiting[-1] if self._waiting else None
            if last is not None and last.stream is stream:
                last.texts.append(text)
            else:
                self._waiting.append(_Waiting(heard.part, stream, self._keeping.now(), [text]))
            self._waits += len(text)
            if self._waits > _WAITING:
                self.flush()
                return
        if is_first:
            self._keeping.soon(self)

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            waiting, self._waiting, self._waits = self._waiting, [], 0
            if not waiting or self._is_broken:
                return
            try:
                for one in waiting:
                    self._keep(one)
            except OSError as error:
                self._is_broken = True
                self.end()
                self._keeping.failed(error)

    def end(self, heard: Heard | None = None) -> None:
        """Hear no more of a part, unless another has begun since; what was heard is written."""
        with self._lock:
            if heard is not None and heard is not self._heard:
                return
            self.flush()
            self._heard = None
            if self._fd is not None:
                with suppress(OSError):
                    os.close(self._fd)
                self._fd = None

    def _keep(self, one: _Waiting) -> None:
        bounds, text = self._keeping.bounds, "".join(one.texts)
        ahead: list[bytes] = []
        if self._fd is None:
            ahead.extend(self._begin())
        for start in range(0, len(text), _PIECE):
            piece = text[start : start + _PIECE]
            # What is half a character is no text that a reader could take.
            piece = piece.encode("utf-8", "replace").decode()
            line = _line(Chunk(at=one.at, stream=one.stream, text=piece, part=one.part))
            ahead.append(line)
            if not self._tail and self._head + len(line) <= bounds.head:
                self._head += len(line)
                continue
            self._tail.append((line, len(piece)))
            self._tail_size += len(line)
            self._beyond += len(line)
            while self._tail_size > bounds.tail and len(self._tail) > 1:
                gone, characters = self._tail.popleft()
                self._tail_size -= len(gone)
                self._left_out += characters
            if self._beyond > 2 * bounds.tail:
                self._shorten(one.at, ahead)
                ahead = []
        self._write(b"".join(ahead))

    def _begin(self) -> list[bytes]:
        """Open the file; return what it is to begin with: nothing, where it was begun before."""
        if self._path is not None:
            with suppress(FileNotFoundError):
                self._fd = os.open(self._path, _OPEN & ~os.O_CREAT | os.O_APPEND)
                return []
        self._path = self._keeping.made(self._attempt.seq)
        self._fd = os.open(self._path, _OPEN | os.O_APPEND, 0o600)
        found = os.fstat(self._fd)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            raise FileExistsError(errno.EEXIST, "a file of that name is somebody else's")
        os.ftruncate(self._fd, 0)
        header = _line(self._attempt)
        self._head, self._beyond, self._tail_size, self._left_out = len(header), 0, 0, 0
        self._tail.clear()
        return [header]

    def _shorten(self, at: Time, ahead: list[bytes]) -> None:
        """Write it anew without its middle; `ahead` was to be written."""
        assert self._fd is not None
        assert self._path is not None
        gap = Chunk(at=at, stream=Stream.STDOUT, text="", left_out=self._left_out)
        missing = self._head - os.fstat(self._fd).st_size
        head = os.pread(self._fd, self._head, 0) + (b"".join(ahead)[:missing] if missing > 0 else b"")
        new = self._path.with_name(f"{self._path.name}.new")
        new.unlink(missing_ok=True)
        fd = os.open(new, _OPEN | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            body = b"".join(line for line, _ in self._tail)
            self._write(head + _line(gap) + body, fd)
            os.replace(new, self._path)  # noqa: PTH105 - beside the other calls of os
        except OSError:
            os.close(fd)
            raise
        os.close(self._fd)
        self._fd, self._beyond = fd, len(body)

    def _write(self, data: bytes, fd: int | None = None) -> None:
        fd, left = self._fd if fd is None else fd, memoryview(data)
        assert fd is not None
        while left:
            left = left[os.write(fd, left) :]
        self._keeping.wrote(len(data))


class Heard:
    """Hears one part, until it is over: what is said later is nobody's."""

    def __init__(self, kept: Kept, part: str) -> None:
        self._kept = kept
        self.part = part

    def __call__(self, stream: Stream, text: str) -> None:
        """Hear a piece."""
        self._kept.add(self, stream, text)

    def end(self) -> None:
        """Hear no more; what was heard is written."""
        self._kept.end(self)


class _Waiting(Struct):
    part: str
    stream: Stream
    at: Time
    texts: list[str]


def _line(value: Struct) -> bytes:
    try:
        return msgspec.json.encode(value) + b"\n"
    except UnicodeEncodeError:
        return jsontext.encode(msgspec.to_builtins(value)).encode() + b"\n"
