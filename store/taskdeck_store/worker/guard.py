"""What a worker began must not work on when the worker is killed: a process beside it sees to that.

It is told which process groups there are, and kills those that are left when the worker's end of the pipe is closed, as
the system does when a process dies of whatever. This file is also the program that runs there, by its path.
"""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from functools import cache


class Guard:
    """The process beside this one. Any thread may call."""

    def __init__(self) -> None:
        program = [sys.executable, "-I", "-S", __file__]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(
            program, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True
        )
        self._telling = threading.Lock()

    def watch(self, group: int) -> None:
        """Have a process group killed when this process dies."""
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """Leave a process group to itself: it has ended, and its number may be another's by now."""
        self._tell(f"-{group}\n")

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with self._telling, suppress(OSError):
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()


@cache
def guard() -> Guard | None:
    """Return the guard of this process; None where there are no process groups."""
    return Guard() if hasattr(os, "killpg") else None


def kill_group(pid: int) -> None:
    """Kill the process group of a process that leads one."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def main() -> None:
    """Take note of groups until there is nobody to tell of any, and kill those that are left."""
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        kill_group(group)


if __name__ == "__main__":
    main()
