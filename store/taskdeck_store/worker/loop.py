"""The loop written out, for who wants to see each step: functions that stand around a ``while has_work(store)``.

    while has_work(store):
        task = get_next_task(store)
        if task.state == TaskState.PENDING:
            start_task(task)
            task.state = TaskState.IN_PROGRESS
        elif task.state == TaskState.IN_PROGRESS:
            task.result = execute(task)
            task.state = TaskState.REVIEW
        elif task.state == TaskState.REVIEW:
            task.state = TaskState.COMPLETED if verify(task.result) else TaskState.PENDING
        save_task(task)
    summary = summarize(store)

It is safe beside other workers: a task that is to be started is claimed, in the store, before the loop sees it as
pending, and what is saved is fenced. There are no heartbeats: a step that takes longer than `LEASE` may be done by
another as well, and what comes second is dropped. `taskdeck_store.worker.Worker` has none of these limits.
"""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any
from weakref import WeakKeyDictionary

from taskdeck_store import clock, machine, recovery
from taskdeck_store.claiming import claim_of, new_owner
from taskdeck_store.contract import Claiming, Store
from taskdeck_store.machine import Code, Command, command
from taskdeck_store.query.terms import Field, Pattern, Query, TextTerm
from taskdeck_store.values import Action, Claim, Task
from taskdeck_store.values import State as TaskState
from taskdeck_store.worker import commits

__all__ = ["LEASE", "LoopTask", "TaskState", "get_next_task", "has_work", "save_task", "start_task", "summarize"]

LEASE = 900.0
"""Seconds for which the loop holds a task that it has started, or handed in."""

_LOG = logging.getLogger("taskdeck.worker")
_IN_REVIEW = Query((TextTerm(field=Field.STATE, choices=(Pattern("exact", TaskState.REVIEW),)),))


class LoopTask(SimpleNamespace):
    """A task whose fields, named as those of `Task`, may be set; `save_task` commits them."""

    id: str
    state: TaskState
    result: Any
    attempts: int
    error: str | None


class _Loop:
    """What the loop on a store holds: the task that is next, and what is under way."""

    def __init__(self) -> None:
        self.owner = new_owner()
        self.next: LoopTask | None = None
        self.held: dict[str, tuple[Task, Claim | None]] = {}


_LOOPS: WeakKeyDictionary[Store, _Loop] = WeakKeyDictionary()


def has_work(store: Store) -> bool:
    """Tell whether there is a next task: one that is under way here, one to look at, or one to start, which is claimed.

    Raises StoreError.
    """
    loop = _LOOPS.setdefault(store, _Loop())
    if loop.next is None:
        loop.next = _under_way(loop) or _to_look_at(store, loop) or _claimed(store, loop)
        if loop.next is not None:
            loop.next.store = store
    return loop.next is not None


def get_next_task(store: Store) -> LoopTask:
    """Return the next task. Raises LookupError when there is none, and StoreError."""
    if not has_work(store):
        raise LookupError("there is no work; ask has_work first")
    task, _LOOPS[store].next = _LOOPS[store].next, None
    assert task is not None
    return task


def start_task(task: LoopTask) -> None:
    """Nothing more is to be done to start a task: it was claimed when it became the next."""


def save_task(task: LoopTask) -> bool:
    """Commit what was set; tell whether it was committed: not when somebody else has the task by now.

    Raises ValueError for a move that the transition table does not have, and for what the store cannot keep; the task
    is then as it was. Raises StoreError.
    """
    store: Store = task.store
    loop = _LOOPS[store]
    before, claim = loop.held[task.id]
    closing = _closing(task, before, claim, loop.owner)
    if closing is None:
        return True
    (outcome,) = store.apply([closing])
    if outcome.refusal is not None and outcome.refusal.code in (Code.INVALID, Code.READ_ONLY):
        raise ValueError(outcome.refusal.message)
    del loop.held[task.id]
    if outcome.refusal is not None:
        _LOG.warning("%s", outcome.refusal.message)
        return False
    if outcome.task is not None and outcome.task.state in machine.LEASED:
        loop.held[task.id] = outcome.task, claim_of(outcome)
    return True


def summarize(store: Store) -> dict[str, int]:
    """Return how many tasks of the store are in each state. Raises StoreError."""
    return {state.value: tally.count for state, tally in store.counts().items()}


def _closing(task: LoopTask, before: Task, claim: Claim | None, owner: str) -> Command | None:
    """Return the command for what was set; None where that is on record already."""
    to = TaskState(task.state)
    fenced: dict[str, Any] = {"claim": claim} if claim is not None else {"expect": before.version}
    if to is before.state:
        return None
    action = machine.action_between(before.state, to)
    if action is None:
        raise ValueError(f"{task.id}: {machine.why_no_move(before.state, to)}")
    if machine.RULES[action].again and commits.is_last(before):
        action = Action.FAIL
    match action:
        case Action.SUBMIT:
            lease = clock.plus(clock.utc_now(), LEASE)
            return command(task.id, action, actor=owner, result=task.result, lease_until=lease, **fenced)
        case Action.REJECT | Action.RELEASE:
            return command(task.id, action, actor=owner, note=task.error or "verify said no", **fenced)
        case Action.FAIL:
            error = task.error or "it went back to the queue as often as it may"
            return command(task.id, action, actor=owner, error=error, **fenced)
    return command(task.id, action, actor=owner, **fenced)


def _under_way(loop: _Loop) -> LoopTask | None:
    return next((_shown(task, task.state) for task, _ in loop.held.values()), None)


def _to_look_at(store: Store, loop: _Loop) -> LoopTask | None:
    """Return a task in review that nobody is looking at."""
    now = clock.utc_now()
    for task in store.tasks(_IN_REVIEW):
        if (clock.normalised(task.lease_until or "") or "") < now:
            loop.held[task.id] = task, None
            return _shown(task, task.state)
    return None


def _claimed(store: Store, loop: _Loop) -> LoopTask | None:
    now = clock.utc_now()
    overdue = recovery.overdue(store, now)
    store.apply([commits.recovered(task, actor=loop.owner, now=now, again=None) for task in overdue])
    for outcome in store.claim(Claiming(owner=loop.owner, actor=loop.owner, seconds=LEASE)):
        if outcome.task is not None and outcome.refusal is None:
            loop.held[outcome.task.id] = outcome.task, claim_of(outcome)
            return _shown(outcome.task, TaskState.PENDING)
    return None


def _shown(task: Task, state: TaskState) -> LoopTask:
    fields = {name: getattr(task, name) for name in task.__struct_fields__}
    return LoopTask(**{**fields, "state": state})
