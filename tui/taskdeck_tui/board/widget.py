"""The board widget: draws a view line by line, and turns keys and mouse into moves of the cursor.

It has no children and needs no layout: what changed between two views is found by comparing what each card shows, and
only those rows are drawn again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import ClassVar, Protocol, TypeAlias

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Offset, Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from taskdeck_store.clock import to_seconds
from taskdeck_store.values import Card, State
from taskdeck_tui.board.cards import Line, card_lines
from taskdeck_tui.board.heading import heading, strip_of_counts
from taskdeck_tui.board.layout import FOLDED, STRIP_ROWS, layout, margin, thumb
from taskdeck_tui.keys import BY_ID, bindings
from taskdeck_tui.model.look import Jump
from taskdeck_tui.model.view import View, covered, focus_column, move, put_cursor, resize, scroll, scroll_to, sidle
from taskdeck_tui.span import span

_CACHED = 6_000
_WHEEL = 3

_PATIENCE = 0.5
"""Seconds at most that keys wait for a far place to be read."""

_Cell: TypeAlias = tuple[str, str, str, bool, bool, bool, bool]
"""What one card shows: id, version, age, under the cursor, selected, busy, followed by the card under the cursor."""

_STYLES = ("title", "meta", "owner", "urgent", "tag", "error", "preview", "busy", "rule", "edge", "empty")


class Actor(Protocol):
    """Who acts on the tasks: asked in the same breath as the key, so that no move of the cursor comes between."""

    def legal(self) -> frozenset[str]:
        """Return the names of the actions that would do something to the selection, or the task under the cursor."""

    def act(self, name: str) -> None:
        """Do what the key of this name means."""


class Board(Widget, can_focus=True):
    """Five columns of cards. `show` gives it a view; it tells of moves by messages."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"board--{name}" for name in _STYLES),
        *(f"board--{state.replace('_', '-')}" for state in State),
        "board--card",
        "board--cursor",
        "board--selected",
        "board--heading",
        "board--heading-focus",
        "board--scrollbar",
        "board--thumb",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        binding
        for binding in bindings("board", "task")
        if BY_ID[binding.id or ""].group == "Move" or binding.action.startswith(("act(", "step"))
    ]
    ALLOW_SELECT = False

    class Moved(Message):
        """The cursor or what is scrolled where has changed."""

    class Opened(Message):
        """The card under the cursor was asked for with the mouse."""

    class Uncovered(Message):
        """Cards are visible, or about to be, that are not loaded; or a far place is wanted (`jump`)."""

        def __init__(self, jump: Jump | None = None) -> None:
            super().__init__()
            self.jump = jump

    def __init__(self, view: View, actor: Actor, *, lines: int, now: float) -> None:
        super().__init__(id="board")
        self.view = view
        self._actor = actor
        self._arrived: asyncio.Event | None = None
        self._lines = lines
        self._now = now
        self._selected: Collection[str] = ()
        self._busy: Collection[str] = ()
        self._layout = layout(0, 0, lines, view.focus)
        self._cells: dict[tuple[int, int], _Cell | None] = {}
        self._headings: dict[int, tuple[object, ...]] = {}
        self._strips: dict[tuple[object, ...], Strip] = {}
        self._style_cache: dict[tuple[str, ...], Style] = {}
        self._dragged: int | None = None

    def show(self, view: View) -> None:
        """Draw what differs between this view and the one on screen."""
        moved = (view.focus, view.row, view.held) != (self.view.focus, self.view.row, self.view.held)
        if view.focus != self.view.focus:
            self.view = view
            self._lay_out()
        else:
            self.view = view
            self._draw_changed()
        if moved:
            self.post_message(self.Moved())
        if not covered(view):
            self.post_message(self.Uncovered())

    def mark(self, *, selected: Collection[str], busy: Collection[str]) -> None:
        """Mark the cards of these ids as selected, and as being committed."""
        self._selected, self._busy = selected, busy
        self._draw_changed()

    def tick(self, now: float) -> None:
        """Take the time, in seconds since 1970, that ages are counted to."""
        self._now = now
        self._draw_changed()

    @property
    def lines(self) -> int:
        """How many lines a card has, 1 to 3."""
        return self._lines

    @lines.setter
    def lines(self, lines: int) -> None:
        self._lines = lines
        self._lay_out()

    def on_resize(self) -> None:
        """Lay the columns out for the new size."""
        self._lay_out()

    def notify_style_update(self) -> None:
        """Forget what was drawn in the old colours."""
        super().notify_style_update()
        self._strips.clear()
        self._style_cache.clear()

    def action_cursor_down(self) -> None:
        """Go to the next card."""
        self.show(move(self.view, 1))

    def action_cursor_up(self) -> None:
        """Go to the card above."""
        self.show(move(self.view, -1))

    def action_cursor_left(self) -> None:
        """Go to the column to the left."""
        self.show(sidle(self.view, -1))

    def action_cursor_right(self) -> None:
        """Go to the column to the right."""
        self.show(sidle(self.view, 1))

    async def action_page_down(self) -> None:  # type: ignore[override]  # Textual awaits it
        """Go a screen of cards down."""
        await self._go(self.view.row + self.view.height)

    async def action_page_up(self) -> None:  # type: ignore[override]  # Textual awaits it
        """Go a screen of cards up."""
        await self._go(self.view.row - self.view.height)

    async def action_cursor_top(self) -> None:
        """Go to the first card of the column."""
        await self._go(0)

    async def action_cursor_bottom(self) -> None:
        """Go to the last card of the column."""
        await self._go(self.view.column.tally.count - 1)

    def action_column(self, state: str) -> None:
        """Go to the column of a state."""
        self.show(focus_column(self.view, list(State).index(State(state))))

    def action_act(self, name: str) -> None:
        """Do what an action's key means."""
        self._actor.act(name)

    def action_step(self) -> None:
        """Do the next forward action."""
        self._actor.act("step")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Tell whether an action's key does anything here; only such keys are hinted at."""
        if action in ("act", "step"):
            return (str(parameters[0]) if parameters else action) in self._actor.legal()
        return True

    def arrive(self) -> None:
        """Go on with the keys that wait for a far place to be read."""
        if self._arrived is not None:
            self._arrived.set()

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Put the cursor on the card, go to the column of the heading, or take hold of the scroll bar."""
        spot = self._layout.at(event.x, event.y)
        if spot is None:
            return
        column = self.view.columns[spot.column]
        if spot.part == "scrollbar" and column.tally.count > self.view.height:
            self._dragged = spot.column
            self.capture_mouse()
            self._drag(event.y)
        elif spot.part in ("card", "scrollbar") and column.top + spot.line < column.tally.count:
            self.show(put_cursor(self.view, spot.column, column.top + spot.line))
        else:
            self.show(focus_column(self.view, spot.column))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Drag the scroll bar that was taken hold of."""
        if self._dragged is not None:
            self._drag(event.y)

    def on_mouse_up(self) -> None:
        """Let go of the scroll bar."""
        if self._dragged is not None:
            self._dragged = None
            self.release_mouse()

    def on_click(self, event: events.Click) -> None:
        """Open the card that was clicked twice."""
        spot = self._layout.at(event.x, event.y)
        if event.chain == 2 and spot is not None and spot.part == "card" and self.view.held is not None:
            self.post_message(self.Opened())

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll the column under the mouse down."""
        self._wheel(event, 1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll the column under the mouse up."""
        self._wheel(event, -1)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draw rows, laid out for the size they are drawn at, though the event that tells it may still be to come."""
        if (self._layout.width, self._layout.height) != self.size:
            self._arrange()
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """Draw one row of the screen: the part of each column that crosses it."""
        place = self._layout
        if place.narrow and y < STRIP_ROWS:
            return self._counts_strip()
        parts = [self._column_strip(index, width, y) for index, _, width in place.columns]
        return Strip.join(parts)

    async def _go(self, row: int) -> None:
        """Put the cursor on a rank; where that must be read first, the keys that follow wait for it."""
        row = min(max(row, 0), max(self.view.column.tally.count - 1, 0))
        column = self.view.column
        if column.first <= row < column.first + len(column.cards):
            self.show(put_cursor(self.view, self.view.focus, row))
        else:
            self._arrived = asyncio.Event()
            self.post_message(self.Uncovered(Jump(self.view.focus, row)))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), _PATIENCE)
            self._arrived = None

    def _wheel(self, event: events.MouseEvent, direction: int) -> None:
        event.stop()
        spot = self._layout.at(event.x, event.y)
        if spot is not None:
            by = direction * (_WHEEL if self._lines == 1 else 1)
            self.show(scroll(self.view, spot.column, by))

    def _drag(self, y: int) -> None:
        assert self._dragged is not None
        column = self.view.columns[self._dragged]
        rows = max(self._layout.height - self._layout.body - 1, 1)
        share = min(max((y - self._layout.body) / rows, 0.0), 1.0)
        self.show(scroll_to(self.view, self._dragged, round(share * (column.tally.count - self.view.height))))

    def _lay_out(self) -> None:
        self._arrange()
        self._place_terminal_cursor()
        self.refresh()

    def _arrange(self) -> None:
        width, height = self.size
        self._layout = layout(width, height, self._lines, self.view.focus, len(self.view.columns))
        if self.view.height != self._layout.fits:
            self.view = resize(self.view, self._layout.fits)
            if not covered(self.view):
                self.post_message(self.Uncovered())
        self._cells, self._headings = self._all_cells(), self._all_headings()

    def _draw_changed(self) -> None:
        cells, headings = self._all_cells(), self._all_headings()
        place = self._layout
        dirty: list[Region] = []
        for index, x, width in place.columns:
            for line in range(place.fits + 1):
                if cells.get((index, line)) != self._cells.get((index, line)):
                    dirty.append(Region(x, place.body + line * place.card_rows, width, place.card_rows))
        if headings != self._headings:
            dirty.append(Region(0, 0, place.width, place.body))
            for index, x, width in place.columns:
                if headings[index] != self._headings.get(index):
                    dirty.append(Region(x + width - 1, place.body, 1, place.height - place.body))
                    if not headings[index][1] or not self._headings.get(index, (0, 0))[1]:
                        dirty.append(Region(x, place.body, width, 1))
        self._cells, self._headings = cells, headings
        if dirty:
            bounds = Region(0, 0, place.width, place.height)
            self.refresh(*(region.intersection(bounds) for region in dirty))
            self._place_terminal_cursor()

    def _place_terminal_cursor(self) -> None:
        """Screen readers follow the terminal's own cursor, though it is not seen."""
        spot = self._layout.place(self.view.focus)
        if spot is not None and self.has_focus:
            line = self.view.row - self.view.column.top
            y = self._layout.body + line * self._layout.card_rows
            self.app.cursor_position = self.region.offset + Offset(spot[0], y)

    def _all_headings(self) -> dict[int, tuple[object, ...]]:
        return {
            index: (
                column.state,
                column.tally.count,
                self._age(column.tally.oldest),
                index == self.view.focus,
                thumb(self._layout.height - self._layout.body, column.tally.count, self.view.height, column.top),
            )
            for index, column in enumerate(self.view.columns)
        }

    def _all_cells(self) -> dict[tuple[int, int], _Cell | None]:
        cells: dict[tuple[int, int], _Cell | None] = {}
        view = self.view
        for index, _, _ in self._layout.columns:
            column = view.columns[index]
            for line in range(self._layout.fits + 1):
                row = column.top + line
                card = column.card(row)
                if card is None:
                    cells[index, line] = None
                    continue
                focused = index == view.focus
                cells[index, line] = (
                    card.id,
                    card.version,
                    self._age(card.state_since),
                    focused and row == view.row,
                    card.id in self._selected,
                    card.id in self._busy,
                    focused and row + 1 == view.row,
                )
        return cells

    def _age(self, since: str | None) -> str:
        if since is None:
            return ""
        with suppress(ValueError):
            return span(self._now - to_seconds(since))
        return ""

    def _column_strip(self, index: int, width: int, y: int) -> Strip:
        place = self._layout
        if y < place.body:
            return self._heading_strip(index, width, y)
        line, part = divmod(y - place.body, place.card_rows)
        if width <= FOLDED:
            return self._folded_strip(index, line, part, width)
        gap = margin(width)
        body = self._card_strip(index, line, part, width - 1 - gap)
        return Strip.join([body, self._bar_strip(index, y - place.body), self._gap_strip(gap)])

    def _card_strip(self, index: int, line: int, part: int, width: int) -> Strip:
        column = self.view.columns[index]
        cell = self._cells.get((index, line))
        card = column.card(column.top + line)
        if cell is None or card is None:
            return self._blank_strip(index, line, part, width)
        key = ("card", cell, part, width, self._lines)
        strip = self._strips.get(key)
        if strip is None:
            if len(self._strips) > _CACHED:
                self._strips.clear()
            strip = self._strips[key] = self._drawn_card(card, cell, part, width)
        return strip

    def _drawn_card(self, card: Card, cell: _Cell, part: int, width: int) -> Strip:
        _, _, age, cursor, selected, busy, before_cursor = cell
        hue = f"board--{card.state.replace('_', '-')}"
        if part == self._lines:
            return self._rule_strip(cursor, before_cursor, width) if part == 3 else self._gap_strip(width)
        ground = "board--cursor" if cursor else "board--selected" if selected else "board--card"
        line: Line = card_lines(card, max(width - 3, 0), self._lines, age, busy=busy)[part]
        left = "●" if selected and part == 0 else "┃" if cursor else "▎"
        segments = [
            Segment(left, self._style(ground, "board--edge" if cursor or selected else hue)),
            Segment(" ", self._style(ground)),
            *(Segment(text, self._style(ground, f"board--{name}")) for text, name in line),
            Segment("┃" if cursor else " ", self._style(ground, "board--edge")),
        ]
        return Strip(segments, width)

    def _rule_strip(self, cursor: bool, before_cursor: bool, width: int) -> Strip:
        if cursor:
            return Strip([Segment("┗" + "━" * (width - 2) + "┛", self._style("board--card", "board--edge"))], width)
        if before_cursor:
            return Strip([Segment("┏" + "━" * (width - 2) + "┓", self._style("board--card", "board--edge"))], width)
        return Strip([Segment("  " + "─" * (width - 3) + " ", self._style("board--card", "board--rule"))], width)

    def _blank_strip(self, index: int, line: int, part: int, width: int) -> Strip:
        column = self.view.columns[index]
        text = ""
        if part == 0 and line == 0 and column.tally.count == 0:
            text = "  none match" if self.view.query else "  no tasks"
        elif part == 0 and column.top + line < column.tally.count and line < self._layout.fits:
            text = "  …"
        return Strip([Segment(text[:width].ljust(width), self._style("board--card", "board--empty"))], width)

    def _bar_strip(self, index: int, row: int) -> Strip:
        bar = self._headings[index][4] if index in self._headings else None
        if bar is None:
            return Strip([Segment(" ", self._style("board--card"))], 1)
        assert isinstance(bar, tuple)
        inside = bar[0] <= row < bar[0] + bar[1]
        name = "board--thumb" if inside else "board--scrollbar"
        return Strip([Segment("▐" if inside else "▕", self._style("board--card", name))], 1)

    def _folded_strip(self, index: int, line: int, part: int, width: int) -> Strip:
        cell = self._cells.get((index, line))
        if cell is None or part >= self._lines:
            return self._gap_strip(width)
        ground = "board--selected" if cell[4] else "board--card"
        hue = f"board--{self.view.columns[index].state.replace('_', '-')}"
        text = "● " if cell[4] and part == 0 else "▎ "
        return Strip([Segment(text, self._style(ground, hue)), Segment(" " * (width - 2), self._style("board--card"))])

    def _gap_strip(self, width: int) -> Strip:
        return Strip([Segment(" " * width, self._style("board--card"))], width)

    def _heading_strip(self, index: int, width: int, y: int) -> Strip:
        column = self.view.columns[index]
        focused = index == self.view.focus
        line = heading(column.state, column.tally.count, self._age(column.tally.oldest), width, focused)[y]
        return self._strip_of(line, "board--heading-focus" if focused else "board--heading", width)

    def _counts_strip(self) -> Strip:
        tallies: Mapping[State, int] = {column.state: column.tally.count for column in self.view.columns}
        parts = strip_of_counts(tallies, self.view.focus, self._layout.width)
        strips = [
            self._strip_of(line, "board--heading-focus" if focused else "board--heading", width)
            for line, width, focused in parts
        ]
        return Strip.join(strips)

    def _strip_of(self, line: Line, ground: str, width: int) -> Strip:
        return Strip([Segment(text, self._style(ground, f"board--{name}")) for text, name in line], width)

    def _style(self, ground: str, *names: str) -> Style:
        key = (ground, *names)
        style = self._style_cache.get(key)
        if style is None:
            style = self.get_component_rich_style(ground)
            for name in names:
                style += self._ink(name)
            self._style_cache[key] = style
        return style

    def _ink(self, name: str) -> Style:
        own = self.get_component_rich_style(name, partial=True)
        return Style(color=own.color, bold=own.bold, dim=own.dim, italic=own.italic, underline=own.underline)
