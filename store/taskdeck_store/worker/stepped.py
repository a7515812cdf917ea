"""What a stepper tells of a task: how it stands, and what has just become of it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

from taskdeck_store.output import Stream
from taskdeck_store.worker.held import Held
from taskdeck_store.worker.part import Part


class Goal(StrEnum):
    """How far a task is stepped: by one step, until it is in review, or to its end."""

    STEP = "step"
    REVIEW = "review"
    END = "end"


class Phase(StrEnum):
    """How a task stands that this stepper has: claimed and nothing under way, a part under way, or an outcome held."""

    CLAIMED = "claimed"
    RUNNING = "running"
    HELD = "held"


class News(Struct, frozen=True, kw_only=True):
    """What has become of a task: `said` tells it in a sentence, `error` all of what went wrong in a handler.

    `phase` is how it stands now, None: the stepper does not have it. `part` is the one that has begun, `held` the
    outcome to decide on. `refused` says that nothing was done, `waits` that a person is to look at the result, since no
    handler does.
    """

    task_id: str
    said: str
    phase: Phase | None = None
    part: Part | None = None
    goal: Goal = Goal.STEP
    held: Held | None = None
    error: str | None = None
    refused: bool = False
    waits: bool = False


Tell: TypeAlias = Callable[[News], object]
HearOf: TypeAlias = Callable[[str, Stream, str], object]
"""What is called with a task's id and what is said during its part, by any thread."""
