"""A store to begin with, as often as it takes."""

from __future__ import annotations

import shutil
from contextlib import closing
from itertools import count
from pathlib import Path

from reliability.script import BASES, History
from taskdeck_store import Action, command, create_store, open_store

TASKS = 12
"""As in tests/store/writer.py."""


class Stage:
    """A store to begin with, copied for each run, and what the whole run leads to."""

    def __init__(self, folder: Path, name: str, base: str) -> None:
        make, steps = BASES[base]
        self._folder = folder
        self._name = name
        self.base = base
        self._numbers = count()
        self._first = self._copy(None)
        make(self._first)
        self.history = History(self.path(), steps)

    def path(self) -> Path:
        """Return the path of a new copy of the store."""
        return self._copy(self._first.parent)

    def _copy(self, folder: Path | None) -> Path:
        copy = self._folder / f"{next(self._numbers)}"
        copy.mkdir()
        for file in folder.iterdir() if folder is not None else ():
            shutil.copy2(file, copy)
        return copy / self._name


def pool(path: Path) -> Path:
    """Make a store of the tasks that the writers of tests/store/writer.py move."""
    create_store(str(path))
    with closing(open_store(str(path))) as store:
        tasks = [command(f"t-{n}", Action.ADD, actor="planner", title=f"task t-{n}") for n in range(TASKS)]
        store.apply(tasks, whole=True)
    return path
