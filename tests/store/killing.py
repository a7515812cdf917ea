"""Kill a piece of work with SIGKILL at a chosen step: before or after any of its writes, syncs and changes of names."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from typing import Any

import apsw

_CALLS = ("write", "fsync", "rename", "replace", "link", "unlink", "remove", "ftruncate", "fchmod", "fchown", "open")


def killed(work: Callable[[], object], step: int) -> bool:
    """Do some work in a child process that dies at its so-manieth step; False when the work has fewer steps.

    What SQLite does to its files are steps as well. The work must not use connections of this process.
    """
    child = os.fork()
    if child == 0:
        try:
            _Steps(step)
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


class _Steps(apsw.VFS):
    """Counts steps, and dies at the last."""

    def __init__(self, left: int) -> None:
        self._left = left
        self.base = apsw.vfs_names()[0]
        super().__init__("steps", self.base, makedefault=True)
        for name in _CALLS:
            setattr(os, name, self._counted(getattr(os, name)))

    def step(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def xOpen(self, name: Any, flags: list[int]) -> _File:
        return _File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self.step()
        super().xDelete(filename, syncdir)
        self.step()

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            self.step()
            result = call(*arguments, **named)
            self.step()
            return result

        return counted


class _File(apsw.VFSFile):
    def __init__(self, steps: _Steps, name: Any, flags: list[int]) -> None:
        self._steps = steps
        super().__init__(steps.base, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._steps.step()
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        self._steps.step()
        super().xSync(flags)
        self._steps.step()

    def xTruncate(self, size: int) -> None:
        self._steps.step()
        super().xTruncate(size)
