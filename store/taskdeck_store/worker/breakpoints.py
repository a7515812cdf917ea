"""Where a step holds its outcome before it is committed: for an action, for what the task would be, or for the next."""

from __future__ import annotations

import threading

from msgspec import Struct

from taskdeck_store.machine import Command
from taskdeck_store.query.match import matches
from taskdeck_store.query.named import asks_age, parse_named
from taskdeck_store.query.parse import QueryError
from taskdeck_store.query.terms import EVERYTHING, Query
from taskdeck_store.values import Action, Task, Time

ACTIONS = (Action.START, Action.SUBMIT, Action.APPROVE, Action.REJECT, Action.RELEASE, Action.FAIL)
"""What a step may come to."""

NEXT = "next"
_NAMES = ("action", "task")


class Breakpoint(Struct, frozen=True):
    """Outcomes of one of these actions, on one of these tasks, after which the task would match a query.

    What is left out does not matter. One that is meant `once` is gone when it has held an outcome.
    """

    text: str
    actions: frozenset[str] = frozenset()
    tasks: frozenset[str] = frozenset()
    query: Query = EVERYTHING
    once: bool = False


def fits(breakpoint: Breakpoint, command: Command, after: Task, now: Time) -> bool:
    """Tell whether an outcome is to be held: the command, and the task as it would be after it."""
    if breakpoint.actions and command.action not in breakpoint.actions:
        return False
    if breakpoint.tasks and after.id not in breakpoint.tasks:
        return False
    return matches(breakpoint.query, after, now)


def parse_breakpoint(text: str, *, me: str) -> Breakpoint:
    """Return the breakpoint that a text means: ``next``, or a filter with ``action:`` and ``task:`` beside its fields.

    Raises QueryError, and nothing else, for a text that means none.
    """
    said = " ".join(text.split())
    if said == NEXT:
        return Breakpoint(NEXT, once=True)
    found, query = parse_named(said, _NAMES, me=me)
    unknown = sorted(found["action"].difference(ACTIONS))
    if unknown:
        raise QueryError(f"no step ends with {unknown[0]}; there is {', '.join(ACTIONS)}", said.index(unknown[0]))
    if asks_age(query):
        raise QueryError(
            "age: a task that is about to change is in its state for no time", said.casefold().index("age")
        )
    if not (query or any(found.values())):
        raise QueryError("type where to hold: next, action:fail, state:review, task:t-1, tag:x …", 0)
    return Breakpoint(said, found["action"], found["task"], query)


class Breakpoints:
    """Those that are set. Any thread may ask."""

    def __init__(self) -> None:
        self._set: tuple[Breakpoint, ...] = ()
        self._changing = threading.Lock()

    @property
    def texts(self) -> tuple[str, ...]:
        """What was typed for each, in the order in which they were set."""
        return tuple(each.text for each in self._set)

    def turn(self, breakpoint: Breakpoint) -> bool:
        """Set a breakpoint, or take it away where it is set; tell whether it is set now."""
        with self._changing:
            left = tuple(each for each in self._set if each.text != breakpoint.text)
            is_new = len(left) == len(self._set)
            self._set = (*left, breakpoint) if is_new else left
            return is_new

    def hit(self, command: Command, after: Task, now: Time) -> Breakpoint | None:
        """Return the first that an outcome is to be held for; one that is meant once is gone then."""
        with self._changing:
            found = next((each for each in self._set if fits(each, command, after, now)), None)
            if found is not None and found.once:
                self._set = tuple(each for each in self._set if each is not found)
            return found
