"""Where two JSON values differ, part by part."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdeck_store.machine import same
from taskdeck_store.parts import MOST, Kind, Part, parts


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, [Part(("b",), Kind.CHANGED, 2, 3)]),
        ({"a": 1}, {"b": None}, [Part(("a",), Kind.REMOVED, 1, None), Part(("b",), Kind.ADDED, None, None)]),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 5]}}, [Part(("a", "b", 1), Kind.CHANGED, 2, 5)]),
        (["x", "y", "z"], ["x", "z"], [Part((1,), Kind.REMOVED, "y", None)]),
        (["x", "z"], ["x", "y", "z"], [Part((1,), Kind.ADDED, None, "y")]),
        ([1], [True], [Part((0,), Kind.CHANGED, 1, True)]),
        ([], [1], [Part((0,), Kind.ADDED, None, 1)]),
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, [1], []),
        ("one", "two", []),
        (None, {"a": 1}, []),
    ],
)
def test_the_parts_are_those_that_differ(before: Any, after: Any, found: list[Part]) -> None:
    assert list(parts(before, after)) == found


def test_values_that_differ_all_over_have_no_parts() -> None:
    assert len(parts({str(n): n for n in range(MOST)}, {})) == MOST
    assert parts({str(n): n for n in range(MOST + 1)}, {}) == ()


def test_what_lies_very_deep_differs_as_a_whole() -> None:
    def deep(value: int) -> Any:
        nested: Any = value
        for _ in range(150):
            nested = {"in": nested}
        return nested

    (part,) = parts(deep(1), deep(2))
    assert 0 < len(part.path) < 150
    assert not same(part.before, part.after)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from("ab"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=8,
)
OUTER = st.dictionaries(st.sampled_from("xyz"), JSON, max_size=3)


@given(before=OUTER, after=OUTER)
def test_putting_the_parts_in_place_makes_the_one_value_the_other(before: Any, after: Any) -> None:
    made = deepcopy(before)
    found = parts(before, after)
    for part in [one for one in found if one.kind is Kind.REMOVED][::-1]:
        del inside(made, part)[part.path[-1]]
    for part in [one for one in found if one.kind is not Kind.REMOVED]:
        place, key = inside(made, part), part.path[-1]
        if part.kind is Kind.ADDED and isinstance(place, list):
            place.insert(key, part.after)
        else:
            place[key] = part.after
    assert same(made, after)


def inside(value: Any, part: Part) -> Any:
    """Return the object or list that a part lies in."""
    for key in part.path[:-1]:
        value = value[key]
    return value
