"""What the board remembers by itself for the next time, in a JSON file."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Annotated

import msgspec
from msgspec import Struct

from taskdeck_tui.folders import state_path


class Remembered(Struct, frozen=True, kw_only=True):
    """What the board was like when it was last left; "" for what was never chosen."""

    theme: str = ""
    lines: Annotated[int, msgspec.Meta(ge=1, le=3)] = 2
    order: str = ""


def load_remembered() -> Remembered:
    """Read what was remembered; what is damaged or cannot be read was never remembered."""
    try:
        return msgspec.json.decode(state_path().read_bytes(), type=Remembered)
    except (OSError, ValueError, RecursionError):
        return Remembered()


def remember(state: Remembered) -> None:
    """Keep this for the next time, whole or not at all; where nothing can be written, nothing is kept."""
    path = state_path()
    partial = path.with_name(f"{path.name}.{os.urandom(4).hex()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123
            file.write(msgspec.json.encode(state))
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
