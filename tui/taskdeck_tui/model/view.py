"""Where the board looks: the columns as loaded, what is scrolled where, and the cursor that follows its task.

Ranks count the cards of a column from 0. A column holds a run of its cards, from the rank `first` on; the part
that is visible starts at the rank `top`. Every function is pure: a view in, a view out.
"""

from __future__ import annotations

from bisect import bisect_left

from msgspec import Struct
from msgspec.structs import replace

from taskdeck_store.contract import Key, Order, Tally, key
from taskdeck_store.limits import NONE, Limits
from taskdeck_store.query.terms import EVERYTHING, Query
from taskdeck_store.values import Card, State
from taskdeck_tui.model.look import NATURAL, STATES, Jump, Look, Place, Wanted


class Column(Struct, frozen=True, kw_only=True):
    """One state's column."""

    state: State
    order: Order
    tally: Tally = Tally()
    first: int = 0
    cards: tuple[Card, ...] = ()
    top: int = 0

    def card(self, row: int) -> Card | None:
        """Return the card at a rank; None when there is none or it is not loaded."""
        at = row - self.first
        return self.cards[at] if 0 <= at < len(self.cards) else None

    def between(self, one: Key, other: Key) -> list[Card] | None:
        """Return the cards from one place to another, both included; None when they may not all be loaded."""
        low, high = sorted((one, other))
        places = [key(card, self.order) for card in self.cards]
        if not places or low < min(places) or high > max(places):
            return None
        return [card for card, place in zip(self.cards, places, strict=True) if low <= place <= high]


class View(Struct, frozen=True, kw_only=True):
    """The whole board: five columns, the focused one, and the rank of the cursor in it.

    `held` is the card under the cursor, as last seen. `height` counts the cards that fit in a column. `limits` are
    those of the store's format.
    """

    columns: tuple[Column, ...] = tuple(Column(state=state, order=NATURAL[state]) for state in STATES)
    focus: int = 0
    row: int = 0
    held: Card | None = None
    height: int = 1
    query: Query = EVERYTHING
    limits: Limits = NONE

    @property
    def column(self) -> Column:
        """The focused column."""
        return self.columns[self.focus]


class Departure(Struct, frozen=True):
    """The task under the cursor left its column (or the query, or the store); the cursor stayed."""

    card: Card


def settle(view: View, look: Look) -> tuple[View, Departure | None]:
    """Take over a look: the cursor stays on its task, the other columns stay where they were scrolled to."""
    columns = tuple(
        replace(
            column,
            order=look.wanted.orders[index],
            tally=look.tallies[column.state],
            first=look.windows[index].first,
            cards=look.windows[index].cards,
        )
        for index, column in enumerate(view.columns)
    )
    after = replace(view, columns=columns, query=look.wanted.query, limits=look.limits)
    jump = look.wanted.jump
    for index in range(len(columns)):
        if index != view.focus or jump is not None:
            after = _scrolled(after, index, _top_after(view.columns[index], columns[index]))
    if jump is not None:
        return put_cursor(after, jump.column, jump.row), None
    return _followed(view, after)


def move(view: View, by: int) -> View:
    """Move the cursor down (or up) so many cards, as far as there are any."""
    return put_cursor(view, view.focus, view.row + by)


def sidle(view: View, by: int) -> View:
    """Move the cursor to a column so many to the right, on the same line of the screen where it has a card."""
    focus = min(max(view.focus + by, 0), len(view.columns) - 1)
    return view if focus == view.focus else focus_column(view, focus)


def focus_column(view: View, focus: int) -> View:
    """Move the cursor to a column, on the same line of the screen where it has a card."""
    line = view.row - view.column.top
    return put_cursor(view, focus, view.columns[focus].top + line)


def put_cursor(view: View, focus: int, row: int) -> View:
    """Put the cursor on a rank of a column, scrolled so that it can be seen."""
    column = view.columns[focus]
    row = min(max(row, 0), max(column.tally.count - 1, 0))
    top = min(max(column.top, row - view.height + 1), row)
    after = _scrolled(replace(view, focus=focus, row=row), focus, top)
    return replace(after, held=after.column.card(row))


