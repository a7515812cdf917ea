"""JSON in and out: what was read is written so that it reads the same, and what JSON cannot say is refused."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdeck_store import jsontext
from taskdeck_store.machine import same

TEXTS = st.text(st.characters(codec=None))
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=30)


class Colour(StrEnum):
    RED = "red"


class Number(IntEnum):
    ONE = 1


@given(VALUES)
def test_what_json_says_is_written_so_that_it_reads_the_same(value: Any) -> None:
    read = jsontext.decode(json.dumps(value))
    assert same(jsontext.decode(jsontext.written(read)), read)
    assert same(jsontext.decode(jsontext.encode(read)), read)
    assert same(jsontext.plain(read), read)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ((1, (2,)), [1, [2]]),
        ({1: "a", None: 2, False: 3}, {"1": "a", "null": 2, "false": 3}),
        ({"a": (Colour.RED, Number.ONE)}, {"a": ["red", 1]}),
        (2**70, 2**70),
        (-0.0, -0.0),
        (1e300, 1e300),
        ("\ud800", "\ud800"),
        ({"\udfff": 1}, {"\udfff": 1}),
        (True, True),
    ],
)
def test_a_value_is_as_a_reader_sees_it(value: Any, read: Any) -> None:
    found = jsontext.plain(value)
    assert same(found, read)
    assert same(jsontext.decode(jsontext.written(found)), read)


_CIRCLE: list[Any] = []
_CIRCLE.append(_CIRCLE)


@pytest.mark.parametrize(
    "value",
    [math.nan, [math.inf], {"a": -math.inf}, object(), {1, 2}, b"bytes", Decimal("1.5"), {(1,): 2}, _CIRCLE],
)
def test_what_json_cannot_say_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        jsontext.plain(value)


@given(VALUES)
def test_depth_counts_the_levels_of_values(value: Any) -> None:
    def levels(inner: Any) -> int:
        within = list(inner.values()) if isinstance(inner, dict) else inner if isinstance(inner, list) else []
        return 1 + max(map(levels, within), default=0)

    assert jsontext.depth(value) == levels(value)


def test_depth_is_not_counted_without_end() -> None:
    assert jsontext.depth(_CIRCLE) > jsontext.NESTING
