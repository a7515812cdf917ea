"""The line above the board: which store, in what mode, how many tasks, how fast they get done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import ClassVar

from msgspec import Struct
from rich.cells import cell_len, set_cell_size
from textual.content import Content
from textual.widget import Widget

from taskdeck_tui.safe import safe


def short_name(address: str) -> str:
    """Return what tells a store from others in few letters: the last part of its path, or where its server is."""
    _, mark, place = address.partition("+http")
    if mark:
        return safe(place.partition("://")[2].rpartition("@")[2].rstrip("/"))
    return safe(address.rstrip("/").rsplit("/", 1)[-1])


class Mode(StrEnum):
    """How the board stands to its store."""

    LIVE = "live"
    FROZEN = "frozen"
    READ_ONLY = "read-only"
    LOST = "lost"


_GLYPHS = {Mode.LIVE: "●", Mode.FROZEN: "‖", Mode.READ_ONLY: "◌", Mode.LOST: "✗"}


_GAP = "  "
_LEFT = ("program", "store", "mode", "alarm", "paused", "newer", "stops", "query")
_STYLES = {
    "program": "bold $head-text",
    "store": "$head-text",
    "alarm": "bold reverse $mode-lost",
    "paused": "bold reverse $mode-frozen",
    "newer": "$mode-frozen",
    "query": "italic $head-text",
    "stops": "bold $mode-frozen",
    "handlers": "$head-muted",
    "selected": "bold $mode-frozen",
    "tasks": "$head-text",
    "rate": "$head-muted",
    "spark": "$spark",
    "kind": "$head-muted",
    "badge": "$head-muted",
}
_NAME = 12
"""Cells that the store's name keeps however little room there is."""
_ALARM = 9
"""Cells that an alarm keeps."""
_PAUSED = 6
"""Cells that a pause keeps: its word."""
_QUERY = 6
"""Cells that a filter keeps as long as it is told at all."""


_STOPS = 12
"""Cells that breakpoints keep as long as they are told and not counted."""


class HeaderFacts(Struct, frozen=True, kw_only=True):
    """What the header says. `shown` and `total` count tasks; `rate` is completions a minute.

    `badge` tells how far the audit log has been verified, `alarm` what is wrong with it or the store, `paused` what of
    the queue is paused. `handlers` names what tasks are stepped with, `stops` holds the breakpoints that are set.
    """

    store: str
    kind: str
    mode: Mode = Mode.LIVE
    newer: bool = False
    shown: int = 0
    total: int = 0
    selected: int = 0
    query: str = ""
    spark: str = ""
    rate: float = 0.0
    badge: str = ""
    alarm: str = ""
    paused: str = ""
    handlers: str = ""
    stops: tuple[str, ...] = ()


class HeaderLine(Widget):
    """One row; says less where there is less room."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set()
    DEFAULT_CSS = """
    HeaderLine { height: 1; dock: top; background: $head-bg; color: $head-text; padding: 0 1; }
    """
    ALLOW_SELECT = False

    def __init__(self, facts: HeaderFacts) -> None:
        super().__init__(id="header")
        self.facts = facts

    def tell(self, facts: HeaderFacts) -> None:
        """Say something else; painted when it differs."""
        if facts != self.facts:
            self.facts = facts
            self.refresh()

    def render(self) -> Content:
        """Lay out store and mode to the left, numbers to the right."""
        width = self.content_size.width
        styled = {name: Content.styled(text, self._style(name)) for name, text in header_parts(self.facts, width)}
        left, right = (
            Content(_GAP).join([part for name, part in styled.items() if (name in _LEFT) is to_left])
            for to_left in (True, False)
        )
        return left + Content(" " * max(width - left.cell_length - right.cell_length, 1)) + right

    def _style(self, part: str) -> str:
        return f"bold $mode-{self.facts.mode}" if part == "mode" else _STYLES[part]


def header_parts(facts: HeaderFacts, width: int) -> Sequence[tuple[str, str]]:
    """Return name and text of each part that there is room for in `width` cells.

    What is needed least goes first, and of the store's name so much is kept that it is not taken for another.
    """
    parts = {
        "program": "Taskdeck",
        "store": safe(facts.store),
        "mode": f"{_GLYPHS[facts.mode]} {facts.mode}",
        "alarm": facts.alarm,
        "paused": facts.paused,
        "newer": "newer changes wait" if facts.newer else "",
        "stops": f"◉ {safe(' · '.join(facts.stops))}" if facts.stops else "",
        "query": f"/{safe(facts.query)}" if facts.query else "",
        "selected": f"{facts.selected:,} selected" if facts.selected else "",
        "tasks": f"{facts.shown:,} of {facts.total:,} tasks" if facts.query else f"{facts.total:,} tasks",
    }
    for name, text in (
        ("handlers", f"▶ {safe(facts.handlers)}" if facts.handlers else ""),
        ("rate", f"{facts.rate:.0f}/min" if facts.rate >= 10 else f"{facts.rate:.1f}/min"),
        ("spark", facts.spark),
        ("badge", facts.badge),
        ("kind", facts.kind),
    ):
        if _needed({**parts, name: text}) <= width:
            parts[name] = text
    steps: Sequence[tuple[str, Callable[[int], str]]] = (
        ("program", lambda _: ""),
        ("tasks", lambda _: f"{facts.shown:,}/{facts.total:,}" if facts.query else f"{facts.total:,}"),
        ("paused", lambda room: _cut(facts.paused, max(room, _PAUSED), tail=0)),
        ("selected", lambda _: f"{facts.selected:,} sel" if facts.selected else ""),
        ("newer", lambda _: "newer" if facts.newer else ""),
        ("stops", lambda room: _cut(parts["stops"], max(room, _STOPS), tail=0)),
        ("query", lambda room: _cut(parts["query"], max(room, _QUERY), tail=0)),
        ("tasks", lambda _: ""),
        ("alarm", lambda room: _cut(facts.alarm, max(room, _ALARM), tail=0)),
        ("store", lambda room: _cut(parts["store"], max(room, _NAME), tail=max(room, _NAME) // 2)),
        ("newer", lambda _: ""),
        ("stops", lambda _: f"◉{len(facts.stops)}" if facts.stops else ""),
        ("query", lambda _: ""),
        ("mode", lambda _: _GLYPHS[facts.mode]),
        ("selected", lambda _: ""),
    )
    for name, shorter in steps:
        over = _needed(parts) - width
        if over <= 0:
            break
        parts[name] = shorter(cell_len(parts[name]) - over)
    return [(name, text) for name, text in parts.items() if text]


def _needed(parts: Mapping[str, str]) -> int:
    widths = [cell_len(text) for text in parts.values() if text]
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _cut(text: str, width: int, *, tail: int) -> str:
    """Return a text in at most `width` cells, the last `tail` of them from its end."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1 - tail) + "…" + set_cell_size(text[::-1], tail)[::-1]
