"""Sleeping until a file of memories has changed: beside other work, so with a connection of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import apsw

from taskdeck_store.awaiting import CommitWait
from taskdeck_store.contract import StoreError
from taskdeck_store.minna.opening import Identity, connected, identity

_PATIENCE = 0.02

_Seen: TypeAlias = tuple[Identity | None, int | None]
"""Which file there is, and the number of what was last committed to it; None: it cannot be told."""


class Waiter(CommitWait):
    """Waits for commits. The first wait ends at once: what happened before it is not known."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._connection: apsw.Connection | None = None
        self._file: Identity | None = None
        self._told: _Seen | None = None

    def _is_new(self) -> bool:
        file = identity(self._path)
        number = self._number(file)
        if self._told == (file, number) or (number is None and self._told is not None and self._told[0] == file):
            return False
        self._told = (file, number)
        return True

    def _number(self, file: Identity | None) -> int | None:
        try:
            if self._connection is None or self._file != file:
                self._let_go()
                if file is None or not self._may_try(file):
                    return None
                self._connection, self._file = connected(self._path, patience=_PATIENCE), file
            return int(self._connection.pragma("data_version"))
        except (apsw.Error, StoreError):
            return None

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close(True)
            self._connection = None
