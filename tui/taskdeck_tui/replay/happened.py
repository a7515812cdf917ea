"""What has just happened: the event at the position, spelled out, and what is not known of it."""

from __future__ import annotations

from typing import ClassVar

from textual.content import Content
from textual.widget import Widget

from taskdeck_store.timeline import Doubt
from taskdeck_store.values import Event, State
from taskdeck_tui.glyphs import GLYPHS, WORDS
from taskdeck_tui.model.frame import Frame
from taskdeck_tui.safe import safe
from taskdeck_tui.status import INKS, MARKS, SHOWN_FOR, Tone
from taskdeck_tui.telling import NOTHING, changes_told, did, who

_DOUBTS = {
    Doubt.MISSING: "events ahead of this one are missing in the log",
    Doubt.UNFOUNDED: "the log does not know how its task came to where it was",
    Doubt.ACTION: "this version knows no such action",
    Doubt.TIME: "its time cannot be right",
}


class Happened(Widget):
    """Two rows, or one: who did what to which task and why; then what changed, or a notice."""

    DEFAULT_CSS = """
    Happened { height: 2; padding: 0 1; background: $head-bg; color: $head-text; }
    """
    ALLOW_SELECT: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__(id="happened")
        self._frame: Frame | None = None
        self._notice: tuple[str, Tone] | None = None
        self._trouble = ""
        self._serial = 0

    def tell(self, frame: Frame) -> None:
        """Spell out the event of a frame."""
        before, self._frame = self._frame, frame
        if frame.notice:
            self.notice(frame.notice, Tone.TOLD)
        elif before is not None and (frame.position != before.position or frame.loop not in (None, before.loop)):
            self.clear()
        self.refresh()

    def notice(self, text: str, tone: Tone) -> None:
        """Say something else for some seconds."""
        self._notice = (safe(text), tone)
        self._serial += 1
        serial = self._serial
        self.set_timer(SHOWN_FOR, lambda: self._expire(serial))
        self.refresh()

    def clear(self) -> None:
        """Take back what was said: it is over."""
        self._notice = None
        self.refresh()

    def trouble(self, text: str) -> None:
        """Say what is wrong, until it is over (then: nothing)."""
        self._trouble = safe(text)
        self.refresh()

    def render(self) -> Content:
        """Lay out what there are rows for."""
        width, frame = self.content_size.width, self._frame
        lines: list[Content] = []
        if frame is not None and frame.whole:
            doubted = Content.styled("? ", "bold $state-review") if frame.doubts and self._is_low else Content()
            lines = [doubted + event_told(frame.event), _more(frame)]
        said = self._said()
        if said is not None:
            lines = [*lines[: self.content_size.height - 1], said]
        return Content("\n").join(line.truncate(width, ellipsis=True) for line in lines[: self.content_size.height])

    @property
    def _is_low(self) -> bool:
        """Whether there is no row to say what is not known of the event: then a mark says that something is not."""
        return self.content_size.height < 2

    def _said(self) -> Content | None:
        if self._trouble:
            return Content.styled(f"✗ {self._trouble}", "bold $state-failed")
        if self._notice is not None:
            text, tone = self._notice
            return Content.styled(f"{MARKS[tone]} {text}", INKS[tone])
        return None

    def _expire(self, serial: int) -> None:
        if serial == self._serial:
            self._notice = None
            self.refresh()


def event_told(event: Event | None) -> Content:
    """Return who did what to which task, from where to where, and why."""
    if event is None:
        return Content.styled("nothing is on record yet", "$muted")
    note = event.note.strip() if event.note else ""
    parts: list[tuple[str, str]] = [
        (f"#{event.seq:,} ", "$muted"),
        (f"{safe(event.task_id)} " if event.task_id else "", "bold"),
        (f"{who(event.actor)} {did(event)} ", ""),
    ]
    if event.from_state is not event.to_state:
        parts += [*_state(event.from_state), (" → ", "$muted"), *_state(event.to_state)]
    if note:
        parts.append((f"  “{safe(note)}”", "italic"))
    return Content.assemble(*parts)


def _state(state: State | None) -> list[tuple[str, str]]:
    if state is None:
        return [(NOTHING, "$muted")]
    return [(f"{GLYPHS[state]} {WORDS[state]}", f"$state-{state.replace('_', '-')}")]


def _more(frame: Frame) -> Content:
    parts: list[tuple[str, str]] = []
    if frame.damage is not None and frame.position == frame.end:
        parts.append((f"✗ {safe(frame.damage)}  ", "bold $state-failed"))
    for doubt, told in _DOUBTS.items():
        if frame.doubts & doubt:
            parts.append((f"? {told}  ", "bold $state-review"))
    if frame.unrecorded:
        tasks = "1 task was" if frame.unrecorded == 1 else f"{frame.unrecorded:,} tasks were"
        parts.append((f"? {tasks} there, of which nothing is on record yet  ", "bold $state-review"))
    for name, before, after in changes_told(frame.event) if frame.event is not None else ():
        parts += [(f"{name} ", "$muted"), (before, "$before"), (" → ", "$muted"), (f"{after}  ", "$after")]
    return Content.assemble(*parts)
