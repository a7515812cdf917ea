"""How memories say what a task is: ids, words for states, moments and values, there and back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from taskdeck_store import State, machine, validity
from taskdeck_store.minna import names, times
from taskdeck_store.minna.fields import text_of, value_of
from taskdeck_store.minna.words import Vocabulary, says_more, state_of

SECOND = 1_000_000
NOON = 1_790_000_000 * SECOND + 123_456
"""2026-09-21T14:13:20.123456Z, in microseconds."""


@given(st.text(st.sampled_from(":~.x2E a/é") | st.characters(codec="utf-8"), max_size=12))
@example("::")
@example(":.7E")
@example("~.3A")
@example("../../etc/passwd")
def test_every_entity_has_one_id_that_leads_back_to_it(name: str) -> None:
    task_id = names.id_of(f"task:{name}")
    assert validity.wrong_id(task_id) is None or not name
    assert names.entity_of(task_id) == (f"task:{name}" if name else None)


@given(st.from_regex(r"[A-Za-z0-9._~-]{1,12}", fullmatch=True))
@example("a~.zz")
@example("~.61")
@example("~.FF")
def test_an_id_is_that_of_its_entity_or_of_none(task_id: str) -> None:
    entity = names.entity_of(task_id)
    assert entity is None or names.id_of(entity) == task_id


def test_ids_read_like_names() -> None:
    entities = ("task:7", "task:proj:7", "task:spine:task-001", "task:a b", "task:proj:../x")
    assert [names.id_of(entity) for entity in entities] == [
        "7",
        "proj~7",
        "spine~task-001",
        "a~.20b",
        "proj~.3A..~.2Fx",
    ]


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
ids = st.lists(st.sampled_from(["proj~7", "a", "b~c", "7"]), unique=True, max_size=3).map(tuple)
tags = st.lists(st.text(st.characters(codec="utf-8"), max_size=4), max_size=3).map(tuple)
before = st.sampled_from([None, "", "a, b", '["a"]', "task:a, task:b"])


@given(value=json, field=st.sampled_from(["result", "data"]))
@example("42", "result")
@example("", "result")
@example("\ud800", "data")
@example('"said"', "data")
def test_any_json_is_read_as_it_was_written(field: str, value: Any) -> None:
    read = value_of(field, text_of(field, value, None))
    assert read is not None
    assert machine.same(read[0], value)


@given(tags=tags, before=before)
def test_tags_are_read_as_they_were_written(tags: tuple[str, ...], before: str | None) -> None:
    assert value_of("tags", text_of("tags", tags, before)) == (tags,)


@given(others=ids, before=before)
def test_dependencies_are_written_as_entities_and_read_as_ids(others: tuple[str, ...], before: str | None) -> None:
    text = text_of("depends_on", others, before)
    assert value_of("depends_on", text) == (others,)
    assert not others or names.PREFIX in text


@pytest.mark.parametrize(
    ("field", "told", "value"),
    [
        ("attempts", "2", (2,)),
        ("attempts", 2, (2,)),
        ("attempts", " 2 ", (2,)),
        ("attempts", "-1", None),
        ("attempts", "many", None),
        ("attempts", "9" * 50, None),
        ("attempts", "9" * 50_000, None),
        ("attempts", b"\xff", None),
        ("priority", "high", None),
        ("priority", "", None),
        ("tags", "a, b,,c ", (("a", "b", "c"),)),
        ("tags", "", ((),)),
        ("depends_on", "the other one", None),
        ("depends_on", "task:p:1, task:p:2", (("p~1", "p~2"),)),
        ("depends_on", "[1, 2]", (("1", "2"),)),
        ("not_before", "2026-01-31 09:05", ("2026-01-31T09:05:00.000000Z",)),
        ("not_before", "soon", None),
        ("not_before", "", (None,)),
        ("error", "", (None,)),
        ("owner", None, (None,)),
        ("title", "", None),
        ("description", "", ("",)),
        ("description", b"blob \xff", ("blob \N{REPLACEMENT CHARACTER}",)),
        ("result", "[" * 100_000, ("[" * 100_000,)),
        ("result", "NaN", ("NaN",)),
    ],
)
def test_what_a_memory_says_of_a_field(field: str, told: object, value: tuple[Any] | None) -> None:
    assert value_of(field, told) == value


@pytest.mark.parametrize(
    ("met", "written"),
    [
        ([], ["pending", "in_progress", "review", "completed", "failed"]),
        (["pending", "done", "in-progress"], ["pending", "in-progress", "review", "done", "failed"]),
        (["TODO", "DONE"], ["TODO", "IN_PROGRESS", "REVIEW", "DONE", "FAILED"]),
        (["To Do", "Done"], ["To Do", "In Progress", "Review", "Done", "Failed"]),
        (["To do", "Done"], ["To do", "In progress", "Review", "Done", "Failed"]),
        (["completed", "done", "done"], ["pending", "in_progress", "review", "done", "failed"]),
        (["cancelled", "blocked"], ["pending", "in_progress", "review", "completed", "failed"]),
    ],
)
def test_states_are_written_in_the_words_of_the_file(met: list[str], written: list[str]) -> None:
    vocabulary = Vocabulary()
    vocabulary.met.update(met)
    assert [vocabulary.word(state) for state in State] == written
    assert [state_of(word) for word in written] == list(State)
    assert {word: state for word, state in vocabulary.shown().items() if word in written} == dict(
        zip(written, State, strict=True)
    )
    assert not any(map(says_more, written))


def test_words_that_say_more_than_a_state_are_told_so() -> None:
    assert (state_of("Cancelled"), says_more("Cancelled")) == (State.FAILED, True)
    assert (state_of("on hold"), says_more("on hold")) == (State.PENDING, True)
    assert state_of("parked") is None


SAMPLES: list[tuple[list[Any], str | None, Any]] = [
    (["2026-09-21T14:13:20.100000+00:00"], None, "2026-09-21T14:13:20.123456+00:00"),
    (["2026-09-21T14:13:20", "2026-09-21T14:13:20.100001"], None, "2026-09-21T14:13:20.123456"),
    (["2026-09-21 14:13:20"], None, "2026-09-21 14:13:20"),
    (["2026-09-21T14:13:20.1Z"], None, "2026-09-21T14:13:20.1Z"),
    (["2026-09-21T16:13:20+02:00"], None, "2026-09-21T16:13:20+02:00"),
    ([1_790_000_000], None, 1_790_000_000),
    ([1_790_000_000.5, 1_790_000_000], None, 1_790_000_000.123456),
    ([1_790_000_000_000], None, 1_790_000_000_123),
    ([NOON - 7], None, NOON),
    ([], "CURRENT_TIMESTAMP", "2026-09-21 14:13:20"),
    ([], "datetime('now')", "2026-09-21 14:13:20"),
    ([], "(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))", "2026-09-21T14:13:20.123Z"),
    ([], "(unixepoch())", 1_790_000_000),
    ([], "(strftime('%s','now'))", 1_790_000_000),
]


@pytest.mark.parametrize(("samples", "default", "written"), SAMPLES)
def test_moments_are_written_as_the_file_spells_them(samples: list[Any], default: str | None, written: Any) -> None:
    spelling = times.spelling_of(samples, default)
    assert spelling is not None
    assert spelling.written(NOON) == written
    told = times.microseconds(written)
    assert told is not None
    assert 0 <= NOON - told < spelling.tick
    assert times.sorts_after(spelling.written(NOON + spelling.tick), written)


@pytest.mark.parametrize(
    ("samples", "default"),
    [
        ([], None),
        ([], "'never'"),
        (["soon"], None),
        ([7], None),
        ([1_790_000_000, "2026-09-21T14:13:20"], None),
        ([b""], None),
        ([1_790_000_000, 1_790_000_000_000], None),
        (["2026-99-21T14:13:20"], None),
        ([float("inf")], None),
    ],
)
def test_a_spelling_that_cannot_be_told_is_none(samples: list[Any], default: str | None) -> None:
    assert times.spelling_of(samples, default) is None


@pytest.mark.parametrize("told", [None, b"x", "soon", 7, -1.5, float("inf"), 10**30, "9999-12-31T23:59:59-23:00"])
def test_what_is_no_moment_is_none(told: object) -> None:
    assert times.told(told) is None or told == "9999-12-31T23:59:59-23:00"


def test_what_sqlite_sorts_after_what() -> None:
    assert times.sorts_after(1, None)
    assert times.sorts_after("a", 7)
    assert times.sorts_after("b", "a")
    assert not times.sorts_after("a", "a")
    assert not times.sorts_after("a", b"")
    assert not times.sorts_after(7, "a")


@pytest.fixture(params=["Asia/Kolkata", "America/New_York"])
def elsewhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Be somewhere else; the µs by which clocks there are ahead of UTC."""
    monkeypatch.setenv("TZ", {"Asia/Kolkata": "IST-5:30", "America/New_York": "EST5"}[request.param])
    time.tzset()
    yield {"Asia/Kolkata": 19_800, "America/New_York": -18_000}[request.param] * SECOND
    monkeypatch.undo()
    time.tzset()


