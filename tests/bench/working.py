"""What a worker gets done a second, as ratios to a raw commit and to other queues on SQLite in the same run.

Run by hand: ``python tests/bench/working.py [--tasks N] [--rounds N] [--folder DIR]``. The peers are no dependencies of
the project: ``pip install huey persist-queue litequeue``, in an environment of their own; what is missing is said.

A handler that only returns ``{"answer": 42}`` is given one task after another, until the queue is empty. Each claim and
each completion is durable, for everybody: SQLite's log (WAL) with synchronous=FULL, asked of each one's own connection
and set there where it is not so. Every contestant, in every round, has a file and processes of its own. All of a round
stand ready, with a log that has grown to its full size and `WARM` tasks behind them, before the first is let go; then
they go one after another, in another order each round.

What they do is not the same. Taskdeck hands in one result and claims the next task in one commit, and adds to its audit
log, with each transition, an event that is sealed by a hash over the one before. *execute* leaves tasks in review, one
commit a task; *execute, verify* completes them, two commits. *jobs=4* is *execute* with four threads: what ends while a
commit is under way goes together into the next. huey deletes a task when it is claimed (who dies then has lost it), and
stores its result. persist-queue and litequeue mark a task as claimed and as done, and keep no result. To find the
next, persist-queue passes by all that are done, and litequeue sorts all that wait. persist-queue's claim is no
transaction, so that several workers may do the same task; how often, is told. The floors are the update of a row in a
table with a primary key and nothing else, in one commit a task or in two; they need not look for the task.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import apsw

from taskdeck_store import Action, command, create_store, open_store
from taskdeck_store.worker import Worker

WARM = 50
"""Tasks that each worker has done before it is measured."""
SETTLED = 3.5
"""Seconds that the folders are left alone before the first goes; see transition.py."""
PATIENCE = 60.0
"""Seconds to wait for another process's lock."""
LOG = 1_000 * 4_096
"""Bytes at which SQLite's log goes back to its beginning. Until it has been so long, each commit makes it longer, and
is dearer by a quarter."""
FULL = ("wal", 2)
RESULT = {"answer": 42}
Execute: TypeAlias = Callable[[str], Any]
"""What a connection executes SQL with, of either driver."""


class Share(NamedTuple):
    """What one worker is told: where, which of how many it is, and how many tasks there are for all of them."""

    folder: Path
    number: int
    workers: int
    tasks: int

    @property
    def path(self) -> Path:
        return self.folder / "tasks.db"

    @property
    def is_first(self) -> bool:
        return self.number == 0

    def titles(self) -> Iterator[str]:
        return (f"task number {number}" for number in range(WARM * self.workers + self.tasks))


class Ready(NamedTuple):
    """A worker with its warming up behind it. `done` tells which tasks `work` did, and in how many commits.

    `found` is the journal mode and `synchronous` of its own connection, `as_made` what they were before it was asked.
    """

    work: Callable[[], None]
    done: Callable[[], tuple[list[str], int]]
    found: tuple[str, int]
    as_made: tuple[str, int]


class Contestant(NamedTuple):
    begin: Callable[[Share], Ready]
    package: str | None = None
    module: str = ""
    how: str = ""
    """How it was made durable."""


class Run(NamedTuple):
    """One round of a contestant. `doubles` is how many tasks were done by two workers."""

    seconds: float
    tasks: int
    commits: int
    doubles: int


