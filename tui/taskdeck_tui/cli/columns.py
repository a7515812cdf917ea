"""Texts in columns of a terminal: how wide a text is there, filled up or cut to a width."""

from __future__ import annotations

import unicodedata

_WIDE = ("W", "F")
_NO_WIDTH = ("Mn", "Me")
_JOINING_JAMO = (range(0x1160, 0x1200), range(0xD7B0, 0xD800))


def width(text: str) -> int:
    """Return how many terminal columns a text takes that has gone through `taskdeck_tui.safe.safe`."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def fill(text: str, columns: int) -> str:
    """Return a text with spaces up to a width; one that is wider stays as it is."""
    return text + " " * (columns - width(text))


def cut(text: str, columns: int) -> str:
    """Return a text of at most so many columns, its lost end told by ``…``."""
    if columns <= 0:
        return ""
    taken = kept = 0
    for at, character in enumerate(text):
        taken += _columns(character)
        if taken > columns:
            return text[:kept] + "…"
        if taken < columns:
            kept = at + 1
    return text


def _columns(character: str) -> int:
    if character.isascii():
        return 1
    if unicodedata.east_asian_width(character) in _WIDE:
        return 2
    if unicodedata.category(character) in _NO_WIDTH or any(ord(character) in jamo for jamo in _JOINING_JAMO):
        return 0
    return 1
