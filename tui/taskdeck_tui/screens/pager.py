"""Text that scrolls, laid out anew for each width; only the lines in sight are drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, TypeAlias

from textual.binding import BindingType
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip
from textual.style import Style
from textual.visual import Visual

from taskdeck_tui.keys import bindings

Layout: TypeAlias = Callable[[int], Sequence[Content]]
"""From a width in cells to the lines that fit it."""

_GAP = 1
"""Cells between the lines and the scroll bar."""


class Pager(ScrollView, can_focus=True, inherit_bindings=False):
    """A pane of lines. `show` gives it something else to lay out; the place that is being read stays in sight."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("pane")]

    class LaidOut(Message):
        """The lines were laid out anew."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._layout: Layout = lambda _width: ()
        self._lines: Sequence[Content] = ()
        self._width = 0

    @property
    def lines(self) -> Sequence[Content]:
        """The lines as laid out."""
        return self._lines

    def show(self, layout: Layout, *, grows_on_top: bool = False) -> None:
        """Lay out something else.

        With `grows_on_top`, what comes new is above what was there: unless the top is in sight, the lines that are
        being read stay where they are.
        """
        self._layout = layout
        before = len(self._lines)
        self._lay_out()
        if grows_on_top and self.scroll_offset.y > 0 and before:
            self._go(self.scroll_offset.y + len(self._lines) - before)

    def on_resize(self) -> None:
        """Lay out for the new width."""
        if self.scrollable_content_region.width != self._width:
            self._lay_out()

    def action_cursor_down(self) -> None:
        """Scroll a line down."""
        self._go(self.scroll_offset.y + 1)

    def action_cursor_up(self) -> None:
        """Scroll a line up."""
        self._go(self.scroll_offset.y - 1)

    def action_page_down(self) -> None:
        """Scroll a page down, but for one line."""
        self._go(self.scroll_offset.y + max(self.size.height - 1, 1))

    def action_page_up(self) -> None:
        """Scroll a page up, but for one line."""
        self._go(self.scroll_offset.y - max(self.size.height - 1, 1))

    def action_cursor_top(self) -> None:
        """Scroll to the first line."""
        self._go(0)

    def action_cursor_bottom(self) -> None:
        """Scroll to the last line."""
        self._go(len(self._lines))

    def render_line(self, y: int) -> Strip:
        """Draw one line of the pane."""
        index = self.scroll_offset.y + y
        width = self.scrollable_content_region.width
        if index >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        line = self._lines[index]
        if (selection := self.text_selection) is not None and (span := selection.get_span(index)) is not None:
            start, end = span
            style = Style.from_styles(self.screen.get_component_styles("screen--selection"))
            line = line.stylize(style, start, len(line) if end < 0 else end)
        strips = Visual.to_strips(self, line, width, 1, self.visual_style, apply_selection=False)
        strip = strips[0] if strips else Strip.blank(width)
        return strip.crop_extend(0, width, self.rich_style).apply_offsets(0, index)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """Return the text that was selected with the mouse."""
        return selection.extract("\n".join(line.plain for line in self._lines)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Draw what is selected."""
        self.refresh()

    def _lay_out(self) -> None:
        width = self.scrollable_content_region.width
        if width <= _GAP:
            return
        self._width = width
        self._lines = self._layout(width - _GAP)
        self.virtual_size = Size(width, len(self._lines))
        self.refresh()
        self.post_message(self.LaidOut())

    def _go(self, line: int) -> None:
        self.scroll_to(y=line, animate=False)
