"""What a board on a server of ours costs: ``python tests/bench/mcp_board.py [--tasks N …] [--changes N]``.

*Change to screen*: another program commits to the served store, and the board has painted it, from the end of the
commit. *Key to commit*: a key is pressed on the board, and the served store has the move; *key to screen*: the board
says so. Beside each stands a bare client of the same SDK on the same server, measured in the same run: it hears that
the queue changed, reads the first pending task, and prints its title on a terminal; when a line comes, it reads the
first one, has it started, and reads it back.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from e2e.boards import TASKDECK
from e2e.terminal import Terminal
from taskdeck_store import Action, Store, command, create_store, open_store

COLUMNS, LINES = 200, 50
WHAT = ("change to screen", "key to commit", "key to screen")
BARE = [sys.executable, __file__, "--bare"]
PAUSE = 0.1
SLOW = 60.0
ACTOR = "bench"


def main() -> None:
    """Print the figures, or be one of the programs that are measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--changes", type=int, default=30, help="of each (%(default)s)")
    parser.add_argument("--bare", metavar="WORDS", help=argparse.SUPPRESS)
    parser.add_argument("--write", metavar="STORE", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.bare is not None:
        asyncio.run(bare(json.loads(given.bare)))
    elif given.write is not None:
        write(given.write)
    else:
        measure(given.tasks, given.changes)


def measure(sizes: Sequence[int], times: int) -> None:
    print(f"{platform.platform()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, {times} of each")
    print("median (worst) in ms, and the ratio of the medians")
    with tempfile.TemporaryDirectory(prefix="taskdeck-bench-") as name:
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", TASKDECK_ACTOR=ACTOR)
        os.environ.update(XDG_STATE_HOME=name, XDG_CONFIG_HOME=name)
        for size in sizes:
            store = filled(Path(name) / f"{size}.db", size)
            for over in ("stdio", "HTTP"):
                with serving(store, over) as (address, words):
                    ours = figures([*TASKDECK, address], store, times, "s", "pending 1/")
                    floor = figures([*BARE, json.dumps(words)], store, times, "s\n", "listening")
                for what, mine, floors in zip(WHAT, ours, floor, strict=True):
                    ratio = statistics.median(mine) / statistics.median(floors)
                    figure = f"{said(mine)}   bare {said(floors)}   x {ratio:.2f}"
                    print(f"{size:6,} tasks, {over:5}  {what:16}  {figure}", flush=True)


def said(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds) * 1e3:7.1f} ({max(seconds) * 1e3:6.1f})"


@contextmanager
def serving(store: str, over: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the address for the board, and the words by which the bare client reaches a server of the same kind."""
    words = [*TASKDECK, "mcp", store]
    if over == "stdio":
        yield f"mcp:{shlex.join(words)}", words
        return
    with subprocess.Popen([*words, "--http", "127.0.0.1:0", "--json"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            yield f"mcp+{url}", [url]
        finally:
            process.kill()


def figures(argv: Sequence[str], store: str, times: int, key: str, first: str) -> list[list[float]]:
    """Return the seconds from changes to their paint, and from keys to their commits and to the paint of these."""
    words = [sys.executable, __file__, "--write", store]
    with (
        Terminal(argv, COLUMNS, LINES) as terminal,
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer,
        closing(open_store(store)) as there,
    ):
        assert writer.stdin is not None
        assert writer.stdout is not None
        terminal.wait_for(lambda: first.encode() in terminal.raw, SLOW)
        painted = []
        for _ in range(times):
            rest(terminal)
            title = f"changed {time.monotonic_ns()}".encode()
            writer.stdin.write(f"{title.decode()}\n")
            writer.stdin.flush()
            committed = float(writer.stdout.readline())
            terminal.wait_for(partial(terminal.raw.__contains__, title), SLOW)
            painted.append(time.monotonic() - committed)
        writer.stdin.close()
        done, shown = [], []
        cursor = there.changes().cursor
        for _ in range(times):
            rest(terminal)
            pressed = time.monotonic()
            terminal.send(key)
            cursor, task_id = moved(there, cursor, pressed + SLOW)
            done.append(time.monotonic() - pressed)
            # Until then, another key would be for the task that it shows as pending.
            terminal.wait_for(partial(terminal.raw.__contains__, f"{task_id} is now in progress".encode()), SLOW)
            shown.append(time.monotonic() - pressed)
    return [painted, done, shown]


def rest(terminal: Terminal) -> None:
    """Read for a while what is still to come."""
    rested = time.monotonic() + PAUSE
    terminal.wait_for(lambda: time.monotonic() >= rested)


def moved(store: Store, cursor: str, until: float) -> tuple[str, str]:
    """Wait for a task that is started; return the cursor after it, and its id."""
    while time.monotonic() < until:
        found = store.changes(cursor)
        cursor = found.cursor
        started = [change.task_id for change in found.changes if change.action == Action.START]
        if started:
            return cursor, started[0]
        store.wait(0.1)
    raise TimeoutError("no task was started")


def filled(path: Path, size: int) -> str:
    create_store(str(path))
    with closing(open_store(str(path))) as store:
        text = "Take the prices of the week from the supplier's sheet and check each against last week's. "
        titles = {f"t-{number}": f"Import prices, part {number}" for number in range(size)}
        store.apply([command(one, Action.ADD, actor=ACTOR, title=titles[one], description=text) for one in titles])
    return str(path)


def write(store: str) -> None:
    """Give the first pending task each line as its title, and say when that was done."""
    with closing(open_store(store)) as opened:
        for line in sys.stdin:
            first = opened.tasks(limit=1)[0].id
            [done] = opened.apply([command(first, Action.EDIT, actor=ACTOR, title=line.strip())])
            assert done.event is not None, done.refusal
            print(time.monotonic(), flush=True)


async def bare(words: Sequence[str]) -> None:
    """Print the title of the first pending task whenever the queue is said to have changed; start one for each line."""
    import mcp_types as types
    from mcp import Client, StdioServerParameters

    is_url = len(words) == 1
    server = words[0] if is_url else StdioServerParameters(command=words[0], args=words[1:], env=dict(os.environ))

    async with Client(server, cache=None) as client, client.listen(resource_subscriptions=["task://queue"]) as news:

        async def first() -> tuple[str, str]:
            [content] = (await client.read_resource("task://queue?state=pending&limit=1")).contents
            assert isinstance(content, types.TextResourceContents)
            task = json.loads(content.text)["tasks"][0]
            return task["id"], task["title"]

        async def start() -> None:
            while await asyncio.to_thread(sys.stdin.readline):
                task_id, _ = await first()
                await client.call_tool("start", {"task_id": task_id})
                await client.read_resource(f"task://{task_id}")
                print(f"{task_id} is now in progress", flush=True)

        starting = asyncio.create_task(start())
        print("listening", flush=True)
        async for _ in news:
            print((await first())[1], flush=True)
        starting.cancel()


if __name__ == "__main__":
    main()
