"""Why a task is where it is: the chain of events that led there, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from taskdeck_store import clock
from taskdeck_store.printable import one_line
from taskdeck_store.story import Chapter, Doubt, Step, Story
from taskdeck_store.values import EXTERNAL, Action, Event, State, Time
from taskdeck_store.wording import did, lasting, listed, standing, who

_QUOTED = 120
"""Characters of the first line of a note or an error that are quoted."""
_NAMED = 60
"""Characters of an id, or of the name of an actor."""
_CLAUSE = 200
_ALL = 4
"""Where more attempts than these came before, those in the middle are only counted; so are changes in a row."""

_SO_FAR = {
    State.PENDING: "It has been waiting in the queue for {}",
    State.IN_PROGRESS: "It has been in progress for {}",
    State.REVIEW: "It has been waiting for review for {}",
    State.COMPLETED: "It has been completed for {}",
    State.FAILED: "It has been failed for {}",
    None: "It has been gone for {}",
}


def why(story: Story) -> tuple[str, ...]:
    """Return the sentences that tell how a task came to be where it is, from its beginning to now.

    An attempt that came before is one sentence, of the last one each step is told. Notes and errors are quoted: the
    first line, cut. Each sentence is one line that a terminal can show.
    """
    return tuple(one_line(sentence) for sentence in _sentences(story))


def so_far(story: Story) -> str:
    """Return the last sentence of `why`, which alone changes as time goes on."""
    return one_line(_now(story))


class _Phrase(NamedTuple):
    """A part of a sentence. One that begins with a name keeps its first letter at the beginning of a sentence."""

    text: str
    named: bool = False


def _sentences(story: Story) -> Iterator[str]:
    where = f"is {standing(story.state)}" if story.state is not None else "is not in the store any more"
    yield f"{_cut(story.task_id, _NAMED)} {where}."
    chapters = _of_this_life(story.chapters)
    if chapters:
        yield from _told(chapters, story.max_attempts)
    yield from (_sentence([_Phrase(remark.told)]) for remark in story.remarks)
    yield _now(story)


def _of_this_life(chapters: Sequence[Chapter]) -> Sequence[Chapter]:
    """Return the chapters since the task last came back into the store."""
    begins = (at for at, chapter in enumerate(chapters) if chapter.steps and _has(chapter.steps[0], Doubt.RETURNED))
    return chapters[max(begins, default=0) :]


def _told(chapters: Sequence[Chapter], most: int | None) -> Iterator[str]:
    first = chapters[0].steps[0]
    yield _beginning(first)
    late = _has(first, Doubt.EARLIER)
    rest = [chapter.steps for chapter in chapters]
    rest[0] = rest[0] if late else rest[0][1:]
    previous = None if late else first
    last = max((at for at, steps in enumerate(rest) if any(map(_moves, steps))), default=0)
    for at, steps in enumerate(rest):
        if at >= last:
            for phrase in _each(steps, previous, _attempt(chapters[at].number, most)):
                yield _sentence([phrase])
        elif last > _ALL and 0 < at < last - 1:
            if at == 1:
                yield f"{last - 2:,} more attempts followed."
        else:
            phrases = list(_phrases([step for step in steps if _moves(step)], previous))
            if phrases:
                yield _sentence(phrases)
        previous = steps[-1] if steps else previous


def _beginning(step: Step) -> str:
    event = step.event
    when = f" on {_moment(step.at)}" if step.at is not None else ""
    if _has(step, Doubt.EARLIER):
        before = f"Before {_moment(step.at)}" if step.at is not None else "Before the first event"
        state = f"; it was {standing(event.from_state)} then" if event.from_state is not None else ""
        return f"{before} the log knows nothing of it{state}."
    if _has(step, Doubt.FOUND) and event.to_state is not None:
        return f"It was {standing(event.to_state)} already when the log first knew of it{f',{when}' if when else ''}."
    returned = _has(step, Doubt.RETURNED)
    if not when:
        when = "; the log does not say when"
    elif event.actor == EXTERNAL:
        when = f"; the log knows of it since {_moment(step.at or '')}"
    added = f"{_cut(did(event), _CLAUSE)}{' again' if returned else ''}{when}"
    gone = ", after it had been taken out of the store" if returned else ""
    return _sentence([_Phrase(f"{_name(event)} {added}{gone}", event.actor != EXTERNAL)])


def _each(steps: Sequence[Step], previous: Step | None, attempt: str) -> Iterator[_Phrase]:
    """Yield what was done in the last attempt; of many changes in a row, how many."""
    for edits, run in groupby(steps, lambda step: step.event.action == Action.EDIT):
        some = list(run)
        if edits and len(some) > _ALL:
            actors = listed(dict.fromkeys(_name(step.event) for step in some))
            yield _Phrase(f"then it was changed {len(some):,} times by {_cut(actors, _CLAUSE)}")
        else:
            yield from _phrases(some, previous, attempt)
        previous = some[-1]


def _phrases(steps: Sequence[Step], previous: Step | None, attempt: str = "") -> Iterator[_Phrase]:
    """Yield what was done, what one actor did in a row in one phrase; in between, what the log does not know."""
    clauses: list[str] = []
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        event = step.event
        yield from (_Phrase(remark.told) for remark in step.remarks if remark.kind is Doubt.MISSING)
        failed = f", on {attempt}" if attempt and event.to_state is State.FAILED and _moves(step) else ""
        clauses.append(f"{_cut(did(event), _CLAUSE)}{_when(step, previous)}{failed}")
        quoted = _quoted(event)
        if quoted or following is None or following.event.actor != event.actor or step.remarks or following.remarks:
            yield _Phrase(f"{_name(event)} {listed(clauses)}{quoted}", event.actor != EXTERNAL)
            clauses = []
        yield from (_Phrase(remark.told) for remark in step.remarks if remark.kind is Doubt.UNKNOWN)
        previous = step


def _when(step: Step, previous: Step | None) -> str:
    if step.at is None:
        return " at a time that the log does not say"
    if previous is None or previous.at is None or step.at < previous.at:
        return f" on {_moment(step.at)}"
    seconds = clock.to_seconds(step.at) - clock.to_seconds(previous.at)
    if seconds < 1:
        return " at once"
    return f" after {lasting(seconds)}" if step.event.action == Action.START else f" {lasting(seconds)} later"


def _quoted(event: Event) -> str:
    """Return why something was done: its note, and the error where that says something else."""
    error = event.changes.get("error", (None, None))[1] if event.to_state is State.FAILED else None
    note = _first_line(event.note)
    failure = _first_line(error) if error != f"failed by {event.actor}" else ""
    if note and failure and note != failure:
        return f": “{note}” (error: “{failure}”)"
    return f": “{note or failure}”" if note or failure else ""


def _now(story: Story) -> str:
    if story.since is None or story.since > story.now:
        blocked = _is_blocked(story) if story.state is State.PENDING else ""
        return f"The log does not say since when it is {standing(story.state)}{blocked}."
    so_far = _SO_FAR[story.state].format(_between(story.since, story.now))
    if story.state is State.PENDING and story.attempt > 1:
        so_far += f", for {_attempt(story.attempt, story.max_attempts)}"
    if story.state is State.PENDING:
        so_far += _is_blocked(story)
        so_far += _waits(clock.normalised(story.not_before) if story.not_before else None, story.now)
    if story.state is State.IN_PROGRESS:
        so_far += f", with {_cut(story.owner, _NAMED)}" if story.owner else ""
        so_far += _lease(clock.normalised(story.lease_until) if story.lease_until else None, story.now)
    return f"{so_far}."


def _is_blocked(story: Story) -> str:
    if not story.blocked:
        return ""
    named = _cut(", ".join(story.depends_on), _NAMED)
    if story.blocked == len(story.depends_on):
        return f"; it depends on {named}, to be completed first"
    return f"; {story.blocked} of the tasks it depends on ({named}) are not completed"


def _waits(until: Time | None, now: Time) -> str:
    if until is None or until <= now:
        return ""
    return f"; workers leave it until {_moment(until)}, {_between(now, until)} from now"


def _lease(until: Time | None, now: Time) -> str:
    if until is None:
        return ""
    return (
        f"; the lease ran out {_between(until, now)} ago"
        if until < now
        else f"; leased for {_between(now, until)} more"
    )


def _attempt(number: int, most: int | None) -> str:
    if most is None or most < 1:
        return f"attempt {number}"
    return f"attempt {number} of {most}" if number <= most else f"attempt {number}, where {most} were wanted at most"


def _sentence(phrases: Sequence[_Phrase]) -> str:
    text = "; ".join(phrase.text for phrase in phrases)
    return f"{text if phrases[0].named else text[:1].upper() + text[1:]}."


def _has(step: Step, kind: Doubt) -> bool:
    return any(remark.kind is kind for remark in step.remarks)


def _moves(step: Step) -> bool:
    return step.event.from_state is not step.event.to_state


def _name(event: Event) -> str:
    return _cut(who(event.actor), _NAMED)


def _between(since: Time, at: Time) -> str:
    return lasting(clock.to_seconds(at) - clock.to_seconds(since))


def _moment(at: Time | None) -> str:
    return f"{at[:10]} {at[11:16]} UTC" if at is not None else ""


def _first_line(text: object) -> str:
    """Return the first line of a text, cut; '' for none, and for what is no text."""
    if not isinstance(text, str):
        return ""
    lines = text[: 8 * _QUOTED].strip().splitlines()
    if not lines:
        return ""
    more = len(lines) > 1 and len(lines[0]) <= _QUOTED
    return _cut(lines[0], _QUOTED) + (" …" if more else "")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
