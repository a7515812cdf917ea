"""The prompt for one line, which is taken once it can be understood."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.types import CSSPathType
from textual.widgets import Input, Static

from taskdeck_tui.hints import HintLine
from taskdeck_tui.keys import bindings
from taskdeck_tui.safe import safe
from taskdeck_tui.screens.typed import Line

Meant = TypeVar("Meant")


class Ask(ModalScreen[Meant | None], Generic[Meant]):
    """Asks for a line; returns what it means, or None when it is called off."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("prompt")]
    CSS_PATH: ClassVar[CSSPathType | None] = [Path(__file__).with_name("dialog.tcss")]
    AUTO_FOCUS = "Input"

    def __init__(self, title: str, below: str, *, read: Callable[[str], Meant], text: str = "") -> None:
        """`read` returns what a text means, and raises ValueError with what is wrong with it. `text` stands there."""
        super().__init__()
        self._title = title
        self._below = below
        self._read = read
        self._text = text

    def compose(self) -> ComposeResult:
        """Put the line between the title and the hints."""
        line = Line(self._text, compact=True, id="line", select_on_focus=True)
        line.cursor_blink = False
        with Vertical(classes="dialog"):
            yield Static(Content.styled(self._title, "bold $page-title"), classes="title", markup=False)
            yield Static(Content.styled(self._below, "$muted"), classes="below", markup=False)
            yield line
            yield Static("", id="refusal", markup=False)
            yield HintLine()

    def on_input_changed(self) -> None:
        """Take the refusal back once something else is written."""
        self._refuse("")

    def action_send(self) -> None:
        """Return what the line means, if it means anything."""
        try:
            meant = self._read(self.query_one(Input).value)
        except ValueError as error:
            self._refuse(safe(str(error)))
            return
        self.dismiss(meant)

    def action_newline(self) -> None:
        """One line is all there is."""

    def action_cancel(self) -> None:
        """Call it off."""
        self.dismiss(None)

    def _refuse(self, why: str) -> None:
        refusal = self.query_one("#refusal", Static)
        refusal.update(why)
        refusal.display = bool(why)
