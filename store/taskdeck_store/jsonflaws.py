"""What is wrong with a task file, and where: line and column, counted from 1, the column in characters."""

from __future__ import annotations

from taskdeck_store.contract import Fault


class Flaw(Exception):
    """A task file cannot be read: `message` says why, `line` and `column` where, `fault` what kind of trouble it is."""

    def __init__(self, line: int, column: int, message: str, fault: Fault = Fault.DAMAGED) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.message = message
        self.fault = fault


class Wrong(Exception):
    """The value of a key cannot be what a task holds there."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key
        self.message = message


def flaw(text: str, position: int, message: str, fault: Fault = Fault.DAMAGED) -> Flaw:
    """Return the flaw at a position of a text."""
    line_start = text.rfind("\n", 0, position) + 1
    return Flaw(text.count("\n", 0, position) + 1, position - line_start + 1, message, fault)


def decoded(raw: bytes) -> str:
    """Return the text of a file without its byte order mark. Raises Flaw when it is not UTF-8."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        good = raw.decode("utf-8-sig", errors="surrogateescape")
        position = next(index for index, character in enumerate(good) if "\udc80" <= character <= "\udcff")
        byte = ord(good[position]) - 0xDC00
        raise flaw(good, position, f"the byte {byte:#04x} is not UTF-8; save the file as UTF-8") from None
