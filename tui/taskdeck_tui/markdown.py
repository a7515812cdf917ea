"""A task's story as a Markdown document, whole: to keep, to send, to put in a ticket.

Every text of the task stays in its place: inline it is escaped, in a block it lies behind a fence longer than any of
its own (CommonMark 0.31: 2.4 backslash escapes, 4.5 fenced code blocks), and nothing in it acts on a terminal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from taskdeck_store.parts import Kind, Part
from taskdeck_store.story import Chapter, Step, Story
from taskdeck_store.values import Json
from taskdeck_store.why import why
from taskdeck_tui import steps
from taskdeck_tui.safe import safe, safe_json, safe_lines
from taskdeck_tui.telling import NOTHING, did, moment, who

_INLINE = 80
"""Characters up to which a value stands on one line with what it was before."""
_SPECIAL = re.compile(r"[\\`*_\[\]<>|~&#$!]")
_AT_START = re.compile(r"(?:[-+=]|(?P<number>\d+)(?=[.)]))")
_TICKS = re.compile("`+")


def story_markdown(story: Story) -> Iterator[str]:
    """Yield the lines of a story: why the task is where it is, the time in each state, and each attempt."""
    title = f": {_escaped(safe(story.title))}" if story.title.strip() else ""
    yield f"# {_escaped(safe(story.task_id))}{title}"
    yield ""
    facts = [f"**{steps.now_told(story)}**"]
    facts += [f"created {moment(story.created)}"] if story.created else []
    facts += [f"as of {moment(story.now)}"]
    yield " · ".join(facts)
    yield ""
    yield "## Why it is here"
    yield ""
    yield from why_markdown(story)
    if story.spent:
        yield ""
        yield "## Time in each state"
        yield ""
        yield "| state | time | stays |"
        yield "|---|---|---:|"
        for spent in story.spent:
            yield f"| {spent.state.replace('_', ' ')} | {steps.spent_told(spent)} | {spent.stays:,} |"
    for chapter in story.chapters:
        yield from _chapter(chapter, story)
    for remark in story.remarks:
        yield ""
        yield f"*{_capital(remark.told)}.*"


def why_markdown(story: Story) -> Iterator[str]:
    """Yield why a task is where it is, as one paragraph."""
    yield _escaped(safe(" ".join(why(story))), start=True)


def _chapter(chapter: Chapter, story: Story) -> Iterator[str]:
    facts = [_escaped(safe(owner)) for owner in chapter.owners]
    heading = f"## {steps.attempt_told(chapter, story)}"
    yield ""
    yield f"{heading}: {', '.join(facts)}" if facts else heading
    lasted = steps.lasted(chapter, story)
    if lasted:
        yield ""
        yield f"It took {lasted}." if not lasted.endswith("so far") else f"It has taken {lasted}."
    for step in chapter.steps:
        before, about = steps.remarks(step)
        for remark in before:
            yield ""
            yield f"*{_capital(remark.told)}.*"
        yield ""
        yield from _step(step, story, [remark.told for remark in about])


def _step(step: Step, story: Story, about: list[str]) -> Iterator[str]:
    event = step.event
    stayed = steps.stayed(step)
    facts = [fact for fact in (stayed, f"event {event.seq}") if fact]
    at = moment(step.at) if step.at is not None else "(no time)"
    yield f"- {at} **{_escaped(who(event.actor).strip() or NOTHING)}** {_escaped(did(event))} ({', '.join(facts)})"
    for told in about:
        yield ""
        yield f"  *{_capital(told)}.*"
    if event.note and event.note.strip():
        yield ""
        for line in safe_lines(event.note.strip()):
            yield f"  > {_escaped(line.strip(), start=True)}".rstrip()
    for name, before, after in steps.news(story, step):
        yield ""
        yield from (f"  {line}".rstrip() for line in _change(step, name, before, after))


def _change(step: Step, name: str, before: Json, after: Json) -> Iterator[str]:
    old, new = _short(before), _short(after)
    label = _escaped(safe(name).strip(), start=True)
    if old is not None and new is not None:
        yield f"{label}: {_escaped(new)}" if before is None else f"{label}: {_escaped(old)} → {_escaped(new)}"
        return
    yield f"{label}:" if before is None else f"{label}, changed:"
    parts = step.parts.get(name, ())
    if parts:
        yield ""
        yield from _fenced("diff", _differences(parts))
        yield ""
        yield "is now:"
    elif before is not None:
        yield ""
        yield from _block(before)
        yield ""
        yield "is now:"
    yield ""
    yield from _block(after)


def _differences(parts: Sequence[Part]) -> Iterator[str]:
    for part in parts:
        place = safe(steps.place(part.path))
        if part.kind is not Kind.ADDED:
            yield f"- {place}: {safe(_json(part.before))}"
        if part.kind is not Kind.REMOVED:
            yield f"+ {place}: {safe(_json(part.after))}"


def _short(value: Json) -> str | None:
    """Return a value that goes on a line; None for one that does not."""
    if value is None or value in ("", []):
        return NOTHING
    if isinstance(value, str):
        return safe(value) if len(value) <= _INLINE and value.strip() and len(value.splitlines()) == 1 else None
    if isinstance(value, dict | list) and (isinstance(value, dict) or len(value) > _INLINE):
        return None
    text = safe(_json(value))
    return text if len(text) <= _INLINE else None


def _block(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield from _fenced("text", safe_lines(value))
    else:
        yield from _fenced("json", map(safe, _json(value, indent=2).splitlines()))


def _fenced(kind: str, lines: Iterable[str]) -> Iterator[str]:
    every = list(lines)
    longest = max((len(run) for line in every for run in _TICKS.findall(line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{fence}{kind}"
    yield from every
    yield fence


def _json(value: Json, indent: int | None = None) -> str:
    import json

    return safe_json(json.dumps(value, ensure_ascii=False, indent=indent))


def _escaped(text: str, *, start: bool = False) -> str:
    """Return a text of one line so that Markdown takes it as text; `start` says that it begins a line."""
    escaped = _SPECIAL.sub(r"\\\g<0>", text)
    if start and (mark := _AT_START.match(escaped)):
        number = mark["number"] or ""
        return f"{number}\\{escaped[len(number) :]}"
    return escaped


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
