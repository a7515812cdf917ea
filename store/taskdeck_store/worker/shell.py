"""A shell command as the handler: a worker in any language.

The command gets the task as one JSON document on its standard input, its id in TASKDECK_TASK_ID and how often it has
gone back to the queue in TASKDECK_ATTEMPTS. With exit code 0, what it wrote to its standard output is the result: the
value where that is JSON, else the text. With exit code 65 (EX_DATAERR of sysexits.h) the task is not tried again; with
any other, or when a signal ended it, the attempt has failed; the end of what it wrote to its standard error says why.
What it leaves running is ended with it, unless it is in a session of its own.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from subprocess import PIPE, Popen
from typing import Any

import msgspec

from taskdeck_store import jsontext
from taskdeck_store.values import Json, Task
from taskdeck_store.worker.failure import LONGEST, signal_name
from taskdeck_store.worker.guard import guard, kill_group
from taskdeck_store.worker.handlers import Failed, GiveUp, Handlers

_NEVER_AGAIN = 65
_GATED = 'read -r _ && exec /bin/sh -c "$0"'
"""Begins a command when a line comes: then it is known who ends it, should the worker be killed."""
_LARGEST = 16 << 20
"""Bytes of a result."""
_LOOK = 0.01
"""Seconds between two looks whether it has ended: its pipes may be open for longer."""
_DRAIN = 1.0
"""Seconds in which what is left in its pipes is read."""


def handlers(shell_command: str) -> Handlers:
    """Return the handlers that have a shell do the work. Without `verify`, tasks stay in review for a person."""

    async def execute(task: Task) -> Json:
        return await _done(shell_command, task)

    return Handlers(execute=execute)


async def _done(shell_command: str, task: Task) -> Json:
    environment = {**os.environ, "TASKDECK_TASK_ID": task.id, "TASKDECK_ATTEMPTS": str(task.attempts)}
    keeper = guard()
    program, go = (shell_command, b"") if keeper is None else (["/bin/sh", "-c", _GATED, shell_command], b"\n")
    # Not by asyncio, which would wait for whoever holds its pipes.
    process = Popen(
        program,
        shell=keeper is None,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env=environment,
        start_new_session=True,
    )
    if keeper is not None:
        keeper.watch(process.pid)
    output, errors = _Output(lambda: _kill(process)), _Errors()
    loop, ends = asyncio.get_running_loop(), (output.ended, errors.ended)
    writing, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, process.stdin)
    saying, _ = await loop.connect_read_pipe(lambda: output, process.stdout)
    warning, _ = await loop.connect_read_pipe(lambda: errors, process.stderr)
    try:
        writing.write(go + jsontext.encode(msgspec.to_builtins(task)).encode() + b"\n")
        writing.close()
        while process.poll() is None:
            is_silent = all(end.done() for end in ends)
            await (asyncio.sleep(_LOOK) if is_silent else asyncio.wait(ends, timeout=_LOOK))
        # What it leaves behind may hold its pipes open.
        _kill(process)
        await asyncio.wait(ends, timeout=_DRAIN)
    finally:
        # Also when it is dropped: it must not work on beside the next.
        _kill(process)
        process.wait()
        if keeper is not None:
            keeper.forget(process.pid)
        for pipe in (writing, saying, warning):
            pipe.close()
        # That is done in the loop's next turn, and the loop may have no other.
        await asyncio.sleep(0)
    if output.is_too_much:
        raise Failed(f"its result has more than {_LARGEST >> 20} MiB")
    if process.returncode == 0:
        return _result(bytes(output.result))
    status, said = process.returncode, errors.end.decode("utf-8", "replace").strip()
    ended = f"exit code {status}" if status > 0 else f"killed by {signal_name(-status)}"
    message = f"{ended}: {said.splitlines()[-1]}\n\n{said}" if said else ended
    raise GiveUp(message) if status == _NEVER_AGAIN else Failed(message)


class _Reader(asyncio.Protocol):
    """Takes what comes out of a pipe; `ended` is done when nothing more will."""

    def __init__(self) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


class _Output(_Reader):
    """Keeps what a command writes to its standard output; the command is stopped when that is too much."""

    def __init__(self, stop: Callable[[], None]) -> None:
        super().__init__()
        self.result = bytearray()
        self.is_too_much = False
        self._stop = stop

    def data_received(self, data: bytes) -> None:
        if not self.is_too_much:
            self.result += data
        if len(self.result) > _LARGEST:
            self.is_too_much = True
            self.result.clear()
            self._stop()


class _Errors(_Reader):
    """Hands on what a command writes to its standard error, and keeps the end of it."""

    def __init__(self) -> None:
        super().__init__()
        self.end = b""

    def data_received(self, data: bytes) -> None:
        with suppress(OSError, AttributeError):
            sys.stderr.buffer.write(data)
            sys.stderr.buffer.flush()
        self.end = (self.end + data)[-LONGEST:]


def _result(output: bytes) -> Json:
    text = output.decode("utf-8", "replace").strip()
    try:
        found: Any = jsontext.decode(text) if text else None
    except ValueError:
        return text
    return found


def _kill(process: Popen[bytes]) -> None:
    if guard() is not None:
        kill_group(process.pid)
    elif process.returncode is None:
        process.kill()
