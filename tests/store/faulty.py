"""What fails is tried in a child process, and what must hold whatever failed."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from backends import Backend
from moving import put

from conftest import Turned
from taskdeck_store import Action, Fault, Store, StoreError, command, open_store
from taskdeck_store.lock import SUFFIX
from taskdeck_store.machine import Command
from taskdeck_store.replacement import _exchange
from taskdeck_store.verification import verify

DEADLINE = 30.0
FOUND = 3


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
    """Make a sound store with so many commits."""
    folder.mkdir(exist_ok=True)
    path = backend.make(folder)
    with closing(open_store(str(path), now=now)) as store:
        for number in range(tasks):
            put(store, f"old-{number}")
    # What a look takes is loaded here, once, and not in each child.
    look(path, now)
    return path


def copy_of(path: Path, folder: Path) -> Path:
    shutil.copytree(path.parent, folder)
    return folder / path.name


def no_litter(path: Path) -> None:
    names = {path.name + suffix for suffix in ("", SUFFIX, "-wal", "-shm")} | {"tasks.audit.jsonl"}
    assert {file.name for file in path.parent.iterdir()} <= names


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
