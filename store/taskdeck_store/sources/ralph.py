"""Ralph: the user stories of a ``prd.json``, each of which passes or does not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.jsontext import NESTING, depth
from taskdeck_store.limits import Limits
from taskdeck_store.source import Kind, Sight
from taskdeck_store.sources.files import FileSource
from taskdeck_store.sources.reading import content, head, json_of, said
from taskdeck_store.sources.translation import (
    Gathering,
    Record,
    id_text,
    named,
    others_of,
    safe_id,
    text_of,
    title_of,
    whole_of,
)
from taskdeck_store.values import State, Task
from taskdeck_store.watch import FolderWatch

_ONLY = "a story of Ralph passes or does not, and has no other state"

LIMITS = Limits(
    words={"passes: false": State.PENDING, "passes: true": State.COMPLETED},
    lacks={State.IN_PROGRESS: _ONLY, State.REVIEW: _ONLY, State.FAILED: _ONLY},
    fields=("id", "title", "description", "state", "priority", "depends_on"),
)

_STORIES = "userStories"
_SHAPE = re.compile(rb'\s*\{.*?"userStories"\s*:\s*\[', re.DOTALL)
_KNOWN = frozenset(("id", "title", "description", "priority", "passes", "dependsOn"))


class Ralph(FileSource):
    """The stories of one file."""

    kind = "Ralph"
    limits = LIMITS
    read_only = "a story passes when Ralph's own loop has checked it, and not before"

    def __init__(self, address: str) -> None:
        """Raises StoreError."""
        path = Path(address)
        super().__init__(path, FolderWatch(path))

    def _read(self) -> Sight:
        document = json_of(self._path, content(self._path))
        stories = document.get(_STORIES) if isinstance(document, dict) else None
        if not isinstance(stories, list):
            raise StoreError(Fault.FOREIGN, f"{said(self._path)} holds no list of {_STORIES}, so it is none of Ralph's")
        found = Gathering(LIMITS.words)
        for number, story in enumerate(stories, 1):
            if isinstance(story, dict):
                _add(found, story, f"story {number:,}")
            else:
                found.flaw(f"story {number:,} is no object")
        if depth(stories) > NESTING // 2:
            found.shorten_deep()
        return found.sight()


def _add(found: Gathering, story: Record, place: str) -> None:
    text = id_text(story.get("id"))
    if text is None:
        found.flaw(f"{place} has no id")
        return
    task_id = safe_id(text)
    passes = story.get("passes")
    if not isinstance(passes, bool):
        found.flaw(f"{task_id} does not say whether it passes; it is shown as pending")
    needed = story.get("dependsOn")
    task = Task(
        id=task_id,
        title=title_of(story.get("title"), text),
        description=text_of(story.get("description")),
        state=State.COMPLETED if passes is True else State.PENDING,
        priority=whole_of(story.get("priority"), 5),
        depends_on=named(needed),
        extra=others_of(story, _KNOWN),
    )
    found.add(task, "dependsOn", needed)


def _recognises(path: Path) -> bool:
    return path.suffix == ".json" and _SHAPE.match(head(path)) is not None


def _nearby(folder: Path) -> Iterable[str]:
    return [str(path)] if _recognises(path := folder / "prd.json") else []


KIND = Kind(name=Ralph.kind, recognises=_recognises, open=Ralph, nearby=_nearby)
