"""The prompt for another result in the place of one that is held."""

from __future__ import annotations

import json

from msgspec import Struct
from textual.content import Content
from textual.widget import Widget
from textual.widgets import TextArea

from taskdeck_store import jsontext
from taskdeck_store.values import Json
from taskdeck_tui.safe import safe
from taskdeck_tui.screens.prompt import Prompt
from taskdeck_tui.screens.typed import Lines

_AROUND = 9
"""Rows of the frame, the title, a refusal and the hints."""


class Result(Struct, frozen=True):
    """What was typed: any JSON, null too."""

    value: Json


class ResultPrompt(Prompt[Result]):
    """Asks for JSON; returns what it says, or None when it is called off."""

    AUTO_FOCUS = "TextArea"

    def __init__(self, task_id: str, result: Json) -> None:
        """`result` stands there to be changed."""
        super().__init__(
            Content.styled(f"Another result of {safe(task_id)}", "bold $page-title"),
            Content.styled("JSON, held until you commit it", "$muted"),
        )
        self._result = result

    def field(self) -> Widget:
        """Make the field."""
        text = json.dumps(self._result, ensure_ascii=False, indent=2)
        field = Lines(text, compact=True, highlight_cursor_line=False, show_line_numbers=True, id="result")
        field.cursor_blink = False
        return field

    def read(self) -> Result:
        """Return what the text says. Raises ValueError that says where it is not JSON."""
        return Result(jsontext.decode(self.query_one(TextArea).text))

    def on_resize(self) -> None:
        """Leave room for what stands around the text."""
        self.query_one("#result").styles.max_height = max(3, self.size.height - _AROUND)

    def on_text_area_changed(self) -> None:
        """Take the refusal back once something is written."""
        self.refuse("")

    def action_newline(self) -> None:
        """Begin a new line."""
        self.query_one(TextArea).insert("\n")
