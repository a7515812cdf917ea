"""The prompt that asks why, before an action that takes a note."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widget import Widget
from textual.widgets import TextArea

from taskdeck_tui.screens.prompt import Prompt
from taskdeck_tui.screens.typed import Lines
from taskdeck_tui.screens.wording import Named, below, title


class WhyPrompt(Prompt[str]):
    """Asks for a note on what is to be done; returns it stripped, or None when that is called off."""

    AUTO_FOCUS = "TextArea"

    def __init__(self, name: str, title: Content, below: Content, *, required: bool) -> None:
        """`name` is that of the action. With `required`, the note may not be empty."""
        super().__init__(title, below)
        self._action = name
        self._required = required

    def field(self) -> Widget:
        """Make the field."""
        ask = "why? (required)" if self._required else "why? (may be left empty)"
        field = Lines(compact=True, highlight_cursor_line=False, placeholder=ask, id="note")
        field.cursor_blink = False
        return field

    def read(self) -> str:
        """Return the note, if it may be what it is."""
        note = self.query_one(TextArea).text.strip()
        if self._required and not note:
            raise ValueError(f"{self._action} needs a note that says why")
        return note

    def on_text_area_changed(self) -> None:
        """Take the refusal back once something is written."""
        self.refuse("")

    def action_newline(self) -> None:
        """Begin a new line in the note."""
        self.query_one(TextArea).insert("\n")


class NotePrompt(WhyPrompt):
    """Asks for a note on an action on tasks."""

    def __init__(self, name: str, tasks: Sequence[Named], *, required: bool) -> None:
        """`name` is the action's; `tasks` are those it is for."""
        super().__init__(name, title(name, tasks), below(tasks), required=required)
