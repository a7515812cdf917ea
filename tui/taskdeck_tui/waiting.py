"""A word on stderr when something that comes before the screen takes long."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from taskdeck_tui.safe import safe

_LONG = 0.7
"""Seconds that nobody wonders about."""


@contextmanager
def told_if_slow(what: str, after: float = _LONG) -> Iterator[None]:
    """Say what is waited for, when the body of the `with` takes longer than some seconds."""
    timer = threading.Timer(after, lambda: print(f"taskdeck: {safe(what)} … (ctrl+c leaves)", file=sys.stderr))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        # Else it might speak into the screen.
        timer.join()
