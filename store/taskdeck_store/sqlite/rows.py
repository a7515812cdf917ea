"""Rows of the public tables to the values of Taskdeck, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from taskdeck_store import jsontext
from taskdeck_store.contract import Change, Tally, Trace
from taskdeck_store.sqlite import deep
from taskdeck_store.values import CARD_PREVIEW, CARD_TITLE, FIELDS, LISTS, Card, Event, Json, State, Task

if TYPE_CHECKING:
    from apsw import Connection, SQLiteValue

Row: TypeAlias = tuple[Any, ...]
"""A row of a table. In its `state_since`, '' stands for a time that is not known: NULL has no place in an order."""

WRITTEN = (*FIELDS, "version")
"""The columns that a writer of Taskdeck fills; `blocked` is counted by the database itself."""
TASK_COLUMNS = (*WRITTEN, "blocked")
TASK = ", ".join(TASK_COLUMNS)

_PREVIEW = (
    "CASE WHEN state = 'failed' THEN error WHEN state IN ('review', 'completed') THEN result ELSE description END"
)
CARD = (
    f"id, substr(title, 1, {CARD_TITLE}), state, priority, tags, attempts, max_attempts, not_before, blocked, owner, "
    f"state_since, version, substr({_PREVIEW}, 1, {CARD_PREVIEW})"
)

EVENT = 'seq, task_id, at, actor, action, from_state, to_state, attempts, note, changes, "group", undoes, hash'
CHANGE = "seq, task_id, at, actor, action, from_state, to_state, note"
TRACE = (
    "seq, task_id, at, actor, action, from_state, to_state, "
    """CASE WHEN instr(changes, '"priority"') OR instr(changes, '"state_since"') THEN changes END"""
)

_STATES = {str(state): state for state in State}
_NOTHING = type(None)
_SOME_TEXT = (str, _NOTHING)
_TASK_TYPES = (
    *(str, str, str, str, int, str, _SOME_TEXT, _SOME_TEXT, _SOME_TEXT, int, int, _SOME_TEXT, str),
    *(_SOME_TEXT, _SOME_TEXT, _SOME_TEXT, _SOME_TEXT, _SOME_TEXT, _SOME_TEXT, int),
)
_CARD_TYPES = (str, str, str, int, str, int, int, _SOME_TEXT, int, _SOME_TEXT, _SOME_TEXT, _SOME_TEXT, _SOME_TEXT)
_EVENT_TYPES = (
    *(int, str, str, str, str, _SOME_TEXT, _SOME_TEXT, int, _SOME_TEXT, str, _SOME_TEXT),
    *((int, _NOTHING), _SOME_TEXT),
)
_CHANGE_TYPES = (int, str, str, str, str, _SOME_TEXT, _SOME_TEXT, _SOME_TEXT)
_TRACE_TYPES: tuple[set[type], ...] = (
    {int},
    {str},
    {str},
    {str},
    {str},
    {str, _NOTHING},
    {str, _NOTHING},
    {str, _NOTHING},
)
_NO_CHANGES = "{}"
_EMPTY_LIST = "[]"


def fetch(connection: Connection, sql: str, parameters: Sequence[SQLiteValue] = ()) -> list[Row]:
    """Return the rows of a query. Bytes that are no UTF-8, in a text that another program wrote, are replaced."""
    try:
        return connection.execute(sql, parameters).fetchall()
    except UnicodeDecodeError:
        pass
    names = (f'"{name}"' for name, *_ in connection.execute(sql, parameters).get_description())
    bare = ", ".join(f"iif(typeof({name}) = 'text', CAST({name} AS BLOB), {name})" for name in names)
    return [
        tuple(value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in row)
        for row in connection.execute(f"SELECT {bare} FROM ({sql})", parameters)
    ]


def is_text(value: str) -> bool:
    """Tell whether SQLite holds and compares a text as it is: NUL ends texts there, half a surrogate has no UTF-8."""
    if "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def task(row: Sequence[Any]) -> Task:
    """Return the task of a row of the columns TASK. Raises apsw.CorruptError for what no writer can have put there."""
    _check(row, _TASK_TYPES, "task")
    (
        task_id, title, description, state, priority, tags, data, result, error, attempts, max_attempts, not_before,
        depends_on, owner, lease_until, created_at, updated_at, state_since, version, blocked,
    ) = row  # fmt: skip
    return Task(
        id=task_id,
        title=title,
        description=description,
        state=state_named(state),
        priority=priority,
        tags=texts(tags),
        data=None if data is None else _value(data),
        result=None if result is None else _value(result),
        error=error,
        attempts=attempts,
        max_attempts=max_attempts,
        not_before=not_before,
        depends_on=() if depends_on == _EMPTY_LIST else tuple(dict.fromkeys(texts(depends_on))),
        blocked=blocked,
        owner=owner,
        lease_until=lease_until,
        created_at=created_at,
        updated_at=updated_at,
        state_since=state_since or None,
        version=version,
    )


def card(row: Row) -> Card:
    """Return the card of a row of the columns CARD. Raises apsw.CorruptError as `task` does."""
    _check(row, _CARD_TYPES, "task")
    (
        task_id, title, state, priority, tags, attempts, max_attempts, not_before, blocked, owner, since, version,
        preview,
    ) = row  # fmt: skip
    return Card(
        id=task_id,
        title=title,
        state=state_named(state),
        priority=priority,
        tags=texts(tags),
        attempts=attempts,
        max_attempts=max_attempts,
        not_before=not_before,
        blocked=blocked,
        owner=owner,
        state_since=since or None,
        version=version,
        preview=preview or "",
    )


def event(row: Row) -> Event:
    """Return the event of a row of the columns EVENT. Raises apsw.CorruptError as `task` does."""
    _check(row, _EVENT_TYPES, "event")
    seq, task_id, at, actor, action, before, after, attempts, note, changes, group, undoes, seal = row
    return Event(
        seq=seq,
        task_id=task_id,
        at=at,
        actor=actor,
        action=action,
        from_state=None if before is None else state_named(before),
        to_state=None if after is None else state_named(after),
        attempts=attempts,
        note=note,
        changes=_changes(changes),
        group=group,
        undoes=undoes,
        hash=seal,
    )


def change(row: Row) -> Change:
    """Return the change of a row of the columns CHANGE. Raises apsw.CorruptError as `task` does."""
    _check(row, _CHANGE_TYPES, "event")
    seq, task_id, at, actor, action, before, after, note = row
    return Change(
        seq=seq,
        task_id=task_id,
        at=at,
        actor=actor,
        action=action,
        from_state=None if before is None else state_named(before),
        to_state=None if after is None else state_named(after),
        note=note,
    )


def traces(rows: Sequence[Row]) -> list[Trace]:
    """Return the traces of rows of the columns TRACE. Raises apsw.CorruptError as `task` does."""
    for types, column in zip(_TRACE_TYPES, zip(*rows, strict=True), strict=bool(rows)):
        if not types.issuperset(map(type, column)):
            raise damage("a value of an event is of a type that its column cannot hold")
    return [row if row[-1] is None else (*row[:-1], _changes(row[-1])) for row in rows]


def tally(row: Row) -> Tally:
    """Return the tally of a count and the oldest `state_since`. Raises apsw.CorruptError as `task` does."""
    _check(row, (int, _SOME_TEXT), "tally")
    return Tally(*row)


def state_named(name: str) -> State:
    """Return the state of a name. Raises apsw.CorruptError when there is none."""
    try:
        return _STATES[name]
    except KeyError:
        raise damage(f"there is no state {name!r:.60}") from None


def column(name: str, task: Task) -> str | int | None:
    """Return what a column of `tasks` holds for a task whose JSON was read as such."""
    value = getattr(task, name)
    if name in LISTS:
        return jsontext.written(list(value)) if value else _EMPTY_LIST
    if name == "state_since":
        return str(value or "")
    if value is None:
        return None
    if name in ("data", "result"):
        return jsontext.written(value)
    return value if isinstance(value, int) else str(value)


def _check(row: Sequence[Any], types: Sequence[type | tuple[type, ...]], what: str) -> None:
    # The tables are STRICT: only damage to the file puts a value of another type into a column.
    if not all(map(isinstance, row, types)):
        raise damage(f"a value of {what} {row[0]!r:.90} is of a type that its column cannot hold")


def damage(message: str) -> Exception:
    """Return the error, apsw.CorruptError, of what no writer can have put into the tables."""
    import apsw

    return apsw.CorruptError(message)


def _changes(text: str) -> dict[str, tuple[Json, Json]]:
    if deep.is_deep(text, jsontext.NESTING + 2):
        return _deep_changes(deep.told(text))
    pairs = {} if text == _NO_CHANGES else _decoded(text)
    if isinstance(pairs, dict) and all(isinstance(pair, list) and len(pair) == 2 for pair in pairs.values()):
        return {name: tuple(pair) for name, pair in pairs.items()}
    # Never left out: what is not told is not in the event's hash, and could be put there unseen.
    return {"changes": (None, text)}


def _deep_changes(text: str) -> dict[str, tuple[Json, Json]]:
    """The changes of which a value is nested too deeply: that value is told as text."""
    found = dict(deep.pairs(text))
    spelled = ",".join(f"{key}:[{','.join(pair)}]" for key, pair in found.items())
    if text != f"{{{spelled}}}" or any(len(pair) != 2 for pair in found.values()):
        return {"changes": (None, text)}
    return {str(_decoded(key)): (_value(before), _value(after)) for key, (before, after) in found.items()}


def texts(text: str) -> tuple[str, ...]:
    """Return the texts of a column that holds a list of them."""
    if text == _EMPTY_LIST:
        return ()
    return jsontext.texts(_value(text))


def _value(text: str) -> Json:
    """The value of JSON that SQLite took as valid; where it is nested too deeply, its text."""
    return deep.told(text) if deep.is_deep(text) else _decoded(text)


def _decoded(text: str) -> Json:
    """The value of JSON that SQLite took as valid; a number that Python cannot hold (1e999) is given as text."""
    try:
        return jsontext.decode(text)
    except ValueError:
        pass
    import json

    try:
        return json.loads(text, parse_int=_whole, parse_float=_broken)
    except ValueError:
        return text


def _whole(digits: str) -> int | str:
    try:
        return int(digits)
    except ValueError:
        return digits


def _broken(digits: str) -> float | str:
    number = float(digits)
    return digits if math.isinf(number) else number
