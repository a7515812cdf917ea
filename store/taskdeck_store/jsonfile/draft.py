"""A commit in the making: its events, and the task file that they lead to."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET
from msgspec.structs import replace

from taskdeck_store import clock, dependencies, jsontext, machine
from taskdeck_store.audit import BEGINNING, sealed
from taskdeck_store.contract import Outcome, Pausing
from taskdeck_store.jsonfile.adding import End, end_of
from taskdeck_store.jsonfile.audit import AuditLog, Batch, Commit, Line, event_of
from taskdeck_store.jsonfile.document import Document, Record, changed, record_of, spliced
from taskdeck_store.jsonfile.fields import Data, task_of
from taskdeck_store.jsonfile.known import Known, fold, is_found
from taskdeck_store.jsonfile.mapping import mapping_of
from taskdeck_store.jsonfile.outside import outside_line
from taskdeck_store.jsonfile.picture import Picture
from taskdeck_store.jsonstyle import edited, written
from taskdeck_store.machine import Code, Command, Refusal, Transition
from taskdeck_store.pausing import decided
from taskdeck_store.printable import one_line
from taskdeck_store.values import FIELDS, FOUND_NOTE, LISTS, Action, Claim, Event, Json, State, Task, Time


class Draft:
    """Events on top of a picture, at one moment; nothing of it is written."""

    def __init__(self, picture: Picture, log: AuditLog, at: Time) -> None:
        self.lines: list[Line] = []
        self._picture = picture
        self._log = log
        self._at = clock.not_before(at, log.last.at if log.last is not None else None)
        self._mapping = picture.mapping
        self._escaped = picture.document.raw.isascii()
        self._end: End | None = None
        self._like: Data | None = None
        self._changed: dict[str, Record] = {}
        self._added: dict[str, Record] = {}
        self._known: dict[str, Known] = {}
        self._needed: set[str] | None = None
        self._outside = 0
        self._tasks: dict[str, Task] = {}
        self._events: dict[str, Event] = {}

    def put_outside_on_record(self) -> None:
        """Begin with the events of what is not on record: in a store without a log, of every task."""
        picture = self._picture
        unrecorded = picture.drifted if picture.known else picture.records.keys()
        gone = sorted(task_id for task_id in unrecorded if task_id not in picture.records)
        found = (record.id for record in picture.document.records if record.id in unrecorded) if unrecorded else ()
        note = FOUND_NOTE if self._next == 1 else None
        for task_id in (*gone, *found):
            known, record = picture.known.get(task_id), picture.records.get(task_id)
            line = self._sealed(outside_line(self._next, self._at, task_id, known, record, picture.mapping, note))
            known = self._take(line)
            if record is not None and line.changes and picture.known:
                said = picture.mapping.said(record.data())
                self._tasks[task_id] = task_of(task_id, said, known.said, picture.shown(task_id).version)
        self._outside = len(self.lines)

    @property
    def is_idle(self) -> bool:
        """Whether it has no events but those of what was not on record."""
        return len(self.lines) == self._outside

    def carry_out(self, command: Command) -> Outcome:
        """Add a command's event, or say why not."""
        wrong = _not_held(command)
        if wrong is not None:
            return self._refused(command, Refusal(code=Code.INVALID, message=wrong))
        event = self._event_of(command.operation)
        if event is not None:
            return Outcome(command=command, task=self._task(event.task_id), event=event, repeated=True)
        task = self._task(command.task_id)
        if task is not None and command.action is not Action.ADD and not self._is_current(command.expect, task):
            return self._refused(command, self._conflict(task))
        claim = command.claim
        if task is not None and claim is not None and not machine.is_held(task, claim, self._brought_by):
            return self._refused(command, machine.lost_claim(task, claim, self._last(task)))
        refusal = dependencies.refused(command, task, self._depends_on, self._is_needed)
        if refusal is not None:
            return self._refused(command, refusal)
        move = machine.transition(task, _as_read_back(command), self._at)
        if isinstance(move, Refusal):
            return self._refused(command, move)
        return self._moved(command, task, move)

    def pause(self, asked: Pausing) -> Event | Refusal:
        """Add the event by which the queue is paused or resumed, or say why not; one that was done is returned."""
        event = self._event_of(asked.operation)
        if event is not None:
            return event
        found = decided(self._log.pauses(), asked, self._next, self._at)
        if isinstance(found, Refusal):
            return found
        told = {name: getattr(found, name) for name in Event.__struct_fields__}
        line = self._sealed(Line(**told, operation=asked.operation, record=None))
        self._take(line)
        return event_of(line)

    def is_lost(self, task_id: str, claim: Claim) -> bool:
        """Tell whether a task is not held by a claim."""
        task = self._task(task_id)
        return task is None or not machine.is_held(task, claim, self._brought_by)

    def write(self, before: Task | None, after: Task) -> Record:
        """Put a task into the file instead of what was there; return its record."""
        record = self._changed_record(before, after) if before is not None else self._new_record(after)
        (self._changed if after.id in self._picture.records else self._added)[after.id] = record
        return record

    def document(self) -> Document:
        """Return the task file that the events lead to."""
        document, end = self._picture.document, self._end
        if self._changed:
            document = changed(document, self._changed)
        if end is not None and self._added:
            count = len(document.records)
            gaps = (end.gap, *(end.next_gap for _ in range(len(self._added) - 1)))
            document = spliced(document, slice(count, count), gaps, [*self._added.values()], tail=end.tail)
        return document

    def commit(self, document: Document) -> Commit:
        """Return the events, the first with what it says of them all; `document` is where they lead to."""
        before = self._picture.document.digest
        after = before if document is self._picture.document else document.digest
        return (replace(self.lines[0], batch=Batch(len(self.lines), before, after)), *self.lines[1:])

    @property
    def _next(self) -> int:
        return self._log.seq + len(self.lines) + 1

    def _sealed(self, line: Line) -> Line:
        previous = self.lines[-1].hash if self.lines else self._log.head
        return replace(line, hash=sealed(previous or BEGINNING, line))

    def _take(self, line: Line) -> Known:
        self.lines.append(line)
        known = self._known.get(line.task_id) or self._picture.known.get(line.task_id)
        self._known[line.task_id] = fold(known, line, found=is_found(line, self.lines[0]))
        return self._known[line.task_id]

    def is_blocked(self, task: Task) -> bool:
        """Tell whether a task depends on others that are not completed by these events."""
        return dependencies.standing(task, self._stands).blocked > 0

    def _task(self, task_id: str) -> Task | None:
        task = self._tasks.get(task_id) or self._picture.find(task_id)
        return None if task is None else dependencies.standing(task, self._stands)

    def _stands(self, task_id: str) -> State | None:
        task = self._tasks.get(task_id)
        return self._picture.stands(task_id) if task is None else task.state

    def _is_needed(self, task_id: str) -> bool:
        if self._needed is None:
            self._needed = {other for task in self._picture.every() for other in task.depends_on}
        return task_id in self._needed

    def _depends_on(self, task_id: str) -> tuple[str, ...] | None:
        task = self._tasks.get(task_id) or self._picture.find(task_id)
        return None if task is None else task.depends_on

    def _event_of(self, operation: str) -> Event | None:
        seq = self._log.seq_of(operation)
        return self._events.get(operation) if seq is None else event_of(self._log.line(seq))

    def _refused(self, command: Command, refusal: Refusal) -> Outcome:
        return Outcome(command=command, task=self._task(command.task_id), refusal=refusal)

    def _is_current(self, expect: str | None, task: Task) -> bool:
        """Tell whether who saw a version saw the task as it stands, though it may have been put on record since."""
        if expect in (None, task.version):
            return True
        seen, _, lost = str(expect).partition("~")
        now, _, lost_now = task.version.partition("~")
        if seen == now:
            return (int(lost) if lost.isdecimal() else 0) >= int(lost_now or 0)
        seq, drifted, digest = seen.partition("+")
        if not drifted or not seq.isdecimal():
            return False
        since = [number for number in self._log.events_of(task.id) if number > int(seq)]
        if len(since) != 1 or now != str(since[0]):
            return False
        line = self._log.line(since[0])
        return line.operation is UNSET and line.record == digest

    def _conflict(self, task: Task) -> Refusal:
        return machine.changed_meanwhile(task, self._last(task))

    def _last(self, task: Task) -> str | None:
        line = next(self._lines_back(task.id), None)
        return f"{one_line(line.actor)} did {one_line(line.action)} at {line.at}" if line is not None else None

    def _brought_by(self, task_id: str) -> str | None:
        """Return the version of the event that brought a task to its state; None when no event tells of that."""
        lines = self._lines_back(task_id)
        return next((str(line.seq) for line in lines if line.from_state is not line.to_state), None)

    def _lines_back(self, task_id: str) -> Iterator[Line]:
        """Yield the events of a task, the newest first."""
        yield from (line for line in reversed(self.lines) if line.task_id == task_id)
        yield from map(self._log.line, reversed(self._log.events_of(task_id)))

    def _moved(self, command: Command, before: Task | None, move: Transition) -> Outcome:
        record = self.write(before, move.task)
        said = self._mapping.said(record.data())
        line = self._sealed(
            Line(
                seq=self._next,
                task_id=command.task_id,
                at=self._at,
                actor=command.actor,
                action=command.action,
                from_state=move.from_state,
                to_state=move.to_state,
                attempts=move.task.attempts,
                note=command.note,
                changes=move.changes if before is not None else {**_beyond(said), **move.changes},
                group=command.group,
                operation=command.operation,
                record=record.digest,
            )
        )
        known = self._take(line)
        task = self._tasks[command.task_id] = task_of(command.task_id, said, known.said, str(line.seq))
        if self._needed is not None:
            self._needed.update(task.depends_on)
        self._events[command.operation] = event_of(line)
        return Outcome(command=command, task=self._task(command.task_id), event=self._events[command.operation])

    def _changed_record(self, before: Task, after: Task) -> Record:
        record = self._changed.get(after.id) or self._added.get(after.id) or self._picture.records[after.id]
        edits = self._mapping.edits(record.data(), before, after)
        if not edits:
            return record
        text = edited(record.text.decode(), edits, escaped=self._escaped).encode()
        return record_of(text, jsontext.decode(text))

    def _new_record(self, task: Task) -> Record:
        if self._end is None:
            self._end = end_of(self._picture.document, escaped=self._escaped)
            self._like = self._picture.like
        data = self._mapping.new(task, self._like)
        text = written(data, self._end.style).encode()
        record = record_of(text, jsontext.decode(text))
        if self._like is None:
            self._like = data
            self._mapping = mapping_of((record.keys,))
        return record


