"""Texts and bytes that mean harm, how many of them a test draws, and what may not reach a terminal."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

_Test = TypeVar("_Test", bound=Callable[..., object])

TIMES = "TASKDECK_FUZZ_TIMES"
"""The variable that says how many times as many examples are drawn, and others in each run."""

_PIECES = [
    *(
        "\x1b[2J",
        "\x1b]0;owned\x07",
        "\x1b]8;;http://x\x1b\\",
        "\x9b31m",
        "\x9d0;x\x9c",
        "\x1bP1$r\x1b\\",
        "\x00",
        "\x7f",
    ),
    *("\u202e", "\u2066", "\u2069", "\u061c", "\u200e", "\u200b", "\u200d", "\ufeff", "\u2028", "\u2029", "\x85"),
    *("[red]", "[/]", "[/foo]", "[@click=app.quit]x[/]", "[[", "\\[", "]", "{x}", "%s", "$x", "&amp;"),
    *("\n", "\r", "\r\n", "\t", "\x0b", " ", "漢字", "👩‍👧", "e\u0301\u0301\u0301", "❤\ufe0f", "\U000e0041", "\ufffd"),
    *("a", "word", "x" * 300, "漢" * 90, "'; DROP TABLE tasks; --", '"', "\\", "\ud800", "\udfff", "\ufffe", "\ufff9"),
]

TEXTS = st.lists(st.sampled_from(_PIECES) | st.text(st.characters(), max_size=4), max_size=5).map("".join)
"""Texts with what moves a cursor, turns the direction, hides, marks up, breaks lines, or is wide or long."""

WHOLE_TEXTS = TEXTS.map(lambda text: text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
"""The same without half a surrogate."""


def examples(count: int, *, shrink: bool = True) -> Callable[[_Test], _Test]:
    """Have a test draw so many examples, or many times as many when the environment says so.

    Without `shrink`, for what takes long, the first failure is told as it was drawn.
    """
    wanted = count * int(os.environ.get(TIMES, "1"))
    phases = [phase for phase in Phase if phase is not Phase.explain and (shrink or phase is not Phase.shrink)]
    return settings(max_examples=wanted, deadline=None, phases=phases, suppress_health_check=list(HealthCheck))


def is_dangerous(character: str) -> bool:
    """Tell whether a character moves the cursor, hides or turns text, is no text, or breaks a line."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def dangerous(text: str, allowed: str = "") -> set[str]:
    """Return what of a text may not reach a terminal."""
    return {character for character in set(text) if is_dangerous(character) and character not in allowed}


def mutated(raw: bytes, pieces: tuple[bytes, ...] = ()) -> st.SearchStrategy[bytes]:
    """Draw what can become of a file by one or a few accidents: cut, spliced, doubled, zeroed, other bytes in it."""
    if not raw:
        return st.sampled_from([raw, *pieces])
    places = st.integers(0, len(raw))
    replaced = st.builds(lambda at, byte: raw[:at] + bytes([byte]) + raw[at + 1 :], places, st.integers(0, 255))
    flipped = st.builds(
        lambda at, bit: raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :],
        st.integers(0, len(raw) - 1),
        st.integers(0, 7),
    )
    cut = places.map(lambda at: raw[:at])
    spliced = st.builds(lambda one, other: raw[:one] + raw[other:], places, places)
    zeroed = st.builds(
        lambda at, count: raw[:at] + bytes(min(count, len(raw) - at)) + raw[at + count :], places, st.integers(1, 700)
    )
    grown = st.builds(
        lambda at, piece: raw[:at] + piece + raw[at:],
        places,
        st.sampled_from(pieces or (b"\n", b"\0")) | st.binary(max_size=4),
    )
    return st.one_of(replaced, flipped, cut, spliced, zeroed, grown)
