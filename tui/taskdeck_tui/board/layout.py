"""Where things are on the board: the columns across, the cards down, and what a point of the screen hits."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from taskdeck_tui.board.cards import rows_of

ONE_COLUMN = 50
"""Below this width the board shows the focused column alone, under a strip of the five counts."""

READABLE = 22
"""A column is at least this wide, or else folded."""

FOLDED = 7
"""The width of a column that is folded, for want of room: its glyph, its count and its oldest age."""

ROOMY = 20
"""From this width on a column has a margin to its right."""

HEADING_ROWS = 2
STRIP_ROWS = 1

Part: TypeAlias = Literal["heading", "card", "scrollbar", "empty"]


class Spot(Struct, frozen=True):
    """What is at a point: a part of a column; `line` counts cards from the column's top, `row` its screen rows."""

    column: int
    part: Part
    line: int
    row: int


class Layout(Struct, frozen=True, kw_only=True):
    """The geometry for one size, card height and focus. Columns are (index, x, width) in cells, from the left."""

    width: int
    height: int
    lines: int
    columns: tuple[tuple[int, int, int], ...]
    total: int

    @property
    def narrow(self) -> bool:
        """Whether one column is shown, under the strip of counts."""
        return len(self.columns) < self.total

    @property
    def body(self) -> int:
        """The first row of the cards."""
        return STRIP_ROWS if self.narrow else HEADING_ROWS

    @property
    def card_rows(self) -> int:
        """The screen rows that one card takes."""
        return rows_of(self.lines)

    @property
    def fits(self) -> int:
        """How many whole cards fit in a column; at least one. The last card needs no row to set it apart."""
        spare = self.card_rows - self.lines
        return max((self.height - self.body + spare) // self.card_rows, 1)

    def place(self, column: int) -> tuple[int, int] | None:
        """Return x and width of a column, or None when it is not shown."""
        return next(((x, width) for index, x, width in self.columns if index == column), None)

    def at(self, x: int, y: int) -> Spot | None:
        """Return what is at a point, or None outside of all columns."""
        if self.narrow and y < STRIP_ROWS:
            return Spot(min(x * self.total // max(self.width, 1), self.total - 1), "heading", 0, 0)
        for index, left, width in self.columns:
            if left <= x < left + width:
                if y < self.body:
                    return Spot(index, "heading", 0, 0)
                row = y - self.body
                part: Part = "scrollbar" if x >= left + width - 1 - margin(width) else "card"
                return Spot(index, part, row // self.card_rows, row)
        return None


def layout(width: int, height: int, lines: int, focus: int, total: int = 5) -> Layout:
    """Lay out `total` columns in `width` × `height` cells for cards of `lines` lines.

    As many columns as can be read are unfolded, the focused one among them.
    """
    if width < ONE_COLUMN:
        columns: tuple[tuple[int, int, int], ...] = ((focus, 0, width),)
    else:
        unfolded = max((width - total * FOLDED) // (READABLE - FOLDED), 1)
        unfolded = min(unfolded, total)
        start = min(max(focus - unfolded // 2, 0), total - unfolded)
        room = width - (total - unfolded) * FOLDED
        edges = [0]
        for index in range(total):
            place = index - start
            wide = (place + 1) * room // unfolded - place * room // unfolded
            edges.append(edges[-1] + (wide if 0 <= place < unfolded else FOLDED))
        columns = tuple((index, edges[index], edges[index + 1] - edges[index]) for index in range(total))
    return Layout(width=width, height=height, lines=lines, columns=columns, total=total)


def margin(width: int) -> int:
    """Return the empty cells to the right of a column of `width` cells."""
    return 1 if width >= ROOMY else 0


def thumb(rows: int, count: int, fits: int, top: int) -> tuple[int, int] | None:
    """Return first row and length of a scroll bar's thumb on `rows` rows, or None when all `count` cards fit."""
    if count <= fits or rows <= 0:
        return None
    length = max(rows * fits // count, 1)
    return round((rows - length) * top / (count - fits)), length
