"""The filter language: what a text means, and where it is wrong."""

from __future__ import annotations

import subprocess
import sys
from typing import Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from taskdeck_store.query.parse import QueryError, parse, quoted
from taskdeck_store.query.terms import (
    EVERYTHING,
    BlockedTerm,
    DueTerm,
    Field,
    NumberTerm,
    Pattern,
    Query,
    Term,
    TextTerm,
)
from taskdeck_store.values import State


def terms(text: str) -> tuple[Term, ...]:
    return parse(text, me="ann").terms


def one(text: str) -> Term:
    (term,) = terms(text)
    return term


def exact(field: Field, *values: str, negated: bool = False) -> TextTerm:
    return TextTerm(field=field, choices=tuple(Pattern("exact", value) for value in values), negated=negated)


def contains(field: Field, *values: str, negated: bool = False) -> TextTerm:
    return TextTerm(field=field, choices=tuple(Pattern("contains", value) for value in values), negated=negated)


def wrong(text: str) -> tuple[str, int]:
    with pytest.raises(QueryError) as caught:
        parse(text, me="ann")
    return caught.value.message, caught.value.at


def test_the_example_of_the_manual_is_read_term_by_term() -> None:
    text = 'state:review tag:x owner:me attempts>1 age>1h priority<3 id:abc "some text" -tag:y'
    assert parse(text, me="ann") == Query(
        (
            exact(Field.STATE, "review"),
            exact(Field.TAG, "x"),
            exact(Field.OWNER, "ann"),
            NumberTerm(field=Field.ATTEMPTS, op=">", value=1),
            NumberTerm(field=Field.AGE, op=">", value=3600),
            NumberTerm(field=Field.PRIORITY, op="<", value=3),
            exact(Field.ID, "abc"),
            contains(Field.TEXT, "some text"),
            exact(Field.TAG, "y", negated=True),
        ),
        text,
    )


@pytest.mark.parametrize("text", ["", "   ", "\t\n"])
def test_an_empty_filter_takes_every_task(text: str) -> None:
    assert not parse(text, me="ann")
    assert parse(text, me="ann").terms == EVERYTHING.terms


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("fix", contains(Field.TEXT, "fix")),
        ("-fix", contains(Field.TEXT, "fix", negated=True)),
        ("-", contains(Field.TEXT, "-")),
        ("fix*", contains(Field.TEXT, "fix*")),
        ("a,b", contains(Field.TEXT, "a,b")),
        ("12:30", contains(Field.TEXT, "12:30")),
        ('"state:review"', contains(Field.TEXT, "state:review")),
        (r'"a \"b\" \\c"', contains(Field.TEXT, r'a "b" \c')),
        ('-"a b"', contains(Field.TEXT, "a b", negated=True)),
        ("text:fix", contains(Field.TEXT, "fix")),
        ("title:Fix", contains(Field.TITLE, "Fix")),
        ("title:Fix*", TextTerm(field=Field.TITLE, choices=(Pattern("prefix", "Fix"),))),
        ("error:time,net", contains(Field.ERROR, "time", "net")),
        ("error:none", TextTerm(field=Field.ERROR, choices=(Pattern("none"),))),
        ("title:none", contains(Field.TITLE, "none")),
        ("state:review,failed", exact(Field.STATE, "review", "failed")),
        ("state=review", exact(Field.STATE, "review")),
        ("STATE:Review", exact(Field.STATE, "review")),
        ("state:in-progress", exact(Field.STATE, "in_progress")),
        ('state:"in progress"', exact(Field.STATE, "in_progress")),
        ("state:in_progress", exact(Field.STATE, "in_progress")),
        ("state:rev", exact(Field.STATE, "review")),
        ("state:p,c*", exact(Field.STATE, "pending", "completed")),
        ("tag:none", TextTerm(field=Field.TAG, choices=(Pattern("none"),))),
        ('tag:"none"', exact(Field.TAG, "none")),
        ("tag:ui*", TextTerm(field=Field.TAG, choices=(Pattern("prefix", "ui"),))),
        ("tag:*", TextTerm(field=Field.TAG, choices=(Pattern("prefix", ""),))),
        ('tag:"a b"*', TextTerm(field=Field.TAG, choices=(Pattern("prefix", "a b"),))),
        ('tag:"ui*"', exact(Field.TAG, "ui*")),
        ('tag:"a,b",c', exact(Field.TAG, "a,b", "c")),
        ("tag:a=b", exact(Field.TAG, "a=b")),
        ("owner:none", TextTerm(field=Field.OWNER, choices=(Pattern("none"),))),
        ("owner:me,bob", exact(Field.OWNER, "ann", "bob")),
        ('owner:"me"', exact(Field.OWNER, "me")),
        ("-owner:me", exact(Field.OWNER, "ann", negated=True)),
        ("id:none", exact(Field.ID, "none")),
        ("attempts:2", NumberTerm(field=Field.ATTEMPTS, op="=", value=2)),
        ("attempts=2", NumberTerm(field=Field.ATTEMPTS, op="=", value=2)),
        ("attempts>=2", NumberTerm(field=Field.ATTEMPTS, op=">=", value=2)),
        ("-attempts>2", NumberTerm(field=Field.ATTEMPTS, op=">", value=2, negated=True)),
        ("priority<=-3", NumberTerm(field=Field.PRIORITY, op="<=", value=-3)),
        ("priority<0003", NumberTerm(field=Field.PRIORITY, op="<", value=3)),
        ("age<90s", NumberTerm(field=Field.AGE, op="<", value=90)),
        ("age>15m", NumberTerm(field=Field.AGE, op=">", value=900)),
        ("age>1h30m", NumberTerm(field=Field.AGE, op=">", value=5400)),
        ("age>=2d", NumberTerm(field=Field.AGE, op=">=", value=172_800)),
        ("age<=1w", NumberTerm(field=Field.AGE, op="<=", value=604_800)),
        ("due:later", DueTerm(later=True)),
        ("-due=Now", DueTerm(later=False, negated=True)),
        ("age<1y", NumberTerm(field=Field.AGE, op="<", value=365 * 86_400)),
    ],
)
def test_a_term_means(text: str, term: Term) -> None:
    assert one(text) == term


