"""From the words of a command line to values: each function is what argparse calls a type."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError

from taskdeck_store.values import Json
from taskdeck_tui.safe import safe

_WHOLE = re.compile(r"-?[0-9]{1,18}")
_LIKE_AN_OPTION = re.compile(r"-(?:[^-0-9]|[0-9]+[A-Za-z])")
_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,6})?")
_PORT = re.compile(r"[0-9]{1,5}")
_PORTS = 65_535
_YEAR = 365 * 86_400
_SHIELD = "\0"


def text(word: str) -> str:
    """Return a word that is text. A word that is no UTF-8 reaches Python with lone surrogates."""
    try:
        word.encode()
    except UnicodeEncodeError:
        raise ArgumentTypeError(f"{_cut(word)} is not UTF-8 text") from None
    return word


def whole(word: str) -> int:
    """Return a whole number."""
    if not _WHOLE.fullmatch(word):
        raise ArgumentTypeError(f"a whole number is needed, not {_cut(word)}")
    return int(word)


def count(word: str) -> int:
    """Return a whole number from 0 up."""
    number = whole(word)
    if number < 0:
        raise ArgumentTypeError(f"a number from 0 up is needed, not {number}")
    return number


def number(word: str) -> int:
    """Return a whole number from 1 up."""
    found = whole(word)
    if found < 1:
        raise ArgumentTypeError(f"a number from 1 up is needed, not {found}")
    return found


def seconds(word: str) -> float:
    """Return a length of time above zero, up to a year."""
    if not _SECONDS.fullmatch(word) or not 0 < float(word) <= _YEAR:
        raise ArgumentTypeError(f"a number of seconds is needed, above 0 and up to a year, not {_cut(word)}")
    return float(word)


def pause(word: str) -> float:
    """Return a length of time from zero up to a year."""
    if not _SECONDS.fullmatch(word) or float(word) > _YEAR:
        raise ArgumentTypeError(f"a number of seconds is needed, from 0 up to a year, not {_cut(word)}")
    return float(word)


def place(word: str) -> tuple[str, int]:
    """Return a host and a port of ``HOST:PORT``; an IPv6 address stands in brackets."""
    host, _, port = word.rpartition(":")
    if not host or not _PORT.fullmatch(port) or int(port) > _PORTS:
        raise ArgumentTypeError(f"HOST:PORT is needed, as in 127.0.0.1:9464, not {_cut(word)}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def json_value(word: str) -> Json:
    """Return the value of a JSON text."""
    from taskdeck_store import jsontext

    try:
        return jsontext.decode(text(word))
    except ValueError as error:
        raise ArgumentTypeError(f"{_cut(word)} is not JSON: {error}") from None


def shielded(words: list[str]) -> list[str]:
    """Return words in which a negated term (``-tag:x``) or a moment (``-2h``) looks like no option to argparse."""
    return [_SHIELD + word if _LIKE_AN_OPTION.match(word) and word != "-h" else word for word in words]


def term(word: str) -> str:
    """Return a word of a query or of a moment, its shield taken off."""
    return text(word.removeprefix(_SHIELD))


def _cut(word: str) -> str:
    return f"'{safe(word if len(word) <= 40 else word[:39] + '…')}'"
