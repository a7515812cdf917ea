"""MCP over Streamable HTTP: whom it answers, and how it ends."""

from __future__ import annotations

import contextlib
import hmac
import ipaddress
import logging
import socket
from collections.abc import Generator
from urllib.parse import urlsplit

import anyio
import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from taskdeck_store.mcp.serving.ending import ended_by_signals
from taskdeck_store.mcp.serving.server import Served

PATH = "/mcp"
LOOPBACK = ("127.0.0.1", "localhost", "::1")

_GRACE = 1
"""Seconds for which answers under way are waited for at the end."""
_MOST_BYTES = 32 * 1024 * 1024
"""How large a request may be: a result of some megabytes is still one."""


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches a host that is listened on."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listener(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises OSError."""
    family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    # Named as TCP, or asyncio lets small answers wait for 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        listening.listen(128)
    except BaseException:
        listening.close()
        raise
    return listening


def answering(served: Served) -> ASGIApp:
    """Return what answers, whoever asks."""
    return served.server.streamable_http_app(
        streamable_http_path=PATH,
        max_request_body_size=_MOST_BYTES,
        # The guard in front of it knows more: what was listened on, and who has the token.
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )


async def serve(served: Served, listening: socket.socket, host: str, token: str | None) -> list[int]:
    """Answer whoever asks, until a signal comes; return the signals that came.

    `host` is what was asked to be listened on. With a `token`, only who brings it is answered.
    """
    guard = _Guard(answering(served), host, token)
    config = uvicorn.Config(
        guard,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=_GRACE,
    )
    server = _Server(config)
    ended = anyio.Event()

    def end(times: int) -> None:
        guard.is_closed = True
        # Who does not read is cut off in the end, which is no error.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        served.end()
        server.should_exit = True
        server.force_exit = times > 1
        ended.set()

    with ended_by_signals(end) as came:
        async with anyio.create_task_group() as group:
            group.start_soon(server.serve, [listening])
            # Left before the server waits for its connections to end: streams of the 2025 era end with their sessions.
            async with served.server.session_manager.run():
                await ended.wait()
    return came


class _Server(uvicorn.Server):
    """Leaves signals to `ended_by_signals`, as every transport here does."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class _Guard:
    """Answers only those who may ask.

    A web page that a user visits can send requests to this machine: it is told by its `Origin`, and where it had its
    own name point here, by the `Host`. An address in place of a name cannot be made to point elsewhere.
    """

    def __init__(self, app: ASGIApp, host: str, token: str | None) -> None:
        self.is_closed = False
        self._app = app
        self._token = token.encode() if token is not None else None
        self._is_open = not is_loopback(host)
        names = {host, socket.gethostname(), socket.getfqdn()} if self._is_open else {host}
        self._names = {name.lower() for name in (*LOOPBACK, *names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            refusal = self._refusal(Headers(scope=scope))
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, headers: Headers) -> Response | None:
        if self.is_closed:
            return Response("this server ends", status_code=503)
        host = _name(f"//{headers.get('host', '')}")
        if not self._is_known(host):
            return Response("this server does not answer to that Host", status_code=421)
        origin = headers.get("origin")
        if origin is not None and _name(origin) not in (*LOOPBACK, host):
            return Response("this server does not answer pages of that Origin", status_code=403)
        if self._token is not None and not hmac.compare_digest(_bearer(headers), self._token):
            wanted = {"WWW-Authenticate": 'Bearer realm="taskdeck"'}
            return Response("this server answers who brings its token", status_code=401, headers=wanted)
        return None

    def _is_known(self, host: str | None) -> bool:
        if host is None:
            return False
        if host in self._names:
            return True
        with contextlib.suppress(ValueError):
            return self._is_open and ipaddress.ip_address(host) is not None
        return False


def _name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _bearer(headers: Headers) -> bytes:
    kind, _, token = headers.get("authorization", "").partition(" ")
    return token.strip().encode() if kind.lower() == "bearer" else b""
