"""The audit log as a chain: each event is sealed by a hash over what it says and over the event before it.

Whoever changes, drops or inserts an event has to make every later hash anew. Nothing here is secret: who can write the
whole log can do that. What such a one cannot change is a hash that was noted elsewhere; see `taskdeck verify --anchor`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from taskdeck_store.values import Event, Json

BEGINNING = "0" * 64
"""What stands for the hash of the event before the first."""


def sealed(previous: str, event: Event) -> str:
    """Return the hash of an event, 64 hexadecimal digits; `previous` is that of the event before.

    It is the SHA-256 of the text that Python's `json.dumps` gives, with ``separators=(",", ":")`` and
    ``sort_keys=True``, for the list of the hash before, seq, task_id, at, actor, action, from_state, to_state,
    attempts, note, changes, group and undoes.
    """
    encode, digest = _tools()
    return digest(
        encode(
            [
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
        )
    )


def load() -> None:
    """Load what the first hash takes, for who cannot know that there will be a descriptor left to do it then."""
    _tools()


@cache
def _tools() -> tuple[Callable[[Json], str], Callable[[str], str]]:
    # Loaded with the first hash: programs that only read need neither.
    from hashlib import sha256
    from json import JSONEncoder

    def digest(text: str) -> str:
        return sha256(text.encode()).hexdigest()

    return JSONEncoder(separators=(",", ":"), sort_keys=True).encode, digest
