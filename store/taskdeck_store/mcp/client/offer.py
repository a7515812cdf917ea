"""What a server offers, as it lists it itself."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

from taskdeck_store.values import Json

QUEUE = "task://queue"
_EACH = re.compile(r"task://\{\w+\}")


class Tool(Struct, frozen=True, kw_only=True):
    """A tool by its name, and the JSON schema of its arguments.

    `takes_actor` says that it is marked as one that takes who asks for it; see `taskdeck_store.mcp.marks`.
    """

    name: str
    schema: Mapping[str, Json]
    takes_actor: bool = False


class Offer(Struct, frozen=True, kw_only=True):
    """A server's own name ('' where it has none), its resources by URI, its URI templates, its tools by name.

    `has_feed` says that it marks one of its templates as a change feed; see `taskdeck_store.mcp.marks`.
    """

    server: str
    uris: frozenset[str] = frozenset()
    templates: tuple[str, ...] = ()
    tools: Mapping[str, Tool] = {}
    has_feed: bool = False

    @property
    def has_each(self) -> bool:
        """Whether each task is a resource of its own."""
        return any(_EACH.fullmatch(template) for template in self.templates)

    @property
    def is_paged(self) -> bool:
        """Whether the queue can be read a page at a time."""
        return self._query is not None

    @property
    def _query(self) -> str | None:
        for template in self.templates:
            names = template.removeprefix(QUEUE + "{?").removesuffix("}").split(",")
            if template.startswith(QUEUE + "{?") and {"limit", "after"} <= {name.strip() for name in names}:
                return template
        return None

    @property
    def reads(self) -> tuple[str, ...]:
        """The resources that are read for a look: the queue, and what may hold tasks or states that it does not."""
        if self.is_paged:
            return (QUEUE,)
        beside = tuple(f"task://{name}" for name in BESIDE if f"task://{name}" in self.uris)
        return (QUEUE, *beside) if QUEUE in self.uris or not beside else beside


BESIDE = ("pending", "in_progress", "current", "review", "completed", "failed")
"""What follows ``task://`` in resources that hold the tasks of a state, forwards; ``current`` is what is worked on."""
