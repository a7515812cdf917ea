"""A folder's time tells of every change of a name in it, by the calls that put one file in the place of another."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from moving import rest

from taskdeck_store.folder import Folder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="WINDOWS: a folder's time is not relied on there")


def swapped(folder: Path) -> None:
    # https://man7.org/linux/man-pages/man2/renameat2.2.html: from here (-100), RENAME_EXCHANGE (2).
    if sys.platform != "linux":
        pytest.skip("NO renameat2 on this system")
    one, other = (os.fsencode(folder / name) for name in ("a", "b"))
    assert ctypes.CDLL(None, use_errno=True).renameat2(-100, one, -100, other, 2) == 0


def set_back(folder: Path) -> None:
    """As rsync does when it puts a copy of a folder back."""
    before = folder.stat()
    (folder / "b").replace(folder / "a")
    os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "removed": lambda folder: (folder / "a").unlink(),
    "renamed over": lambda folder: (folder / "b").replace(folder / "a"),
    "renamed away": lambda folder: (folder / "a").rename(folder.parent / "a"),
    "renamed in": lambda folder: (folder.parent / "other").rename(folder / "a"),
    "exchanged": swapped,
    "made": lambda folder: (folder / "c").touch(),
    "linked": lambda folder: os.link(folder / "a", folder / "c"),
    "another folder in its place": lambda folder: (folder.rename(folder.parent / "before"), folder.mkdir()),
    "renamed over, and its time set back": lambda folder: set_back(folder),
    "gone": lambda folder: folder.rename(folder.parent / "before"),
}


@pytest.fixture
def still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    for name in ("a", "b", "../other"):
        (folder / name).write_text(name)
    rest(folder, monkeypatch)
    return folder


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_a_name_is_noticed(still: Path, change: str) -> None:
    folder = Folder(still)
    assert not folder.is_still()
    folder.remember(folder.look())
    (still / "a").write_text("written to")
    assert folder.is_still()
    CHANGES[change](still)
    assert not folder.is_still()


def test_what_changed_just_now_is_not_relied_on(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    (tmp_path / "c").touch()
    folder.remember(folder.look())
    assert not folder.is_still()


def test_what_is_forgotten_is_not_relied_on(still: Path) -> None:
    folder = Folder(still)
    folder.remember(folder.look())
    folder.forget()
    assert not folder.is_still()


def test_a_folder_that_is_not_there_is_not_relied_on(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "none")
    folder.remember(folder.look())
    assert not folder.is_still()
