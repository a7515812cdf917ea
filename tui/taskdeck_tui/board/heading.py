"""What stands above a column: its state by glyph and word, its count, and how long its oldest task has been there."""

from __future__ import annotations

from collections.abc import Mapping

from rich.cells import cell_len

from taskdeck_store.values import State
from taskdeck_tui.board.cards import Line, cut
from taskdeck_tui.board.layout import FOLDED
from taskdeck_tui.glyphs import GLYPHS, WORDS


def heading(state: State, count: int, oldest: str, width: int, focused: bool) -> tuple[Line, Line]:
    """Return the two rows above a column of `width` cells: state and count, and a rule with the oldest age."""
    hue = state.replace("_", "-")
    if width <= FOLDED:
        return _folded(state, count, oldest, width)
    number = f"{count:,}"
    room = width - len(number) - 3
    name = cut(f"{GLYPHS[state]} {WORDS[state]}", room)
    top: Line = ((" ", "meta"), (name, hue), (f" {number} ", "title" if focused else "meta"))
    stroke = "━" if focused else "─"
    label = next((text for text in (f" oldest {oldest} ", f" {oldest} ") if oldest and len(text) + 2 <= width), "")
    ink = hue if focused else "rule"
    rule: Line = (
        (stroke * (width - 2 - len(label)), ink),
        (label, "meta"),
        (stroke, ink),
        (" ", "meta"),
    )
    return top, rule


def _folded(state: State, count: int, oldest: str, width: int) -> tuple[Line, Line]:
    hue = state.replace("_", "-")
    top = cut(f" {GLYPHS[state]} {brief(count)}", width)
    return ((top, hue),), ((cut(f" {oldest}" if oldest else " ", width), "meta"),)


def strip_of_counts(counts: Mapping[State, int], focus: int, width: int) -> list[tuple[Line, int, bool]]:
    """Return the five counts in one row of `width` cells: for each state its line, its width, and whether it is
    the focused one.
    """
    total = len(counts)
    edges = [index * width // total for index in range(total + 1)]
    parts: list[tuple[Line, int, bool]] = []
    for index, (state, count) in enumerate(counts.items()):
        room = edges[index + 1] - edges[index]
        focused = index == focus
        text = f"{GLYPHS[state]} {brief(count)}"
        pad = max((room - cell_len(text)) // 2, 0)
        line: Line = ((" " * pad, "meta"), (cut(text, room - pad), state.replace("_", "-")))
        if focused and room > cell_len(text) + 1:
            line = (
                ("[".rjust(pad), "edge"),
                (text, state.replace("_", "-")),
                (cut("]", room - pad - len(text)), "edge"),
            )
        parts.append((line, room, focused))
    return parts


def brief(count: int) -> str:
    """Return a count in at most four characters: ``412``, ``12k``, ``3M``."""
    if count < 10_000:
        return str(count)
    return f"{count // 1_000}k" if count < 1_000_000 else f"{count // 1_000_000}M"
