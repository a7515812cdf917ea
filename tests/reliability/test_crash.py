"""Killed in any window of the protocol: what was acknowledged is there, nothing is doubled or half done, all heals."""

from __future__ import annotations

import random
import re
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from reliability.doomed import Nursery
from reliability.outside import Outsider
from reliability.record import Audit, Writer
from reliability.script import BASES, NAMES, PATIENCE, History
from reliability.stage import Stage, pool
from taskdeck_store import Store, create_store, open_store
from taskdeck_store.values import EXTERNAL

BOTH = pytest.mark.parametrize("name", NAMES)
FROM_EACH = pytest.mark.parametrize("base", BASES)

_DRAFT = re.compile(r"\..*\.[0-9a-f]{16}\.new(-wal|-shm|-journal)?")
"""What a killed maker of a store leaves, and nobody misses."""
_ENOUGH = 5
"""Deaths that a soak waits for, however short it is."""


class Deaths:
    """Runs that were killed, and what was found of them."""

    def __init__(self) -> None:
        self.rounds = 0
        self.faults = 0
        self.acknowledged = 0
        self.healed = 0
        self._told = 0

    def figures(self) -> dict[str, int]:
        """Return what the table has of it; whatever was lost or doubled has failed the check."""
        counted = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        return {**counted, "lost": 0, "doubled": 0}

    def check(self, path: Path, history: History, acknowledged: int, bystander: Store | None = None) -> None:
        """Fail unless a store has all that was acknowledged, and heals by itself.

        It is opened anew, unless a bystander had opened it before the run.
        """
        self.rounds += 1
        self.acknowledged += history.ours[acknowledged]
        if not path.exists():
            assert acknowledged == 0
            create_store(str(path))
        may_have_landed = history.may_have_landed(acknowledged)
        left = {file.name for file in path.parent.iterdir() if file.stat().st_size} - history.names
        with closing(open_store(str(path), read_only=True)) as onlooker:
            seen = history.landed(onlooker)
            told, committed = onlooker.mended, _committed(onlooker)
            assert seen <= max(may_have_landed)
        with closing(bystander or open_store(str(path), patience=PATIENCE)) as store:
            landed = history.landed(store)
            assert landed in may_have_landed
            assert seen <= landed
            carried_on = committed < _committed(store)
            history.finish(store, landed)
            told += store.mended
        self.check_told(path, told, {name for name in left if not _DRAFT.fullmatch(name)}, carried_on)
        self.healed += bool(left) or seen < landed
        names = {file.name for file in path.parent.iterdir() if not _DRAFT.fullmatch(file.name)}
        assert names == history.names

    def check_told(self, path: Path, told: tuple[str, ...], left: set[str], carried_on: bool) -> None:
        """Fail unless the handles that looked after a death said what they healed, and no more than that."""
        self._told += bool(told)
        if path.suffix == ".db":
            # A bystander keeps the log open, so that there is nothing to take over.
            assert all("(-wal)" in sentence for sentence in told)
            assert not told or f"{path.name}-wal" in left
            return
        assert any("carried on a commit" in sentence for sentence in told) == carried_on
        removed = {name for name in left if any(f"removed {name}," in sentence for sentence in told)}
        assert removed == left
        known = ("carried on a commit of ", "removed .tasks.json.taskdeck-", "cut off the end of the audit log, ")
        assert all(sentence.startswith(known) for sentence in told)

    def at_each_call(self, stage: Stage, nursery: Nursery, side: str, *, bystander: bool = False) -> None:
        """Have a run killed at its first call that changes a file, at its second, and so on; check what is left."""
        kinds = [call.kind for call in nursery.recorded(stage.path(), stage.base) if call.kind != "told"]
        for number in count(1):
            if side == "half" and kinds[number - 1 : number] not in ([], ["write"]):
                continue
            path = stage.path()
            by = open_store(str(path), patience=PATIENCE) if bystander else None
            if by is not None:
                stage.history.landed(by)
            found = nursery.run(path, stage.base, number=number, side=side)
            before = self._told
            self.check(path, stage.history, found.acknowledged, by)
            shutil.rmtree(path.parent)
            if not found.was_killed:
                assert self._told == before, "nobody died, and something was mended"
                break
            self.faults += 1

        assert self.faults > 10
        assert self._told or (bystander and path.suffix == ".db")


