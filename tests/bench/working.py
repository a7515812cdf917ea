"""What a worker gets done a second, as ratios to a raw commit and to other queues on SQLite in the same run.

Run by hand: ``python tests/bench/working.py [--tasks N] [--rounds N] [--folder DIR]``. The peers are no dependencies of
the project: ``pip install huey persist-queue litequeue procrastinate 'psycopg[binary]'``, in an environment of their
own; what is missing is said. procrastinate works on PostgreSQL: where its programs are found, a cluster is made for it
in the folder, with its own defaults (fsync and synchronous_commit on), and taken away in the end.

A handler that only returns ``{"answer": 42}`` is given one task after another, until the queue is empty. Each claim and
each completion is durable, for everybody: SQLite's log (WAL) with synchronous=FULL, asked of each one's own connection
and set there where it is not so. Every contestant, in every round, has a file and processes of its own. All of a round
stand ready, with a log that has grown to its full size and `WARM` tasks behind them, before the first is let go; then
they go one after another, in another order each round.

What they do is not the same. Taskdeck hands in one result and claims the next task in one commit, and adds to its audit
log, with each transition, an event that is sealed by a hash over the one before. *execute* leaves tasks in review, one
commit a task; *execute, verify* completes them, two commits. *prefetched*, it claims 16 tasks for each job in one
commit, and hands in what comes of them in one: each claim is durable before the work on its task begins, each result
some tens of milliseconds after it at the latest, and whoever is killed meanwhile leaves up to 16 tasks to be done
again. huey deletes a task when it is claimed (who dies then has lost it), and stores its result. persist-queue,
litequeue and procrastinate mark a task as claimed and as done, and keep no result.
To find the next, persist-queue passes by all that are done, and litequeue sorts all that wait.
persist-queue's claim is no transaction, so that several processes may do the same task; how often, is told. The floors
are the update of a row in a table with a primary key and nothing else, in one commit a task or in two; they need not
look for the task.

With several threads, Taskdeck is a worker of as many jobs: what ends while a commit is under way goes together into the
next. Of huey, each thread does what one of its consumer's does, without the consumer's pauses, over the one connection
that huey keeps. persist-queue has one queue for all, with ``multithreading=True``; litequeue, which says nothing of
threads, one for each. procrastinate's worker has that ``concurrency``: its handler is awaited.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.metadata
import importlib.util
import json
import logging
import os
import platform
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import apsw

from taskdeck_store import Action, command, create_store, open_store
from taskdeck_store.worker import Worker

WARM = 64
"""Tasks that each process has done before it is measured."""
SETTLED = 3.5
"""Seconds that the folders are left alone before the first goes; see transition.py."""
PATIENCE = 60.0
"""Seconds to wait for another process's lock."""
LOG = 1_000 * 4_096
"""Bytes at which SQLite's log goes back to its beginning. Until it has been so long, each commit makes it longer, and
is dearer by a quarter."""
FULL = ("wal", 2)
"""A SQLite connection's journal_mode and synchronous (FULL)."""
ON = ("fsync on", "synchronous_commit on")
"""The same, as PostgreSQL has it."""
CLUSTER = "TASKDECK_BENCH_CLUSTER"
RESULT = {"answer": 42}
Execute: TypeAlias = Callable[[str], Any]
"""What a connection executes SQL with, of either driver."""
Take: TypeAlias = Callable[[], "str | None"]
"""Takes a task, does it and completes it, and returns its title; None: there are no more."""


