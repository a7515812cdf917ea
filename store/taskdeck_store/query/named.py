"""Words that stand beside those of a filter, ``action:reject``: what looks for events has some that no task has."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from taskdeck_store.query.parse import QueryError, parse
from taskdeck_store.query.terms import Field, NumberTerm, Query

_EXAMPLES = {"task": "task:t-1", "actor": "actor:ann", "action": "action:reject"}


def parse_named(text: str, names: Collection[str], *, me: str) -> tuple[Mapping[str, frozenset[str]], Query]:
    """Return what a text has under names beside a filter's fields (``task``, ``actor``, ``action``), and its filter.

    ``task:`` takes whole ids. What is quoted is the filter's. `me` is whom ``me`` means.

    Raises QueryError, and nothing else, for a text that is nothing of that.
    """
    words = re.compile(rf'"(?:[^"\\]|\\.)*"|(?<!\S)({"|".join(names)}):(\S*)')
    found: dict[str, set[str]] = {name: set() for name in names}
    for word in words.finditer(text):
        if word[1] is None:
            continue
        given = word[2].split(",")
        if not all(given):
            raise QueryError(f"{word[1]}: needs a name, as in {_EXAMPLES[word[1]]}", word.start())
        found[word[1]].update(me if word[1] == "actor" and name == "me" else name for name in given)
    rest = words.sub(lambda word: word[0] if word[1] is None else " " * len(word[0]), text)
    return {name: frozenset(values) for name, values in found.items()}, parse(rest, me=me)


def examples(names: Collection[str]) -> str:
    """Return such a word for each name."""
    return " ".join(_EXAMPLES[name] for name in names)


def asks_age(query: Query) -> bool:
    """Tell whether a filter asks how long a task is in its state."""
    return any(isinstance(term, NumberTerm) and term.field is Field.AGE for term in query.terms)
