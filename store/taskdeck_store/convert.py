"""From one store to another of any kind: tasks and, into a new store of ours, their whole history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct
from msgspec.structs import replace

from taskdeck_store import clock
from taskdeck_store.address import foreign_kind, kind_by_suffix, open_store, path_of
from taskdeck_store.audit import BEGINNING, sealed
from taskdeck_store.backup import KINDS, checked, new_store
from taskdeck_store.contract import Fault, Store, StoreError
from taskdeck_store.fitting import Planner
from taskdeck_store.kinds import kind_for
from taskdeck_store.readable import open_readable
from taskdeck_store.remains import Salvage
from taskdeck_store.replay import fold
from taskdeck_store.salvage import salvaging_of
from taskdeck_store.values import FIELDS, Action, Event, Task, Time

_GIVEN = ("created_at", "updated_at", "state_since")
_AT_ONCE = 200


class Converted(Struct, frozen=True, kw_only=True):
    """What came of a conversion.

    `tasks` and `events` count what is in the target because of it. `unkept` counts, by field, the tasks of which the
    target does not hold what the source says there; `refused` has the reason for each task that it does not hold at
    all, or not in its state. `renamed` has, by the source's ids, those that tasks got because they could not keep
    theirs. `renumbered` says that the events could not keep their numbers and hashes. `problem` is what a check of the
    new store found.
    """

    kind: str
    target: str
    tasks: int
    events: int
    unkept: Mapping[str, int] = {}
    refused: Mapping[str, str] = {}
    renamed: Mapping[str, str] = {}
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
        _refuse_others_place(target)
        return _made(source, target, actor, dry, now)


def _refuse_others_place(target: str) -> None:
    """Raise StoreError where what is there, or what is made there, is none of our stores."""
    kind = foreign_kind(target)
    if kind is not None and Path(target).exists():
        message = f"{target} is there already; nothing was changed; to add the tasks to what it has: --into"
        raise StoreError(Fault.EXISTS, message)
    if kind is None and not (path := path_of(target)).exists():
        kind = kind_for(path)
    if kind is not None:
        message = f"{target} is a place of {kind.name}, and convert makes .json and .db files; nothing was changed"
        made = "" if kind.create is None else f", once it is made (taskdeck init {target})"
        raise StoreError(Fault.FOREIGN, f"{message}; to add the tasks to what is there{made}: --into")


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
    is_ours = foreign_kind(target) is None
    # To open one of ours for writing would bring an older layout up to date.
    with closing(open_store(target, now=now, read_only=dry and is_ours)) as store:
        if store.read_only and not (dry and is_ours):
            why = store.limits.read_only or "it cannot be written to"
            raise StoreError(Fault.READ_ONLY, f"cannot convert into {target}: {why}; nothing was changed")
        planner = Planner(source.address, store, actor)
        refused: dict[str, str] = {}
        renamed: dict[str, str] = {}
        unkept: Counter[str] = Counter()
        events = added = 0
        for batch in (tasks[start : start + _AT_ONCE] for start in range(0, len(tasks), _AT_ONCE)):
            planned = planner.planned(batch)
            try:
                outcomes = store.apply([one for plan in planned for one in plan.commands]) if not dry else ()
            except StoreError as error:
                if added:
                    message = f"{error.message}; before that, {added:,} of {len(tasks):,} tasks were put into {target}"
                    raise StoreError(error.fault, message) from error
                raise
            missed = {one.command.task_id: one.refusal.message for one in outcomes[::-1] if one.refusal is not None}
            events += sum(one.event is not None for one in outcomes)
            done = {one.command.task_id for one in outcomes if one.event is not None}
            for plan in planned:
                refusal = plan.refusal or missed.get(plan.new_id)
                if plan.refusal is None and refusal is not None and plan.new_id != plan.task.id:
                    refusal = f"{plan.task.id} did not become {plan.new_id}: {refusal}"
                if refusal is not None:
                    refused[plan.task.id] = refusal
                if plan.commands and (dry or plan.new_id in done):
                    added += 1
                    unkept.update(plan.unkept)
                    if plan.new_id != plan.task.id:
                        renamed[plan.task.id] = plan.new_id
        kind = store.kind
    return Converted(
        kind=kind,
        target=target,
        tasks=added,
        events=events,
        unkept=unkept,
        refused=refused,
        renamed=renamed,
        dry=dry,
    )


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
