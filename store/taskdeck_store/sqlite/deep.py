"""JSON that lies in itself deeper than a value may: SQLite takes it from other programs, Python may not be able to.

How deep Python can go depends on who asks; what is told of a store must not. Such JSON is told as the text that it is,
without white space between its tokens: so a task and its event, which SQLite spells anew, say the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from taskdeck_store.jsontext import NESTING

# Compiled where it is first needed, and kept by `re`: a plain command starts without it.
_TOKEN = r'(?s)"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+'


def is_deep(text: str, levels: int = NESTING) -> bool:
    """Tell whether lists and objects lie in each other more than so many levels deep."""
    if text.count("[") + text.count("{") <= levels:
        return False
    return any(depth > levels for depth, _ in _tokens(text))


def told(text: str) -> str:
    """Return how deep JSON is told."""
    return "".join(re.findall(_TOKEN, text))


def pairs(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the keys of an object of lists, as JSON, and the JSON of what stands in each list."""
    key, values = "", [""]
    for depth, token in _tokens(text):
        if depth == 1 and token not in ",:]}":
            key = token
        elif depth == 1 and token == "]":
            yield key, values
            values = [""]
        elif depth == 2 and token == ",":
            values.append("")
        elif depth > 2 or (depth == 2 and token != "["):
            values[-1] += token


def _tokens(text: str) -> Iterator[tuple[int, str]]:
    """Yield each token, and how deep it lies: an opening bracket in what it opens, a closing one outside of it."""
    depth = 0
    for found in re.finditer(_TOKEN, text):
        token = found[0]
        depth += (token in "[{") - (token in "]}")
        yield depth, token
