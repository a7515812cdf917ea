"""Fields to type in. What is pasted, or completed from a task, may hold what no terminal may get: it is not drawn."""

from __future__ import annotations

from rich.segment import Segment
from textual.strip import Strip
from textual.widgets import Input, TextArea

from taskdeck_tui.safe import safe


class Line(Input):
    """A line of text."""

    def render_line(self, y: int) -> Strip:
        """Draw a row of the field."""
        return _harmless(super().render_line(y))


class Lines(TextArea):
    """Several lines of text."""

    def render_line(self, y: int) -> Strip:
        """Draw a row of the field."""
        return _harmless(super().render_line(y))


def _harmless(strip: Strip) -> Strip:
    text = strip.text
    if safe(text) is text:
        return strip
    shown = Strip([Segment(safe(text), style) for text, style, _ in strip])
    return shown.adjust_cell_length(strip.cell_length)