def main() -> None:
    """Print the figures; or, as one of the processes that this starts, be a worker."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tasks", type=int, default=1_500, help="of each contestant and round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="of which the median is told (%(default)s)")
    parser.add_argument("--folder", type=Path, default=None, help="where the stores are: on the disk that is meant")
    parser.add_argument("--be", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.be:
        name, folder, number, workers = given.be
        be(CONTESTANTS[name], Share(Path(folder), int(number), int(workers), given.tasks))
        return
    print(
        f"{platform.platform()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, "
        f"SQLite {apsw.sqlite_lib_version()} (apsw {apsw.apsw_version()}), {sqlite3.sqlite_version} (sqlite3)"
    )
    names = list(CONTESTANTS)
    for name, one in CONTESTANTS.items():
        if one.package and importlib.util.find_spec(one.module) is None:
            print(f"*** {name} IS NOT INSTALLED, AND LEFT OUT: {sys.executable} -m pip install {one.package} ***")
            names.remove(name)
    with tempfile.TemporaryDirectory(prefix="taskdeck-bench-", dir=given.folder) as folder:
        compare(names, Path(folder), 1, given.tasks, given.rounds)
        compare([name for name in names if name in CROWDED], Path(folder), 4, given.tasks, given.rounds)


def compare(names: list[str], folder: Path, workers: int, tasks: int, rounds: int) -> None:
    """Measure in turns, and print as a table."""
    runs: dict[str, list[Run]] = {name: [] for name in names}
    durable: dict[str, str] = {}
    for number in range(rounds):
        turn = number * len(names) // rounds
        with ExitStack() as closing:
            teams = {}
            for name in names:
                place = folder / f"{workers}-{number}-{name.replace(' ', '-')}"
                teams[name] = closing.enter_context(Team(name, Share(place, 0, workers, tasks)))
            settled = 0.0
            for name in names:
                durable[name] = teams[name].gather()
                settled = time.monotonic() + SETTLED if name in OURS else settled
            time.sleep(max(0.0, settled - time.monotonic()))
            for name in names[turn:] + names[:turn]:
                runs[name].append(teams[name].go())
    said = "one worker" if workers == 1 else f"{workers} workers, each a process, on one store"
    print(f"\n{said}: {tasks:,} tasks, median of {rounds} rounds (slowest and fastest)")
    rates = {name: statistics.median(run.tasks / run.seconds for run in runs[name]) for name in names}
    compared = [name for name in OURS if name in names]
    ratios = "".join(f"{f'{name[0]} ÷ this':>10}" for name in compared)
    print(f"  {'':<21} {'tasks a second':>24} {'µs a task':>10} {'commits':>8} {'this ÷ floor':>13}{ratios}")
    for name, rate in rates.items():
        each = sorted(run.tasks / run.seconds for run in runs[name])
        commits = statistics.median(run.commits / run.tasks for run in runs[name])
        line = f"  {name:<21} {rate:>8,.0f} ({each[0]:>6,.0f}, {each[-1]:>6,.0f}) {1e6 / rate:>10,.0f} {commits:>8.2f}"
        line += f" {rate / rates[FLOOR]:>13.2f}" + "".join(f"{rates[one] / rate:>10.2f}" for one in compared)
        doubles = sum(run.doubles for run in runs[name])
        if doubles:
            line += f"   *** {doubles:,} TASKS WERE DONE BY TWO WORKERS ***"
        missing = sum(max(0, tasks - run.tasks) for run in runs[name])
        if missing:
            line += f"   *** {missing:,} TASKS WERE NOT DONE ***"
        print(line)
    if workers == 1:
        print("\njournal_mode and synchronous (2 is FULL), asked of each one's own connection:")
        for name in names:
            package = CONTESTANTS[name].package
            version = f" {importlib.metadata.version(package)}" if package else ""
            print(f"  {name + version:<21} {durable[name]}")


class Team:
    """The processes of a contestant in one round. The first fills the store, the others come when it is ready."""

    def __init__(self, name: str, share: Share) -> None:
        self._name = name
        self._share = share
        share.folder.mkdir()
        self._processes = [self._begun(0)]

    def __enter__(self) -> Team:
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()

    def gather(self) -> str:
        """Wait until all are ready; return how durable they are."""
        told = self._told(self._processes[0])
        self._processes += [self._begun(number) for number in range(1, self._share.workers)]
        for process in self._processes[1:]:
            self._told(process)
        found, as_made = tuple(told["found"]), tuple(told["as_made"])
        line = f"{found[0]}, {found[1]}"
        line += f" (as it comes: {as_made[0]}, {as_made[1]})" if as_made != found else " (as it comes)"
        line += f"; {CONTESTANTS[self._name].how}" if CONTESTANTS[self._name].how else ""
        return line if found == FULL else f"*** NOT EQUALLY DURABLE *** {line}"

    def go(self) -> Run:
        """Let all go at once; return what they did from the first one's beginning to the last one's end."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        told = [self._told(process) for process in self._processes]
        seconds = max(one["ended"] for one in told) - min(one["begun"] for one in told)
        done = Counter(title for one in told for title in one["done"])
        return Run(seconds, len(done), sum(one["commits"] for one in told), done.total() - len(done))

    def _begun(self, number: int) -> subprocess.Popen[str]:
        share = self._share
        words = [sys.executable, __file__, "--tasks", str(share.tasks)]
        words += ["--be", self._name, str(share.folder), str(number), str(share.workers)]
        return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def _told(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._name} came to grief; see above")
        found: dict[str, Any] = json.loads(line)
        return found


