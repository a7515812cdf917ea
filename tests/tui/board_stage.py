"""A board on a real store of a few tasks, with a second handle that plays the other programs."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from taskdeck_store import Action, Store, command, create_store, open_store
from taskdeck_store.clock import Clock, utc_now
from taskdeck_store.readable import open_readable
from taskdeck_store.values import State, Task
from taskdeck_tui.board.screen import BoardScreen
from taskdeck_tui.board.widget import Board
from taskdeck_tui.checking import BEGIN
from taskdeck_tui.deck import Deck
from taskdeck_tui.feed import Reader
from taskdeck_tui.model.look import Wanted
from taskdeck_tui.model.view import View
from taskdeck_tui.outlet import Outlet
from taskdeck_tui.remembered import Remembered
from taskdeck_tui.stepping import Stepping
from taskdeck_tui.writer import Writer

STEPS: dict[State, tuple[Action, ...]] = {
    State.PENDING: (),
    State.IN_PROGRESS: (Action.START,),
    State.REVIEW: (Action.START, Action.SUBMIT),
    State.COMPLETED: (Action.START, Action.SUBMIT, Action.APPROVE),
    State.FAILED: (Action.START, Action.FAIL),
}


def filled(path: Path, counts: Sequence[int] = (4, 2, 3, 2, 2), now: Clock = utc_now) -> Path:
    """Make a store with so many tasks in each state; ids are like ``review-2``."""
    create_store(str(path))
    store = open_store(str(path), now=now)
    for state, count in zip(State, counts, strict=True):
        for number in range(1, count + 1):
            add(store, f"{state.replace('_', '-')}-{number}", state)
    store.close()
    return path


def add(store: Store, task_id: str, state: State = State.PENDING, **fields: Any) -> None:
    """Add a task and bring it to a state by the moves of the table."""
    given = {"title": f"Title of {task_id}", **fields}
    done = store.apply([command(task_id, Action.ADD, actor="seed", **given)])
    assert done[0].refusal is None, done[0].refusal
    for action in STEPS[state]:
        act(store, task_id, action)


def act(store: Store, task_id: str, action: Action, *, actor: str = "worker-1", note: str | None = None) -> Task:
    """Have another program move a task."""
    fields = {"result": {"answer": 42}} if action is Action.SUBMIT else {}
    (outcome,) = store.apply([command(task_id, action, actor=actor, note=note or "because", **fields)])
    assert outcome.refusal is None, outcome.refusal
    assert outcome.task is not None
    return outcome.task


def plain_sql(path: Path, statement: str, *rows: Sequence[object]) -> None:
    """Run SQL as a program that knows nothing of Taskdeck: in a process of its own, with Python's sqlite3.

    Never in this process: two copies of SQLite in one process do not see each other's locks.
    """
    program = (
        "import json, sqlite3, sys\n"
        "path, statement, rows = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])\n"
        "with sqlite3.connect(path) as connection:\n"
        "    connection.executemany(statement, rows) if rows else connection.execute(statement)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(path), statement, json.dumps(rows)], check=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Have another process hold the write lock of a SQLite store."""
    program = (
        "import sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute('BEGIN IMMEDIATE')\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "locked\n"
        yield
    finally:
        holder.stdin.close()
        holder.wait()
        holder.stdout.close()


class Stage:
    """The open board, the reader that serves it, and another program's handle on its store."""

    def __init__(self, pilot: Pilot[Any], deck: Deck, other: Store, reader: Reader) -> None:
        self.reader = reader
        self.pilot = pilot
        self.deck = deck
        self.other = other

    @property
    def screen(self) -> BoardScreen:
        screen = self.deck.screen_stack[0]
        assert isinstance(screen, BoardScreen)
        return screen

    @property
    def board(self) -> Board:
        return self.screen.query_one(Board)

    @property
    def view(self) -> View:
        return self.board.view

    @property
    def held(self) -> str | None:
        return self.view.held.id if self.view.held else None

    def ids(self, column: int) -> list[str]:
        return [card.id for card in self.view.columns[column].cards]

    def text(self, selector: str) -> str:
        return str(self.screen.query_one(selector).render())

    @property
    def status(self) -> str:
        return self.text("#status")

    @property
    def header(self) -> str:
        return self.text("#header")

    def state(self, task_id: str) -> State | None:
        task = self.other.get(task_id)
        return task.state if task else None

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def until(self, condition: Callable[[], object], seconds: float = 10.0, *, idle: bool = True) -> None:
        """Wait until a condition holds, and look only when the board is `idle`, or else at any moment."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds} s; status: {self.status!r}"
            if idle:
                await self.pilot.pause()
            await asyncio.sleep(0.005)


@asynccontextmanager
async def staged(
    path: Path,
    *,
    size: tuple[int, int] = (160, 40),
    read_only: bool = False,
    actor: str = "ada",
    now: Clock = utc_now,
    patience: float = 5.0,
    check_after: float = BEGIN,
    order: str = "",
    handlers: str | None = None,
) -> AsyncIterator[Stage]:
    """Open the board of a store, as `run_board` does."""
    store = open_readable(str(path), read_only=read_only, now=now, patience=0.5)
    outlet = Outlet()
    reader = Reader(store, Wanted(), now, outlet, check_after=check_after)
    reader.prime()
    writer = Writer(lambda: open_store(str(path), now=now, patience=patience), outlet)
    locked = store.read_only and store.damage is None
    stepping = None
    if handlers is not None:
        stepping = Stepping(
            lambda: open_store(str(path), now=now, patience=patience), handlers, outlet, actor=actor, now=now
        )
    deck = Deck(
        str(path),
        store.kind,
        reader,
        writer,
        outlet,
        past=lambda: open_readable(str(path), read_only=True, now=now),
        stepping=stepping,
        remembered=Remembered(order=order),
        read_only=locked,
        actor=actor,
        now=now,
    )
    other = open_readable(str(path), read_only=False, now=now, patience=5.0)
    try:
        async with deck.run_test(size=size) as pilot:
            stage = Stage(pilot, deck, other, reader)
            await stage.until(lambda: stage.view.height > 1)
            yield stage
    finally:
        writer.close(10)
        if stepping is not None:
            assert stepping.close(30)
        reader.close()
        other.close()
