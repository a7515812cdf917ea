"""What of a text may reach a terminal."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdeck_tui.safe import safe, safe_json, safe_lines

EVERY_CHARACTER = "".join(map(chr, range(0x110000)))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("plain – Größe 漢字 ✓ 🎉", "plain – Größe 漢字 ✓ 🎉"),
        ("a\nb", "a b"),
        ("a\r\n\tb", "a b"),
        ("a\u2028b\x85c", "a b c"),
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("\x00\x07\x08\x7f", "␀␇␈␡"),
        ("\x9b31m", "\ufffd31m"),
        ("invoice\u202efdp.exe", "invoice\ufffdfdp.exe"),
        ("\u2066a\u2069\u061c\u200e\u200f", "\ufffda\ufffd\ufffd\ufffd\ufffd"),
        ("ad\u200bmin\ufeff", "ad\ufffdmin\ufffd"),
        ("\U000e0041", "\ufffd"),
        ("\ud800", "\ufffd"),
        ("👩\u200d👧", "👩👧"),
        ("❤\ufe0f", "❤"),
        ("👍\U0001f3fd", "👍"),
        ("co\u00adop", "coop"),
    ],
)
def test_a_text_is_shown_as(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_no_character_that_controls_hides_or_reorders_gets_through() -> None:
    shown = set(safe(EVERY_CHARACTER))
    assert not {c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert not {c for c in shown if unicodedata.bidirectional(c) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI")}
    assert not {c for c in shown if "VARIATION SELECTOR" in unicodedata.name(c, "")}


def test_every_other_character_stays_as_it_is() -> None:
    stays = ("L", "M", "N", "P", "S", "Zs", "Co")
    changed = [c for c in EVERY_CHARACTER if unicodedata.category(c).startswith(stays) and safe(c) != c]
    names = [unicodedata.name(character, "") for character in changed]
    assert [name for name in names if "VARIATION SELECTOR" not in name and "EMOJI MODIFIER" not in name] == []


def test_a_clean_text_is_the_very_same_object() -> None:
    for text in ("plain words", "Größe – 漢字"):
        assert safe(text) is text


@given(st.text())
def test_what_is_safe_stays_as_it_is(text: str) -> None:
    assert safe(safe(text)) == safe(text)


@given(st.text(st.characters()))
def test_any_text_becomes_one_line_that_can_be_encoded(text: str) -> None:
    shown = safe(text)
    shown.encode()
    assert len(shown.splitlines()) <= 1


def test_lines_are_kept_apart_and_each_is_safe() -> None:
    assert safe_lines("") == []
    assert safe_lines("a\r\nb\n\nc\x1b\n") == ["a", "b", "", "c␛"]
    assert safe_lines("\tx\ta") == ["    x   a"]


@given(st.text(st.characters()))
def test_safe_json_means_the_same(text: str) -> None:
    encoded = json.dumps([text], ensure_ascii=False)
    for only_ascii in (False, True):
        assert json.loads(safe_json(encoded, ascii_only=only_ascii)) == [text]


def test_safe_json_holds_nothing_that_controls_a_terminal() -> None:
    encoded = json.dumps([EVERY_CHARACTER], ensure_ascii=False, indent=2)
    left = {c for c in safe_json(encoded) if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert left <= set("\n\u00ad\u200c\u200d")
    assert safe_json(encoded, ascii_only=True).isascii()