def be(contestant: Contestant, share: Share) -> None:
    """Make ready, say so, wait until told to go, work, and say what was done; JSON in lines."""
    ready = contestant.begin(share)
    grown = share.path.with_name(share.path.name + "-wal").stat().st_size
    assert grown >= LOG, f"the log has {grown:,} bytes, and will grow while it is measured"
    print(json.dumps({"found": ready.found, "as_made": ready.as_made}), flush=True)
    if not sys.stdin.readline():
        return
    begun = time.monotonic()
    ready.work()
    ended = time.monotonic()
    done, commits = ready.done()
    print(json.dumps({"begun": begun, "ended": ended, "done": done, "commits": commits}), flush=True)


def library(share: Share, *, verify: bool = False, jobs: int = 1) -> Ready:
    address, owner = str(share.path), f"worker-{share.number}"
    if share.is_first:
        create_store(address)
    store = open_store(address)
    if share.is_first:
        store.apply(
            [command(f"t-{n}", Action.ADD, actor="bench", title=title) for n, title in enumerate(share.titles())]
        )
        filling = apsw.Connection(address)
        grow(filling.execute)
        filling.close()
    handlers: dict[str, object] = {"execute": lambda task: RESULT}
    if verify:
        handlers["verify"] = lambda task: True
    for _ in range(WARM):
        Worker(store, handlers, owner=owner).run(until="once")
    before = [0]

    def work() -> None:
        Worker(store, handlers, owner=owner, jobs=jobs).run(until="empty")

    def done() -> tuple[list[str], int]:
        events = [event for event in store.events(after=before[0]) if event.actor == owner]
        last = Action.APPROVE if verify else Action.SUBMIT
        # All events of a commit have one time.
        return [event.task_id for event in events if event.action == last], len({event.at for event in events})

    before[0] = max(event.seq for event in store.events(newest=True, limit=1))
    own: Any = store
    found = pragmas(own._connection.execute)
    return Ready(work, done, found, found)


def huey(share: Share) -> Ready:
    module: Any = importlib.import_module("huey")
    plain = module.SqliteHuey(filename=str(share.path), timeout=PATIENCE)
    as_made = pragmas(plain.storage.conn.execute)
    plain.storage.close()
    queue = module.SqliteHuey(filename=str(share.path), timeout=PATIENCE, fsync=True)
    execute = queue.storage.conn.execute
    full_fsync(execute)

    work = queue.task(name="work")(handle)
    if share.is_first:
        execute("PRAGMA synchronous = OFF")
        for title in share.titles():
            work(title)
        grow(execute)
        execute("PRAGMA synchronous = FULL")

    def take() -> str | None:
        task = queue.dequeue()
        if task is None:
            return None
        assert queue.execute(task) == RESULT
        return str(task.args[0])

    return taking(take, 2, execute, as_made)


def persist_queue(share: Share) -> Ready:
    module: Any = importlib.import_module("persistqueue")
    # By default, whoever comes gives back what the others have claimed.
    queue = module.SQLiteAckQueue(
        str(share.folder), db_file_name=share.path.name, timeout=PATIENCE, auto_resume=share.workers == 1
    )
    assert queue._getter is queue._putter
    execute = queue._putter.execute
    as_made = pragmas(execute)
    if share.is_first:
        execute("PRAGMA synchronous = OFF")
        for title in share.titles():
            queue.put(title)
        grow(execute, queue._putter.commit)
    execute("PRAGMA synchronous = FULL")
    full_fsync(execute)

    def take() -> str | None:
        try:
            title = queue.get(block=False)
        except module.Empty:
            return None
        handle(title)
        queue.ack(title)
        return str(title)

    return taking(take, 2, execute, as_made)


def litequeue(share: Share) -> Ready:
    module: Any = importlib.import_module("litequeue")
    queue = module.LiteQueue(str(share.path), timeout=PATIENCE)
    execute = queue.conn.execute
    as_made = pragmas(execute)
    if share.is_first:
        with queue.transaction():
            for title in share.titles():
                queue.put(title)
        grow(execute)
    execute("PRAGMA synchronous = FULL")
    full_fsync(execute)

    def take() -> str | None:
        message = queue.pop()
        if message is None:
            return None
        handle(message.data)
        queue.done(message.message_id)
        return str(message.data)

    return taking(take, 2, execute, as_made)


