"""What a server with a change feed says that it changed since a cursor; see `taskdeck_store.mcp.marks`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec
from msgspec import UNSET, Struct, UnsetType

from taskdeck_store.mcp.client import asking
from taskdeck_store.mcp.client.alone import read_alone
from taskdeck_store.mcp.client.asking import Refused
from taskdeck_store.mcp.client.reading import id_of
from taskdeck_store.mcp.client.telling import told_of
from taskdeck_store.mcp.marks import FEED_URI
from taskdeck_store.source import Told

if TYPE_CHECKING:
    from mcp import Client

_LONGEST_CURSOR = 1_000


class _Row(Struct):
    id: str | int
    cut: tuple[str, ...] = ()
    version: str | int | None = None


class _Feed(Struct):
    tasks: tuple[_Row, ...]
    gone: tuple[str | int, ...]
    total: int
    next: str
    complete: bool
    events: msgspec.Raw | UnsetType = UNSET


_FEED = msgspec.json.Decoder(_Feed)
_ROW = msgspec.json.Decoder(_Row)


class News(Struct, frozen=True, kw_only=True):
    """What changed: `texts` of the tasks as they are now, each with its URI, and the server's own ids of all that did,
    of which some are `gone`. `events` led there, as far as they are told; None: what is told there are no events.
    `total` counts all tasks there are, `next` is the cursor of now.
    """

    texts: tuple[tuple[str, str], ...]
    ids: frozenset[str]
    gone: tuple[str | int, ...]
    events: tuple[Told, ...] | None
    total: int
    next: str


async def news(client: Client, cursor: str) -> News | None:
    """Return what changed since a cursor; with '', only the cursor of now; None where the feed does not tell all.

    Raises Strange and TimeoutError.
    """
    try:
        text = await asking.read(client, f"{FEED_URI}?after={quote(cursor, safe='')}" if cursor else FEED_URI)
        found = _FEED.decode(text)
        if not found.complete or not 0 < len(found.next) <= _LONGEST_CURSOR:
            return None
        long = {str(row.id): row for row in found.tasks if row.cut}
        cut = await read_alone(client, long)
        alone = {str(row.id): row for row in (_ROW.decode(one) for _, one in cut)}
    except (Refused, msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    ids = frozenset(str(one) for one in (*(row.id for row in found.tasks), *found.gone))
    events = told_of(found.events) if found.events is not UNSET else ()
    # Of a task that was changed before it was read by itself, the events lead to what it was before.
    later = {id_of(row.id) for own, row in long.items() if own not in alone or alone[own].version != row.version}
    if events and later:
        events = tuple(event for event in events if event.task_id not in later)
    return News(
        texts=((FEED_URI, text), *cut), ids=ids, gone=found.gone, events=events, total=found.total, next=found.next
    )
