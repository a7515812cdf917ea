"""From one store to another of any kind: tasks and, into a new store of ours, their whole history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct
from msgspec.structs import replace

from taskdeck_store import clock, machine
from taskdeck_store.address import foreign_kind, kind_by_suffix, open_store, path_of
from taskdeck_store.audit import BEGINNING, sealed
from taskdeck_store.backup import KINDS, checked, new_store
from taskdeck_store.contract import Fault, Store, StoreError
from taskdeck_store.machine import Command, command, new_operation
from taskdeck_store.reach import why_unable, why_unset
from taskdeck_store.readable import open_readable
from taskdeck_store.remains import Salvage
from taskdeck_store.replay import fold
from taskdeck_store.salvage import salvaging_of
from taskdeck_store.values import FIELDS, Action, Event, Json, State, Task, Time

_WAYS: Mapping[State, tuple[Action, ...]] = {
    State.PENDING: (),
    State.IN_PROGRESS: (Action.START,),
    State.REVIEW: (Action.START, Action.SUBMIT),
    State.COMPLETED: (Action.START, Action.SUBMIT, Action.APPROVE),
    State.FAILED: (Action.FAIL,),
}
"""How a task that was added gets to where it stood."""
_GIVEN = ("created_at", "updated_at", "state_since")
_STAMPS = (*_GIVEN, "lease_until")
_AT_ONCE = 200
_PLAIN = Task(id="", title="")


class Converted(Struct, frozen=True, kw_only=True):
    """What came of a conversion.

    `tasks` and `events` count what is in the target because of it. `unkept` counts, by field, the tasks of which the
    target does not hold what the source says there; `refused` has the reason for each task that it does not hold at
    all, or not in its state. `renumbered` says that the events could not keep their numbers and hashes. `problem` is
    what a check of the new store found.
    """

    kind: str
    target: str
    tasks: int
    events: int
    unkept: Mapping[str, int] = {}
    refused: Mapping[str, str] = {}
    renumbered: bool = False
    dry: bool = False
    problem: str | None = None


def convert(
    address: str, target: str, *, actor: str, into: bool = False, dry: bool = False, now: clock.Clock = clock.utc_now
) -> Converted:
    """Put all tasks of a store into another one, which must not be there yet unless `into` says so.

    A new store of ours gets the whole history. Whatever else is there is asked to add each task and to move it to where
    it stood. With `dry`, nothing is written. Raises StoreError.
    """
    with closing(open_readable(address, read_only=True, now=now)) as source:
        if source.damage is not None:
            raise StoreError(Fault.DAMAGED, source.damage)
        if into:
            return _added(source, target, actor, dry, now)
        if foreign_kind(target) is not None:
            message = f"{target} is there already; nothing was changed; to add the tasks to what it has: --into"
            raise StoreError(Fault.EXISTS, message)
        return _made(source, target, actor, dry, now)


def _made(source: Store, target: str, actor: str, dry: bool, now: clock.Clock) -> Converted:
    """Make a new store of ours, with the history."""
    path = path_of(target)
    kind = kind_by_suffix(path)
    with source.reading():
        tasks, events = source.tasks(), list(source.events())
        left_out = source.left_out(0)
    is_whole = left_out is None and _is_whole(events)
    # A task file without a log needs none; a database has no task that no event tells of.
    if not events and kind == "sqlite":
        from taskdeck_store.observed.noticing import noticed

        at = now()
        found = (noticed(None, task, FIELDS, at, begins=True) for task in tasks)
        events = [event for event, _ in filter(None, found)]
    if not is_whole:
        events = _renumbered(events)
    unkept: Counter[str] = Counter()
    if kind == "sqlite":
        events += _dropped(tasks, events, actor, source, now())
        unkept.update(name for task in tasks for name in task.extra)
    events = list(_sealed(events))
    kept = tuple(_stamped(tasks, events) if kind == "sqlite" else tasks)
    salvage = Salvage(tasks=kept, events=tuple(events), operations={}, rebuilt=(), outdated=(), lost=(), gaps=())
    with ExitStack() as stack:
        if dry:
            # It is made as well, where nobody sees it, to know that it can be.
            path = Path(stack.enter_context(TemporaryDirectory(prefix="taskdeck-"))) / path.name
        draft = stack.enter_context(new_store(path, kind))
        salvaging_of(kind).make(draft, salvage)
        with closing(open_store(str(draft), read_only=True, now=now)) as made:
            problem = checked(made).problem
    return Converted(
        kind=KINDS[kind],
        target=target,
        tasks=len(tasks),
        events=len(events),
        unkept=unkept,
        renumbered=bool(events) and not is_whole,
        dry=dry,
        problem=problem,
    )


def _stamped(tasks: Sequence[Task], events: Sequence[Event]) -> Iterator[Task]:
    """Yield tasks with their versions, and the moments of their events where no other is known: a database of ours has
    none without.
    """
    told: dict[str, list[Event]] = {}
    for event in events:
        told.setdefault(event.task_id, []).append(event)
    for task in tasks:
        replayed = fold(told[task.id])
        assert replayed is not None
        given = {name: getattr(replayed, name) for name in _GIVEN if getattr(task, name) is None}
        yield replace(task, version=replayed.version, **given)


def _is_whole(events: Sequence[Event]) -> bool:
    return all(event.seq == number for number, event in enumerate(events, 1))


def _renumbered(events: Sequence[Event]) -> list[Event]:
    numbers = {event.seq: number for number, event in enumerate(events, 1)}
    return [
        replace(event, seq=number, undoes=numbers.get(event.undoes or 0), hash=None)
        for number, event in enumerate(events, 1)
    ]


def _dropped(tasks: Sequence[Task], events: Sequence[Event], actor: str, source: Store, at: Time) -> list[Event]:
    """Return the events that say which fields a database of ours has no place for: what is lost is on record."""
    last = events[-1].at if events else at
    return [
        Event(
            seq=0,
            task_id=task.id,
            at=clock.not_before(at, last),
            actor=actor,
            action=Action.EDIT,
            from_state=task.state,
            to_state=task.state,
            attempts=task.attempts,
            note=f"converted from {source.kind}, whose fields these are",
            changes={name: (value, None) for name, value in task.extra.items()},
        )
        for task in tasks
        if task.extra
    ]


def _sealed(events: Sequence[Event]) -> Iterator[Event]:
    previous = BEGINNING
    for number, event in enumerate(events, 1):
        told = replace(event, seq=number)
        previous = event.hash or sealed(previous, told)
        yield replace(told, hash=previous)


def _added(source: Store, target: str, actor: str, dry: bool, now: clock.Clock) -> Converted:
    """Have the tasks added to what is there, and moved to where they stood."""
    tasks = _in_order(source.tasks())
    note = f"converted from {source.address}"
    with closing(open_store(target, now=now, read_only=dry)) as store:
        if store.read_only and not dry:
            why = store.limits.read_only or "it cannot be written to"
            raise StoreError(Fault.READ_ONLY, f"cannot convert into {target}: {why}; nothing was changed")
        refused: dict[str, str] = {}
        unkept: Counter[str] = Counter()
        events = added = 0
        for batch in (tasks[start : start + _AT_ONCE] for start in range(0, len(tasks), _AT_ONCE)):
            planned = [_plan(task, store, actor, note) for task in batch]
            outcomes = store.apply([one for plan in planned for one in plan.commands]) if not dry else ()
            refused |= {plan.task.id: plan.refusal for plan in planned if plan.refusal is not None}
            missed = {one.command.task_id: one.refusal.message for one in outcomes[::-1] if one.refusal is not None}
            refused |= missed
            events += sum(one.event is not None for one in outcomes)
            done = {one.command.task_id for one in outcomes if one.event is not None}
            for plan in planned:
                if plan.commands and (dry or plan.task.id in done):
                    added += 1
                    unkept.update(plan.unkept)
        kind = store.kind
    return Converted(kind=kind, target=target, tasks=added, events=events, unkept=unkept, refused=refused, dry=dry)


class _Plan(Struct, frozen=True, kw_only=True):
    """What is asked for a task: nothing, with why; or commands, which leave some of its fields behind."""

    task: Task
    commands: tuple[Command, ...] = ()
    unkept: tuple[str, ...] = ()
    refusal: str | None = None


def _plan(task: Task, store: Store, actor: str, note: str) -> _Plan:
    limits = store.limits
    if store.get(task.id) is not None:
        return _Plan(task=task, refusal=f"{task.id} is there already; it was left as it is")
    way = _WAYS[task.state]
    unable = next(filter(None, (limits.refuses.get(action) for action in (Action.ADD, *way))), None)
    if unable is None and task.state in limits.lacks:
        unable = why_unable(way[-1], limits)
    if unable is not None:
        return _Plan(task=task, refusal=f"{task.id} is {machine.said(task.state)}: {unable}")
    # What a task depends on would keep it from being started, whatever came of that where it was.
    late = ("depends_on",) if way else ()
    given = {name: getattr(task, name) for name in machine.EDITABLE if name not in late}
    fields = {
        name: machine.plain(value)
        for name, value in given.items()
        if value not in (None, "", ()) and why_unset(store.kind, limits, name, value) is None
    }
    group = new_operation()
    commands = [command(task.id, Action.ADD, actor=actor, note=note, group=group, **fields)]
    for action in way:
        more: dict[str, Json] = {}
        if action is Action.SUBMIT and task.result is not None:
            more["result"] = task.result
        elif action is Action.FAIL and task.error is not None:
            more["error"] = task.error
        elif action is Action.START and task.owner is not None:
            more["owner"] = task.owner
        commands.append(command(task.id, action, actor=actor, note=note, group=group, **more))
    if late and task.depends_on and why_unset(store.kind, limits, "depends_on", task.depends_on) is None:
        waits = list(task.depends_on)
        commands.append(command(task.id, Action.EDIT, actor=actor, note=note, group=group, depends_on=waits))
    return _Plan(task=task, commands=tuple(commands), unkept=_unkept(task, store, way))


def _unkept(task: Task, store: Store, way: Sequence[Action]) -> tuple[str, ...]:
    """Return the fields in which the target will not say of a task what the source says."""
    set_by = {"result": Action.SUBMIT, "error": Action.FAIL, "owner": Action.START}
    lost = [*task.extra]
    for name in FIELDS:
        value = getattr(task, name)
        if name in ("id", "title", "state", *_STAMPS) or value == getattr(_PLAIN, name):
            continue
        is_set = name in machine.EDITABLE or set_by.get(name) in way
        if not is_set or why_unset(store.kind, store.limits, name, value) is not None:
            lost.append(name)
    return tuple(lost)


def _in_order(tasks: Sequence[Task]) -> list[Task]:
    """Return tasks with those first that others depend on."""
    left = {task.id: task for task in tasks}
    ordered: list[Task] = []
    for task in tasks:
        ahead = [task.id]
        while ahead:
            found = left.get(ahead[-1])
            waits_for = [other for other in found.depends_on if other in left and other not in ahead] if found else []
            if waits_for:
                ahead.append(waits_for[0])
                continue
            done = left.pop(ahead.pop(), None)
            if done is not None:
                ordered.append(done)
    return ordered
