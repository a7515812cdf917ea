"""The one asyncio loop of this process, in a thread of its own, on which all connections live."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

_Found = TypeVar("_Found")

_guard = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None

_LOGGERS = ("mcp", "client", "httpx2", "httpcore2", "httpx", "httpcore")
"""Where the SDK logs what a server does wrong; unheard, Python would print it on the terminal that the board uses."""


def run(work: Coroutine[Any, Any, _Found]) -> Future[_Found]:
    """Start a coroutine on the loop."""
    return asyncio.run_coroutine_threadsafe(work, _running())


def _running() -> asyncio.AbstractEventLoop:
    global _loop
    with _guard:
        if _loop is None:
            for name in _LOGGERS:
                logging.getLogger(name).addHandler(logging.NullHandler())
            _loop = asyncio.new_event_loop()
            _loop.set_exception_handler(lambda loop, context: None)
            threading.Thread(target=_loop.run_forever, name="taskdeck-mcp", daemon=True).start()
        return _loop


def _forget() -> None:
    """Have a child by fork make a loop of its own: it has no thread of its parent, and would wait for it."""
    global _guard, _loop
    _guard, _loop = threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
