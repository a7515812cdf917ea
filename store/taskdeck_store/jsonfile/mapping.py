"""Which key of a file stands for which field of a task.

A file keeps the keys its author gave it. A field that no task of the file has a key for is kept in the audit log
alone. Where no task has a ``title``, the ``description`` is the title.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from taskdeck_store import machine
from taskdeck_store.jsonfile.fields import Data, spelled, state_key
from taskdeck_store.values import FIELDS, TIMES, Json, Task


class Mapping(Struct, frozen=True):
    """The keys of a file's tasks: those that any has, in order of appearance, and those that all have."""

    keys: tuple[str, ...]
    common: frozenset[str]

    @property
    def title(self) -> Literal["title", "description"] | None:
        """The key that holds the title."""
        return "title" if "title" in self.keys else "description" if "description" in self.keys else None

    def said(self, data: Data) -> Data:
        """Return a task object under the names of a task's fields."""
        names = {"status": "state"} if "state" not in data else {}
        if self.title == "description":
            names["description"] = "title"
        return {names.get(key, key): value for key, value in data.items()} if names else data

    def key(self, name: str, data: Data) -> str | None:
        """Return the key under which a task object holds a field or may get it; None when the file knows no such."""
        if name == "state":
            return state_key(data)
        if name == "title":
            return self.title
        if name == "description" and self.title == "description":
            return None
        if name in TIMES and type(data.get(name)) not in (str, type(None)):
            return None
        return name if name in self.keys else None

    def edits(self, data: Data, before: Task, after: Task) -> Data:
        """Return what to write into a task object, key by key, so that it says another task than before."""
        edits: Data = {}
        for name in FIELDS:
            old, new = getattr(before, name), getattr(after, name)
            key = None if machine.same(old, new) else self.key(name, data)
            if key is not None and (key in data or new not in (None, "", ())):
                edits[key] = _value(name, new, data)
        return edits

    def new(self, task: Task, like: Data | None) -> Data:
        """Return the task object of a new task, with the keys that its neighbour `like` has and all others have.

        A key that is not known gets an empty value of the kind the neighbour has there.
        """
        if like is None:
            return {name: _value(name, getattr(task, name), {}) for name in FIELDS}
        fields = {self.key(name, like): name for name in FIELDS}
        data: Data = {}
        for key in (*like, *(key for key in self.keys if key not in like)):
            name = fields.get(key)
            if name is None:
                if key in self.common:
                    data[key] = _empty(like[key])
            elif key in self.common or name == "state" or getattr(task, name) != getattr(_PLAIN, name):
                data[key] = _value(name, getattr(task, name), like)
        return data


_PLAIN = Task(id="", title="")
_WHOLE_ID = re.compile("0|[1-9][0-9]{0,14}")


def mapping_of(shapes: Iterable[tuple[str, ...]]) -> Mapping:
    """Return the mapping of a file whose tasks have these keys."""
    distinct = list(dict.fromkeys(shapes))
    keys = tuple(dict.fromkeys(key for shape in distinct for key in shape))
    return Mapping(keys, frozenset(keys).intersection(*distinct))


def _empty(like: Json) -> Json:
    return type(like)() if isinstance(like, dict | list | str) else None


def _value(name: str, value: Json, like: Data) -> Json:
    if name == "id" and type(like.get("id")) is int and _WHOLE_ID.fullmatch(value):
        return int(value)
    if name == "depends_on" and type(like.get("id")) is int:
        return [int(other) if _WHOLE_ID.fullmatch(other) else other for other in value]
    if name in TIMES and value is not None:
        return spelled(value, _a_moment(name, like))
    return machine.plain(value)


def _a_moment(name: str, like: Data) -> str:
    samples: Sequence[Json] = (like.get(name), *(like.get(other) for other in TIMES))
    return next((sample for sample in samples if type(sample) is str), "Z")
