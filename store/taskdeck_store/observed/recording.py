"""Putting on record how a source differs from its mirror: what others did there, and what it made of what was asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import chain

from msgspec.structs import replace

from taskdeck_store.clock import Clock
from taskdeck_store.observed.believing import believed
from taskdeck_store.observed.noticing import Noticed, fit, noticed
from taskdeck_store.source import Move, Sight, Source, Told
from taskdeck_store.sqlite.mirror import Pen
from taskdeck_store.values import Action, Event, Task

_NO_MOVES: Mapping[str, Move] = {}


class Recorder:
    """Compares what a source shows with a mirror, task by task. It remembers what is on record, to compare little."""

    def __init__(self, source: Source, now: Clock) -> None:
        self.seen: dict[str, Task] | None = None
        """What the source showed when it was last put on record, by ids; None: nothing yet."""
        self.doubts: tuple[str, ...] = ()
        """What is wrong with what the source tells of its past, as sentences."""
        self.is_done = False
        """Whether what was last read of the source is on record: where that failed, it is to be read anew."""
        self._source = source
        self._now = now
        self._seq = 0

    def look(self, pen: Pen) -> Sight:
        """Read the source. Raises StoreError."""
        self.is_done = False
        return self._source.look(pen.mark)

    def note(self, pen: Pen, sight: Sight, moves: Mapping[str, Move] = _NO_MOVES, done: Collection[str] = ()) -> None:
        """Put on record how the source differs from the mirror: by what others did, and what it made of moves.

        Of the tasks that are `done`, the moves are on record. Raises StoreError or what SQLite raises, and then
        nothing is on record, nor remembered.
        """
        fields, at = self._source.limits.fields, self._now()
        seen = {task.id: task for task in sight.tasks}
        with pen.transaction():
            begins = pen.seq == 0
            suspects = self._suspects(pen, seen)
            known = pen.tasks(None if suspects is None else suspects | sight.events.keys())
            gone = [task_id for task_id in known if task_id not in seen]
            there = [task_id for task_id in seen if suspects is None or task_id in suspects]
            told: list[tuple[int, Event, Task | None]] = []
            found: list[tuple[Event, Task | None]] = []
            for task_id in dict.fromkeys((*gone, *there, *sight.events)):
                before, task = known.get(task_id), seen.get(task_id)
                task = None if task is None else fit(task)
                events = sight.events.get(task_id, ())
                if task_id in done:
                    events = [one for one in events if not one.is_ours]
                led = believed(before, task, events, fields, at)
                if led is not None:
                    told += [(one.told_as, *one.noticed) for one in led]
                    continue
                new = noticed(before, task, fields, at, begins=begins)
                if new is not None:
                    self._doubt(task_id, events)
                    found.append(self._as_made(new, moves.get(task_id)))
            for event, after in chain((one[1:] for one in sorted(told, key=lambda one: one[0])), found):
                pen.record(event, after, is_new=event.from_state is None)
            pen.keep_mark(sight.mark)
        self.seen, self._seq, self.is_done = seen, pen.seq, True

    def _as_made(self, found: Noticed, move: Move | None) -> Noticed:
        event, after = found
        if move is not None and event.action == Action.EDIT:
            event = replace(event, note=f"what {self._source.kind} made of {move.commands[-1].action}")
        return event, after

    def _doubt(self, task_id: str, events: Sequence[Told]) -> None:
        """Note once that what a source tells of a task does not lead to what it shows of it."""
        if events and not self.doubts:
            what = f"the log of {self._source.kind} does not lead to {task_id} as it is shown"
            self.doubts = (f"{what}; of such a task, only what was seen is on record",)

    def _suspects(self, pen: Pen, seen: Mapping[str, Task]) -> set[str] | None:
        """Return the ids of the tasks that the mirror may have otherwise than the source; None: any."""
        before = self.seen
        if before is None:
            return None
        changed = {task_id for task_id, task in seen.items() if before.get(task_id) != task}
        return changed | (before.keys() - seen.keys()) | pen.touched_since(self._seq)
