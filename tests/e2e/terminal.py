"""A program on a pseudo-terminal, with the screen it paints: what a person would see, and the keys they would press.

Nothing here sleeps: every wait is for the program's next output, up to a deadline.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyte

KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "tab": "\t",
    "space": " ",
    "backspace": "\x7f",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "home": "\x1b[H",
    "end": "\x1b[F",
    "pageup": "\x1b[5~",
    "pagedown": "\x1b[6~",
    "ctrl+c": "\x03",
    "ctrl+p": "\x10",
    "ctrl+z": "\x1a",
}
"""What a terminal sends for the keys that have a name."""

PATIENCE = 20.0
"""How long, in seconds, a wait takes before it fails. Only a failing test waits so long."""

_TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """A running program and its screen. Use it as a context: what is left of the program is killed at the end."""

    def __init__(
        self,
        argv: Sequence[str],
        columns: int = 200,
        lines: int = 50,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> None:
        self.raw = bytearray()
        self._argv = list(argv)
        self._ended = False
        self._painted = 0
        self._master, slave = os.openpty()
        _set_size(slave, columns, lines)
        self._screen = _Screen(columns, lines, self._master)
        self._stream = pyte.ByteStream(self._screen)
        # A new session without a terminal takes this one as its own: so ctrl+c and a resize reach the program.
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _TAKE_TERMINAL, *argv],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            start_new_session=True,
        )
        os.close(slave)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()
        with contextlib.suppress(OSError):
            os.close(self._master)

    @property
    def pid(self) -> int:
        """The program's process id."""
        return self.process.pid

    def send(self, *keys: str) -> None:
        """Press keys: names of `KEYS`, or text to type."""
        data = "".join(KEYS.get(key, key) for key in keys).encode()
        while data:
            data = data[os.write(self._master, data) :]

    def wait_for(self, wanted: str | Callable[[], Any], timeout: float = PATIENCE) -> None:
        """Read what the program paints until a pattern is on the screen, or a condition holds."""
        pattern = re.compile(wanted, re.MULTILINE) if isinstance(wanted, str) else None
        deadline = time.monotonic() + timeout
        while not (pattern.search(self.text()) if pattern else wanted()):  # type: ignore[operator]
            left = deadline - time.monotonic()
            if left <= 0 or self._ended:
                how = "its program ended" if self._ended else f"{timeout:g} s"
                raise AssertionError(f"not seen before {how}: {wanted!r}\n{self._picture()}")
            self._read(min(left, 0.05) if pattern is None else left)

    def wait_gone(self, pattern: str, timeout: float = PATIENCE) -> None:
        """Read what the program paints until a pattern is not on the screen."""
        self.wait_for(lambda: not re.search(pattern, self.text(), re.MULTILINE), timeout)

    def exit_code(self, timeout: float = PATIENCE) -> int:
        """Wait for the program to end and return its exit code (a signal's number, negative)."""
        deadline = time.monotonic() + timeout
        while not self._ended:
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(f"{self._argv} did not end in {timeout:g} s\n{self._picture()}")
            self._read(left)
        return self.process.wait(max(deadline - time.monotonic(), 0.1))

    def rows(self) -> list[str]:
        """Return the screen's rows as read so far, without the blanks at their ends."""
        return [row.rstrip() for row in self._current().display]

    def text(self) -> str:
        """Return the screen as read so far."""
        return "\n".join(self.rows())

    @property
    def cursor(self) -> tuple[int, int]:
        """The row and column of the terminal's cursor, counted from 0."""
        return self._current().cursor.y, self._current().cursor.x

    def colour_at(self, row: int, column: int) -> tuple[str, str]:
        """Return the colours of a cell, of the text and behind it: a name, or six hex digits."""
        cell = self._current().buffer[row][column]
        return (cell.bg, cell.fg) if cell.reverse else (cell.fg, cell.bg)

    def find(self, pattern: str) -> tuple[int, int]:
        """Return the row and column at which a pattern is on the screen."""
        for number, row in enumerate(self.rows()):
            found = re.search(pattern, row)
            if found:
                return number, found.start()
        raise AssertionError(f"not on screen: {pattern!r}\n{self._picture()}")

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size, as its window would."""
        self._current().resize(lines, columns)
        _set_size(self._master, columns, lines)

    def kill(self, sent: signal.Signals = signal.SIGKILL) -> None:
        """Send the program a signal, and with SIGKILL wait until it is gone."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(sent)
        if sent == signal.SIGKILL:
            self.process.wait()

    def _read(self, timeout: float) -> None:
        ready, _, _ = select.select([self._master], [], [], timeout)
        if not ready:
            return
        try:
            data = os.read(self._master, 1 << 16)
        except OSError:
            # Linux says that the program's side is closed by an error, macOS by an empty read.
            data = b""
        if not data:
            self._ended = True
            return
        self.raw += data

    def _current(self) -> _Screen:
        """Paint what has come since the last look; who only waits for bytes does not pay for it."""
        self._stream.feed(bytes(self.raw[self._painted :]))
        self._painted = len(self.raw)
        return self._screen

    def _picture(self) -> str:
        return "\n".join(["─" * 78, self.text().rstrip(), "─" * 78])


class _Screen(pyte.Screen):
    """A screen that answers, as a terminal does, when the program asks where the cursor is or what it can do."""

    def __init__(self, columns: int, lines: int, master: int) -> None:
        super().__init__(columns, lines)
        self._master = master

    def write_process_input(self, data: str) -> None:
        os.write(self._master, data.encode())


def _set_size(descriptor: int, columns: int, lines: int) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
