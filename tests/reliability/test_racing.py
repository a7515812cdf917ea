"""Writers, some of them killed, who looks on, and a program that knows nothing of Taskdeck, all on one store."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from e2e.boards import TASKDECK
from e2e.terminal import Terminal
from reliability.doomed import Nursery
from reliability.outside import Outsider
from reliability.record import Audit, Writer
from reliability.screens import CAN_SHOW_AT_ONCE, COLUMNS, LINES, Frames, Shown
from reliability.stage import pool
from taskdeck_store import Event, Store, open_store
from taskdeck_store.values import EXTERNAL

STORES = pytest.mark.parametrize(
    ("name", "way"), [("tasks.db", "sql"), ("tasks.json", "rename"), ("tasks.json", "in place")]
)
WRITERS = 8
BOARDS = 2
_PATIENCE = 60.0


class Board:
    """A board on a terminal, read to its end. Use it as a context."""

    def __init__(self, path: Path) -> None:
        self._terminal = Terminal([*TASKDECK, str(path)], COLUMNS, LINES, env={"TASKDECK_ACTOR": "reader"})
        self._terminal.send(CAN_SHOW_AT_ONCE)
        self._over = threading.Event()
        self._reading = threading.Thread(target=self._read)

    def __enter__(self) -> Self:
        self._terminal.wait_for(r"t-\d")
        self._reading.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._reading.join()
        self._terminal.__exit__()

    def frames(self, last: Shown) -> Sequence[Shown]:
        """Return what it showed, from its beginning until it shows a last state; fails if it never does."""
        self._over.set()
        self._reading.join()
        frames = Frames()

        def is_last() -> bool:
            frames.take(bytes(self._terminal.raw))
            return frames.seen[-1:] == [last]

        try:
            self._terminal.wait_for(is_last, _PATIENCE)
        except AssertionError as error:
            seen = frames.seen[-1] if frames.seen else frozenset()
            error.add_note(f"it shows {sorted(seen - last)} for {sorted(last - seen)}")
            raise
        return frames.seen

    def _read(self) -> None:
        # The ages on the cards tick: there is something to read each second.
        self._terminal.wait_for(self._over.is_set, 24 * 3600.0)


class Looker:
    """A process that looks at the store whenever it is woken. Use it as a context."""

    def __init__(self, path: Path, way: str) -> None:
        self._told = path.with_name(f"told-by-looker-{way}")
        program = [sys.executable, str(Path(__file__).with_name("looker.py")), str(path), way]
        with self._told.open("wb") as output:
            self._process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.PIPE)

    def __enter__(self) -> Self:
        self._wait_for(lambda: bool(self.looks()))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        _, errors = self._process.communicate(timeout=_PATIENCE)
        assert self._process.returncode == 0, errors

    def catch_up(self, path: Path) -> None:
        """Wait until it has seen what the store is; fails if it never does."""
        self._wait_for(lambda: self.looks()[-1] == now(path))

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not condition():
            assert self._process.poll() is None
            assert time.monotonic() < deadline, self.looks()[-1:]
            time.sleep(0.02)

    def looks(self) -> list[Shown]:
        """Return what it saw, look by look."""
        text = self._told.read_text()
        lines = map(json.loads, text.splitlines()[: text.count("\n")])
        return [frozenset((one, state, title) for one, state, title in tasks) for tasks in lines]


def shown(store: Store) -> Shown:
    """Return what a board shows of a store."""
    return frozenset((task.id, task.state.value, task.title) for task in store.tasks())


def now(path: Path) -> Shown:
    """Return what whoever only looks at the store finds there."""
    with closing(open_store(str(path), read_only=True)) as store:
        return shown(store)


def states(events: Iterable[Event]) -> list[Shown]:
    """Return what all tasks were after each event."""
    tasks: dict[str, tuple[str, str, str]] = {}
    found = []
    for event in events:
        _, _, title = tasks.get(event.task_id, ("", "", ""))
        title = event.changes["title"][1] if "title" in event.changes else title
        tasks[event.task_id] = (event.task_id, str(event.to_state), title)
        found.append(frozenset(tasks.values()))
    return found


def carried_on(events: Iterable[Event], written: Iterable[Shown]) -> set[Shown]:
    """Return what may be there when the last commit of a killed writer is carried on over an outside change."""
    titles: dict[str, str] = {}
    last: dict[str, tuple[str, str, str]] = {}
    for event in events:
        if "title" in event.changes:
            titles[event.task_id] = event.changes["title"][1]
        last[event.actor] = (event.task_id, str(event.to_state), titles[event.task_id])
    mine = [task for actor, task in last.items() if actor.startswith("w-")]
    return {frozenset(one for one in theirs if one[0] != task[0]) | {task} for theirs in written for task in mine}


def never_were(frames: Sequence[Shown], after: Sequence[Shown], written: Iterable[Shown]) -> list[str]:
    """Tell of the frames that show what no commit left and no outsider wrote, or that go back to an earlier commit."""
    numbers: dict[Shown, list[int]] = {}
    for number, state in enumerate(after, 1):
        numbers.setdefault(state, []).append(number)
    theirs = set(written)
    last, wrong = 0, []
    for at, frame in enumerate(frames):
        found = numbers.get(frame, [])
        later = bisect_left(found, last)
        if later < len(found):
            last = found[later]
        elif frame not in theirs:
            near = max((*theirs, *numbers), key=lambda state: len(state & frame))
            went = f"is as after events {found}" if found else f"has {sorted(frame - near)} for {sorted(near - frame)}"
            place = numbers.get(near, "outside")
            wrong.append(f"frame {at} of {len(frames)}, after one as after event {last}, {went} of {place}")
    return wrong


@pytest.mark.soak
@STORES
def test_writers_boards_and_a_program_that_knows_nothing_of_them(
    tmp_path: Path, nursery: Nursery, report: Callable[..., None], soak_seconds: float, name: str, way: str
) -> None:
    path = pool(tmp_path / name)
    with ExitStack() as stack:
        audit = stack.enter_context(Audit(path))
        boards = [stack.enter_context(Board(path)) for _ in range(BOARDS)]
        outsider = stack.enter_context(Outsider(path, way))
        writers = [audit.add(Writer(nursery, path, f"w-{number}")) for number in range(WRITERS)]
        threading.Event().wait(soak_seconds)
        for writer in writers:
            writer.wait_for(1)
            writer.kill()
        made, written = outsider.end()
        found: dict[str, Any] = audit.check()
        with closing(open_store(str(path))) as store:
            events, last = store.events(), shown(store)
        frames = [board.frames(last) for board in boards]
    after = states(events)
    theirs_or_ours = {*written, *carried_on(events, written)}
    wrong = [never_were(each, after, theirs_or_ours) for each in frames]
    theirs = sum(event.actor == EXTERNAL for event in events)
    figures = {"outside": made["made"], "undone": made["undone"], "frames": sum(map(len, frames))}
    fairness = round(found["per_writer"][0] / found["per_writer"][-1], 2)
    report(**found, **figures, fairness=fairness, never_were=sum(map(len, wrong)))
    assert (found["lost"], found["doubled"]) == (0, 0)
    assert fairness > 0.1
    assert wrong == [[]] * BOARDS
    assert min(map(len, frames)) > 3
    assert theirs > 0
    # Who rewrites the whole file without a lock may read it in the moment in which an exchange is undone.
    assert made["undone"] <= 2 + made["made"] // 100 or way == "in place"
    assert theirs == made["made"] or way != "sql"


@pytest.mark.soak
@STORES
def test_who_looks_on_comes_to_the_last_state_though_every_writer_is_killed(
    tmp_path: Path, nursery: Nursery, report: Callable[..., None], soak_seconds: float, name: str, way: str
) -> None:
    """Nobody is left who could tell of the last commit, and nobody else looks who could put it in order."""
    chance, until = random.Random(name + way), time.monotonic() + soak_seconds
    figures = {"rounds": 0, "faults": 0, "acknowledged": 0, "lost": 0, "doubled": 0, "outside": 0, "undone": 0}
    figures |= {"frames": 0, "never_were": 0}
    while time.monotonic() < until:
        figures["rounds"] += 1
        folder = tmp_path / f"{figures['rounds']}"
        folder.mkdir()
        path = pool(folder / name)
        with ExitStack() as stack:
            audit = stack.enter_context(Audit(path))
            lookers = [stack.enter_context(Looker(path, how)) for how in ("read-only", "read-write")]
            outsider = stack.enter_context(Outsider(path, way))
            living = [audit.add(Writer(nursery, path, f"w-{number}")) for number in range(4)]
            for _ in range(10):
                doomed = living.pop(chance.randrange(len(living)))
                doomed.wait_for(1)
                time.sleep(chance.uniform(0.0, 0.02))
                doomed.kill()
                living.append(audit.add(Writer(nursery, path, f"w-{audit.writers}")))
            made, written = outsider.end()
            for writer in living:
                writer.kill()
            for looker in lookers:
                looker.catch_up(path)
            found = audit.check()
            with closing(open_store(str(path))) as store:
                events = store.events()
        after, theirs_or_ours = states(events), {*written, *carried_on(events, written)}
        wrong = [never_were(looker.looks(), after, theirs_or_ours) for looker in lookers]
        assert wrong == [[], []]
        for key in ("faults", "acknowledged", "lost", "doubled"):
            figures[key] += found[key]
        figures["outside"] += made["made"]
        figures["undone"] += made["undone"]
        figures["frames"] += sum(len(looker.looks()) for looker in lookers)
    report(**figures)
    assert (figures["lost"], figures["doubled"]) == (0, 0)
    assert figures["outside"] > figures["rounds"]
