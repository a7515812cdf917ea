"""The line over the past: that it is the past, which moment, and how it moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual.content import Content
from textual.widget import Widget

from taskdeck_store.clock import to_seconds
from taskdeck_store.values import Time
from taskdeck_tui.model.frame import Frame
from taskdeck_tui.pausing import told as paused_told
from taskdeck_tui.safe import safe
from taskdeck_tui.span import span
from taskdeck_tui.telling import ago, moment

_GAP = "   "
_LOST = "✗ lost"


class Banner(Widget):
    """One row in the colour of the past; says less where there is less room."""

    DEFAULT_CSS = """
    Banner { height: 1; background: $past; color: $past-text; padding: 0 1; text-style: bold; }
    """
    ALLOW_SELECT: ClassVar[bool] = False

    def __init__(self, store: str) -> None:
        super().__init__(id="banner")
        self._store = store
        self._frame: Frame | None = None
        self._now: Time = ""
        self._is_lost = False
        self._armed: list[str] = []
        self._paused = ""

    def tell(self, frame: Frame, now: Time) -> None:
        """Say where this frame stands, and how long ago that was."""
        self._frame, self._now = frame, now
        if frame.look is not None:
            self._paused = paused_told(frame.look.pauses)
        self.refresh()

    def arm(self, loop_from: int | None, compared: int | None) -> None:
        """Say where a loop begins whose end is not given yet, and which moment is to be compared; None: nothing."""
        self._armed = [
            *([f"( {loop_from:,}"] if loop_from is not None else []),
            *([f"◇ {compared:,}"] if compared is not None else []),
        ]
        self.refresh()

    def lose(self, *, is_lost: bool) -> None:
        """Say that the store cannot be read, or no longer."""
        self._is_lost = is_lost
        self.refresh()

    def render(self) -> Content:
        """Lay out as much as there is room for."""
        width = self.content_size.width
        told = banner(
            self._store, self._frame, self._now, width, armed=self._armed, is_lost=self._is_lost, paused=self._paused
        )
        return Content(told).truncate(width, ellipsis=True)


def banner(
    store: str,
    frame: Frame | None,
    now: Time,
    width: int,
    *,
    armed: Sequence[str],
    is_lost: bool,
    paused: str = "",
) -> str:
    """Return what the banner says in `width` cells: first what is needed most. `paused` is what was paused then."""
    if frame is None or not frame.whole:
        if is_lost:
            return f"◀ PAST{_GAP}{_LOST}"
        share = f" {frame.position * 100 // max(frame.end, 1)} %" if frame is not None else ""
        return f"◀ PAST{_GAP}reading the log …{share}"
    at = moment(frame.at) if frame.at is not None else "time unknown" if frame.position else "before the first event"
    short = at[11:] if frame.at is not None else at
    where = f"event {frame.position:,} of {frame.end:,}"
    pace = (
        f"▶ {frame.pace}"
        if frame.pace is not None
        else f"… searching {frame.searching:,}"
        if frame.searching is not None
        else ""
    )
    place = f"{frame.position:,}/{frame.end:,}"
    loop = f"↻ {frame.loop[0]:,}–{frame.loop[1]:,}" if frame.loop is not None else ""
    new = f"+{frame.arrived:,} since" if frame.arrived else ""
    since = _since(frame.at, now) if frame.at is not None else ""
    wrong = _LOST if is_lost else "✗ damaged" if frame.damage is not None else ""
    full = ["◀ THE PAST", safe(store), at, since, where, wrong, paused, new, loop, *armed, pace]
    word = paused[: len("paused")]
    for parts in (
        full,
        [full[0], *full[2:]],
        ["◀ PAST", at, where, wrong, word, new, loop, *armed, pace],
        ["◀ PAST", short, where, wrong, word, new, *armed, pace],
        ["◀ PAST", short, place, wrong[:1], new, *armed, pace[:1]],
        ["◀ PAST", short, place, wrong[:1], *armed, pace[:1]],
        ["◀ PAST", place, wrong[:1], pace[:1]],
        ["◀", place, wrong[:1]],
    ):
        text = _GAP.join(filter(None, parts))
        if cell_len(text) <= width:
            return text
    return f"{frame.position:,}"


def _since(at: Time, now: Time) -> str:
    """Return how long ago a moment was; of one that the clock has not come to, how far ahead it is."""
    ahead = to_seconds(at) - to_seconds(now)
    return f"{span(ahead)} ahead of the clock" if ahead >= 1 else ago(at, now)
