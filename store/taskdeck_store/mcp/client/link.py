"""The way to one server, shared by all handles on it in this process: a connection, made anew when it breaks."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Overdue
from contextlib import suppress
from typing import TypeVar

from msgspec import Struct

from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.mcp.client import asking, loop
from taskdeck_store.mcp.client.alone import read_alone
from taskdeck_store.mcp.client.asking import Refused
from taskdeck_store.mcp.client.connection import CONNECT, LOOK, Connection, Way
from taskdeck_store.mcp.client.feed import News, news
from taskdeck_store.mcp.client.gathering import Gathered
from taskdeck_store.mcp.client.offer import Offer, Tool
from taskdeck_store.mcp.client.reading import Reading
from taskdeck_store.mcp.client.server import Server
from taskdeck_store.printable import one_line
from taskdeck_store.values import Json

_FIRST_PAUSE, _LAST_PAUSE = 0.5, 10.0
"""Seconds between the loss of a connection and the next try, doubled from try to try."""
_STEADY = 20.0
"""Seconds that a connection must have held for the pauses to begin anew."""
_SPARE = 3.0
"""Seconds beyond a bound until the loop itself counts as stuck."""
_FAREWELL = 4.0
"""Seconds that a server has to end."""
_NAP = 0.05
_SAID = 300

_Found = TypeVar("_Found")


class _Lost(Struct, frozen=True):
    """What happened to the connection, and when it is tried again: on the monotonic clock, 0.0 for now."""

    fault: Fault
    message: str
    again_at: float = 0.0


class Link:
    """The way to a server, for any thread."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._news = threading.Condition()
        self._generation = 0
        self._connection: Connection | None = None
        self._offer = Offer(server="")
        self._lost: _Lost | None = None
        self._is_known = False
        self._since = time.monotonic()
        self._running: asyncio.Task[None] | None = None
        self.latest: tuple[object, Reading, str] | None = None
        """What was last read by any handle where there is a feed, for those that come: the trust, and the cursor."""
        self._keeping = loop.run(self._keep())

    @property
    def name(self) -> str:
        """How messages call the server."""
        return f"{self._offer.server} ({self.server.name})" if self._offer.server else self.server.name

    @property
    def offer(self) -> Offer:
        """What the server offers, or did when it was last there."""
        connection = self._connection
        return self._offer if connection is None else connection.offer

    @property
    def way(self) -> Way:
        """How changes are heard of now."""
        connection = self._connection
        return "poll" if connection is None or connection.is_mute else connection.way

    @property
    def is_lost(self) -> bool:
        """Whether the server is gone, so that its return is what changes next."""
        return self._connection is None

    @property
    def generation(self) -> int:
        """A number that grows whenever something may have changed, the connection itself included."""
        return self._generation

    @property
    def trust(self) -> object:
        """What must be the same as at an earlier reading for that still to be built on."""
        connection = self._connection
        return connection, 0 if connection is None else connection.doubts

    def ready(self) -> None:
        """Wait for the first connection. Raises StoreError when it could not be made, or not in time."""
        with self._news:
            if not self._news.wait_for(
                lambda: self._connection is not None or self._lost is not None, CONNECT + _SPARE
            ):
                raise self._absent()
            if self._lost is not None and not self._is_known:
                raise StoreError(self._lost.fault, self._lost.message)

    def gather(self) -> Gathered:
        """Read what the server says of its tasks. Raises StoreError."""
        failed = f"cannot read the tasks of {self.name}"
        try:
            return self._ask(lambda up: up.gather(), LOOK, failed)
        except Refused as error:
            raise StoreError(Fault.UNREADABLE, f"{failed}: it answers: {error}") from error

    def call(self, tool: Tool, arguments: dict[str, Json], actor: str, what: str) -> Json:
        """Call a tool for an actor; return its structured answer. Raises Refused where the server says no, and
        StoreError.

        `what` says what is asked, for the message where it is not known whether it was done.
        """
        return self._ask(
            lambda up: asking.call(up.client, tool, arguments, actor), asking.ANSWER, f"cannot {what}", what
        )

    def news(self, cursor: str) -> News | None:
        """Return what the server's feed says was changed since a cursor; None where it does not tell all.

        Raises StoreError.
        """
        failed = f"cannot read the tasks of {self.name}"
        return self._ask(lambda up: news(up.client, cursor), LOOK, failed)

    def alone(self, ids: Sequence[str]) -> list[tuple[str, str]]:
        """Return what the server says of tasks, by its own ids, each read by itself. Raises StoreError."""
        return self._ask(lambda up: read_alone(up.client, ids), LOOK, f"cannot read the tasks of {self.name}")

    def looked(self, mark: str, since: int) -> int:
        """Note the mark of what a look read that began at a generation; return the generation that it saw."""
        connection = self._connection
        if connection is not None and connection.says(mark):
            with self._news:
                is_all = since == self._generation
                self._generation += 1
                self._news.notify_all()
                return self._generation if is_all else since
        return since

    def wait(self, seen: int, until: float, ends: Callable[[], bool]) -> bool:
        """Sleep until the generation is another than was seen (True), until a moment on the monotonic clock, or until
        `ends` says so, which is asked every 50 ms.
        """
        with self._news:
            while not ends():
                if self._generation != seen:
                    return True
                left = until - time.monotonic()
                if left <= 0:
                    return False
                self._news.wait(min(left, _NAP))
        return False

    def wake(self) -> None:
        """Have all who wait ask whether they are to end."""
        with self._news:
            self._news.notify_all()

    def end(self) -> Future[None]:
        """Let go of the server, and end it where it is our child; return what is done when that is."""
        return loop.run(self._end())

    def _ask(
        self, what: Callable[[Connection], Awaitable[_Found]], seconds: float, failed: str, doing: str = ""
    ) -> _Found:
        unknown = f"; it is not known whether the server did {doing}: look at it, then decide anew" if doing else ""
        future = loop.run(self._asked(what, seconds, failed, unknown))
        try:
            return future.result(seconds + _SPARE)
        except Overdue as error:
            future.cancel()
            raise StoreError(Fault.BUSY, f"{failed}: no answer in {seconds:g} s{unknown}") from error

    async def _asked(
        self, what: Callable[[Connection], Awaitable[_Found]], seconds: float, failed: str, unknown: str
    ) -> _Found:
        connection = self._connection
        if connection is None or connection.broken.is_set():
            raise self._absent()
        if unknown:
            connection.hurry()
        asked = asyncio.ensure_future(what(connection))
        broken = asyncio.ensure_future(connection.broken.wait())
        try:
            await asyncio.wait((asked, broken), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                return asked.result()
        except (TimeoutError, asyncio.CancelledError):
            pass
        except Refused:
            raise
        except Exception as error:
            # Where the server ended, that is told in a moment, and says more.
            await asyncio.wait((broken,), timeout=_NAP if connection.end is None else 10 * _NAP)
            if not connection.broken.is_set():
                raise StoreError(Fault.UNREADABLE, f"{failed}: {told(error)}{unknown}") from error
        finally:
            asked.cancel()
            broken.cancel()
        if connection.broken.is_set():
            # So that whoever keeps the connection has told what happened.
            await asyncio.sleep(_NAP)
            gone = self._absent()
            raise StoreError(gone.fault, f"{gone.message}{unknown}")
        if not unknown:
            # A server that was killed may be as silent as one that is slow.
            connection.broken.set()
        raise StoreError(Fault.BUSY, f"{failed}: no answer in {min(seconds, asking.ANSWER):g} s{unknown}")

    def _absent(self) -> StoreError:
        lost = self._lost
        if lost is not None:
            left = lost.again_at - time.monotonic()
            when = f"trying again in {left:.0f} s" if left >= 1 else "trying again now"
            return StoreError(lost.fault, f"{lost.message}; {when}")
        waited = time.monotonic() - self._since
        return StoreError(Fault.BUSY, f"{self.name} has not answered for {waited:.0f} s; still trying")

    def _changed(self) -> None:
        with self._news:
            self._generation += 1
            self._news.notify_all()

    async def _keep(self) -> None:
        """Connect, again and again."""
        pause = _FIRST_PAUSE
        while True:
            began = time.monotonic()
            lost = await self._hold(Connection(self.server, self._changed))
            if time.monotonic() - began > _STEADY:
                pause = _FIRST_PAUSE
            self._is_lost(_Lost(lost.fault, lost.message, time.monotonic() + pause))
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LAST_PAUSE)

    async def _hold(self, connection: Connection) -> _Lost:
        """Make a connection and keep it until it breaks; return what happened."""
        self._running = running = asyncio.create_task(connection.run())
        made = asyncio.create_task(connection.made.wait())
        broken = asyncio.create_task(connection.broken.wait())
        try:
            await asyncio.wait((made, broken), timeout=CONNECT, return_when=asyncio.FIRST_COMPLETED)
            if not connection.broken.is_set():
                if not connection.made.is_set():
                    return _Lost(Fault.BUSY, f"{self.name} has not answered in {CONNECT:g} s{connection.hint}")
                self._offer = connection.offer
                with self._news:
                    self._connection = connection
                    self._is_known = True
                self._changed()
                await asyncio.wait((broken,))
                # It may take a while to let go of it; what is known by now is told meanwhile.
                self._is_lost(self._what_happened(connection, running))
            await asyncio.wait((running,), timeout=_FAREWELL)
            return self._what_happened(connection, running)
        finally:
            self._connection = None
            for task in (made, broken):
                task.cancel()
            if not connection.broken.is_set():
                running.cancel()
            await asyncio.wait((running,), timeout=_FAREWELL)
            running.cancel()

    def _is_lost(self, lost: _Lost) -> None:
        with self._news:
            self._connection = None
            self._lost = lost
        self._changed()

    def _what_happened(self, connection: Connection, running: asyncio.Task[None]) -> _Lost:
        error = running.exception() if running.done() and not running.cancelled() else None
        if connection.end is not None:
            return _Lost(Fault.UNREADABLE, f"{self.name} {connection.end}")
        if error is None:
            return _Lost(Fault.BUSY, f"{self.name} does not answer any more{connection.hint}")
        fault = Fault.MISSING if isinstance(error, FileNotFoundError) else Fault.UNREADABLE
        doing = "start" if self.server.command and isinstance(error, OSError) else "reach"
        return _Lost(fault, f"cannot {doing} {self.name}: {told(error)}{connection.hint}")

    async def _end(self) -> None:
        self._keeping.cancel()
        if self._running is not None:
            await asyncio.wait((self._running,), timeout=_FAREWELL)


