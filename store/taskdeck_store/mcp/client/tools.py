"""Which of a server's tools does what an action does, and what it is to be told.

A tool is known by its name, and taken only where all that it requires is known here: its input schema says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from msgspec import UNSET, Struct, UnsetType

from taskdeck_store import jsontext
from taskdeck_store.machine import RULES, Command
from taskdeck_store.mcp.client.offer import Offer, Tool
from taskdeck_store.printable import one_line
from taskdeck_store.source import Move
from taskdeck_store.values import Action, Json, State

COMPLETE = (Action.SUBMIT, Action.APPROVE)
"""What one tool does on a server that has no review: hand in a result, and accept it."""


class Slot(StrEnum):
    """What an argument of a tool is to be told."""

    ID = "id"
    IDS = "ids"
    NOTE = "note"
    ERROR = "error"
    RESULT = "result"
    ACTOR = "actor"
    EXPECT = "expect"
    OPERATION = "operation"
    FIELD = "field"


class Way(Struct, frozen=True, kw_only=True):
    """A tool that does an action; `slots` are what its arguments are to be told, as far as that is known here."""

    tool: Tool
    slots: Mapping[str, Slot]

    @property
    def can_compare(self) -> bool:
        """Whether the tool itself refuses what is not as it was seen."""
        return Slot.EXPECT in self.slots.values()


class Ways(Struct, frozen=True, kw_only=True):
    """How each action is done (by one or, for `COMPLETE`, two), and why one is not: a clause each."""

    by: Mapping[tuple[Action, ...], Way]
    refuses: Mapping[Action, str]
    lacks: Mapping[State, str]

    @property
    def settable(self) -> frozenset[str]:
        """The fields that can be given to a new task."""
        way = self.by.get((Action.ADD,))
        names = {} if way is None else {_plain(name): slot for name, slot in way.slots.items()}
        return frozenset(
            name
            for name, slot in names.items()
            if slot is Slot.FIELD and not (name == "description" and "title" not in names)
        )


_NAMES: Mapping[tuple[Action, ...], tuple[str, ...]] = {
    **{(action,): (f"{action}", f"{action}_task", f"task_{action}") for action in Action},
    (Action.ADD,): ("add", "add_task", "task_add", "create_task", "task_create"),
    (Action.EDIT,): ("edit", "edit_task", "task_edit", "update_task", "task_update"),
    COMPLETE: ("complete", "complete_task", "task_complete", "finish_task"),
}

_SLOTS: Mapping[str, Slot] = {
    **dict.fromkeys(("id", "task_id", "taskid"), Slot.ID),
    **dict.fromkeys(("ids", "task_ids"), Slot.IDS),
    **dict.fromkeys(("note", "comment", "feedback", "reason", "message"), Slot.NOTE),
    **dict.fromkeys(("actor", "agent", "by"), Slot.ACTOR),
    **dict.fromkeys(("expect", "expected_version", "version"), Slot.EXPECT),
    **dict.fromkeys(("operation", "operation_id", "idempotency_key"), Slot.OPERATION),
}
_MORE: Mapping[tuple[Action, ...], Mapping[str, Slot]] = {
    **{(action,): dict.fromkeys(RULES[action].takes, Slot.FIELD) for action in Action},
    (Action.SUBMIT,): {"result": Slot.RESULT, "output": Slot.RESULT, "lease_until": Slot.FIELD},
    COMPLETE: {"result": Slot.RESULT, "output": Slot.RESULT},
    (Action.FAIL,): dict.fromkeys(("error", "reason", "message", "feedback"), Slot.ERROR),
}
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class CannotTell(Exception):
    """A tool cannot be told what is to be done; the text is the reason, a clause."""


def ways_of(offer: Offer) -> Ways:
    """Return what can be done with a server's tools."""
    tools = {_plain(name): tool for name, tool in sorted(offer.tools.items(), reverse=True)}
    by: dict[tuple[Action, ...], Way] = {}
    whys: dict[tuple[Action, ...], str] = {}
    for actions, names in _NAMES.items():
        for tool in (tools[name] for name in names if name in tools):
            way, why = _way(actions, tool)
            if why is None:
                by[actions] = way
                break
            whys.setdefault(actions, why)
    if all((action,) in by for action in COMPLETE):
        by.pop(COMPLETE, None)
    refuses: dict[Action, str] = {}
    for action in Action:
        if (action,) not in by and not (action in COMPLETE and COMPLETE in by):
            refuses[action] = whys.get((action,)) or f"the server has no tool for it ({_listed(_NAMES[action,])})"
    lacks: dict[State, str] = {}
    if COMPLETE in by and (Action.SUBMIT,) not in by:
        name = one_line(by[COMPLETE].tool.name, 40)
        lacks[State.REVIEW] = f"the server has no review: its {name} takes a task from in progress to completed"
    return Ways(by=by, refuses=refuses, lacks=lacks)


def calls_of(ways: Ways, commands: Sequence[Command]) -> Iterator[tuple[Way, Command]]:
    """Yield how to do what is asked, in order, each with the command that it is told of. Raises CannotTell."""
    left = list(commands)
    while left:
        both = tuple(command.action for command in left[:2])
        if both == COMPLETE and COMPLETE in ways.by:
            yield ways.by[COMPLETE], left[0]
            del left[:2]
            continue
        command = left.pop(0)
        way = ways.by.get((command.action,))
        if way is None:
            reason = ways.refuses.get(command.action) or ways.lacks.get(State.REVIEW)
            raise CannotTell(reason or "the server has no tool for it")
        yield way, command


