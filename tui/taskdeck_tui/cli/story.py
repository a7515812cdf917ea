"""The command that tells one task's story: for people, as Markdown, and as JSON."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice

from msgspec.structs import asdict

from taskdeck_store import clock
from taskdeck_store.machine import missing
from taskdeck_store.paging import every_event
from taskdeck_store.parts import Kind, Part
from taskdeck_store.readable import open_readable
from taskdeck_store.story import Chapter, Step, Story, story
from taskdeck_store.values import Json, State
from taskdeck_store.why import why
from taskdeck_tui import steps
from taskdeck_tui.cli import charts
from taskdeck_tui.cli.columns import cut, fill, width
from taskdeck_tui.cli.exits import OF_REFUSAL, Exit, UsageError
from taskdeck_tui.cli.output import BOLD, DIM, Output
from taskdeck_tui.cli.reading import told_damage
from taskdeck_tui.glyphs import GLYPHS, WORDS
from taskdeck_tui.safe import safe, safe_lines
from taskdeck_tui.telling import did, moment, value_told, who

_STATE_COLUMNS = 2 + max(map(len, WORDS.values()))
_BAR = 30
_SHORTEST_BAR = 6
_MOMENTS = 2 + len("09:05:00") + 2
_DETAILS = _MOMENTS + 2
_NAMES = 14
_PLACES = 30
_LINES = 8
"""Lines of a note or a value that are shown."""
_LONGEST = 2_000
"""Characters of a value that are shown where no terminal says how wide it is."""
_MOST = 10_000
"""Characters of a text, or entries of a value, that are laid out."""
_WIDEST = 100
"""Columns of running text: longer lines are hard to read."""
_NARROWEST = 20
"""A terminal with fewer columns breaks lines by itself."""
_GONE = "×"
_STAYED = "·"
_DOUBT = "┄┄"


def tell(options: Namespace, output: Output) -> Exit:
    """Write the story of one task, or only why it is where it is.

    With JSON, it is one document: the fields of `taskdeck_store.story.Story`, and the sentences of `why`.
    """
    if options.markdown and output.json:
        raise UsageError("choose one of --markdown and --json")
    # Opened as the log is: what changed outside is put on record first, so that both tell the same.
    with closing(open_readable(options.store)) as store:
        with store.reading():
            task = store.get(options.id)
            told = story(options.id, every_event(store, options.id), task, clock.utc_now())
        output.mended(store.mended)
    if task is None and not told.chapters:
        if store.damage is not None:
            return told_damage(store, output)
        refusal = missing(options.id)
        output.error(refusal.code, refusal.message, {"task_id": options.id})
        return OF_REFUSAL[refusal.code]
    if output.json:
        output.document({**asdict(told), "why": why(told)})
    else:
        for line in _lines(told, options, output):
            output.line(line)
    return told_damage(store, output)


def _lines(told: Story, options: Namespace, output: Output) -> Iterator[str]:
    if options.markdown:
        from taskdeck_tui.markdown import story_markdown, why_markdown

        return why_markdown(told) if options.why else story_markdown(told)
    return _reasons(told, output) if options.why else _Page(told, output).lines()


def _reasons(told: Story, output: Output) -> Iterator[str]:
    """Yield running text on a terminal, and a sentence a line in a pipe."""
    sentences = [safe(sentence) for sentence in why(told)]
    if output.columns is None:
        yield from sentences
    else:
        yield from _wrapped(" ".join(sentences), min(output.columns, _WIDEST))


class _Page:
    """A story laid out for people, within the width of their terminal; a line for a thing in a pipe."""

    def __init__(self, told: Story, output: Output) -> None:
        self._told = told
        self._output = output
        self._room = None if output.columns is None else max(output.columns, _NARROWEST)
        self._day = ""

    def lines(self) -> Iterator[str]:
        """Yield the page: the task, the time in each state, the attempts, and where the task is now."""
        yield from self._head()
        if self._told.spent:
            yield ""
            yield from self._times()
        for chapter in self._told.chapters:
            yield ""
            yield from self._chapter(chapter)
        for remark in self._told.remarks:
            yield from self._remark(remark.told)
        yield from self._row("now", self._told.state, steps.now_told(self._told))

    def _head(self) -> Iterator[str]:
        told = self._told
        state = self._output.state(told.state) if told.state else f"{_GONE} gone"
        taken = 4 + len(WORDS[told.state] if told.state else "gone")
        yield f"{state}  {self._output.paint(self._cut(safe(told.title), taken), BOLD)}".rstrip()
        facts = [safe(told.task_id)]
        facts += [f"created {moment(told.created)}"] if told.created else []
        facts += [f"owner {safe(told.owner)}"] if told.owner else []
        yield self._dim(self._cut(" · ".join(facts)))

    def _times(self) -> Iterator[str]:
        """Yield a row for each state, with a bar for its share of the time that is known."""
        whole = sum(spent.seconds for spent in self._told.spent)
        figures = max(len(steps.spent_told(spent)) for spent in self._told.spent)
        bar = _BAR if self._room is None else min(_BAR, self._room - _STATE_COLUMNS - figures - 4)
        for spent in self._told.spent:
            share = charts.bar(spent.seconds / whole, bar) if whole and bar >= _SHORTEST_BAR else ""
            time = f"{steps.spent_told(spent):<{figures}}"
            state = self._output.state(spent.state, _STATE_COLUMNS)
            yield f"{state}  {time}  {self._output.tint(share, spent.state)}".rstrip()

    def _chapter(self, chapter: Chapter) -> Iterator[str]:
        heading = steps.attempt_told(chapter, self._told)
        facts = [*map(safe, chapter.owners), steps.lasted(chapter, self._told)]
        more = "".join(f" · {fact}" for fact in facts if fact)
        yield self._output.paint(heading, BOLD) + self._dim(self._cut(more, len(heading)))
        for step in chapter.steps:
            before, about = steps.remarks(step)
            for remark in before:
                yield from self._remark(remark.told)
            yield from self._step(step)
            for remark in about:
                yield from self._block([remark.told], sign=f"{_DOUBT} ")
            yield from self._block(safe_lines((step.event.note or "")[:_MOST].strip()), sign="▎ ")
            yield from self._changes(step)

    def _step(self, step: Step) -> Iterator[str]:
        event = step.event
        if step.at is not None and step.at[:10] != self._day:
            self._day = step.at[:10]
            yield self._dim(f"  {self._day}")
        at = step.at[11:19] if step.at is not None else "?"
        moved = event.from_state is not event.to_state
        mark = "" if moved else _STAYED
        yield from self._row(at, event.to_state, f"{who(event.actor)} {did(event)}", steps.stayed(step), mark=mark)

    def _row(self, at: str, state: State | None, text: str, more: str = "", *, mark: str = "") -> Iterator[str]:
        """Yield what was done at a time, under the mark of the state after it, then how long that took to come."""
        glyph = mark or (self._output.tint(GLYPHS[state], state) if state else _GONE)
        first, *rest = self._wrap(f"{text}  {more}" if more else text, _DETAILS)
        # Where it came through in one piece, what is beside the sentence steps back.
        if more and not rest:
            first = first.removesuffix(more) + self._dim(more)
        yield f"  {self._dim(f'{at:<8}')}  {glyph} {first}"
        yield from (" " * _DETAILS + line for line in rest)

    def _changes(self, step: Step) -> Iterator[str]:
        news = list(steps.news(self._told, step))
        names = min(_NAMES, max((width(safe(name)) for name, *_ in news), default=0))
        for name, before, after in news:
            parts = step.parts.get(name, ())
            if parts:
                yield from self._parts(name, parts)
            else:
                yield from self._change(fill(safe(name), names), before, after)

    def _change(self, name: str, before: Json, after: Json) -> Iterator[str]:
        """Yield a field's values on one line, or below each other where they are too long for it."""
        limit = _LONGEST if self._room is None else self._room
        old = "" if before is None else f"{value_told(before, limit=limit)} → "
        line = old + value_told(after, limit=limit)
        fits = self._room is None or width(f"{name}  {line}") <= self._room - _DETAILS
        if fits and not _has_lines(before) and not _has_lines(after):
            yield f"{' ' * _DETAILS}{self._dim(name)}  {line}"
            return
        yield " " * _DETAILS + self._dim(self._cut(name.rstrip(), _DETAILS))
        if before is not None:
            yield from self._block(_value_lines(before), sign="− ")
        yield from self._block(_value_lines(after), sign="+ " if before is not None else "  ")

    def _parts(self, name: str, parts: Sequence[Part]) -> Iterator[str]:
        """Yield a line for each part in which a field differs; an absent part is told by its sign, as it is no null."""
        yield " " * _DETAILS + self._dim(self._cut(safe(name), _DETAILS))
        places = [safe(steps.place(part.path)) for part in parts[:_MOST]]
        names = min(_PLACES, max(map(width, places)))
        told = []
        for place, part in zip(places, parts, strict=False):
            old, new = (value_told(value, limit=_LONGEST) for value in (part.before, part.after))
            values = {Kind.ADDED: f"+ {new}", Kind.REMOVED: f"− {old}", Kind.CHANGED: f"{old} → {new}"}
            told.append(f"{fill(place, names)}  {values[part.kind]}")
        yield from self._block(told, sign="  ")

    def _remark(self, told: str) -> Iterator[str]:
        for line in self._wrap(told, _MOMENTS):
            yield f"  {_DOUBT:<8}  {line}"

    def _block(self, lines: Iterable[str], *, sign: str = "") -> Iterator[str]:
        """Yield lines that belong to a step, as many as there is room for, each with a sign at its left."""
        every = [piece for line in lines for piece in self._wrap(line, _DETAILS + len(sign))]
        # One line more takes no more room than to say that there is one.
        shown = len(every) if len(every) <= _LINES + 1 else _LINES
        for line in every[:shown]:
            yield f"{' ' * _DETAILS}{self._dim(sign)}{line}".rstrip()
        if shown < len(every):
            more = f"… {len(every) - shown:,} more lines; --markdown has them"
            yield f"{' ' * _DETAILS}{' ' * len(sign)}{self._dim(self._cut(more, _DETAILS + len(sign)))}"

    def _wrap(self, line: str, taken: int) -> list[str]:
        return [line] if self._room is None else _wrapped(line, self._room - taken)

    def _cut(self, text: str, taken: int = 0) -> str:
        return text if self._room is None else cut(text, self._room - taken)

    def _dim(self, text: str) -> str:
        return self._output.paint(text, DIM)