def told(error: BaseException) -> str:
    """Return what an error of the SDK says, in a line: what the system said, where that is at its root."""
    root: BaseException | None = error
    while root is not None:
        if isinstance(root, OSError) and root.errno:
            # What asyncio writes there instead names the address once more.
            return os.strerror(root.errno)
        root = root.exceptions[0] if isinstance(root, BaseExceptionGroup) else root.__cause__ or root.__context__
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    said = " ".join(str(error).split())
    return one_line(said or type(error).__name__, _SAID)


_guard = threading.Lock()
_links: dict[tuple[str, str], tuple[Link, int]] = {}
"""Every link by its server, and how many hold it."""


def hold(server: Server) -> Link:
    """Return the link to a server, for one more holder; see `let_go`."""
    with _guard:
        link, holders = _links.get(_key(server)) or (Link(server), 0)
        _links[_key(server)] = link, holders + 1
        return link


def let_go(link: Link) -> None:
    """Hold a link no longer; the last who does ends the connection."""
    with _guard:
        held, holders = _links.get(_key(link.server), (None, 0))
        if held is not link:
            # A child by fork has it from its parent, whose own the connection is.
            return
        if holders > 1:
            _links[_key(link.server)] = link, holders - 1
            return
        del _links[_key(link.server)]
    with suppress(Overdue):
        link.end().result(_FAREWELL + _SPARE)


def _key(server: Server) -> tuple[str, str]:
    return server.place, server.url


def _forget() -> None:
    """Have a child by fork make connections of its own; see `loop`."""
    global _guard
    _guard = threading.Lock()
    _links.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


@atexit.register
def _end_all() -> None:
    with _guard:
        ending = [link.end() for link, _ in _links.values()]
        _links.clear()
    for end in ending:
        with suppress(Overdue):
            end.result(_FAREWELL)
