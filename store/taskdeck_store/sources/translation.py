"""Foreign values as fields of a task: ids that fit into URIs, texts, moments, priorities, states; and what is wrong.

Whatever another program wrote becomes a task or a flaw, never an exception.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from functools import lru_cache
from typing import TypeAlias

from msgspec.structs import replace

from taskdeck_store import clock, jsontext, machine, validity
from taskdeck_store.dependencies import in_circles
from taskdeck_store.jsontext import NESTING, depth
from taskdeck_store.printable import one_line
from taskdeck_store.source import Sight
from taskdeck_store.values import Json, State, Task, Time

Record: TypeAlias = dict[str, Json]
"""A JSON object of another program."""

PRIORITIES: Mapping[str, int] = {"critical": 1, "high": 2, "medium": 5, "low": 8}
"""The numbers of priorities that are words."""

_MOST_FLAWS = 50
_SHOWN = 60
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_HALF = re.compile(r"[\ud800-\udfff]")


def safe_id(text: str) -> str:
    """Return a foreign id as an id of ours: what cannot be in a URI becomes ``~~`` and two digits for each byte."""
    return _UNSAFE.sub(lambda found: "".join(f"~~{byte:02X}" for byte in found[0].encode(errors="surrogatepass")), text)


def id_text(value: Json) -> str | None:
    """Return an id as text, where a whole number may stand for one; None where the value is none."""
    if type(value) is int:
        return str(value)
    return value if isinstance(value, str) and value else None


def text_of(value: Json) -> str:
    """Return a value as text: what is no text as JSON, nothing as ''."""
    if isinstance(value, str):
        return value
    try:
        return "" if value is None else jsontext.encode(value)
    except ValueError:
        return "…"


def texts_of(value: Json) -> tuple[str, ...]:
    """Return the texts of a list, of one text, or of nothing."""
    return () if value is None or value == "" else tuple(map(text_of, value if isinstance(value, list) else [value]))


def records_of(value: Json) -> list[Record]:
    """Return the objects of a list; what is no list has none."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def others_of(record: Record, known: Container[str]) -> Record:
    """Return what a record says under keys that are not known."""
    return {key: value for key, value in record.items() if key not in known}


def title_of(value: Json, *instead: str) -> str:
    """Return a title: the first of these that says anything."""
    if isinstance(value, str) and value and not value.isspace():
        return value
    return next((text for text in (text_of(value), *instead) if text.strip()), "?")


def moment_of(value: Json) -> Time | None:
    """Return a moment in Taskdeck's form; None where the value is none."""
    return _normalised(value) if isinstance(value, str) and len(value) < _SHOWN else None


@lru_cache(maxsize=1 << 14)
def _normalised(text: str) -> Time | None:
    return clock.normalised(text)


def whole_of(value: Json, instead: int) -> int:
    """Return a whole number within the bounds of a priority."""
    return value if type(value) is int and abs(value) <= validity.WHOLE_LIMIT else instead


def shown(value: Json) -> str:
    """Return a foreign value as a message may show it."""
    return one_line(value if isinstance(value, str) else text_of(value), _SHOWN)


def scrubbed(value: Json) -> Json:
    """Return a JSON value with every half of a surrogate replaced, which no UTF-8 can say."""
    if isinstance(value, str):
        return _HALF.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, list):
        return [scrubbed(inner) for inner in value]
    if isinstance(value, dict):
        return {scrubbed(key): scrubbed(inner) for key, inner in value.items()}
    return value


class Gathering:
    """The tasks of one look, as they are found; and the flaws of what cannot be shown as one.

    `words` are the format's words for states, `instead` the state of a task that has none of them.
    """

    def __init__(self, words: Mapping[str, State], instead: State = State.PENDING) -> None:
        self._words = words
        self._instead = instead
        self._tasks: dict[str, Task] = {}
        self._wanted: dict[str, tuple[str, Json]] = {}
        self._flaws: list[str] = []
        self._more = 0

    def flaw(self, message: str) -> None:
        """Note what is there and cannot be shown, or is shown as something else."""
        if len(self._flaws) < _MOST_FLAWS:
            self._flaws.append(one_line(message, 300))
        else:
            self._more += 1

    def state(self, task_id: str, word: Json) -> State:
        """Return the state that a word stands for."""
        state = self._words.get(word) if isinstance(word, str) else None
        if state is not None:
            return state
        said = "has no state" if word is None else f"has a state of another kind, {shown(word)}"
        self.flaw(f"{task_id} {said}; it is shown as {machine.said(self._instead)}")
        return self._instead

    def add(self, task: Task, key: str = "", said: Json = None) -> bool:
        """Take in a task; `said` is what the format says, under a key, of what it depends on. False: it is a flaw.

        Of what is nested too deeply, only that it was is kept.
        """
        wrong = validity.wrong_id(task.id)
        if wrong is not None:
            self.flaw(wrong)
            return False
        if task.id in self._tasks:
            self.flaw(f"a second task has the id {task.id}; the first is shown")
            return False
        if said:
            self._wanted[task.id] = key, said
        self._tasks[task.id] = task
        return True

    def shorten_deep(self) -> None:
        """Leave out what is nested more deeply than a store of ours keeps it."""
        for task in list(self._tasks.values()):
            deep = [name for name, value in task.extra.items() if depth(value) > NESTING // 2]
            if deep:
                self.flaw(f"{task.id}: {', '.join(map(shown, deep))} is nested too deeply to be shown")
                kept = {name: value for name, value in task.extra.items() if name not in deep}
                self._tasks[task.id] = replace(task, extra=kept)

    def sight(self) -> Sight:
        """Return what was found. What a task cannot wait for is a flaw, and stays as the format says it; it waits for
        the others.
        """
        circles = in_circles({task_id: task.depends_on for task_id, task in self._tasks.items()})
        for task_id, (key, said) in self._wanted.items():
            task = self._tasks[task_id]
            why = self._why_not(task, said) or ("it would wait for itself" if task_id in circles else None)
            if why is not None:
                is_bounded = task_id not in circles and len(task.depends_on) <= validity.DEPENDS_LIMIT
                left = tuple(other for other in task.depends_on if is_bounded and other in self._tasks)
                self.flaw(
                    f"{task_id} says {key}, but {why}; so it waits for {'the others' if left else 'nothing'} here"
                )
                self._tasks[task_id] = replace(task, depends_on=left, extra={**task.extra, key: said})
        if self._more:
            self._flaws.append(f"and {self._more:,} more of this kind")
        return Sight(tasks=tuple(self._tasks.values()), flaws=tuple(self._flaws))

    def _why_not(self, task: Task, said: Json) -> str | None:
        if len(task.depends_on) > validity.DEPENDS_LIMIT:
            return f"{len(task.depends_on):,} tasks are more than one can wait for"
        missing = next((other for other in task.depends_on if other not in self._tasks), None)
        if missing is None:
            return None if task.depends_on else f"{shown(said)} is no list of ids"
        return f"there is no {missing}" if missing else f"not all of {shown(said)} are ids"


def named(others: Json) -> tuple[str, ...]:
    """Return the foreign ids of a list as ids of ours, each once; '' stands for what is no id."""
    if not isinstance(others, list):
        return ()
    return tuple(dict.fromkeys(safe_id(id_text(other) or "") for other in others))