def test_texts_of_the_local_clock_are_told_from_utc(elsewhere: int) -> None:
    naive = times.spelling_of(["2026-09-21T14:13:20.1"], None)
    assert naive is not None
    hour = 3600 * SECOND
    assert times.local_offset(naive, NOON + elsewhere, NOON + 50, NOON + hour) == elsewhere
    assert times.local_offset(naive, NOON, NOON + 50, NOON + hour) == 0
    assert times.local_offset(naive, None, NOON, NOON) == 0
    assert times.local_offset(naive, NOON, NOON + 30 * hour, NOON + 40 * hour) == 0
    # A copy does not tell when the rows were written; that they are not ahead of the clock, it does.
    ahead = max(elsewhere, 0)
    assert times.local_offset(naive, NOON + ahead, NOON - 9 * hour, NOON + 50) == ahead


def test_texts_with_a_zone_or_of_a_known_clock_need_no_guess(elsewhere: int) -> None:
    local = times.spelling_of([], "datetime('now', 'localtime')")
    zoned = times.spelling_of(["2026-09-21T14:13:20Z"], None)
    known = times.spelling_of(["2026-09-21 14:13:20"], "CURRENT_TIMESTAMP")
    assert local is not None
    assert zoned is not None
    assert known is not None
    assert times.local_offset(local, NOON, NOON, NOON) == elsewhere
    assert times.local_offset(zoned, NOON + elsewhere, NOON, NOON) == 0
    assert times.local_offset(known, NOON + elsewhere, NOON, NOON) == 0
