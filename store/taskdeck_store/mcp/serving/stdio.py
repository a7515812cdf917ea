"""MCP over standard input and output, a message a line.

The transport of the SDK reads in a thread that nothing can end, so that a signal would wait for the next line.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import Any

import anyio
import mcp_types as types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

from taskdeck_store.mcp.serving.ending import ended_by_signals
from taskdeck_store.mcp.serving.server import Served

LONGEST_LINE = 64 * 1024 * 1024
"""Bytes; who sends a longer line is not listened to any more."""

_GRACE = 1.0
"""Seconds for which a client may take the last answers."""
_STDIN, _STDOUT, _STDERR = 0, 1, 2
_WRONG = types.ErrorData(code=types.PARSE_ERROR, message="that line is no message of JSON-RPC 2.0")
_UNREADABLE = types.JSONRPCError(jsonrpc="2.0", id=None, error=_WRONG).model_dump_json(by_alias=True).encode()


async def serve(served: Served) -> list[int]:
    """Serve one client, until standard input ends or a signal comes; return the signals that came."""
    arrived, arriving = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    leaving, left = anyio.create_memory_object_stream[SessionMessage](0)
    loop = asyncio.get_running_loop()

    def end(times: int) -> None:
        # As if the client had gone: what is under way is ended, and said to be.
        served.end()
        arrived.close()
        if times > 1:
            whole.cancel()

    with _standard_streams() as (source, target), anyio.CancelScope() as whole, ended_by_signals(end) as came:
        lines = _Lines(target)
        async with anyio.create_task_group() as group, left:
            written = anyio.Event()
            group.start_soon(_write, left, lines, arrived.close, written)
            threading.Thread(target=_read, args=(source, loop, arrived, lines), name="mcp-stdin", daemon=True).start()
            await served.server.run(arriving, leaving, served.server.create_initialization_options())
            with anyio.move_on_after(_GRACE):
                await written.wait()
            group.cancel_scope.cancel()
    return came


@contextmanager
def _standard_streams() -> Iterator[tuple[int, int]]:
    """Keep the two descriptors for the protocol: what is printed meanwhile goes to standard error."""
    source, target = os.dup(_STDIN), os.dup(_STDOUT)
    os.dup2(_STDERR, _STDOUT)
    try:
        yield source, target
    finally:
        os.dup2(target, _STDOUT)
        # `source` stays: a thread may still be reading from it, and its number must not become another file's.


class _Lines:
    """Writes lines in a thread of its own, so that a client which does not read holds up nothing but itself."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._due: SimpleQueue[tuple[bytes, Future[None]]] = SimpleQueue()
        threading.Thread(target=self._work, name="mcp-stdout", daemon=True).start()

    def put(self, line: bytes) -> Future[None]:
        """Write a line; the future is done when it is written. It fails with OSError where nobody may read it."""
        done: Future[None] = Future()
        self._due.put((line, done))
        return done

    def _work(self) -> None:
        while True:
            line, done = self._due.get()
            if not done.set_running_or_notify_cancel():
                continue
            rest = memoryview(line + b"\n")
            try:
                while rest:
                    rest = rest[os.write(self._target, rest) :]
            except OSError as error:
                done.set_exception(error)
            else:
                done.set_result(None)


async def _write(
    left: MemoryObjectReceiveStream[SessionMessage], lines: _Lines, end: Callable[[], None], written: anyio.Event
) -> None:
    """Write what leaves; once nobody reads any more, have all end."""
    is_read = True
    async for one in left:
        if is_read:
            text = one.message.model_dump_json(by_alias=True, exclude_unset=True)
            try:
                await asyncio.wrap_future(lines.put(text.encode()))
            except OSError:
                is_read = False
                end()
    written.set()


def _read(
    source: int,
    loop: asyncio.AbstractEventLoop,
    arrived: MemoryObjectSendStream[SessionMessage | Exception],
    lines: _Lines,
) -> None:
    """Hand on what comes, a line at a time, until there is no more."""
    with os.fdopen(source, "rb", closefd=False) as file:
        while line := file.readline(LONGEST_LINE):
            if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                break
            if not line.strip():
                continue
            try:
                message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
            except ValidationError:
                with suppress(OSError, CancelledError):
                    lines.put(_UNREADABLE).result()
                continue
            if not _done(loop, arrived.send(SessionMessage(message))):
                return
    _done(loop, arrived.aclose())


def _done(loop: asyncio.AbstractEventLoop, doing: Coroutine[Any, Any, None]) -> bool:
    """Have the loop do something, wait for it, and tell whether it could."""
    try:
        asyncio.run_coroutine_threadsafe(doing, loop).result()
    except (RuntimeError, CancelledError, anyio.BrokenResourceError, anyio.ClosedResourceError):
        doing.close()
        return False
    return True
