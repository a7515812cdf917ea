"""Short ways to put a task into a store and into a state."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from taskdeck_store import Action, Outcome, State, Store, Task, command
from taskdeck_store.machine import RULES

WAY: dict[State, tuple[Action, ...]] = {
    State.PENDING: (),
    State.IN_PROGRESS: (Action.START,),
    State.REVIEW: (Action.START, Action.SUBMIT),
    State.COMPLETED: (Action.START, Action.SUBMIT, Action.APPROVE),
    State.FAILED: (Action.FAIL,),
}
"""The actions that lead from pending to a state."""


def t(number: int) -> str:
    """Return the id of the so-manieth task: one that every format takes, and that sorts as its number does."""
    return str(10_000 + number)


A, B, C, D, E = map(t, range(1, 6))


def do(store: Store, task_id: str, action: Action, **options: Any) -> Outcome:
    """Apply one command; `options` are those of `command`."""
    (outcome,) = store.apply([command(task_id, action, **{"actor": "ann", **options})])
    return outcome


def done(store: Store, task_id: str, action: Action, **options: Any) -> Task:
    """Apply one command, which must not be refused, and return the task after it."""
    outcome = do(store, task_id, action, **options)
    assert outcome.refusal is None, outcome.refusal
    assert outcome.task is not None
    return outcome.task


def put(store: Store, task_id: str, state: State = State.PENDING, **fields: Any) -> Task:
    """Add a task and lead it into a state."""
    task = done(store, task_id, Action.ADD, **{"title": f"task {task_id}", **fields})
    for actions in _commits(store, WAY[state]):
        (*_, outcome) = store.apply([command(task_id, action, actor="ann") for action in actions])
        assert outcome.refusal is None, outcome.refusal
        assert outcome.task is not None
        task = outcome.task
    return task


def _commits(store: Store, way: Sequence[Action]) -> list[list[Action]]:
    """Return actions by commits: in one are those between which is a state that the store's format lacks."""
    commits: list[list[Action]] = []
    stays = True
    for action in way:
        if stays:
            commits.append([])
        commits[-1].append(action)
        stays = RULES[action].target not in store.limits.lacks
    return commits


def put_all(store: Store, fields: Iterable[tuple[str, State, dict[str, Any]]]) -> None:
    """Add many tasks and lead each into its state, in few commits."""
    wanted = list(fields)
    adds = [command(i, Action.ADD, actor="ann", title=f"task {i}", **given) for i, _, given in wanted]
    ways = [(task_id, _commits(store, WAY[state])) for task_id, state, _ in wanted]
    moves = [
        [
            command(task_id, action, actor="ann")
            for task_id, way in ways
            for actions in way[step : step + 1]
            for action in actions
        ]
        for step in range(3)
    ]
    for commands in (adds, *moves):
        outcomes = store.apply(commands, whole=store.limits.whole)
        assert all(outcome.event for outcome in outcomes)


def quiet(store: Store, seconds: float = 0.05) -> float:
    """Read until a wait finds nothing more, and return how long that took: a store may wake its reader once too often,
    never once too few.
    """
    for _ in range(50):
        store.changes()
        begun = time.monotonic()
        if not store.wait(seconds):
            return time.monotonic() - begun
    raise AssertionError("the store wakes its reader again and again")


def until(store: Store, is_so: Callable[[], bool], *, at_once: bool) -> None:
    """Have a store show what was done elsewhere: at once where the files are here; a server tells of it a moment later,
    which is waited for.
    """
    deadline = time.monotonic() + 30
    while not is_so():
        assert not at_once
        assert time.monotonic() < deadline
        store.wait(0.05)


def rest(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a folder relied on at once, as one in which no name has changed for long."""
    monkeypatch.setattr("taskdeck_store.folder._SETTLED", 0)
    # What changes from now on has another time, however coarse the file system's clock is (Linux: 10 ms at most).
    while time.time_ns() < folder.stat().st_ctime_ns + 30_000_000:
        time.sleep(0.001)
