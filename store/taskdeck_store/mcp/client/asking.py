"""What is asked of a connected server, each with a bound: what it offers, a resource, a tool, news of changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import mcp_types as types
from mcp.client.session import ClientSession
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from taskdeck_store.machine import Code
from taskdeck_store.mcp.client.offer import Offer, Tool
from taskdeck_store.mcp.marks import ACTOR_KEY, FEED_KEY, FEED_URI
from taskdeck_store.printable import one_line
from taskdeck_store.values import Json

if TYPE_CHECKING:
    from mcp import Client

ANSWER = 10.0
"""Seconds that a server has for one answer."""

_LIST_PAGES = 20
_SAID = 300

_Lists: TypeAlias = type[types.ListResourcesRequest | types.ListResourceTemplatesRequest | types.ListToolsRequest]
_Found = TypeVar("_Found")


class Refused(Exception):
    """The server answered, with an error; the text is its own, in one line. `code` is what it calls it, or ''."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class Strange(Exception):
    """The server answered what MCP does not have."""


class Broken(Strange):
    """The connection broke, or the server ended the session."""


async def offer_of(client: Client) -> Offer:
    """Return what a server offers. Raises TimeoutError and Strange."""
    session = client.session
    info = client.server_info
    resources: list[types.Resource] = []
    templates: list[types.ResourceTemplate] = []
    tools: list[types.Tool] = []
    async for found in _pages(session, types.ListResourcesRequest, types.ListResourcesResult):
        resources += found.resources
    async for listed in _pages(session, types.ListResourceTemplatesRequest, types.ListResourceTemplatesResult):
        templates += listed.resource_templates
    async for told in _pages(session, types.ListToolsRequest, types.ListToolsResult):
        tools += told.tools
    return Offer(
        server=one_line(info.name, 40) if info is not None else "",
        uris=frozenset(str(resource.uri) for resource in resources),
        templates=tuple(template.uri_template for template in templates),
        tools={tool.name: _tool(tool) for tool in tools},
        has_feed=any(
            one.uri_template.startswith(FEED_URI) and (one.meta or {}).get(FEED_KEY) == 1 for one in templates
        ),
    )


def _tool(tool: types.Tool) -> Tool:
    return Tool(name=tool.name, schema=tool.input_schema, takes_actor=(tool.meta or {}).get(ACTOR_KEY) == 1)


async def _pages(session: ClientSession, request: _Lists, result: type[_Found]) -> AsyncIterator[_Found]:
    """Yield the pages of a list. A server that has no such list, or does not end it, has what it told."""
    cursor: str | None = None
    seen: set[str | None] = {None}
    for _ in range(_LIST_PAGES):
        try:
            page = await _ask(session, request(params=types.PaginatedRequestParams(cursor=cursor)), result)
        except Refused:
            return
        yield page
        cursor = getattr(page, "next_cursor", None)
        if cursor in seen:
            return
        seen.add(cursor)


async def read(client: Client, uri: str) -> str:
    """Return the text of a resource. Raises Refused, Strange and TimeoutError."""
    request = types.ReadResourceRequest(params=types.ReadResourceRequestParams(uri=uri))
    result = await _ask(client.session, request, types.ReadResourceResult)
    texts = [content.text for content in result.contents if isinstance(content, types.TextResourceContents)]
    if len(texts) != 1:
        raise Strange(f"{uri} has {len(texts)} texts, and not one")
    return texts[0]


async def call(client: Client, tool: Tool, arguments: Mapping[str, Json], actor: str) -> Json:
    """Call a tool; return its structured answer, where it gives one. Raises Refused, Strange and TimeoutError.

    `actor` is who asks for it, which a tool is told that takes it.
    """
    # Not through the session's own call_tool, which checks the answer against patterns that the server wrote.
    params = {"name": tool.name, "arguments": arguments, "_meta": {ACTOR_KEY: actor} if tool.takes_actor else None}
    try:
        json.dumps(params, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        # Sent, it would end the connection.
        why = "it has half a character (a lone surrogate), which cannot be said to a server"
        raise Refused(f"cannot call {one_line(tool.name, 40)}: {why}", Code.INVALID) from None
    request = types.CallToolRequest(params=types.CallToolRequestParams.model_validate(params))
    result = await _ask(client.session, request, types.CallToolResult)
    if result.is_error:
        texts = [content.text for content in result.content if isinstance(content, types.TextContent)]
        codes = [str(value) for name, value in (result.meta or {}).items() if name.rpartition("/")[2] == "code"]
        raise Refused(one_line(" ".join(" ".join(texts).split()) or "it gives no reason", _SAID), *codes[:1])
    return result.structured_content


async def subscribe(client: Client, uri: str) -> None:
    """Ask to be told, by notifications, when a resource changes. Raises Refused, Strange and TimeoutError."""
    request = types.SubscribeRequest(params=types.SubscribeRequestParams(uri=uri))
    await _ask(client.session, request, types.EmptyResult)


async def listen(
    client: Client, uris: tuple[str, ...], told: Callable[[], None], begun: Callable[[bool], None]
) -> None:
    """Hear of changes until the server ends the stream. `begun` is told whether it will tell of resources.

    Raises TimeoutError, Strange and Refused.
    """
    opened = client.listen(tools_list_changed=True, resources_list_changed=True, resource_subscriptions=uris)
    stream = cast("AbstractAsyncContextManager[Any]", opened)
    try:
        subscription = await asyncio.wait_for(stream.__aenter__(), ANSWER)
    except MCPError as error:
        raise Refused(one_line(error.error.message, _SAID)) from error
    except (RuntimeError, ValidationError) as error:
        raise Strange(one_line(str(error), _SAID)) from error
    try:
        begun(bool(subscription.honored.resource_subscriptions))
        async for _ in subscription:
            told()
    except RuntimeError as error:
        raise Strange("the stream of changes broke") from error
    finally:
        await stream.__aexit__(None, None, None)


async def _ask(session: ClientSession, request: types.ClientRequest, result: type[_Found]) -> _Found:
    try:
        async with asyncio.timeout(ANSWER):
            return await session.send_request(request, cast("Any", result))  # type: ignore[no-any-return]
    except MCPError as error:
        if _is_ours(error):
            raise Broken(one_line(error.error.message, _SAID)) from error
        if error.error.code == types.PARSE_ERROR:
            raise Strange(one_line(error.error.message, _SAID)) from error
        raise Refused(one_line(error.error.message, _SAID)) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[:1]
        where = ".".join(str(part) for part in first[0]["loc"]) if first else "its answer"
        raise Strange(f"it answers what MCP does not have ({one_line(where, 60)})") from error


def _is_ours(error: MCPError) -> bool:
    """Tell whether an error is none that the server answered, but the SDK's word for a connection that broke."""
    code, message = error.error.code, error.error.message
    if code == types.CONNECTION_CLOSED:
        # Many servers use this number for errors of their own.
        return message.startswith(("Connection closed", "SSE stream"))
    return code == types.INVALID_REQUEST and message == "Session terminated"
