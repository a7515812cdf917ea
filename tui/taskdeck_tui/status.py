"""The line below the board: what just happened, what is wrong, or else where the cursor stands."""

from __future__ import annotations

from enum import StrEnum

from textual.content import Content
from textual.widget import Widget

from taskdeck_tui.safe import safe


class Tone(StrEnum):
    """How a notice is meant."""

    TOLD = "told"
    DONE = "done"
    REFUSED = "refused"


MARKS = {Tone.TOLD: "·", Tone.DONE: "✓", Tone.REFUSED: "!"}
INKS = {Tone.TOLD: "$head-text", Tone.DONE: "$state-completed", Tone.REFUSED: "$state-review"}
SHOWN_FOR = 8.0


class StatusLine(Widget):
    """One row; more while the store is lost, when it says why and since when, and for a refusal that needs them."""

    DEFAULT_CSS = """
    StatusLine { height: 1; background: $background; color: $head-muted; padding: 0 1; }
    StatusLine.-long { height: auto; max-height: 4; }
    StatusLine.-trouble { height: auto; max-height: 4; color: $state-failed; text-style: bold; }
    """
    ALLOW_SELECT = False

    def __init__(self) -> None:
        super().__init__(id="status")
        self._where = ""
        self._notice: tuple[str, Tone] | None = None
        self._trouble = ""
        self._serial = 0

    def where(self, text: str) -> None:
        """Say where the cursor stands."""
        if text != self._where:
            self._where = text
            self.refresh()

    def notice(self, text: str, tone: Tone = Tone.TOLD) -> None:
        """Say what happened, for some seconds."""
        self._notice = (safe(text), tone)
        self._serial += 1
        serial = self._serial
        self.set_timer(SHOWN_FOR, lambda: self._expire(serial))
        self._lay_out()

    def trouble(self, text: str) -> None:
        """Say what is wrong until it is over (then: nothing)."""
        if text != self._trouble:
            self._trouble = safe(text)
            self.set_class(bool(text), "-trouble")
            self._lay_out()
            self.refresh(layout=True)

    def render(self) -> Content:
        """Lay out the notice to the left and the place to the right."""
        width = self.content_size.width
        if self._trouble:
            trouble = Content(f"✗ {self._trouble}")
            return trouble + "\n" + self._told(width) if self._notice is not None else trouble
        where = Content.styled(self._where, "$head-muted")
        if self._notice is None:
            return Content(" " * max(width - where.cell_length, 0)) + where
        if self.has_class("-long"):
            return self._whole()
        told = self._told(width)
        if told.cell_length + where.cell_length + 2 > width:
            return told
        return told + Content(" " * (width - told.cell_length - where.cell_length)) + where

    def _told(self, width: int) -> Content:
        return self._whole().truncate(width, ellipsis=True)

    def _whole(self) -> Content:
        text, tone = self._notice or ("", Tone.TOLD)
        return Content.styled(f"{MARKS[tone]} {text}", INKS[tone])

    def _lay_out(self) -> None:
        """Take the rows that are needed. A refusal says why, and the reason is often at its end."""
        is_refusal = self._notice is not None and self._notice[1] is Tone.REFUSED
        is_long = is_refusal and not self._trouble and self._whole().cell_length > self.content_size.width
        changes = is_long or self.has_class("-long") or bool(self._trouble)
        self.set_class(is_long, "-long")
        self.refresh(layout=changes)

    def _expire(self, serial: int) -> None:
        if serial == self._serial:
            self._notice = None
            self._lay_out()
