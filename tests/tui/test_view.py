"""Where the board looks: the cursor stays on its task whatever other programs do to the columns."""

from __future__ import annotations

from bisect import bisect_left

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace

from taskdeck_store.contract import Key, Order, Tally, Window, key
from taskdeck_store.values import Card, State
from taskdeck_tui.model.look import STATES, Jump, Look, Wanted
from taskdeck_tui.model.view import (
    View,
    covered,
    focus_column,
    move,
    put_cursor,
    resize,
    scroll,
    settle,
    sidle,
    wanted,
)


def card(number: int, state: State, priority: int = 5, since: int = 0, version: int = 1) -> Card:
    return Card(
        id=f"t-{number:03}",
        title=f"Task {number}",
        state=state,
        priority=priority,
        tags=(),
        attempts=0,
        max_attempts=3,
        not_before=None,
        blocked=0,
        owner=None,
        state_since=f"2026-01-01T00:00:{since % 60:02}.{number:06}Z",
        version=str(version),
        preview="",
    )


class Columns:
    """All cards of a small world, read as a store would be."""

    def __init__(self, cards: list[Card]) -> None:
        self.cards = {card.id: card for card in cards}

    def ranked(self, state: State, order: Order) -> list[Card]:
        column = [card for card in self.cards.values() if card.state is state]
        return sorted(column, key=lambda card: key(card, order), reverse=order is Order.NEWEST)

    def window(self, state: State, order: Order, start: int | Key, before: int, limit: int) -> Window:
        cards = self.ranked(state, order)
        if isinstance(start, tuple):
            places = [key(card, order) for card in cards]
            rank = sum(1 for place in places if place > start) if order is Order.NEWEST else bisect_left(places, start)
        else:
            rank = min(start, len(cards))
        first = max(rank - before, 0)
        return Window(state=state, first=first, cards=tuple(cards[first : rank + limit]))

    def look(self, wish: Wanted) -> Look:
        windows = []
        for index, state in enumerate(STATES):
            place, order = wish.places[index], wish.orders[index]
            window = self.window(state, order, place.start, place.before, place.limit)
            held = self.cards.get(wish.held[0]) if wish.held and wish.held[1] == index else None
            if held is not None and held.state is state and held not in window.cards:
                window = self.window(state, order, key(held, order), place.before, place.limit)
            windows.append(window)
        tallies = {state: Tally(len(self.ranked(state, Order.PRIORITY))) for state in STATES}
        return Look(
            wanted=wish,
            at="2026-01-01T00:00:00.000000Z",
            cursor="1",
            tallies=tallies,
            totals=tallies,
            windows=tuple(windows),
        )


def settled(world: Columns, view: View, jump: Jump | None = None) -> View:
    view, _ = settle(view, world.look(wanted(view, 1, jump=jump)))
    if not covered(view):
        view, _ = settle(view, world.look(wanted(view, 2)))
    return view


def opened(world: Columns, height: int = 5) -> View:
    return settled(world, resize(settled(world, View()), height))


def pending(count: int) -> list[Card]:
    return [card(number, State.PENDING) for number in range(count)]


def test_a_card_inserted_above_moves_the_cursor_with_its_task() -> None:
    world = Columns([card(number, State.PENDING, since=1) for number in range(10, 40)])
    view = settled(world, move(opened(world), 3))
    assert view.held is not None
    held = view.held.id
    world.cards["new"] = replace(card(1, State.PENDING, priority=1), id="new")
    view = settled(world, view)
    assert (view.row, view.held.id if view.held else None) == (4, held)


def test_a_card_that_leaves_keeps_the_cursor_where_it_was_and_is_told() -> None:
    world = Columns(pending(30))
    view = settled(world, move(opened(world), 12))
    line = view.row - view.column.top
    gone = view.held
    assert gone is not None
    world.cards[gone.id] = replace(gone, state=State.IN_PROGRESS)
    view, departure = settle(view, world.look(wanted(view, 1)))
    assert departure is not None
    assert departure.card.id == gone.id
    assert (view.row, view.row - view.column.top) == (12, line)
    assert view.held is not None
    assert view.held.id == "t-013"


def test_the_last_card_that_leaves_puts_the_cursor_on_the_one_above() -> None:
    world = Columns(pending(3))
    view = settled(world, move(opened(world), 2))
    del world.cards["t-002"]
    view = settled(world, view)
    assert view.held is not None
    assert (view.row, view.held.id) == (1, "t-001")


def test_an_emptied_column_has_no_card_under_the_cursor() -> None:
    world = Columns(pending(1))
    view = opened(world)
    world.cards.clear()
    view = settled(world, view)
    assert (view.row, view.held) == (0, None)