class Share(NamedTuple):
    """What one process is told: where, which of how many it is, how many threads each has, and how many tasks there are
    for all of them.
    """

    folder: Path
    number: int
    workers: int
    threads: int
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

    `found` is how durable its own connection is, `as_made` what that was before it was asked.
    """

    work: Callable[[], None]
    done: Callable[[], tuple[list[str], int]]
    found: tuple[object, object]
    as_made: tuple[object, object]


class Contestant(NamedTuple):
    begin: Callable[[Share], Ready]
    package: str | None = None
    module: str = ""
    how: str = ""
    """How it was made durable."""
    full: tuple[object, object] = FULL


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
    parser.add_argument("--be", nargs=5, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.be:
        name, folder, *numbers = given.be
        be(CONTESTANTS[name], Share(Path(folder), *map(int, numbers), given.tasks))
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
    # Whatever ends it, its processes and the cluster end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="taskdeck-bench-", dir=given.folder) as folder, ExitStack() as closing:
        if "procrastinate" in names:
            try:
                os.environ[CLUSTER] = closing.enter_context(cluster(Path(folder)))
            except NoCluster as reason:
                print(f"*** procrastinate IS LEFT OUT, FOR THERE IS NO PostgreSQL FOR IT: {reason} ***")
                names.remove("procrastinate")
        for workers, threads in TEAMS:
            some = names if (workers, threads) == (1, 1) else [name for name in names if name in CROWDED]
            compare(some, Path(folder), workers, threads, given.tasks, given.rounds)
        print("\njournal_mode and synchronous (2 is FULL), asked of each one's own connection:")
        for name in names:
            package = CONTESTANTS[name].package
            version = f" {importlib.metadata.version(package)}" if package else ""
            print(f"  {name + version:<21} {DURABLE[name]}")


def compare(names: list[str], folder: Path, workers: int, threads: int, tasks: int, rounds: int) -> None:
    """Measure in turns, and print as a table."""
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for number in range(rounds):
        turn = number * len(names) // rounds
        with ExitStack() as closing:
            teams = {}
            for name in names:
                place = folder / f"{workers}-{threads}-{number}-{name.replace(' ', '-')}"
                teams[name] = closing.enter_context(Team(name, Share(place, 0, workers, threads, tasks)))
            settled = 0.0
            for name in names:
                DURABLE[name] = teams[name].gather()
                settled = time.monotonic() + SETTLED if name in OURS else settled
            time.sleep(max(0.0, settled - time.monotonic()))
            for name in names[turn:] + names[:turn]:
                runs[name].append(teams[name].go())
    said = "one worker" if workers == 1 else f"{workers} workers, each a process, on one store"
    said += f" with {threads} threads (jobs={threads})" if threads > 1 else ""
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
        is_full = found == CONTESTANTS[self._name].full
        return line if is_full else f"*** NOT EQUALLY DURABLE *** {line}"

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
        words += ["--be", self._name, str(share.folder), *map(str, (number, share.workers, share.threads))]
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
    grown = share.path.with_name(share.path.name + "-wal").stat().st_size if contestant.full is FULL else LOG
    assert grown >= LOG, f"the log has {grown:,} bytes, and will grow while it is measured"
    print(json.dumps({"found": ready.found, "as_made": ready.as_made}), flush=True)
    if not sys.stdin.readline():
        return
    begun = time.monotonic()
    ready.work()
    ended = time.monotonic()
    done, commits = ready.done()
    print(json.dumps({"begun": begun, "ended": ended, "done": done, "commits": commits}), flush=True)


def library(share: Share, *, verify: bool = False, prefetch: int = 1) -> Ready:
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
        Worker(store, handlers, owner=owner, jobs=share.threads, prefetch=prefetch).run(until="empty")

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

    work = queue.task(name="work")(handle)
    if share.is_first:
        execute("PRAGMA synchronous = OFF")
        for title in share.titles():
            work(title)
        grow(execute)
    make_full(execute)

    def take() -> str | None:
        task = queue.dequeue()
        if task is None:
            return None
        assert queue.execute(task) == RESULT
        return str(task.args[0])

    return taking(lambda: take, 2, execute, as_made, share.threads)


def persist_queue(share: Share) -> Ready:
    module: Any = importlib.import_module("persistqueue")
    # By default, whoever comes gives back what the others have claimed.
    queue = module.SQLiteAckQueue(
        str(share.folder),
        db_file_name=share.path.name,
        timeout=PATIENCE,
        auto_resume=share.workers == 1,
        multithreading=share.threads > 1,
    )
    assert (queue._getter is queue._putter) is (share.threads == 1)
    execute = queue._putter.execute
    as_made = pragmas(execute)
    if share.is_first:
        execute("PRAGMA synchronous = OFF")
        for title in share.titles():
            queue.put(title)
        grow(execute, queue._putter.commit)
    for each in (queue._putter.execute, queue._getter.execute):
        make_full(each)

    def take() -> str | None:
        try:
            title = queue.get(block=False)
        except module.Empty:
            return None
        handle(title)
        queue.ack(title)
        return str(title)

    return taking(lambda: take, 2, execute, as_made, share.threads)


def litequeue(share: Share) -> Ready:
    module: Any = importlib.import_module("litequeue")
    first = module.LiteQueue(str(share.path), timeout=PATIENCE)
    as_made = pragmas(first.conn.execute)
    if share.is_first:
        with first.transaction():
            for title in share.titles():
                first.put(title)
        grow(first.conn.execute)
    first.conn.execute("PRAGMA synchronous = FULL")

    def make() -> Take:
        queue = module.LiteQueue(str(share.path), timeout=PATIENCE)
        make_full(queue.conn.execute)

        def take() -> str | None:
            message = queue.pop()
            if message is None:
                return None
            handle(message.data)
            queue.done(message.message_id)
            return str(message.data)

        return take

    return taking(make, 2, first.conn.execute, as_made, share.threads)


def procrastinate(share: Share) -> Ready:
    module: Any = importlib.import_module("procrastinate")
    psycopg: Any = importlib.import_module("psycopg")
    cluster, database = os.environ[CLUSTER], f"bench_{share.folder.name.replace('-', '_')}"
    if share.is_first:
        with psycopg.connect(f"{cluster} dbname=postgres", autocommit=True) as plain:
            plain.execute(f"CREATE DATABASE {database}")
    address = f"{cluster} dbname={database}"
    # A connection for each job, and one for the rest that a worker does.
    pool = {"min_size": share.threads + 1, "max_size": share.threads + 2}
    # It warns that its tasks are of a module that is run.
    logging.getLogger("procrastinate").setLevel(logging.ERROR)
    app = module.App(connector=module.PsycopgConnector(conninfo=address, **pool))
    titles: list[str] = []

    @app.task(name="work", queue="work")  # type: ignore[untyped-decorator]
    async def work(title: str) -> dict[str, int]:
        titles.append(title)
        return handle(title)

    @app.task(name="warm", queue=f"warm-{share.number}")  # type: ignore[untyped-decorator]
    async def warm(title: str) -> dict[str, int]:
        return handle(title)

    async def ready() -> None:
        await app.open_async()
        if share.is_first:
            await app.schema_manager.apply_schema_async()
            await work.batch_defer_async(*({"title": title} for title in islice(share.titles(), share.tasks)))
        await warm.batch_defer_async(*({"title": title} for title in islice(share.titles(), WARM)))
        await run(f"warm-{share.number}")

    async def run(queue: str) -> None:
        await app.run_worker_async(
            queues=[queue], concurrency=share.threads, wait=False, listen_notify=False, install_signal_handlers=False
        )

    loop = asyncio.new_event_loop()
    loop.run_until_complete(ready())
    with psycopg.connect(address) as plain:
        names = ("fsync", "synchronous_commit")
        fsync, commit = (f"{name} {plain.execute(f'SHOW {name}').fetchone()[0]}" for name in names)
    found = (fsync, commit)

    def done() -> tuple[list[str], int]:
        loop.run_until_complete(app.close_async())
        loop.close()
        return titles, 2 * len(titles)

    return Ready(lambda: loop.run_until_complete(run("work")), done, found, found)


class NoCluster(Exception):
    """There is no PostgreSQL here, or nobody to run it as."""


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """Run a PostgreSQL of our own in a folder, and yield how to reach it. Raises NoCluster."""
    places = [os.environ.get("PATH", ""), *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))]
    found = {name: shutil.which(name, path=os.pathsep.join(places)) for name in ("initdb", "postgres")}
    initdb, postgres = found["initdb"], found["postgres"]
    if initdb is None or postgres is None:
        raise NoCluster(f"no {' and no '.join(name for name, path in found.items() if path is None)} is installed")
    data, other = folder / "cluster", {}
    data.mkdir()
    if os.name == "posix" and os.geteuid() == 0:
        # It refuses to be root's.
        import pwd

        users = {user.pw_name: user for user in pwd.getpwall()}
        user = users.get("postgres") or users.get("nobody")
        if user is None:
            raise NoCluster("root may not run it, and there is neither postgres nor nobody to do so")
        other = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        os.chown(data, user.pw_uid, user.pw_gid)
        folder.chmod(0o711)
    making = [initdb, "--username=bench", "--auth=trust", "--no-sync", f"--pgdata={data}"]
    made = subprocess.run(making, cwd="/", capture_output=True, text=True, check=False, **other)  # type: ignore[call-overload]
    if made.returncode:
        raise NoCluster(made.stderr.strip())
    log = (folder / "cluster.log").open("w")
    words = [postgres, "-D", str(data), "-k", str(data), "-c", "listen_addresses="]
    server = subprocess.Popen(words, cwd="/", stdout=log, stderr=log, **other)  # type: ignore[call-overload]
    try:
        deadline = time.monotonic() + PATIENCE
        psycopg: Any = importlib.import_module("psycopg")
        address = f"host={data} user=bench"
        while True:
            try:
                psycopg.connect(f"{address} dbname=postgres").close()
                break
            except psycopg.OperationalError as error:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise NoCluster((folder / "cluster.log").read_text().strip()) from error
                time.sleep(0.05)
        yield address
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()
        log.close()


def floor(share: Share, *, driver: str, commits: int) -> Ready:
    def connected() -> Any:
        connection: Any
        if driver == "apsw":
            connection = apsw.Connection(str(share.path))
            connection.set_busy_timeout(int(PATIENCE * 1_000))
        else:
            connection = sqlite3.connect(share.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        return connection

    first = connected()
    execute = first.execute
    if share.is_first:
        execute("PRAGMA journal_mode = WAL")
        execute("CREATE TABLE tasks (id TEXT PRIMARY KEY, state TEXT NOT NULL, result TEXT)")
        rows = [(title, "pending") for title in share.titles()]
        execute("BEGIN")
        first.executemany("INSERT INTO tasks (id, state) VALUES (?, ?)", rows)
        execute("COMMIT")
        grow(execute)
    execute("PRAGMA synchronous = FULL")
    titles = deque(islice(share.titles(), share.number, None, share.workers))
    states = ("in progress", "review")[-commits:]
    result = json.dumps(RESULT)

    def make() -> Take:
        execute = connected().execute
        make_full(execute)

        def take() -> str | None:
            try:
                title = titles.popleft()
            except IndexError:
                return None
            for state in states:
                execute("BEGIN IMMEDIATE")
                execute("UPDATE tasks SET state = ?, result = ? WHERE id = ?", (state, result, title))
                execute("COMMIT")
            return title

        return take

    return taking(make, commits, execute, pragmas(execute), share.threads)


def handle(title: str) -> dict[str, int]:
    return RESULT


def taking(
    make: Callable[[], Take], commits: int, execute: Execute, as_made: tuple[object, object], threads: int
) -> Ready:
    """Return a worker of so many threads that take one task after another; each makes for itself what it takes with."""
    titles: list[str] = []

    def until_empty(take: Take) -> None:
        while (title := take()) is not None:
            titles.append(title)

    if threads == 1:
        take = make()
        for _ in range(WARM):
            take()
        return Ready(lambda: until_empty(take), lambda: (titles, commits * len(titles)), pragmas(execute), as_made)
    gate = threading.Barrier(threads + 1, timeout=PATIENCE)

    def one() -> None:
        take = make()
        for _ in range(WARM // threads):
            take()
        gate.wait()
        gate.wait(timeout=10 * PATIENCE)
        until_empty(take)

    crew = [threading.Thread(target=one, daemon=True) for _ in range(threads)]
    for thread in crew:
        thread.start()
    gate.wait()

    def work() -> None:
        gate.wait()
        for thread in crew:
            thread.join()

    return Ready(work, lambda: (titles, commits * len(titles)), pragmas(execute), as_made)


def pragmas(execute: Execute) -> tuple[str, int]:
    (journal,), (synchronous,) = (next(iter(execute(f"PRAGMA {name}"))) for name in ("journal_mode", "synchronous"))
    return str(journal), int(synchronous)


def make_full(execute: Execute) -> None:
    """Have each commit synced. macOS calls a write durable that its disk has only promised, unless it is asked so."""
    execute("PRAGMA synchronous = FULL")
    execute("PRAGMA fullfsync = 1")
    assert pragmas(execute) == FULL


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
PREFETCH = 16
"""Tasks that a worker claims for each job at a time, in the rows c and d."""
OURS = ("a execute", "b execute, verify", "c as a, prefetched", "d as b, prefetched")
CONTESTANTS = {
    "a execute": Contestant(library),
    "b execute, verify": Contestant(partial(library, verify=True)),
    "c as a, prefetched": Contestant(partial(library, prefetch=PREFETCH)),
    "d as b, prefetched": Contestant(partial(library, verify=True, prefetch=PREFETCH)),
    "huey": Contestant(huey, "huey", "huey", "SqliteHuey(fsync=True); its deletion of a task is its claim"),
    "persist-queue": Contestant(persist_queue, "persist-queue", "persistqueue", BY_HAND),
    "litequeue": Contestant(litequeue, "litequeue", "litequeue", BY_HAND),
    "procrastinate": Contestant(procrastinate, "procrastinate", "procrastinate", "PostgreSQL", ON),
    "apsw, 1 commit": Contestant(partial(floor, driver="apsw", commits=1), how=BY_HAND),
    "apsw, 2 commits": Contestant(partial(floor, driver="apsw", commits=2), how=BY_HAND),
    "sqlite3, 2 commits": Contestant(partial(floor, driver="sqlite3", commits=2), how=BY_HAND),
}
TEAMS = ((1, 1), (1, 4), (1, 16), (4, 1))
"""Processes, and threads of each."""
CROWDED = tuple(name for name in CONTESTANTS if name != "sqlite3, 2 commits")
"""Those that are measured with several threads and processes, too."""
DURABLE: dict[str, str] = {}
"""How durable each was found to be."""


if __name__ == "__main__":
    main()
