"""What the past costs: ``python tests/bench/replay.py [--events N] [--tasks N]``. Run by hand.

The floor is a plain scan: all columns of all events, read in their order from the same SQLite file by the same driver,
and nothing made of them. Every figure is measured in the same process, after it; memory in a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import apsw

from taskdeck_store import Order, State, create_store, open_store
from taskdeck_store.clock import from_microseconds, utc_now
from taskdeck_store.past import Past
from taskdeck_store.sqlite import triggers

_BEGIN = 1_760_000_000_000_000
_NATURAL = (Order.PRIORITY, Order.OLDEST, Order.PRIORITY, Order.NEWEST, Order.NEWEST)
_SHOWN = 2 * 14
"""Cards read of each column: two screens of 50 lines."""
_INSERT = """
    INSERT INTO events (task_id, at, actor, action, from_state, to_state, attempts, changes, hash, operation)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--memory-of", default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        print(json.dumps(memory(options.memory_of)))
        return
    print(
        f"{platform.platform()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, "
        f"SQLite {apsw.sqlite_lib_version()} (apsw {apsw.apsw_version()})"
    )
    with tempfile.TemporaryDirectory(prefix="taskdeck-bench-") as folder:
        path = str(Path(folder) / "tasks.db")
        fill(path, options.tasks, options.events)
        size = Path(path).stat().st_size / 1e6
        print(f"{options.events:,} events of {options.tasks:,} tasks, {size:,.0f} MB")
        floor = measured(lambda: scan(path))
        tell("a plain scan of the log", [floor], floor)
        past = Past(open_store(path, read_only=True))
        tell("reading the whole log for replay", [measured(past.read_all)], floor)
        chance = random.Random(1)
        tell("a jump to any moment", [jump(past, chance.randrange(past.end + 1)) for _ in range(200)], floor)
        tell("a jump near the end", [jump(past, past.end - 3_000 * n) for n in range(1, 40)], floor)
        past.go(past.end // 2)
        frame(past)
        tell("one event forward", [jump(past, past.position + 1) for _ in range(500)], floor)
        tell("one event back", [jump(past, past.position - 1) for _ in range(500)], floor)
        opened, whole = asyncio.run(opening(path))
        tell("t on the board to the past on screen", [opened], floor)
        tell("t on the board to the whole past at hand", [whole], floor)
        told = subprocess.run(
            [sys.executable, __file__, "--memory-of", path], capture_output=True, text=True, check=True
        )
        print(f"  memory of a process that holds the past: {json.loads(told.stdout):,.0f} MB")


def tell(name: str, seconds: list[float], floor: float) -> None:
    """Print a figure as time and as a share of the floor."""
    middle, most = statistics.median(seconds), max(seconds)
    worst = f", slowest of {len(seconds)} {most * 1e3:,.1f}" if len(seconds) > 1 else ""
    print(f"  {name:<42} {middle * 1e3:10,.2f} ms   × {middle / floor:.4f} of the scan{worst}")


def measured(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def scan(path: str) -> int:
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
    count = 0
    for _ in connection.execute("SELECT * FROM events ORDER BY seq"):
        count += 1
    return count


def jump(past: Past, position: int) -> float:
    def go() -> None:
        past.go(position)
        frame(past)

    return measured(go)


def frame(past: Past) -> None:
    """Read what a screen shows of a moment."""
    past.event()
    for state, order in zip(State, _NATURAL, strict=True):
        past.window(state, order, limit=_SHOWN)
    past.counts()


def memory(path: str) -> float:
    past = Past(open_store(path, read_only=True))
    past.read_all()
    chance = random.Random(1)
    for _ in range(50):
        jump(past, chance.randrange(past.end + 1))
    if sys.platform == "linux":
        # The peak that the kernel reports counts what the parent held when it forked.
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


async def opening(path: str) -> tuple[float, float]:
    """Seconds from the key to the first frame of the past, and until it can be gone to any moment."""
    from taskdeck_tui.deck import Deck
    from taskdeck_tui.feed import Reader
    from taskdeck_tui.model.look import Wanted
    from taskdeck_tui.outlet import Outlet
    from taskdeck_tui.remembered import Remembered
    from taskdeck_tui.writer import Writer

    store, outlet = open_store(path), Outlet()
    reader = Reader(store, Wanted(), utc_now, outlet, check_after=3_600)
    reader.prime()
    writer = Writer(lambda: open_store(path), outlet)
    deck = Deck(
        path,
        store.kind,
        reader,
        writer,
        outlet,
        past=lambda: open_store(path, read_only=True),
        remembered=Remembered(),
        read_only=False,
        actor="bench",
        now=utc_now,
    )
    try:
        async with deck.run_test(size=(200, 50)) as pilot:
            await pilot.pause(0.5)
            begun = time.perf_counter()
            deck.simulate_key("t")
            while not deck.screen.query("#banner"):
                await asyncio.sleep(0.001)
            painted: list[float] = []
            deck.screen.call_after_refresh(lambda: painted.append(time.perf_counter() - begun))
            while not painted:
                await asyncio.sleep(0.001)
            while "of" not in str(deck.screen.query_one("#banner").render()):
                await asyncio.sleep(0.01)
            return painted[0], time.perf_counter() - begun
    finally:
        writer.close(1)
        reader.close()


def fill(path: str, tasks: int, events: int) -> None:
    """Make a store of tasks that are worked on in no order, past the triggers, which would take minutes."""
    create_store(path)
    connection = apsw.Connection(path)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    for rule in triggers.ddl():
        connection.execute(f"DROP TRIGGER {rule.split()[2]}")
    chance, now = random.Random(1), _BEGIN
    made: list[list[str | int]] = []
    live: list[int] = []
    rows: list[tuple[object, ...]] = []
    for seq in range(1, events + 1):
        now += chance.randrange(1, 200_000)
        at, worker = from_microseconds(now), f"worker-{chance.randrange(20)}"
        changes: dict[str, object]
        if len(made) < tasks and (
            not live or chance.random() < tasks / events * 1.02 or events - seq < tasks - len(made)
        ):
            task: list[str | int] = [f"t-{len(made)}", "pending", 0, at, chance.randrange(1, 9), seq]
            changes = {"title": [None, f"Rotate the keys of service {len(made)}"], "priority": [None, task[4]]}
            live.append(len(made))
            made.append(task)
            action, before = "add", None
        else:
            spot = chance.randrange(len(live))
            task = made[live[spot]]
            before, changes = str(task[1]), {"owner": [None, worker]}
            action, after = _move(before, chance)
            if action in ("reject", "retry"):
                changes = {"attempts": [task[2], int(task[2]) + 1]}
                task[2] = int(task[2]) + 1
            if action == "approve":
                live[spot] = live[-1]
                live.pop()
            task[1], task[3], task[5] = after, at, seq
        rows.append(
            (task[0], at, worker, action, before, task[1], task[2], json.dumps(changes), f"{seq:064x}", f"{seq:032x}")
        )
        if len(rows) == 10_000 or seq == events:
            connection.executemany(_INSERT, rows)
            rows.clear()
    connection.executemany(
        "INSERT INTO tasks (id, title, state, attempts, state_since, priority, version, created_at, updated_at) "
        "VALUES (?1, 'Rotate the keys', ?2, ?3, ?4, ?5, CAST(?6 AS TEXT), ?4, ?4)",
        made,
    )
    for rule in triggers.ddl():
        connection.execute(rule)
    connection.execute("COMMIT")
    connection.pragma("wal_checkpoint(TRUNCATE)")
    connection.close()


def _move(state: str, chance: random.Random) -> tuple[str, str]:
    match state:
        case "pending":
            return "start", "in_progress"
        case "in_progress":
            return ("submit", "review") if chance.random() < 0.8 else ("fail", "failed")
        case "review":
            return ("approve", "completed") if chance.random() < 0.12 else ("reject", "pending")
        case _:
            return "retry", "pending"


if __name__ == "__main__":
    main()
