"""The one question before an action that reaches many tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.types import CSSPathType
from textual.widgets import Static

from taskdeck_tui.hints import HintLine
from taskdeck_tui.keys import bindings
from taskdeck_tui.safe import safe
from taskdeck_tui.screens.page import SHEET
from taskdeck_tui.screens.pager import Pager
from taskdeck_tui.screens.wording import Named, title


class Confirm(ModalScreen[bool]):
    """Names every task that an action is about to reach, and returns whether to go on."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("confirm")]
    CSS_PATH: ClassVar[CSSPathType | None] = [SHEET, Path(__file__).with_name("dialog.tcss")]
    AUTO_FOCUS = "Pager"

    def __init__(self, name: str, tasks: Sequence[Named]) -> None:
        """`name` is the action's; `tasks` are those it is for."""
        super().__init__()
        self._action = name
        self._tasks = tasks

    def compose(self) -> ComposeResult:
        """Put the list between the question and the hints."""
        with Vertical(classes="dialog"):
            yield Static(title(self._action, self._tasks) + "?", classes="title", markup=False)
            yield Pager(id="named")
            yield HintLine()

    def on_mount(self) -> None:
        """List the tasks."""
        self.query_one(Pager).show(self._listed)

    def on_resize(self) -> None:
        """Give the list up to half of the screen."""
        self.query_one(Pager).styles.height = min(len(self._tasks), self.size.height // 2)

    def action_agree(self) -> None:
        """Go on."""
        self.dismiss(True)

    def action_decline(self) -> None:
        """Do nothing."""
        self.dismiss(False)

    def _listed(self, width: int) -> list[Content]:
        column = min(max((len(id) for id, _ in self._tasks), default=0), max(width // 3, 8))
        return [
            Content.assemble((f"{safe(id):<{column}}  ", "$muted"), safe(title)).truncate(width, ellipsis=True)
            for id, title in self._tasks
        ]
