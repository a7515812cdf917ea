"""How an action on some tasks is named in the title of a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from textual.content import Content

from taskdeck_tui.safe import safe

Named: TypeAlias = tuple[str, str]
"""A task's id and title."""

_NAMED = 3


def title(name: str, tasks: Sequence[Named]) -> Content:
    """Return ``Reject task-17``, or ``Reject 12 tasks``."""
    what = safe(tasks[0][0]) if len(tasks) == 1 else f"{len(tasks):,} tasks"
    return Content.styled(f"{name.capitalize()} {what}", "bold $page-title")


def below(tasks: Sequence[Named]) -> Content:
    """Return the title of the one task, or the first ids of many."""
    if len(tasks) == 1:
        return Content.styled(safe(tasks[0][1]), "$muted")
    more = f" and {len(tasks) - _NAMED:,} more" if len(tasks) > _NAMED else ""
    return Content.styled(", ".join(safe(id) for id, _ in tasks[:_NAMED]) + more, "$muted")
