"""What a look at a source tells that was not known: the event from a task as it was to the task as it is."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeAlias

from msgspec.structs import replace

from taskdeck_store import clock, jsontext, machine, validity
from taskdeck_store.machine import Transition
from taskdeck_store.printable import one_line
from taskdeck_store.values import (
    EXTERNAL,
    FOUND_NOTE,
    LATEST,
    OUTSIDE,
    REMOVED,
    TIMES,
    Action,
    Event,
    Json,
    State,
    Task,
    Time,
)

Noticed: TypeAlias = tuple[Event, Task | None]
"""An event that has no seq yet, and the task after it; None: it is gone."""

_NAMES = frozenset(Task.__struct_fields__)
_BEYOND = "extra."
"""What stands before a name that the source uses for something else than Taskdeck does."""
STAMPS = ("created_at", "state_since")
_NULLABLE = ("data", "result", "error", "owner")
NEVER = frozenset(("id", "state", "created_at", "lease_until", *LATEST))
_UNTITLED = "(no title)"


def fit(task: Task) -> Task:
    """Return a task as a mirror can keep it: texts that are none, and what lies too deep, are told otherwise."""
    return replace(
        task,
        title=_titled(task.title),
        description=as_text(task.description),
        data=_value(task.data),
        result=_value(task.result),
        error=None if task.error is None else as_text(task.error),
        owner=None if task.owner is None else as_text(task.owner),
        priority=_whole(task.priority, -validity.WHOLE_LIMIT),
        attempts=_whole(task.attempts, 0),
        max_attempts=_whole(task.max_attempts, 0),
        depends_on=tuple(other for other in task.depends_on if validity.wrong_id(other) is None),
        extra={beside(as_text(name)): _value(value) for name, value in task.extra.items()},
        **{name: clock.normalised(moment) for name in TIMES if (moment := getattr(task, name)) is not None},
    )


def noticed(
    before: Task | None, seen: Task | None, fields: Collection[str], at: Time, *, begins: bool
) -> Noticed | None:
    """Return what is new about a task: from as it was known (None: not at all) to as a source has it (None: gone).

    None where nothing is. Of the task, `fields` are the source's. A source that is looked at for the first time
    `begins`: what it has was there before.
    """
    if seen is None:
        return None if before is None else (event_of(before, None, REMOVED, at, gone(before)), None)
    if before is None:
        return _found(seen, at, begins)
    after = _after(before, seen, fields, at)
    changes = _changes(before, after, seen, fields)
    if before.state is after.state and not changes:
        return None
    action = machine.action_between(before.state, after.state)
    if before.state is not after.state and action is not None and machine.RULES[action].again:
        after = _again(before, after, fields)
        changes = _changes(before, after, seen, fields)
    return event_of(before, after, action or OUTSIDE, at, changes), after


def added(move: Transition, seen: Task | None, fields: Collection[str]) -> Transition:
    """Return the adding of a task with what its source says of it by itself: a tag, say, or values for what only the
    source knows.
    """
    if seen is None:
        return move
    values = {name: getattr(seen, name) for name in fields if name not in NEVER}
    task = replace(move.task, extra=seen.extra, **values)
    return replace(move, task=task, changes=everything(task))


def _found(seen: Task, at: Time, begins: bool) -> Noticed:
    given: dict[str, Json] = {}
    if not begins:
        given = {name: getattr(seen, name) or at for name in STAMPS}
    task = replace(seen, updated_at=seen.updated_at or (None if begins else at), lease_until=None, **given)
    changes = everything(task) | {
        name: (None, seen_at) for name in STAMPS if (seen_at := getattr(seen, name)) is not None
    }
    return event_of(None, task, Action.ADD, at, changes, FOUND_NOTE if begins else None), task


def _after(before: Task, seen: Task, fields: Collection[str], at: Time) -> Task:
    values = {name: getattr(seen, name) for name in fields if name not in NEVER}
    later = {name: getattr(seen, name) for name in LATEST if name in fields and getattr(seen, name) is not None}
    after = replace(before, extra=seen.extra, updated_at=later.get("updated_at", at), **values)
    if before.state is seen.state:
        return after
    held = None if seen.state is not State.IN_PROGRESS else before.lease_until
    not_before = after.not_before if "not_before" in fields else None
    since = later.get("state_since", at)
    return replace(after, state=seen.state, state_since=since, lease_until=held, not_before=not_before)


def _changes(before: Task, after: Task, seen: Task, fields: Collection[str]) -> dict[str, tuple[Json, Json]]:
    changes = machine.changed(before, after) | beyond(before.extra, after.extra)
    # An event tells by its own moment since when a task is in a state, unless the source tells of another.
    if before.state is not after.state and "state_since" in fields and seen.state_since is not None:
        changes["state_since"] = (before.state_since, seen.state_since)
    return changes


def _again(before: Task, after: Task, fields: Collection[str]) -> Task:
    """Return a task that went back to the queue, with what that means for what the source does not say."""
    attempts = after.attempts if "attempts" in fields else min(before.attempts + 1, validity.WHOLE_LIMIT)
    return replace(after, attempts=attempts, owner=after.owner if "owner" in fields else None)


def event_of(
    before: Task | None,
    after: Task | None,
    action: str,
    at: Time,
    changes: dict[str, tuple[Json, Json]],
    note: str | None = None,
) -> Event:
    """Return the event from a task as it was (None: not there) to a task as it is, by nobody that is known."""
    task = after or before
    assert task is not None
    return Event(
        seq=0,
        task_id=task.id,
        at=at,
        actor=EXTERNAL,
        action=action,
        from_state=None if before is None else before.state,
        to_state=None if after is None else after.state,
        attempts=task.attempts,
        note=note,
        changes=changes,
    )


def everything(task: Task) -> dict[str, tuple[Json, Json]]:
    """Return all that a task says as changes from nothing; an empty text is something where nothing is null."""
    empty = {name: (None, "") for name in _NULLABLE if getattr(task, name) == ""}
    return machine.changed(None, task) | empty | beyond({}, task.extra)


def gone(task: Task) -> dict[str, tuple[Json, Json]]:
    """Return all that a task said as changes to nothing."""
    lost = everything(task)
    return {name: (after, before) for name, (before, after) in lost.items()}


def beyond(before: dict[str, Json], after: dict[str, Json]) -> dict[str, tuple[Json, Json]]:
    """Return the changes of what the source says beyond the fields of Taskdeck."""
    pairs = {name: (before.get(name), after.get(name)) for name in {**before, **after}}
    return {name: pair for name, pair in pairs.items() if not machine.same(*pair)}


def beside(name: str) -> str:
    """Return under which name a task keeps what the source says of it beyond the fields of Taskdeck."""
    return f"{_BEYOND}{name}" if name in _NAMES else name


def _titled(text: str) -> str:
    told = as_text(text)
    if not told.strip():
        return _UNTITLED
    return told if len(told) <= validity.TITLE_LIMIT else told[: validity.TITLE_LIMIT - 1] + "…"


def as_text(text: str) -> str:
    """Return a text as SQLite can keep it: NUL ends texts there, half a surrogate has no UTF-8."""
    if "\0" not in text:
        try:
            text.encode()
        except UnicodeEncodeError:
            pass
        else:
            return text
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _whole(value: int, least: int) -> int:
    return max(least, min(value, validity.WHOLE_LIMIT))


def _value(value: Json) -> Json:
    """Return a JSON value that can be kept; what cannot is told as text."""
    if value is None or value.__class__ in (bool, int, str):
        return value
    try:
        if validity.wrong_field("data", value) is None:
            return jsontext.plain(value)
    except ValueError:
        pass
    return one_line(repr(value), 10_000)
