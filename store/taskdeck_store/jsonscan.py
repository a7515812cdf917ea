"""Read a JSON text value by value, with the place of each: what a decoder of whole texts does not tell."""

from __future__ import annotations

import re
import sys
from json import JSONDecodeError, JSONDecoder
from typing import NoReturn

from msgspec import Struct

from taskdeck_store.jsonflaws import Flaw, flaw
from taskdeck_store.values import Json

_SPACE = re.compile(r"[ \t\n\r]*")
_TOKEN = re.compile(
    r'"(?:[^"\\]|\\.)*"|(?P<name>NaN|-?Infinity)|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)',
    re.DOTALL,
)


class Member(Struct, frozen=True):
    """A key of an object, and where in the text its key and its value begin and end."""

    key: str
    key_start: int
    key_end: int
    start: int
    end: int


class Scanner:
    """Stands at a position of a text and moves on over what it reads. Raises Flaw where the text is not JSON."""

    def __init__(self, text: str, position: int = 0) -> None:
        self.text = text
        self.position = position
        self._decode = JSONDecoder(parse_constant=_no_constant, parse_float=_finite).raw_decode

    def peek(self) -> str:
        """Pass white space; return the character that follows, or '' at the end of the text."""
        match = _SPACE.match(self.text, self.position)
        self.position = match.end() if match else self.position
        return self.text[self.position : self.position + 1]

    def take(self, choices: str) -> str:
        """Pass white space and one of these characters; return it."""
        found = self.peek()
        if not found or found not in choices:
            self.fail(f"{' or '.join(choices)} is expected here")
        self.position += 1
        return found

    def value(self) -> Json:
        """Pass white space and one value; return it."""
        if not self.peek():
            self.fail("a value is expected here")
        start = self.position
        try:
            value, self.position = self._decode(self.text, start)
        except JSONDecodeError as error:
            if error.pos >= len(self.text.rstrip()):
                raise flaw(self.text, error.pos, "the text ends here, in the middle of a value") from None
            raise flaw(
                self.text, error.pos, (error.msg[:1].lower() + error.msg[1:]).removesuffix(" starting at")
            ) from None
        except RecursionError:
            raise flaw(self.text, start, "the value that begins here is nested too deeply") from None
        except ValueError:
            raise _wrong_number(self.text, start) from None
        return value

    def member(self) -> str:
        """Pass white space, a key and the colon after it; return the key."""
        self.take('"')
        self.position -= 1
        key: str = self.value()
        self.take(":")
        self.peek()
        return key

    def fail(self, message: str) -> NoReturn:
        """Raise the flaw that lies here."""
        if self.position >= len(self.text):
            message = f"the text ends here, but {message.removesuffix(' here')}"
        raise flaw(self.text, self.position, message)


def members(text: str) -> list[Member]:
    """Return the members of the object that a text begins with, in their order."""
    scanner = Scanner(text)
    scanner.take("{")
    found: list[Member] = []
    if scanner.peek() == "}":
        return found
    while True:
        key_start = scanner.position
        key: str = scanner.value()
        key_end = scanner.position
        scanner.take(":")
        scanner.peek()
        start = scanner.position
        scanner.value()
        found.append(Member(key, key_start, key_end, start, scanner.position))
        if scanner.take(",}") == "}":
            return found
        scanner.peek()


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError(digits)
    return number


def _wrong_number(text: str, start: int) -> Flaw:
    limit = sys.get_int_max_str_digits()
    for token in _TOKEN.finditer(text, start):
        if token["name"]:
            return flaw(text, token.start(), f"{token['name']} is not JSON; write null or a number")
        digits = (token["number"] or "0").lstrip("-")
        if digits.isdigit() and len(digits) > limit > 0:
            return flaw(text, token.start(), f"a number has {len(digits):,} digits; at most {limit:,} can be read")
        if not digits.isdigit() and float(digits) == float("inf"):
            return flaw(text, token.start(), f"the number {digits[:40]} is too large")
    return flaw(text, start, "the value that begins here holds a number that cannot be read")
