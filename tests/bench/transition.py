"""What a transition through the library costs, as a ratio to the raw commit of the same run. Run by hand.

SQLite's floors are an UPDATE and an INSERT in one WAL commit with synchronous=FULL, in rows of the same contents:
*same tables* has the store's own columns, checks and indexes, but no trigger; *bare* has nothing but the two primary
keys, so nothing could be read from it. JSON's floor writes the same bytes to a new file, fsyncs
it, renames it over the old one, and fsyncs the folder.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import apsw

from taskdeck_store import Action, Store, command, create_store, open_store
from taskdeck_store.clock import utc_now
from taskdeck_store.sqlite import schema

ROUNDS = 30
SETTLED = 3.5
"""Seconds that a store is left alone before it is measured: the library, as any program that stays, then relies on
its folder's time instead of looking for each of its files; see `taskdeck_store.folder`."""
PAUSE = 0.01
"""Seconds between commits, as between those of a worker or an operator. A commit right after another one finds all in
the processor's caches, and where the file system keeps times in ticks it has less to sync: the floor falls by half."""
MOVES = (
    (Action.START, "pending", "in_progress", {}),
    (Action.SUBMIT, "in_progress", "review", {"result": {"answer": 42}}),
    (Action.REJECT, "review", "pending", {}),
)
Step = Callable[[int, int], None]
"""Move the task of a number once more; the second argument says which of MOVES is next."""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, nargs="*", default=[100, 10_000, 100_000])
    sizes = parser.parse_args().tasks
    print(
        f"{platform.platform()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, "
        f"SQLite {apsw.sqlite_lib_version()} (apsw {apsw.apsw_version()})"
    )
    print("median (mean) of one commit in ms, and its ratio to the library's floor")
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="taskdeck-bench-") as folder:
            steps, moves = sqlite_steps(Path(folder), size), [0] * size
            report(f"SQLite, {size:,} tasks, back to back", steps, moves, per_round=40)
            report(f"SQLite, {size:,} tasks, {PAUSE * 1e3:g} ms apart", steps, moves, per_round=20, pause=PAUSE)
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="taskdeck-bench-") as folder:
            report(
                f"JSON, {size:,} tasks", json_steps(Path(folder), size), [0] * size, per_round=1 if size > 50_000 else 4
            )


def report(title: str, steps: dict[str, Step], moves: list[int], per_round: int, pause: float = 0.0) -> None:
    """Measure and print; `moves` counts how often each task was moved before, and goes on counting."""
    taken: dict[str, list[float]] = {name: [] for name in steps}
    chance = random.Random(1)
    time.sleep(SETTLED)
    for _ in range(ROUNDS):
        numbers = [chance.randrange(len(moves)) for _ in range(per_round)]
        # In any order: what is measured right after another one may find the disk and the caches otherwise.
        for name in chance.sample(list(steps), len(steps)):
            step, counted = steps[name], list(moves)
            for number in numbers:
                if pause:
                    # A sleep of no time at all would hand the processor over, too.
                    time.sleep(pause)
                begun = time.perf_counter()
                step(number, counted[number])
                taken[name].append(time.perf_counter() - begun)
                counted[number] += 1
        moves[:] = counted
    print(title)
    library, *floors = taken
    for name, seconds in taken.items():
        middle, mean = statistics.median(seconds), statistics.mean(seconds)
        line = f"  {name:<18} {middle * 1e3:9.3f} ({mean * 1e3:.3f})"
        if name in floors:
            line += f"   library / this = {statistics.median(taken[library]) / middle:.2f}"
            line += f" ({statistics.mean(taken[library]) / mean:.2f})"
        print(line)


def sqlite_steps(folder: Path, size: int) -> dict[str, Step]:
    store = filled(folder / "library.db", size)
    same = ";".join(schema.MIGRATIONS)
    bare = """
        CREATE TABLE tasks (id TEXT PRIMARY KEY, title, state, priority, attempts, max_attempts, owner, lease_until,
          created_at, updated_at, state_since, version, tags, error, description, data, result) WITHOUT ROWID;
        CREATE TABLE events (seq INTEGER PRIMARY KEY, task_id, at, actor, action, from_state, to_state, attempts,
          note, changes, "group", undoes, hash, operation);"""
    return {
        "library": library_step(store),
        "raw, same tables": raw_step(folder / "same.db", same, folder / "library.db"),
        "raw, bare": raw_step(folder / "bare.db", bare, folder / "library.db"),
    }


def raw_step(path: Path, ddl: str, source: Path) -> Step:
    raw = apsw.Connection(str(path))
    raw.pragma("journal_mode", "WAL")
    raw.pragma("synchronous", "FULL")
    raw.execute(ddl)
    raw.execute("ATTACH ? AS source", (str(source),))
    for table in ("tasks", "events"):
        names = ", ".join(f'"{name}"' for (name,) in raw.execute(f"SELECT name FROM pragma_table_info('{table}')"))
        raw.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM source.{table}")
    raw.execute("DETACH source")
    raw.pragma("wal_checkpoint(TRUNCATE)")

    def step(number: int, move: int) -> None:
        action, before, after, _ = MOVES[move % len(MOVES)]
        at = utc_now()
        raw.execute("BEGIN IMMEDIATE")
        raw.execute(
            "INSERT INTO events "
            "(task_id, at, actor, action, from_state, to_state, attempts, note, changes, hash, operation) "
            "VALUES (?, ?, 'bench', ?, ?, ?, 0, 'why', '{\"owner\":[null,\"bench\"]}', ?, ?)",
            (f"t-{number}", at, action, before, after, "0" * 64, os.urandom(16).hex()),
        )
        raw.execute(
            "UPDATE tasks SET state = ?, owner = 'bench', updated_at = ?, state_since = ?, version = ? WHERE id = ?",
            (after, at, at, str(raw.last_insert_rowid()), f"t-{number}"),
        )
        raw.execute("COMMIT")

    return step


def json_steps(folder: Path, size: int) -> dict[str, Step]:
    path = folder / "library.json"
    store = filled(path, size)
    floor = folder / "floor.json"

    def replace(number: int, move: int) -> None:
        contents = memory[0]
        draft = floor.with_suffix(".new")
        with draft.open("wb") as file:
            file.write(contents)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(floor)
        opened = os.open(folder, os.O_RDONLY)
        os.fsync(opened)
        os.close(opened)

    memory = [path.read_bytes()]
    return {"library": library_step(store), "raw": replace}


def filled(path: Path, size: int) -> Store:
    create_store(str(path))
    store = open_store(str(path))
    text = "Some words about what is to be done, and how one knows that it is. " * 2
    words: Iterator[str] = cycle(("parse", "review", "deploy", "measure"))
    adds = [
        command(f"t-{number}", Action.ADD, actor="bench", title=f"{next(words)} part {number}", description=text)
        for number in range(size)
    ]
    store.apply(adds)
    return store


def library_step(store: Store) -> Step:
    def step(number: int, move: int) -> None:
        action, _, _, fields = MOVES[move % len(MOVES)]
        (outcome,) = store.apply([command(f"t-{number}", action, actor="bench", note="why", **fields)])
        assert outcome.event is not None, outcome

    return step


if __name__ == "__main__":
    main()