def scroll(view: View, index: int, by: int) -> View:
    """Scroll a column by so many cards; the cursor goes along when it would leave the screen."""
    return scroll_to(view, index, view.columns[index].top + by)


def scroll_to(view: View, index: int, top: int) -> View:
    """Scroll a column so that the card of a rank comes first; the cursor goes along when it would leave the screen."""
    after = _scrolled(view, index, top)
    if index != view.focus:
        return after
    top = after.column.top
    row = min(max(view.row, top), top + view.height - 1)
    return put_cursor(after, index, row)


def resize(view: View, height: int) -> View:
    """Take a new number of cards that fit in a column."""
    after = replace(view, height=max(height, 1))
    for index, column in enumerate(after.columns):
        after = _scrolled(after, index, column.top)
    return put_cursor(after, after.focus, after.row)


def covered(view: View) -> bool:
    """Tell whether every visible rank of every column is loaded, with half a screen to spare on both sides."""
    spare = view.height // 2
    for column in view.columns:
        low = max(column.top - spare, 0)
        high = min(column.top + view.height + spare, column.tally.count)
        if low < high and not (column.first <= low and high <= column.first + len(column.cards)):
            return False
    return True


def under_cursor(view: View) -> tuple[str, int] | None:
    """Return the id of the task under the cursor and its column."""
    return (view.held.id, view.focus) if view.held is not None else None


def wanted(view: View, serial: int, *, followed: str | None = None, jump: Jump | None = None) -> Wanted:
    """Return what the next look must hold for this view: each visible part, with a screen to spare on both sides."""
    places = [_place(view, index, jump) for index in range(len(view.columns))]
    return Wanted(
        serial=serial,
        query=view.query,
        orders=tuple(column.order for column in view.columns),
        places=tuple(places),
        held=under_cursor(view) if jump is None else None,
        followed=followed,
        jump=jump,
    )


def _place(view: View, index: int, jump: Jump | None) -> Place:
    height = view.height
    column = view.columns[index]
    if jump is not None and jump.column == index:
        return Place(start=max(jump.row - 2 * height, 0), limit=4 * height)
    if index == view.focus and view.held is not None and view.row >= height:
        return Place(start=key(view.held, column.order), before=2 * height, limit=3 * height)
    if column.top == 0 and (index != view.focus or view.row < height):
        return Place(limit=3 * height)
    anchor = column.card(column.top)
    if anchor is None:
        return Place(start=max(column.top - height, 0), limit=4 * height)
    return Place(start=key(anchor, column.order), before=height, limit=3 * height)


def _followed(before: View, after: View) -> tuple[View, Departure | None]:
    held = before.held
    if held is None:
        return put_cursor(after, after.focus, before.row), None
    line = before.row - before.column.top
    column = after.column
    at = next((at for at, card in enumerate(column.cards) if card.id == held.id), None)
    row = column.first + at if at is not None else _rank(column, key(held, column.order))
    if before.column.top > 0 or at is None:
        after = _scrolled(after, after.focus, row - line)
    after = put_cursor(after, after.focus, row)
    return after, None if at is not None else Departure(held)


def _top_after(before: Column, after: Column) -> int:
    anchor = before.card(before.top)
    if before.top == 0 or anchor is None or before.order is not after.order:
        return before.top
    return _rank(after, key(anchor, after.order))


def _rank(column: Column, place: Key) -> int:
    keys = [key(card, column.order) for card in column.cards]
    if column.order is Order.NEWEST:
        keys.reverse()
        return column.first + len(keys) - _after(keys, place)
    return column.first + bisect_left(keys, place)


def _after(keys: list[Key], place: Key) -> int:
    at = bisect_left(keys, place)
    return at + 1 if at < len(keys) and keys[at] == place else at


def _scrolled(view: View, index: int, top: int) -> View:
    column = view.columns[index]
    top = min(max(top, 0), max(column.tally.count - view.height, 0))
    if top == column.top:
        return view
    columns = (*view.columns[:index], replace(column, top=top), *view.columns[index + 1 :])
    return replace(view, columns=columns)
