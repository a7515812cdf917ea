"""A thread with a handle of the served store: what clients ask is done there, a request at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import TypeAlias, TypeVar

from taskdeck_store.contract import Store, StoreError

Opens: TypeAlias = Callable[[], Store]
"""Opens the served store, for the thread that calls it. Raises StoreError."""

_T = TypeVar("_T")
_GRACE = 2.0
"""Seconds for which the end of a commit that is under way is waited for. It is whole, or not there, in any case."""


class Desk:
    """Does what is asked of a store in a thread of its own, in order.

    A store that cannot be opened is tried again with the next request.
    """

    def __init__(self, opens: Opens) -> None:
        self._opens = opens
        self._asked: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._store: Store | None = None
        # A thread that hangs on a disk must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name="taskdeck-mcp-desk", daemon=True)
        self._thread.start()

    async def ask(self, question: Callable[[Store], _T]) -> _T:
        """Have a question put to the store, and return its answer. What is cancelled before its turn is not done."""
        answer: Future[_T] = Future()

        def do() -> None:
            if not answer.set_running_or_notify_cancel():
                return
            try:
                found = question(self._opened())
            except BaseException as error:
                answer.set_exception(error)
            else:
                answer.set_result(found)

        self._asked.put(do)
        return await asyncio.wrap_future(answer)

    def close(self) -> None:
        """Let go of the store once what is under way is done."""
        self._asked.put(None)
        self._thread.join(_GRACE)

    def _opened(self) -> Store:
        if self._store is None:
            self._store = self._opens()
        return self._store

    def _work(self) -> None:
        while (do := self._asked.get()) is not None:
            do()
        if self._store is not None:
            with suppress(StoreError):
                self._store.close()
