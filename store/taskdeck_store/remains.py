"""What is left of a damaged store, and the tasks that can be had from it: as stored, or by their events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from taskdeck_store import replay, validity
from taskdeck_store.audit import BEGINNING, sealed
from taskdeck_store.values import Event, Task


class Remains(Struct, frozen=True, kw_only=True):
    """What could be read of a store.

    `tasks` are those stored, by id, and `events` those left, in the order of `seq`. `operations` holds the operation of
    an event, by its number. `last` is the greatest number that any event is known to have had.
    """

    tasks: Mapping[str, Task]
    events: Sequence[Event]
    operations: Mapping[int, str]
    last: int

    def in_order(self) -> Remains:
        """Return what of it a new store of its kind can hold: itself, if that is all."""
        return self


class Salvage(Struct, frozen=True, kw_only=True):
    """The best that can be made of what is left.

    Of the ids of `tasks`, `rebuilt` were not stored any more and follow from their events; `outdated` do so too, but
    later events of them may be lost. Of the tasks `lost` only their ids are known. `gaps` are the first and last number
    of each run of events that are lost.
    """

    tasks: tuple[Task, ...]
    events: tuple[Event, ...]
    operations: Mapping[int, str]
    rebuilt: tuple[str, ...]
    outdated: tuple[str, ...]
    lost: tuple[str, ...]
    gaps: tuple[tuple[int, int], ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing."""
        return not (self.outdated or self.lost or self.gaps)


def salvaged(remains: Remains) -> Salvage:
    """Return the tasks that stored rows and events lead to."""
    gaps = _gaps([event.seq for event in remains.events], remains.last)
    unsure = max([*(last for _, last in gaps), *_unsound(remains.events)], default=0)
    told: dict[str, list[Event]] = {}
    for event in remains.events:
        told.setdefault(event.task_id, []).append(event)
    tasks: list[Task] = []
    rebuilt: list[str] = []
    outdated: list[str] = []
    lost: list[str] = []
    for task_id in dict.fromkeys((*remains.tasks, *told)):
        stored, events = remains.tasks.get(task_id), told.get(task_id, [])
        is_begun = bool(events) and events[0].from_state is None
        is_sure = is_begun and events[0].seq > unsure
        replayed = _replayed(events) if is_begun else None
        is_newest = stored is not None and _seq(stored, events) >= (events[-1].seq if events else 0)
        if stored is not None and is_newest and not (is_sure and _is_other(stored, replayed)):
            tasks.append(stored)
        elif events and events[-1].to_state is None:
            continue
        elif replayed is not None:
            tasks.append(replayed)
            (rebuilt if is_sure else outdated).append(task_id)
        elif stored is not None:
            tasks.append(stored)
            outdated.append(task_id)
        else:
            lost.append(task_id)
    return Salvage(
        tasks=tuple(tasks),
        events=tuple(remains.events),
        operations=remains.operations,
        rebuilt=tuple(rebuilt),
        outdated=tuple(outdated),
        lost=tuple(lost),
        gaps=gaps,
    )


def _gaps(seqs: Sequence[int], last: int) -> tuple[tuple[int, int], ...]:
    gaps: list[tuple[int, int]] = []
    before = 0
    for seq in (*seqs, last + 1):
        if seq > before + 1:
            gaps.append((before + 1, seq - 1))
        before = seq
    return tuple(gaps)


def _unsound(events: Sequence[Event]) -> list[int]:
    """Return the numbers of events that are not what their hash says, as far as the event before is there."""
    found: list[int] = []
    previous, seq = BEGINNING, 0
    for event in events:
        seal = sealed(previous, event) if event.seq == seq + 1 else event.hash
        if event.hash not in (None, seal):
            found.append(event.seq)
        previous, seq = event.hash or seal or BEGINNING, event.seq
    return found


def is_held(task: Task) -> bool:
    """Tell whether a task that was read from damaged bytes has values that a task can have."""
    if validity.wrong_id(task.id) is not None or type(task.title) is not str:
        return False
    checked = ("description", "priority", "tags", "error", "attempts", "max_attempts", "owner", "lease_until")
    return all(
        validity.wrong_field(name, getattr(task, name)) is None for name in (*checked, "not_before", "depends_on")
    )


def _replayed(events: Sequence[Event]) -> Task | None:
    task: Task | None = None
    try:
        for event in events:
            task = replay.after(task, event)
    except (TypeError, ValueError):
        return None
    return task if task is not None and is_held(task) else None


def _seq(stored: Task, events: Sequence[Event]) -> int:
    """Return the number of a stored task's last event; one that tells none is as new as any."""
    if stored.version.isdecimal():
        return int(stored.version)
    return events[-1].seq if events else 0


def _is_other(stored: Task, replayed: Task | None) -> bool:
    return stored.version.isdecimal() and bool(replay.differences(stored, replayed))
