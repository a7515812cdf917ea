"""How fast the tasks of an MCP server are read, and a change is noticed, as ratios to a bare client of the same SDK.

The server is the seed's Lab 13, served by the SDK in a process of its own. Run by hand:
``python tests/bench/mcp_store.py [--runs N]``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mcp import Client, StdioServerParameters

from taskdeck_store.mcp.client.source import KIND, McpSource

LAB = Path(__file__).parents[1] / "store" / "mcp_lab.py"
SIZES = (1_000, 10_000)
PATIENCE = 20.0


def make_queue(path: Path, size: int) -> None:
    """Write a queue of so many tasks."""
    row = {"status": "pending", "attempts": 0, "priority": 5, "created_at": "2026-01-31T09:00:00.000000Z"}
    tasks = [{"id": f"task-{number:08x}", "description": f"Task number {number}", **row} for number in range(size)]
    path.write_text(json.dumps(tasks))


@contextmanager
def on_stdio(queue: Path) -> Iterator[tuple[str, StdioServerParameters]]:
    """Yield how we, and how the SDK's client, reach a server on standard input and output."""
    words = [str(LAB), "lab", str(queue)]
    yield f"mcp:{shlex.join([sys.executable, *words])}", StdioServerParameters(command=sys.executable, args=words)


@contextmanager
def on_http(queue: Path) -> Iterator[tuple[str, str]]:
    """Serve over HTTP; yield how we, and how the SDK's client, reach the server."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    running = subprocess.Popen([sys.executable, str(LAB), "lab", str(queue), str(port)], stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + PATIENCE
        while True:
            with socket.socket() as asking:
                if not asking.connect_ex(("127.0.0.1", port)):
                    break
            assert time.monotonic() < end, "the server does not listen"
            time.sleep(0.05)
        yield f"mcp+http://127.0.0.1:{port}/mcp", f"http://127.0.0.1:{port}/mcp"
    finally:
        running.kill()
        running.wait()


def ours(address: str, runs: int) -> tuple[list[float], list[float]]:
    """Return the milliseconds of looks, and those from a change until it is noticed."""
    source = KIND.open(address)
    assert isinstance(source, McpSource)
    looks, changes = [], []
    try:
        for run in range(runs + 1):
            began = time.perf_counter()
            first = source.look().tasks[0]
            looks.append((time.perf_counter() - began) * 1_000)
            time.sleep(looks[-1] / 1_000)
            began = time.perf_counter()
            tool = source._link.offer.tools[("start_task", "fail_task")[run % 2]]
            source._link.call(tool, {"task_id": first.id, "reason": "x"}, "bench", "a move")
            assert source.wait(PATIENCE)
            changes.append((time.perf_counter() - began) * 1_000)
    finally:
        source.close()
    return looks[1:], changes[1:]


async def bare(server: StdioServerParameters | str, runs: int) -> tuple[list[float], list[float]]:
    """Return the same of a client that does nothing but that: it reads the two resources, and parses them."""
    looks, changes = [], []
    async with Client(server, cache=None) as client, client.listen(resource_subscriptions=["task://queue"]) as news:
        for run in range(runs + 1):
            began = time.perf_counter()
            for uri in ("task://queue", "task://current"):
                content = (await client.read_resource(uri)).contents[0]
                found = json.loads(content.text)  # type: ignore[union-attr]
            looks.append((time.perf_counter() - began) * 1_000)
            began = time.perf_counter()
            await client.call_tool(("start_task", "fail_task")[run % 2], {"task_id": "task-00000000", "reason": "x"})
            await anext(aiter(news))
            changes.append((time.perf_counter() - began) * 1_000)
            assert found is not None
    return looks[1:], changes[1:]


def told(what: str, mine: list[float], theirs: list[float]) -> None:
    """Print a line of the table."""
    one, other = statistics.median(mine), statistics.median(theirs)
    print(f"{what:34}{one:10.1f}{max(mine):10.1f}{other:10.1f}{max(theirs):10.1f}{one / other:8.2f}")


def main() -> None:
    """Measure, and print a table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=20)
    runs = options.parse_args().runs
    print(f"Python {platform.python_version()}, {platform.machine()}, {runs} runs; milliseconds")
    print(f"{'':34}{'median':>10}{'worst':>10}{'bare':>10}{'worst':>10}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            queue = Path(folder) / f"{size}.json"
            make_queue(queue, size)
            for name, serving in (("stdio", on_stdio), ("HTTP", on_http)):
                with serving(queue) as (address, server):
                    my_looks, my_changes = ours(address, runs)
                    looks, changes = asyncio.run(bare(server, runs))
                told(f"look at {size:,} over {name}", my_looks, looks)
                told(f"change of 1 in {size:,}, {name}", my_changes, changes)


if __name__ == "__main__":
    main()
