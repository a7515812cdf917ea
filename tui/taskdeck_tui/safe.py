"""What of a text may reach a terminal: nothing that moves the cursor, hides, reorders, or breaks a column's width.

Task fields are written by programs and strangers. Every text from a store goes through here before it is shown.
"""

from __future__ import annotations

import re

_BREAKS = "\t\n\x0b\x0c\r\x85\u2028\u2029"
"""White space that would end a line or jump a column: shown as one space, however many."""

_SILENT = "\u00ad\u180b-\u180d\u180f\u200c\u200d\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0100-\U000e01ef"
"""Soft hyphen, joiners, variation selectors, emoji skin tones: common in honest text, without a meaning of their own,
and each terminal gives a sequence with them another width. Left out."""

_LOUD = (
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"  # controls (C0, DEL, C1)
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidi controls
    "\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb"  # format
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f"
    "\ud800-\udfff\ufffe\uffff"  # lone surrogates and non-characters: no encoder or XML writer takes them
)
"""What may fool a reader or a terminal: shown, so that two texts that differ look different."""

_UNSAFE = re.compile(f"[{_BREAKS}{_SILENT}{_LOUD}]")

# Compiled where they are first needed, and kept by `re`: a plain command starts without them.
_EACH_UNSAFE = f"([{_BREAKS}]+)|([{_SILENT}])|[{_LOUD}]"
_JSON_UNSAFE = f"[\x0b\x0c\x85\u2028\u2029{_LOUD}]"
_BEYOND_ASCII = "[^\t-~]"

_TOLD = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_].*?(?:\x07|\x1b\\)|[ -/]*[0-~])"
"""What a terminal is told by a program: CSI sequences, strings for it, and the short ones."""

_REPLACEMENT = "\ufffd"
_TAB_WIDTH = 4


def safe(text: str) -> str:
    """Return a text fit for one line of a terminal; the same object when it is fit already.

    Line breaks and tabs become one space, C0 controls and DEL their Control Pictures (U+2400…), joiners and variation
    selectors go, and every other control, bidi, format character or lone surrogate becomes U+FFFD.
    """
    if (text.isascii() and text.isprintable()) or not _UNSAFE.search(text):
        return text
    return re.sub(_EACH_UNSAFE, _shown, text)


def safe_lines(text: str) -> list[str]:
    """Return a text's lines, each fit for a terminal, tabs set out to every fourth column; none for no text."""
    return [safe(line.expandtabs(_TAB_WIDTH)) for line in text.splitlines()]


def printed(line: str) -> str:
    """Return a line that a program printed as a terminal would leave it, and fit for one.

    Colours and what else a terminal is told go; of what was written over itself, the last is shown.
    """
    plain = re.sub(_TOLD, "", line) if "\x1b" in line else line
    return safe(plain.rstrip("\r").rpartition("\r")[2].expandtabs(_TAB_WIDTH))


def safe_json(text: str, *, ascii_only: bool = False) -> str:
    r"""Return a JSON text of the same meaning in which what is unfit for a terminal is a ``\uXXXX`` escape.

    With `ascii_only`, so is all that is not ASCII.
    """
    return re.sub(_BEYOND_ASCII if ascii_only else _JSON_UNSAFE, _escaped, text)


def _shown(match: re.Match[str]) -> str:
    breaks, silent = match.groups()
    if breaks or silent:
        return " " if breaks else ""
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else _REPLACEMENT


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