def floor(share: Share, *, driver: str, commits: int) -> Ready:
    connection: Any
    if driver == "apsw":
        connection = apsw.Connection(str(share.path))
        connection.set_busy_timeout(int(PATIENCE * 1_000))
    else:
        connection = sqlite3.connect(share.path, timeout=PATIENCE, isolation_level=None)
    execute = connection.execute
    if share.is_first:
        execute("PRAGMA journal_mode = WAL")
        execute("CREATE TABLE tasks (id TEXT PRIMARY KEY, state TEXT NOT NULL, result TEXT)")
        rows = [(title, "pending") for title in share.titles()]
        execute("BEGIN")
        connection.executemany("INSERT INTO tasks (id, state) VALUES (?, ?)", rows)
        execute("COMMIT")
        grow(execute)
    execute("PRAGMA synchronous = FULL")
    full_fsync(execute)
    titles = islice(share.titles(), share.number, None, share.workers)
    states = ("in progress", "review")[-commits:]
    result = json.dumps(RESULT)

    def take() -> str | None:
        title = next(titles, None)
        for state in states if title is not None else ():
            execute("BEGIN IMMEDIATE")
            execute("UPDATE tasks SET state = ?, result = ? WHERE id = ?", (state, result, title))
            execute("COMMIT")
        return title

    return taking(take, commits, execute, pragmas(execute))


def handle(title: str) -> dict[str, int]:
    return RESULT


def taking(take: Callable[[], str | None], commits: int, execute: Execute, as_made: tuple[str, int]) -> Ready:
    """Return a worker that has one call take a task, do it and complete it, and return its title; None: no more."""
    for _ in range(WARM):
        take()
    titles: list[str] = []

    def work() -> None:
        while (title := take()) is not None:
            titles.append(title)

    return Ready(work, lambda: (titles, commits * len(titles)), pragmas(execute), as_made)


def pragmas(execute: Execute) -> tuple[str, int]:
    (journal,), (synchronous,) = (next(iter(execute(f"PRAGMA {name}"))) for name in ("journal_mode", "synchronous"))
    return str(journal), int(synchronous)


def full_fsync(execute: Execute) -> None:
    """Do as the library does: macOS calls a write durable that its disk has only promised, unless it is asked so."""
    execute("PRAGMA fullfsync = 1")


def grow(execute: Execute, commit: Callable[[], object] = lambda: None) -> None:
    """Have a log grow to its full size, not durably, and leave no table behind."""
    execute("PRAGMA synchronous = OFF")
    execute("CREATE TABLE bench_log (number INTEGER)")
    execute("INSERT INTO bench_log VALUES (0)")
    commit()
    for number in islice(count(), 1_100):
        execute(f"UPDATE bench_log SET number = {number}")
        commit()
    execute("DROP TABLE bench_log")
    commit()


BY_HAND = "PRAGMA synchronous = FULL on its connection"
FLOOR = "apsw, 2 commits"
OURS = ("a execute", "b execute, verify", "c execute, jobs=4")
CONTESTANTS = {
    "a execute": Contestant(library),
    "b execute, verify": Contestant(partial(library, verify=True)),
    "c execute, jobs=4": Contestant(partial(library, jobs=4)),
    "huey": Contestant(huey, "huey", "huey", "SqliteHuey(fsync=True); its deletion of a task is its claim"),
    "persist-queue": Contestant(persist_queue, "persist-queue", "persistqueue", BY_HAND),
    "litequeue": Contestant(litequeue, "litequeue", "litequeue", BY_HAND),
    "apsw, 1 commit": Contestant(partial(floor, driver="apsw", commits=1), how=BY_HAND),
    "apsw, 2 commits": Contestant(partial(floor, driver="apsw", commits=2), how=BY_HAND),
    "sqlite3, 2 commits": Contestant(partial(floor, driver="sqlite3", commits=2), how=BY_HAND),
}
CROWDED = ("a execute", "b execute, verify", "huey", "persist-queue", "litequeue", "apsw, 1 commit", "apsw, 2 commits")
"""Those that are measured with several workers, too."""


if __name__ == "__main__":
    main()
