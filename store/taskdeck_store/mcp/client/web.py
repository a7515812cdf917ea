"""A server that is reached over HTTP."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx2
from mcp.client.streamable_http import streamable_http_client

from taskdeck_store.mcp.client.child import MESSAGE_MOST
from taskdeck_store.mcp.client.server import Server

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

TOKEN = "TASKDECK_MCP_TOKEN"
"""The environment variable that holds the bearer token."""

_CONNECT = 5.0


class Web:
    """One connection to a server over HTTP. `over` is never done: each request fails by itself."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._status = 0
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def hint(self) -> str:
        """What the server's last answer was, where that was an error: '' or a clause, to be put behind a message."""
        if self._status in (401, 403):
            given = f"the token in {TOKEN} is not taken" if os.environ.get(TOKEN) else f"set {TOKEN} to its token"
            return f"; it answers HTTP {self._status}: {given}"
        if self._status == 404:
            return "; it answers HTTP 404: is the path of the URL right? It often is /mcp"
        return f"; it answers HTTP {self._status}" if self._status >= 300 else ""

    @asynccontextmanager
    async def streams(self) -> AsyncIterator[TransportStreams]:
        """Make ready to ask the server. Nothing is sent yet."""
        # What is not compressed has a size that can be bounded before it is held.
        headers = {"accept-encoding": "identity"}
        if token := os.environ.get(TOKEN):
            headers["authorization"] = f"Bearer {token}"
        # A stream of news is silent while nothing happens; whoever waits for an answer has a timeout of their own.
        timeout = httpx2.Timeout(_CONNECT, read=None)
        async with (
            httpx2.AsyncClient(headers=headers, timeout=timeout, event_hooks={"response": [self._answered]}) as client,
            streamable_http_client(self._server.url, http_client=client, max_sse_event_size=MESSAGE_MOST) as streams,
        ):
            yield streams

    async def _answered(self, response: httpx2.Response) -> None:
        self._status = response.status_code
        if response.headers.get("content-encoding", "identity") != "identity":
            raise httpx2.StreamError("the answer is compressed, which was not asked for")
        if not response.headers.get("content-type", "").lower().startswith("text/event-stream"):
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = _Bounded(response.stream)


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._stream:
            size += len(piece)
            if size > MESSAGE_MOST:
                raise httpx2.StreamError(f"it is larger than {MESSAGE_MOST >> 20} MiB")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
