"""Signals that end a server: it is told of them in its event loop, where nothing is half done."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


@contextmanager
def ended_by_signals(end: Callable[[int], None]) -> Iterator[list[int]]:
    """Call `end` in the body, with how many have come, for each signal that ends a program; yield those that came."""
    came: list[int] = []
    loop = asyncio.get_running_loop()

    def take(number: int) -> None:
        came.append(number)
        end(len(came))

    taken = []
    for number in [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]:
        before = signal.getsignal(number)
        if before == signal.SIG_IGN:
            continue
        try:
            loop.add_signal_handler(number, take, number)
        except (NotImplementedError, RuntimeError, ValueError):
            continue  # on Windows, or beside the main thread: whoever is there hears of them
        taken.append((number, before))
    try:
        yield came
    finally:
        for number, before in taken:
            loop.remove_signal_handler(number)
            signal.signal(number, before)
