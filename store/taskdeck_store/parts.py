"""Where two JSON values differ: part by part, down to what is no longer made of the same parts."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

from taskdeck_store.machine import same
from taskdeck_store.values import Json

MOST = 200
"""More parts than these are no help to a reader: then the values differ as wholes."""
_DEEPEST = 20


class Kind(StrEnum):
    """What became of a part."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


Path: TypeAlias = tuple[str | int, ...]
"""Where a part lies: keys of objects, and places in lists, counted from 0."""


class Part(Struct, frozen=True):
    """A part in which two values differ. `before` is None for one that was added, `after` for one that was removed.

    A place in a list is that before, but for a part that was added: there it is that after.
    """

    path: Path
    kind: Kind
    before: Json
    after: Json


def parts(before: Json, after: Json) -> tuple[Part, ...]:
    """Return the parts in which two objects or two lists differ, in their order.

    Nothing for equal ones, for values that are not both the same of these, and where there are more than `MOST`.
    """
    if not _alike(before, after):
        return ()
    found: list[Part] = []
    for part in _differing(before, after, ()):
        if len(found) == MOST:
            return ()
        found.append(part)
    return tuple(found)


def _alike(before: Json, after: Json) -> bool:
    return any(isinstance(before, kind) and isinstance(after, kind) for kind in (dict, list))


def _differing(before: Json, after: Json, path: Path) -> Iterator[Part]:
    if not _alike(before, after) or len(path) >= _DEEPEST:
        if not same(before, after):
            yield Part(path, Kind.CHANGED, before, after)
    elif isinstance(before, dict):
        for name, value in before.items():
            if name in after:
                yield from _differing(value, after[name], (*path, name))
            else:
                yield Part((*path, name), Kind.REMOVED, value, None)
        for name in after:
            if name not in before:
                yield Part((*path, name), Kind.ADDED, None, after[name])
    else:
        yield from _differing_lists(before, after, path)


def _differing_lists(before: list[Json], after: list[Json], path: Path) -> Iterator[Part]:
    """Yield what differs between the equal beginnings and ends of two lists."""
    shorter = min(len(before), len(after))
    head = 0
    while head < shorter and same(before[head], after[head]):
        head += 1
    tail = 0
    while tail < shorter - head and same(before[-1 - tail], after[-1 - tail]):
        tail += 1
    old, new = len(before) - tail, len(after) - tail
    both = min(old, new)
    for place in range(head, both):
        yield from _differing(before[place], after[place], (*path, place))
    for place in range(both, old):
        yield Part((*path, place), Kind.REMOVED, before[place], None)
    for place in range(both, new):
        yield Part((*path, place), Kind.ADDED, None, after[place])
