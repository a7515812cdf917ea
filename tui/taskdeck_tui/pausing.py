"""From the key that pauses and resumes the queue to a commit and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.content import Content
from textual.screen import Screen

from taskdeck_store.contract import Pause, Pausing
from taskdeck_store.machine import new_operation
from taskdeck_store.pausing import said
from taskdeck_store.query.terms import Query
from taskdeck_tui.safe import safe
from taskdeck_tui.status import Tone
from taskdeck_tui.telling import did
from taskdeck_tui.writer import Paused, Writer


class QueueSwitch:
    """What one operator does with the queue of one board. `tell` says a sentence to the operator."""

    def __init__(
        self, screen: Screen[None], writer: Writer, *, read_only: bool, actor: str, tell: Callable[[str, Tone], None]
    ) -> None:
        self._screen = screen
        self._writer = writer
        self._read_only = read_only
        self._actor = actor
        self._tell = tell

    def turn(self, query: Query, paused: Sequence[Pause]) -> None:
        """Ask why, and then pause what matches a filter or, where exactly that is paused, resume it."""
        if self._read_only:
            self._tell("the board is read-only; nothing was changed", Tone.REFUSED)
            return
        from taskdeck_tui.screens.note import WhyPrompt

        there = next((pause for pause in paused if pause.query == query.text), None)

        def go_on(note: str | None) -> None:
            if note is not None:
                pausing = Pausing(
                    query=query.text,
                    actor=self._actor,
                    operation=new_operation(),
                    note=note or None,
                    resumes=there is not None,
                )
                self._writer.pause(pausing)

        name = "resume" if there is not None else "pause"
        what = safe(query.text) or "everything"
        title = Content.styled(f"{name.capitalize()} {what}", "bold $page-title")
        self._screen.app.push_screen(WhyPrompt(name, title, _below(there), required=there is None), go_on)

    def done(self, paused: Paused) -> None:
        """Tell what became of it."""
        if paused.event is not None:
            note = f": {safe(paused.event.note)}" if paused.event.note else ""
            self._tell(f"{did(paused.event)}{note}", Tone.DONE)
        else:
            self._tell(paused.failure, Tone.REFUSED)


def told(paused: Sequence[Pause]) -> str:
    """Return what is paused, and why, for a header: ``paused: deploy``, ``paused tag:x: broken  +1``, or ''."""
    if not paused:
        return ""
    whole = [pause for pause in paused if not pause.query]
    first = whole[0] if whole else paused[0]
    what = f" {safe(said(first))}" if first.query else ""
    return f"paused{what}: {safe(first.note)}" + (f"  +{len(paused) - 1}" if len(paused) > 1 else "")


def _below(there: Pause | None) -> Content:
    if there is None:
        return Content.styled("until it is resumed, workers claim nothing of it", "$muted")
    return Content.styled(f"paused by {safe(there.by)}: {safe(there.note)}", "$muted")
