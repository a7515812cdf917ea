"""The prompt that asks why, before an action that takes a note."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.types import CSSPathType
from textual.widgets import Static, TextArea

from taskdeck_tui.hints import HintLine
from taskdeck_tui.keys import bindings
from taskdeck_tui.screens.typed import Lines
from taskdeck_tui.screens.wording import Named, below, title


class NotePrompt(ModalScreen[str | None]):
    """Asks for a note on an action; returns it stripped, or None when the action is called off."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("prompt")]
    CSS_PATH: ClassVar[CSSPathType | None] = [Path(__file__).with_name("dialog.tcss")]
    AUTO_FOCUS = "TextArea"

    def __init__(self, name: str, tasks: Sequence[Named], *, required: bool) -> None:
        """`name` is the action's; `tasks` are those it is for. With `required`, the note may not be empty."""
        super().__init__()
        self._action = name
        self._tasks = tasks
        self._required = required

    def compose(self) -> ComposeResult:
        """Put the field between the title and the hints."""
        ask = "why? (required)" if self._required else "why? (may be left empty)"
        field = Lines(compact=True, highlight_cursor_line=False, placeholder=ask, id="note")
        field.cursor_blink = False
        with Vertical(classes="dialog"):
            yield Static(title(self._action, self._tasks), classes="title", markup=False)
            yield Static(below(self._tasks), classes="below", markup=False)
            yield field
            yield Static("", id="refusal", markup=False)
            yield HintLine()

    def on_text_area_changed(self) -> None:
        """Take the refusal back once something is written."""
        self._refuse("")

    def action_send(self) -> None:
        """Return the note, if it may be what it is."""
        note = self.query_one(TextArea).text.strip()
        if self._required and not note:
            self._refuse(f"{self._action} needs a note that says why")
            return
        self.dismiss(note)

    def action_newline(self) -> None:
        """Begin a new line in the note."""
        self.query_one(TextArea).insert("\n")

    def action_cancel(self) -> None:
        """Call the action off."""
        self.dismiss(None)

    def _refuse(self, why: str) -> None:
        refusal = self.query_one("#refusal", Static)
        refusal.update(why)
        refusal.display = bool(why)
