"""Tasks that are taken from the queue: the commands that start them, and what one holds them by."""

from __future__ import annotations

import os
import socket

from taskdeck_store import clock
from taskdeck_store.contract import Claiming, Outcome
from taskdeck_store.machine import Command, command
from taskdeck_store.query.terms import BlockedTerm, DueTerm, Query
from taskdeck_store.values import Action, Claim, Time

_READY = (DueTerm(later=False), BlockedTerm(blocked=False))


def new_owner() -> str:
    """Return who a worker is to others: where it runs, and what no other one has."""
    return f"{socket.gethostname()}:{os.getpid()}:{os.urandom(3).hex()}"


def candidates(claiming: Claiming) -> Query:
    """Return the query of the tasks that may be started."""
    return Query((*_READY, *claiming.query.terms))


def start(claiming: Claiming, task_id: str, at: Time) -> Command:
    """Return the command that starts a task at a moment."""
    lease = clock.plus(at, claiming.seconds)
    return command(task_id, Action.START, actor=claiming.actor, owner=claiming.owner, lease_until=lease)


def claim_of(outcome: Outcome) -> Claim | None:
    """Return what a task is held by after a command was carried out; None where it was refused, or nobody has it."""
    task, event = outcome.task, outcome.event
    if task is None or event is None or outcome.refusal is not None or task.owner is None:
        return None
    return Claim(owner=task.owner, version=str(event.seq))
