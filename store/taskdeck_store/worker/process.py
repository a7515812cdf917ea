"""A process of its own that calls the handlers: it may be killed, and may die, without harm to the worker.

The two speak over pipes, in JSON, each message after four bytes with its length; the program that runs there is
`taskdeck_store.worker.child`. What it prints comes over pipes of its own; see `taskdeck_store.worker.pipes`.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
from contextlib import nullcontext, suppress
from typing import IO

import msgspec
from msgspec import Struct

from taskdeck_store import jsontext
from taskdeck_store.output import Hear, Stream
from taskdeck_store.values import Task
from taskdeck_store.worker.failure import signal_name
from taskdeck_store.worker.guard import guard, kill_group
from taskdeck_store.worker.part import Ended, Part, failed
from taskdeck_store.worker.pipes import Pipes

_CHILD = f"{__package__}.child"
_HEAD = 4
_LOOK = 0.2
"""Seconds between two looks whether the process is alive: what it began may keep the pipe open."""


class Asked(Struct, frozen=True):
    """A part that is to be done."""

    part: Part
    task: Task


class Told(Struct, frozen=True):
    """What the process says of a part: something that was logged, or what came of it, which is the last.

    `verifies` says whether its handlers look at results: it alone has loaded them.
    """

    logged: str | None = None
    ended: Ended | None = None
    verifies: bool = True


class Process:
    """A process that does one part after another. It loads the handlers that a reference names.

    What it writes goes on to the standard error of this process, unless it is `quiet`: then it is only heard.
    """

    def __init__(self, reference: str, *, quiet: bool = False) -> None:
        self.verifies = True
        """Whether its handlers look at results, as far as it has said so with the last part."""
        # On Windows, nobody can tell whether there is something in a pipe: what it writes goes where this one's does.
        self._pipes = Pipes(quiet=quiet) if sys.platform != "win32" else None
        out, err = self._pipes.ends if self._pipes is not None else (None, None)
        program = [sys.executable, "-m", _CHILD, reference, *([] if out is None else [str(out)])]
        try:
            # Ctrl+C at a terminal is for the worker: it ends its processes when it wants to.
            self._process = subprocess.Popen(
                program,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=err,
                pass_fds=() if out is None else (out,),
                start_new_session=True,
            )
        finally:
            if self._pipes is not None:
                self._pipes.begin()
        self._guard = guard()
        if self._guard is not None:
            self._guard.watch(self._process.pid)

    @property
    def is_alive(self) -> bool:
        """Whether it can do another part."""
        return self._process.poll() is None

    def do(self, part: Part, task: Task, hear: Hear) -> Ended:
        """Do a part, and return what came of it; the death of the process is an error as any other.

        `hear` is told what the process and its children write and log meanwhile, as it comes, by one thread at a time:
        each stream in its order, and all that was said before the part ended before this returns.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        ended = None
        with self._pipes.heard(hear) if self._pipes is not None else nullcontext():
            with suppress(OSError):
                _write(self._process.stdin, Asked(part, task))
                ended = self._ended(self._process.stdout, hear)
            if ended is None:
                status = self._process.wait()
                self.end()
                ended = failed(f"the process that did the work {_said(status)}")
        return ended

    def end(self) -> None:
        """End it, when nobody waits for it."""
        self.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def kill(self) -> None:
        """Kill it, and all processes that it began; whoever waits for it in `do` is told so."""
        if self._guard is not None:
            kill_group(self._process.pid)
        self._process.kill()
        self._process.wait()
        if self._guard is not None:
            self._guard.forget(self._process.pid)

    def _ended(self, stream: IO[bytes], hear: Hear) -> Ended | None:
        """Return what came of a part, and tell what is logged until then; None when the process ends before."""
        while (message := self._message(stream)) is not None:
            told = msgspec.convert(jsontext.decode(message), Told)
            if told.ended is not None:
                self.verifies = told.verifies
                return told.ended
            say = self._pipes.say if self._pipes is not None else hear
            say(Stream.LOG, told.logged or "")
        return None

    def _message(self, stream: IO[bytes]) -> bytes | None:
        head = self._read(stream, _HEAD)
        return self._read(stream, int.from_bytes(head, "big")) if head is not None else None

    def _read(self, stream: IO[bytes], size: int) -> bytes | None:
        """Return so many bytes; None when the process ends before."""
        if sys.platform == "win32":
            # There, only sockets can be waited for.
            data = stream.read(size)
            return data if len(data) == size else None
        found = bytearray()
        while len(found) < size:
            if not select.select([stream], [], [], _LOOK)[0]:
                if not self.is_alive and not select.select([stream], [], [], 0)[0]:
                    return None
                continue
            piece = os.read(stream.fileno(), size - len(found))
            if not piece:
                return None
            found += piece
        return bytes(found)


class Asking:
    """The other end of it, in the process that does the work."""

    def __init__(self, asking: IO[bytes], answering: IO[bytes]) -> None:
        self._asking = asking
        self._answering = answering
        # A signal handler may log while something is being logged.
        self._telling = threading.RLock()
        self._pid = os.getpid()
        self._is_asked = False

    def next(self) -> Asked | None:
        """Return the next part that the worker asks for; None when it asks for no more."""
        head = self._asking.read(_HEAD)
        message = self._asking.read(int.from_bytes(head, "big")) if len(head) == _HEAD else b""
        self._is_asked = bool(message)
        return msgspec.convert(jsontext.decode(message), Asked) if message else None

    def answer(self, ended: Ended, *, verifies: bool) -> None:
        """Tell the worker what came of a part, and whether the handlers look at results."""
        with self._telling:
            self._is_asked = False
            _write(self._answering, Told(ended=ended, verifies=verifies))

    def log(self, text: str) -> None:
        """Tell the worker what was logged. Any thread may call; what comes after the end of a part is not told."""
        # A fork has this end of the pipe too, and would write into the middle of what is written here.
        if os.getpid() == self._pid:
            with self._telling, suppress(OSError, RuntimeError):
                if self._is_asked:
                    _write(self._answering, Told(logged=text))


def _write(stream: IO[bytes], value: Struct) -> None:
    message = jsontext.written(msgspec.to_builtins(value)).encode()
    stream.write(len(message).to_bytes(_HEAD, "big") + message)
    stream.flush()


def _said(status: int) -> str:
    return f"ended with exit code {status}" if status >= 0 else f"was killed by {signal_name(-status)}"
