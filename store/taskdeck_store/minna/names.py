"""The id of a task from the name of its entity, and back.

``task:proj:7`` is ``proj~7``. What an id cannot have is written as ``~.`` and two hexadecimal digits for each byte of
its UTF-8. Every entity has one id and every id at most one entity, whatever else is in the file.
"""

from __future__ import annotations

import re

from taskdeck_store import validity

PREFIX = "task:"
"""What the names of entities begin with that are tasks."""

AFTER = "task;"
"""The first text behind all that begin with `PREFIX`."""

_PLAIN = re.compile(r"[A-Za-z0-9_:-]+")
_BAD = re.compile(r"[^A-Za-z0-9._-]")
_GOOD = re.compile(r"~\.([0-9A-F]{2})")


def id_of(entity: str) -> str:
    """Return the id of a task from its entity's name, which begins with `PREFIX`. It may be too long, or empty."""
    name = entity[len(PREFIX) :]
    return name.replace(":", "~") if _PLAIN.fullmatch(name) else _BAD.sub(_escaped, name)


def entity_of(task_id: str) -> str | None:
    """Return the entity's name from a task's id; None for an id that no entity has."""
    if validity.wrong_id(task_id) is not None:
        return None
    pieces = _GOOD.split(task_id)
    try:
        texts = [
            bytes.fromhex(piece) if number % 2 else piece.replace("~", ":").encode()
            for number, piece in enumerate(pieces)
        ]
        entity = PREFIX + b"".join(texts).decode()
    except UnicodeDecodeError:
        return None
    return entity if id_of(entity) == task_id else None


def _escaped(bad: re.Match[str]) -> str:
    character = bad[0]
    if character == ":" and bad.string[bad.end() : bad.end() + 1] != ".":
        return "~"
    return "".join(f"~.{byte:02X}" for byte in character.encode("utf-8", "replace"))
