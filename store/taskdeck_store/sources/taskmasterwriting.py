"""A Task Master file with moves carried out: other values in the places of the old ones, and every other byte as it is.

What is new is laid out as its neighbours are, and as `JSON.stringify` would do it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from msgspec.structs import replace

from taskdeck_store.jsonscan import Scanner, members
from taskdeck_store.jsonstyle import replaced, style_of, written
from taskdeck_store.machine import Refusal
from taskdeck_store.source import Move
from taskdeck_store.sources.changing import asked, invalid, number_word, word_of
from taskdeck_store.sources.taskmasterfile import (
    LIMITS,
    MASTER,
    NUMBER,
    Place,
    Reading,
    is_tagged,
    next_id,
    records_of,
    shown_id,
)
from taskdeck_store.sources.translation import PRIORITIES, Record
from taskdeck_store.values import Json, Task, Time

Span: TypeAlias = tuple[int, int]
Edit: TypeAlias = tuple[int, int, str]

_KEYS = {
    "title": "title",
    "description": "description",
    "state": "status",
    "priority": "priority",
    "depends_on": "dependencies",
}
_DONE = "done"


class Writing:
    """A file on its way from one reading of it to another content. `take` the moves, then ask for the `content`."""

    def __init__(self, found: Reading, now: Time) -> None:
        self._found = found
        self._now = f"{now[:-4]}Z"
        self._values: dict[Place, Record] = {}
        self._added: dict[str | None, list[Record]] = {}
        self._new: dict[str, tuple[str | None, Record]] = {}

    def take(self, move: Move, now: Task | None) -> Refusal | None:
        """Take in a move of a task as it stands; return why it cannot be written, and then nothing of it is."""
        if now is None:
            return self._add(move)
        place = self._found.places.get(now.id)
        if place is None:
            return invalid(now.id, "it was added in this same commit; change it in the next one")
        record = self._record(place)
        values: Record = {}
        for name in asked(move, now, LIMITS):
            key = _KEYS.get(name)
            if key is None:
                return invalid(now.id, LIMITS.fixed[name])
            if key not in record:
                return invalid(now.id, f"its record has no {key}, and nothing is added to a record")
            value = self._value(name, move.task, place)
            if value is None or (name == "description" and place.sub is None and _is_blank(value)):
                return invalid(now.id, _why_not(name))
            values[key] = value
        if values:
            stamp = {"updatedAt": self._now} if "updatedAt" in record else {}
            self._values[place] = {**self._values.get(place, {}), **values, **stamp}
        return None

    def content(self) -> bytes:
        """Return the bytes of the file with all that was taken in."""
        text = self._found.raw.decode()
        edits: list[Edit] = []
        for tag in {place.tag for place in self._values} | self._added.keys():
            edits += self._edits(text, tag)
        pieces: list[str] = []
        done = 0
        for start, end, new in sorted(edits):
            pieces += (text[done:start], new)
            done = end
        return "".join((*pieces, text[done:])).encode()

    def _edits(self, text: str, tag: str | None) -> list[Edit]:
        start, end = 0, len(text)
        if tag is not None:
            start, end = _member(text, (0, len(text)), tag)
        listed = _member(text, (start, end), "tasks")
        every = _elements(text, listed[0])
        edits: list[Edit] = []
        for place, values in self._values.items():
            if place.tag == tag:
                span = every[place.rank]
                if place.sub is not None:
                    span = _elements(text, _member(text, span, "subtasks")[0])[place.sub]
                edits += _replaced(text, span, values)
        if tag in self._added:
            edits.append(_appended(text, (start, end), listed, every, self._added[tag]))
        told = self._told(tag)
        if told:
            edits += _replaced(text, _member(text, (start, end), "metadata"), told)
        return edits

    def _told(self, tag: str | None) -> Record:
        """Return what Task Master keeps anew about a tag with each change, as far as it is there."""
        inner = self._inner(tag)
        metadata = inner.get("metadata")
        if not isinstance(metadata, dict):
            return {}
        states = [task.get("status") if isinstance(task, dict) else None for task in inner["tasks"]]
        for place, values in self._values.items():
            if place.tag == tag and place.sub is None and "status" in values:
                states[place.rank] = values["status"]
        states += [record["status"] for record in self._added.get(tag, ())]
        told: Record = {
            "lastModified": self._now,
            "updated": self._now,
            "taskCount": len(states),
            "completedCount": states.count(_DONE),
        }
        return {key: value for key, value in told.items() if type(metadata.get(key)) is type(value)}

    def _inner(self, tag: str | None) -> Record:
        document = self._found.document
        inner = document if tag is None else document.get(tag)
        return inner if isinstance(inner, dict) else {}

    def _split(self, task_id: str) -> tuple[str | None, str]:
        """Return the tag in which a task of this id would be, and its id there."""
        if not is_tagged(self._found.document):
            return None, task_id
        others = (tag for tag in self._found.document if tag != MASTER and task_id.startswith(shown_id(tag, "")))
        tag = next(others, MASTER)
        return tag, task_id.removeprefix(shown_id(tag, ""))

    def _record(self, place: Place) -> Record:
        record: Record = self._inner(place.tag)["tasks"][place.rank]
        return record if place.sub is None else record["subtasks"][place.sub]

    def _value(self, name: str, task: Task, place: Place) -> Json:
        if name == "state":
            return word_of(task.state, LIMITS.words)
        if name == "priority":
            return number_word(task.priority, PRIORITIES)
        if name == "depends_on":
            return self._dependencies(task, place.tag, place)
        return getattr(task, name)

    def _dependencies(self, task: Task, tag: str | None, place: Place | None) -> list[Json] | None:
        """Return what a task depends on as its tag says it; None where that cannot be said."""
        is_subtask = place is not None and place.sub is not None
        said: list[Json] = []
        for other in task.depends_on:
            new = self._new.get(other)
            if new is not None and new[0] == tag and not is_subtask:
                said.append(new[1]["id"])
                continue
            there = self._found.places.get(other)
            if there is None or there.tag != tag or (is_subtask and there.sub is None):
                return None
            record = self._record(there)
            if there.sub is None or (is_subtask and place is not None and there.rank == place.rank):
                said.append(record["id"])
            else:
                said.append(other.removeprefix(shown_id(tag, "")))
        return said

    def _add(self, move: Move) -> Refusal | None:
        task = move.task
        tag, own = self._split(task.id)
        if not isinstance(self._inner(tag).get("tasks"), list):
            return invalid(task.id, f"there is no tag {tag or MASTER}; make it with task-master add-tag")
        every = [record for record in self._inner(tag)["tasks"] if isinstance(record, dict)]
        if task.id in self._found.places or task.id in self._new or not NUMBER.fullmatch(own):
            taken = records_of(self._found.document, tag) + self._added.get(tag, [])
            free = shown_id(tag, str(next_id(taken)))
            return invalid(task.id, f"{LIMITS.ids}; take {free}")
        needed = self._dependencies(task, tag, None)
        if needed is None:
            return invalid(task.id, _why_not("depends_on"))
        level = number_word(task.priority, PRIORITIES)
        if level is None:
            return invalid(task.id, _why_not("priority"))
        if any(name != (tag or MASTER) for name in task.tags):
            return invalid(task.id, "the tag of a task is where it lies, and it has no others")
        is_given = any("description" in command.fields for command in move.commands)
        if is_given and _is_blank(task.description):
            return invalid(task.id, _why_not("description"))
        as_number = bool(every) and type(every[-1].get("id")) is int
        record: Record = {
            "id": int(own) if as_number else own,
            "title": task.title,
            "description": task.description if is_given else task.title,
            "details": "",
            "testStrategy": "",
            "status": word_of(task.state, LIMITS.words),
            "dependencies": needed,
            "priority": level,
            "subtasks": [],
        }
        self._added.setdefault(tag, []).append(record)
        self._new[task.id] = tag, record
        return None


def _why_not(name: str) -> str:
    if name == "priority":
        words = ", ".join(f"{word} ({number})" for word, number in PRIORITIES.items())
        return f"its priority can be {words}, and no other"
    if name == "description":
        return "Task Master reads no file in which a task has no description"
    return "a task can depend on tasks of its own tag alone, and a subtask on subtasks"


def _is_blank(value: Json) -> bool:
    return isinstance(value, str) and not value.strip()


def _member(text: str, span: Span, key: str) -> Span:
    """Return where the value of a key is, in an object that is there and has it."""
    start, end = span
    found = [member for member in members(text[start:end]) if member.key == key][-1]
    return start + found.start, start + found.end


def _elements(text: str, start: int) -> list[Span]:
    """Return where the values of a list are that begins at a position."""
    scanner = Scanner(text, start)
    scanner.take("[")
    found: list[Span] = []
    if scanner.peek() == "]":
        return found
    while True:
        scanner.peek()
        begin = scanner.position
        scanner.value()
        found.append((begin, scanner.position))
        if scanner.take(",]") == "]":
            return found


def _replaced(text: str, span: Span, values: Mapping[str, Json]) -> list[Edit]:
    start, end = span
    return [(start + begin, start + stop, new) for begin, stop, new in replaced(text[start:end], values, escaped=False)]


def _appended(text: str, around: Span, listed: Span, every: list[Span], new: list[Record]) -> Edit:
    """Return what puts new records at the end of a list, laid out as the last one is, or else as what is around it."""
    if every:
        gap = text[listed[0] + 1 : every[0][0]]
        last = text[slice(*every[-1])]
        style = style_of(last, escaped=False)
        return every[-1][1], every[-1][1], "".join(f",{gap}{written(record, style)}" for record in new)
    outer = style_of(text[slice(*around)], escaped=False)
    inner = outer.indent + outer.unit
    style = replace(outer, indent=inner + outer.unit, closing=inner)
    gap = outer.newline + inner if outer.newline else ""
    texts = ",".join(f"{gap}{written(record, style)}" for record in new)
    return listed[0] + 1, listed[1] - 1, texts + (outer.newline + outer.indent if outer.newline else "")