def _committed(store: Store) -> int:
    """Count the events that were asked for; what an outside program did is put on record by who looks."""
    return sum(event.actor != EXTERNAL for event in store.events())


@BOTH
@FROM_EACH
def test_killed_after_each_call(
    folder: Path, nursery: Nursery, report: Callable[..., None], name: str, base: str
) -> None:
    """Between a call and the next, no file changes: so this is the moment before the next one, too."""
    deaths = Deaths()
    deaths.at_each_call(Stage(folder, name, base), nursery, "after")
    report(**deaths.figures())


@BOTH
@pytest.mark.parametrize("base", ["begun", "left behind"])
def test_killed_in_the_middle_of_each_write(
    folder: Path, nursery: Nursery, report: Callable[..., None], name: str, base: str
) -> None:
    deaths = Deaths()
    deaths.at_each_call(Stage(folder, name, base), nursery, "half")
    report(**deaths.figures())


@BOTH
def test_killed_before_each_call_beside_another_program(
    folder: Path, nursery: Nursery, report: Callable[..., None], name: str
) -> None:
    deaths = Deaths()
    deaths.at_each_call(Stage(folder, name, "begun"), nursery, "before", bystander=True)
    report(**deaths.figures())


@pytest.mark.soak
@BOTH
@FROM_EACH
def test_killed_at_random_moments(
    folder: Path, nursery: Nursery, report: Callable[..., None], soak_seconds: float, name: str, base: str
) -> None:
    stage, deaths, chance = Stage(folder, name, base), Deaths(), random.Random(f"{name} {base}")
    path = stage.path()
    begun = time.monotonic()
    assert not nursery.run(path, base).was_killed
    longest = 1.5 * (time.monotonic() - begun)
    until = time.monotonic() + soak_seconds / len(BASES)
    # The first run may have been far slower than the others: the moments come nearer until they hit.
    while time.monotonic() < until or deaths.faults < _ENOUGH:
        assert deaths.rounds < 1_000 or deaths.faults, "nobody could be killed"
        path = stage.path()
        found = nursery.run(path, base, kill_after=chance.uniform(0.0, longest))
        deaths.faults += found.was_killed
        longest *= 1.02 if found.was_killed else 0.9
        deaths.check(path, stage.history, found.acknowledged)
        shutil.rmtree(path.parent)
    report(**deaths.figures())


@pytest.mark.soak
@BOTH
def test_writers_are_killed_again_and_again(
    tmp_path: Path, nursery: Nursery, report: Callable[..., None], soak_seconds: float, name: str
) -> None:
    path, chance = pool(tmp_path / name), random.Random(name)
    numbers = count()
    until = time.monotonic() + soak_seconds
    with Outsider(path, "sql" if path.suffix == ".db" else "rename") as outsider, Audit(path) as audit:
        living = [audit.add(Writer(nursery, path, f"w-{next(numbers)}")) for _ in range(3)]
        while time.monotonic() < until or audit.writers < 10:
            doomed = living.pop(chance.randrange(len(living)))
            doomed.wait_for(chance.randrange(1, 30))
            time.sleep(chance.uniform(0.0, 0.005))
            doomed.kill()
            living.append(audit.add(Writer(nursery, path, f"w-{next(numbers)}")))
        for writer in living:
            writer.kill()
        made, _ = outsider.end()
        found = audit.check()
    report(**found, outside=made["made"], undone=made["undone"])
    assert (found["lost"], found["doubled"]) == (0, 0)
    assert made["undone"] <= 2 + made["made"] // 100
