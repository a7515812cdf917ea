"""The folder watch: what wakes it, what does not, and what it survives."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taskdeck_store.watch import FilesWatch, FolderWatch

PATIENCE = 10.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "tasks.json"
    path.write_text("[]")
    return path


@pytest.fixture
def watch(path: Path) -> Iterator[FolderWatch]:
    watch = FolderWatch(path)
    yield watch
    watch.close()


def replace(path: Path, text: str) -> None:
    draft = path.with_name("draft")
    draft.write_text(text)
    draft.rename(path)


def beside(suffix: str) -> Callable[[Path], None]:
    return lambda path: path.with_name(path.name + suffix).write_text("x") and None


CHANGES: dict[str, Callable[[Path], object]] = {
    "written in place": lambda path: path.write_text("[1]"),
    "replaced by rename": lambda path: replace(path, "[2]"),
    "deleted": lambda path: path.unlink(),
    "a write-ahead log beside it": beside("-wal"),
    "its lock file": beside(".taskdeck-lock"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_of_the_store_ends_the_wait(watch: FolderWatch, path: Path, change: Callable[[Path], object]) -> None:
    assert not watch.wait(0.05)
    timer = threading.Timer(0.05, change, [path])
    timer.start()
    assert watch.wait(PATIENCE)
    timer.join()


def test_a_change_before_the_first_wait_counts(path: Path) -> None:
    watch = FolderWatch(path)
    path.write_text("[1]")
    assert watch.wait(PATIENCE)
    watch.close()


def test_a_change_between_two_waits_counts(watch: FolderWatch, path: Path) -> None:
    assert not watch.wait(0.05)
    path.write_text("[1]")
    assert watch.wait(PATIENCE)
    path.write_text("[2]")
    assert watch.wait(PATIENCE)


def test_other_files_of_the_folder_do_not_wake(watch: FolderWatch, path: Path) -> None:
    watch.wait(0.05)
    path.with_name("other.json").write_text("x")
    assert not watch.wait(0.3)


def test_reading_the_store_does_not_wake(watch: FolderWatch, path: Path) -> None:
    watch.wait(0.05)
    path.read_text()
    assert not watch.wait(0.3)


def test_a_stop_ends_the_wait(watch: FolderWatch) -> None:
    stop = threading.Event()
    timer = threading.Timer(0.05, stop.set)
    timer.start()
    started = time.monotonic()
    assert not watch.wait(PATIENCE, stop)
    assert time.monotonic() - started < PATIENCE
    timer.join()


def test_closing_ends_the_wait_of_another_thread(path: Path) -> None:
    watch = FolderWatch(path)
    answers: list[bool] = []
    waiter = threading.Thread(target=lambda: answers.append(watch.wait(PATIENCE)))
    waiter.start()
    watch.wait(0.0)
    watch.close()
    waiter.join(PATIENCE)
    assert not waiter.is_alive()
    assert not watch.wait(0.0)


@pytest.mark.parametrize("away", [lambda folder: shutil.rmtree(folder), lambda folder: folder.rename(f"{folder}-2")])
def test_a_folder_that_goes_and_comes_back_is_watched_again(
    watch: FolderWatch, path: Path, away: Callable[[Path], object]
) -> None:
    watch.wait(0.05)
    away(path.parent)
    assert watch.wait(PATIENCE)
    assert not watch.wait(0.3)
    path.parent.mkdir()
    path.write_text("[3]")
    assert watch.wait(PATIENCE)
    while watch.wait(0.3):
        pass
    path.write_text("[4, 4]")
    assert watch.wait(PATIENCE)


def test_waiting_for_a_folder_that_is_gone_does_not_spin(watch: FolderWatch, path: Path) -> None:
    shutil.rmtree(path.parent)
    watch.wait(0.3)
    before = time.process_time()
    assert not watch.wait(1.0)
    assert time.process_time() - before < 0.5


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_is_followed_to_where_the_file_lies(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "near").mkdir()
    real, other, link = (
        tmp_path / "far" / "real.json",
        tmp_path / "far" / "other.json",
        tmp_path / "near" / "tasks.json",
    )
    real.write_text("[]")
    other.write_text("[7]")
    link.symlink_to(real)
    watch = FolderWatch(link)
    watch.wait(0.05)
    replace(real, "[1]")
    assert watch.wait(PATIENCE)
    while watch.wait(0.3):
        pass
    link.unlink()
    link.symlink_to(other)
    assert watch.wait(PATIENCE)
    while watch.wait(0.3):
        pass
    replace(other, "[8]")
    assert watch.wait(PATIENCE)
    watch.close()


def test_where_nothing_notifies_the_file_is_looked_at(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from watchfiles import _rust_notify

    def none_left(*_: object) -> None:
        raise OSError("no watches left")

    monkeypatch.setattr(_rust_notify, "RustNotify", none_left)
    watch = FolderWatch(path)
    assert not watch.wait(0.05)
    path.write_text("[5]")
    assert watch.wait(PATIENCE)
    watch.close()


def test_an_interrupt_ends_the_wait(tmp_path: Path) -> None:
    import signal
    import subprocess

    path = tmp_path / "tasks.json"
    path.write_text("[]")
    code = """
import sys, pathlib
from taskdeck_store.watch import FilesWatch, FolderWatch
watch = FolderWatch(pathlib.Path(sys.argv[1]))
watch.wait(0.01)
try:
    print("ready", flush=True)
    watch.wait(60)
except KeyboardInterrupt:
    print("interrupted")
"""
    child = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    os.kill(child.pid, signal.SIGINT)
    assert child.communicate(timeout=PATIENCE)[0] == "interrupted\n"


IN_A_FOLDER: dict[str, Callable[[Path], object]] = {
    "written in place": lambda folder: (folder / "1.json").write_text("[1]"),
    "new": lambda folder: (folder / "2.json").write_text("[]"),
    "replaced": lambda folder: replace(folder / "1.json", "[2]"),
    "removed": lambda folder: (folder / "1.json").unlink(),
    "in a folder that was not there": lambda folder: made_later(folder),
}


def made_later(folder: Path) -> None:
    (folder / "later").mkdir()
    (folder / "later" / "1.json").write_text("[]")


@pytest.mark.parametrize("change", IN_A_FOLDER.values(), ids=IN_A_FOLDER.keys())
def test_a_change_of_any_file_of_a_folder_ends_the_wait(tmp_path: Path, change: Callable[[Path], object]) -> None:
    (tmp_path / "1.json").write_text("[]")
    watch = FilesWatch([tmp_path, tmp_path / "later"], (".json",))
    assert not watch.wait(0)
    (tmp_path / ".1.json").write_text("hidden")
    (tmp_path / "1.txt").write_text("of no concern")
    assert not watch.wait(0.03)
    change(tmp_path)
    assert watch.wait(PATIENCE)
    watch.close()
