"""Lengths of time as people read them on a card."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdeck_tui.span import span

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


@given(st.floats(-1e6, 99 * 365 * DAY))
def test_it_takes_three_characters_at_most(seconds: float) -> None:
    assert 2 <= len(span(seconds)) <= 3
