"""What the operator did: one intent with what became of it."""

from __future__ import annotations

from msgspec import Struct

from taskdeck_store.contract import Outcome
from taskdeck_store.machine import Command
from taskdeck_store.values import Time


class Done(Struct, frozen=True, kw_only=True):
    """The commands of one key press at a moment, and their outcomes; or why the store could not take them."""

    at: Time
    commands: tuple[Command, ...]
    outcomes: tuple[Outcome, ...] = ()
    failure: str | None = None
