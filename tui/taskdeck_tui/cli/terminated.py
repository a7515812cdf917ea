"""Signals that end a command: it first takes back what it has half done, and then dies of the signal all the same."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NAMES = ("SIGTERM", "SIGHUP")


class Terminated(BaseException):
    """A signal that ends the command has come."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    def die(self) -> None:
        """End this process as the signal would have, so that who sent it sees that."""
        signal.signal(self.number, signal.SIG_DFL)
        os.kill(os.getpid(), self.number)


@contextmanager
def terminations() -> Iterator[None]:
    """Raise Terminated in the body where one of the signals comes that end a program, unless it is ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [number for name in _NAMES if (number := getattr(signal, name, None)) is not None]
    taken = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, _terminate)
    try:
        yield
    finally:
        for number in taken:
            if signal.getsignal(number) is _terminate:
                signal.signal(number, signal.SIG_DFL)


def _terminate(number: int, _: FrameType | None) -> None:
    raise Terminated(number)
