"""The prompt for one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input

from taskdeck_tui.screens.prompt import Meant, Prompt
from taskdeck_tui.screens.typed import Line


class Ask(Prompt[Meant], Generic[Meant]):
    """Asks for a line; returns what it means, or None when it is called off."""

    AUTO_FOCUS = "Input"

    def __init__(self, title: str, below: str, *, read: Callable[[str], Meant], text: str = "") -> None:
        """`read` returns what a text means, and raises ValueError with what is wrong with it. `text` stands there."""
        super().__init__(Content.styled(title, "bold $page-title"), Content.styled(below, "$muted"))
        self._read = read
        self._text = text

    def field(self) -> Widget:
        """Make the line."""
        line = Line(self._text, compact=True, id="line", select_on_focus=True)
        line.cursor_blink = False
        return line

    def read(self) -> Meant:
        """Return what the line means."""
        return self._read(self.query_one(Input).value)

    def on_input_changed(self) -> None:
        """Take the refusal back once something else is written."""
        self.refuse("")
