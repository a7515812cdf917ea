"""A store served to the official client: in this process, or by the program itself."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import mcp_types as types
from mcp import Client

from taskdeck_store import Action, Store, command, create_store, open_store
from taskdeck_store.limits import NONE, Limits
from taskdeck_store.mcp.serving.server import Served

ERAS = ("auto", "legacy")
"""How a client opens: by 2026-07-28, or with the handshake of 2025-11-25."""


def made(path: Path, *tasks: str) -> str:
    """Return the address of a new store with tasks of these ids."""
    create_store(str(path))
    with_tasks = open_store(str(path))
    with_tasks.apply([command(one, Action.ADD, actor="maker", title=f"task {one}") for one in tasks])
    with_tasks.close()
    return str(path)


class Asked:
    """A client that is told of by what it reads and calls, as Python values."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def read(self, uri: str) -> Any:
        """Return the document of a resource."""
        [content] = (await self.client.read_resource(uri)).contents
        assert isinstance(content, types.TextResourceContents)
        assert content.mime_type == "application/json"
        return json.loads(content.text)

    async def call(self, name: str, **arguments: Any) -> Any:
        """Return what a tool returns, which it tells twice: as a value and as text."""
        result = await self.client.call_tool(name, arguments)
        [content] = result.content
        assert isinstance(content, types.TextContent)
        assert not result.is_error, content.text
        assert json.loads(content.text) == result.structured_content
        return result.structured_content

    async def refused(self, name: str, **arguments: Any) -> tuple[str, str]:
        """Return the reason of a tool that does nothing, for programs and for people."""
        result = await self.client.call_tool(name, arguments)
        assert result.is_error, result
        assert result.structured_content is None
        [content] = result.content
        assert isinstance(content, types.TextContent)
        assert content.text.isprintable()
        assert result.meta is not None
        return result.meta["taskdeck/code"], content.text


@asynccontextmanager
async def asking(
    address: str,
    era: str = "auto",
    *,
    name: str = "tester",
    read_only: bool = False,
    limits: Limits = NONE,
    opens: Callable[[], Store] | None = None,
) -> AsyncIterator[Asked]:
    """Serve a store to one client in this process."""
    how = opens or (lambda: open_store(address, read_only=read_only))
    served = Served(how, version="1.2.3", limits=limits, read_only=read_only)
    who = types.Implementation(name=name, version="1")
    try:
        async with Client(served.server, mode=era, client_info=who, read_timeout_seconds=20) as client:
            yield Asked(client)
    finally:
        served.close()
