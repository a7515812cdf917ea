"""Who waits for which resource to change, in both eras of the protocol, and is told.

Of each client it is kept which of the resources it asked for have changed since it was last told, and no more: one
that reads slowly, or never, holds up nobody and costs nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import anyio
import mcp_types as types
from anyio.abc import TaskGroup
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY

from taskdeck_store.mcp.serving.places import Place, Touched, place

MOST_URIS = 20_000
"""How many resources one client may wait for."""
MOST_CLIENTS = 1_024

_STATE = "taskdeck.subscription"


class Subscription:
    """What one client waits for, and what of it has changed since it was last told."""

    def __init__(self) -> None:
        self.places: dict[str, Place | None] = {}
        self.is_over = False
        self._due: dict[str, None] = {}
        self._rings = anyio.Event()

    def add(self, uri: str) -> None:
        """Wait for a resource too; one that there is none of never changes. Raises MCPError when they are too many."""
        if uri not in self.places and len(self.places) >= MOST_URIS:
            raise MCPError(types.INVALID_PARAMS, f"a client can follow {MOST_URIS:,} resources at most")
        try:
            self.places[uri] = place(uri)
        except ValueError:
            self.places[uri] = None

    def drop(self, uri: str) -> None:
        """Wait for a resource no longer."""
        self.places.pop(uri, None)
        self._due.pop(uri, None)

    def notice(self, touched: Touched) -> None:
        """Note what is to be told of a change."""
        for uri, named in self.places.items():
            if named is not None and touched.has(named):
                self._due[uri] = None
        if self._due:
            self._rings.set()

    def end(self) -> None:
        """Have `take` return what is still to be told, and then nothing more."""
        self.is_over = True
        self._rings.set()

    async def take(self) -> list[str]:
        """Wait for changes, and return the URIs to tell; none once it is over."""
        while not self._due and not self.is_over:
            self._rings = anyio.Event()
            await self._rings.wait()
        due, self._due = list(self._due), {}
        return due


class Subscriptions:
    """All that clients wait for; used from the event loop alone.

    `begun` waits until changes are noticed, for what is acknowledged is promised.
    """

    def __init__(self, begun: Callable[[], Awaitable[None]]) -> None:
        self._begun = begun
        self._all: set[Subscription] = set()
        self._telling: TaskGroup | None = None

    def tell_in(self, group: TaskGroup) -> None:
        """Have clients of the 2025 era be told by tasks of a group."""
        self._telling = group

    def notice(self, touched: Touched) -> None:
        """Tell whoever waits for what was touched."""
        for subscription in self._all:
            subscription.notice(touched)

    def close(self) -> None:
        """End every stream of changes, as the protocol would have it."""
        for subscription in list(self._all):
            subscription.end()

    @contextmanager
    def following(self, uri: str) -> Iterator[Subscription]:
        """Wait for a resource in the body."""
        subscription = self._new()
        try:
            subscription.add(uri)
            yield subscription
        finally:
            self._all.discard(subscription)

    async def listen(
        self, ctx: ServerRequestContext[Any, Any], params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """Serve `subscriptions/listen` of 2026-07-28: one call is one stream, until its client or the server ends."""
        asked = params.notifications
        subscription = self._new()
        meta: dict[str, Any] = {SUBSCRIPTION_ID_META_KEY: ctx.request_id}
        try:
            for uri in asked.resource_subscriptions or ():
                subscription.add(uri)
            await self._begun()
            kept = types.SubscriptionFilter(resource_subscriptions=asked.resource_subscriptions)
            promised = types.SubscriptionsAcknowledgedNotificationParams(notifications=kept, _meta=meta)
            acknowledged = types.SubscriptionsAcknowledgedNotification(params=promised)
            await ctx.session.send_notification(acknowledged, related_request_id=ctx.request_id)
            while due := await subscription.take():
                for uri in due:
                    updated = types.ResourceUpdatedNotificationParams(uri=uri, _meta=meta)
                    await ctx.session.send_notification(
                        types.ResourceUpdatedNotification(params=updated), related_request_id=ctx.request_id
                    )
        finally:
            self._all.discard(subscription)
        return types.SubscriptionsListenResult(_meta=meta)

    async def subscribe(
        self, ctx: ServerRequestContext[Any, Any], params: types.SubscribeRequestParams
    ) -> types.EmptyResult:
        """Serve `resources/subscribe` of 2025-11-25: the client is told on its connection from now on."""
        # Nothing that is public tells one connection from another, and when it ends.
        connection = ctx.session._connection
        subscription: Subscription | None = connection.state.get(_STATE)
        is_new = subscription is None
        if subscription is None:
            subscription = self._new()
        try:
            subscription.add(str(params.uri))
            await self._begun()
        except BaseException:
            if is_new:
                self._all.discard(subscription)
            raise
        if is_new:
            assert self._telling is not None
            connection.state[_STATE] = subscription
            connection.exit_stack.callback(self._forget, subscription)
            self._telling.start_soon(self._tell, subscription, connection.send_resource_updated)
        return types.EmptyResult()

    async def unsubscribe(
        self, ctx: ServerRequestContext[Any, Any], params: types.UnsubscribeRequestParams
    ) -> types.EmptyResult:
        """Serve `resources/unsubscribe` of 2025-11-25."""
        subscription: Subscription | None = ctx.session._connection.state.get(_STATE)
        if subscription is not None:
            subscription.drop(str(params.uri))
        return types.EmptyResult()

    def _new(self) -> Subscription:
        if len(self._all) >= MOST_CLIENTS:
            raise MCPError(types.INTERNAL_ERROR, f"{MOST_CLIENTS:,} clients follow this store already; try again later")
        subscription = Subscription()
        self._all.add(subscription)
        return subscription

    def _forget(self, subscription: Subscription) -> None:
        self._all.discard(subscription)
        subscription.end()

    async def _tell(self, subscription: Subscription, send: Callable[[str], Awaitable[None]]) -> None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            while due := await subscription.take():
                for uri in due:
                    await send(uri)
