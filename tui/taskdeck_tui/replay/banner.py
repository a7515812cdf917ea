"""The line over the past: that it is the past, which moment, and how it moves."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from textual.content import Content
from textual.widget import Widget

from taskdeck_store.values import Time
from taskdeck_tui.model.frame import Frame
from taskdeck_tui.safe import safe
from taskdeck_tui.telling import ago, moment

_GAP = "   "


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
        self._trouble = ""

    def tell(self, frame: Frame, now: Time) -> None:
        """Say where this frame stands, and how long ago that was."""
        self._frame, self._now = frame, now
        self.refresh()

    def trouble(self, text: str) -> None:
        """Say what is wrong, until it is over (then: nothing)."""
        self._trouble = safe(text)
        self.refresh()

    def render(self) -> Content:
        """Lay out as much as there is room for."""
        return Content(banner(self._store, self._frame, self._now, self._trouble, self.content_size.width))


def banner(store: str, frame: Frame | None, now: Time, trouble: str, width: int) -> str:
    """Return what the banner says in `width` cells: first what is needed most."""
    if trouble:
        return f"◀ PAST{_GAP}✗ {trouble}"
    if frame is None or not frame.whole:
        share = f" {frame.position * 100 // max(frame.end, 1)} %" if frame is not None else ""
        return f"◀ PAST{_GAP}reading the log …{share}"
    at = moment(frame.at) if frame.at is not None else "time unknown" if frame.position else "before the first event"
    short = at[11:] if frame.at is not None else at
    where = f"event {frame.position:,} of {frame.end:,}"
    pace = f"▶ {frame.pace}" if frame.pace is not None else "… searching" if frame.searching else ""
    loop = f"↻ {frame.loop[0]:,}–{frame.loop[1]:,}" if frame.loop is not None else ""
    new = f"+{frame.arrived:,} since" if frame.arrived else ""
    since = ago(frame.at, now) if frame.at is not None else ""
    full = ["◀ THE PAST", safe(store), at, since, where, new, loop, pace]
    for parts in (
        full,
        [full[0], *full[2:]],
        ["◀ PAST", at, where, new, loop, pace],
        ["◀ PAST", short, where, new, pace],
        ["◀ PAST", short, f"{frame.position:,}/{frame.end:,}", new, pace[:1]],
    ):
        text = _GAP.join(filter(None, parts))
        if cell_len(text) <= width:
            return text
    return f"◀ PAST {short} {frame.position:,}"[:width]
