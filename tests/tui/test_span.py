"""Lengths of time as people read them on a card."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdeck_store.clock import plus, to_seconds
from taskdeck_tui.span import ahead, span, spans

DAY = 86_400


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0s"),
        (-5, "0s"),
        (5.9, "5s"),
        (59, "59s"),
        (60, "1m"),
        (42 * 60, "42m"),
        (3_599, "59m"),
        (3 * 3_600, "3h"),
        (DAY - 1, "23h"),
        (2 * DAY, "2d"),
        (13 * DAY, "13d"),
        (14 * DAY, "2w"),
        (5 * 7 * DAY, "5w"),
        (364 * DAY, "52w"),
        (365 * DAY, "1y"),
    ],
)
def test_a_length_is_shown_in_its_largest_unit(seconds: float, shown: str) -> None:
    assert span(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(7_200, "2h"), (7_199.5, "2h"), (40, "40s"), (0.1, "1s"), (0, ""), (-0.1, ""), (-7_200, "")]
)
def test_how_far_ahead_a_moment_lies_is_told_until_it_has_come(seconds: float, shown: str) -> None:
    now = "2026-01-31T09:05:00.000000Z"
    assert ahead(plus(now, seconds), to_seconds(now)) == shown
    assert ahead(None, 0) == ahead("\x1b[31msoon", 0) == ""


@given(st.floats(-1e6, 99 * 365 * DAY))
def test_it_takes_three_characters_at_most(seconds: float) -> None:
    assert 2 <= len(span(seconds)) <= 3


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "0s"),
        (0.9, "0s"),
        (59, "59s"),
        (60, "1m"),
        (725, "12m 5s"),
        (6_000, "1h 40m"),
        (3_605, "1h"),
        (DAY + 3_600, "1d 1h"),
        (13 * DAY, "1w 6d"),
        (400 * DAY, "1y 5w"),
    ],
)
def test_a_length_of_time_with_two_units_says_more(seconds: float, shown: str) -> None:
    assert spans(seconds) == shown
