"""What a filter offers while it is typed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskdeck_store.query.complete import Suggestion, Vocabulary, complete
from taskdeck_store.query.parse import parse
from taskdeck_store.query.terms import Field, Pattern, TextTerm

WORDS = Vocabulary(tags=("bug", "big bug", "none", 'q"t', "a,b"), owners=("ann", "Bob Smith"))


def offered(text: str, cursor: int | None = None) -> list[str]:
    at = len(text) if cursor is None else cursor
    return [text[: found.start] + found.text for found in complete(text, at, WORDS)]


@pytest.mark.parametrize(
    ("text", "completed"),
    [
        ("st", ["state:"]),
        ("-st", ["-state:"]),
        ("tag:x st", ["tag:x state:"]),
        ("T", ["tag:", "title:", "text:"]),
        ("att", ["attempts>"]),
        ("prio", ["priority<"]),
        ("attempts", ["attempts>", "attempts>=", "attempts<", "attempts<=", "attempts="]),
        ("age", ["age>", "age>=", "age<", "age<="]),
        ("age>", ["age>5m", "age>1h", "age>1d", "age>1w"]),
        ("state:", [f"state:{state}" for state in ("pending", "in_progress", "review", "completed", "failed")]),
        ("state:re", ["state:review"]),
        ("state:review,fa", ["state:review,failed"]),
        ("tag:b", ["tag:bug", 'tag:"big bug"']),
        ('tag:"bi', ['tag:"big bug"']),
        ('tag:"big ', ['tag:"big bug"']),
        ('tag:bug,"big bug",q', ['tag:bug,"big bug",q"t']),
        ("tag:n", ['tag:"none"', "tag:none"]),
        ("tag:a", ['tag:"a,b"']),
        ("owner:", ["owner:me", "owner:ann", 'owner:"Bob Smith"', "owner:none"]),
        ("owner:b", ['owner:"Bob Smith"']),
        ("error:", ["error:none"]),
        ("due:", ["due:now", "due:later"]),
        ("-due:l", ["-due:later"]),
    ],
)
def test_what_is_offered(text: str, completed: list[str]) -> None:
    assert offered(text) == completed


@pytest.mark.parametrize(
    "text", ["zzz", '"st', '"a st', "nope:", "tag>b", "state:review", "attempts>", "title:x", "due>"]
)
def test_where_nothing_is_offered(text: str) -> None:
    assert offered(text) == []


def test_an_empty_filter_offers_every_field() -> None:
    for text in ("", "tag:x "):
        assert [found[len(text) :].rstrip(":<>") for found in offered(text)] == list(Field)


def test_only_the_end_of_a_word_is_completed() -> None:
    assert offered("state:re tag:x", 2) == []
    assert offered("state:re tag:x", 8) == ["state:review"]
    assert complete("st tag:x", 2, WORDS) == [Suggestion(text="state:", start=0, end=2, hint="where it stands")]


TEXTS = st.text(st.sampled_from('abst:,"\\* -<>n\u00e9'), max_size=12)


@settings(deadline=None, max_examples=300)
@given(TEXTS, st.integers(0, 12), st.lists(TEXTS, max_size=3))
def test_completing_any_text_keeps_what_stands_before_the_word(text: str, cursor: int, tags: list[str]) -> None:
    at = min(cursor, len(text))
    for found in complete(text, at, Vocabulary(tags=tuple(tags))):
        assert 0 <= found.start <= found.end == at
        assert found.text != text[found.start : at]
        assert found.hint


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=12))
def test_a_tag_that_was_offered_is_a_filter_for_that_very_tag(tag: str) -> None:
    found = complete("tag:", 4, Vocabulary(tags=(tag,)))[0]
    (term,) = parse("tag:" + found.text, me="ann").terms
    assert term == TextTerm(field=Field.TAG, choices=(Pattern("exact", tag),))
