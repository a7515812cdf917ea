"""A task's story laid out to be read: why it is where it is, the time in each state, and its attempts as chapters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from textual.content import Content

from taskdeck_store.parts import Kind, Part
from taskdeck_store.story import Chapter, Spent, Step, Story
from taskdeck_store.values import Json
from taskdeck_tui import steps
from taskdeck_tui.glyphs import GLYPHS, WORDS
from taskdeck_tui.model.told import Told
from taskdeck_tui.safe import safe, safe_lines
from taskdeck_tui.screens.history import change_lines, ink
from taskdeck_tui.screens.pretty import Row, fitted
from taskdeck_tui.telling import did, value_told, who

STEPS = 500
"""How many of the newest steps are laid out."""

_WIDEST = 124
"""Cells of a line: what stands farther apart is not seen together."""
_RUNNING = 96
"""Cells of a line of running text."""
_BESIDE = 100
"""Cells from which on the times stand beside the reasons."""
_TIMES = 46
_ROOMY = 46
"""Cells from which on there is room for seconds, and for space below a heading."""
_BAR = 24
_SHORTEST_BAR = 6
_STATE = 2 + max(map(len, WORDS.values())) + 2
_SENTENCES = 60
_LINES = 8
"""Lines of a note or a value."""
_VALUE = 240
_MOST = 4_000
"""Characters of a note, or entries of a value, that are looked at."""
_NAMES = 14
_GONE = "×"
_STAYED = "·"
_DOUBT = "┄┄"


class Chapters:
    """Lays out one task's story at a time; steps that were laid out are kept."""

    def __init__(self) -> None:
        self.above = 0
        """How many lines of the last layout stood above the first attempt."""
        self._kept: dict[int, tuple[Step, int, bool, list[Content]]] = {}

    def reasons(self, told: Told, width: int) -> list[Content]:
        """Return why the task is where it is, as running text."""
        return [*_rule("why is it here?", "", width), *_reasons(told.why, width)]

    def lines(self, told: Told, width: int, *, end: str) -> list[Content]:
        """Return the whole story; `end` is what its last moment is called."""
        width = min(width, _WIDEST)
        lines = self._head(told, width)
        self.above = len(lines)
        left_out = sum(len(chapter.steps) for chapter in told.story.chapters) - STEPS
        if left_out > 0:
            more = f"… {left_out:,} earlier steps are not shown here; a copy of the story has them all"
            lines += [*fitted([Row(Content.styled(more, "$mode-read-only"))], width), Content()]
        kept: dict[int, tuple[Step, int, bool, list[Content]]] = {}
        day = ""
        for chapter in told.story.chapters:
            shown = chapter.steps[max(left_out, 0) :]
            left_out -= len(chapter.steps)
            if chapter.steps and not shown:
                continue
            lines.extend(_chapter_rule(chapter, told.story, width))
            for step in shown:
                named = step.at is not None and step.at[:10] != day
                day = step.at[:10] if step.at is not None else day
                kept[step.event.seq] = self._step(step, told.story, width, named=named)
                lines.extend(kept[step.event.seq][3])
            if not chapter.steps:
                lines.extend([_beside("", Content.styled("nothing yet", "$muted"), width), Content()])
        self._kept = kept
        lines.extend(_end(told.story, end, width))
        return lines

    def _head(self, told: Told, width: int) -> list[Content]:
        spent = told.story.spent
        if not spent or width < _BESIDE:
            times = [Content(), *_rule("time in each state", "", width), *_times(spent, width)] if spent else []
            return [*self.reasons(told, width), *times, Content()]
        left = width - _TIMES - 4
        reasons = self.reasons(told, left)
        times = [*_rule("time in each state", "", _TIMES), *_times(spent, _TIMES)]
        rows = range(max(len(reasons), len(times)))
        empty = Content()
        lines = []
        for row in rows:
            beside = times[row] if row < len(times) else empty
            reason = reasons[row] if row < len(reasons) else empty
            lines.append(reason.pad_right(max(left - reason.cell_length, 0) + 4) + beside)
        return [*lines, Content()]

    def _step(self, step: Step, story: Story, width: int, *, named: bool) -> tuple[Step, int, bool, list[Content]]:
        kept = self._kept.get(step.event.seq)
        if kept is not None and kept[1:3] == (width, named) and kept[0] == step:
            return kept
        return step, width, named, list(_step(step, story, width, named=named))


