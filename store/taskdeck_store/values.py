"""The words of Taskdeck as frozen values: task, card, event, and the states they speak of."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypeAlias

from msgspec import Struct

Json: TypeAlias = Any
"""Any JSON value: None, bool, int, float, str, list or dict of these."""

Time: TypeAlias = str
"""A moment in UTC as ISO 8601 text with microseconds, ``2026-01-31T09:05:00.000000Z``; sorts as text."""

EXTERNAL = "external"
"""The actor of every change that was made by a program that knows nothing of Taskdeck."""

TOLD = f"{EXTERNAL}:"
"""What stands before the name of an actor whom a place that others own tells of, as in ``external:alice``.

It is that place that says so: who is called alice on this machine did nothing.
"""

REMOVED = "removed"
"""The action of the event that records a task which an outside program took away."""

OUTSIDE = "outside"
"""The action of the event that records an outside move for which the transition table has no action."""


QUEUE = ""
"""The task_id of events about the queue as a whole: it is paused, or resumed. No task has it."""

PAUSED = "pause"
RESUMED = "resume"
"""The actions of events of the queue."""


class State(StrEnum):
    """Where a task stands. The order of definition is the order of the board's columns."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    REVIEW = "review"
    COMPLETED = "completed"
    FAILED = "failed"


class Action(StrEnum):
    """What a command may ask of a task; `taskdeck_store.machine.TABLE` says what each does."""

    ADD = "add"
    START = "start"
    SUBMIT = "submit"
    APPROVE = "approve"
    REJECT = "reject"
    FAIL = "fail"
    RETRY = "retry"
    RELEASE = "release"
    EDIT = "edit"


class Task(Struct, frozen=True, kw_only=True):
    """One task with all its fields, as committed.

    A time is None where the store's own format does not keep it. `version` is opaque: two reads with the same
    version saw the same task. `extra` holds the fields of the store's own format that Taskdeck does not know.
    No worker claims a pending task before `not_before`. It is not started before the tasks of `depends_on`, given by
    their ids, are completed; `blocked` says how many of these are not. A task that was taken out of the store once it
    was completed counts as completed. `blocked` is told by the store of the task as it is now, and is part of no
    version.
    """

    id: str
    title: str
    description: str = ""
    state: State = State.PENDING
    priority: int = 5
    tags: tuple[str, ...] = ()
    data: Json = None
    result: Json = None
    error: str | None = None
    attempts: int = 0
    max_attempts: int = 3
    not_before: Time | None = None
    depends_on: tuple[str, ...] = ()
    blocked: int = 0
    owner: str | None = None
    lease_until: Time | None = None
    created_at: Time | None = None
    updated_at: Time | None = None
    state_since: Time | None = None
    version: str = ""
    extra: dict[str, Json] = {}


FIELDS = tuple(name for name in Task.__struct_fields__ if name not in ("blocked", "version", "extra"))
"""The fields of a task that every store keeps, in their order."""

TIMES = ("not_before", "lease_until", "created_at", "updated_at", "state_since")
"""The fields that hold a moment."""

LISTS = ("tags", "depends_on")
"""The fields that hold a list of texts."""

LATEST = ("updated_at", "state_since")
"""The moments that only go forward: who changes a task need not touch them."""


class Card(Struct, frozen=True, kw_only=True):
    """What a board shows of a task: bounded in size whatever the task holds.

    `title` is cut at `CARD_TITLE` characters and `preview` at `CARD_PREVIEW`; the preview is the error of a failed
    task, the result (as JSON text) of one in review or completed, and the description of the others.
    """

    id: str
    title: str
    state: State
    priority: int
    tags: tuple[str, ...]
    attempts: int
    max_attempts: int
    not_before: Time | None
    blocked: int
    owner: str | None
    state_since: Time | None
    version: str
    preview: str


class Claim(Struct, frozen=True, kw_only=True):
    """Who has a task: its owner, and the version of the event that brought it to its state.

    A command that carries it is refused once the task has left that state, also when it came back to it since; what
    else is changed of the task does not matter.
    """

    owner: str
    version: str


CARD_TITLE = 400
CARD_PREVIEW = 400


FOUND_NOTE = "it was there when the log began"
"""The note of the event by which a log that begins knows of a task that was in the store before."""


class Event(Struct, frozen=True, kw_only=True):
    """One audit record: a committed transition, or a change from outside that was noticed.

    `seq` is the total order of its store. `changes` maps a field's name to its value before and after. `from_state`
    is None for a task's first event, `to_state` None when the task was removed. `hash` is None while unsealed.
    """

    seq: int
    task_id: str
    at: Time
    actor: str
    action: str
    from_state: State | None
    to_state: State | None
    attempts: int
    note: str | None = None
    changes: dict[str, tuple[Json, Json]] = {}
    group: str | None = None
    undoes: int | None = None
    hash: str | None = None
