"""One task's story: why it is where it is, the time in each state, and its attempts, following it live."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar

from msgspec import to_builtins
from msgspec.structs import asdict
from textual.binding import BindingType
from textual.content import Content
from textual.types import CSSPathType
from textual.widget import Widget

from taskdeck_store import jsontext
from taskdeck_store.values import Time
from taskdeck_tui.glyphs import GLYPHS, WORDS
from taskdeck_tui.keys import bindings
from taskdeck_tui.model.told import Told, told_at
from taskdeck_tui.safe import safe
from taskdeck_tui.screens.chapters import Chapters
from taskdeck_tui.screens.history import ink
from taskdeck_tui.screens.page import SHEET, Page
from taskdeck_tui.screens.pager import Pager
from taskdeck_tui.telling import moment

_TITLE = 300
"""Characters of a title: more do not fit the heading."""


class StoryPage(Page[None]):
    """A page on how one task came to be where it is. `update_story` gives it the story as it is now."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("story")]
    CSS_PATH: ClassVar[CSSPathType | None] = [SHEET, Path(__file__).with_name("story.tcss")]

    def __init__(self, told: Told, *, only_why: bool = False, live: bool = True) -> None:
        """With `only_why`, begin with nothing but the reasons. A story that is not `live` stays at its moment."""
        super().__init__(classes="" if live else "-past")
        self._told = told
        self._only_why = only_why
        self._live = live
        self._chapters = Chapters()

    @property
    def told(self) -> Told:
        """The story as it is shown."""
        return self._told

    @property
    def in_place(self) -> bool:
        """Whether the page is built and not yet taken away."""
        return self.is_mounted and super().in_place and bool(self.query(Pager))

    def body(self) -> Iterable[Widget]:
        """Yield what scrolls."""
        yield Pager(id="story")

    def on_mount(self) -> None:
        """Lay out what is known."""
        self._draw()

    def update_story(self, told: Told) -> None:
        """Show the story as it is now; one who reads stays on his line, and one who is at the end stays there."""
        self._told = told
        if self.in_place:
            self._draw()

    def tick(self, now: Time) -> None:
        """Count ages to this moment."""
        if self._live:
            self.update_story(told_at(self._told, now))

    def heading(self) -> Content:
        """Say which task, where it stands, and as of when."""
        story = self._told.story
        mark = f"{GLYPHS[story.state]} {WORDS[story.state]}" if story.state else "× gone"
        title = safe(story.title[:_TITLE])
        as_of = "" if self._live else f"  as of {moment(story.now)}"
        return Content.assemble(
            (mark, f"bold {ink(story.state)}"),
            (f"  {safe(story.task_id)}", "bold $page-title"),
            (as_of, "$past"),
            (f"  {title}" if title.strip() else "", "$page-title"),
        )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what is not shown already."""
        if action in ("story", "why"):
            return self._only_why is (action == "story")
        return True

    def action_story(self) -> None:
        """Show the whole story."""
        self._turn(only_why=False)

    def action_why(self) -> None:
        """Show only why the task is where it is."""
        self._turn(only_why=True)

    def action_copy(self) -> None:
        """Copy the whole story as Markdown."""
        from taskdeck_tui.markdown import story_markdown

        self._copy("Markdown", lambda told: "\n".join(story_markdown(told.story)) + "\n")

    def action_copy_json(self) -> None:
        """Copy the whole story as JSON."""
        self._copy("JSON", lambda told: jsontext.encode(to_builtins({**asdict(told.story), "why": told.why})))

    def _copy(self, form: str, written: Callable[[Told], str]) -> None:
        """Write it in another thread: a story may be long."""

        async def copy() -> None:
            told = self._told
            self.app.copy_to_clipboard(await asyncio.to_thread(written, told))
            self.tell(f"copied the story of {told.story.task_id} as {form}")

        self.run_worker(copy(), group="copy", exclusive=True)

    def _turn(self, *, only_why: bool) -> None:
        self._only_why = only_why
        self._draw()
        self.query_one(Pager).action_cursor_top()
        self.refresh_bindings()

    def _draw(self) -> None:
        self.retitle()
        pager = self.query_one(Pager)
        line, above = pager.scroll_offset.y, self._chapters.above
        at_end = 0 < pager.max_scroll_y <= line
        pager.show(self._lines)
        if at_end:
            pager.action_cursor_bottom()
        elif line > above and not self._only_why:
            pager.scroll_to(y=line + self._chapters.above - above, animate=False)

    def _lines(self, width: int) -> list[Content]:
        if self._only_why:
            return self._chapters.reasons(self._told, width)
        return self._chapters.lines(self._told, width, end="now" if self._live else "then")
