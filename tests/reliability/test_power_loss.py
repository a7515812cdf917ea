"""The power fails at any moment: on a disk that keeps only what was synced, every acknowledged transition is there.

A child records the writes, syncs and renames of a whole run; what a disk may hold after each of them is put into a
folder, opened and checked. Leave out one sync, and there must be a disk on which something is lost: else it is not
needed, or the check is blind.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from reliability.disk import Disk, State
from reliability.doomed import Nursery
from reliability.points import FOLDER, Call
from reliability.script import BASES, NAMES, PATIENCE, begun
from reliability.stage import Stage
from taskdeck_store import StoreError, open_store

MOST = 120
"""So many disks are looked at after each call at most."""


_LOG_HEADER = 32
"""The bytes before the first frame of a log (https://www.sqlite.org/fileformat.html, 4.1)."""


class Loss:
    """A run of a base on a store, and what would be left of it."""

    def __init__(self, folder: Path, nursery: Nursery, name: str, base: str, *, quirk: str = "") -> None:
        self._stage = Stage(folder, name, base)
        path = self._stage.path()
        self._before = folder / "before"
        shutil.copytree(path.parent, self._before)
        self.calls = nursery.recorded(path, base, quirk=quirk)
        self._after = path.parent
        self._name = name
        self._folder = folder / "after power loss"
        self._judged: dict[bytes, int | str | None] = {}
        self.states = 0

    @property
    def told(self) -> int:
        """How many steps were acknowledged."""
        return sum(call.kind == "told" for call in self.calls)

    def check_recording(self) -> None:
        """Fail unless the calls lead to what is really there: else there was one that nobody saw."""
        disk = Disk(self._before)
        for call in self.calls:
            disk.take(call)
        there = {file.name: file.read_bytes() for file in self._after.iterdir() if not file.name.endswith("-shm")}
        assert disk.kept() == there

    def violations(self, *, without: int | None = None) -> Iterator[str]:
        """Yield what is wrong with the disks that a power loss may leave; `without` is a call that is left out.

        Right before a sync, whatever a power loss at any moment since the last one may leave is among what it may leave
        then; so these are the moments to look at, and those in which a step was acknowledged.
        """
        calls = [call for at, call in enumerate(self.calls) if at != without]
        disk, chance, told = Disk(self._before), Random(1), 0
        for call, following in zip(calls, [*calls[1:], None], strict=True):
            disk.take(call)
            told += call.kind == "told"
            if call.kind != "told" and following is not None and following.kind != "sync":
                continue
            may_have_landed = self._stage.history.may_have_landed(told)
            for state in disk.states(chance, MOST):
                landed = self._landed(state)
                if landed not in may_have_landed and not (landed is None and not told):
                    yield f"after {told} steps told, and {call.kind} {call.name}: {landed}"

    def _landed(self, state: State) -> int | str | None:
        digest = hashlib.sha256()
        for name in sorted(state):
            digest.update(f"{name} {len(state[name])} ".encode())
            digest.update(state[name])
        key = digest.digest()
        if key not in self._judged:
            self.states += 1
            self._judged[key] = self._judge(state)
        return self._judged[key]

    def _judge(self, state: State) -> int | str | None:
        """Return how many events of the run are there, or what is wrong; None: there is no store."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        for name, content in state.items():
            (self._folder / name).write_bytes(content)
        path = self._folder / self._name
        if not path.exists():
            return None
        try:
            with closing(open_store(str(path), patience=PATIENCE)) as store:
                landed = self._stage.history.landed(store)
                self._stage.history.finish(store, landed)
                return landed
        except (AssertionError, StoreError) as error:
            return f"{type(error).__name__}: {error}"


def is_needed(calls: Sequence[Call], at: int) -> bool:
    """Tell whether a sync is to be missed when it is left out.

    SQLite syncs a log that it has synced before, ahead of a checkpoint; and a new log's header, ahead of the first
    commit, which is synced with that commit as well.
    """
    file = calls[at].file
    if file == FOLDER:
        return True
    last = next(call for call in reversed(calls[:at]) if call.file == file and call.kind in ("sync", "write", "create"))
    return last.kind == "write" and not (last.name.endswith("-wal") and len(last.data) == _LOG_HEADER)


@pytest.mark.parametrize(
    ("name", "base", "quirk"),
    [
        *[("tasks.json", base, "") for base in BASES],
        *[("tasks.json", base, "exchanges no names") for base in ("begun", "left behind")],
        *[("tasks.db", base, "") for base in BASES if base != "outside"],
    ],
)
def test_a_power_loss_takes_nothing_that_was_told(
    folder: Path, nursery: Nursery, report: Callable[..., None], name: str, base: str, quirk: str
) -> None:
    loss = Loss(folder, nursery, name, base, quirk=quirk)
    loss.check_recording()
    assert list(loss.violations()) == []
    assert loss.states > 20
    report(rounds=loss.states, faults=loss.states, acknowledged=loss.told, lost=0, doubled=0)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("name", "base"),
    [*[("tasks.json", base) for base in ("nothing", "begun", "left behind")], ("tasks.db", "begun")],
)
def test_where_a_sync_is_left_out_something_is_lost(
    folder: Path, nursery: Nursery, report: Callable[..., None], name: str, base: str
) -> None:
    loss = Loss(folder, nursery, name, base)
    syncs = [at for at, call in enumerate(loss.calls) if call.kind == "sync"]
    found = {at: next(loss.violations(without=at), None) for at in syncs}
    missed = {at: f"{loss.calls[at].name or 'the folder'}: {found[at]}" for at in syncs}
    assert [missed[at] for at in syncs if (found[at] is not None) is not is_needed(loss.calls, at)] == []
    assert len(syncs) > 4
    report(rounds=len(syncs), faults=len(syncs), found=sum(wrong is not None for wrong in found.values()))


@pytest.mark.soak
def test_a_log_of_sqlite_that_is_synced_late_is_found_to_lose_commits(folder: Path, nursery: Nursery) -> None:
    loss = Loss(folder, nursery, "tasks.db", "begun", quirk="syncs late")
    loss.check_recording()
    assert list(loss.violations())


def test_each_commit_of_sqlite_is_synced_before_it_is_told(folder: Path, nursery: Nursery) -> None:
    loss = Loss(folder, nursery, "tasks.db", "begun")
    unsynced = {"-wal": 0, "": 0}
    commits = 0
    for call in loss.calls:
        suffix = call.name.removeprefix("tasks.db")
        if call.kind == "write" and suffix in unsynced:
            assert suffix or not unsynced["-wal"], "a page reached the file before the log was synced"
            unsynced[suffix] += 1
            commits += suffix == "-wal" and not call.offset
        elif call.kind == "sync" and suffix in unsynced:
            unsynced[suffix] = 0
        elif call.kind == "told":
            assert not unsynced["-wal"]
        elif call.kind == "unlink" and suffix == "-wal":
            assert not unsynced[""], "the log went before its pages were synced in the file"
    assert commits


_KEEPER = """
import json, sys
from pathlib import Path
from reliability.points import install
from taskdeck_store import backup
what, source, target = sys.argv[1:]
calls = []
def around(call, do, half=None):
    calls.append([call.kind, call.file, call.name, call.target, call.other])
    return do()
kept = install(str(Path(target).parent), around)
getattr(backup, what)(source, target)
print(json.dumps(calls))
"""


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", ["backup", "restore", "restore anew"])
def test_a_copy_is_on_the_disk_with_its_name_before_it_is_told(tmp_path: Path, what: str, name: str) -> None:
    source, target = tmp_path / "source" / name, tmp_path / "target" / name
    for path in (source, target):
        path.parent.mkdir()
    begun(source)
    if what == "restore":
        begun(target)
    words = [sys.executable, "-c", _KEEPER, what.partition(" ")[0], str(source), str(target)]
    folders = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    with ExitStack() as stack:
        if what == "restore":
            # Who closes a database last writes its log back and syncs it, whatever was synced before.
            stack.enter_context(closing(open_store(str(target)))).counts()
        keeper = subprocess.run(words, env={**os.environ, "PYTHONPATH": folders}, capture_output=True, check=True)
    calls = json.loads(keeper.stdout)
    assert {"write", "sync"} <= {kind for kind, *_ in calls}
    assert unsynced(calls) - {f"{name}.taskdeck-lock"} == set()


def unsynced(calls: Sequence[Sequence[Any]]) -> set[str]:
    """Return the files, by their last names, whose content is not synced, "" for the folder and its names."""
    dirty: set[int] = set()
    names = {FOLDER: ""}
    for kind, file, name, target, other in calls:
        if kind == "sync":
            dirty.discard(file)
        elif kind in ("write", "truncate", "mode"):
            dirty.add(file)
            names.setdefault(file, name)
        elif kind == "unlink":
            # A name that comes back after a power loss is cleared away by the next who opens the store.
            names.pop(file, None) if names.get(file) == name else None
        else:
            dirty.add(FOLDER)
            names[file] = target or name
            if kind == "exchange":
                names[other] = name
    return {names[file] for file in dirty if file in names}
