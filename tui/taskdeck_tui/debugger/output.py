"""The pane that shows what a task's handlers say, while they say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from taskdeck_tui.model.transcript import Said, Transcript, Voice
from taskdeck_tui.safe import printed
from taskdeck_tui.screens.pager import Pager
from taskdeck_tui.screens.pretty import Row, fitted

_INKS: Mapping[Voice, str] = {
    Voice.OUT: "",
    Voice.ERR: "$json-number",
    Voice.LOG: "$muted",
    Voice.ERROR: "$state-failed",
}


class OutputPane(Vertical):
    """Shows a transcript, and how the step stands; its end stays in sight while one does not scroll up from it."""

    DEFAULT_CSS: ClassVar[str] = """
    OutputPane { height: 40%; min-height: 4; display: none; border-top: solid $column-line; padding: 0 1; }
    OutputPane.-said { display: block; }
    OutputPane Static { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self, transcript: Transcript) -> None:
        super().__init__(id="output-pane")
        self._transcript = transcript
        self._stand = Content()
        self._kept: list[tuple[int, list[Content]]] = []
        self._width = 0
        self._follows = True
        self._end = 0

    def compose(self) -> ComposeResult:
        """Put how it stands above what is said."""
        yield Static(id="stand", markup=False)
        yield Pager(id="output")

    def on_mount(self) -> None:
        """Show what was said so far."""
        self.follow()

    def tell(self, stand: Content) -> None:
        """Say how the step stands."""
        self._stand = stand
        if self._in_place:
            self.query_one("#stand", Static).update(self._heading())
            self.set_class(bool(stand) or not self._transcript.is_empty, "-said")

    def follow(self) -> None:
        """Show what was said since."""
        if not self._in_place:
            return
        self.tell(self._stand)
        pager = self.query_one(Pager)
        self._follows = pager.scroll_offset.y >= min(self._end, pager.max_scroll_y)
        pager.show(self._lines)

    def on_pager_laid_out(self) -> None:
        """Keep the end in sight."""
        # What does not scroll yet cannot be scrolled: only then is there a scroll bar.
        self.call_after_refresh(self._go_on)

    def on_resize(self) -> None:
        """Keep the end in sight."""
        self.call_after_refresh(self._go_on)

    def _go_on(self) -> None:
        if self._follows and self._in_place:
            pager = self.query_one(Pager)
            # At once: where one is by the next look tells whether one wants to follow on.
            pager.scroll_to(y=pager.max_scroll_y, animate=False, immediate=True)
            self._end = pager.scroll_offset.y

    @property
    def _in_place(self) -> bool:
        return self.is_attached and bool(self.query("#output"))

    def _heading(self) -> Content:
        return Content.assemble(("output", "bold $hint-key"), "  ", self._stand)

    def _lines(self, width: int) -> list[Content]:
        """Lay out the lines that are new; the last may have gone on."""
        if width != self._width:
            self._width, self._kept = width, []
        while self._kept and self._kept[0][0] < self._transcript.first:
            del self._kept[0]
        last = self._kept.pop()[0] if self._kept else 0
        first, lines = self._transcript.since(last)
        self._kept.extend((number, _drawn(said, width)) for number, said in enumerate(lines, first))
        return [line for _, drawn in self._kept for line in drawn]


def _drawn(said: Said, width: int) -> list[Content]:
    text = printed(said.text)
    if said.voice is Voice.HEAD:
        line = "─" * max(width - len(text) - 4, 0)
        return [Content.assemble(("── ", "$column-line"), (text, "bold $muted"), (f" {line}", "$column-line"))]
    return fitted([Row(Content.styled(text, _INKS[said.voice]))], width)
