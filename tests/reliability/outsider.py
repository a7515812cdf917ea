"""A program that knows nothing of Taskdeck and changes its store, until its standard input is closed.

Arguments: the store, a seed, and how it writes: `sql`, or for a task file `rename` or `in place`. Each line it tells
(JSON) is what all tasks were after a change, said before a task file is written and after an SQL transaction; the last
line is how many changes it made, and how many of its own it found undone.
"""

from __future__ import annotations

import json
import random
import select
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

_TASKS = 12
_PAUSE = {"sql": 0.01, "rename": 0.01, "in place": 0.04}
"""Seconds between two changes, at most."""
_MOVES = (("pending", "in_progress"), ("in_progress", "review"), ("review", "pending"), ("failed", "pending"))


def main() -> None:
    path, seed, way = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    chance = random.Random(seed)
    change = Sql(path, chance) if way == "sql" else Rewriting(path, chance, in_place=way == "in place")
    while not select.select([sys.stdin], [], [], chance.uniform(0, _PAUSE[way]))[0]:
        change()
    print(json.dumps({"made": change.made, "undone": change.undone}), flush=True)


class Sql:
    """Plain SQL, through the SQLite that Python brings."""

    def __init__(self, path: Path, chance: random.Random) -> None:
        self.made = self.undone = 0
        self._chance = chance
        self._database = sqlite3.connect(path, timeout=60, isolation_level=None)

    def __call__(self) -> None:
        task_id = f"t-{self._chance.randrange(_TASKS)}"
        before, after = self._chance.choice(_MOVES)
        move = self._chance.random() < 0.5
        run = self._database.execute
        if move:
            sql = "UPDATE tasks SET state = ? WHERE id = ? AND state = ?"
            self.made += run(sql, (after, task_id, before)).rowcount
        else:
            self.made += run("UPDATE tasks SET title = ? WHERE id = ?", (f"theirs {self.made}", task_id)).rowcount


class Rewriting:
    """Loads the whole file, changes a task, and writes the whole file, without any lock.

    What others wrote between the two is overwritten. A number that only this program counts up tells it whether one of
    its own changes was.
    """

    def __init__(self, path: Path, chance: random.Random, *, in_place: bool) -> None:
        self.made = self.undone = 0
        self._path = path
        self._chance = chance
        self._in_place = in_place

    def __call__(self) -> None:
        try:
            tasks: list[dict[str, Any]] = json.loads(self._path.read_bytes())
        except ValueError:
            assert self._in_place
            return
        self.undone += tasks[0].get("counted", 0) != self.made
        self.made += 1
        tasks[0]["counted"] = self.made
        task = self._chance.choice(tasks)
        if self._chance.random() < 0.5:
            task["state"] = dict(_MOVES).get(task["state"], task["state"])
        else:
            task["title"] = f"theirs {self.made}"
        # Time for others to write meanwhile, and have it overwritten.
        time.sleep(self._chance.uniform(0, 0.002))
        print(json.dumps([[task["id"], task["state"], task["title"]] for task in tasks]), flush=True)
        content = json.dumps(tasks, indent=2)
        if self._in_place:
            self._path.write_text(content)
            return
        draft = self._path.with_name("theirs")
        draft.write_text(content)
        draft.replace(self._path)


if __name__ == "__main__":
    main()
