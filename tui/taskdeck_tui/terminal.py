"""A terminal that may go away while something is written to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

from textual.driver import Driver


class Outliving:
    """A terminal's file that can be written to also when the terminal has gone; then it calls `gone`, once.

    Textual writes in a thread of its own. An error would end that, and the app would wait for ever to be read on.
    """

    def __init__(self, file: IO[str], gone: Callable[[], object]) -> None:
        self._file = file
        self._gone: Callable[[], object] | None = gone

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)

    def write(self, text: str) -> int:
        """Write a text, if there is still somebody to read it."""
        try:
            return self._file.write(text)
        except OSError:
            self._lose()
            return len(text)

    def flush(self) -> None:
        """Hand on what was written, if there is still somebody to read it."""
        try:
            self._file.flush()
        except OSError:
            self._lose()

    def _lose(self) -> None:
        gone, self._gone = self._gone, None
        if gone is not None:
            gone()


def outliving(driver: type[Driver], gone: Callable[[], object]) -> type[Driver]:
    """Return a driver like another one, that outlives its terminal and then calls `gone`, in a thread of its own."""

    class OutlivingDriver(driver):  # type: ignore[misc, valid-type]
        def __init__(self, *arguments: object, **named: object) -> None:
            super().__init__(*arguments, **named)
            file = self.__dict__.get("_file")
            if file is not None:
                self.__dict__["_file"] = Outliving(file, gone)

    return OutlivingDriver
