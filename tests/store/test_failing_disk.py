"""A disk that is full, broken, or read-only from now on."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TypeVar

import apsw
import pytest
from backends import Backend
from faulty import apart, checked, content, copy_of, look, made, no_litter, two
from moving import do, done, put

from conftest import Turned
from reliability.points import Call, install
from taskdeck_store import Action, Code, Fault, StoreError, create_store, open_store
from taskdeck_store.bundle import export

T = TypeVar("T")

ROOMY = ("truncate", "unlink", "mode")
"""What a full disk still does."""
FAULTY = pytest.mark.parametrize(
    ("error", "lasts"),
    [(error, lasts) for error in (errno.ENOSPC, errno.EIO) for lasts in (False, True)],
    ids=["full once", "full for long", "broken once", "broken for long"],
)


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
        if not any(frame.f_code.co_name.startswith("x") for frame, _ in traceback.walk_stack(None)):
            # No method of SQLite's file layer asked for it.
            return OSError(self._error, os.strerror(self._error))
        if self._error == errno.ENOSPC and call.kind == "write":
            return apsw.FullError("database or disk is full")
        error = apsw.IOError("disk I/O error")
        error.extendedresult = apsw.SQLITE_IOERR_FSYNC if call.kind == "sync" else apsw.SQLITE_IOERR_WRITE
        return error


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
                # What fails for long cannot be undone either; then it is said what becomes of it. Nor is it known
                # whether what SQLite could not sync is on the disk.
                unsynced = backend.name == "sqlite" and disk.failed[-1].startswith("sync")
                sayings = ("nothing was changed", "look before you try again")[unsynced : 1 + (lasts or unsynced)]
                assert any(words in failure for words in sayings), (disk.failed, failure)
                assert not (unsynced and "nothing was changed" in failure)
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


def test_an_export_to_a_full_file_system_says_so_and_leaves_nothing(
    backend: Backend, tmp_path: Path, now: Turned
) -> None:
    path = made(backend, tmp_path / "store", now, 1)
    with closing(open_store(str(path), now=now)) as store:
        for number in range(8):
            put(store, f"n-{number}", description="d" * 400_000)
    with mounted(tmp_path / "small"):
        target = tmp_path / "small" / "evidence.bundle"
        with pytest.raises(StoreError) as raised:
            export(str(path), str(target), actor="ann", version="1", now=now)
        checked(raised.value, Fault.UNWRITABLE, target, "full", "make room")
        assert list((tmp_path / "small").iterdir()) == []


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
