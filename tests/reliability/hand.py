"""A worker process: works on a store's tasks until it dies. Arguments: the store, and the name of the worker.

A result says by which start it was made. Each line told is the number of the start, once the work has begun.
"""

from __future__ import annotations

import os
import random
import sys
import time
from typing import Any

from taskdeck_store import Task, open_store
from taskdeck_store.worker import Backoff, Worker

LEASE = 0.5
"""Seconds."""


def main() -> None:
    address, name = sys.argv[1], sys.argv[2]
    chance = random.Random(name)

    def execute(task: Task) -> dict[str, Any]:
        os.write(1, f"{task.version}\n".encode())
        # Slow where another has begun before: that one may come back while this one is at it.
        if task.attempts or chance.random() < 0.01:
            time.sleep(chance.uniform(0, LEASE))
        if chance.random() < 0.02:
            raise ValueError("at times")
        return {"by": name, "start": task.version, "attempts": task.attempts}

    def verify(task: Task) -> bool:
        return chance.random() < 0.98

    store, backoff = open_store(address, patience=60), Backoff(first=0.01, most=0.1)
    handlers = {"execute": execute, "verify": verify}
    prefetch = chance.choice((1, 4))
    Worker(store, handlers, owner=name, jobs=4, prefetch=prefetch, lease=LEASE, backoff=backoff).run()


if __name__ == "__main__":
    main()
