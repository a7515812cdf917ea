"""What is on screen, as values that can be compared: two scenes tell which parts must be drawn again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress

from msgspec import Struct
from textual.geometry import Region

from taskdeck_store.clock import to_seconds
from taskdeck_store.values import State, Time
from taskdeck_tui.board.layout import Layout, margin, thumb
from taskdeck_tui.model.view import View
from taskdeck_tui.span import held_back, span


class Cell(Struct, frozen=True):
    """What one card shows. `age` may tell that it is blocked, or when it is due, `busy` what is under way;
    `before_cursor` that the card under the cursor is next, `ranked` that there are priorities.
    """

    id: str
    version: str
    age: str
    cursor: bool
    selected: bool
    busy: str
    before_cursor: bool
    ranked: bool


class Heading(Struct, frozen=True):
    """What stands above a column, in it while it is empty, and beside it: `bar` is first row and length of the scroll
    bar's thumb.
    """

    state: State
    count: int
    oldest: str
    focused: bool
    empty: str
    bar: tuple[int, int] | None


class Scene(Struct, frozen=True):
    """A view, laid out. `cells` are by column and line of the screen; a card that is not there has none."""

    view: View
    layout: Layout
    cells: Mapping[tuple[int, int], Cell] = {}
    headings: tuple[Heading, ...] = ()


def scene(view: View, layout: Layout, *, selected: Collection[str], busy: Mapping[str, str], now: float) -> Scene:
    """Return what is on screen at a time, in seconds since 1970; `selected` holds ids, `busy` a word for some."""
    cells = {}
    is_ranked = "priority" in view.limits.fields
    for index, _, _ in layout.columns:
        column = view.columns[index]
        for line in range(layout.fits + 1):
            row = column.top + line
            card = column.card(row)
            if card is None:
                continue
            focused = index == view.focus
            cells[index, line] = Cell(
                card.id,
                card.version,
                held_back(card, now) or _age(card.state_since, now),
                focused and row == view.row,
                card.id in selected,
                busy.get(card.id, ""),
                focused and row + 1 == view.row,
                is_ranked,
            )
    headings = tuple(
        Heading(
            column.state,
            column.tally.count,
            _age(column.tally.oldest, now),
            index == view.focus,
            _empty(column.state, view) if column.tally.count == 0 else "",
            thumb(layout.height - layout.body, column.tally.count, view.height, column.top),
        )
        for index, column in enumerate(view.columns)
    )
    return Scene(view, layout, cells, headings)


def differences(before: Scene, after: Scene) -> Iterator[Region]:
    """Yield the parts of the screen in which two scenes of the same layout differ."""
    place = after.layout
    for index, x, width in place.columns:
        for line in range(place.fits + 1):
            if before.cells.get((index, line)) != after.cells.get((index, line)):
                yield Region(x, place.body + line * place.card_rows, width, place.card_rows)
    if before.headings == after.headings:
        return
    yield Region(0, 0, place.width, place.body)
    for index, x, width in place.columns:
        old, new = before.headings[index], after.headings[index]
        if old.bar != new.bar:
            yield Region(x + width - 1 - margin(width), place.body, 1, place.height - place.body)
        if old.empty != new.empty:
            yield Region(x, place.body, width, place.height - place.body)


def _empty(state: State, view: View) -> str:
    if view.query:
        return "none match"
    why = view.limits.lacks.get(state)
    return f"no tasks: {why}" if why is not None else "no tasks"


def _age(since: Time | None, now: float) -> str:
    if since is not None:
        with suppress(ValueError):
            return span(now - to_seconds(since))
    return ""
