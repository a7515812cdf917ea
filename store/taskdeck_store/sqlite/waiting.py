"""Sleeping until a SQLite store has changed: beside its other work, so with a connection of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from taskdeck_store.awaiting import CommitWait
from taskdeck_store.contract import StoreError
from taskdeck_store.sqlite.faults import explained
from taskdeck_store.sqlite.opening import Opened, mark, sight

_PATIENCE = 0.05

_Sight: TypeAlias = tuple[tuple[int, int] | None, tuple[str, int] | None]
"""Which file is there (None: none), and which store in it, with the seq of its last event (None: it cannot be read)."""


class Waiter(CommitWait):
    """Waits for changes that its owner has not read yet.

    `file` is the identity of the file its owner opened, `read` tells which store the owner has read in it, up to which
    seq.
    """

    def __init__(self, path: Path, file: tuple[int, int], read: Callable[[], tuple[str, int]]) -> None:
        super().__init__(path)
        self._read = read
        self._opened: Opened | None = None
        self._told: _Sight = (file, read())

    def _is_new(self) -> bool:
        file, found = _identity(self._path), self._found()
        told_file, told = self._told
        if found is None or told is None:
            is_new = file != told_file or found is not told
        else:
            read = self._read()
            is_read = found[0] == read[0] and told[1] < found[1] <= read[1]
            is_new = file != told_file or (found != told and not is_read)
        if is_new:
            self._told = (file, found)
        return is_new

    def _found(self) -> tuple[str, int] | None:
        try:
            if self._opened is not None and not self._opened.is_current():
                self._let_go()
            if self._opened is None:
                if not self._may_try(mark(self._path)):
                    return None
                self._opened = Opened(self._path, patience=_PATIENCE, migrates=False)
            with explained(self._path, "read"):
                return sight(self._opened.connection)
        except StoreError:
            return None

    def _let_go(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None


def _identity(path: Path) -> tuple[int, int] | None:
    found = mark(path)
    return None if found is None else found[:2]
