"""Task files of programs that are known, by their shape, and what those programs cannot read.

The source of both is https://github.com/fbratten/8me-showcase: labs/08-orchestrator.md and
docs/tutorials/tier1-tasks.md turn each status into an enumeration of four, and end at any other.
"""

from __future__ import annotations

from collections.abc import Mapping

from taskdeck_store.jsonfile.document import Document
from taskdeck_store.limits import NONE, Limits
from taskdeck_store.values import State

_FOUR: Mapping[State, str] = {
    State.REVIEW: "the programs that files of this shape are made by end at the status review",
}
_SHAPES: Mapping[frozenset[str], Mapping[State, str]] = {
    frozenset(("id", "description", "status", "result", "attempts", "metadata")): _FOUR,
    frozenset(
        (
            *("id", "description", "status", "attempts", "max_attempts", "result", "error"),
            *("created_at", "completed_at"),
        )
    ): _FOUR,
}
"""By the keys of a task: the states that must not be left in such a file."""


def limits_of(document: Document) -> Limits:
    """Return what a task file can hold, as far as the program is known that it is from.

    A file that has a state already is from a program that knows it.
    """
    shapes = {frozenset(shape) for shape in document.shapes}
    lacks = _SHAPES.get(next(iter(shapes))) if len(shapes) == 1 and document.head.lstrip()[:1] == b"{" else None
    if lacks is None or any(record.state in lacks for record in document.records):
        return NONE
    words = {word: state for word, state in NONE.words.items() if state not in lacks}
    return Limits(words=words, lacks=lacks)