@pytest.mark.parametrize(
    ("text", "at", "said"),
    [
        ("stat:review", 0, "unknown field 'stat'; did you mean state?"),
        ("tag:x prio<3", 6, "unknown field 'prio'; did you mean priority?"),
        ("-ttle:x", 1, "did you mean title?"),
        ("http://example.org", 0, "put text that looks like a field in quotes"),
        ("state:done", 6, "unknown state 'done'; the states are pending, in_progress, review, completed, failed"),
        ("state:review,nope", 13, "unknown state 'nope'"),
        ('state:""', 6, "unknown state ''"),
        ("state:*", 6, "unknown state"),
        ("state:", 6, "state needs a value here, as in state:review"),
        ("tag:", 4, "tag needs a value here, as in tag:VALUE"),
        ("tag:a,,b", 6, "tag needs a value"),
        ("tag:a, b", 6, "tag needs a value"),
        ("tag>3", 3, "tag is text and cannot be compared with >; write tag:VALUE"),
        ("tag!=x", 3, "put - before the term: -tag:VALUE"),
        ("attempts>", 9, "attempts needs a whole number here, as in attempts>1"),
        ("attempts>many", 9, "attempts needs a whole number"),
        ("attempts>3x", 10, "attempts needs a whole number"),
        ("attempts>1,2", 10, "attempts needs a whole number"),
        ("priority<1.5", 10, "priority needs a whole number"),
        ("priority<" + "9" * 50, 9, "priority lies between"),
        ("priority<" + "9" * 5_000, 9, "priority lies between"),
        ("age>5", 4, "age needs a time here, in s, m, h, d, w or y, as in age>1h30m"),
        ("age>1h30", 6, "age needs a time"),
        ("age=1h", 3, "write age> or age<"),
        ("age:1h", 3, "write age> or age<"),
        ("age>101y", 4, "an age is at most 100y"),
        ("age>" + "9" * 5_000 + "w", 4, "an age is at most 100y"),
        ('tag:x "some text', 6, 'this quote is not closed; add a " at its end'),
        ('tag:"a b', 4, "this quote is not closed"),
        ('"ends in a backslash\\"', 0, "this quote is not closed"),
        ("a " * 200 + "b", 400, "a filter takes at most 200 values"),
        ("b tag:" + "a," * 200 + "a", 2, "a filter takes at most 200 values"),
        ('"a"b', 3, "a space must come after the closing quote"),
        ('tag:"a"b', 7, "a space or a comma must come after the closing quote"),
    ],
)
def test_an_error_names_the_place_and_the_fix(text: str, at: int, said: str) -> None:
    message, place = wrong(text)
    assert said in message
    assert place == at


