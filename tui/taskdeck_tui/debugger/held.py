"""The page of an outcome that is held: what would be committed, what it changes, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from textual.binding import BindingType
from textual.content import Content
from textual.message import Message
from textual.types import CSSPathType
from textual.widget import Widget

from taskdeck_store.values import Json, State
from taskdeck_store.worker.held import Held
from taskdeck_tui.glyphs import GLYPHS, WORDS
from taskdeck_tui.keys import bindings
from taskdeck_tui.safe import safe
from taskdeck_tui.screens.fields import rule
from taskdeck_tui.screens.history import change_lines, ink
from taskdeck_tui.screens.page import SHEET, Page
from taskdeck_tui.screens.pager import Pager
from taskdeck_tui.screens.pretty import Row, fitted, kind_of, text_rows, value_rows
from taskdeck_tui.telling import value_told

_VALUE = 240


class HeldPage(Page[None]):
    """Shows one outcome; what is decided goes out as messages. `update` gives it what it is by now."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("held")]
    CSS_PATH: ClassVar[CSSPathType | None] = [SHEET, Path(__file__).with_name("debugger.tcss")]

    class Decided(Message):
        """What is to become of the outcome: `choice` is the name of a key of this page."""

        def __init__(self, page: HeldPage, choice: str) -> None:
            super().__init__()
            self.page = page
            self.choice = choice

    def __init__(self, held: Held) -> None:
        super().__init__()
        self.held = held
        self._is_over = False

    @property
    def task_id(self) -> str:
        """The id of the task."""
        return self.held.before.id

    def heading(self) -> Content:
        """Say what would be committed, and where the task would be then."""
        before, after = self.held.before.state, self.held.after.state
        return Content.assemble(
            ("‖ held", "bold $mode-frozen"),
            (f"  {safe(self.task_id)}", "bold $page-title"),
            (f"  {self.held.command.action}  ", "bold"),
            *_standing(before),
            (" → ", "$muted"),
            *_standing(after),
        )

    def body(self) -> Iterable[Widget]:
        """Yield what would be committed."""
        yield Pager(id="held")

    def on_mount(self) -> None:
        """Show it."""
        self._draw()

    def on_screen_resume(self) -> None:
        """Go, where the outcome went while something lay over this page."""
        if self._is_over and self.app.screen is self:
            self.dismiss(None)

    def update(self, held: Held) -> None:
        """Show what the outcome is by now."""
        self.held = held
        if self.in_place:
            self._draw()
            self.refresh_bindings()

    def end(self) -> None:
        """Close the page: the outcome is held no more."""
        self._is_over = True
        # Not is_current, which is true of a page behind another one too.
        if self.app.screen is self:
            self.dismiss(None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what can be done with this outcome."""
        if action == "decide":
            if parameters[0] == "change":
                return self.held.takes_result
            if parameters[0] == "reject":
                return self.held.part is not None
            if parameters[0] == "give_back":
                return self.held.before.state is State.IN_PROGRESS
        return True

    def action_decide(self, choice: str) -> None:
        """Ask for what was decided."""
        self.post_message(self.Decided(self, choice))

    def _draw(self) -> None:
        self.retitle()
        self.query_one(Pager).show(self._lines)

    def _lines(self, width: int) -> list[Content]:
        held = self.held
        lines = fitted([Row(Content.styled(safe(held.after.title), "bold $page-title"))], width)
        lines += fitted([Row(Content.assemble(("nothing is committed yet: ", "$muted"), safe(held.why)))], width)
        told = {"note": held.command.note, "error": held.after.error, "result": held.after.result}
        for name, value in told.items():
            if value is not None or name in held.command.fields:
                lines += [Content(), rule(name, kind_of(value), width), *fitted(_rows(name, value), width)]
        lines += [Content(), rule("what changes", "", width)]
        lines += change_lines("state", WORDS[held.before.state], WORDS[held.after.state], width)
        for name, values in held.changes.items():
            before, after = (value_told(value, limit=_VALUE) for value in values)
            lines += change_lines(name.replace("_", " "), before, after, width)
        return lines


def _rows(name: str, value: Json) -> list[Row]:
    return text_rows(value, bar=True) if name != "result" else value_rows(value)


def _standing(state: State) -> Iterable[tuple[str, str]]:
    yield f"{GLYPHS[state]} {WORDS[state]}", ink(state)
