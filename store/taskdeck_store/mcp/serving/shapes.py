"""What is told of tasks and events: their own fields, with long values left out where a whole page of them is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from taskdeck_store import jsontext
from taskdeck_store.values import Event, Json, State, Task

BRIEF = 400
"""How many characters of a value a list for a model tells: it pays for each."""
PAGED = 8_000
"""How many characters of a value a page for a program tells."""

_TEXTS = ("title", "description", "error")
_VALUES = ("data", "result")
_LISTS = ("tags", "depends_on")
_LONGEST_LIST = 100
_ANYTHING = ("object", "array", "string", "number", "boolean", "null")
_SAYING = ("type", "anyOf", "enum", "const")
_HALF = re.compile("[\ud800-\udfff]")


class Shown(Task, frozen=True, kw_only=True):
    """A task as it is told. `status` is its state under the name that other programs know.

    `cut` names the fields that were left out or cut off for being long; the resource task://{id} has them whole.
    """

    status: State
    cut: tuple[str, ...] = ()


class ShownEvent(Event, frozen=True, kw_only=True):
    """An event as it is told; `cut` names what was left out or cut off for being long."""

    cut: tuple[str, ...] = ()


def shown(task: Task, most: int | None = PAGED) -> Shown:
    """Return a task as it is told, each of its values in so many characters at most (None: whole)."""
    fields = asdict(task)
    cut: list[str] = []
    if most is not None:
        for name in _TEXTS:
            if fields[name] is not None and len(fields[name]) > most:
                fields[name] = fields[name][:most] + "…"
                cut.append(name)
        for name in _VALUES:
            if _is_long(fields[name], most):
                fields[name] = None
                cut.append(name)
        for name in _LISTS:
            if len(fields[name]) > _LONGEST_LIST or _is_long(fields[name], most):
                fields[name] = ()
                cut.append(name)
        if _is_long(fields["extra"], most):
            fields["extra"] = {}
            cut.append("extra")
    return Shown(**fields, status=task.state, cut=tuple(cut))


def shown_event(event: Event, most: int | None = PAGED) -> ShownEvent:
    """Return an event as it is told, each of its values in so many characters at most (None: whole)."""
    fields = asdict(event)
    cut: list[str] = []
    if most is not None:
        if event.note is not None and len(event.note) > most:
            fields["note"] = event.note[:most] + "…"
            cut.append("note")
        fields["changes"] = changes = dict(event.changes)
        for name, told in event.changes.items():
            if _is_long(told, most):
                changes[name] = (None, None)
                cut.append(f"changes.{name}")
    return ShownEvent(**fields, cut=tuple(cut))


def told(value: Struct) -> Json:
    """Return a value as JSON that any transport can carry: half a surrogate, which UTF-8 cannot say, is replaced."""
    found = msgspec.to_builtins(value)
    try:
        msgspec.json.encode(found)
    except (UnicodeEncodeError, OverflowError, msgspec.MsgspecError):
        # A number of any length may hide what comes behind it.
        return _replaced(found)
    return found


def text(value: Json) -> str:
    """Return the JSON text of what `told` returned."""
    return jsontext.written(value)


@cache
def flat_schema(kind: type[Struct]) -> dict[str, Json]:
    """Return the JSON Schema of a struct in one piece, of parts that every client understands.

    Some follow no reference, and take neither a part that says nothing nor one that is bare true or false.
    """
    (found,), parts = msgspec.json.schema_components([kind], ref_template="{name}")

    def plain(part: Json) -> Json:
        if isinstance(part.get("$ref"), str):
            return plain(parts[part["$ref"]])
        told = {name: within(name, value) for name, value in part.items() if name != "prefixItems"}
        if "prefixItems" in part:
            [told["items"]] = {repr(one): plain(one) for one in part["prefixItems"]}.values()
        return (
            told if any(name in told for name in _SAYING) else {"anyOf": [{"type": one} for one in _ANYTHING], **told}
        )

    def within(name: str, value: Json) -> Json:
        if name == "properties":
            return {inner: plain(one) for inner, one in value.items()}
        if name == "anyOf":
            return [plain(one) for one in value]
        return plain(value) if name in ("items", "additionalProperties") and isinstance(value, dict) else value

    whole: dict[str, Json] = plain(found)
    return whole


def _is_long(value: Json, most: int) -> bool:
    return value not in (None, (), {}, []) and len(jsontext.written(value)) > most


def _replaced(value: Json) -> Json:
    replace: Callable[[str], str] = lambda word: _HALF.sub("\N{REPLACEMENT CHARACTER}", word)  # noqa: E731
    if isinstance(value, str):
        return replace(value)
    if isinstance(value, list | tuple):
        return [_replaced(one) for one in value]
    if isinstance(value, dict):
        return {replace(name): _replaced(one) for name, one in value.items()}
    return value
