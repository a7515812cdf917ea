"""A disk that is full or broken, rights and descriptors that run out, a clock that goes back, an older copy."""

from __future__ import annotations

import errno
import gc
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import apsw
import pytest
from backends import Backend, JsonFile, Sqlite
from moving import do, done, put, quiet
from unprivileged import open_folder, unprivileged

from conftest import Opener, Turned
from e2e import boards
from e2e.boards import board, go
from e2e.terminal import Terminal
from reliability.points import Call, install
from taskdeck_store import Action, Code, Fault, State, Store, StoreError, command, create_store, open_store
from taskdeck_store.jsonfile.replace import _exchange
from taskdeck_store.lock import SUFFIX, WriteLock
from taskdeck_store.machine import Command
from taskdeck_store.query.parse import parse
from taskdeck_store.recovery import overdue, release_overdue
from taskdeck_store.verification import verify
from taskdeck_store.watch import FolderWatch

T = TypeVar("T")

DEADLINE = 30.0
FOUND = 3
MEMORY = "/dev/shm"
ROOMY = ("truncate", "unlink", "mode")
"""What a full disk still does."""
FAULTY = pytest.mark.parametrize(
    ("error", "lasts"),
    [(error, lasts) for error in (errno.ENOSPC, errno.EIO) for lasts in (False, True)],
    ids=["full once", "full for long", "broken once", "broken for long"],
)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: none of these disks fails but by order."""
    if not os.access(MEMORY, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="taskdeck-", dir=MEMORY) as made:
        yield Path(made)


def apart(check: Callable[[], object]) -> bool:
    """Call `check` in a child process, whose limits and calls may be bent, and tell whether it returned anything true.

    What it raises fails the test.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        failure, found = "", False
        try:
            # The collector would touch, and so copy, all that pytest has in memory.
            gc.disable()
            signal.alarm(int(2 * DEADLINE))
            _exchange.cache_clear()
            found = bool(check())
        except BaseException:
            failure = traceback.format_exc()
        os.write(writing, failure.encode()[-60_000:])
        os._exit(FOUND if found else 0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8", errors="replace") as pipe:
        failure = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert not failure, failure
    assert status in (0, FOUND)
    return status == FOUND


class Disk:
    """Does each call in the store's folder; from the n-th after `breaks` on they fail, until `mended`."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self._left = 0
        self._error = 0
        self._lasts = False

    def breaks(self, error: int, number: int, *, lasts: bool) -> None:
        self._error, self._left, self._lasts = error, number, lasts

    def mended(self) -> None:
        self._left = 0

    def __call__(self, call: Call, do: Callable[[], T], half: Callable[[], object] | None = None) -> T:
        if self._left == 0 or (self._error == errno.ENOSPC and call.kind in ROOMY):
            return do()
        if self._left > 1:
            self._left -= 1
            return do()
        if not self._lasts:
            self._left = 0
        self.failed.append(f"{call.kind} {call.name}")
        if half is not None:
            half()
        raise self._raised(call)

    def _raised(self, call: Call) -> Exception:
        if not any(frame.name.startswith("x") for frame in traceback.extract_stack()):
            # No method of SQLite's file layer asked for it.
            return OSError(self._error, os.strerror(self._error))
        if self._error == errno.ENOSPC and call.kind == "write":
            return apsw.FullError("database or disk is full")
        error = apsw.IOError("disk I/O error")
        error.extendedresult = apsw.SQLITE_IOERR_FSYNC if call.kind == "sync" else apsw.SQLITE_IOERR_WRITE
        return error


def checked(error: StoreError, faults: Fault | tuple[Fault, ...], path: Path, *advice: str) -> None:
    """Fail unless a message says where, in a line that a terminal can show, what became of it, and what to do."""
    assert error.fault in (faults if isinstance(faults, tuple) else (faults,))
    assert str(path) in error.message
    assert error.message.isprintable()
    assert all(words in error.message for words in advice), error.message


def content(store: Store) -> tuple[Any, Any]:
    return (store.tasks(), store.events())


def look(path: Path, now: Turned) -> tuple[Any, Any]:
    """Return what a fresh handle reads of a store, which must be sound."""
    with closing(open_store(str(path), now=now)) as fresh:
        found = verify(fresh)
        assert found.is_sound, (found.broken, found.differing)
        return content(fresh)


def two() -> list[Command]:
    return [command(f"t-{n}", Action.ADD, actor="ann", title=f"T {n} " * 500, operation=f"o-{n}") for n in (1, 2)]


def made(backend: Backend, folder: Path, now: Turned, tasks: int) -> Path:
    """Make a store with so many commits."""
    folder.mkdir(exist_ok=True)
    path = backend.make(folder)
    with closing(open_store(str(path), now=now)) as store:
        for number in range(tasks):
            put(store, f"old-{number}")
    return path


def copy_of(path: Path, folder: Path) -> Path:
    shutil.copytree(path.parent, folder)
    return folder / path.name


def no_litter(path: Path) -> None:
    names = {path.name + suffix for suffix in ("", SUFFIX, "-wal", "-shm")} | {"tasks.audit.jsonl"}
    assert {file.name for file in path.parent.iterdir()} <= names


@FAULTY
@pytest.mark.parametrize("commits", [0, 1], ids=["first commit", "later commit"])
def test_a_commit_whose_steps_fail_is_whole_or_undone_and_can_be_made_again(
    backend: Backend, folder: Path, now: Turned, error: int, lasts: bool, commits: int
) -> None:
    def check() -> object:
        before = look(path, now)
        disk = Disk()
        kept = install(str(path.parent), disk)
        with closing(open_store(str(path), now=now)) as store:
            disk.breaks(error, number, lasts=lasts)
            failure = ""
            try:
                store.apply(two())
            except StoreError as raised:
                failure = raised.message
                checked(raised, Fault.UNWRITABLE, path, "; ")
                # What fails for long cannot be undone either; then it is said what becomes of it.
                sayings = ("nothing was changed", "look before you try again")[: 1 + lasts]
                assert any(words in failure for words in sayings), (disk.failed, failure)
            with suppress(StoreError):
                assert len(content(store)[0]) in (commits, commits + 2), disk.failed
            disk.mended()
            found = look(path, now)
            assert len(found[0]) in (commits, commits + 2), disk.failed
            if not failure:
                assert len(found[0]) == commits + 2, disk.failed
            elif "nothing was changed" in failure:
                assert found == before, (disk.failed, failure)
            outcomes = store.apply(two())
            assert all(outcome.event is not None for outcome in outcomes)
            put(store, "new")
            assert len(content(store)[0]) == commits + 3
            assert len(content(store)[1]) == commits + 3
            assert look(path, now) == content(store)
        no_litter(path)
        del kept
        return disk.failed

    first = made(backend, folder / "first", now, commits)
    for number in count(1):
        path = copy_of(first, folder / str(number))
        if not apart(check):
            break
    assert number > 2


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=["full", "broken"])
def test_what_dies_after_its_commit_failed_leaves_all_of_it_or_nothing(
    backend: Backend, folder: Path, now: Turned, error: int
) -> None:
    def check() -> object:
        disk = Disk()
        kept = install(str(path.parent), disk)
        store = open_store(str(path), now=now)
        disk.breaks(error, number, lasts=True)
        with suppress(StoreError):
            store.apply(two())
        del kept
        return disk.failed

    first = made(backend, folder / "first", now, 1)
    for number in count(1):
        path = copy_of(first, folder / str(number))
        if not apart(check):
            break
        tasks, events = look(path, now)
        assert len(tasks) == len(events)
        assert len(tasks) in (1, 3)
        with closing(open_store(str(path), now=now)) as store:
            store.apply(two())
        tasks, events = look(path, now)
        assert (len(tasks), len(events)) == (3, 3)
        no_litter(path)
    assert number > 2


@FAULTY
def test_a_store_whose_making_fails_is_not_there_or_whole(
    backend: Backend, folder: Path, now: Turned, error: int, lasts: bool
) -> None:
    def check() -> object:
        disk = Disk()
        kept = install(str(path.parent), disk)
        disk.breaks(error, number, lasts=lasts)
        try:
            create_store(str(path))
        except StoreError as raised:
            checked(raised, Fault.UNWRITABLE, path)
        disk.mended()
        if path.exists():
            assert look(path, now) == ([], [])
        elif not lasts:
            assert list(path.parent.iterdir()) == []
        del kept
        return disk.failed

    for number in count(1):
        path = folder / str(number) / f"tasks{backend.suffix}"
        path.parent.mkdir()
        if not apart(check):
            break
    assert number > 2


def test_a_file_that_may_not_grow_refuses_the_commit_and_takes_smaller_ones_after_it(
    backend: Backend, tmp_path: Path, now: Turned
) -> None:
    path = made(backend, tmp_path, now, 1)

    def check() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        with closing(open_store(str(path), now=now)) as store:
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
            before = content(store)
            with pytest.raises(StoreError) as raised:
                put(store, "large", description="d" * 300_000)
            checked(raised.value, Fault.UNWRITABLE, path, "nothing was changed")
            assert content(store) == look(path, now) == before
            put(store, "small")
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            put(store, "large", description="d" * 300_000)
            assert look(path, now) == content(store)
            assert [task.id for task in store.tasks()] == ["large", "old-0", "small"]

    apart(check)


@contextmanager
def mounted(folder: Path) -> Iterator[Callable[[str], None]]:
    """Mount a small file system in memory, to be remounted with other options; skip where that cannot be done."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if sys.platform != "linux" or os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here: a full disk and a read-only remount were not tried")

    def remount(options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True, capture_output=True)

    try:
        yield remount
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_file_system_refuses_commits_until_there_is_room(backend: Backend, tmp_path: Path, now: Turned) -> None:
    with mounted(tmp_path / "small"):
        path = made(backend, tmp_path / "small", now, 1)
        filler = path.with_name("filler")
        for left in (0, 4096, 40_000):
            with closing(open_store(str(path), now=now)) as store:
                before = content(store)
                with suppress(OSError), filler.open("wb", buffering=0) as file:
                    while True:
                        file.write(bytes(4096))
                os.truncate(filler, filler.stat().st_size - left)
                with pytest.raises(StoreError) as raised:
                    put(store, f"n-{left}", description="d" * 50_000)
                checked(raised.value, Fault.UNWRITABLE, path, "full", "nothing was changed", "make room")
                assert content(store) == before
                filler.unlink()
                assert look(path, now) == before
                put(store, f"n-{left}", description="d" * 50_000)
                assert look(path, now) == content(store)


