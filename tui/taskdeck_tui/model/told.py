"""A task's story as a page keeps it: told once, where the store is read, and then counted on."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from taskdeck_store.story import Story, later, story
from taskdeck_store.values import Event, Task, Time
from taskdeck_store.why import so_far, why


class Told(Struct, frozen=True):
    """A story, and the sentences that say why its task is where it is; `last` is the seq of the last event, or 0."""

    story: Story
    why: tuple[str, ...]
    last: int = 0


def tell(task_id: str, events: Iterable[Event], task: Task | None, now: Time) -> Told:
    """Tell the story of a task from all its events, in order of `seq`; `task` is None where it is not in the store."""
    told = story(task_id, events, task, now)
    steps = [step for chapter in told.chapters[-2:] for step in chapter.steps]
    return Told(told, why(told), steps[-1].event.seq if steps else 0)


def told_at(told: Told, now: Time) -> Told:
    """Return a story as of another moment after its last event."""
    moved = later(told.story, now)
    return Told(moved, (*told.why[:-1], so_far(moved)), told.last)
