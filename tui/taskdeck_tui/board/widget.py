"""The board widget: draws a view line by line, and turns keys and mouse into moves of the cursor.

It has no children and needs no layout: what changed between two views is found by comparing what each card shows, and
only those rows are drawn again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import ClassVar, Protocol

from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Offset, Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from taskdeck_store.values import State
from taskdeck_tui.board.layout import layout
from taskdeck_tui.board.painter import GROUNDS, INKS, Painter, hue
from taskdeck_tui.board.scene import Scene, differences, scene
from taskdeck_tui.keys import BY_ID, acts, bindings
from taskdeck_tui.model.look import Jump
from taskdeck_tui.model.view import View, covered, focus_column, move, put_cursor, resize, scroll, scroll_to, sidle

_WHEEL = 3

_PATIENCE = 0.5
"""Seconds at most that keys wait for a far place to be read."""


class Actor(Protocol):
    """Who acts on the tasks: called in the same breath as the key, so that no other key comes between."""

    def legal(self) -> frozenset[str]:
        """Return the names of the actions that would do something to the selection, or the task under the cursor."""

    def act(self, name: str) -> None:
        """Do what the key of this name means."""

    def moved(self) -> None:
        """Take note that the operator moved the cursor, or scrolled."""


class Board(Widget, can_focus=True):
    """Five columns of cards. `show` gives it a view."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"board--{name}" for name in (*INKS, *GROUNDS, *(hue(state) for state in State))
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        binding
        for binding in bindings("board", "task", "stepping")
        if BY_ID[binding.id or ""].group == "Move" or acts(binding)
    ]
    ALLOW_SELECT = False

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
        self._busy: Mapping[str, str] = {}
        self._layout = layout(0, 0, lines, view.focus)
        self._scene = self._on_screen()
        self._painter = Painter(self._look_up)
        self._dragged: int | None = None

    def show(self, view: View) -> None:
        """Draw what differs between this view and the one on screen."""
        if view.focus != self.view.focus:
            self.view = view
            self._lay_out()
        else:
            self.view = view
            self._draw_changed()
        if not covered(view):
            self.post_message(self.Uncovered())

    def mark(self, *, selected: Collection[str], busy: Mapping[str, str]) -> None:
        """Mark the cards of these ids as selected, and some with what is under way with them."""
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
        self._painter.forget()

    def action_cursor_down(self) -> None:
        """Go to the next card."""
        self._steer(move(self.view, 1))

    def action_cursor_up(self) -> None:
        """Go to the card above."""
        self._steer(move(self.view, -1))

    def action_cursor_left(self) -> None:
        """Go to the column to the left."""
        self._steer(sidle(self.view, -1))

    def action_cursor_right(self) -> None:
        """Go to the column to the right."""
        self._steer(sidle(self.view, 1))

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
        self._steer(focus_column(self.view, list(State).index(State(state))))

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
            self._steer(put_cursor(self.view, spot.column, column.top + spot.line))
        else:
            self._steer(focus_column(self.view, spot.column))

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
        """Draw one row of the screen."""
        return self._painter.row(self._scene, y)

    def _steer(self, view: View) -> None:
        """Show what the operator moved to."""
        moved = (view.focus, view.row) != (self.view.focus, self.view.row)
        self.show(view)
        if moved:
            self._actor.moved()

    async def _go(self, row: int) -> None:
        """Put the cursor on a rank; where that must be read first, the keys that follow wait for it."""
        row = min(max(row, 0), max(self.view.column.tally.count - 1, 0))
        column = self.view.column
        if column.first <= row < column.first + len(column.cards):
            self._steer(put_cursor(self.view, self.view.focus, row))
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
            self._steer(scroll(self.view, spot.column, by))

    def _drag(self, y: int) -> None:
        assert self._dragged is not None
        column = self.view.columns[self._dragged]
        rows = max(self._layout.height - self._layout.body - 1, 1)
        share = min(max((y - self._layout.body) / rows, 0.0), 1.0)
        self._steer(scroll_to(self.view, self._dragged, round(share * (column.tally.count - self.view.height))))

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
        self._scene = self._on_screen()

    def _draw_changed(self) -> None:
        before, self._scene = self._scene, self._on_screen()
        bounds = Region(0, 0, self._layout.width, self._layout.height)
        dirty = [region.intersection(bounds) for region in differences(before, self._scene)]
        if dirty:
            self.refresh(*dirty)
            self._place_terminal_cursor()

    def _on_screen(self) -> Scene:
        return scene(self.view, self._layout, selected=self._selected, busy=self._busy, now=self._now)

    def _place_terminal_cursor(self) -> None:
        """Screen readers follow the terminal's own cursor, though it is not seen."""
        spot = self._layout.place(self.view.focus)
        if spot is not None and self.has_focus:
            line = self.view.row - self.view.column.top
            y = self._layout.body + line * self._layout.card_rows
            self.app.cursor_position = self.region.offset + Offset(spot[0], y)

    def _look_up(self, name: str, own: bool) -> Style:
        return self.get_component_rich_style(f"board--{name}", partial=own)
