"""What a card says in the room it has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from taskdeck_store.values import Card, State
from taskdeck_tui.board.cards import BUSY, card_lines, cut
from taskdeck_tui.board.heading import brief, heading, strip_of_counts
from taskdeck_tui.board.layout import layout, thumb


def card(**values: object) -> Card:
    fields: dict[str, object] = {
        "id": "task-17",
        "title": "Fix the flaky login test on Firefox",
        "state": State.REVIEW,
        "priority": 2,
        "tags": ("frontend", "flaky"),
        "attempts": 1,
        "max_attempts": 3,
        "not_before": None,
        "blocked": 0,
        "owner": "ada",
        "state_since": "2026-01-01T00:00:00.000000Z",
        "version": "4",
        "preview": '{"ok":true}',
    }
    return Card(**{**fields, **values})  # type: ignore[arg-type]


def text(lines: tuple[tuple[tuple[str, str], ...], ...]) -> list[str]:
    return ["".join(piece for piece, _ in line) for line in lines]


cards = st.builds(
    card,
    id=st.text(min_size=1, max_size=30),
    title=st.text(min_size=0, max_size=120),
    tags=st.lists(st.text(max_size=12), max_size=4).map(tuple),
    attempts=st.integers(0, 10**9),
    owner=st.none() | st.text(max_size=20),
    preview=st.text(max_size=60),
    state=st.sampled_from(State),
)


@given(
    card=cards,
    width=st.integers(1, 120),
    lines=st.integers(1, 3),
    busy=st.sampled_from(["", BUSY, "▶ at work"]),
    age=st.sampled_from(["", "5m"]),
)
def test_every_line_is_exactly_as_wide_as_its_room(card: Card, width: int, lines: int, busy: str, age: str) -> None:
    laid_out = card_lines(card, width, lines, age, busy=busy)
    assert len(laid_out) == lines
    assert [cell_len(line) for line in text(laid_out)] == [width] * lines


def test_facts_go_in_their_order_of_need() -> None:
    needs = ["task-17", "↻1/3", "@ada", "5m", "P2", "#frontend", "#flaky"]
    for width in range(7, 60):
        room, fitting = width, []
        for need in needs:
            cells = len(need) + (2 if fitting else 0)
            if cells <= room:
                fitting.append(need)
                room -= cells
        line = text(card_lines(card(), width, 2, "5m"))[1]
        assert [need for need in needs if need in line] == fitting


def test_the_sign_before_an_owner_is_there_once() -> None:
    assert "  @ada  " in text(card_lines(card(owner="@ada"), 60, 2, ""))[1]


def test_one_line_keeps_the_title_first() -> None:
    (line,) = text(card_lines(card(), 36, 1, "5m"))
    assert line.startswith("Fix the flaky login")
    assert "task-17" in line


def test_three_lines_wrap_a_long_title_between_words() -> None:
    assert [line.strip() for line in text(card_lines(card(), 22, 3, "5m"))][:2] == [
        "Fix the flaky login",
        "test on Firefox",
    ]


def test_three_lines_show_the_result_below_a_short_title() -> None:
    assert text(card_lines(card(title="Short"), 30, 3, "5m"))[2].startswith('{"ok":true}')


def test_a_result_that_is_one_text_is_shown_as_words() -> None:
    shown = text(card_lines(card(title="Short", preview='"## Result\\n\\nIt says \\"yes\\""'), 40, 3, "5m"))[2]
    assert shown.strip() == 'Result  It says "yes"'


def test_a_hostile_title_reaches_no_line() -> None:
    bad = "a\x1b[31mred\u202eb\nc"
    for lines in (1, 2, 3):
        shown = "".join(text(card_lines(card(title=bad, id="x\x1b"), 40, lines, "5m")))
        assert not {"\x1b", "\u202e", "\n"} & set(shown)


def test_a_commit_under_way_is_said() -> None:
    assert "committing" in text(card_lines(card(), 36, 2, "5m", busy=BUSY))[1]


@pytest.mark.parametrize(("width", "expected"), [(0, ""), (1, "…"), (3, "ab…"), (4, "abcd"), (6, "abcd  ")])
def test_cut_says_where_it_cut(width: int, expected: str) -> None:
    assert cut("abcd", width) == expected


@given(
    width=st.just(7) | st.integers(22, 80),
    count=st.integers(0, 10**7),
    focused=st.booleans(),
    state=st.sampled_from(State),
)
def test_headings_always_show_the_count(width: int, count: int, focused: bool, state: State) -> None:
    for line in heading(state, count, "3h", width, focused):
        assert cell_len("".join(piece for piece, _ in line)) == width
    if width >= 16:
        assert f"{count:,}" in "".join(piece for piece, _ in heading(state, count, "3h", width, focused)[0])


@given(
    width=st.integers(30, 59), counts=st.lists(st.integers(0, 10**7), min_size=5, max_size=5), focus=st.integers(0, 4)
)
def test_the_strip_shows_five_counts_in_its_width(width: int, counts: list[int], focus: int) -> None:
    parts = strip_of_counts(dict(zip(State, counts, strict=True)), focus, width)
    assert sum(room for _, room, _ in parts) == width
    for (line, room, _), count in zip(parts, counts, strict=True):
        shown = "".join(piece for piece, _ in line)
        assert cell_len(shown) <= room
        assert brief(count) in shown


def test_as_many_columns_as_can_be_read_are_unfolded() -> None:
    assert [width for _, _, width in layout(200, 48, 2, 2).columns] == [40] * 5
    assert [width for _, _, width in layout(80, 22, 2, 0).columns] == [22, 22, 22, 7, 7]
    assert [width for _, _, width in layout(80, 22, 2, 4).columns] == [7, 7, 22, 22, 22]
    assert [width for _, _, width in layout(60, 22, 2, 1).columns] == [7, 32, 7, 7, 7]
    assert layout(40, 9, 2, 3).columns == ((3, 0, 40),)


@given(width=st.integers(50, 300), focus=st.integers(0, 4))
def test_columns_fill_the_width_and_the_focused_one_can_be_read(width: int, focus: int) -> None:
    columns = layout(width, 24, 2, focus).columns
    assert [index for index, _, _ in columns] == list(range(5))
    assert [x for _, x, _ in columns] == [sum(w for _, _, w in columns[:at]) for at in range(5)]
    assert sum(w for _, _, w in columns) == width
    assert columns[focus][2] >= 22


def test_a_small_terminal_still_shows_three_tasks() -> None:
    assert layout(40, 9, 2, 0).fits >= 3


def test_one_line_cards_show_forty_tasks_on_a_common_screen() -> None:
    assert layout(200, 47, 1, 0).fits >= 40


@given(rows=st.integers(1, 60), count=st.integers(1, 10**6), fits=st.integers(1, 60), data=st.data())
def test_the_thumb_stays_on_its_bar(rows: int, count: int, fits: int, data: st.DataObject) -> None:
    top = data.draw(st.integers(0, max(count - fits, 0)))
    bar = thumb(rows, count, fits, top)
    if count <= fits:
        assert bar is None
    else:
        assert bar is not None
        assert 0 <= bar[0] <= bar[0] + bar[1] <= rows
