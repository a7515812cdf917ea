"""The state machine: the transition table as data, and one pure function that applies it.

Everything that says what a key, a command or an outside program may do to a task is made from `TABLE`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from taskdeck_store import clock
from taskdeck_store.validity import ID_LIMIT, wrong_field, wrong_id
from taskdeck_store.values import Action, Claim, Json, State, Task, Time


class Rule(Struct, frozen=True, kw_only=True):
    """One row of the table: what an action does, and from where.

    `target` is None when the state stays. `again` says that the task goes back to the queue, so attempts + 1.
    `takes` names the fields a command may set with this action.
    """

    action: Action
    sources: tuple[State, ...]
    target: State | None
    summary: str
    again: bool = False
    note_required: bool = False
    takes: tuple[str, ...] = ()


_ALL = tuple(State)
EDITABLE = ("title", "description", "priority", "tags", "data", "max_attempts", "not_before", "depends_on")

TABLE: tuple[Rule, ...] = (
    Rule(
        action=Action.START,
        sources=(State.PENDING,),
        target=State.IN_PROGRESS,
        summary="take a task from the queue and begin its work",
        takes=("owner", "lease_until"),
    ),
    Rule(
        action=Action.SUBMIT,
        sources=(State.IN_PROGRESS,),
        target=State.REVIEW,
        summary="hand in the result for review",
        takes=("result", "lease_until"),
    ),
    Rule(
        action=Action.APPROVE,
        sources=(State.REVIEW,),
        target=State.COMPLETED,
        summary="accept the result; the task is done",
    ),
    Rule(
        action=Action.REJECT,
        sources=(State.REVIEW,),
        target=State.PENDING,
        summary="send the result back to the queue, with the reason",
        again=True,
        note_required=True,
        takes=("not_before",),
    ),
    Rule(
        action=Action.FAIL,
        sources=(State.PENDING, State.IN_PROGRESS, State.REVIEW),
        target=State.FAILED,
        summary="give the task up, with the error",
        takes=("error",),
    ),
    Rule(
        action=Action.RETRY,
        sources=(State.FAILED,),
        target=State.PENDING,
        summary="put a failed task back in the queue",
        again=True,
        takes=("not_before",),
    ),
    Rule(
        action=Action.RELEASE,
        sources=(State.IN_PROGRESS,),
        target=State.PENDING,
        summary="give a started task back to the queue",
        again=True,
        takes=("not_before",),
    ),
    Rule(
        action=Action.ADD,
        sources=(),
        target=State.PENDING,
        summary="put a new task in the queue",
        takes=EDITABLE,
    ),
    Rule(
        action=Action.EDIT,
        sources=_ALL,
        target=None,
        summary="change what the task says",
        takes=EDITABLE,
    ),
)

RULES: Mapping[Action, Rule] = {rule.action: rule for rule in TABLE}
_ADD, _EDIT, _START = RULES[Action.ADD], RULES[Action.EDIT], RULES[Action.START]
_SUBMIT, _FAIL = RULES[Action.SUBMIT], RULES[Action.FAIL]

STEP: Mapping[State, Action] = {
    State.PENDING: Action.START,
    State.IN_PROGRESS: Action.SUBMIT,
    State.REVIEW: Action.APPROVE,
}
"""The next forward action of each state that has one."""

LEASED = (State.IN_PROGRESS, State.REVIEW)
"""The states in which a worker may hold a task: it does the work, or looks at the result."""

_FEW = 5


class Code(StrEnum):
    """Why a command was refused."""

    ILLEGAL = "illegal"
    CONFLICT = "conflict"
    NOT_FOUND = "not_found"
    READ_ONLY = "read_only"
    INVALID = "invalid"


class Refusal(Struct, frozen=True, kw_only=True):
    """A refused command: the reason for programs and the sentence for people."""

    code: Code
    message: str


class Command(Struct, frozen=True, kw_only=True):
    """The intent to move or change one task.

    `expect` is the version its sender saw; None asks for no comparison. `overdue_at` asks that the task's lease has
    run out by that moment, for a heartbeat renews a lease and leaves the version as it is. `claim` is what its sender
    holds the task by. `operation` is unique to this intent, so that a repeat after a crash is told "already done".
    `group` joins the commands of one bulk action.
    """

    task_id: str
    action: Action
    actor: str
    operation: str
    note: str | None = None
    fields: Mapping[str, Json] = {}
    expect: str | None = None
    overdue_at: Time | None = None
    claim: Claim | None = None
    group: str | None = None


def command(
    task_id: str,
    action: Action,
    *,
    actor: str,
    note: str | None = None,
    expect: str | None = None,
    overdue_at: Time | None = None,
    claim: Claim | None = None,
    group: str | None = None,
    operation: str | None = None,
    **fields: Json,
) -> Command:
    """Return a command, with a new operation id unless one is given."""
    return Command(
        task_id=task_id,
        action=action,
        actor=actor,
        operation=operation or new_operation(),
        note=note,
        fields=fields,
        expect=expect,
        overdue_at=overdue_at,
        claim=claim,
        group=group,
    )


def new_operation() -> str:
    """Return an operation id (or a group's) that nobody else has, as 32 hex digits.

    It begins with the milliseconds since 1970, as a UUID of version 7 does (RFC 9562), so that an index of them grows
    at its end; 80 random bits follow.
    """
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"


class Transition(Struct, frozen=True, kw_only=True):
    """A legal move worked out: the task after it (its version not yet given), and what changed."""

    task: Task
    from_state: State | None
    to_state: State
    changes: dict[str, tuple[Json, Json]]


_RECORDED = (
    *EDITABLE,
    "result",
    "error",
    "attempts",
    "owner",
    "lease_until",
)


def transition(task: Task | None, command: Command, at: Time) -> Transition | Refusal:
    """Apply a command to the task as it stands (None: there is none) at a moment, or say why not.

    The store compares versions; this compares states and values.
    """
    rule = RULES[command.action]
    wrong = _wrong_input(rule, command)
    if wrong is not None:
        return wrong
    if rule is _ADD:
        if task is not None:
            message = f"{command.task_id} already exists ({said(task.state)}); choose another id"
            return Refusal(code=Code.INVALID, message=message)
        return _added(command, at)
    if task is None:
        return missing(command.task_id)
    if task.state not in rule.sources:
        return Refusal(code=Code.ILLEGAL, message=why_illegal(task.id, rule.action, task.state))
    if rule is _START and task.blocked:
        return Refusal(code=Code.ILLEGAL, message=f"cannot start {task.id}: {why_blocked(task)}")
    if command.overdue_at is not None and not is_overdue(task, command.overdue_at):
        message = f"{task.id} is not overdue any more: its lease was renewed meanwhile; look at it, then decide anew"
        return Refusal(code=Code.CONFLICT, message=message)
    return _moved(task, rule, command, at)


def is_overdue(task: Task, moment: Time) -> bool:
    """Tell whether a task is worked on under a lease that has run out by a moment. Without a lease, none does."""
    lease = clock.normalised(task.lease_until) if task.lease_until is not None else None
    return task.state in LEASED and lease is not None and lease < moment


def is_due(task: Task, moment: Time) -> bool:
    """Tell whether a task is pending, and left until a moment at the latest."""
    return task.state is State.PENDING and (task.not_before is None or task.not_before <= moment)


def why_blocked(task: Task) -> str:
    """Return why a blocked task cannot be started."""
    few = task.depends_on[:_FEW]
    named = ", ".join((*few, "…") if len(task.depends_on) > len(few) else few)
    if task.blocked == len(task.depends_on):
        return f"it depends on {named}, to be completed first"
    return f"{task.blocked} of the tasks it depends on ({named}) are not completed"


def actions_from(state: State) -> tuple[Action, ...]:
    """Return the actions that move a task out of a state, in the table's order."""
    return tuple(rule.action for rule in TABLE if state in rule.sources and rule.target is not None)


def action_between(before: State, after: State) -> Action | None:
    """Return the action whose move leads from one state to another; None when the table has none."""
    if before is after:
        return Action.EDIT
    return next((r.action for r in TABLE if before in r.sources and r.target is after), None)


def why_illegal(task_id: str, action: Action, state: State) -> str:
    """Return the table's reason why an action cannot be done in a state."""
    sources = _listed([said(source) for source in RULES[action].sources])
    return f"cannot {action} {task_id}: it is {said(state)}, and {action} takes a task in {sources}; {_offer(state)}"


def why_no_move(before: State, after: State) -> str:
    """Return the table's reason why no action leads from one state to another."""
    return f"no action moves a task from {said(before)} to {said(after)}; {_offer(before)}"


def missing(task_id: str) -> Refusal:
    """Return the refusal of a command whose task is not in the store."""
    return Refusal(code=Code.NOT_FOUND, message=f"no task {task_id} in this store")


def changed_meanwhile(task: Task, last: str | None) -> Refusal:
    """Return the refusal of a command whose sender saw an older version; `last` says who did what to the task."""
    who = f"; {last}" if last else ""
    message = f"{task.id} changed meanwhile: it is {said(task.state)} now{who}; look at it, then decide anew"
    return Refusal(code=Code.CONFLICT, message=message)


def is_held(task: Task, claim: Claim, brought_by: Callable[[str], str | None]) -> bool:
    """Tell whether a task is held by a claim.

    `brought_by` finds, for a task's id, the version of the event that brought it to its state. It is not asked where
    that is the task's last event.
    """
    if task.owner != claim.owner:
        return False
    return task.version == claim.version or brought_by(task.id) == claim.version


def lost_claim(task: Task, claim: Claim, last: str | None) -> Refusal:
    """Return the refusal of a command whose sender holds the task no longer; `last` says who did what to it last."""
    who = f"; {last}" if last else ""
    message = f"{claim.owner} does not hold {task.id} any more: it is {said(task.state)} now{who}; nothing was changed"
    return Refusal(code=Code.CONFLICT, message=message)


def said(state: State) -> str:
    """Return a state as a person reads it."""
    return state.replace("_", " ")


def changed(before: Task | None, after: Task, among: Collection[str] = _RECORDED) -> dict[str, tuple[Json, Json]]:
    """Return the recorded fields in which two versions of a task differ: name → before and after. Only those `among`
    some fields are looked at.
    """
    changes: dict[str, tuple[Json, Json]] = {}
    for name in _RECORDED:
        if name not in among:
            continue
        old = getattr(before, name) if before is not None else None
        new = getattr(after, name)
        if old is new or (before is None and new in ((), "")):
            continue
        if not same(old, new):
            changes[name] = (plain(old), plain(new))
    return changes


def same(one: Json, other: Json) -> bool:
    """Tell whether two JSON values are the same to a reader of JSON: true is not 1, and 1 is not 1.0."""
    left = [(one, other)]
    while left:
        one, other = left.pop()
        if one is other:
            continue
        if type(one) is not type(other):
            return False
        if isinstance(one, dict):
            if one.keys() != other.keys():
                return False
            left.extend((value, other[key]) for key, value in one.items())
        elif isinstance(one, list | tuple):
            if len(one) != len(other):
                return False
            left.extend(zip(one, other, strict=True))
        elif one != other:
            return False
    return True


def plain(value: Json) -> Json:
    """Return a field's value as JSON has it: a list for a tuple."""
    return list(value) if isinstance(value, tuple) else value


def _wrong_input(rule: Rule, command: Command) -> Refusal | None:
    wrong = wrong_id(command.task_id) if rule is _ADD else None
    if wrong is None:
        wrong = _wrong_fields(rule, command)
        if wrong is None:
            return None
        wrong = f"cannot {rule.action} {command.task_id[:ID_LIMIT]}: {wrong}"
    return Refusal(code=Code.INVALID, message=wrong)


def _wrong_fields(rule: Rule, command: Command) -> str | None:
    fields = command.fields
    if rule.note_required and not (command.note and command.note.strip()):
        return "a note that says why is required"
    if rule is _ADD and "title" not in fields:
        return "a title is required"
    if rule is _EDIT and not fields:
        return "nothing to change was given"
    for name, value in fields.items():
        if name not in rule.takes:
            return f"{rule.action} does not set {name}; it sets {_listed(list(rule.takes)) or 'nothing'}"
        wrong = wrong_field(name, value)
        if wrong is not None:
            return wrong
    return None


def _added(command: Command, at: Time) -> Transition:
    values = _values(command)
    task = Task(id=command.task_id, created_at=at, updated_at=at, state_since=at, **values)
    return Transition(task=task, from_state=None, to_state=State.PENDING, changes=changed(None, task))


def _moved(task: Task, rule: Rule, command: Command, at: Time) -> Transition:
    values = _values(command)
    target = rule.target or task.state
    values["updated_at"] = at
    if rule.target is not None:
        values["state"] = target
        values["state_since"] = at
        values["lease_until"] = values.get("lease_until")
        values["not_before"] = values.get("not_before")
    if rule.again:
        values["attempts"] = task.attempts + 1
        values["owner"] = None
    if rule is _START:
        values.setdefault("owner", command.actor)
        values["error"] = None
    if rule is _SUBMIT:
        values.setdefault("result", None)
    if rule is _FAIL:
        values.setdefault("error", command.note or f"failed by {command.actor}")
    after = replace(task, **values)
    return Transition(task=after, from_state=task.state, to_state=target, changes=changed(task, after, values))


def _values(command: Command) -> dict[str, Json]:
    return {name: _kept(name, value) for name, value in command.fields.items()}


def _kept(name: str, value: Json) -> Json:
    """Return a field's value as a task keeps it."""
    if name == "tags":
        return tuple(value)
    if name == "depends_on":
        return tuple(dict.fromkeys(value))
    return clock.normalised(value) if name == "not_before" and value is not None else value


def _offer(state: State) -> str:
    actions = actions_from(state)
    if not actions:
        return f"{said(state)} is final"
    return f"from {said(state)} one can {_listed([str(action) for action in actions])}"


def _listed(words: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
