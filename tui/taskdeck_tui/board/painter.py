"""A scene drawn: each row of the screen as a strip, with the strips of cards kept as long as they show the same."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import wrap

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from taskdeck_store.values import Card, State
from taskdeck_tui.board.cards import Line, card_lines
from taskdeck_tui.board.heading import heading, strip_of_counts
from taskdeck_tui.board.layout import FOLDED, STRIP_ROWS, margin
from taskdeck_tui.board.scene import Cell, Scene

INKS = ("title", "meta", "owner", "urgent", "tag", "error", "preview", "busy", "rule", "edge", "empty")
"""What a piece of text may be drawn as, beside the hues of the states."""

GROUNDS = ("card", "cursor", "selected", "heading", "heading-focus", "scrollbar", "thumb")
"""What text may be drawn on."""

_CACHED = 6_000


class Painter:
    """Draws scenes. `look_up` gives the style of a name, of its own (True) or with what is below it (False)."""

    def __init__(self, look_up: Callable[[str, bool], Style]) -> None:
        self._look_up = look_up
        self._strips: dict[tuple[object, ...], Strip] = {}
        self._styles: dict[tuple[str, ...], Style] = {}

    def forget(self) -> None:
        """Draw in other colours from now on."""
        self._strips.clear()
        self._styles.clear()

    def row(self, scene: Scene, y: int) -> Strip:
        """Draw one row of the screen."""
        place = scene.layout
        if place.narrow and y < STRIP_ROWS:
            return self._counts(scene)
        return Strip.join(self._column(scene, index, width, y) for index, _, width in place.columns)

    def _column(self, scene: Scene, index: int, width: int, y: int) -> Strip:
        place = scene.layout
        if y < place.body:
            return self._heading(scene, index, width, y)
        line, part = divmod(y - place.body, place.card_rows)
        if width <= FOLDED:
            return self._folded(scene, index, line, part, width)
        gap = margin(width)
        card = self._card(scene, index, line, part, width - 1 - gap)
        return Strip.join([card, self._bar(scene, index, y - place.body), self._nothing(gap)])

    def _card(self, scene: Scene, index: int, line: int, part: int, width: int) -> Strip:
        column = scene.view.columns[index]
        cell = scene.cells.get((index, line))
        card = column.card(column.top + line)
        if cell is None or card is None:
            return self._no_card(scene, index, line, part, width)
        lines = scene.layout.lines
        key = (cell, part, width, lines)
        strip = self._strips.get(key)
        if strip is None:
            if len(self._strips) > _CACHED:
                self._strips.clear()
            strip = self._between(cell, lines, width) if part == lines else self._drawn(card, cell, lines, part, width)
            self._strips[key] = strip
        return strip

    def _drawn(self, card: Card, cell: Cell, lines: int, part: int, width: int) -> Strip:
        ground = "cursor" if cell.cursor else "selected" if cell.selected else "card"
        line = card_lines(card, max(width - 3, 0), lines, cell.age, busy=cell.busy, ranked=cell.ranked)[part]
        left = "●" if cell.selected and part == 0 else "┃" if cell.cursor else "▎"
        segments = [
            Segment(left, self._style(ground, "edge" if cell.cursor or cell.selected else hue(card.state))),
            Segment(" ", self._style(ground)),
            *(Segment(text, self._style(ground, name)) for text, name in line),
            Segment("┃" if cell.cursor else " ", self._style(ground, "edge")),
        ]
        return Strip(segments, width)

    def _between(self, cell: Cell, lines: int, width: int) -> Strip:
        if lines < 3:
            return self._nothing(width)
        if cell.cursor:
            return Strip([Segment("┗" + "━" * (width - 2) + "┛", self._style("card", "edge"))], width)
        if cell.before_cursor:
            return Strip([Segment("┏" + "━" * (width - 2) + "┓", self._style("card", "edge"))], width)
        return Strip([Segment("  " + "─" * (width - 3) + " ", self._style("card", "rule"))], width)

    def _no_card(self, scene: Scene, index: int, line: int, part: int, width: int) -> Strip:
        column = scene.view.columns[index]
        text = ""
        if column.tally.count == 0:
            said = wrap(scene.headings[index].empty, max(width - 3, 1))
            row = line * scene.layout.card_rows + part
            text = f"  {said[row]}" if row < len(said) else ""
        elif part == 0 and column.top + line < column.tally.count and line < scene.layout.fits:
            text = "  …"
        return Strip([Segment(text[:width].ljust(width), self._style("card", "empty"))], width)

    def _folded(self, scene: Scene, index: int, line: int, part: int, width: int) -> Strip:
        cell = scene.cells.get((index, line))
        if cell is None or part >= scene.layout.lines:
            return self._nothing(width)
        mark = "●" if cell.selected and part == 0 else "▎"
        ink = self._style("selected" if cell.selected else "card", hue(scene.view.columns[index].state))
        return Strip([Segment(f"{mark} ", ink), Segment(" " * (width - 2), self._style("card"))], width)

    def _bar(self, scene: Scene, index: int, row: int) -> Strip:
        bar = scene.headings[index].bar
        if bar is None:
            return self._nothing(1)
        if bar[0] <= row < bar[0] + bar[1]:
            return Strip([Segment("▐", self._style("card", "thumb"))], 1)
        return Strip([Segment("▕", self._style("card", "scrollbar"))], 1)

    def _nothing(self, width: int) -> Strip:
        return Strip([Segment(" " * width, self._style("card"))], width)

    def _heading(self, scene: Scene, index: int, width: int, y: int) -> Strip:
        above = scene.headings[index]
        line = heading(above.state, above.count, above.oldest, width, above.focused)[y]
        return self._strip(line, "heading-focus" if above.focused else "heading", width)

    def _counts(self, scene: Scene) -> Strip:
        counts = {above.state: above.count for above in scene.headings}
        return Strip.join(
            self._strip(line, "heading-focus" if focused else "heading", width)
            for line, width, focused in strip_of_counts(counts, scene.view.focus, scene.layout.width)
        )

    def _strip(self, line: Line, ground: str, width: int) -> Strip:
        return Strip([Segment(text, self._style(ground, name)) for text, name in line], width)

    def _style(self, ground: str, *inks: str) -> Style:
        key = (ground, *inks)
        style = self._styles.get(key)
        if style is None:
            style = self._look_up(ground, False)
            for ink in inks:
                own = self._look_up(ink, True)
                style += Style(color=own.color, bold=own.bold, dim=own.dim, italic=own.italic, underline=own.underline)
            self._styles[key] = style
        return style


def hue(state: State) -> str:
    """Return the name of a state's hue."""
    return state.replace("_", "-")