def _has_lines(value: Json) -> bool:
    return isinstance(value, str) and "\n" in value.strip()


def _value_lines(value: Json) -> list[str]:
    """Return the lines of a text, or a line for each entry of an object or a list."""
    if isinstance(value, str):
        return safe_lines(value[:_MOST].strip())
    if isinstance(value, dict):
        entries = islice(value.items(), _MOST)
        return [f"{safe(str(key))}: {value_told(inner, limit=_LONGEST)}" for key, inner in entries]
    if isinstance(value, list):
        return [value_told(inner, limit=_LONGEST) for inner in islice(value, _MOST)]
    return [value_told(value, limit=_LONGEST)]


def _wrapped(line: str, columns: int) -> list[str]:
    """Return a line as lines of at most so many columns, broken at its spaces, or where a word is too long for one."""
    room = max(columns, 1)
    lines: list[str] = []
    for word in line.split(" "):
        if lines and width(lines[-1]) + 1 + width(word) <= room:
            lines[-1] += f" {word}"
            continue
        while width(word) > room:
            head = _beginning(word, room)
            lines.append(head)
            word = word[len(head) :]
        lines.append(word)
    return [line.rstrip() for line in lines]


def _beginning(word: str, columns: int) -> str:
    """Return as much of a word as goes into so many columns, and one character at least."""
    taken = 0
    for at, character in enumerate(word):
        taken += width(character)
        if taken > columns and at:
            return word[:at]
    return word
