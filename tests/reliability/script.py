"""A fixed run of transitions on a store, what it leads to, and how much of it a store shows.

The run is the same each time, moments included: so whatever a killed run left must be a beginning of the whole one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

import apsw
from msgspec import Struct, to_builtins

from taskdeck_store import Action, Command, Event, Outcome, Store, clock, command, create_store, open_store
from taskdeck_store.lock import SUFFIX
from taskdeck_store.verification import verify

NAMES = ("tasks.json", "tasks.db")
ACTOR = "crew"
PATIENCE = 5.0
"""Seconds that a run, and who opens a store after it, waits for the write lock."""

_BEGIN = "2026-01-31T09:00:00.000000Z"


class Step(Struct, frozen=True):
    """One call of `apply`."""

    commands: tuple[Command, ...]
    whole: bool = False


class Create(Struct, frozen=True):
    """Make the store."""


class Reopen(Struct, frozen=True):
    """Close the store, and open it again with the next step."""


Steps: TypeAlias = Sequence[Step | Create | Reopen]


def _step(*wanted: tuple[str, Action, dict[str, Any]], whole: bool = False, name: str) -> Step:
    commands = [
        command(task_id, action, actor=ACTOR, operation=f"{name}-{number}", **fields)
        for number, (task_id, action, fields) in enumerate(wanted)
    ]
    return Step(tuple(commands), whole)


STEPS: Steps = (
    _step(("t-2", Action.START, {}), ("t-9", Action.ADD, {"title": "Nine", "tags": ["x"]}), name="two"),
    _step(("t-2", Action.SUBMIT, {"result": {"text": "long " * 900}}), name="submit"),
    _step(("t-3", Action.START, {}), ("t-10", Action.APPROVE, {}), whole=True, name="refused"),
    Reopen(),
    _step(("t-2", Action.REJECT, {"note": "too long"}), name="reject"),
    _step(("t-3", Action.START, {}), ("t-9", Action.EDIT, {"title": "Neun ü"}), whole=True, name="whole"),
    Reopen(),
)
"""Expects `t-2` and `t-3`, pending."""

FROM_NOTHING: Steps = (
    Create(),
    _step(("t-2", Action.ADD, {"title": "Two"}), ("t-3", Action.ADD, {"title": "Three"}), name="add"),
    Reopen(),
)


def begun(path: Path) -> None:
    """Make a store in which something was done already."""
    create_store(str(path))
    with closing(open_store(str(path))) as store:
        store.apply([command(f"t-{number}", Action.ADD, actor="before", title=f"T {number}") for number in (1, 2, 3)])
        store.apply([command("t-1", Action.START, actor="before")])


def outside(path: Path) -> None:
    """Make a store that a program has changed which knows nothing of Taskdeck: a part of it is not on record, or not
    sealed.
    """
    begun(path)
    if path.suffix == ".json":
        tasks = json.loads(path.read_bytes())
        tasks[2]["title"] = "theirs"
        tasks.append({"id": "t-4", "title": "theirs too", "state": "pending", "colour": "red"})
        path.write_text(json.dumps(tasks, indent=2))
        return
    # In a process of its own: two SQLite libraries in one undo each other's file locks.
    theirs = "UPDATE tasks SET title = 'theirs' WHERE id = 't-3'; INSERT INTO tasks (id, title) VALUES ('t-4', 'too')"
    program = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2]).connection.close()"
    subprocess.run([sys.executable, "-c", program, str(path), theirs], check=True, timeout=60)


def foreign(path: Path) -> None:
    """Make what Taskdeck takes over: a task file without a log, or a store of the first layout."""
    if path.suffix == ".json":
        tasks = [{"id": f"t-{number}", "title": f"T {number}", "status": "pending", "x": 1} for number in (1, 2, 3)]
        path.write_text(json.dumps({"tasks": tasks}, indent=1))
        return
    layout = Path(__file__).parents[1] / "store" / "layouts" / "layout-1.sql"
    old = apsw.Connection(str(path))
    old.execute(layout.read_text())
    old.close()


def left_behind(path: Path) -> None:
    """Make what a killed writer leaves: a commit that has reached the log alone."""
    begun(path)
    last = [command("t-1", Action.SUBMIT, actor="before", result={"ok": True})]
    if path.suffix == ".json":
        kept = {file: file.read_bytes() for file in (path, path.with_name(path.name + SUFFIX))}
        with closing(open_store(str(path))) as store:
            store.apply(last)
        for file, content in kept.items():
            file.write_bytes(content)
        return
    with closing(open_store(str(path))) as store:
        store.apply(last)
        kept = {file: file.read_bytes() for file in path.parent.iterdir() if not file.name.endswith("-shm")}
    for file, content in kept.items():
        file.write_bytes(content)


def nothing(path: Path) -> None:
    """Make nothing."""


BASES: Mapping[str, tuple[Callable[[Path], None], Steps]] = {
    "nothing": (nothing, FROM_NOTHING),
    "begun": (begun, STEPS),
    "left behind": (left_behind, STEPS),
    "outside": (outside, STEPS),
    "foreign": (foreign, STEPS),
}
"""What a run may begin with, and its steps."""


def run(path: Path, steps: Steps, told: Callable[[int, Sequence[Outcome]], None]) -> None:
    """Do all the steps, and tell the number of each, counted from 1, and its outcomes, when it is done."""
    number = 0
    store: Store | None = None

    def now() -> clock.Time:
        return clock.plus(_BEGIN, number)

    for number, step in enumerate(steps, 1):
        outcomes: Sequence[Outcome] = ()
        if isinstance(step, Create):
            create_store(str(path))
        elif isinstance(step, Reopen):
            if store is not None:
                store.close()
            store = None
        else:
            store = store or open_store(str(path), now=now, patience=PATIENCE)
            outcomes = store.apply(step.commands, whole=step.whole)
        told(number, outcomes)


class History:
    """What the whole run leads to, and each place where it may have been cut off.

    `ours` counts the events of the run after so many steps. `names` are those of the files in the end.
    """

    def __init__(self, path: Path, steps: Steps) -> None:
        """Do the run on a store as others will find it."""
        self.steps = steps
        self.ours = [0]
        self._seqs: dict[str, int] = {}
        # Who only looks does not see what a writer left behind, nor put an outside change on record.
        self._tasks = {0: [_tasks_at(path, read_only=True), _tasks_at(path, read_only=False)]}

        def told(_: int, outcomes: Sequence[Outcome]) -> None:
            self._seqs |= {outcome.command.operation: outcome.event.seq for outcome in outcomes if outcome.event}
            self.ours.append(len(self._seqs))
            self._tasks[len(self._seqs)] = [_tasks_at(path, read_only=True)]

        run(path, steps, told)
        self.names = {file.name for file in path.parent.iterdir()}
        with closing(open_store(str(path), read_only=True)) as store:
            self._events = [_said(event) for event in store.events()]
        assert len(self._seqs) == sum(event["actor"] == ACTOR for event in self._events)

    def landed(self, store: Store) -> int:
        """Return how many events of the run a store holds. Fails unless it is what some steps of the run lead to."""
        events = [_said(event) for event in store.events()]
        assert events == self._events[: len(events)]
        ours = sum(event["actor"] == ACTOR for event in events)
        assert ours in self._tasks, f"a commit is there in part: {ours} events"
        found = verify(store)
        assert found.broken is None
        # Who only looks cannot put on record what an outside program did to a task file before the run.
        assert not found.differing or (store.read_only and not ours), found.differing
        assert all(one.heals and store.read_only for one in found.defects), found.defects
        assert _tasks(store) in self._tasks[ours]
        return ours

    def may_have_landed(self, acknowledged: int) -> set[int]:
        """Return how many events a store may hold after so many acknowledged steps: all of them, and one step more."""
        return set(self.ours[acknowledged : acknowledged + 2])

    def finish(self, store: Store, landed: int) -> None:
        """Do the run once more, and so to its end: what has landed is repeated, and nothing else."""
        for step in self.steps:
            if not isinstance(step, Step):
                continue
            for outcome in store.apply(step.commands, whole=step.whole):
                seq = self._seqs.get(outcome.command.operation)
                if seq is None:
                    assert outcome.event is None
                    continue
                assert outcome.event is not None, outcome.refusal
                assert outcome.event.seq == seq
                assert outcome.repeated is (sum(other <= seq for other in self._seqs.values()) <= landed)
        assert self.landed(store) == self.ours[-1]


def _said(event: Event) -> dict[str, Any]:
    """What must be the same in each run: an outside change is put on record at another moment, so sealed otherwise."""
    said: dict[str, Any] = to_builtins(event)
    return {name: value for name, value in said.items() if name not in ("at", "hash")}


def _tasks_at(path: Path, *, read_only: bool) -> Any:
    if not path.exists():
        return None
    with closing(open_store(str(path), read_only=read_only)) as store:
        return _tasks(store)


def _tasks(store: Store) -> dict[str, Any]:
    stamps = ("version", "created_at", "updated_at", "state_since")
    tasks = [to_builtins(task) for task in store.tasks()]
    return {task["id"]: {name: value for name, value in task.items() if name not in stamps} for task in tasks}
