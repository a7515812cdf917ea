"""What `taskdeck mcp` costs, as ratios to a bare server of the same SDK. Run by hand.

*Event*: another process commits, and the client of the server is told: time from the end of the commit. The floor's
server is told by a datagram that the other process sends, and reads no store.
*Read*: all tasks, in as many pages as the server makes of them. The floor's server answers with the same pages, which
it has as texts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import mcp_types as types
from mcp import Client, StdioServerParameters
from mcp.server import Server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated

from taskdeck_store import Action, command, create_store, open_store

EVENTS = 60
READS = 15
PAUSE = 0.02
QUEUE = "task://queue"
FIRST = "task://queue?limit=1000"


def main() -> None:
    """Print the figures, or be one of the programs that are measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, nargs="*", default=[1_000, 10_000])
    parser.add_argument("--bare", metavar="PAGES", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--write", metavar="STORE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare is not None:
        asyncio.run(bare(json.loads(Path(options.bare).read_text()), options.port))
    elif options.write is not None:
        write(options.write)
    else:
        asyncio.run(measure(options.tasks))


async def measure(sizes: list[int]) -> None:
    print(f"{platform.platform()}, {os.cpu_count()} CPUs, Python {platform.python_version()}")
    print("median (95 %) in ms, and the ratio of the medians")
    with tempfile.TemporaryDirectory(prefix="taskdeck-bench-") as name:
        folder = Path(name)
        for kind in ("db", "json"):
            for size in sizes:
                store = filled(folder / f"{size}.{kind}", size)
                for over in ("stdio", "http"):
                    for era in ("auto", "legacy"):
                        await compare(f"{kind}, {size:,} tasks, {over}, {era}", store, over, era, folder)


async def compare(title: str, store: str, over: str, era: str, folder: Path) -> None:
    async with client(ours(store, over), over, era) as (asked, told):
        pages = await all_pages(asked)
        library = await reads(asked), await events(asked, told, era, store, None)
    texts = folder / "pages.json"
    texts.write_text(json.dumps(pages))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as spare:
        spare.bind(("127.0.0.1", 0))
        port = spare.getsockname()[1]
    async with client(floor(texts, port, over), over, era) as (asked, told):
        bare_ones = await reads(asked), await events(asked, told, era, store, port)
    size = sum(map(len, pages.values())) / 1e6
    print(f"{title} ({len(pages)} pages, {size:.1f} MB)")
    for what, mine, floors in zip(("read", "event"), library, bare_ones, strict=True):
        ratio = statistics.median(mine) / statistics.median(floors)
        print(f"  {what:<6} {said(mine)}   bare {said(floors)}   x {ratio:.2f}")


def said(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1e3:8.2f} ({statistics.quantiles(seconds, n=20)[-1] * 1e3:.2f})"


async def all_pages(asked: Client) -> dict[str, str]:
    """Return the texts of all pages of the queue by their URIs."""
    found: dict[str, str] = {}
    uri: str | None = FIRST
    while uri is not None:
        [content] = (await asked.read_resource(uri, cache_mode="bypass")).contents
        assert isinstance(content, types.TextResourceContents)
        found[uri] = content.text
        uri = json.loads(content.text)["next"]
    return found


async def reads(asked: Client) -> list[float]:
    taken = []
    for _ in range(READS):
        begun = time.perf_counter()
        await all_pages(asked)
        taken.append(time.perf_counter() - begun)
    return taken


async def events(asked: Client, told: asyncio.Queue[float], era: str, store: str, port: int | None) -> list[float]:
    if era == "legacy":
        await asked.subscribe_resource(QUEUE)
        return await commits(told, store, port)
    async with asked.listen(resource_subscriptions=[QUEUE]) as stream:

        async def note() -> None:
            async for _ in stream:
                told.put_nowait(time.monotonic())

        noting = asyncio.create_task(note())
        try:
            return await commits(told, store, port)
        finally:
            noting.cancel()


async def commits(told: asyncio.Queue[float], store: str, port: int | None) -> list[float]:
    words = [sys.executable, __file__, "--write", store, *(["--port", str(port)] if port else [])]
    writer = await asyncio.create_subprocess_exec(*words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert writer.stdin is not None
    assert writer.stdout is not None
    taken = []
    await asyncio.sleep(1)
    for _ in range(EVENTS):
        writer.stdin.write(b"now\n")
        committed = float(await writer.stdout.readline())
        taken.append(await asyncio.wait_for(told.get(), 10) - committed)
        await asyncio.sleep(PAUSE)
        while not told.empty():
            told.get_nowait()
    writer.stdin.close()
    await writer.wait()
    return taken


def write(store: str) -> None:
    """Commit once for each line, and say when that was done; with --port, send a datagram there instead."""
    port = int(sys.argv[sys.argv.index("--port") + 1]) if "--port" in sys.argv else None
    opened = open_store(store) if port is None else None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for number, _ in enumerate(sys.stdin):
            if opened is not None:
                [done] = opened.apply([command("t-0", Action.EDIT, actor="bench", priority=time.time_ns() % 10**6)])
                assert done.event is not None, (number, done.refusal)
            print(time.monotonic(), flush=True)
            if port is not None:
                out.sendto(b"x", ("127.0.0.1", port))


def filled(path: Path, size: int) -> str:
    create_store(str(path))
    store = open_store(str(path))
    text = "Take the prices of the week from the supplier's sheet and check each against last week's. "
    store.apply(
        [
            command(f"t-{number}", Action.ADD, actor="bench", title=f"Import prices, part {number}", description=text)
            for number in range(size)
        ]
    )
    store.close()
    return str(path)


def ours(store: str, over: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "taskdeck_tui",
        "mcp",
        store,
        *(["--http", "127.0.0.1:0", "--json"] if over == "http" else []),
    ]


def floor(pages: Path, port: int, over: str) -> list[str]:
    return [sys.executable, __file__, "--bare", str(pages), "--port", str(port if over == "stdio" else -port)]


@asynccontextmanager
async def client(words: list[str], over: str, era: str) -> AsyncIterator[tuple[Client, asyncio.Queue[float]]]:
    told: asyncio.Queue[float] = asyncio.Queue()

    async def handle(message: object) -> None:
        if isinstance(message, types.ResourceUpdatedNotification) and era == "legacy":
            told.put_nowait(time.monotonic())

    if over == "stdio":
        child = StdioServerParameters(command=words[0], args=words[1:], env=dict(os.environ))
        async with Client(child, mode=era, message_handler=handle) as asked:
            yield asked, told
        return
    with listening(words) as url:
        async with Client(url, mode=era, message_handler=handle) as asked:
            yield asked, told


@contextmanager
def listening(words: list[str]) -> Iterator[str]:
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.kill()


async def bare(pages: dict[str, str], port: int) -> None:
    """Serve texts, and tell of a change whenever a datagram comes; over HTTP where the port is negative."""
    bus = InMemorySubscriptionBus()
    sessions = []

    async def read(ctx: object, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        content = types.TextResourceContents(uri=params.uri, mime_type="application/json", text=pages[params.uri])
        return types.ReadResourceResult(contents=[content])

    async def subscribe(ctx: object, params: types.SubscribeRequestParams) -> types.EmptyResult:
        sessions.append(ctx.session)  # type: ignore[attr-defined]
        return types.EmptyResult()

    async def listed(ctx: object, params: object) -> types.ListResourcesResult:
        return types.ListResourcesResult(resources=[])

    server: Server[object] = Server(
        "bare",
        version="1",
        on_read_resource=read,
        on_list_resources=listed,
        on_subscribe_resource=subscribe,
        on_subscriptions_listen=ListenHandler(bus),
    )
    inbox = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    inbox.bind(("127.0.0.1", abs(port)))
    inbox.setblocking(False)

    async def tell() -> None:
        while True:
            await asyncio.get_running_loop().sock_recv(inbox, 10)
            await bus.publish(ResourceUpdated(uri=QUEUE))
            for session in sessions:
                await session.send_resource_updated(QUEUE)

    telling = asyncio.create_task(tell())
    if port > 0:
        from mcp.server.stdio import stdio_server

        async with stdio_server() as (arriving, leaving):
            await server.run(arriving, leaving, server.create_initialization_options())
    else:
        import uvicorn

        taken = socket.create_server(("127.0.0.1", 0))
        print(json.dumps({"url": f"http://127.0.0.1:{taken.getsockname()[1]}/mcp"}), flush=True)
        config = uvicorn.Config(server.streamable_http_app(), log_level="critical")
        await uvicorn.Server(config).serve(sockets=[taken])
    telling.cancel()


if __name__ == "__main__":
    main()
