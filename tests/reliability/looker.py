"""A program that only looks on, until its standard input is closed: it waits for changes, and looks when it is woken.

Arguments: the store, and `read-only` or `read-write`. Each line it tells (JSON) is what all tasks were at a look, where
that was not as at the one before.
"""

from __future__ import annotations

import json
import sys
import threading
from contextlib import closing

from taskdeck_store import open_store


def main() -> None:
    path, way = sys.argv[1:]
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    told = None
    with closing(open_store(path, read_only=way == "read-only")) as store:
        while True:
            seen = sorted((task.id, task.state.value, task.title) for task in store.tasks())
            if seen != told:
                told = seen
                print(json.dumps(seen), flush=True)
            while not store.wait(10, over):
                if over.is_set():
                    return


if __name__ == "__main__":
    main()
