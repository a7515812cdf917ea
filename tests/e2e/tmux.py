"""A program in tmux, a terminal that nobody here wrote; the same questions as `e2e.terminal.Terminal` asks."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence

import pytest

from e2e.terminal import PATIENCE

_numbers = itertools.count()
_POLL = 0.02


def required() -> None:
    """Skip the test when there is no tmux to run it in."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed; the same is tested without it on a pseudo-terminal of our own")


class Tmux:
    """A program in a private tmux server; use it as a context, which ends the server."""

    def __init__(
        self,
        argv: Sequence[str],
        columns: int = 200,
        lines: int = 50,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> None:
        self._socket = f"taskdeck-test-{os.getpid()}-{next(_numbers)}"
        options = ["start-server", ";", "set-option", "-s", "escape-time", "0"]
        for name, value in (("status", "off"), ("remain-on-exit", "on")):
            options += [";", "set-option", "-g", name, value]
        size = ["-x", str(columns), "-y", str(lines)]
        place = ["-c", cwd] if cwd else []
        settings = [word for name, value in (env or {}).items() for word in ("-e", f"{name}={value}")]
        program = ["exec " + shlex.join(argv)]
        self._tmux("-f", "/dev/null", *options, ";", "new-session", "-d", *size, *place, *settings, *program)

    def __enter__(self) -> Tmux:
        return self

    def __exit__(self, *exception: object) -> None:
        subprocess.run(["tmux", "-L", self._socket, "kill-server"], capture_output=True, check=False)

    @property
    def pid(self) -> int:
        """The program's process id."""
        return int(self._told("#{pane_pid}"))

    def send(self, *keys: str) -> None:
        """Press keys, named as tmux names them (``Enter``, ``Escape``, ``C-c``), or text to type."""
        self._tmux("send-keys", *keys)

    def wait_for(self, pattern: str, timeout: float = PATIENCE) -> None:
        """Look at the screen until a pattern is on it."""
        self._until(lambda: re.search(pattern, self.text(), re.MULTILINE) is not None, pattern, timeout)

    def wait_gone(self, pattern: str, timeout: float = PATIENCE) -> None:
        """Look at the screen until a pattern is not on it."""
        self._until(lambda: re.search(pattern, self.text(), re.MULTILINE) is None, f"no {pattern}", timeout)

    def exit_code(self, timeout: float = PATIENCE) -> int:
        """Wait for the program to end and return its exit code (a signal's number, negative)."""
        self._until(lambda: self._ending() != " ", "the end", timeout)
        status, signal = self._ending().split(" ")
        return int(status) if status else -int(signal)

    def text(self) -> str:
        """Return the screen as it is now."""
        return self._tmux("capture-pane", "-p")

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size."""
        self._tmux("resize-window", "-x", str(columns), "-y", str(lines))

    def _until(self, condition: object, wanted: str, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not condition():  # type: ignore[operator]
            if time.monotonic() > deadline:
                raise AssertionError(f"not seen in {timeout:g} s: {wanted!r}\n{self.text()}")
            time.sleep(_POLL)

    def _ending(self) -> str:
        # tmux may miss that a child of its ended until the next child does (seen with 3.3a, one time in five). It may
        # miss the end of that one too: hence -b, which does not wait for it.
        self._tmux("run-shell", "-b", "true")
        return self._tmux("display-message", "-p", "#{pane_dead_status} #{pane_dead_signal}").removesuffix("\n")

    def _told(self, what: str) -> str:
        return self._tmux("display-message", "-p", what).strip()

    def _tmux(self, *words: str) -> str:
        # Not the environment of C: where readline is loaded, it has put COLUMNS and LINES of another terminal there.
        command = ["tmux", "-L", self._socket, *words]
        told = subprocess.run(
            command, capture_output=True, text=True, check=True, env=dict(os.environ), timeout=PATIENCE
        )
        return told.stdout
