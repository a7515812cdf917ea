"""The MCP server of a store, for any transport: what it answers, and how it tells of changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import mcp_types as types
from mcp.server import Server
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import NotificationOptions
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from taskdeck_store.contract import Store, StoreError
from taskdeck_store.limits import NONE, Limits
from taskdeck_store.machine import Code, missing
from taskdeck_store.mcp.marks import ACTOR_KEY, FEED_KEY, FEED_URI
from taskdeck_store.mcp.serving import pages, shapes, teaching
from taskdeck_store.mcp.serving.desk import Desk, Opens
from taskdeck_store.mcp.serving.inputs import given
from taskdeck_store.mcp.serving.places import (
    CURRENT_URI,
    QUEUE_URI,
    SCHEME,
    STATS_URI,
    Events,
    Feed,
    One,
    Place,
    Queue,
    Stats,
    Touched,
    place,
)
from taskdeck_store.mcp.serving.reviews import WAITING, Verdict, verdict
from taskdeck_store.mcp.serving.stats import stats
from taskdeck_store.mcp.serving.subscriptions import Subscriptions
from taskdeck_store.mcp.serving.tools import TOOLS, Call, Refused, Tool
from taskdeck_store.mcp.serving.watcher import Watcher
from taskdeck_store.printable import one_line
from taskdeck_store.query.parse import parse
from taskdeck_store.query.terms import EVERYTHING
from taskdeck_store.values import Json

NAME = "taskdeck"
CODE_KEY = "taskdeck/code"
"""Under which key of `_meta` the result of a failed tool has the reason for programs, as the command line has it."""

_JSON = "application/json"
_NOT_FOUND_2025 = -32002
_LONGEST_NAME = 80
_LONGEST_MESSAGE = 2_000
_SIGN_OF_LIFE = 10.0
"""Seconds between two signs that a verdict is still waited for."""

_Context = ServerRequestContext[Any, Any]
_Paginated = types.PaginatedRequestParams | None


class Served:
    """A store behind the protocol. `server` is to be run by a transport, in one event loop.

    `limits` are those of its format; `read_only` offers nothing that changes a task, whatever the store would take.
    """

    def __init__(self, opens: Opens, *, version: str, limits: Limits = NONE, read_only: bool = False) -> None:
        self._opens = opens
        self._limits = limits
        self._read_only = read_only
        # Two, each with its own handle: a commit may have to wait for other writers, and reading goes on meanwhile.
        self._reads, self._commits = Desk(opens), Desk(opens)
        self._subscriptions = Subscriptions(self._follows)
        self._watcher: Watcher | None = None
        self.server: Server[None] = _Server(
            NAME,
            version=version,
            title="Taskdeck",
            instructions=teaching.instructions(limits, read_only=read_only),
            lifespan=self._life,
            get_tool_input_schema=lambda name: TOOLS[name].input_schema() if name in TOOLS else None,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_list_resources=self._list_resources,
            on_list_resource_templates=self._list_templates,
            on_read_resource=self._read,
            on_subscribe_resource=self._subscriptions.subscribe,
            on_unsubscribe_resource=self._subscriptions.unsubscribe,
            on_subscriptions_listen=self._subscriptions.listen,
            on_list_prompts=self._list_prompts,
            on_get_prompt=self._get_prompt,
        )

    def end(self) -> None:
        """End every stream of changes, so that its client is told; requests under way go on."""
        self._subscriptions.close()

    def close(self) -> None:
        """Let go of the store."""
        self._reads.close()
        self._commits.close()

    @asynccontextmanager
    async def _life(self, _: Server[None]) -> AsyncIterator[None]:
        """Follow the store while the server runs."""
        loop = asyncio.get_running_loop()

        def tell(touched: Touched) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._subscriptions.notice, touched)

        self._watcher = Watcher(self._opens, tell)
        async with anyio.create_task_group() as group:
            self._subscriptions.tell_in(group)
            self._watcher.start()
            try:
                yield
            finally:
                self._subscriptions.close()
                group.cancel_scope.cancel()
                self._watcher.close()

    async def _follows(self) -> None:
        watcher = self._watcher
        assert watcher is not None
        while not watcher.begun.is_set():
            await anyio.sleep(0.002)

    async def _list_tools(self, ctx: _Context, params: _Paginated) -> types.ListToolsResult:
        is_read_only = self._read_only
        if not is_read_only:
            with suppress(StoreError):
                is_read_only = await self._reads.ask(lambda store: store.read_only)
        return types.ListToolsResult(
            tools=[_described(tool) for tool in TOOLS.values() if not (tool.changes and is_read_only)]
        )

    async def _call_tool(self, ctx: _Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        tool = TOOLS.get(params.name)
        if tool is None:
            known = ", ".join(TOOLS)
            raise MCPError(types.INVALID_PARAMS, f"there is no tool {params.name[:_LONGEST_NAME]!r}; there are {known}")
        if tool.changes and self._read_only:
            return _failed(Code.READ_ONLY, f"{tool.name} changes tasks, and this server only shows them")

        async def awaits(task_id: str, after: int | None, timeout: float) -> Verdict:
            return await self._verdict(ctx, task_id, after, timeout)

        try:
            asked = given(tool.takes, params.arguments or {})
            found = await tool.does(Call(_actor(ctx, params.meta), self._reads, self._commits, awaits), asked)
        except Refused as error:
            return _failed(error.code, error.message)
        except StoreError as error:
            return _failed(error.fault, error.message)
        except ValueError as error:
            return _failed(Code.INVALID, str(error))
        document = shapes.told(found)
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=shapes.text(document))], structured_content=document
        )

    async def _list_resources(self, ctx: _Context, params: _Paginated) -> types.ListResourcesResult:
        return types.ListResourcesResult(resources=[_resource(*one) for one in _RESOURCES])

    async def _list_templates(self, ctx: _Context, params: _Paginated) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=[_template(*one) for one in _TEMPLATES])

    async def _read(self, ctx: _Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        uri = str(params.uri)
        me = _actor(ctx)
        try:
            named = place(uri)
            document = await self._reads.ask(lambda store: _document(store, named, me))
        except StoreError as error:
            raise _error(types.INTERNAL_ERROR, error.message, fault=error.fault.value) from None
        except ValueError as error:
            raise _error(types.INVALID_PARAMS, str(error), uri=uri[:_LONGEST_MESSAGE]) from None
        except LookupError as error:
            is_modern = ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
            code = types.INVALID_PARAMS if is_modern else _NOT_FOUND_2025
            raise _error(code, str(error.args[0]), uri=uri) from None
        contents = types.TextResourceContents(uri=uri, mime_type=_JSON, text=shapes.text(document))
        return types.ReadResourceResult(contents=[contents])

    async def _list_prompts(self, ctx: _Context, params: _Paginated) -> types.ListPromptsResult:
        if self._read_only:
            return types.ListPromptsResult(prompts=[])
        query = types.PromptArgument(name="query", description="only tasks that match, as in tag:docs priority<3")
        about = "Work on the tasks of the queue, one after the other: claim, work, submit, wait for the verdict."
        return types.ListPromptsResult(
            prompts=[types.Prompt(name=_PROMPT, title="Work on the queue", description=about, arguments=[query])]
        )

    async def _get_prompt(self, ctx: _Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        if params.name != _PROMPT or self._read_only:
            raise MCPError(types.INVALID_PARAMS, f"there is no prompt {params.name[:_LONGEST_NAME]!r}")
        query = one_line((params.arguments or {}).get("query", ""), _LONGEST_MESSAGE)
        content = types.TextContent(type="text", text=teaching.working(query, self._limits))
        return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=content)])

    async def _verdict(self, ctx: _Context, task_id: str, after: int | None, timeout: float) -> Verdict:
        """Wait for the verdict about a task. Raises Refused, and StoreError."""
        ends = anyio.current_time() + timeout
        begun = anyio.current_time()
        with self._subscriptions.following(f"{SCHEME}{task_id}") as subscription:
            await self._follows()
            while True:
                found = await self._reads.ask(lambda store: verdict(store, task_id, after))
                if found is None:
                    raise Refused(Code.NOT_FOUND, missing(task_id).message)
                left = ends - anyio.current_time()
                if found.verdict != WAITING or not left > 0:
                    return found
                with anyio.move_on_after(min(left, _SIGN_OF_LIFE)):
                    await subscription.take()
                if subscription.is_over:
                    raise Refused("ended", "this server ends; ask again when it is back")
                waited = anyio.current_time() - begun
                await ctx.session.report_progress(waited, timeout, f"{task_id} waits for a verdict")


class _Server(Server[None]):
    """Promises no word of changes that never come: its tools, its prompts and the list of its resources stay."""

    def get_capabilities(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
        *,
        protocol_version: str | None = None,
    ) -> types.ServerCapabilities:
        """Return what the server can do, as the SDK finds it, but for that."""
        found = super().get_capabilities(
            notification_options, experimental_capabilities, extensions, protocol_version=protocol_version
        )
        for part in (found.tools, found.prompts, found.resources):
            if part is not None:
                part.list_changed = False
        return found


_PROMPT = "work"
_PAGED = "A page of the queue: tasks in the order of the board, by state, then in the order they are to run."

_RESOURCES = (
    (QUEUE_URI, "queue", f"{_PAGED} `next` names the page after it."),
    (CURRENT_URI, "current", "The tasks in progress."),
    (STATS_URI, "stats", "How many tasks are in each state, blocked and overdue, and what is paused."),
)
_TEMPLATES = (
    (f"{QUEUE_URI}{{?state,query,limit,after}}", "page", f"{_PAGED} Of some states, or that match a filter."),
    (
        f"{FEED_URI}{{?after}}",
        "changes",
        "What changed since a cursor, `next` of before; without one, only `next`.",
    ),
    (f"{SCHEME}{{id}}", "task", "A task with all it holds."),
    (f"{SCHEME}{{id}}/log{{?after,limit}}", "log", "What happened to a task: who did what, when and why."),
)


def _document(store: Store, named: Place, me: str) -> Json:
    """Return what a URI names. Raises StoreError, ValueError, and LookupError where there is no such task."""
    match named:
        case Queue():
            query = parse(named.query, me=me) if named.query.strip() else EVERYTHING
            found = pages.page(store, named.states, query, after=named.after, limit=named.limit)
            return {**shapes.told(found), "next": named.uri_of(found.next) if found.next is not None else None}
        case Stats():
            return shapes.told(stats(store))
        case Feed():
            return shapes.told(pages.news(store, named.after))
        case One():
            task = store.get(named.task_id)
            if task is None:
                raise LookupError(missing(named.task_id).message)
            return shapes.told(shapes.shown(task, None))
        case Events():
            log = pages.log(store, named.task_id, after=named.after, limit=named.limit)
            if not log.events and store.get(named.task_id) is None:
                raise LookupError(missing(named.task_id).message)
            return {**shapes.told(log), "next": named.uri_of(log.next) if log.next is not None else None}


def _actor(ctx: _Context, meta: Mapping[str, Any] | None = None) -> str:
    """Return whom the events of a client are from: the name it gives itself, marked as what it is, and the one that it
    gives to who asks by it, if it does.
    """
    client = ctx.session.client_params
    name = _name(client.client_info.name) if client is not None else ""
    user = _name((meta or {}).get(ACTOR_KEY))
    return f"mcp:{name or 'unnamed'}{'/' * bool(user)}{user}"


def _name(given: object) -> str:
    return one_line(given, _LONGEST_NAME).strip() if isinstance(given, str) else ""


def _error(code: int, message: str, **data: str) -> MCPError:
    return MCPError(code, one_line(message, _LONGEST_MESSAGE), data)


def _failed(code: str, message: str) -> types.CallToolResult:
    said = one_line(message, _LONGEST_MESSAGE)
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=said)], is_error=True, _meta={CODE_KEY: str(code)}
    )


def _described(tool: Tool) -> types.Tool:
    hints = types.ToolAnnotations(
        title=tool.title,
        read_only_hint=not tool.changes,
        destructive_hint=tool.destroys,
        idempotent_hint=not tool.changes,
        open_world_hint=False,
    )
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.about,
        input_schema=tool.input_schema(),
        output_schema=tool.output_schema(),
        annotations=hints,
        _meta={ACTOR_KEY: 1} if tool.changes else None,
    )


def _resource(uri: str, name: str, about: str) -> types.Resource:
    return types.Resource(uri=uri, name=name, description=about, mime_type=_JSON)


def _template(uri: str, name: str, about: str) -> types.ResourceTemplate:
    marks = {FEED_KEY: 1} if uri.startswith(FEED_URI) else None
    return types.ResourceTemplate(uri_template=uri, name=name, description=about, mime_type=_JSON, _meta=marks)
