"""What became of a task since it was seen on the board, field by field."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from taskdeck_store.machine import plain
from taskdeck_store.values import CARD_TITLE, Card, Event, Json, State, Task
from taskdeck_tui.glyphs import GLYPHS, WORDS
from taskdeck_tui.telling import value_told

LIMIT = 300


class Difference(Struct, frozen=True):
    """A field with its value as seen and as it is now, both told."""

    field: str
    seen: str
    now: str


def differences(seen: Card, now: Task, events: Sequence[Event]) -> list[Difference]:
    """Return the fields in which a task differs from its card, and those of its last event that no card shows."""
    pairs: list[tuple[str, Json, Json]] = [
        ("state", seen.state, now.state),
        ("title", seen.title, now.title[:CARD_TITLE]),
        ("owner", seen.owner, now.owner),
        ("attempts", seen.attempts, now.attempts),
        ("max_attempts", seen.max_attempts, now.max_attempts),
        ("not_before", seen.not_before, now.not_before),
        ("blocked", seen.blocked, now.blocked),
        ("priority", seen.priority, now.priority),
        ("tags", plain(seen.tags), plain(now.tags)),
    ]
    shown = {name for name, _, _ in pairs}
    for event in events[-1:]:
        pairs.extend((name, *values) for name, values in event.changes.items() if name not in shown)
    return [Difference(name.replace("_", " "), _told(old), _told(new)) for name, old, new in pairs if old != new]


def _told(value: Json) -> str:
    return f"{GLYPHS[value]} {WORDS[value]}" if isinstance(value, State) else value_told(value, limit=LIMIT)
