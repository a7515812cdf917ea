"""A server that runs as our child and speaks on its standard input and output.

Whatever it prints, no more is held of it than one message of bounded size and the end of its last error line. It
is ended with its connection. When we are killed, its standard input closes, and a server ends at that.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, TypeAlias

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from taskdeck_store.mcp.client.server import Server
from taskdeck_store.printable import one_line

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

MESSAGE_MOST = 16 * 1024 * 1024
"""How many bytes one message of a server may have."""

_PIECE = 1 << 16
_STRAY_MOST = 1 << 20
"""How many bytes a server may print that are no message, until the next message, before it counts as none."""
_MESSAGES_A_SECOND = 2_000
_ERRORS_A_SECOND = 100
_LINE = 200
_LAST_WORDS = 0.3
"""Seconds for which a server that closed its output may go on to end, so that its end can be told."""
_GRACE = 1.0
"""Seconds that a child has to end once its input is closed, and again once it was asked to by a signal."""
_STEP = 0.01

_ENVIRONMENT = (
    *("HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV"),
    *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"),
)

_In: TypeAlias = MemoryObjectSendStream[SessionMessage | Exception]
_Out: TypeAlias = MemoryObjectReceiveStream[SessionMessage]


def environment() -> Mapping[str, str]:
    """Return what a child may know of our environment: no tokens, no keys."""
    named = (name for name in os.environ if name in _ENVIRONMENT or name.startswith("LC_"))
    return {name: os.environ[name] for name in named}


class Child:
    """One run of a server. `over` is done, with what happened, once nothing more can come from it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._last_line = ""
        self._stray = ""
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def hint(self) -> str:
        """What the server said last that is no message: '' or a clause, to be put behind a message."""
        said = self._last_line or self._stray
        return f"; it said: {one_line(said.strip(), _LINE)}" if said.strip() else ""

    @asynccontextmanager
    async def streams(self) -> AsyncIterator[TransportStreams]:
        """Start the server, connect to it, and end it. Raises OSError where it cannot be started."""
        process = await asyncio.create_subprocess_exec(
            *self._server.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=dict(environment()),
            cwd=self._server.folder,
            start_new_session=True,
            limit=_PIECE,
        )
        heard, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        outgoing, said = anyio.create_memory_object_stream[SessionMessage](0)
        tasks = [
            asyncio.create_task(self._hear(process, heard)),
            asyncio.create_task(self._say(process, said)),
            asyncio.create_task(self._listen_to_errors(process)),
        ]
        try:
            yield incoming, outgoing
        finally:
            ending = asyncio.ensure_future(_end(process))
            try:
                await asyncio.shield(ending)
            finally:
                for task in tasks:
                    task.cancel()
                for stream in (heard, incoming, outgoing, said):
                    stream.close()
                if not ending.done():
                    _signal(process, signal.SIGKILL)

    def _is_over(self, what: str) -> None:
        if not self.over.done():
            self.over.set_result(what)

    async def _hear(self, process: asyncio.subprocess.Process, heard: _In) -> None:
        assert process.stdout is not None
        buffer = bytearray()
        pace = _Pace(_MESSAGES_A_SECOND)
        stray = 0
        with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            while piece := await process.stdout.read(_PIECE):
                looked = len(buffer)
                buffer += piece
                while (end := buffer.find(b"\n", looked)) >= 0:
                    line = bytes(buffer[:end])
                    del buffer[: end + 1]
                    looked = 0
                    message = _parsed(line)
                    if message is not None:
                        stray = 0
                        await heard.send(message)
                        await pace.keep()
                    elif line.strip():
                        stray += len(line)
                        self._stray = line[: 2 * _LINE].decode("utf-8", "replace")
                if len(buffer) > MESSAGE_MOST:
                    self._is_over(f"sent a message of more than {MESSAGE_MOST >> 20} MiB, which is not read")
                    break
                if stray > _STRAY_MOST:
                    self._is_over(f"prints what is no MCP message{self.hint}")
                    break
        await self._tell_end(process)
        heard.close()

    async def _tell_end(self, process: asyncio.subprocess.Process) -> None:
        until = time.monotonic() + _LAST_WORDS
        while process.returncode is None and not self.over.done() and time.monotonic() < until:
            await asyncio.sleep(_STEP)
        code = process.returncode
        if code is None:
            self._is_over(f"closed its output{self.hint}")
        elif code < 0:
            self._is_over(f"was ended by signal {-code} ({_name(-code)}){self.hint}")
        else:
            self._is_over(f"ended with exit code {code}{self.hint}")

    async def _say(self, process: asyncio.subprocess.Process, said: _Out) -> None:
        assert process.stdin is not None
        with suppress(OSError, anyio.ClosedResourceError):
            async for message in said:
                text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                process.stdin.write(text.encode("utf-8", "replace") + b"\n")
                await process.stdin.drain()

    async def _listen_to_errors(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        pace = _Pace(_ERRORS_A_SECOND)
        end = b""
        while piece := await process.stderr.read(_PIECE):
            end = (end + piece)[-4 * _LINE :]
            lines = [line for line in end.splitlines() if line.strip()]
            self._last_line = lines[-1].decode("utf-8", "replace") if lines else ""
            await pace.keep()


class _Pace:
    """Sleeps where something comes more often than so many times a second."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self._since = time.monotonic()

    async def keep(self) -> None:
        self._count += 1
        if self._count < self._most // 10:
            return
        spare = self._since + 0.1 - time.monotonic()
        self._count = 0
        if spare > 0:
            await asyncio.sleep(spare)
        self._since = time.monotonic()


def _parsed(line: bytes) -> SessionMessage | None:
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except (ValueError, RecursionError):
        return None


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    with suppress(OSError):
        process.stdin.close()
    if not await _has_ended(process):
        _signal(process, signal.SIGTERM)
        if not await _has_ended(process):
            _signal(process, signal.SIGKILL)
            await _has_ended(process)
    # What the child left running in its group. The number is not used anew while the group has a process.
    _signal(process, signal.SIGTERM)
    transport = getattr(process, "_transport", None)
    if transport is not None:
        transport.close()


async def _has_ended(process: asyncio.subprocess.Process) -> bool:
    # Not process.wait(): that waits for the pipes too, which a child of the child may hold open.
    until = time.monotonic() + _GRACE
    while process.returncode is None and time.monotonic() < until:
        await asyncio.sleep(_STEP)
    return process.returncode is not None


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
