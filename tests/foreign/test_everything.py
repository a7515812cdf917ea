"""We hear of changes from the reference server of the protocol's authors, which has no tasks.

Installs: npm install @modelcontextprotocol/server-everything (program: mcp-server-everything).
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from foreign.tools import program
from taskdeck_store.contract import StoreError
from taskdeck_store.mcp.client.source import KIND
from taskdeck_store.source import Source

PATIENCE = 20.0


def everything() -> str:
    return program("mcp-server-everything", "@modelcontextprotocol/server-everything")


@contextmanager
def on_stdio() -> Iterator[str]:
    yield f"mcp:{shlex.join([everything(), 'stdio'])}"


@contextmanager
def on_http() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "PORT": str(port)}
    running = subprocess.Popen([everything(), "streamableHttp"], env=environment, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + PATIENCE
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert time.monotonic() < end, "it does not listen"
            time.sleep(0.05)
        yield f"mcp+http://127.0.0.1:{port}/mcp"
    finally:
        running.kill()
        running.wait()


@pytest.mark.parametrize("serving", [on_stdio, on_http])
def test_what_it_tells_is_heard_of(serving: object) -> None:
    assert callable(serving)
    with serving() as address:
        source = KIND.open(address)
        try:
            hears(source)
        finally:
            source.close()


def hears(source: Source) -> None:
    from taskdeck_store.mcp.client.link import Link

    link = source._link  # type: ignore[attr-defined]
    assert isinstance(link, Link)
    assert link.way == "subscribe"
    with pytest.raises(StoreError, match="task://queue"):
        source.look()
    assert source.read_only is not None
    assert source.read_only.startswith("none of the server's tools (")
    before = link.generation
    assert not link.wait(before, 0, lambda: False)
    link.call(link.offer.tools["toggle-subscriber-updates"], {}, "ann", "what is under test")
    assert link.wait(before, time.monotonic() + PATIENCE, lambda: False)
