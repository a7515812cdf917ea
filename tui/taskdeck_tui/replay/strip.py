"""The timeline along the foot: how dense events are, where tasks failed, and where one stands. It can be dragged."""

from __future__ import annotations

import math
from typing import ClassVar

from textual import events
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from taskdeck_tui.model.density import Density
from taskdeck_tui.model.frame import Frame
from taskdeck_tui.telling import moment

_BARS = "▁▂▃▄▅▆▇█"
_NONE = "·"
_PLACE = "│"
_MARK = "◇"
_MANY, _SOME = "✗", "×"
"""Marks of the columns with at least half as many failures as the one with most, and of the others that have any."""


class Strip(Widget):
    """Three rows, or one: the density, failures and the place, and the moments at both ends."""

    DEFAULT_CSS = """
    Strip { height: 3; padding: 0 1; background: $background; color: $head-muted; pointer: pointer; }
    """
    ALLOW_SELECT: ClassVar[bool] = False

    class Dragged(Message):
        """The operator wants to be at a position."""

        def __init__(self, position: int) -> None:
            super().__init__()
            self.position = position

    class Sized(Message):
        """There is room for so many columns."""

        def __init__(self, width: int) -> None:
            super().__init__()
            self.width = width

    def __init__(self) -> None:
        super().__init__(id="strip")
        self._frame: Frame | None = None
        self._marked: int | None = None
        self._dragging = False

    def tell(self, frame: Frame) -> None:
        """Show where a frame stands."""
        self._frame = frame
        self.refresh()

    def mark(self, position: int | None) -> None:
        """Mark a position that is to be compared with another one; None: no more."""
        self._marked = position
        self.refresh()

    def on_resize(self) -> None:
        """Ask for as many columns as there is room for."""
        self.post_message(self.Sized(self.content_size.width))

    def render(self) -> Content:
        """Lay out what there are rows for."""
        frame = self._frame
        if frame is None or frame.density is None:
            return Content()
        here = frame.density.column(frame.position)
        rows = [
            _bars(frame.density, here),
            _marks(frame, here, self._marked),
            _ends(frame.density, self.content_size.width),
        ]
        return Content("\n").join(rows[: self.content_size.height])

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold of the timeline."""
        self._dragging = True
        self.capture_mouse()
        self._drag(event)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Go where it is dragged to."""
        if self._dragging:
            self._drag(event)

    def on_mouse_up(self) -> None:
        """Let go of it."""
        if self._dragging:
            self._dragging = False
            self.release_mouse()

    def _drag(self, event: events.MouseEvent) -> None:
        frame = self._frame
        if frame is not None and frame.density is not None:
            self.post_message(self.Dragged(frame.density.position(event.x - self.styles.padding.left)))


def _bars(density: Density, here: int) -> Content:
    most = math.sqrt(max(density.events))
    bars = "".join(
        _BARS[min(int(math.sqrt(count) / most * len(_BARS)), len(_BARS) - 1)] if count else _NONE
        for count in density.events
    )
    place = bars[here : here + 1].replace(_NONE, _PLACE)
    return Content.assemble((bars[:here], "$past"), (place, "bold $card-title"), (bars[here + 1 :], "$head-muted"))


def _marks(frame: Frame, here: int, marked: int | None) -> Content:
    density = frame.density
    assert density is not None
    most = max(density.failures)
    marks = [(_MANY if 2 * count >= most else _SOME) if count else " " for count in density.failures]
    for position, bracket in zip(frame.loop or (), "()", strict=False):
        marks[density.column(position)] = bracket
    if marked is not None:
        marks[density.column(marked)] = _MARK
    return Content.assemble(
        ("".join(marks[:here]), "$state-failed"), ("▲", "bold $past"), ("".join(marks[here + 1 :]), "$state-failed")
    )


def _ends(density: Density, width: int) -> Content:
    first = moment(density.first) if density.first is not None else "?"
    last = moment(density.last) if density.last is not None else "?"
    if len(first) + len(last) + 2 > width:
        first, last = first[:16], last[11:]
    return Content.styled(f"{first}{' ' * max(width - len(first) - len(last), 1)}{last}", "$head-muted")
