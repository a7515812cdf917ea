"""How the tasks of one store are asked for in another that is there: under which ids, with which of their fields."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from taskdeck_store import machine
from taskdeck_store.contract import Store
from taskdeck_store.limits import Limits
from taskdeck_store.machine import Command, command, new_operation
from taskdeck_store.reach import why_unable, why_unset
from taskdeck_store.values import FIELDS, Action, Json, State, Task

_WAYS: Mapping[State, tuple[Action, ...]] = {
    State.PENDING: (),
    State.IN_PROGRESS: (Action.START,),
    State.REVIEW: (Action.START, Action.SUBMIT),
    State.COMPLETED: (Action.START, Action.SUBMIT, Action.APPROVE),
    State.FAILED: (Action.FAIL,),
}
"""How a task that was added gets to where it stood."""
_STAMPS = ("created_at", "updated_at", "state_since", "lease_until")
_PLAIN = Task(id="", title="")
_NUMBER = re.compile("[1-9][0-9]{0,14}")
_WHERE = ", where it is "


class Plan(Struct, frozen=True, kw_only=True):
    """What is asked for a task: nothing, with why; or commands, under the id that it is to have, which leave some of
    its fields behind.
    """

    task: Task
    new_id: str
    commands: tuple[Command, ...] = ()
    unkept: tuple[str, ...] = ()
    refusal: str | None = None


class Planner:
    """Plans how the tasks of a source are added to a store, a batch after the other.

    Where ids are numbers, a task gets the next one if it cannot keep its own. That is told in the note of its first
    event, so that who does it all again knows the task by it.
    """

    def __init__(self, address: str, store: Store, actor: str) -> None:
        self._note = f"converted from {address}"
        self._store = store
        self._actor = actor
        self._next = 0
        self._ids = _known(store, f"{self._note}{_WHERE}") if store.limits.next_id is not None else {}
        self._taken = {*self._ids.values()}

    def planned(self, batch: Sequence[Task]) -> list[Plan]:
        """Return the plans for tasks, of which those come first that others depend on."""
        with self._store.reading():
            limits = self._store.limits
            self._next = max(self._next, limits.next_id or 0)
            return [self._plan(task, limits) for task in batch]

    def _plan(self, task: Task, limits: Limits) -> Plan:
        there = self._ids.get(task.id, task.id)
        is_another = task.id not in self._ids and there in self._taken
        if not is_another and self._store.get(there) is not None:
            known = "" if there == task.id else f", as {there}"
            return Plan(task=task, new_id=there, refusal=f"{task.id} is there already{known}; it was left as it is")
        way = _WAYS[task.state]
        unable = next(filter(None, (limits.refuses.get(action) for action in (Action.ADD, *way))), None)
        if unable is None and task.state in limits.lacks:
            unable = why_unable(way[-1], limits)
        if unable is not None:
            return Plan(task=task, new_id=there, refusal=f"{task.id} is {machine.said(task.state)}: {unable}")
        asked, changed = self._fitted(task, limits)
        unkept = tuple(dict.fromkeys((*changed, *_unkept(asked, self._store.kind, limits, way))))
        return Plan(task=task, new_id=asked.id, commands=self._commands(task.id, asked, limits, way), unkept=unkept)

    def _fitted(self, task: Task, limits: Limits) -> tuple[Task, tuple[str, ...]]:
        """Return a task as a format can say it, and the fields in which that is not what the task says."""
        if limits.next_id is None:
            return task, ()
        waits = tuple(self._ids.get(other, other) for other in task.depends_on)
        kept = tuple(other for other in waits if other in self._taken or self._store.get(other) is not None)
        changed = ("depends_on",) if kept != waits else ()
        number = max(self._next, int(task.id) if _NUMBER.fullmatch(task.id) else 0)
        self._next = number + 1
        new_id = str(number)
        self._taken.add(new_id)
        self._ids[task.id] = new_id
        return replace(task, id=new_id, depends_on=kept), changed

    def _commands(self, old_id: str, task: Task, limits: Limits, way: Sequence[Action]) -> tuple[Command, ...]:
        given = {name: machine.plain(getattr(task, name)) for name in machine.EDITABLE}
        fields = {
            name: value
            for name, value in given.items()
            if value not in (None, "", []) and why_unset(self._store.kind, limits, name, value) is None
        }
        # What a task depends on would keep it from being started, whatever came of that where it was.
        late = fields.pop("depends_on", None) if way else None
        note = self._note if task.id == old_id else f"{self._note}{_WHERE}{old_id}"
        group = new_operation()
        commands = [command(task.id, Action.ADD, actor=self._actor, note=note, group=group, **fields)]
        for action in way:
            more: dict[str, Json] = {}
            if action is Action.SUBMIT and task.result is not None:
                more["result"] = task.result
            elif action is Action.FAIL and task.error is not None:
                more["error"] = task.error
            elif action is Action.START and task.owner is not None:
                more["owner"] = task.owner
            commands.append(command(task.id, action, actor=self._actor, note=note, group=group, **more))
        if late is not None:
            commands.append(command(task.id, Action.EDIT, actor=self._actor, note=note, group=group, depends_on=late))
        return tuple(commands)


def _known(store: Store, mark: str) -> dict[str, str]:
    """Return the ids that tasks got in a store, by those that their first events' notes name after a mark."""
    notes = {event.task_id: event.note or "" for event in store.events() if event.action == Action.ADD}
    return {note.removeprefix(mark): task_id for task_id, note in notes.items() if note.startswith(mark)}


def _unkept(task: Task, kind: str, limits: Limits, way: Sequence[Action]) -> tuple[str, ...]:
    """Return the fields in which the target will not say of a task what the source says."""
    set_by = {"result": Action.SUBMIT, "error": Action.FAIL, "owner": Action.START}
    lost = [*task.extra]
    for name in FIELDS:
        value = getattr(task, name)
        if name in ("id", "title", "state", *_STAMPS) or value == getattr(_PLAIN, name):
            continue
        is_set = name in machine.EDITABLE or set_by.get(name) in way
        if not is_set or why_unset(kind, limits, name, value) is not None:
            lost.append(name)
    return tuple(lost)
