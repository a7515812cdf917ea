"""Signals that end a command: it first takes back what it has half done, and then dies of the signal all the same."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NAMES = ("SIGTERM", "SIGHUP")
_AGAIN = 2.0
"""Seconds."""


class Terminated(KeyboardInterrupt):
    """A signal that ends the command has come."""


class Terminations:
    """The signals that came: what waits for a file to change tells any of them as an interrupt of its own."""

    def __init__(self) -> None:
        self._came: int | None = None

    def take(self, number: int, _: FrameType | None) -> None:
        """Note a signal, and end what runs. Raises Terminated."""
        self._came = self._came or number
        # What runs may be where exceptions are lost, such as a destructor: then another one is due.
        signal.signal(signal.SIGALRM, self.take)
        signal.setitimer(signal.ITIMER_REAL, _AGAIN)
        raise Terminated

    def die(self) -> None:
        """End this process as the signal that came would have, so that who sent it sees that; if one came."""
        if self._came is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(self._came, signal.SIG_DFL)
            os.kill(os.getpid(), self._came)


@contextmanager
def terminations() -> Iterator[Terminations]:
    """Raise Terminated in the body where one of the signals comes that end a program, unless it is ignored."""
    came = Terminations()
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    numbers = [getattr(signal, name) for name in _NAMES] if hasattr(signal, "setitimer") else []
    taken = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, came.take)
    try:
        yield came
    finally:
        for number in taken:
            if signal.getsignal(number) == came.take:
                signal.signal(number, signal.SIG_DFL)
