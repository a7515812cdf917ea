"""The program that calls the handlers in a process of its own: ``python -m taskdeck_store.worker.child MODULE:OBJECT``.

It reads parts from its standard input, and writes what came of each to what was its standard output when it began; see
`taskdeck_store.worker.process`. What handlers print goes to its standard error, and what they read is empty.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from taskdeck_store.worker.failure import told
from taskdeck_store.worker.handlers import Handlers, load
from taskdeck_store.worker.part import Ended, do, do_async, failed, needs_loop
from taskdeck_store.worker.process import Asked, answer, asked


def main() -> None:
    """Do what is asked on standard input, until that ends."""
    asking, answering = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    # By number: what a handler runs inherits these, and not what Python makes of them.
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    handlers: Handlers | None = None
    with asyncio.Runner() as runner:
        while (found := asked(asking)) is not None:
            try:
                handlers = handlers or load(sys.argv[1], Path.cwd())
                ended = _done(runner, handlers, found)
            except BaseException as error:
                ended = failed(told(error))
            answer(answering, ended)


def _done(runner: asyncio.Runner, handlers: Handlers, asked: Asked) -> Ended:
    if needs_loop(handlers, asked.part):
        return runner.run(do_async(handlers, asked.part, asked.task))
    return do(handlers, asked.part, asked.task)


if __name__ == "__main__":
    main()
