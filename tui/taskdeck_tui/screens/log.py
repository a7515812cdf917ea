"""The audit log of the whole store, newest first, of any length: only what is near to sight is kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from msgspec import Struct
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from taskdeck_store.values import Event, State, Time
from taskdeck_tui.glyphs import GLYPHS
from taskdeck_tui.safe import safe
from taskdeck_tui.screens.history import CLAIMED, OBSERVED, ink
from taskdeck_tui.screens.page import Page
from taskdeck_tui.screens.rows import Rows
from taskdeck_tui.telling import ago, moment, told

_PAGE = 100
_KEPT = 4_000
_SENTENCE = 400
_TIMES = 96
"""Cells from which on a row shows the moment and the number of its event."""


class _Line(Struct, frozen=True):
    """What a row keeps of an event, however large that is."""

    at: Time
    task_id: str
    state: State | None
    told: str
    sealed: bool


_Known: TypeAlias = dict[int, _Line | None]
"""By seq; None for one that the log does not hold."""


class LogScreen(Page[None]):
    """A page that asks by message for the events in sight, and takes new ones as they come."""

    class Wanted(Message):
        """The events with a `seq` from `first` to `last` are wanted; the answer goes to `add_events`."""

        def __init__(self, first: int, last: int) -> None:
            super().__init__()
            self.first = first
            self.last = last

    class TaskWanted(Message):
        """The task of an event is to be opened."""

        def __init__(self, task_id: str) -> None:
            super().__init__()
            self.task_id = task_id

    def __init__(self, events: Sequence[Event], now: Time, *, audited: bool = True, observed: bool = False) -> None:
        """Begin with the newest events of the store, in order of `seq`; `observed`: they were seen from here."""
        super().__init__()
        self._known: _Known = {}
        self._asked: set[int] = set()
        self._last = 0
        self._now = now
        self._audited = audited
        self._claims = OBSERVED if observed else CLAIMED
        self._failure = ""
        self._learn(events)

    def body(self) -> Iterable[Widget]:
        """Yield the list."""
        yield Rows(self._row, id="log")

    def on_mount(self) -> None:
        """Show what there is."""
        self.query_one(Rows).show(self._last)

    def heading(self) -> Content:
        """Say how much there is, or why there is nothing."""
        if self._failure:
            told = (f"  {self._failure}", "bold $state-failed")
        elif self._last:
            told = (f"  {self._last:,} events · newest first · {self._claims}", "$muted")
        else:
            why = "no events yet" if self._audited else "no audit log here until something is done"
            told = (f"  {why}", "$muted")
        return Content.assemble(("Audit log", "bold $page-title"), told)

    def add_events(self, events: Sequence[Event], now: Time, *, answers: Wanted | None = None) -> None:
        """Take new events, or those that were asked for, in order of `seq`."""
        before = self._last
        self._now = now
        self._failure = ""
        if answers is not None:
            # A number nobody answers to is no event: the log must not ask for it for ever.
            self._known.update(dict.fromkeys(range(answers.first, answers.last + 1)))
            self._asked.discard(answers.first)
        self._learn(events)
        if self.in_place:
            self.query_one(Rows).show(self._last, added_on_top=self._last - before)
            self.retitle()
            if answers is None and events and events[-1].hash is not None:
                self._ask_for_seals()

    @property
    def failed(self) -> bool:
        """Whether it says that events which were asked for cannot be had."""
        return bool(self._failure)

    def tick(self, now: Time) -> None:
        """Count ages to this moment."""
        self._now = now
        for rows in self.query(Rows):
            rows.refresh()

    def fail(self, message: str) -> None:
        """Say why the events that were asked for cannot be had; they are asked for again when they are in sight."""
        self._asked.clear()
        self._failure = safe(message)
        if self.in_place:
            self.retitle()

    def on_rows_seen(self) -> None:
        """Ask for what is in sight and not known, and let go of what is far away."""
        sight = self.query_one(Rows).sight
        if not sight:
            return
        newest, oldest = self._seq(sight[0]), self._seq(sight[-1])
        for page in range((oldest - 1) // _PAGE, (newest - 1) // _PAGE + 1):
            first, last = page * _PAGE + 1, min((page + 1) * _PAGE, self._last)
            if first not in self._asked and any(seq not in self._known for seq in range(first, last + 1)):
                self._asked.add(first)
                self.post_message(self.Wanted(first, last))
        if len(self._known) > _KEPT:
            near = range(oldest - _KEPT // 4, newest + _KEPT // 4)
            self._known = {seq: line for seq, line in self._known.items() if seq in near}

    def _ask_for_seals(self) -> None:
        """Read again what was not sealed when it was read: the writer of a newer event has sealed it."""
        pages = {(seq - 1) // _PAGE for seq, line in self._known.items() if line is not None and not line.sealed}
        for page in pages:
            self.post_message(self.Wanted(page * _PAGE + 1, min((page + 1) * _PAGE, self._last)))

    def on_rows_opened(self, message: Rows.Opened) -> None:
        """Ask for the task of the event to be opened."""
        line = self._known.get(self._seq(message.index))
        if line is not None and line.task_id:
            self.post_message(self.TaskWanted(line.task_id))

    def _learn(self, events: Sequence[Event]) -> None:
        for event in events:
            sentence = told(event)
            cut = sentence if len(sentence) <= _SENTENCE else f"{sentence[: _SENTENCE - 1]}…"
            sealed = event.hash is not None
            self._known[event.seq] = _Line(event.at, safe(event.task_id), event.to_state, cut, sealed)
        self._last = max(self._last, *(event.seq for event in events), 0)

    def _seq(self, index: int) -> int:
        return self._last - index

    def _row(self, index: int, width: int) -> Content:
        seq = self._seq(index)
        line = self._known.get(seq)
        if line is None:
            missing = f"event {seq} is not in the log" if seq in self._known else "…"
            return Content.styled(missing, "$muted")
        glyph = (GLYPHS[line.state] if line.state else "×" if line.task_id else "‖", f"bold {ink(line.state)}")
        times = [(f"{moment(line.at)}  {seq:>7}  ", "$muted")] if width >= _TIMES else []
        unsealed = [] if line.sealed else [("  · not sealed yet", "$muted")]
        when = ago(line.at, self._now).removesuffix(" ago")
        room = min(24, width // 5)
        task_id = Content(line.task_id).truncate(room, ellipsis=True)
        return Content.assemble(
            (f"{when:>4}  ", "$muted"),
            *times,
            glyph,
            " ",
            task_id.stylize("$page-title").pad_right(room - task_id.cell_length),
            "  ",
            line.told,
            *unsealed,
        ).truncate(width, ellipsis=True)
