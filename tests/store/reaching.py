"""What a test of the contract needs, against the limits that a store declares: whether it is for that store.

A test says it with `@pytest.mark.needs(…)`: a state in which a task is left, an action, a field that is set; or one of
the words below.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, TypeAlias
from unittest import mock

from backends import Backend
from moving import put, t

from taskdeck_store import Action, State, Store, open_store
from taskdeck_store.limits import Limits
from taskdeck_store.machine import RULES
from taskdeck_store.values import FIELDS


class Shown(NamedTuple):
    """The format has a word for a state, whether or not a command can leave a task in it."""

    state: State


class Lacking(NamedTuple):
    """The limits lack it: what is tested is that it is refused."""

    what: State | Action | str


Need: TypeAlias = State | Action | Shown | Lacking | str

OWN = "own files"
"""The files are Taskdeck's own, and so is the log."""
EMPTY = "empty"
"""A new store has no task."""
WHOLE = "whole"
"""Several tasks are changed all or none."""
LOOSE = "loose"
"""What a task depends on is said of it also where there is no such task any more."""
THEIRS = "theirs"
"""The store is a mirror of what others own."""
BOUND = "bound"
"""There is a field that can be nothing but some values."""
IDS = "ids"
"""Not every id can be that of a new task."""
HERE = "here"
"""What is opened is the files themselves."""
MADE = "made"
"""An empty store is made by Taskdeck."""


def reaches(kind: type[Backend], needs: Iterable[Need]) -> bool:
    """Tell whether stores of a kind can do all that a test needs."""
    return all(_has(kind, need) for need in needs)


def _has(kind: type[Backend], need: Need) -> bool:
    limits = limits_of(kind)
    match need:
        case State():
            return need not in limits.lacks
        case Shown(state):
            return state in limits.words.values()
        case Action():
            return can(limits, need)
        case "own files":
            return not limits.observed
        case "empty":
            return not kind.begun
        case "whole":
            return limits.whole
        case Lacking(other):
            return not _has(kind, other)
        case "theirs":
            return limits.observed
        case "bound":
            return bool(limits.only)
        case "ids":
            return limits.ids is not None
        case "loose":
            return not limits.tied
        case "here":
            return kind.here
        case "made":
            return kind.scheme is not None
    assert need in FIELDS, f"no test can need {need!r}"
    return can_set(limits, need)


def can(limits: Limits, action: Action) -> bool:
    """Tell whether an action can be done by itself."""
    return action not in limits.refuses and RULES[action].target not in limits.lacks


def can_set(limits: Limits, name: str, *value: Any) -> bool:
    """Tell whether a command can set a field, to a value."""
    if name not in limits.fields or name in limits.fixed:
        return False
    return not value or name not in limits.only or value[0] in limits.only[name].values()


def kept(store: Store, fields: dict[str, Any]) -> dict[str, Any]:
    """Return those fields that a command can set in a store."""
    return {name: value for name, value in fields.items() if can_set(store.limits, name, value)}


def states(limits: Limits) -> list[State]:
    """Return the states in which a task can be left."""
    return [state for state in State if state not in limits.lacks]


@cache
def limits_of(kind: type[Backend]) -> Limits:
    """Return what a store of a kind declares with a task in every state: of a server, its tasks tell what it keeps."""
    with TemporaryDirectory() as folder, mock.patch.dict(os.environ, XDG_STATE_HOME=folder):
        backend = kind()
        with backend.known():
            store = open_store(backend.address(backend.make(Path(folder))))
            for number, state in enumerate(states(store.limits)):
                put(store, t(number), state)
            limits = store.limits
            store.close()
            backend.close()
            return limits
