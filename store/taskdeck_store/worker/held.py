"""An outcome that is held: what a step would commit, to be looked at first. Pure functions from one to the next."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from taskdeck_store import jsontext
from taskdeck_store.machine import Command, Refusal, new_operation, transition
from taskdeck_store.values import Action, Json, Task, Time
from taskdeck_store.worker.part import Part


class Held(Struct, frozen=True, kw_only=True):
    """What would be committed. `part` is what it came of, None: it is the claim of a task, before any work.

    `before` is the task as it is, `after` as it would be, `changes` tells in which fields they differ: before and
    after. `why` says why it is held: the breakpoint, or the trouble with the commit. `by_hand` says that somebody
    has put the result there.
    """

    part: Part | None
    before: Task
    command: Command
    after: Task
    changes: Mapping[str, tuple[Json, Json]]
    why: str = ""
    by_hand: bool = False

    @property
    def takes_result(self) -> bool:
        """Whether another result can be put in the place of this outcome."""
        return self.part is Part.WORK


def would(part: Part | None, before: Task, command: Command, now: Time) -> Held | Refusal:
    """Return what a command would make of a task, or why it cannot be committed."""
    found = transition(before, command, now)
    if isinstance(found, Refusal):
        return found
    return Held(part=part, before=before, command=command, after=found.task, changes=found.changes)


def with_result(held: Held, result: Json, now: Time) -> Held:
    """Return the outcome with another result: it is handed in, whatever the work came to.

    Raises ValueError where there is no result to hand in, and for one that no store could keep.
    """
    if not held.takes_result:
        raise ValueError("there is no result to change here: only the work on a task has one")
    submit = replace(
        held.command,
        action=Action.SUBMIT,
        note=None,
        fields={"result": jsontext.plain(result)},
        operation=new_operation(),
    )
    found = would(held.part, held.before, submit, now)
    if isinstance(found, Refusal):
        raise ValueError(found.message)
    return replace(found, why="changed by hand", by_hand=True)


def turned_down(held: Held, note: str) -> Command:
    """Return the command that sends the task back to the queue in the place of an outcome. Raises ValueError where no
    work was done yet.
    """
    if held.part is None:
        raise ValueError("nothing has been done yet that could be rejected; throw the claim away")
    action = Action.RELEASE if held.part is Part.WORK else Action.REJECT
    return replace(held.command, action=action, note=note, fields={}, operation=new_operation())
