"""The write lock: one holder, in turn, and never the dead."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from moving import rest
from unprivileged import open_folder, unprivileged

from taskdeck_store import Fault, StoreError
from taskdeck_store.lock import SUFFIX, WriteLock

DEADLINE = 30.0
HOLDER = """
import sys
from pathlib import Path
from taskdeck_store.lock import WriteLock
with WriteLock(Path(sys.argv[1]), Path(sys.argv[2])).hold(30):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def like(tmp_path: Path) -> Path:
    path = tmp_path / "tasks.db"
    path.touch()
    return path


@pytest.fixture
def lock_path(like: Path) -> Path:
    return like.with_name(like.name + SUFFIX)


@contextmanager
def asking_elsewhere(lock_path: Path, like: Path) -> Iterator[subprocess.Popen[str]]:
    program = [sys.executable, "-c", HOLDER, str(lock_path), str(like)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def told(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@contextmanager
def held_elsewhere(lock_path: Path, like: Path) -> Iterator[subprocess.Popen[str]]:
    with asking_elsewhere(lock_path, like) as process:
        assert told(process) == "held\n"
        yield process


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def someone_queues(lock_path: Path) -> bool:
    import fcntl

    try:
        fd = os.open(lock_path.with_name(lock_path.name + ".queue"), os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def stopped_in_the_queue(process: subprocess.Popen[str], lock_path: Path) -> bool:
    if not someone_queues(lock_path):
        return False
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    if not someone_queues(lock_path):
        process.send_signal(signal.SIGCONT)
        return False
    return True


def test_who_waits_longer_than_its_patience_is_told_who_is_busy_and_for_how_long(lock_path: Path, like: Path) -> None:
    with held_elsewhere(lock_path, like), pytest.raises(StoreError) as raised, WriteLock(lock_path, like).hold(0.05):
        pass
    assert raised.value.fault is Fault.BUSY
    assert str(like) in raised.value.message
    assert "0.05 s" in raised.value.message


def test_a_waiter_gets_the_lock_when_it_is_let_go(lock_path: Path, like: Path) -> None:
    with held_elsewhere(lock_path, like) as process:
        threading.Timer(0.05, process.kill).start()
        with WriteLock(lock_path, like).hold(DEADLINE):
            assert process.wait(DEADLINE) == -signal.SIGKILL


def test_the_lock_of_a_killed_process_blocks_nobody(lock_path: Path, like: Path) -> None:
    with held_elsewhere(lock_path, like) as process:
        process.kill()
        process.wait(DEADLINE)
        with WriteLock(lock_path, like).hold(0):
            pass


def test_a_holder_that_comes_back_at_once_does_not_overtake_those_who_wait(lock_path: Path, like: Path) -> None:
    mine = WriteLock(lock_path, like)
    with ExitStack() as held:
        held.enter_context(mine.hold(DEADLINE))
        with asking_elsewhere(lock_path, like) as waiting:
            # However slow the one who waits may be to take what is free by now:
            until(lambda: stopped_in_the_queue(waiting, lock_path))
            held.close()
            with pytest.raises(StoreError), mine.hold(0.05):
                pass
            waiting.send_signal(signal.SIGCONT)
            assert told(waiting) == "held\n"
    with mine.hold(DEADLINE):
        pass


def test_a_wait_that_was_given_up_lets_the_lock_go_when_it_comes(lock_path: Path, like: Path) -> None:
    impatient, patient = WriteLock(lock_path, like), WriteLock(lock_path, like)
    with patient.hold(DEADLINE), pytest.raises(StoreError), impatient.hold(0.02):
        pass
    with patient.hold(DEADLINE):
        pass


def test_whoever_waits_again_and_again_has_one_thread_for_it_until_it_is_closed(lock_path: Path, like: Path) -> None:
    first, second = WriteLock(lock_path, like), WriteLock(lock_path, like)
    before = threading.active_count()
    for _ in range(3):
        with ExitStack() as held:
            held.enter_context(first.hold(DEADLINE))
            letting_go = threading.Thread(
                target=lambda held=held: until(lambda: someone_queues(lock_path)) or held.close()
            )
            letting_go.start()
            with second.hold(DEADLINE):
                letting_go.join()
                assert threading.active_count() == before + 1
    second.close()
    until(lambda: threading.active_count() == before)
    with second.hold(0), pytest.raises(StoreError), first.hold(0):
        pass


def test_whoever_gave_up_can_come_back(lock_path: Path, like: Path) -> None:
    impatient, holder = WriteLock(lock_path, like), WriteLock(lock_path, like)
    with holder.hold(DEADLINE):
        before = threading.active_count()
        for _ in range(5):
            with pytest.raises(StoreError), impatient.hold(0.01):
                pass
        assert threading.active_count() == before + 1
    with impatient.hold(DEADLINE), pytest.raises(StoreError), holder.hold(0):
        pass


@pytest.mark.parametrize("rested", [False, True])
def test_a_lock_file_that_was_removed_does_not_make_two_holders(
    lock_path: Path, like: Path, rested: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = WriteLock(lock_path, like), WriteLock(lock_path, like)
    with one.hold(0):
        pass
    if rested:
        rest(lock_path.parent, monkeypatch)
        with one.hold(0):
            pass
    lock_path.unlink()
    with one.hold(0), pytest.raises(StoreError), other.hold(0.01):
        pass


def test_the_body_may_fail(lock_path: Path, like: Path) -> None:
    lock = WriteLock(lock_path, like)
    with pytest.raises(ZeroDivisionError), lock.hold(0):
        raise ZeroDivisionError
    with WriteLock(lock_path, like).hold(0):
        pass


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_the_lock_file_has_the_mode_of_the_store(lock_path: Path, like: Path, mode: int) -> None:
    like.chmod(mode)
    with WriteLock(lock_path, like).hold(0):
        assert stat.S_IMODE(lock_path.stat().st_mode) == mode


def test_without_a_store_the_lock_file_is_the_owners_alone(lock_path: Path, like: Path) -> None:
    like.unlink()
    with WriteLock(lock_path, like).hold(0):
        assert stat.S_IMODE(lock_path.stat().st_mode) == 0o600


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file away")
def test_from_root_the_lock_file_belongs_to_the_owner_of_the_store(lock_path: Path, like: Path) -> None:
    os.chown(like, 12345, 12346)
    with WriteLock(lock_path, like).hold(0):
        assert (lock_path.stat().st_uid, lock_path.stat().st_gid) == (12345, 12346)


def test_a_link_in_the_place_of_the_lock_file_is_not_followed(lock_path: Path, like: Path, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("keep")
    lock_path.symlink_to(target)
    with pytest.raises(StoreError) as raised, WriteLock(lock_path, like).hold(0):
        pass
    assert raised.value.fault is Fault.UNWRITABLE
    assert str(lock_path) in raised.value.message
    assert target.read_text() == "keep"


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_no_lock(lock_path: Path, like: Path, make: Callable[[Path], None]) -> None:
    make(lock_path)
    with pytest.raises(StoreError) as raised, WriteLock(lock_path, like).hold(0):
        pass
    assert raised.value.fault is Fault.UNWRITABLE
    assert WriteLock(lock_path, like).serial() is None


def test_a_folder_one_may_not_write_to_is_named(like: Path) -> None:
    with open_folder() as folder:
        folder.chmod(0o555)

        def check() -> None:
            with pytest.raises(StoreError) as raised, WriteLock(folder / "a.json.taskdeck-lock", like).hold(0):
                pass
            assert raised.value.fault is Fault.UNWRITABLE
            assert str(folder / "a.json.taskdeck-lock") in raised.value.message

        unprivileged(check)


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "gone" / "tasks.json"
    with pytest.raises(StoreError) as raised, WriteLock(missing.with_name("tasks.json.lock"), missing).hold(0):
        pass
    assert raised.value.fault is Fault.MISSING


def test_a_notice_is_read_by_everyone(lock_path: Path, like: Path) -> None:
    lock, other = WriteLock(lock_path, like), WriteLock(lock_path, like)
    assert other.serial() is None
    with lock.hold(0):
        lock.notice(7)
        lock.notice(2**40)
    assert other.serial() == 2**40


def test_a_closed_lock_can_be_held_again(lock_path: Path, like: Path) -> None:
    lock = WriteLock(lock_path, like)
    for _ in range(2):
        with lock.hold(0):
            lock.notice(1)
        lock.close()
    assert lock_path.exists()