def test_a_file_system_that_is_remounted_read_only_is_read_until_it_is_back(
    backend: Backend, tmp_path: Path, now: Turned
) -> None:
    with mounted(tmp_path / "small") as remount:
        path = made(backend, tmp_path / "small", now, 1)
        with closing(open_store(str(path), now=now)) as store:
            before = content(store)
        remount("ro")
        assert look(path, now) == before
        with closing(open_store(str(path), now=now)) as store:
            refusal = do(store, "old-0", Action.START).refusal
            assert refusal is not None
            assert refusal.code is Code.READ_ONLY
            assert str(path) in refusal.message
            remount("rw")
            assert content(store) == before
        with closing(open_store(str(path), now=now)) as store:
            done(store, "old-0", Action.START)


def test_rights_that_are_taken_away_under_an_open_handle_are_said_and_it_works_when_they_are_back(
    backend: Backend, now: Turned
) -> None:
    with open_folder() as folder:

        def check() -> None:
            path = made(backend, folder, now, 1)
            with closing(open_store(str(path), now=now)) as store:
                before = content(store)
                files = [file for file in folder.iterdir() if file.name != path.name + SUFFIX]
                for file_mode, folder_mode in ((0o444, 0o555), (0, 0o500), (0, 0)):
                    modes = {file: file.stat().st_mode & 0o777 for file in files if file.exists()}
                    for file in modes:
                        file.chmod(file_mode)
                    folder.chmod(folder_mode)
                    try:
                        with suppress(StoreError):
                            assert content(store) == before
                        try:
                            outcome = do(store, "old-0", Action.START)
                        except StoreError as raised:
                            checked(raised, (Fault.UNREADABLE, Fault.UNWRITABLE, Fault.READ_ONLY), path)
                        else:
                            # Who has a SQLite file open already may write to it.
                            assert outcome.refusal is not None or backend.name == "sqlite"
                            if outcome.refusal is None:
                                before = content(store)
                    finally:
                        folder.chmod(0o700)
                        for file, mode in modes.items():
                            file.chmod(mode)
                    assert look(path, now) == content(store) == before
                task = store.get("old-0")
                assert task is not None
                done(store, "old-0", Action.SUBMIT if task.state is State.IN_PROGRESS else Action.START)
                assert look(path, now) == content(store)

        unprivileged(check)


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Have no file opened any more in the body of a `with`."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_without_a_descriptor_left_all_is_said_and_everything_works_again(
    backend: Backend, tmp_path: Path, now: Turned
) -> None:
    path = made(backend, tmp_path, now, 1)
    new = path.with_name(f"new{backend.suffix}")

    def tried(use: Callable[[], object], at: Path = path) -> None:
        try:
            use()
        except StoreError as raised:
            checked(raised, (Fault.UNREADABLE, Fault.UNWRITABLE), at)

    def check() -> None:
        with closing(open_store(str(path), now=now)) as store, closing(open_store(str(path), now=now)) as idle:
            cursor = store.changes().cursor
            assert not store.wait(0)
            for _ in range(2):
                before = look(path, now)
                with no_descriptor_left():
                    tried(lambda: open_store(str(path)))
                    tried(lambda: create_store(str(new)), new)
                    waits = (lambda: store.wait(0.05), lambda: idle.wait(0.05))
                    for use in (lambda: content(store), *waits, store.changes):
                        tried(use)
                    tried(lambda: store.apply(two()))
                found = look(path, now)
                assert found == before or len(found[0]) == 3
                assert content(store) == found
            store.apply(two())
            assert {change.task_id for change in store.changes(cursor).changes} == {"t-1", "t-2"}
            assert content(store) == look(path, now)
            for handle in (store, idle):
                quiet(handle)
            with closing(open_store(str(path), now=now)) as other:
                put(other, "new")
            assert store.wait(DEADLINE)
            assert idle.wait(DEADLINE)
            assert not new.exists()

    apart(check)


