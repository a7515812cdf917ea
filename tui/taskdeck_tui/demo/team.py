"""How the demo's team works: who is in it, and what it does next. History and the live worker follow the same rules."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from msgspec import Struct

from taskdeck_store.machine import Command, command
from taskdeck_store.values import Action, Card, Task
from taskdeck_tui.demo import catalogue, work

AGENTS = ("alder", "birch", "cedar", "hazel", "linden", "maple", "rowan", "willow")
REVIEWERS = ("mira", "jonas")
PLANNER = "planner"

_FIRST_NUMBER = 1001
_FAILS = 0.13
_GIVES_BACK = 0.02
_REJECTS = 0.15


class Targets(Struct, frozen=True):
    """How many tasks the team likes to have waiting in a state; the reviewers leave the rest to the operator."""

    pending: int
    review: int
    failed: int


def targets(tasks: int) -> Targets:
    """Return the targets of a store of about so many tasks."""
    return Targets(
        pending=min(max(tasks // 5, 3), 400),
        review=min(max(tasks // 9, 2), 40),
        failed=min(max(tasks // 14, 1), 30),
    )


class Situation(Struct, frozen=True, kw_only=True):
    """What the team sees: the next tasks of the queue, and the oldest of the other states.

    `working` holds only what its agents own. `pending_count`, `review_count` and `failed_count` count all there are.
    """

    pending: Sequence[Card | Task]
    working: Sequence[Card | Task]
    review: Sequence[Card | Task]
    failed: Sequence[Card | Task]
    pending_count: int
    review_count: int
    failed_count: int


class Choice(Struct, frozen=True):
    """What the team does next: an action, by whom, on which task (None: a new one)."""

    action: Action
    actor: str
    task: Card | Task | None


def choose(situation: Situation, targets: Targets, random: Random) -> Choice:
    """Return the team's next move, drawn by how much each is needed."""
    idle = sorted(set(AGENTS) - {task.owner for task in situation.working})
    retryable = [task for task in situation.failed if task.attempts < task.max_attempts]
    waiting = [task for task in situation.pending[:60] if task.priority > 4]
    needs = {
        Action.ADD: max(targets.pending - situation.pending_count, 0) * 1.5,
        Action.START: len(idle) * 3.0 if situation.pending else 0,
        Action.SUBMIT: float(len(situation.working)),
        Action.APPROVE: max(situation.review_count - targets.review, 0) * 1.5,
        Action.RETRY: max(situation.failed_count - targets.failed, 0) * 2.0 if retryable else 0,
        Action.EDIT: 0.2 if waiting else 0,
    }
    if not any(needs.values()):
        return Choice(Action.ADD, PLANNER, None)
    (action,) = random.choices(tuple(needs), tuple(needs.values()))
    match action:
        case Action.START:
            return Choice(action, random.choice(idle), situation.pending[0])
        case Action.SUBMIT:
            task = random.choice(situation.working[:3])
            return Choice(_ending(random), task.owner or PLANNER, task)
        case Action.APPROVE:
            judged = Action.REJECT if random.random() < _REJECTS else action
            return Choice(judged, random.choice(REVIEWERS), random.choice(situation.review[:3]))
        case Action.RETRY:
            return Choice(action, random.choice(REVIEWERS), retryable[0])
        case Action.EDIT:
            return Choice(action, PLANNER, random.choice(waiting))
        case _:
            return Choice(Action.ADD, PLANNER, None)


def added(number: int, random: Random) -> Command:
    """Return the command that adds the team's `number`-th task, counted from 0."""
    area, fields = work.draw(random)
    return command(
        f"{area}-{_FIRST_NUMBER + number}", Action.ADD, actor=PLANNER, operation=_operation(random), **fields
    )


def commanded(choice: Choice, task: Task, random: Random) -> Command:
    """Return the command of a choice, with its note, result or error, on the task as it was seen."""
    note = None
    fields = {}
    match choice.action:
        case Action.SUBMIT:
            fields["result"] = work.result_of(task.data, random)
        case Action.FAIL:
            fields["error"] = work.error_of(task.data, random)
        case Action.APPROVE:
            note = random.choice(catalogue.APPROVALS)
        case Action.REJECT:
            note = random.choice(catalogue.REJECTIONS)
        case Action.RETRY:
            note = random.choice(catalogue.RETRIES)
        case Action.RELEASE:
            note = catalogue.GIVEN_BACK
        case Action.EDIT:
            note = catalogue.URGENT
            fields["priority"] = 2
    return command(
        task.id,
        choice.action,
        actor=choice.actor,
        note=note,
        expect=task.version or None,
        operation=_operation(random),
        **fields,
    )


def _ending(random: Random) -> Action:
    drawn = random.random()
    if drawn < _GIVES_BACK:
        return Action.RELEASE
    return Action.FAIL if drawn < _GIVES_BACK + _FAILS else Action.SUBMIT


def _operation(random: Random) -> str:
    return f"{random.getrandbits(128):032x}"
