"""A list of any length with a cursor: rows are made when they come into sight."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.content import Content
from textual.geometry import Offset, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual

from taskdeck_tui.keys import bindings

_GAP = 1
"""Cells between the rows and the scroll bar."""


class Rows(ScrollView, can_focus=True, inherit_bindings=False):
    """Draws `row(index, width)` for the rows in sight, and says by messages which those are and which is opened."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("pane", "rows")]
    ALLOW_SELECT = False

    class Opened(Message):
        """A row was chosen, by key or by mouse."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    class Seen(Message):
        """Other rows are in sight."""

        def can_replace(self, message: Message) -> bool:
            """Let the newest of these stand for all."""
            return isinstance(message, Rows.Seen)

    def __init__(self, row: Callable[[int, int], Content], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._row = row
        self._count = 0
        self._cursor = 0

    @property
    def cursor(self) -> int:
        """The index of the row under the cursor."""
        return self._cursor

    @property
    def sight(self) -> range:
        """The indexes of the rows in sight."""
        top = self.scroll_offset.y
        return range(top, min(top + max(self.size.height, 1), self._count))

    def show(self, count: int, *, added_on_top: int = 0) -> None:
        """Show so many rows.

        `added_on_top` of them are new above those there were: the cursor stays on its row, and what is in sight stays
        in sight, unless both are at the very top.
        """
        stays = self._cursor > 0 or self.scroll_offset.y > 0
        self._count = count
        self.virtual_size = Size(self.scrollable_content_region.width, count)
        self._cursor = min(self._cursor + (added_on_top if stays else 0), max(count - 1, 0))
        if stays and added_on_top:
            self.scroll_to(y=self.scroll_offset.y + added_on_top, animate=False)
        self.refresh()
        self.post_message(self.Seen())

    def on_resize(self) -> None:
        """Keep the cursor in sight."""
        self._go(self._cursor)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Say that other rows are in sight."""
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self.post_message(self.Seen())

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the row; a second click opens it."""
        offset = event.get_content_offset(self)
        if offset is None or not 0 <= (index := self.scroll_offset.y + offset.y) < self._count:
            return
        self._go(index)
        if event.chain == 2:
            self.action_details()

    def action_cursor_down(self) -> None:
        """Go to the next row."""
        self._go(self._cursor + 1)

    def action_cursor_up(self) -> None:
        """Go to the row above."""
        self._go(self._cursor - 1)

    def action_page_down(self) -> None:
        """Go a page down."""
        self._go(self._cursor + max(self.size.height - 1, 1))

    def action_page_up(self) -> None:
        """Go a page up."""
        self._go(self._cursor - max(self.size.height - 1, 1))

    def action_cursor_top(self) -> None:
        """Go to the first row."""
        self._go(0)

    def action_cursor_bottom(self) -> None:
        """Go to the last row."""
        self._go(self._count - 1)

    def action_details(self) -> None:
        """Open the row under the cursor."""
        if self._count:
            self.post_message(self.Opened(self._cursor))

    def render_line(self, y: int) -> Strip:
        """Draw one row."""
        index = self.scroll_offset.y + y
        width = self.scrollable_content_region.width
        if index >= self._count or width <= _GAP:
            return Strip.blank(width, self.rich_style)
        line = self._row(index, width - _GAP)
        if index == self._cursor:
            if self.app.native_ansi_color:
                # Reversed, every coloured piece would become a patch of that colour.
                line = line.without_spans
            line = line.pad_right(max(width - _GAP - line.cell_length, 0)).stylize_before("$row")
        strips = Visual.to_strips(self, line, width, 1, self.visual_style)
        return strips[0].crop_extend(0, width, self.rich_style) if strips else Strip.blank(width, self.rich_style)

    def _go(self, index: int) -> None:
        self._cursor = min(max(index, 0), max(self._count - 1, 0))
        top, height = self.scroll_offset.y, max(self.size.height, 1)
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False)
        elif self._cursor >= top + height:
            self.scroll_to(y=self._cursor - height + 1, animate=False)
        # Screen readers read where the terminal's own cursor is.
        self.app.cursor_position = self.content_region.offset + Offset(0, self._cursor - self.scroll_offset.y)
        self.refresh()
