"""What a step of a task's story shows beside its sentence, wherever the story is shown."""

from __future__ import annotations

from collections.abc import Iterator

from taskdeck_store.clock import to_seconds
from taskdeck_store.parts import Path
from taskdeck_store.story import Chapter, Doubt, Remark, Spent, Step, Story
from taskdeck_store.values import LISTS, Action, Json
from taskdeck_store.wording import standing
from taskdeck_tui.span import spans

_BEFORE = (Doubt.EARLIER, Doubt.FOUND, Doubt.MISSING, Doubt.RETURNED)


def news(story: Story, step: Step) -> Iterator[tuple[str, Json, Json]]:
    """Yield the changed fields that its sentence, its note and its chapter do not tell already: name, before, after."""
    event = step.event
    for name, (before, after) in event.changes.items():
        told = (
            (name == "attempts" and after == event.attempts)
            or (name in ("owner", "lease_until", "error") and after is None)
            or (name == "not_before" and after is None and event.from_state is not event.to_state)
            or (name == "lease_until" and event.action == Action.START)
            or (name == "owner" and after == event.actor)
            or (name == "error" and after in (event.note, f"failed by {event.actor}"))
            or (name == "title" and event.from_state is None and after == story.title)
        )
        if not told:
            yield name, _listed(name, before), _listed(name, after)


def remarks(step: Step) -> tuple[list[Remark], list[Remark]]:
    """Return the remarks on what lies before a step, and those on the step."""
    before = [remark for remark in step.remarks if remark.kind in _BEFORE]
    return before, [remark for remark in step.remarks if remark.kind not in _BEFORE]


def stayed(step: Step) -> str:
    """Return how long the task had been where a step moved it from: ``after 6m in progress``; '' for no move."""
    state = step.event.from_state
    if state is None or state is step.event.to_state:
        return ""
    if step.stayed is None:
        return f"after an unknown time {standing(state)}"
    return f"after {spans(step.stayed)} {standing(state)}"


def spent_told(spent: Spent) -> str:
    """Return the time in a state: ``1h 40m so far``, ``1h 40m and 1 stay of unknown length``."""
    known = spans(spent.seconds) if spent.stays > spent.unknown else ""
    if not known and spent.unknown == 1:
        return "not known"
    unknown = (
        f"{spent.unknown:,} {'stay' if spent.unknown == 1 else 'stays'} of unknown length" if spent.unknown else ""
    )
    return " and ".join(filter(None, [known, unknown])) + (" so far" if spent.going_on else "")


def attempt_told(chapter: Chapter, story: Story) -> str:
    """Return the name of a chapter: ``Attempt 2 of 3``."""
    most = story.max_attempts or 0
    return f"Attempt {chapter.number}" + (f" of {most}" if chapter.number <= most else "")


def lasted(chapter: Chapter, story: Story) -> str:
    """Return how long an attempt took, or has taken so far; '' where that is not known."""
    goes_on = chapter is story.chapters[-1] and story.ended is None and story.state is not None
    end = story.now if goes_on else chapter.ended
    if chapter.begun is None or end is None or end < chapter.begun:
        return ""
    return spans(to_seconds(end) - to_seconds(chapter.begun)) + (" so far" if goes_on else "")


def now_told(story: Story) -> str:
    """Return where the task is now, and for how long: ``failed for 3h 5m``."""
    if story.since is None or story.since > story.now:
        return f"{standing(story.state)}; the log does not say since when"
    return f"{standing(story.state)} for {spans(to_seconds(story.now) - to_seconds(story.since))}"


def place(path: Path) -> str:
    """Return where in a field a part lies: ``files[2].lines``."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).removeprefix(".")


def _listed(name: str, value: Json) -> Json:
    """Return tags and ids as one text to read; any other value as it is."""
    if name in LISTS and isinstance(value, list) and all(isinstance(text, str) for text in value):
        return ", ".join(value)
    return value
