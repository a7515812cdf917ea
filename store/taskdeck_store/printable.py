"""Texts of unknown origin in the sentences of a store."""

from __future__ import annotations


def one_line(text: str, most: int | None = None) -> str:
    """Return a text as a terminal can show it on one line, cut off after `most` characters (None: never)."""
    kept = text if most is None or len(text) <= most else text[:most] + "…"
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in kept)
