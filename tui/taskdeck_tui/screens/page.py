"""What all pages over the board share: a framed sheet with a title, a hint line, and a way back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.types import CSSPathType
from textual.widget import Widget
from textual.widgets import Static

from taskdeck_store.values import Time
from taskdeck_tui.hints import HintLine
from taskdeck_tui.keys import bindings, refusals
from taskdeck_tui.safe import safe

Result = TypeVar("Result")

SHEET = Path(__file__).with_name("page.tcss")
"""The styles of the frame; a page lists them before its own."""

TOLD_FOR = 8.0
"""Seconds for which `Page.tell` shows what it was told."""

WIDE = 110
"""From this width on a page may set things side by side."""

_WIDTHS = [(0, "-narrow"), (60, "-medium"), (WIDE, "-wide")]
_HEIGHTS = [(0, "-low"), (20, "-high")]


class Page(ModalScreen[Result]):
    """A sheet over the board. Subclasses give its `body`, and its keys and styles beside those of all pages."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("page"), *refusals()]
    CSS_PATH: ClassVar[CSSPathType | None] = [SHEET]
    HORIZONTAL_BREAKPOINTS = _WIDTHS
    VERTICAL_BREAKPOINTS = _HEIGHTS

    _telling: Timer | None = None
    _notice: Content | None = None
    _trouble: Content | None = None

    def compose(self) -> ComposeResult:
        """Put the body in its frame."""
        with Vertical(classes="sheet"):
            yield Static(self.heading(), classes="heading", markup=False)
            yield from self.body()
            told = Static(classes="told", markup=False)
            self._fill(told)
            yield told
            yield HintLine(classes="page-hints")

    @property
    def in_place(self) -> bool:
        """Whether the page is built and not yet taken away: only then can it be drawn."""
        return bool(self.query(".told"))

    def tell(self, text: str, *, refused: bool = False) -> None:
        """Say what happened, above the hints and for some seconds."""
        if not self.in_place:
            return
        self._notice = Content.styled(f"{'!' if refused else '·'} {safe(text)}", "$mode-read-only" if refused else "")
        self._draw_told()
        if self._telling is not None:
            self._telling.stop()
        self._telling = self.set_timer(TOLD_FOR, self._fall_silent)

    def trouble(self, text: str) -> None:
        """Say above the hints what is wrong, until it is over (then: nothing)."""
        self._trouble = Content.styled(f"✗ {safe(text)}", "bold $state-failed") if text else None
        self._draw_told()

    def remark(self, text: str) -> None:
        """Say above the hints what one should know of all that is shown."""
        self._trouble = Content.styled(f"◀ {safe(text)}", "bold $past")
        self._draw_told()

    def tick(self, now: Time) -> None:
        """Count ages to this moment."""

    def heading(self) -> Content:
        """Return the title line."""
        return Content()

    def body(self) -> Iterable[Widget]:
        """Return what stands between the title and the hints."""
        return ()

    def retitle(self) -> None:
        """Draw the title line anew."""
        self.query_one(".heading", Static).update(self.heading())

    def _fall_silent(self) -> None:
        self._notice = None
        self._draw_told()

    def _draw_told(self) -> None:
        for line in self.query(".told").results(Static):
            self._fill(line)

    def _fill(self, line: Static) -> None:
        told = [each for each in (self._notice, self._trouble) if each is not None]
        line.update(Content("\n").join(told))
        line.display = bool(told)

    def action_back(self) -> None:
        """Close the page, once it is there: the key may have been on its way to the page below when this one came."""
        if self.is_mounted:
            self.dismiss(None)
        else:
            self.call_later(self.action_back)