def test_a_task_whose_priority_changes_is_followed_to_its_new_place() -> None:
    world = Columns(pending(100))
    view = settled(world, move(opened(world), 2))
    world.cards["t-002"] = replace(world.cards["t-002"], priority=9)
    view = settled(world, view)
    assert view.held is not None
    assert (view.row, view.held.id) == (99, "t-002")


def test_a_scrolled_column_without_the_cursor_holds_still() -> None:
    world = Columns([*pending(5), *(card(number, State.FAILED) for number in range(100, 160))])
    view = settled(world, scroll(opened(world), 4, 20))
    top = view.columns[4].card(view.columns[4].top)
    assert top is not None
    for number in range(200, 210):
        world.cards[f"t-{number}"] = card(number, State.FAILED, since=30)
    view = settled(world, view)
    assert view.columns[4].card(view.columns[4].top) == top


def test_moving_sideways_stays_on_the_same_line_of_the_screen() -> None:
    world = Columns([*pending(30), *(card(number, State.IN_PROGRESS) for number in range(100, 104))])
    view = move(opened(world), 2)
    assert (sidle(view, 1).row, sidle(sidle(view, 1), 1).row) == (2, 0)
    assert sidle(view, -1) == view


def test_the_bottom_of_a_long_column_is_reached_by_a_jump() -> None:
    world = Columns(pending(900))
    view = settled(world, opened(world), Jump(0, 899))
    assert view.held is not None
    assert (view.row, view.held.id, view.column.top) == (899, "t-899", 895)


@given(st.integers(1, 40), st.integers(0, 60))
def test_any_height_keeps_the_cursor_on_screen(height: int, row: int) -> None:
    world = Columns(pending(50))
    view = settled(world, put_cursor(opened(world, height), 0, row))
    view = settled(world, resize(view, max(height // 2, 1)))
    assert view.column.top <= view.row < view.column.top + view.height


class Watching(RuleBasedStateMachine):
    """An operator moves about while other programs change everything."""

    def __init__(self) -> None:
        super().__init__()
        self.world = Columns([card(number, STATES[number % 5], number % 3) for number in range(60)])
        self.view = opened(self.world)
        self.next = 100

    @rule(by=st.integers(-30, 30))
    def moves(self, by: int) -> None:
        self.view = settled(self.world, move(self.view, by))

    @rule(by=st.integers(-4, 4))
    def goes_sideways(self, by: int) -> None:
        self.view = settled(self.world, sidle(self.view, by))

    @rule(column=st.integers(0, 4), by=st.integers(-20, 20))
    def scrolls(self, column: int, by: int) -> None:
        self.view = settled(self.world, scroll(self.view, column, by))

    @rule(column=st.integers(0, 4))
    def jumps(self, column: int) -> None:
        self.view = settled(self.world, focus_column(self.view, column))

    @rule(height=st.integers(1, 20))
    def resizes(self, height: int) -> None:
        self.view = settled(self.world, resize(self.view, height))

    @rule(data=st.data(), moves=st.integers(1, 5))
    def others_change_tasks(self, data: st.DataObject, moves: int) -> None:
        before = self.view
        for _ in range(moves):
            kind = data.draw(st.sampled_from(["add", "move", "remove", "edit"]))
            if kind == "add" or not self.world.cards:
                self.next += 1
                new = card(self.next, data.draw(st.sampled_from(STATES)), data.draw(st.integers(0, 3)))
                self.world.cards[new.id] = new
                continue
            old = self.world.cards[data.draw(st.sampled_from(sorted(self.world.cards)))]
            if kind == "remove":
                del self.world.cards[old.id]
            elif kind == "move":
                self.world.cards[old.id] = replace(old, state=data.draw(st.sampled_from(STATES)))
            else:
                self.world.cards[old.id] = replace(old, priority=data.draw(st.integers(0, 3)))
        self.view, departure = settle(before, self.world.look(wanted(before, 1)))
        held = before.held
        if held is not None:
            now = self.world.cards.get(held.id)
            stayed = now is not None and now.state is held.state
            assert (departure is None) == stayed
            if stayed:
                assert self.view.held is not None
                assert self.view.held.id == held.id
        self.view = settled(self.world, self.view)

    @invariant()
    def the_cursor_is_on_a_visible_card(self) -> None:
        view = self.view
        column = self.world.ranked(view.column.state, view.column.order)
        if column:
            assert view.held == column[view.row]
            assert view.column.top <= view.row < view.column.top + view.height
        else:
            assert view.held is None

    @invariant()
    def what_is_visible_is_what_is_there(self) -> None:
        assert covered(self.view)
        for column in self.view.columns:
            there = self.world.ranked(column.state, column.order)
            for row in range(column.top, min(column.top + self.view.height, len(there))):
                assert column.card(row) == there[row]


Watching.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestWatching = Watching.TestCase
