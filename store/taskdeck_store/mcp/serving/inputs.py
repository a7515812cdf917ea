"""What tools take, as types: made from the transition table where an action of it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, defstruct

from taskdeck_store.machine import Rule
from taskdeck_store.mcp.serving.pages import MOST
from taskdeck_store.mcp.serving.shapes import flat_schema
from taskdeck_store.validity import ID_LIMIT
from taskdeck_store.values import Action, Json, State

CLAIM_MOST = 100
LISTED = 50
"""How many tasks or events a list for a model has unless more or fewer are asked for."""
LEASE = 3_600.0
"""Seconds for which a claimed task is held unless another length is asked for."""
LONGEST_LEASE = 7 * 86_400.0
PATIENCE = 50.0
"""Seconds for which a verdict is waited for unless more are asked for: many clients give a tool a minute."""
MOST_PATIENCE = 3_600.0


class Input(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a tool takes; anything else is refused."""


TaskId = Annotated[str, Meta(description=f"the task's id, at most {ID_LIMIT} characters of A-Z a-z 0-9 . _ ~ -")]
Note = Annotated[str | None, Meta(description="why, for the audit log")]
Reason = Annotated[str, Meta(description="why, for the audit log and for who takes the task next; required")]
Expect = Annotated[
    str | None, Meta(description="the task's version as you read it: refused as a conflict if it changed since")
]
Operation = Annotated[
    str | None,
    Meta(description="an id of yours for this call alone: sent again with it, what was done is not done twice"),
]
Filter = Annotated[
    str,
    Meta(description="only tasks that match: state:review tag:x -tag:y owner:me priority<3 age>1h blocked:no words"),
]
Seq = Annotated[int, Meta(ge=0)]
Whole = Annotated[int, Meta(ge=1, le=MOST)]

_FIELDS: Mapping[str, Any] = {
    "title": Annotated[str, Meta(description="what is to be done, in a line")],
    "description": Annotated[str, Meta(description="all that is to be known to do it")],
    "priority": Annotated[int, Meta(description="lower runs first; 5 unless given")],
    "tags": list[str],
    "data": Annotated[Json, Meta(description="the input of the work, any JSON")],
    "max_attempts": Annotated[int, Meta(description="how often it is tried; 3 unless given")],
    "not_before": Annotated[
        str | None, Meta(description="nobody claims it earlier: +2h, tomorrow 9am, or ISO 8601 in UTC; null: at once")
    ],
    "depends_on": Annotated[list[str], Meta(description="ids of tasks to be completed first")],
    "owner": Annotated[str, Meta(description="who works on it; you, unless given")],
    "lease_until": Annotated[str | None, Meta(description="until when it is held: +1h, or ISO 8601 in UTC")],
    "result": Annotated[Json, Meta(description="what the work came to, any JSON")],
    "error": Annotated[str, Meta(description="what went wrong; the note, unless given")],
}
MOMENTS = ("not_before", "lease_until")
"""The fields that are given as people say moments."""


@cache
def input_of(rule: Rule) -> type[Struct]:
    """Return what the tool of an action takes."""
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    if rule.action is Action.ADD:
        fields += [("title", _FIELDS["title"]), ("id", TaskId | UnsetType, UNSET)]
    else:
        fields.append(("task_id", TaskId))
    taken = {name for name, *_ in fields}
    fields += [(name, _FIELDS[name] | UnsetType, UNSET) for name in rule.takes if name not in taken]
    fields.append(("note", Reason) if rule.note_required else ("note", Note, None))
    if rule.action is not Action.ADD:
        fields.append(("expect", Expect, None))
    fields.append(("operation", Operation, None))
    name = f"{rule.action.title()}Input"
    return defstruct(name, fields, bases=(Input,), frozen=True, kw_only=True, namespace={"__doc__": rule.summary})


class ClaimInput(Input, frozen=True, kw_only=True):
    """What to claim."""

    query: Filter = ""
    limit: Annotated[int, Meta(ge=1, le=CLAIM_MOST, description="how many tasks at most")] = 1
    lease_seconds: Annotated[
        float, Meta(gt=0, le=LONGEST_LEASE, description="after so long, others may give the task back to the queue")
    ] = LEASE
    owner: Annotated[str | None, Meta(description="who works on it; you, unless given")] = None


class ListInput(Input, frozen=True, kw_only=True):
    """What to list."""

    state: State | None = None
    query: Filter = ""
    limit: Whole = LISTED
    after: Annotated[str | None, Meta(description="`next` of the page before")] = None


class ShowInput(Input, frozen=True, kw_only=True):
    """What to show."""

    task_id: TaskId


class LogInput(Input, frozen=True, kw_only=True):
    """Which events to tell."""

    task_id: TaskId | None = None
    after: Annotated[Seq | None, Meta(description="only events after this seq; without it, the last ones")] = None
    limit: Whole = LISTED


class WaitInput(Input, frozen=True, kw_only=True):
    """What to wait for."""

    task_id: TaskId
    after: Annotated[Seq | None, Meta(description="the `seq` that submit returned: no older verdict counts")] = None
    timeout: Annotated[
        float, Meta(ge=0, le=MOST_PATIENCE, description="seconds; then the verdict is 'waiting': ask again")
    ] = PATIENCE


class SeedAddInput(Input, frozen=True, kw_only=True):
    """A task as a description."""

    description: Annotated[str, Meta(description="what is to be done; its first line becomes the title")]
    priority: int = 5
    max_attempts: int = 3


class SeedStartInput(Input, frozen=True, kw_only=True):
    """A task."""

    task_id: TaskId


class SeedCompleteInput(Input, frozen=True, kw_only=True):
    """A task and its result."""

    task_id: TaskId
    result: Annotated[Json, Meta(description="what the work came to, any JSON")] = None


class SeedFailInput(Input, frozen=True, kw_only=True):
    """A task and what went wrong."""

    task_id: TaskId
    reason: Annotated[str, Meta(description="what went wrong")]


class SeedRetryInput(Input, frozen=True, kw_only=True):
    """A task and what to do better."""

    task_id: TaskId
    feedback: Annotated[str, Meta(description="what to do better; required for a task in review")] = ""


class NoInput(Input, frozen=True, kw_only=True):
    """Nothing."""


def schema_of(kind: type[Struct]) -> dict[str, Json]:
    """Return the JSON Schema of what a tool takes."""
    return {name: value for name, value in flat_schema(kind).items() if name not in ("title", "description")}


def given(kind: type[Struct], arguments: Mapping[str, Json]) -> Struct:
    """Return the arguments of a call as what the tool takes. Raises ValueError, its message a line for people."""
    try:
        return msgspec.convert(arguments, kind)
    except msgspec.ValidationError as error:
        what, at, where = str(error).partition(" - at `$.")
        takes = ", ".join(kind.__struct_fields__) or "nothing"
        raise ValueError(f"{where.rstrip('`')}: {what}" if at else f"{what}; this tool takes {takes}") from None
