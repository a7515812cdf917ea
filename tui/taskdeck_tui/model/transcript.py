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
            *ended, last = text.split("\n")
            for line in ended:
                self._go_on(voice, line)
                self._is_open = False
            if last:
                self._go_on(voice, last)
                self._is_open = True
            over = len(self._lines) - LINES
            if over > 0:
                del self._lines[:over]
                self._first += over

    def _go_on(self, voice: Voice, text: str) -> None:
        """Begin a line, or go on with the last; what a carriage return goes back over is gone, as on a terminal."""
        is_same = self._is_open and self._lines[-1].voice is voice
        text = self._lines.pop().text + text if is_same else text
        at = text.rstrip("\r").rfind("\r") + 1
        self._lines.append(Said(voice, text[at:][:WIDEST]))

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
