"""Servers over HTTP that run in a thread of this process."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from taskdeck_store import clock, open_store

PATIENCE = 10.0


@contextmanager
def served(app: Any, port: int = 0) -> Iterator[tuple[int, asyncio.AbstractEventLoop]]:
    """Serve an ASGI application from a thread; yield the port and the loop."""
    import uvicorn

    # Named as TCP, or asyncio lets small answers wait for 40 ms.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    listening.listen()
    config = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=0, ws="none")
    server = uvicorn.Server(config)
    loop = asyncio.new_event_loop()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(server.serve([listening]))
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: server.started)
    try:
        yield listening.getsockname()[1], loop
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        listening.close()


@contextmanager
def ours(path: str, now: clock.Clock = clock.utc_now) -> Iterator[str]:
    """Serve a store of ours; yield the address of the server."""
    from taskdeck_store.mcp.serving.http import PATH, answering
    from taskdeck_store.mcp.serving.server import Served

    server = Served(lambda: open_store(path, now=now), version="1")
    try:
        with served(answering(server)) as (port, _):
            yield f"mcp+http://127.0.0.1:{port}{PATH}"
            server.end()
    finally:
        server.close()


def until(is_so: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.005)
