"""What the keys of a task object may hold, and the task that they make."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, TypeAlias

from msgspec import UNSET, DecodeError, Meta, Struct, UnsetType, ValidationError, convert, json
from msgspec.structs import replace

from taskdeck_store import clock, validity
from taskdeck_store.jsonflaws import Wrong
from taskdeck_store.values import FIELDS, LATEST, TIMES, Json, State, Task, Time

Data: TypeAlias = dict[str, Json]
"""A JSON object."""

Head: TypeAlias = tuple[str, State, int | None, Time | None]
"""What a task object says of its id, state, priority and state_since; None for what it does not say."""

_STATES: Mapping[str, State] = {state.value: state for state in State}
_KNOWN = frozenset(FIELDS)
_PLAIN = _KNOWN.difference(TIMES, ("id", "depends_on"))
_TASK = json.Decoder(Task)
_SAFE_IDS = re.compile(r"[A-Za-z0-9._~-]+")
_Whole: TypeAlias = Annotated[int, Meta(ge=-validity.WHOLE_LIMIT, le=validity.WHOLE_LIMIT)]
_Count: TypeAlias = Annotated[int, Meta(ge=0, le=validity.WHOLE_LIMIT)]


class _Held(Struct):
    """What `validity.wrong_field` lets pass, and titles of any length: to tell quickly that nothing is wrong."""

    title: str | None = None
    description: str | None = None
    priority: _Whole | None = None
    tags: list[str] | None = None
    error: str | None = None
    attempts: _Count | None = None
    max_attempts: _Count | None = None
    owner: str | None = None


class _Row(_Held, kw_only=True):
    """What `id_text` and `check` let pass, but for the characters of an id, and for an object without a state."""

    id: Annotated[str, Meta(min_length=1, max_length=validity.ID_LIMIT)] | Annotated[int, Meta(gt=-(10**15), lt=10**15)]
    state: State | UnsetType = UNSET
    status: State | UnsetType = UNSET
    state_since: Json = None


def heads_of(objects: Sequence[Data]) -> list[Head]:
    """Return the heads of task objects in which `id_text` and `check` find nothing wrong.

    ValueError or ValidationError where they may find something in any.
    """
    heads: list[Head] = []
    for row in convert(objects, list[_Row]):
        state = row.status if row.state is UNSET else row.state
        if state is UNSET:
            raise ValueError("a task without a state")
        since = None if row.state_since is None else moment(row.state_since)
        heads.append((str(row.id), state, row.priority, since))
    if not _SAFE_IDS.fullmatch("".join([head[0] for head in heads])):
        raise ValueError("an id that is none")
    return heads


def head_of(data: Data) -> Head:
    """Return the head of a checked task object. Raises Wrong."""
    return id_text(data), _STATES[data[state_key(data)]], data.get("priority"), moment(data.get("state_since"))


def id_text(data: Mapping[str, Json]) -> str:
    """Return the id of a task object as text; a whole number may stand for one. Raises Wrong."""
    value = data.get("id")
    if value is None:
        raise Wrong("id", "this task has no id")
    if type(value) is int and abs(value) < 10**15:
        return str(value)
    if type(value) is not str:
        raise Wrong("id", f"a task id must be text, or a whole number of at most 15 digits, not {shown(value)}")
    wrong = validity.wrong_id(value)
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
    wrong = None if are_held([data]) else _first_wrong(data)
    if wrong is not None:
        raise wrong


def are_held(objects: Sequence[Mapping[str, Json]]) -> bool:
    """Tell whether tasks can hold what is under the names of their fields, state and times aside."""
    try:
        convert(objects, list[_Held])
    except ValidationError:
        return False
    except UnicodeEncodeError:
        # The converter takes no half of a surrogate, neither in a key nor where a number belongs.
        return not any(map(_first_wrong, objects))
    return True


def _first_wrong(data: Mapping[str, Json]) -> Wrong | None:
    for name in _Held.__struct_fields__:
        wrong = validity.wrong_field(name, data[name]) if data.get(name) is not None else None
        if wrong is not None and not (name == "title" and type(data[name]) is str):
            return Wrong(name, wrong)
    return None


def task_of(task_id: str, said: Mapping[str, Json], beside: Mapping[str, Json], version: str = "") -> Task:
    """Return the task that checked data says, under the names of a task's fields.

    `beside` has fields from elsewhere: they count where the data has no such key, and of `LATEST` the later moment
    counts. A moment that is none is kept in `extra`, as keys are that are not known, and what is no list of ids to
    depend on. A task without a title is shown
    by its description, or by its id.
    """
    values: Data = {"id": task_id}
    extra: Data = {}
    for name, value in said.items():
        if name in _PLAIN:
            if value is not None:
                values[name] = value
        elif name not in _KNOWN:
            extra[name] = value
        elif name == "depends_on":
            ids = validity.ids_of(value)
            values[name] = ids or ()
            if ids is None and value is not None:
                extra[name] = value
        elif name in TIMES:
            values[name] = when = moment(value)
            if when is None and value is not None:
                extra[name] = value
    if beside:
        values |= _added(said.keys(), [values.get(name) for name in LATEST], beside)
    values["state"] = _STATES[values["state"]]
    if "tags" in values:
        values["tags"] = tuple(values["tags"])
    title = values.get("title")
    if not title or title.isspace():
        values["title"] = values.get("description") or task_id
    return Task(version=version, extra=extra, **values)


def task_read(text: bytes, keys: tuple[str, ...], beside: Mapping[str, Json]) -> Task | None:
    """Return what `task_of` does of a checked task object, in a third of the time; None where that takes more.

    It does for an object that has no other keys than a task, holds null in none that a task cannot, has a title, and
    spells moments and ids as Taskdeck does.
    """
    if not _KNOWN.issuperset(keys):
        return None
    try:
        task = _TASK.decode(text)
    except (DecodeError, UnicodeDecodeError):
        return None
    if not task.title or task.title.isspace():
        return None
    if task.depends_on and validity.ids_of(task.depends_on) != task.depends_on:
        return None
    for when in (task.not_before, task.lease_until, task.created_at, task.updated_at, task.state_since):
        if when is not None and moment(when) != when:
            return None
    return replace(task, **_added(keys, (task.updated_at, task.state_since), beside)) if beside else task


def _added(keys: Iterable[str], latest: Sequence[Time | None], beside: Mapping[str, Json]) -> Data:
    """Return what counts of what is known beside an object: what it has no key for, and what is later of `LATEST`."""
    added: Data = {}
    for name in beside.keys() - keys:
        value = beside[name]
        if name == "depends_on":
            added[name] = validity.ids_of(value) or ()
        elif name in _KNOWN and value is not None:
            added[name] = moment(value) if name in TIMES else tuple(value) if name == "tags" else value
    for name, said in zip(LATEST, latest, strict=True):
        when = moment(beside.get(name))
        if when is not None and when > (said or ""):
            added[name] = when
    return added


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
