"""A process of its own that calls the handlers: it may be killed, and may die, without harm to the worker.

The two speak over pipes, in JSON, each message after four bytes with its length; the program that runs there is
`taskdeck_store.worker.child`.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from contextlib import suppress
from typing import IO

import msgspec
from msgspec import Struct

from taskdeck_store import jsontext
from taskdeck_store.values import Task
from taskdeck_store.worker.failure import signal_name
from taskdeck_store.worker.guard import guard, kill_group
from taskdeck_store.worker.part import Ended, Part, failed

_CHILD = f"{__package__}.child"
_HEAD = 4
_LOOK = 0.2
"""Seconds between two looks whether the process is alive: what it began may keep the pipe open."""


class Asked(Struct, frozen=True):
    """A part that is to be done."""

    part: Part
    task: Task


class Process:
    """A process that does one part after another. It loads the handlers that a reference names."""

    def __init__(self, reference: str) -> None:
        program = [sys.executable, "-m", _CHILD, reference]
        # Ctrl+C at a terminal is for the worker: it ends its processes when it wants to.
        self._process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        self._guard = guard()
        if self._guard is not None:
            self._guard.watch(self._process.pid)

    @property
    def is_alive(self) -> bool:
        """Whether it can do another part."""
        return self._process.poll() is None

    def do(self, part: Part, task: Task) -> Ended:
        """Do a part, and return what came of it; the death of the process is an error as any other."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        message = None
        with suppress(OSError):
            _write(self._process.stdin, Asked(part, task))
            message = self._answer(self._process.stdout)
        if message is None:
            status = self._process.wait()
            self.end()
            return failed(f"the process that did the work {_said(status)}")
        return msgspec.convert(jsontext.decode(message), Ended)

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

    def _answer(self, stream: IO[bytes]) -> bytes | None:
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


def asked(stream: IO[bytes]) -> Asked | None:
    """Return the next part that the worker asks for; None when it asks for no more."""
    head = stream.read(_HEAD)
    message = stream.read(int.from_bytes(head, "big")) if len(head) == _HEAD else b""
    return msgspec.convert(jsontext.decode(message), Asked) if message else None


def answer(stream: IO[bytes], ended: Ended) -> None:
    """Tell the worker what came of a part."""
    _write(stream, ended)


def _write(stream: IO[bytes], value: Struct) -> None:
    message = jsontext.written(msgspec.to_builtins(value)).encode()
    stream.write(len(message).to_bytes(_HEAD, "big") + message)
    stream.flush()


def _said(status: int) -> str:
    return f"ended with exit code {status}" if status >= 0 else f"was killed by {signal_name(-status)}"
