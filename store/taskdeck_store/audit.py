"""The audit log as a chain: each event is sealed by a hash over what it says and over the event before it.

Whoever changes, drops or inserts an event has to make every later hash anew. Nothing here is secret: who can write the
whole log can do that. What such a one cannot change is a hash that was noted elsewhere; see `taskdeck verify --anchor`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from taskdeck_store.values import Event, Json

if TYPE_CHECKING:
    from hashlib import _Hash

BEGINNING = "0" * 64
"""What stands for the hash of the event before the first."""

_WHOLE = frozenset((str, int, bool, type(None)))
_ENCODER = msgspec.json.Encoder(order="sorted")


def sealed(previous: str, event: Event) -> str:
    """Return the hash of an event, 64 hexadecimal digits; `previous` is that of the event before.

    It is the SHA-256 of the text that Python's `json.dumps` gives, with ``separators=(",", ":")`` and
    ``sort_keys=True``, for the list of the hash before, seq, task_id, at, actor, action, from_state, to_state,
    attempts, note, changes, group and undoes.
    """
    said: list[Json] = [
        previous,
        event.seq,
        event.task_id,
        event.at,
        event.actor,
        event.action,
        event.from_state,
        event.to_state,
        event.attempts,
        event.note,
        event.changes,
        event.group,
        event.undoes,
    ]
    slowly, digest = _tools()
    text = _quickly(said, event) or slowly(said)
    return digest(text).hexdigest()


def load() -> None:
    """Load what the first hash takes, for who cannot know that there will be a descriptor left to do it then."""
    _tools()


def _quickly(said: list[Json], event: Event) -> bytes | None:
    """Return the text where msgspec writes what json would, which takes it a tenth of the time; None where it may not:
    they differ in fractions, in what lies beyond ASCII's printable characters, and in what is too large for the one.
    """
    try:
        for pair in event.changes.values():
            for value in pair:
                if value.__class__ not in _WHOLE and not _is_whole(value):
                    return None
        text = _ENCODER.encode(said)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError):
        return None
    return text if text.isascii() and b"\x7f" not in text else None


def _is_whole(value: Json) -> bool:
    """Tell whether there is no fraction in a value, nor anything but plain JSON."""
    kind = value.__class__
    if kind in _WHOLE:
        return True
    if kind is dict:
        return all(key.__class__ is str and _is_whole(inner) for key, inner in value.items())
    return (kind is list or kind is tuple) and all(map(_is_whole, value))


@cache
def _tools() -> tuple[Callable[[Json], bytes], Callable[[bytes], _Hash]]:
    # Loaded with the first hash: programs that only read need neither.
    from hashlib import sha256
    from json import JSONEncoder

    encode = JSONEncoder(separators=(",", ":"), sort_keys=True).encode
    return lambda said: encode(said).encode(), sha256
