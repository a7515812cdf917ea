"""What may come next in a filter that is being typed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from taskdeck_store.query.parse import BLOCKED, DUE, ME, NONE, NUMBERS, OPTIONAL, quoted
from taskdeck_store.query.terms import Field
from taskdeck_store.values import State


class Vocabulary(Struct, frozen=True, kw_only=True):
    """The values that tasks of the store have at present, in the order to offer them."""

    tags: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()


class Suggestion(Struct, frozen=True, kw_only=True):
    """A text to put in place of the characters from `start` up to `end`, and what it means, for people."""

    text: str
    start: int
    end: int
    hint: str


_HINTS: Mapping[Field, str] = {
    Field.STATE: "where it stands",
    Field.TAG: "has this tag",
    Field.OWNER: "whose it is",
    Field.ID: "this id; abc* begins with abc",
    Field.TITLE: "title contains",
    Field.ERROR: "error contains",
    Field.TEXT: "id, title, description or error contains",
    Field.ATTEMPTS: "times back in the queue",
    Field.PRIORITY: "lower runs first",
    Field.AGE: "time in its state",
    Field.DUE: "may start now, or later",
    Field.BLOCKED: "waits for other tasks, or not",
    Field.DEPENDS: "depends on this task",
}
_OPERATORS = {">": "more than", ">=": "at least", "<": "less than", "<=": "at most", "=": "exactly"}
_AGES = {"5m": "five minutes", "1h": "an hour", "1d": "a day", "1w": "a week"}

_CHOICE = r'(?:"(?:[^"\\]|\\.)*(?:"\*?|\\?\Z)|[^\s,"][^\s,]*)'
_TERM = re.compile(
    rf"""
    -?(?:
        (?P<field>[A-Za-z_]+)(?P<op>:|<=|>=|<|>|=)(?:{_CHOICE}?,)*(?P<value>{_CHOICE}?)
      | (?P<word>"(?:[^"\\]|\\.)*(?:"|\\?\Z)|\S*)
    )""",
    re.VERBOSE | re.DOTALL,
)


def complete(text: str, cursor: int, vocabulary: Vocabulary) -> list[Suggestion]:
    """Return what may be put in at a cursor (0 to the length of the text), likeliest first.

    Nothing is offered within a word, nor what is there already.
    """
    following = text[cursor : cursor + 1]
    if following and not following.isspace():
        return []
    term = _last_term(text[:cursor])
    name = (term["field"] or "").lower()
    if not term["field"]:
        start = term.start("word")
        found = _words(term["word"])
    elif name in list(Field):
        start = term.start("value")
        found = _values(Field(name), term["op"], term["value"], vocabulary)
    else:
        return []
    there = text[start:cursor]
    return [Suggestion(text=new, start=start, end=cursor, hint=hint) for new, hint in found if new != there]


def _last_term(text: str) -> re.Match[str]:
    at = 0
    while True:
        while text[at : at + 1].isspace():
            at += 1
        term = _TERM.match(text, at)
        assert term is not None
        if term.end() == len(text):
            return term
        # Something after a closing quote is no filter; go on behind it, as the next term.
        at = max(term.end(), at + 1)


def _words(begun: str) -> Iterator[tuple[str, str]]:
    for field in Field:
        if not field.startswith(begun.lower()):
            continue
        if field not in NUMBERS:
            yield f"{field}:", _HINTS[field]
        elif field == begun.lower():
            yield from ((f"{field}{op}", f"{_HINTS[field]}: {hint}") for op, hint in _operators(field))
        else:
            yield f"{field}{'<' if field is Field.PRIORITY else '>'}", _HINTS[field]


def _operators(field: Field) -> list[tuple[str, str]]:
    return [(op, hint) for op, hint in _OPERATORS.items() if not (op == "=" and field is Field.AGE)]


def _values(field: Field, op: str, begun: str, vocabulary: Vocabulary) -> Iterator[tuple[str, str]]:
    if field is Field.AGE and op not in ":=":
        yield from ((age, hint) for age, hint in _AGES.items() if age.startswith(begun))
    if field in NUMBERS or op not in ":=":
        return
    for value, hint in _known(field, vocabulary):
        if _begins(value, begun):
            yield value, hint


def _known(field: Field, vocabulary: Vocabulary) -> Iterable[tuple[str, str]]:
    if field is Field.STATE:
        yield from ((state.value, "a state") for state in State)
    if field is Field.OWNER:
        yield ME, "the actor you are"
        yield from ((quoted(owner), "an owner") for owner in vocabulary.owners)
    if field is Field.TAG:
        yield from ((quoted(tag), "a tag") for tag in vocabulary.tags)
    if field is Field.DUE:
        yield from zip(DUE, ("may be started by now", "waits for its time"), strict=True)
    if field is Field.BLOCKED:
        yield from zip(BLOCKED, ("waits for other tasks", "waits for none"), strict=True)
    if field in OPTIONAL:
        yield NONE, f"has no {field}"


def _begins(value: str, begun: str) -> bool:
    bare = begun.casefold().lstrip('"')
    return value.casefold().lstrip('"').startswith(bare)
