"""A program that changes a store without Taskdeck: the tests' side of `reliability.outsider`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from reliability.screens import Shown

_PROGRAM = Path(__file__).with_name("outsider.py")
_PATIENCE = 60.0


class Outsider:
    """A program that changes the store without Taskdeck. Use it as a context."""

    def __init__(self, path: Path, way: str) -> None:
        self._told = path.with_name("told-by-outsider")
        self._output = self._told.open("wb")
        arguments = [sys.executable, str(_PROGRAM), str(path), path.name, way]
        self._process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=self._output, stderr=subprocess.PIPE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()
        self._output.close()

    def end(self) -> tuple[dict[str, int], list[Shown]]:
        """End it; return how many changes it made, how many of its own were undone, and each state it wrote."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            _, errors = self._process.communicate(timeout=_PATIENCE)
            assert self._process.returncode == 0, errors
        *written, made = map(json.loads, self._told.read_text().splitlines())
        return made, [frozenset((one, state, title) for one, state, title in tasks) for tasks in written]
