"""What is said while a task is stepped, line by line, as it comes: the newest of it, and bounded."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

LINES = 2_000
"""Lines that are kept."""
WIDEST = 4_000
"""Characters of a line that are kept."""


class Voice(StrEnum):
    """Who says a line: a part that begins, the handlers in one of three ways, or an error that ended the part."""

    HEAD = "head"
    OUT = "stdout"
    ERR = "stderr"
    LOG = "log"
    ERROR = "error"


class Said(Struct, frozen=True):
    """A line. The last one may still go on."""

    voice: Voice
    text: str


class Transcript:
    """The lines of one task, numbered from 0. Any thread may add and ask."""

    def __init__(self) -> None:
        self._first = 0
        self._lines: list[Said] = []
        self._is_open = False
        self._adding = threading.Lock()

    def add(self, voice: Voice, text: str) -> None:
        """Add what is said next; what does not end a line is gone on with."""
        with self._adding:
            for piece in text.splitlines(keepends=True):
                whole = piece.rstrip("\r\n")
                if self._is_open and self._lines[-1].voice is voice:
                    self._lines[-1] = Said(voice, (self._lines[-1].text + whole)[:WIDEST])
                else:
                    self._lines.append(Said(voice, whole[:WIDEST]))
                self._is_open = piece == whole
            over = len(self._lines) - LINES
            if over > 0:
                del self._lines[:over]
                self._first += over

    def since(self, number: int) -> tuple[int, Sequence[Said]]:
        """Return the lines from a number on, as far as they are kept, and the number of the first of them."""
        with self._adding:
            first = max(number, self._first)
            return first, self._lines[first - self._first :]

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said yet."""
        return not self._lines

    @property
    def first(self) -> int:
        """The number of the first line that is kept."""
        return self._first