def arguments(way: Way, move: Move, command: Command, own: Json, version: str) -> dict[str, Json]:
    """Return what a tool is to be told: `own` is the server's own id of the task, `version` the one that was seen.

    Raises CannotTell where it takes no such value.
    """
    told: dict[str, Json] = {}
    properties = _properties(way.tool)
    required = _required(way.tool)
    has_title = "title" in map(_plain, way.slots)
    for name, slot in way.slots.items():
        value = _value(slot, _plain(name), move, command, own, version, has_title=has_title)
        if value is UNSET:
            if name not in required:
                continue
            value = "" if _takes(properties[name], "") else None
        fitted = _fitted(value, properties[name])
        if fitted is UNSET:
            if name not in required and slot not in (Slot.ID, Slot.IDS, Slot.FIELD, Slot.NOTE, Slot.EXPECT):
                continue
            raise CannotTell(f"its {name} takes no such value as {one_line(repr(value), 40)}")
        told[name] = fitted
    if command.action is Action.EDIT:
        known = {_plain(name) for name in told}
        missing = [name for name in command.fields if name not in known]
        if missing:
            raise CannotTell(f"its {one_line(way.tool.name, 40)} does not set {', '.join(missing)}")
    return told


def _way(actions: tuple[Action, ...], tool: Tool) -> tuple[Way, str | None]:
    """Return how a tool would do it, and why it cannot be told (None: it can)."""
    more = _MORE.get(actions, {})
    known = {name: more.get(_plain(name)) or _SLOTS.get(_plain(name)) for name in _properties(tool)}
    slots = {name: slot for name, slot in known.items() if slot is not None}
    way = Way(tool=tool, slots=slots)
    shown = one_line(tool.name, 40)
    unknown = sorted(one_line(name, 40) for name in _required(tool) if name not in slots)
    if unknown:
        return way, f"the server's {shown} requires {_listed(unknown)}, which is not known here"
    if not {Slot.ID, Slot.IDS} & set(slots.values()):
        if actions == (Action.ADD,):
            return way, f"the server's {shown} takes no id: it gives ids itself"
        return way, f"the server's {shown} takes no id of a task"
    if actions == (Action.ADD,) and not {"title", "description"} & {_plain(name) for name in slots}:
        return way, f"the server's {shown} takes no title"
    return way, None


def _value(
    slot: Slot, name: str, move: Move, command: Command, own: Json, version: str, *, has_title: bool
) -> Json | UnsetType:
    task = move.task
    if slot in (Slot.ID, Slot.IDS):
        return [own] if slot is Slot.IDS else own
    if slot is Slot.FIELD:
        if command.action is Action.ADD or name == "owner":
            # Where there is one text, it is the title.
            return task.title if name == "description" and not has_title else getattr(task, name)
        return command.fields.get(name, UNSET)
    found: Json = {
        Slot.NOTE: command.note,
        Slot.ERROR: task.error or command.note,
        Slot.RESULT: command.fields.get("result"),
        Slot.ACTOR: command.actor,
        Slot.EXPECT: version,
        Slot.OPERATION: command.operation,
    }[slot]
    return UNSET if found in (None, "") else found


def _fitted(value: Json, schema: Json) -> Json | UnsetType:
    """Return a value as a schema takes it: a text for a number, or the other way round; UNSET where it takes none."""
    value = list(value) if isinstance(value, tuple) else value
    if isinstance(value, list) and isinstance(schema, dict) and isinstance(schema.get("items"), dict):
        items = [_fitted(one, schema["items"]) for one in value]
        return UNSET if UNSET in items else items
    if _takes(schema, value):
        return value
    if type(value) is int and _takes(schema, str(value)):
        return str(value)
    if isinstance(value, str) and re.fullmatch("-?[0-9]{1,15}", value) and _takes(schema, int(value)):
        return int(value)
    if not isinstance(value, str | int | None) and _takes(schema, ""):
        return jsontext.encode(value)
    if isinstance(value, list) and len(value) == 1:
        return _fitted(value[0], schema)
    return UNSET


def _takes(schema: Json, value: Json) -> bool:
    """Tell whether a schema takes a value, as far as its type and its choice of values say."""
    if not isinstance(schema, dict):
        return True
    for several in ("anyOf", "oneOf"):
        if isinstance(schema.get(several), list):
            return any(_takes(one, value) for one in schema[several][:20])
    choice = schema.get("enum")
    if isinstance(choice, list) and value not in choice[:1_000]:
        return False
    kinds = schema.get("type")
    names = [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else []
    if not names:
        return True
    allowed = tuple(kind for name in names if isinstance(name, str) for kind in _TYPES.get(name, ()))
    return type(value) in allowed


def _properties(tool: Tool) -> Mapping[str, Json]:
    found = tool.schema.get("properties")
    return found if isinstance(found, dict) else {}


def _required(tool: Tool) -> frozenset[str]:
    found = tool.schema.get("required")
    return frozenset(name for name in found if isinstance(name, str)) if isinstance(found, list) else frozenset()


def _plain(name: str) -> str:
    """Return a name as Python would write it: task_id for taskId and task-id."""
    return _WORDS.sub("_", name).lower().replace("-", "_").replace(".", "_")


def _listed(words: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
