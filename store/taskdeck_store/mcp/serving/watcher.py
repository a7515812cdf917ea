"""The thread that notices what is committed to the served store, by whomever, and says what it touched."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from taskdeck_store.contract import Change, Store, StoreError
from taskdeck_store.mcp.serving.desk import Opens
from taskdeck_store.mcp.serving.others import waiting
from taskdeck_store.mcp.serving.places import Touched, touched

_WAIT = 5.0
_AGAIN = 0.25
"""Seconds between two looks at a store that cannot be read."""
_GRACE = 1.0


class Watcher:
    """Follows a store with a handle of its own, and tells what was touched, in its own thread.

    While the store cannot be read nothing is told but that once; when it can be again, that anything may have changed.
    """

    def __init__(self, opens: Opens, tell: Callable[[Touched], None]) -> None:
        self._opens = opens
        self._tell = tell
        self._stop = threading.Event()
        self.begun = threading.Event()
        """Set once a change that comes from now on is told."""
        self._thread = threading.Thread(target=self._follow, name="taskdeck-mcp-watcher", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def close(self) -> None:
        """Follow no longer."""
        self._stop.set()
        self._thread.join(_GRACE)

    def _follow(self) -> None:
        was_troubled = False
        store: Store | None = None
        cursor: str | None = None
        while not self._stop.is_set():
            try:
                if store is None:
                    store = self._opens()
                found = store.changes(cursor)
                if was_troubled or (cursor is not None and not found.complete):
                    self._tell(Touched(all=True))
                elif found.changes:
                    self._tell(touched(found.changes))
                    self._tell_of_others(store, found.changes)
                cursor, was_troubled = found.cursor, False
                self.begun.set()
                store.wait(_WAIT, self._stop)
            except StoreError:
                if not was_troubled:
                    self._tell(Touched(all=True))
                was_troubled = True
                # Whoever reads now is told of the trouble; its end will be told.
                self.begun.set()
                self._stop.wait(_AGAIN)
        if store is not None:
            with suppress(StoreError):
                store.close()

    def _tell_of_others(self, store: Store, changes: Sequence[Change]) -> None:
        found = waiting(store, changes)
        if found is None:
            self._tell(Touched(all=True))
        elif found:
            self._tell(Touched(frozenset(task.id for task in found), frozenset(task.state for task in found)))
