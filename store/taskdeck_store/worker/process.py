"""A process of its own that calls the handlers: it may be killed, and may die, without harm to the worker.

The two speak over pipes, in MessagePack, each message after four bytes with its length; the program that runs there is
`taskdeck_store.worker.child`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import IO

import msgspec
from msgspec import Struct

from taskdeck_store.values import Task
from taskdeck_store.worker.part import Ended, Part

_CHILD = f"{__package__}.child"
_HEAD = 4
_ENCODER = msgspec.msgpack.Encoder()


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

    @property
    def is_alive(self) -> bool:
        """Whether it can do another part."""
        return self._process.poll() is None

    def do(self, part: Part, task: Task) -> Ended:
        """Do a part, and return what came of it; the death of the process is an error as any other."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        message = None
        try:
            _write(self._process.stdin, _ENCODER.encode(Asked(part, task)))
            message = _read(self._process.stdout)
        except OSError:
            pass
        if message is None:
            status = self._process.wait()
            self._close()
            return Ended(verdict=False, error=f"the process that did the work {_said(status)}")
        return msgspec.msgpack.decode(message, type=Ended)

    def end(self) -> None:
        """End it, when it does nothing."""
        self.kill()
        self._close()

    def kill(self) -> None:
        """Kill it, and all processes that it began; whoever waits for it in `do` is told so."""
        try:
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        except (ProcessLookupError, PermissionError):
            self._process.kill()
        self._process.wait()

    def _close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


def asked(stream: IO[bytes]) -> Asked | None:
    """Return the next part that the worker asks for; None when it asks for no more."""
    message = _read(stream)
    return msgspec.msgpack.decode(message, type=Asked) if message is not None else None


def answer(stream: IO[bytes], ended: Ended) -> None:
    """Tell the worker what came of a part."""
    _write(stream, _ENCODER.encode(ended))


def _write(stream: IO[bytes], message: bytes) -> None:
    stream.write(len(message).to_bytes(_HEAD, "big") + message)
    stream.flush()


def _read(stream: IO[bytes]) -> bytes | None:
    head = stream.read(_HEAD)
    size = int.from_bytes(head, "big")
    message = stream.read(size) if len(head) == _HEAD else b""
    return message if len(head) == _HEAD and len(message) == size else None


def _said(status: int) -> str:
    if status >= 0:
        return f"ended with exit code {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"
