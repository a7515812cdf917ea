"""A shell command as the handler: a worker in any language.

The command gets the task as one JSON document on its standard input, its id in TASKDECK_TASK_ID and how often it has
gone back to the queue in TASKDECK_ATTEMPTS. With exit code 0, what it wrote to its standard output is the result: the
value where that is JSON, else the text. With exit code 65 (EX_DATAERR of sysexits.h) the task is not tried again; with
any other, or when a signal ended it, the attempt has failed; the end of what it wrote to its standard error says why.
What it leaves running is ended with it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from typing import Any

import msgspec

from taskdeck_store import jsontext
from taskdeck_store.values import Json, Task
from taskdeck_store.worker.failure import LONGEST
from taskdeck_store.worker.handlers import Failed, GiveUp, Handlers

_NEVER_AGAIN = 65
_LARGEST = 16 << 20
"""Bytes of a result."""
_PIECE = 1 << 16


def handlers(shell_command: str) -> Handlers:
    """Return the handlers that have a shell do the work. Without `verify`, tasks stay in review for a person."""

    async def execute(task: Task) -> Json:
        return await _done(shell_command, task)

    return Handlers(execute=execute)


async def _done(shell_command: str, task: Task) -> Json:
    environment = {**os.environ, "TASKDECK_TASK_ID": task.id, "TASKDECK_ATTEMPTS": str(task.attempts)}
    process = await asyncio.create_subprocess_shell(
        shell_command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment, start_new_session=True
    )
    try:
        _, output, errors = await asyncio.gather(_tell(process, task), _output(process), _errors(process))
        status = await process.wait()
    finally:
        # Also what it left behind: whoever is dropped must not work on beside the next.
        _kill(process)
        await process.wait()
        # What asyncio has of it is closed in the loop's next turn, and the loop may have no other.
        await asyncio.sleep(0)
    if output is None:
        raise Failed(f"its result has more than {_LARGEST >> 20} MiB")
    if status == 0:
        return _result(output)
    said = errors.decode("utf-8", "replace").strip()
    message = f"{_ended(status)}: {said.splitlines()[-1]}\n\n{said}" if said else _ended(status)
    raise GiveUp(message) if status == _NEVER_AGAIN else Failed(message)


async def _tell(process: Process, task: Task) -> None:
    assert process.stdin is not None
    # A command need not read what it is given.
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(jsontext.encode(msgspec.to_builtins(task)).encode() + b"\n")
        await process.stdin.drain()
        process.stdin.close()
        await process.stdin.wait_closed()


async def _output(process: Process) -> bytes | None:
    """Return what it writes to its standard output; it is killed, and None returned, when that is too much."""
    assert process.stdout is not None
    output: bytearray | None = bytearray()
    while piece := await process.stdout.read(_PIECE):
        if output is not None:
            output += piece
            if len(output) > _LARGEST:
                output = None
                _kill(process)
    return bytes(output) if output is not None else None


async def _errors(process: Process) -> bytes:
    """Hand on what it writes to its standard error, and return the end of it."""
    assert process.stderr is not None
    end = b""
    while piece := await process.stderr.read(_PIECE):
        with suppress(OSError, AttributeError):
            sys.stderr.buffer.write(piece)
            sys.stderr.buffer.flush()
        end = (end + piece)[-LONGEST:]
    return end


def _result(output: bytes) -> Json:
    text = output.decode("utf-8", "replace").strip()
    try:
        found: Any = jsontext.decode(text) if text else None
    except ValueError:
        return text
    return found


def _ended(status: int) -> str:
    if status >= 0:
        return f"exit code {status}"
    with suppress(ValueError):
        return f"killed by {signal.Signals(-status).name}"
    return f"killed by signal {-status}"


def _kill(process: Process) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        elif process.returncode is None:
            process.kill()