def test_an_error_is_one_short_line_whatever_the_text_holds() -> None:
    for text in ("state:\x1b[31m" + "x" * 10_000, "x" * 10_000 + ":1", 'state:"a\nb"'):
        message, _ = wrong(text)
        assert message.isprintable()
        assert len(message) < 200


@pytest.mark.parametrize("state", list(State))
def test_every_start_of_a_state_s_name_means_it(state: State) -> None:
    for length in range(1, len(state) + 1):
        assert one(f"state:{state[:length]}") == exact(Field.STATE, state)


ALPHABET = st.sampled_from([*'abme:<>=!-,*"\\ .19hsd_\t\u00e9\u202e\ud800', "state:", "tag:", "age>", "none", "1h"])


@settings(deadline=None, max_examples=400)
@given(st.one_of(st.text(), st.lists(ALPHABET).map("".join)))
@example("\x00")
@example("-")
@example('--"')
def test_any_text_is_a_query_or_a_query_error_with_a_place_inside_it(text: str) -> None:
    try:
        query = parse(text, me="ann")
    except QueryError as caught:
        error = caught
    else:
        assert query.text == text
        return
    assert 0 <= error.at <= len(text)
    assert error.message


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
OPERATORS: st.SearchStrategy[Literal["<", "<=", "=", ">=", ">"]] = st.sampled_from(["<", "<=", "=", ">=", ">"])


@st.composite
def written_terms(draw: st.DrawFn) -> tuple[str, Term]:
    field, negated = draw(st.sampled_from(list(Field))), draw(st.booleans())
    sign = "-" if negated else ""
    if field in (Field.ATTEMPTS, Field.PRIORITY):
        op, number = draw(OPERATORS), draw(st.integers(-(10**9), 10**9))
        return f"{sign}{field}{op}{number}", NumberTerm(field=field, op=op, value=number, negated=negated)
    if field is Field.AGE:
        op, hours, seconds = (
            draw(OPERATORS.filter("=".__ne__)),
            draw(st.integers(0, 10**5)),
            draw(st.integers(0, 10**5)),
        )
        value = hours * 3600 + seconds
        return f"{sign}age{op}{hours}h{seconds}s", NumberTerm(field=field, op=op, value=value, negated=negated)
    if field is Field.DUE:
        later = draw(st.booleans())
        return f"{sign}due:{'later' if later else 'now'}", DueTerm(later=later, negated=negated)
    if field is Field.BLOCKED:
        blocked = draw(st.booleans())
        return f"{sign}blocked:{'yes' if blocked else 'no'}", BlockedTerm(blocked=blocked, negated=negated)
    if field is Field.STATE:
        states = draw(st.lists(st.sampled_from(list(State)), min_size=1, max_size=3))
        return f"{sign}state:{','.join(states)}", exact(field, *states, negated=negated)
    values = draw(st.lists(WORDS, min_size=1, max_size=3))
    kind = contains if field in (Field.TITLE, Field.ERROR, Field.TEXT) else exact
    return f"{sign}{field}:{','.join(map(quoted, values))}", kind(field, *values, negated=negated)


@settings(deadline=None, max_examples=300)
@given(st.lists(written_terms(), max_size=5), st.sampled_from([" ", "  ", "\t", "\n "]))
def test_a_query_that_is_written_out_is_read_back(written: list[tuple[str, Term]], between: str) -> None:
    assert terms(between.join(text for text, _ in written)) == tuple(term for _, term in written)


@pytest.mark.parametrize(
    "text",
    [
        "'x' * N",
        "'tag:' + 'a,' * N + 'b'",
        "'tag:' + '\"a\",' * N + 'b'",
        "'tag:\"' + '\\\\\"' * N",
        "'\"' * N",
        "'tag:\"' * N",
        "'-' * N",
        "'age>' + '1h' * N + 'x'",
        "'age>' + '1' * N",
        "'a:' * N",
        "'tag:a ' * N",
    ],
)
def test_a_huge_text_is_read_in_one_pass(text: str) -> None:
    """With anything that grows faster than the text, a million characters would take hours."""
    code = f"""
from taskdeck_store.query.parse import QueryError, parse
from taskdeck_store.query.complete import Vocabulary, complete
N = 300_000
text = {text}
try:
    parse(text, me="ann")
except QueryError:
    pass
complete(text, len(text), Vocabulary())
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
