"""Which attributes of an entity are fields of a task, and how a field's value is said in the text of a memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from taskdeck_store import clock, jsontext, validity
from taskdeck_store.minna import names
from taskdeck_store.values import Json

ATTRIBUTES: Mapping[str, Sequence[str]] = {
    "state": ("status", "state"),
    "title": ("title",),
    "description": ("description",),
    "priority": ("priority",),
    "tags": ("tags",),
    "data": ("data",),
    "result": ("result",),
    "error": ("error", "failure_reason"),
    "attempts": ("attempts",),
    "max_attempts": ("max_attempts",),
    "owner": ("owner", "assigned_to", "assignee"),
    "not_before": ("not_before",),
    "depends_on": ("depends_on", "dependencies"),
}
"""The attributes that say each field; the first is the one that is written where a file has used none."""

FIELD = {attribute: field for field, attributes in ATTRIBUTES.items() for attribute in attributes}

_NONE: Mapping[str, Json] = {"description": "", "tags": (), "depends_on": ()}
_LONGEST_NUMBER = 20
_NUMBERS = ("priority", "attempts", "max_attempts")


def value_of(field: str, told: object) -> tuple[Json] | None:
    """Return what a memory says of a field, in a tuple; None where no such field can hold it.

    An empty text says that there is nothing, but for a title or a number.
    """
    if told is None or told == "":
        return None if field == "title" or field in _NUMBERS else (_NONE.get(field),)
    text = told if isinstance(told, str) else told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
    read = _READ.get(field)
    return (text,) if read is None else read(field, text)


def text_of(field: str, value: Json, before: object) -> str:
    """Return how a memory says a field's value; `before` is what the last one said. Raises ValueError."""
    if value is None:
        return ""
    match field:
        case "data" | "result":
            text = _json_text(value)
        case "tags":
            text = _list_text(value, before)
        case "depends_on":
            text = _list_text([names.entity_of(one) or one for one in value], before)
        case _:
            text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{field} has half a character (a lone surrogate), which no memory can hold") from None
    return text


def _number(field: str, text: str) -> tuple[Json] | None:
    # A number of thousands of digits is none that Python would read.
    if len(text) > _LONGEST_NUMBER:
        return None
    try:
        number = int(text)
    except ValueError:
        return None
    return (number,) if validity.wrong_field(field, number) is None else None


def _ids(field: str, text: str) -> tuple[Json] | None:
    ids = validity.ids_of([_id(one) for one in _listed(text)])
    return None if ids is None else (ids,)


def _moment(field: str, text: str) -> tuple[Json] | None:
    moment = clock.normalised(text)
    return None if moment is None else (moment,)


_READ: Mapping[str, Callable[[str, str], tuple[Json] | None]] = {
    **dict.fromkeys(_NUMBERS, _number),
    "data": lambda field, text: (_json(text),),
    "result": lambda field, text: (_json(text),),
    "tags": lambda field, text: (_listed(text),),
    "depends_on": _ids,
    "not_before": _moment,
}


def _json(text: str) -> Json:
    try:
        return jsontext.decode(text)
    except ValueError:
        return text


def _json_text(value: Json) -> str:
    if isinstance(value, str) and value:
        try:
            value.encode()
            jsontext.decode(value)
        except UnicodeEncodeError:
            pass
        except ValueError:
            return value
    return jsontext.encode(value)


def _listed(text: str) -> tuple[str, ...]:
    value = _json(text)
    if isinstance(value, list):
        return jsontext.texts(value)
    return tuple(filter(None, (piece.strip() for piece in text.split(","))))


def _list_text(values: Sequence[str], before: object) -> str:
    if not values:
        return "" if isinstance(before, str) and before[:1] != "[" else "[]"
    text = ", ".join(values)
    spoken = isinstance(before, str) and before and not isinstance(_json(before), list)
    return text if spoken and _listed(text) == tuple(values) else jsontext.encode(list(values))


def _id(other: str) -> str:
    return names.id_of(other) if other.startswith(names.PREFIX) else other
