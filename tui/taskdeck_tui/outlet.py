"""Where other threads hand something to the screen, as long as there is one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias

Run: TypeAlias = Callable[[], None]


class Outlet:
    """Takes what is to be run in the thread of the screen. It is shut until a screen opens it, and after it is gone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._send: Callable[[Run], object] | None = None

    def open(self, send: Callable[[Run], object]) -> None:
        """Hand what comes to a screen; `send` is called in other threads."""
        with self._lock:
            self._send = send

    def shut(self) -> None:
        """Hand nothing on any more."""
        with self._lock:
            self._send = None

    def hand(self, run: Run) -> bool:
        """Have something run in the thread of the screen; False when there is none."""
        with self._lock:
            if self._send is None:
                return False
            self._send(run)
            return True

    def guarded(self, work: Run) -> Run:
        """Return work that hands what it raises to the screen, so that no thread dies in silence."""

        def guarded() -> None:
            try:
                work()
            except Exception as error:
                failure = error

                def fail() -> None:
                    raise failure

                if not self.hand(fail):
                    raise

        return guarded
