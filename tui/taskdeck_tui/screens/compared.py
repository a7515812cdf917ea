"""Two moments of the past side by side, as a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from textual.content import Content
from textual.widget import Widget

from taskdeck_store.comparison import Comparison, Flow
from taskdeck_store.values import State, Time
from taskdeck_tui.glyphs import GLYPHS, WORDS
from taskdeck_tui.safe import safe
from taskdeck_tui.screens.page import Page
from taskdeck_tui.screens.pager import Pager
from taskdeck_tui.span import spans
from taskdeck_tui.telling import moment

_BAR = "█"
_WIDEST_BAR = 30
_NUMBER = 9
_WORD = 2 + max(map(len, WORDS.values()))
_NAMED = 200
"""Tasks of a flow that are named."""


class Compared(Page[None]):
    """What moved, what is new, what is gone between two moments, with counts and rates."""

    def __init__(self, found: Comparison) -> None:
        super().__init__()
        self._found = found

    def heading(self) -> Content:
        """Return the two moments, and what lies between."""
        found = self._found
        between = f" · {spans(found.seconds)}" if found.seconds is not None else ""
        return Content.assemble(
            ("Compared  ", "bold $page-title"),
            (_moment(found.first, found.begins), "$past"),
            (" → ", "$muted"),
            (_moment(found.last, found.ends), "$past"),
            (f"{between} · {found.events:,} {'event' if found.events == 1 else 'events'}", "$muted"),
        )

    def body(self) -> Iterable[Widget]:
        """Yield the comparison."""
        yield Pager(id="compared")

    def on_mount(self) -> None:
        """Lay it out."""
        self.query_one(Pager).show(lambda width: list(compared(self._found, width)))


def compared(found: Comparison, width: int) -> Iterator[Content]:
    """Yield the lines of a comparison, each at most so wide."""
    yield from _counts(found, width)
    yield Content()
    yield from _flows(found.flows, width)
    stayed = [
        f"{count:,} {'task' if count == 1 else 'tasks'} {what}"
        for count, what in ((found.returned, "moved and came back"), (found.changed, "changed, and stayed in place"))
        if count
    ]
    if stayed:
        yield Content()
        yield Content.styled(" · ".join(stayed), "$muted").truncate(width, ellipsis=True)
    if found.actions:
        yield Content()
        yield Content.styled("What was done", "bold")
        yield from _actions(found, width)


def _counts(found: Comparison, width: int) -> Iterator[Content]:
    yield Content.styled(f"{'':{_WORD}}  {'then':>9}  {'now':>9}  {'change':>9}  {'an hour':>9}", "$muted").truncate(
        width
    )
    for state in State:
        then, now = found.then[state], found.now[state]
        rate = found.hourly(now - then)
        yield Content.assemble(
            (f"{GLYPHS[state]} {WORDS[state]:<{_WORD - 2}}", _ink(state)),
            f"  {then:>9,}  {now:>9,}  ",
            (f"{_signed(now - then):>9}", "bold" if now != then else "$muted"),
            (f"  {'–' if rate is None else f'{rate:+,.1f}':>9}", "$muted"),
        ).truncate(width, ellipsis=True)


def _flows(flows: Sequence[Flow], width: int) -> Iterator[Content]:
    if not flows:
        yield Content.styled("no task is elsewhere than it was", "$muted").truncate(width, ellipsis=True)
        return
    most = max(len(flow.tasks) for flow in flows)
    named = max(Content.assemble(*_way(flow)).cell_length for flow in flows)
    room = max(width - named - _NUMBER - 4, 1)
    for flow in flows:
        count, way = len(flow.tasks), Content.assemble(*_way(flow))
        bar = _BAR * max(1, round(count / most * min(_WIDEST_BAR, room)))
        gap = " " * (named - way.cell_length)
        line = Content.assemble(way, gap, (f"{count:>{_NUMBER},}  ", "bold"), (bar, "$past"))
        yield line.truncate(width, ellipsis=True)
        yield from _named(flow.tasks, width)


def _way(flow: Flow) -> list[tuple[str, str]]:
    if flow.before is None:
        return [("new, now ", "bold"), *_told(flow.after)]
    if flow.after is None:
        return [("gone, was ", "bold"), *_told(flow.before)]
    return [*_told(flow.before), (" → ", "$muted"), *_told(flow.after)]


def _told(state: State | None) -> list[tuple[str, str]]:
    return [] if state is None else [(f"{GLYPHS[state]} {WORDS[state]}", _ink(state))]


def _named(tasks: Sequence[str], width: int) -> Iterator[Content]:
    """Yield the ids of tasks, as many on a line as there is room for."""
    line = ""
    more = [f"and {len(tasks) - _NAMED:,} more"] if len(tasks) > _NAMED else []
    for word in [*map(safe, tasks[:_NAMED]), *more]:
        if line and len(line) + 2 + len(word) > width - 2:
            yield Content.styled(f"  {line}", "$muted").truncate(width, ellipsis=True)
            line = ""
        line = f"{line}  {word}" if line else word
    yield Content.styled(f"  {line}", "$muted").truncate(width, ellipsis=True)


def _actions(found: Comparison, width: int) -> Iterator[Content]:
    named = max(len(safe(action)) for action in found.actions)
    for action, count in found.actions.items():
        rate = found.hourly(count)
        hourly = f"  {rate:,.1f} an hour" if rate is not None else ""
        yield Content.assemble(f"{safe(action):<{named}}  {count:>9,}", (hourly, "$muted")).truncate(
            width, ellipsis=True
        )


def _moment(position: int, at: Time | None) -> str:
    if position == 0:
        return "the beginning"
    return moment(at) if at is not None else f"event {position:,}"


def _ink(state: State) -> str:
    return f"$state-{state.replace('_', '-')}"


def _signed(number: int) -> str:
    return f"{number:+,}" if number else "0"
