"""The exit codes, which scripts rely on."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from taskdeck_store.machine import Code
from taskdeck_store.values import Json


class Exit(IntEnum):
    """How a command ended; INTERRUPTED is what shells expect of one ended by ctrl+c."""

    DONE = 0
    STORE = 1
    USAGE = 2
    NOT_FOUND = 3
    ILLEGAL = 4
    CONFLICT = 5
    READ_ONLY = 6
    INTERRUPTED = 130


OF_REFUSAL: Mapping[Code, Exit] = {
    Code.ILLEGAL: Exit.ILLEGAL,
    Code.CONFLICT: Exit.CONFLICT,
    Code.NOT_FOUND: Exit.NOT_FOUND,
    Code.READ_ONLY: Exit.READ_ONLY,
    Code.INVALID: Exit.USAGE,
}


class UsageError(Exception):
    """The command line, or a line of its input, asks for what cannot be: what it is, and how to right it.

    `detail` is told to programs beside the message, the lines `below` to people under it.
    """

    def __init__(self, message: str, detail: Mapping[str, Json] | None = None, *, below: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail or {}
        self.below = below


class OutputError(Exception):
    """What a command says could not be written, though somebody still listens: a full disk, say."""