def carried_on(picture: Picture, log: AuditLog, commit: Commit) -> Document:
    """Return the task file that a commit leads to which is in the log, while the file may be as before it.

    A task that is neither as before it nor as after it was changed by someone outside, and is left alone.
    """
    draft = Draft(picture, log, commit[0].at)
    lines: dict[str, list[Line]] = {}
    for line in commit:
        lines.setdefault(line.task_id, []).append(line)
    for task_id, events in lines.items():
        known = before = picture.known.get(task_id)
        for line in events:
            known = fold(known, line, found=is_found(line, commit[0]))
            if line.operation is UNSET:
                before = known
        record = picture.records.get(task_id)
        found = record.digest if record is not None else None
        if known is None or found == known.record or found != (before.record if before is not None else None):
            continue
        after = task_of(task_id, known.said, {})
        if record is None or before is None:
            draft.write(None, after)
        else:
            draft.write(task_of(task_id, picture.mapping.said(record.data()), before.said), after)
    return draft.document()


def _beyond(said: Data) -> dict[str, tuple[Json, Json]]:
    """Return what a new task says under keys that are no field, because the others of its file have them."""
    return {name: (None, value) for name, value in said.items() if name not in FIELDS and value is not None}


def _not_held(command: Command) -> str | None:
    """Return what of a command cannot be kept as JSON, or None."""
    for name, value in command.fields.items():
        try:
            jsontext.encode(list(value) if name in LISTS and isinstance(value, tuple) else value)
        except ValueError as error:
            return f"cannot {command.action} {command.task_id}: {name}: {one_line(str(error))}"
    return None


def _as_read_back(command: Command) -> Command:
    """Return the command with its JSON as a reader of the file will see it: a list for a tuple, text for a key."""
    json = {name: value for name, value in command.fields.items() if name in ("data", "result") and value is not None}
    if not json:
        return command
    read_back = {name: jsontext.plain(value) for name, value in json.items()}
    return replace(command, fields={**command.fields, **read_back})
