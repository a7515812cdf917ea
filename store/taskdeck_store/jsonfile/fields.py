"""What the keys of a task object may hold, and the task that they make."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, TypeAlias

from msgspec import Meta, Struct, ValidationError, convert

from taskdeck_store import clock, machine
from taskdeck_store.jsonfile.flaws import Wrong
from taskdeck_store.values import FIELDS, Json, State, Task, Time

Data: TypeAlias = dict[str, Json]
"""A JSON object."""

TIMES = ("lease_until", "created_at", "updated_at", "state_since")
"""The fields that hold a moment."""

LATEST = ("updated_at", "state_since")
"""The moments that only go forward: who changes a task need not touch them."""

NESTING = 200
"""How deep lists and objects may lie in each other. A decoder gives up somewhere below, sooner in a deeper call."""

_STATES: Mapping[str, State] = {state.value: state for state in State}
_KNOWN = frozenset(FIELDS)
_Whole: TypeAlias = Annotated[int, Meta(ge=-machine.WHOLE_LIMIT, le=machine.WHOLE_LIMIT)]
_Count: TypeAlias = Annotated[int, Meta(ge=0, le=machine.WHOLE_LIMIT)]


class _Held(Struct):
    """What `machine.wrong_field` lets pass, and titles of any length: to tell quickly that nothing is wrong."""

    title: str | None = None
    description: str | None = None
    priority: _Whole | None = None
    tags: list[str] | None = None
    error: str | None = None
    attempts: _Count | None = None
    max_attempts: _Count | None = None
    owner: str | None = None


def id_text(data: Mapping[str, Json]) -> str:
    """Return the id of a task object as text; a whole number may stand for one. Raises Wrong."""
    value = data.get("id")
    if value is None:
        raise Wrong("id", "this task has no id")
    if type(value) is int and abs(value) < 10**15:
        return str(value)
    if type(value) is not str:
        raise Wrong("id", f"a task id must be text, or a whole number of at most 15 digits, not {shown(value)}")
    wrong = machine.wrong_id(value)
    if wrong is not None:
        raise Wrong("id", wrong)
    return value


def state_key(data: Mapping[str, Json]) -> str:
    """Return the key that holds the state of a task object."""
    return "state" if "state" in data else "status"


def check(data: Mapping[str, Json]) -> None:
    """Raise Wrong when a known key holds what a task cannot hold there. A key that holds null counts as absent.

    Texts of any length are taken; the limit of a title is for writing one.
    """
    key = state_key(data)
    state = data.get(key)
    if state is None:
        raise Wrong(key if key in data else "id", "this task has no state (or status)")
    if type(state) is not str or state not in _STATES:
        raise Wrong(key, f"{shown(state)} is no state; the states are {', '.join(State)}")
    if not is_held(data):
        for name in _Held.__struct_fields__:
            wrong = machine.wrong_field(name, data[name]) if data.get(name) is not None else None
            if wrong is not None and not (name == "title" and type(data[name]) is str):
                raise Wrong(name, wrong)


def is_held(data: Mapping[str, Json]) -> bool:
    """Tell whether a task can hold what is under the names of its fields, state and times aside."""
    try:
        convert(data, _Held)
    except ValidationError:
        return False
    return True


def task_of(task_id: str, said: Mapping[str, Json], beside: Mapping[str, Json], version: str) -> Task:
    """Return the task that checked data says, under the names of a task's fields.

    `beside` has fields from elsewhere: they count where the data has no such key, and of `LATEST` the later moment
    counts. A moment that is none is kept in `extra`, as keys are that are not known. A task without a title is shown
    by its description, or by its id.
    """
    values: Data = {"id": task_id}
    extra: Data = {}
    for name, value in said.items():
        if name not in _KNOWN:
            extra[name] = value
        elif name in TIMES:
            values[name] = when = moment(value)
            if when is None and value is not None:
                extra[name] = value
        elif value is not None and name != "id":
            values[name] = value
    for name in beside.keys() - said.keys():
        if name in _KNOWN and beside[name] is not None:
            values[name] = moment(beside[name]) if name in TIMES else beside[name]
    for name in LATEST:
        when = moment(beside.get(name))
        if when is not None and when > (values.get(name) or ""):
            values[name] = when
    values["state"] = _STATES[values["state"]]
    if "tags" in values:
        values["tags"] = tuple(values["tags"])
    title = values.get("title")
    if not title or title.isspace():
        values["title"] = values.get("description") or task_id
    return Task(version=version, extra=extra, **values)


def depth(value: Json) -> int:
    """Return how deep lists and objects lie in each other; what lies below `NESTING` is not counted."""
    level, levels = [value], 0
    while level and levels <= NESTING:
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list | tuple)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        levels += 1
    return levels


def moment(value: Json) -> Time | None:
    """Return a moment in Taskdeck's form, or None when the value is none."""
    if type(value) is not str:
        return None
    if len(value) == 27 and value[26] == "Z" and value[10] == "T" and value[19] == ".":
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return None
        return value
    return clock.normalised(value)


def spelled(value: Time, like: str) -> str:
    """Return a moment spelled as another one is: with Z, with an offset, or as UTC without either."""
    if like[10:11] == " ":
        value = value.replace("T", " ")
    if like.endswith("Z"):
        return value
    return value.removesuffix("Z") + ("+00:00" if like[-6:-5] in ("+", "-") else "")


def shown(value: Json) -> str:
    """Return a value as a message may show it: short, and without control characters."""
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
