"""What a board costs, at 100, 10,000 and 100,000 tasks: ``python tests/bench/board.py [--tasks N …] [--launches N]``.

Each figure stands beside a floor that is measured in the same run, in turns with it: a Textual app that fills the
same screen and knows no store. Times of two runs or two machines are not to be compared; their ratios are.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import apsw
import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from e2e.boards import STATES, TASKDECK
from e2e.terminal import Terminal
from taskdeck_store import Action, command, create_store, open_store

COLUMNS, LINES = 200, 50
KEYS = 40
CHANGES = 40
PAUSE = 0.05
SLOW = 120.0

_FLOOR = """
from rich.segment import Segment
from textual.app import App
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

class Page(Widget, can_focus=True):
    BINDINGS = [("j", "down", "down")]
    number = 0
    def render_line(self, y):
        return Strip([Segment(f"row {y} of number {self.number} ".ljust(200, "x"))])
    def action_down(self):
        self.number += 1
        self.refresh(Region(0, 0, 200, 1))

class Floor(App):
    CSS = "Page { width: 100%; height: 100%; }"
    def compose(self):
        yield Page()

Floor().run()
"""
FLOOR = [sys.executable, "-c", _FLOOR]

MOVES = (Action.START, Action.SUBMIT, Action.APPROVE)


def main() -> None:
    """Measure, and print as a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, nargs="+", default=[100, 10_000, 100_000])
    parser.add_argument("--launches", type=int, default=9, help="of each (%(default)s)")
    given = parser.parse_args()
    print(_machine())
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", TASKDECK_ACTOR="bench")
        os.environ.update(XDG_STATE_HOME=folder, XDG_CONFIG_HOME=folder)
        for kind in ("db", "json"):
            first: dict[str, float] = {}
            for tasks in given.tasks:
                path = Path(folder) / f"{tasks}.{kind}"
                _fill(path, tasks)
                print(f"\n{kind}, {tasks:,} tasks, {path.stat().st_size / 1e6:.1f} MB")
                for name, figure, floor, unit in _figures(path, tasks, given.launches):
                    grown = figure / first.setdefault(name, figure)
                    print(
                        f"  {name:32} {figure:8.1f} {unit}   the bare app {floor:8.1f} {unit}   × {figure / floor:5.2f}"
                        f"   of the figure at {given.tasks[0]:,}: × {grown:.2f}"
                    )


def _figures(path: Path, tasks: int, launches: int) -> Iterator[tuple[str, float, float, str]]:
    board = [*TASKDECK, str(path)]
    ours, bare = [], []
    for _ in range(launches):
        ours.append(_launch(board, b"task number "))
        bare.append(_launch(FLOOR, b"row 0 of number 0"))
    yield "launch to first cards", _middle(ours), _middle(bare), "ms"

    with _open(board, b"pending 1/") as screen, _open(FLOOR, b"row 0 of number 0") as floor:
        ours, bare = [], []
        for number in range(1, KEYS + 1):
            key = "j" if number % 2 else "k"
            ours.append(_painted(screen, b"task number 5", lambda key=key: screen.send(key)))
            bare.append(_painted(floor, f"of number {number} ".encode(), lambda: floor.send("j")))
        yield "key to its paint", _middle(ours), _middle(bare), "ms"

        ours = []
        for number in range(CHANGES):
            title = f"changed {number:04}"
            ours.append(_painted(screen, title.encode(), lambda title=title: _change(path, title)))
        yield "outside commit to its paint", _middle(ours), _middle(bare), "ms"
        yield "the slowest of 20 of those", sorted(ours)[-max(len(ours) // 20, 1)], _middle(bare), "ms"
        yield "memory of its own", _memory(screen), _memory(floor), "MB"


def _launch(argv: Sequence[str], first: bytes) -> float:
    started = time.perf_counter()
    with _open(argv, first):
        return (time.perf_counter() - started) * 1000


@contextmanager
def _open(argv: Sequence[str], first: bytes) -> Iterator[Terminal]:
    with Terminal(argv, COLUMNS, LINES) as terminal:
        terminal.wait_for(lambda: first in terminal.raw, SLOW)
        yield terminal


def _painted(terminal: Terminal, text: bytes, do: Callable[[], object]) -> float:
    """Return the milliseconds from the end of `do` until a text has come that was not there before."""
    # Textual paints at most 60 times a second: without a pause, that is what would be measured. What is still to come
    # of an earlier paint is read meanwhile.
    rested = time.perf_counter() + PAUSE
    terminal.wait_for(lambda: time.perf_counter() >= rested)
    before = len(terminal.raw)
    do()
    started = time.perf_counter()
    terminal.wait_for(lambda: terminal.raw.find(text, before) >= 0, SLOW)
    return (time.perf_counter() - started) * 1000


def _change(path: Path, title: str) -> None:
    """Change the first card as a program does that knows nothing of Taskdeck."""
    if path.suffix == ".json":
        text = path.read_bytes()
        start = text.index(b'"title": "') + 10
        partial = path.with_suffix(".new")
        partial.write_bytes(text[:start] + title.encode() + text[text.index(b'"', start) :])
        partial.replace(path)
        return
    database = sqlite3.connect(path)
    with database:
        database.execute("UPDATE tasks SET title = ? WHERE id = 't-0'", (title,))
    database.close()


def _fill(path: Path, tasks: int) -> None:
    """Make a store with a fifth of its tasks in each state."""
    if path.suffix == ".json":
        every = [
            {"id": f"t-{n}", "title": f"task number {n}", "state": STATES[n % 5].replace(" ", "_"), "priority": n}
            for n in range(tasks)
        ]
        path.write_text(json.dumps(every, indent=2))
        return
    create_store(str(path))
    store = open_store(str(path))
    for first in range(0, tasks, 5_000):
        commands = []
        for n in range(first, min(first + 5_000, tasks)):
            commands.append(command(f"t-{n}", Action.ADD, actor="bench", title=f"task number {n}", priority=n))
            past = (Action.FAIL,) if n % 5 == 4 else MOVES[: n % 5]
            commands += [command(f"t-{n}", action, actor="bench") for action in past]
        store.apply(commands)
    store.close()


def _memory(terminal: Terminal) -> float:
    return float(psutil.Process(terminal.pid).memory_full_info().uss) / 1e6


def _middle(figures: Sequence[float]) -> float:
    return statistics.median(figures)


def _machine() -> str:
    names = ("textual", "apsw", "msgspec", "watchfiles")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return (
        f"{platform.platform()}, {os.cpu_count()} × {platform.processor() or platform.machine()}\n"
        f"Python {platform.python_version()}, SQLite {apsw.sqlitelibversion()}, {versions}"
    )


if __name__ == "__main__":
    main()
