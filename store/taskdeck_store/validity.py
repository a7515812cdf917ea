"""What a task's id and its fields may hold, whoever brings it: a command, a file, another program."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from taskdeck_store import clock
from taskdeck_store.jsontext import NESTING, depth
from taskdeck_store.values import Json

TITLE_LIMIT = 2_000
ID_LIMIT = 200
DEPENDS_LIMIT = 1_000
"""On how many tasks one depends at most."""
WHOLE_LIMIT = 10**9
"""The largest magnitude of priority, attempts and max_attempts."""

_SAFE_ID = re.compile(r"[A-Za-z0-9._~-]+")
_DEEPEST = NESTING // 2


def wrong_id(task_id: str) -> str | None:
    """Return what is wrong with a task id, or None."""
    if not task_id:
        return "a task id cannot be empty"
    if len(task_id) > ID_LIMIT:
        return f"a task id has at most {ID_LIMIT} characters, this one {len(task_id):,}"
    if not _SAFE_ID.fullmatch(task_id):
        bad = next(character for character in task_id if not _SAFE_ID.fullmatch(character))
        return f"a task id takes letters, digits and . _ ~ - (it goes into URIs); {task_id[:60]!r} has {bad!r}"
    return None


def ids_of(value: Json) -> tuple[str, ...] | None:
    """Return the task ids of a list that another program wrote, where a whole number may stand for one; else None."""
    if not isinstance(value, list | tuple):
        return None
    found = [str(other) if type(other) is int else other for other in value]
    if not all(type(other) is str and wrong_id(other) is None for other in found):
        return None
    return tuple(dict.fromkeys(found))


def wrong_field(name: str, value: Json) -> str | None:
    """Return what is wrong with a value for a task's field, or None."""
    check = _CHECKS.get(name)
    return None if check is None else check(name, value)


def _title(name: str, value: Json) -> str | None:
    if type(value) is not str:
        return f"a title must be text, not {_shown(value)}"
    if not value.strip():
        return "a title cannot be empty"
    if len(value) > TITLE_LIMIT:
        return f"a title has at most {TITLE_LIMIT:,} characters, this one {len(value):,}; use the description"
    return None


def _text(name: str, value: Json) -> str | None:
    return None if type(value) is str else f"{name} must be text, not {_shown(value)}"


def _text_or_none(name: str, value: Json) -> str | None:
    return None if value is None else _text(name, value)


def _texts(name: str, value: Json) -> str | None:
    if isinstance(value, list | tuple) and all(type(one) is str for one in value):
        return None
    return f"{name} must be a list of texts, not {_shown(value)}"


def _ids(name: str, value: Json) -> str | None:
    if not (isinstance(value, list | tuple) and all(type(other) is str for other in value)):
        return f"{name} must be a list of task ids, not {_shown(value)}"
    if len(value) > DEPENDS_LIMIT:
        return f"a task depends on at most {DEPENDS_LIMIT:,} others, not {len(value):,}"
    return next((f"{name}: {wrong}" for wrong in map(wrong_id, value) if wrong is not None), None)


def _whole(name: str, value: Json) -> str | None:
    if type(value) is not int:
        return f"{name} must be a whole number, not {_shown(value)}"
    lowest = -WHOLE_LIMIT if name == "priority" else 0
    if not lowest <= value <= WHOLE_LIMIT:
        return f"{name} must lie between {lowest:,} and {WHOLE_LIMIT:,}"
    return None


def _json(name: str, value: Json) -> str | None:
    return f"{name} is nested more than {_DEEPEST} levels deep" if depth(value) > _DEEPEST else None


def _moment(name: str, value: Json) -> str | None:
    if value is None or (type(value) is str and clock.normalised(value) is not None):
        return None
    return f"{name} must be a moment in UTC, like 2026-01-31T09:00:00.000000Z, not {_shown(value)}"


def _shown(value: Json) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


_CHECKS: Mapping[str, Callable[[str, Json], str | None]] = {
    "title": _title,
    "description": _text,
    "priority": _whole,
    "tags": _texts,
    "data": _json,
    "result": _json,
    "error": _text_or_none,
    "attempts": _whole,
    "max_attempts": _whole,
    "not_before": _moment,
    "depends_on": _ids,
    "owner": _text_or_none,
    "lease_until": _text_or_none,
}
