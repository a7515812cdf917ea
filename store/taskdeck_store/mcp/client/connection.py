"""One connection to a server, from its start until it breaks.

News of changes come by the best way that works: `subscriptions/listen`, else `resources/subscribe`, else by asking
again and again. A server that tells is asked too, more rarely: its silence may be its end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, TypeAlias

import mcp_types as types
from mcp import Client
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from taskdeck_store.mcp.client import asking
from taskdeck_store.mcp.client.asking import Broken, Refused, Strange
from taskdeck_store.mcp.client.child import Child
from taskdeck_store.mcp.client.feed import news
from taskdeck_store.mcp.client.gathering import Gathered, gather
from taskdeck_store.mcp.client.offer import Offer
from taskdeck_store.mcp.client.server import Server
from taskdeck_store.mcp.client.web import Web

Way: TypeAlias = Literal["listen", "subscribe", "poll"]
"""How changes are heard of."""

CONNECT = 30.0
"""Seconds that a server has to start and to say what it offers."""
LOOK = 30.0
"""Seconds that a server has to tell all its tasks."""

_TO_SUBSCRIBE = 1.0
"""Seconds for which a connection waits for its subscription before it counts as made."""
_TOGETHER = 0.003
"""Seconds for which the news of one change may come in, one resource after the other."""
_AGAIN_FIRST, _AGAIN_LAST = 0.5, 30.0
"""Seconds until one listens again after a stream of news ended, doubled from time to time."""
_ASK_FIRST, _ASK_LAST, _ASK_GROWTH = 1.0, 5.0, 1.5
"""Seconds between two questions whether anything changed."""
_HEARTBEAT = 10.0
"""Seconds between two such questions to a server that tells by itself."""
_SHARE = 20
"""Of how many seconds at most one may be spent on such questions."""
_WORD_OF_IT = 1.0
"""Seconds for which the word of a change may be under way, once it was found by asking."""
_NAP = 0.1
_OFFERS_CHANGE = (types.ToolListChangedNotification, types.ResourceListChangedNotification)


class Connection:
    """A connection that is being made, holds, or is broken. Everything but `hurry` is for the loop's thread.

    `changed` is called when something may have changed; it may be called from the first.
    """

    def __init__(self, server: Server, changed: Callable[[], None]) -> None:
        self._ends: Child | Web = Child(server) if server.command else Web(server)
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._client: Client | None = None
        self._subscribed = asyncio.Event()
        self._told = 0
        self._is_coming = False
        self._in_a_hurry = False
        self.made = asyncio.Event()
        self.broken = asyncio.Event()
        self.offer = Offer(server="")
        self.way: Way = "poll"
        self.is_mute = False
        """Whether something changed that the server did not tell of, though it promised to."""
        self.doubts = 0
        """How often there was a reason to believe nothing that was read before."""
        self._mark: str | None = None
        self._told_by_then = 0
        self._gathering = asyncio.Lock()
        self._listed: tuple[dict[str, int], str] | None = None

    @property
    def client(self) -> Client:
        """The SDK's client of a connection that is made."""
        assert self._client is not None
        return self._client

    @property
    def end(self) -> str | None:
        """What became of a server that ended, to be put behind its name."""
        return self._ends.over.result() if self._ends.over.done() else None

    @property
    def hint(self) -> str:
        """What the server last said beside its answers: '' or a clause, to be put behind a message."""
        return self._ends.hint

    def hurry(self) -> None:
        """Ask soon whether anything changed: something was done."""
        self._in_a_hurry = True

    async def run(self) -> None:
        """Connect, and hold the connection until it breaks. Raises what the SDK does."""
        client = Client(
            self._ends.streams(),
            message_handler=self._hear,
            client_info=types.Implementation(name="taskdeck", version=_version()),
            read_timeout_seconds=CONNECT,
            cache=None,
        )
        try:
            async with client:
                self._client = client
                self.offer = await asking.offer_of(client)
                tasks: list[asyncio.Task[Any]] = [asyncio.create_task(self._subscribe())]
                try:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._subscribed.wait(), _TO_SUBSCRIBE)
                    self.made.set()
                    tasks += [asyncio.create_task(self._heartbeat()), asyncio.create_task(self.broken.wait())]
                    await asyncio.wait((self._ends.over, tasks[-1]), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    self.broken.set()
                    for task in tasks:
                        task.cancel()
        finally:
            self.broken.set()

    async def _hear(self, message: types.ServerNotification | Exception) -> None:
        if isinstance(message, types.ResourceUpdatedNotification):
            if self.way == "subscribe":
                self._news()
        elif self.made.is_set() and isinstance(message, _OFFERS_CHANGE):
            with suppress(Strange, TimeoutError):
                self.offer = await asking.offer_of(self.client)
            self.doubts += 1
            self._changed()

    def _news(self) -> None:
        self._told += 1
        if not self._is_coming:
            self._is_coming = True
            self._loop.call_later(_TOGETHER, self._came)

    def _came(self) -> None:
        self._is_coming = False
        self._changed()

    async def _subscribe(self) -> None:
        """Have the server tell of changes, where it can, for as long as it does."""
        uris = self.offer.reads
        if self.client.protocol_version in MODERN_PROTOCOL_VERSIONS:
            pause = _AGAIN_FIRST
            while True:
                with suppress(Exception):
                    await asking.listen(self.client, uris, self._news, self._begins)
                is_refused, self.way = self.way == "poll", "poll"
                self._subscribed.set()
                if is_refused and pause == _AGAIN_LAST:
                    return
                pause = min(2 * pause, _AGAIN_LAST) if is_refused else _AGAIN_FIRST
                await asyncio.sleep(pause)
        capability = self.client.server_capabilities.resources
        if capability is not None and capability.subscribe:
            with suppress(Exception):
                for uri in uris:
                    await asking.subscribe(self.client, uri)
                self._begins(True)
        self._subscribed.set()

    def _begins(self, of_tasks: bool) -> None:
        modern = self.client.protocol_version in MODERN_PROTOCOL_VERSIONS
        self.way = "poll" if not of_tasks else "listen" if modern else "subscribe"
        self._subscribed.set()
        if self.made.is_set():
            # There is no replay: what changed before is told by nobody.
            self._changed()

    async def _heartbeat(self) -> None:
        """Ask whether anything changed: to hear of it, or to know that the server is still there.

        Many a server promises to tell and never does, so it is believed once it told.
        """
        pause, took = _ASK_FIRST, 0.0
        while True:
            tells = self.way != "poll" and not self.is_mute and self._told > 0
            await self._rest(max(_HEARTBEAT if tells else pause, took * _SHARE), until_hurry=not tells)
            told, began = self._told_by_then, time.monotonic()
            try:
                async with asyncio.timeout(LOOK):
                    doubts = self.doubts
                    gathered = await self.gather()
            except (Refused, Strange) as error:
                if not isinstance(error, Broken):
                    continue
                self.broken.set()
                return
            except Exception:
                self.broken.set()
                return
            took = time.monotonic() - began
            is_new = self.says(gathered.mark)
            if not is_new and doubts == self.doubts:
                pause = min(pause * _ASK_GROWTH, _ASK_LAST)
                continue
            pause = _ASK_FIRST
            self._changed()
            if is_new and self.way != "poll" and self._told == told:
                await asyncio.sleep(_WORD_OF_IT)
                self.is_mute = self._told == told

    async def gather(self) -> Gathered:
        """Read what the server says of its tasks. Raises Refused, Strange and TimeoutError.

        Where that shows that its feed hid a change since it was last read, all is to be read anew by everybody.
        """
        async with self._gathering:
            gathered = await gather(self.client, self.offer)
            if await self._hides(gathered):
                self.doubts += 1
                self._changed()
        return gathered

    async def _hides(self, gathered: Gathered) -> bool:
        """Tell whether a task is another than in what was gathered before, and the change feed does not tell of it."""
        before, listed = self._listed, (gathered.rows(), gathered.cursor) if gathered.cursor else None
        found = await news(self.client, before[1]) if before is not None and listed is not None else None
        self._listed = listed
        if before is None or listed is None:
            return False
        if found is None:
            return True
        was, now = before[0], listed[0]
        return any(was.get(own) != now.get(own) for own in (was.keys() | now.keys()) - found.ids)

    def says(self, mark: str) -> bool:
        """Note what the server says now, by its mark; tell whether that is something else than before."""
        before, self._mark = self._mark, mark
        self._told_by_then = self._told
        return before is not None and before != mark

    async def _rest(self, seconds: float, *, until_hurry: bool) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(left, _NAP))
            if self._in_a_hurry and until_hurry:
                self._in_a_hurry = False
                until = min(until, time.monotonic() + _ASK_FIRST)


def _version() -> str:
    try:
        return version("taskdeck")
    except PackageNotFoundError:
        return "0"