def test_a_folder_watch_that_got_no_descriptor_works_and_is_armed_later(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    path.write_text("[]")

    def check() -> None:
        watch = FolderWatch(path)
        with no_descriptor_left():
            for text in ("[1]", "[1, 2]"):
                assert not watch.wait(0.05)
                os.utime(path, ns=(len(text), len(text)))
                assert watch.wait(DEADLINE)
        os.utime(path, ns=(7, 7))
        assert watch.wait(DEADLINE)
        watch.close()

    apart(check)


@pytest.mark.soak
def test_a_lock_that_is_held_for_a_minute_is_told_again_and_again_and_waited_for(
    opened: Opener, path: Path, now: Turned
) -> None:
    impatient, patient = opened(patience=1.0), opened(patience=120.0)
    put(impatient, "t-1")
    lock = WriteLock(path.with_name(path.name + SUFFIX), path)
    with ThreadPoolExecutor(1) as pool:
        with lock.hold(DEADLINE):
            until = time.monotonic() + float(os.environ.get("TASKDECK_SOAK_SECONDS", "60"))
            waiting = pool.submit(lambda: done(opened(patience=120.0), "t-1", Action.START))
            while time.monotonic() < until:
                with pytest.raises(StoreError) as raised:
                    put(impatient, "t-2")
                checked(raised.value, Fault.BUSY, path, "nothing was changed")
                assert [task.state for task in patient.tasks()] == [State.PENDING]
                assert not waiting.done()
        assert waiting.result(DEADLINE).state is State.IN_PROGRESS
    put(impatient, "t-2")
    look(path, now)


def test_a_clock_that_goes_back_turns_no_time_of_the_log_back(
    store: Store, opened: Opener, backend: Backend, path: Path, now: Turned
) -> None:
    # The triggers of SQLite know the clock of the machine alone.
    now.moment = latest = "2096-01-31T09:00:00.000000Z"
    put(store, "t-1")
    put(store, "t-2")
    done(store, "t-1", Action.START, lease_until=now.moment)
    now.turn(-3_600)
    backend.meddle(path, "t-2", title="theirs")
    store.changes()
    assert overdue(store, now()) == []
    assert release_overdue(store, actor="ann", now=now()) == ()
    done(store, "t-1", Action.SUBMIT)
    now.turn(-3_600)
    done(opened(), "t-1", Action.APPROVE)
    times = [event.at for event in store.events()]
    assert times == sorted(times)
    assert min(times) == latest
    for task in store.tasks():
        moments = (task.created_at, task.state_since, task.updated_at)
        assert all(moment is not None and moment >= latest for moment in moments)
    for filter_, found in (("age<1m", 2), ("age>1m", 0)):
        assert len(store.tasks(parse(filter_, me="ann"))) == found
    look(path, now)


def older_put_back(path: Path, older: Path, way: str) -> None:
    for file in sorted(older.iterdir(), reverse=True):
        place = path.with_name(file.name)
        if way == "renamed over it":
            file.replace(place)
        else:
            shutil.copyfile(file, place)


def copied(path: Path) -> Path:
    """Copy a store that nobody writes to at this moment, file by file."""
    older = path.with_name("older")
    older.mkdir()
    for file in path.parent.iterdir():
        if file.is_file() and not file.name.endswith((SUFFIX, "-shm")):
            shutil.copy2(file, older)
    return older


@pytest.mark.parametrize(
    ("kind", "way"),
    # SQLite has no defence against a copy over its open file: https://www.sqlite.org/howtocorrupt.html, 1.1.
    [(Sqlite, "renamed over it"), (JsonFile, "renamed over it"), (JsonFile, "copied over it")],
    ids=lambda given: given if isinstance(given, str) else given.name,
)
def test_an_older_copy_of_itself_is_noticed_and_read_anew(
    kind: type[Backend], way: str, tmp_path: Path, now: Turned
) -> None:
    path = made(kind(), tmp_path, now, 1)
    with closing(open_store(str(path), now=now)) as store, closing(open_store(str(path), now=now)) as onlooker:
        before, older = content(store), copied(path)
        for number in range(3):
            put(store, f"n-{number}")
        done(store, "old-0", Action.START)
        cursors = {handle: handle.changes().cursor for handle in (store, onlooker)}
        assert len(onlooker.tasks()) == 4
        with ThreadPoolExecutor(1) as pool:
            news = pool.submit(onlooker.wait, DEADLINE)
            older_put_back(path, older, way)
            assert news.result(DEADLINE)
        for handle, cursor in cursors.items():
            assert handle.tasks() == before[0]
            found = handle.changes(cursor)
            assert not found.complete
            assert handle.changes(found.cursor).complete
        assert content(onlooker) == look(path, now)
        put(store, "new")
        assert content(onlooker) == content(store) == look(path, now)
        assert {task.id for task in store.tasks()} == {"old-0", "new"}


@contextmanager
def limited(terminal: Terminal, limit: int, value: int) -> Iterator[None]:
    """Set a limit of a board's process for the body of a `with`."""
    if not hasattr(resource, "prlimit"):
        pytest.skip("no limit can be set for another process here: no board was tried")
    before = resource.prlimit(terminal.process.pid, limit)
    resource.prlimit(terminal.process.pid, limit, (value, before[1]))
    try:
        yield
    finally:
        resource.prlimit(terminal.process.pid, limit, before)


def test_a_board_that_cannot_write_says_so_and_the_key_works_later(
    backend: Backend, tmp_path: Path, now: Turned
) -> None:
    path = tmp_path / f"tasks{backend.suffix}"
    with board(boards.made(path), columns=300) as terminal:
        go(terminal, "pending", 1, of=2)
        with limited(terminal, resource.RLIMIT_FSIZE, 0):
            terminal.send("s")
            terminal.wait_for("nothing was changed")
            go(terminal, "review", 2, of=2)
        assert boards.state(path, "t-1") is State.PENDING
        go(terminal, "pending", 1, of=2)
        terminal.send("s")
        terminal.wait_for("t-1 is now in progress")
    look(path, now)


def test_a_board_without_descriptors_lives_and_follows_the_store_again(
    backend: Backend, tmp_path: Path, now: Turned
) -> None:
    path = tmp_path / f"tasks{backend.suffix}"
    with board(boards.made(path), columns=300) as terminal:
        go(terminal, "pending", 1, of=2)
        with limited(terminal, resource.RLIMIT_NOFILE, 3):
            boards.outside(path, "t-2", title="Rotate signing keys")
            terminal.send("s")
            terminal.wait_for("oo many|unable to open|t-1 is now in progress|lost")
            terminal.send("3")
            terminal.wait_for("a approve")
        terminal.wait_for("Rotate signing keys")
        terminal.wait_gone("lost")
        boards.outside(path, "t-4", title="Document the hooks")
        terminal.wait_for("Document the hooks")
        assert terminal.process.poll() is None
    look(path, now)


@pytest.mark.parametrize("kind", [Sqlite, JsonFile], ids=lambda kind: kind.name)
def test_a_board_on_whose_store_an_older_copy_is_put_shows_that(kind: type[Backend], tmp_path: Path) -> None:
    path = boards.made(tmp_path / f"tasks{kind.suffix}")
    older = copied(path)
    with board(path) as terminal:
        go(terminal, "pending", 1, of=2)
        terminal.send("s")
        terminal.wait_for("t-1 is now in progress")
        terminal.wait_for(r"pending +1 .*in progress +2 ")
        older_put_back(path, older, "renamed over it")
        terminal.wait_for(r"pending +2 .*in progress +1 ")
        boards.outside(path, "t-2", title="Rotate signing keys")
        terminal.wait_for("Rotate signing keys")
