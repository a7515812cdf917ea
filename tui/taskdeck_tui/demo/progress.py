"""What is being made and how far it is: one line on stderr that is written over and over, and gone in the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TextIO, TypeAlias

Tell: TypeAlias = Callable[[str], None]

_AT_ONCE = 0.3
"""Seconds for which nothing is said: what takes no longer needs no word."""


@contextmanager
def told() -> Iterator[Tell]:
    """Give what takes a line to show; it is shown on a terminal alone, and cleared when the body of a `with` ends."""
    stream = sys.stderr
    if stream is None or not stream.isatty():
        yield lambda _: None
        return
    begun = monotonic()

    def tell(text: str) -> None:
        if monotonic() - begun > _AT_ONCE:
            _write(stream, text)

    try:
        yield tell
    finally:
        _write(stream, "")


def _write(stream: TextIO, text: str) -> None:
    """Write over the line; not with escape sequences, which not every terminal knows."""
    with suppress(OSError):
        room = max((os.get_terminal_size(stream.fileno()).columns or 80) - 1, 0)
        stream.write(f"\r{text[:room]:<{room}}\r")
        stream.flush()
