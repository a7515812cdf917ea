"""A prompt: a field between a title and the hints, whose text is taken once it can be understood."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.types import CSSPathType
from textual.widget import Widget
from textual.widgets import Static

from taskdeck_tui.hints import HintLine
from taskdeck_tui.keys import bindings
from taskdeck_tui.safe import safe

Meant = TypeVar("Meant")


class Prompt(ModalScreen[Meant | None], Generic[Meant]):
    """Returns what the text means, or None when it is called off."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("prompt")]
    CSS_PATH: ClassVar[CSSPathType | None] = [Path(__file__).with_name("dialog.tcss")]

    def __init__(self, title: Content, below: Content) -> None:
        super().__init__()
        self._title = title
        self._below = below

    @abstractmethod
    def field(self) -> Widget:
        """Make the field that is typed into."""

    @abstractmethod
    def read(self) -> Meant:
        """Return what the text of the field means. Raises ValueError with what is wrong with it."""

    def compose(self) -> ComposeResult:
        """Put the field between the title and the hints."""
        with Vertical(classes="dialog"):
            yield Static(self._title, classes="title", markup=False)
            yield Static(self._below, classes="below", markup=False)
            yield self.field()
            yield Static("", id="refusal", markup=False)
            yield HintLine()

    def action_send(self) -> None:
        """Return what is meant, if anything is."""
        try:
            meant = self.read()
        except ValueError as error:
            self.refuse(safe(str(error)))
            return
        self.dismiss(meant)

    def action_newline(self) -> None:
        """One line is all there is."""

    def action_cancel(self) -> None:
        """Call it off."""
        self.dismiss(None)

    def refuse(self, why: str) -> None:
        """Say what is wrong with the text; with nothing, take it back."""
        refusal = self.query_one("#refusal", Static)
        refusal.update(why)
        refusal.display = bool(why)