def _rule(name: str, more: str, width: int) -> list[Content]:
    """Return a heading, and where there is room, a line that sets it off."""
    head = Content.assemble((name, "bold $hint-key"), (f"  {more}" if more else "", "$muted"), " ")
    if head.cell_length > width:
        line = head.truncate(width, ellipsis=True)
    else:
        line = head + Content.styled("─" * (width - head.cell_length), "$column-line")
    return [line, Content()] if width >= _ROOMY else [line]


def _reasons(sentences: Sequence[str], width: int) -> list[Content]:
    first, *rest = sentences
    shown = rest
    if len(rest) > _SENTENCES:
        shown = [f"… {len(rest) - _SENTENCES:,} more sentences are in a copy of the story. …", *rest[-_SENTENCES:]]
    text = Content.assemble((safe(first), "bold $page-title"), *(f" {safe(sentence)}" for sentence in shown))
    return fitted([Row(text)], min(width, _RUNNING))


def _times(spent: Sequence[Spent], width: int) -> Iterator[Content]:
    """Yield a line for each state, with a bar for its share of the time that is known."""
    whole = sum(each.seconds for each in spent)
    told = [steps.spent_told(each) for each in spent]
    figures = max(map(len, told), default=0)
    room = min(_BAR, width - _STATE - figures - 2)
    for each, time in zip(spent, told, strict=True):
        halves = round(2 * room * each.seconds / whole) if whole and room >= _SHORTEST_BAR else 0
        bar = "━" * (halves // 2) + "╸" * (halves % 2)
        state = f"{GLYPHS[each.state]} {WORDS[each.state]}"
        line = (state.ljust(_STATE), f"bold {ink(each.state)}"), f"{time:<{figures}}  ", (bar, ink(each.state))
        yield from fitted([Row(Content.assemble(*line), hang=_STATE)], width)


def _chapter_rule(chapter: Chapter, story: Story, width: int) -> list[Content]:
    facts = [*map(safe, chapter.owners), steps.lasted(chapter, story)]
    return _rule(steps.attempt_told(chapter, story).lower(), " · ".join(filter(None, facts)), width)


def _step(step: Step, story: Story, width: int, *, named: bool) -> Iterator[Content]:
    """Yield when it was, who did what and after how long; below it, why, and what changed."""
    event = step.event
    before, about = steps.remarks(step)
    for remark in before:
        yield from _doubt(remark.told, width)
        yield _rail(width)
    if named and step.at is not None:
        yield Content.styled(safe(step.at[:10]), "$muted")
    if event.from_state is event.to_state:
        mark = (_STAYED, "bold $muted")
    else:
        mark = (GLYPHS[event.to_state] if event.to_state else _GONE, f"bold {ink(event.to_state)}")
    actor, deed = who(event.actor[:_VALUE]), did(event)
    sentence = Content.assemble((actor, "bold $page-title"), " ", (deed, "$page-title"))
    at = safe(step.at[11:19]) if step.at is not None else "?"
    yield from _row(at, mark, sentence, steps.stayed(step), width)
    room = width - _margin(width) - 2
    for line in _below(step, story, [remark.told for remark in about], room):
        yield _rail(width) + line
    yield _rail(width)


def _row(at: str, mark: tuple[str, str], sentence: Content, stayed: str, width: int) -> Iterator[Content]:
    """Yield a sentence under its moment and mark, and how long it took to come there at the right, or below."""
    margin = _margin(width)
    lead = Content.assemble((at[: margin - 2].ljust(margin), "$muted"), mark, " ")
    room = width - margin - 2
    after = Content.styled(stayed, "$muted")
    space = room - sentence.cell_length - after.cell_length
    if not stayed or space >= 2:
        rows = fitted([Row(sentence + " " * max(space, 0) + after if stayed else sentence)], room)
    else:
        rows = [*fitted([Row(sentence)], room), *fitted([Row(after)], room)]
    yield lead + rows[0]
    yield from (_rail(width) + line for line in rows[1:])


def _below(step: Step, story: Story, doubts: Iterable[str], room: int) -> Iterator[Content]:
    for doubt in doubts:
        yield from fitted([Row(Content.assemble((f"{_DOUBT} ", "$muted"), (doubt, "$mode-read-only")), hang=3)], room)
    note = (step.event.note or "")[:_MOST].strip()
    if note:
        bar = ("▎ ", ink(step.event.to_state))
        width = min(room, _RUNNING)
        pieces = (piece for line in safe_lines(note) for piece in fitted([Row(Content(line))], width - 2))
        yield from _some([Content.assemble(bar) + piece for piece in pieces])
    news = [(name, safe(name[:_VALUE]), before, after) for name, before, after in steps.news(story, step)]
    names = min(_NAMES, max((len(label) for _, label, before, _ in news if before is None), default=0))
    for name, label, before, after in news:
        parts = step.parts.get(name, ())
        if parts:
            yield Content.styled(label, "$label")
            yield from _some([line for part in parts for line in _part(part, room)])
        elif before is not None:
            yield from change_lines(label, _short(before), _short(after), room)
        else:
            yield from _new(label.ljust(names), after, room)


def _new(label: str, value: Json, room: int) -> Iterator[Content]:
    """Yield a value that came where there was none: on one line, or an entry or line of it on each."""
    line = Content.assemble((f"{label}  ", "$label"), _short(value))
    many = isinstance(value, str) and "\n" in value.strip()
    if not many and line.cell_length <= room:
        yield line
        return
    yield Content.styled(label, "$label")
    hang = 0 if isinstance(value, str) else 2
    yield from _some(fitted([Row(entry, hang) for entry in _entries(value)], room, indent=2))


def _entries(value: Json) -> Iterator[Content]:
    if isinstance(value, dict):
        names = [safe(name[:_VALUE]) for name in islice(value, _MOST)]
        longest = min(_NAMES, max(map(len, names), default=0))
        for name, inner in zip(names, value.values(), strict=False):
            yield Content.assemble((name.ljust(longest), "$json-key"), "  ", _short(inner))
    elif isinstance(value, list):
        yield from (Content(_short(inner)) for inner in islice(value, _MOST))
    elif isinstance(value, str):
        yield from (Content(line) for line in safe_lines(value[:_MOST].strip()))
    else:
        yield Content(_short(value))


def _part(part: Part, room: int) -> list[Content]:
    """Return one difference; an absent part is told by its sign, as it is no null."""
    place = safe(steps.place(part.path)[:_VALUE])
    if part.kind is Kind.CHANGED:
        return [Content("  ") + line for line in change_lines(place, _short(part.before), _short(part.after), room - 2)]
    added = part.kind is Kind.ADDED
    value = (f"+ {_short(part.after)}", "$after") if added else (f"− {_short(part.before)}", "$before")
    return fitted([Row(Content.assemble((f"{place}  ", "$label"), value), hang=2)], room, indent=2)


def _some(lines: Sequence[Content]) -> Iterator[Content]:
    # One line more takes no more room than to say that there is one.
    shown = len(lines) if len(lines) <= _LINES + 1 else _LINES
    yield from lines[:shown]
    if shown < len(lines):
        yield Content.styled(f"… {len(lines) - shown:,} more lines; a copy of the story has them", "$muted")


def _end(story: Story, at: str, width: int) -> Iterator[Content]:
    for remark in story.remarks:
        yield from _doubt(remark.told, width)
        yield _rail(width)
    glyph = GLYPHS[story.state] if story.state else _GONE
    style = f"bold {ink(story.state)}"
    yield from _row(at, (glyph, style), Content.styled(steps.now_told(story), style), "", width)


def _doubt(told: str, width: int) -> Iterator[Content]:
    """Yield what the log does not know, where it does not."""
    margin = _margin(width)
    first, *rest = fitted([Row(Content.styled(told, "$mode-read-only"))], width - margin - 2)
    yield Content.assemble((_DOUBT.ljust(margin), "$muted"), ("┆ ", "$muted")) + first
    yield from (Content.assemble(" " * margin, ("┆ ", "$muted")) + line for line in rest)


def _beside(at: str, text: Content, width: int) -> Content:
    return Content.assemble((at.ljust(_margin(width)), "$muted"), ("│ ", "$column-line")) + text


def _rail(width: int) -> Content:
    return _beside("", Content(), width)


def _margin(width: int) -> int:
    """Return the cells of the moments, with the gap to their marks."""
    return 10 if width >= _ROOMY else 7


def _short(value: Json) -> str:
    return value_told(value, limit=_VALUE)
