"""What was about to be written to a source, kept beside its mirror until it is known what became of it.

Whoever looks at the source next, after a kill in between, finds the commands here: what the source shows as done is
put on record as theirs, and not as somebody else's.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from taskdeck_store import jsontext, placing
from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.machine import Command
from taskdeck_store.remedies import remedy

_SUFFIX = ".intent"


class Intent:
    """The file beside a mirror; for the holder of the mirror's write lock."""

    def __init__(self, mirror: Path) -> None:
        self._path = mirror.with_name(mirror.name + _SUFFIX)

    def read(self) -> tuple[Command, ...]:
        """Return the commands of whom nobody knows yet what became; none where there are none, or not whole ones."""
        try:
            return msgspec.convert(jsontext.decode(self._path.read_bytes()), tuple[Command, ...])
        except (OSError, ValueError):
            return ()

    def keep(self, commands: Sequence[Command]) -> None:
        """Keep commands, durably. Raises StoreError."""
        try:
            self.clear()
            placing.make(self._path, _encoded(commands))
        except OSError as error:
            what, advice = remedy(error)
            message = f"cannot write {self._path}: {what or error.strerror}; nothing was changed{advice}"
            raise StoreError(Fault.UNWRITABLE, message) from error

    def clear(self) -> None:
        """Forget them."""
        self._path.unlink(missing_ok=True)

    def is_there(self) -> bool:
        """Tell whether there may be any."""
        return os.path.lexists(self._path)


def _encoded(commands: Sequence[Command]) -> bytes:
    try:
        return msgspec.json.encode(commands)
    except (UnicodeEncodeError, OverflowError, RecursionError):
        return jsontext.encode(msgspec.to_builtins(commands)).encode()
