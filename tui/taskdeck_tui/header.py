"""The line above the board: which store, in what mode, how many tasks, how fast they get done."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from msgspec import Struct
from textual.content import Content
from textual.widget import Widget

from taskdeck_tui.safe import safe


class Mode(StrEnum):
    """How the board stands to its store."""

    LIVE = "live"
    FROZEN = "frozen"
    READ_ONLY = "read-only"
    LOST = "lost"


_GLYPHS = {Mode.LIVE: "●", Mode.FROZEN: "‖", Mode.READ_ONLY: "◌", Mode.LOST: "✗"}


class HeaderFacts(Struct, frozen=True, kw_only=True):
    """What the header says. `shown` and `total` count tasks; `rate` is completions a minute."""

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
        """Lay out store and mode to the left, numbers to the right; the least needed goes first."""
        width = self.content_size.width
        facts = self.facts
        mode = facts.mode
        left = [
            Content.styled("Taskdeck", "bold $head-text"),
            Content.styled(safe(facts.store), "$head-text"),
            Content.styled(f"{_GLYPHS[mode]} {mode}", f"bold $mode-{mode}"),
        ]
        if facts.newer:
            left.append(Content.styled("newer changes wait", "$mode-frozen"))
        if facts.query:
            left.append(Content.styled(f"/{safe(facts.query)}", "italic $head-text"))
        tasks = f"{facts.shown:,} of {facts.total:,} tasks" if facts.query else f"{facts.total:,} tasks"
        right = [Content.styled(tasks, "$head-text")]
        if facts.selected:
            right.insert(0, Content.styled(f"{facts.selected:,} selected", "bold $mode-frozen"))
        extra = [
            Content.styled(f"{facts.rate:.0f}/min" if facts.rate >= 10 else f"{facts.rate:.1f}/min", "$head-muted"),
            Content.styled(facts.spark, "$spark"),
            Content.styled(facts.kind, "$head-muted"),
        ]
        return _spread(left, right, extra, width)


def _spread(left: list[Content], right: list[Content], extra: list[Content], width: int) -> Content:
    gap = Content("  ")

    def needed() -> int:
        parts = [*left, *right]
        return sum(part.cell_length for part in parts) + 2 * (len(parts) - 1)

    for part in extra:
        if part and needed() + part.cell_length + 2 <= width:
            right.append(part)
    while needed() > width and len(left) > 2:
        del left[0]
    while needed() > width and right:
        del right[-1]
    start, end = gap.join(left), gap.join(right)
    return start + Content(" " * max(width - start.cell_length - end.cell_length, 1)) + end
