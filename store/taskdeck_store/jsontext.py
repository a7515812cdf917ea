"""JSON values to text and back, strict where the standard is and lossless where a common decoder is not."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from taskdeck_store.values import Json

if TYPE_CHECKING:
    from json import JSONEncoder

_SCALARS = frozenset((str, int, float, bool, type(None)))

NESTING = 200
"""How deep lists and objects may lie in each other in what is read. A decoder gives up somewhere below, sooner in a
deeper call; what is told of a store must not depend on that."""


def decode(text: str | bytes) -> Json:
    """Return the value of a JSON text. Lone surrogates and numbers of any length are kept.

    Raises ValueError, naming line and column where the text says, for anything that is not JSON: NaN, infinities
    and numbers that overflow to one included.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decode_slowly(text)


def encode(value: Json) -> str:
    """Return the compact JSON text of a value.

    Raises ValueError when the value holds what JSON cannot say (NaN, an infinity, an object that is no JSON value).
    """
    try:
        text = _encoder().encode(value)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"not a JSON value: {error}") from error
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        import json

        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text


def plain(value: Json) -> Json:
    """Return a value as a reader of its JSON text will see it: a list for a tuple, a text for every key.

    Raises ValueError as `encode` does.
    """
    try:
        read_back: Json = msgspec.json.decode(msgspec.json.encode(value))
        # What it encodes in its own way, NaN above all, reads back as something else.
        if read_back == value:
            return read_back
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError):
        pass
    return decode(encode(value))


def written(value: Json) -> str:
    """Return the compact JSON text of a value that was read from JSON, some ten times as fast as `encode`."""
    try:
        return msgspec.json.encode(value).decode()
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError):
        return encode(value)


def texts(values: Json) -> tuple[str, ...]:
    """Return the texts of a list; what is no text in it, or no list at all, as JSON."""
    every = values if isinstance(values, list | tuple) else [values]
    return tuple(one if isinstance(one, str) else encode(one) for one in every)


def depth(value: Json) -> int:
    """Return how deep lists and objects lie in each other; what lies below `NESTING` is not counted."""
    level, levels = [value], 1
    while levels <= NESTING:
        inside = [
            outer.values() if isinstance(outer, dict) else outer
            for outer in level
            if isinstance(outer, dict | list | tuple) and outer
        ]
        if not inside:
            break
        level = [inner for values in inside for inner in values if inner.__class__ not in _SCALARS]
        levels += 1
    return levels


@cache
def _encoder() -> JSONEncoder:
    from json import JSONEncoder

    return JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _decode_slowly(text: str | bytes) -> Json:
    import json

    def refuse(name: str) -> Json:
        raise ValueError(f"{name} is not JSON; write null or a number")

    def finite(digits: str) -> float:
        number = float(digits)
        if math.isinf(number):
            raise ValueError(f"the number {digits[:40]} is too large")
        return number

    try:
        return json.loads(text, parse_constant=refuse, parse_float=finite)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
