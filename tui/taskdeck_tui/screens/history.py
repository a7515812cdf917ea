"""A task's events as a timeline: who did what, when, why, and what it changed."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from taskdeck_store.values import Event, State, Time
from taskdeck_tui.glyphs import GLYPHS
from taskdeck_tui.screens.pretty import Row, fitted, text_rows
from taskdeck_tui.telling import NOTHING, ago, changes_told, did, moment, who

_VALUE = 240
_RAIL = Content.styled("│ ", "$column-line")
_END = Content("  ")


def ink(state: State | None) -> str:
    """Return the style of a state's hue."""
    return f"$state-{state.replace('_', '-')}" if state else "$muted"


def change_lines(name: str, before: str, after: str, width: int) -> list[Content]:
    """Lay out a change on one line, or where that is too long, with the values below each other."""
    label = (f"{name}  ", "$label")
    line = Content.assemble(label, (before, "$before"), (" → ", "$muted"), (after, "$after"))
    if line.cell_length <= width:
        return [line]
    rows = [
        Row(Content.assemble((f"  {sign} ", "$muted"), (value, style)), hang=4)
        for sign, value, style in (("−", before, "$before"), ("+", after, "$after"))
        if value != NOTHING
    ]
    return [Content.styled(name, "$label"), *fitted(rows, width)]


CLAIMED = "names are claims"
OBSERVED = "as seen from this machine"
"""What to think of the events of a log: of a store's own one, and of one that was only observed."""


class Timeline:
    """Lays a task's events out; what was laid out is kept, as of an event only its seal may still come."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int, bool, str | None], list[Content]] = {}

    def lines(self, events: Sequence[Event], now: Time, width: int) -> list[Content]:
        """Return events newest first; they come in order of `seq`."""
        lines: list[Content] = []
        kept: dict[tuple[int, int, bool, str | None], list[Content]] = {}
        for event in reversed(events):
            key = (event.seq, width, event is events[0], event.hash)
            kept[key] = self._kept.get(key) or _body(event, width, first=event is events[0])
            lines.extend(_head(event, now, width))
            lines.extend(kept[key])
        self._kept = kept
        return lines


def _head(event: Event, now: Time, width: int) -> list[Content]:
    state = event.to_state
    when = Content.styled(ago(event.at, now), "$muted")
    head = Content.assemble(
        (GLYPHS[state] if state else "×", f"bold {ink(state)}"),
        " ",
        (who(event.actor), "bold $page-title"),
        " ",
        (did(event), "$page-title"),
    )
    room = width - head.cell_length - when.cell_length
    if room < 2:
        return [*fitted([Row(head, hang=2)], width), _END + when]
    return [head + " " * room + when]


def _body(event: Event, width: int, *, first: bool) -> list[Content]:
    if first:
        return [_END + line for line in _told(event, width - 2)]
    return [*(_RAIL + line for line in _told(event, width - 2)), _RAIL]


def _told(event: Event, width: int) -> list[Content]:
    facts = [moment(event.at), f"event {event.seq}"]
    if event.hash is None:
        facts.append("not sealed yet")
    if event.group:
        facts.append(f"with others, group {event.group[:8]}")
    rows = [Row(Content.styled("  ".join(facts), "$muted"))]
    if event.note and event.note.strip():
        rows.extend(text_rows(event.note.strip(), bar=True))
    lines = fitted(rows, width)
    names = max((len(name) for name in event.changes), default=0)
    for name, before, after in changes_told(event, limit=_VALUE):
        name = name.ljust(min(names, 14))
        if event.from_state is None:
            lines.extend(fitted([Row(Content.assemble((f"{name}  ", "$label"), after), hang=len(name) + 2)], width))
        else:
            lines.extend(change_lines(name, before, after, width))
    return lines
