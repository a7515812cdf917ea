"""The program that calls the handlers in a process of its own.

It is ``python -m taskdeck_store.worker.child MODULE:OBJECT [FD]``. It reads parts from its standard input, and writes
what came of each, and what is logged meanwhile, to what was its standard output when it began; see
`taskdeck_store.worker.process`. What handlers print goes to the descriptor of that number, or to its standard error,
and what they read is empty.
"""

from __future__ import annotations

import asyncio
import io
import os
import sys
from contextlib import suppress
from pathlib import Path

from taskdeck_store.worker import logs
from taskdeck_store.worker.failure import told
from taskdeck_store.worker.handlers import Handlers, load
from taskdeck_store.worker.part import Ended, do, do_async, failed, needs_loop
from taskdeck_store.worker.process import Asked, Asking


def main() -> None:
    """Do what is asked on standard input, until that ends."""
    asking = Asking(os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb"))
    nothing = os.open(os.devnull, os.O_RDONLY)
    printing = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    # By number: what a handler runs inherits these, and not what Python makes of them.
    os.dup2(nothing, 0)
    os.dup2(printing, 1)
    if printing > 2:
        os.close(printing)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As if somebody were looking: what was said must not be lost with the process.
        sys.stdout.reconfigure(line_buffering=True)
    handlers: Handlers | None = None
    with asyncio.Runner() as runner, logs.heard(lambda: asking.log, _is_piped):
        while (found := asking.next()) is not None:
            try:
                handlers = handlers or load(sys.argv[1], Path.cwd())
                ended = _done(runner, handlers, found)
            except BaseException as error:
                ended = failed(told(error))
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError, ValueError, AttributeError):
                    stream.flush()
            asking.answer(ended, verifies=handlers is None or handlers.verify is not None)


def _is_piped(stream: object) -> bool:
    """Tell whether what is written to a stream is heard at the other end of its pipe."""
    try:
        return isinstance(stream, io.TextIOBase) and stream.fileno() in (1, 2)
    except (OSError, ValueError):
        return False


def _done(runner: asyncio.Runner, handlers: Handlers, asked: Asked) -> Ended:
    if needs_loop(handlers, asked.part):
        return runner.run(do_async(handlers, asked.part, asked.task))
    return do(handlers, asked.part, asked.task)


if __name__ == "__main__":
    main()
