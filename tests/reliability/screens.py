"""Every frame that a board has shown on a terminal, as the tasks that it showed, and where."""

from __future__ import annotations

import re
from typing import TypeAlias

import pyte

from taskdeck_store import State

COLUMNS, LINES = 130, 46
"""A size at which twelve cards with their titles and ids fit into each column."""

CAN_SHOW_AT_ONCE = "\x1b[?2026;2$y"
"""What a terminal answers that can show a frame in one go; the board then marks where each begins and ends."""

Shown: TypeAlias = frozenset[tuple[str, str, str]]
"""Id, state and title of all tasks."""

_END = b"\x1b[?2026l"
_HEADER, _CARD, _FOOTER = 3, 3, 3


class Frames:
    """The frames in what a board has painted; those without cards are left out."""

    def __init__(self) -> None:
        self.seen: list[Shown] = []
        self._screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self._screen)
        self._taken = 0

    def take(self, painted: bytes) -> None:
        """Take in all that was painted so far."""
        *whole, rest = painted[self._taken :].split(_END)
        self._taken = len(painted) - len(rest)
        for frame in whole:
            self._stream.feed(frame)
            shown = _shown(self._screen.display)
            if shown and self.seen[-1:] != [shown]:
                self.seen.append(shown)


def _shown(rows: list[str]) -> Shown:
    width = COLUMNS // len(State)
    found = set()
    for top in range(_HEADER, LINES - _FOOTER - 1, _CARD):
        for number, state in enumerate(State):
            title, below = (row[number * width : (number + 1) * width].strip("▎┃ ") for row in rows[top : top + 2])
            task_id = re.match(r"t-\d+", below)
            if task_id:
                found.add((task_id[0], state.value, title))
    return frozenset(found)
