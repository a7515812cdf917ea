"""What a server with a change feed says that it changed since a cursor; see `taskdeck_store.mcp.marks`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec
from msgspec import Struct

from taskdeck_store.mcp.client import asking
from taskdeck_store.mcp.client.alone import read_alone
from taskdeck_store.mcp.client.asking import Refused
from taskdeck_store.mcp.marks import FEED_URI

if TYPE_CHECKING:
    from mcp import Client

_LONGEST_CURSOR = 1_000


class _Row(Struct):
    id: str | int
    cut: tuple[str, ...] = ()


class _Feed(Struct):
    tasks: tuple[_Row, ...]
    gone: tuple[str | int, ...]
    total: int
    next: str
    complete: bool


_FEED = msgspec.json.Decoder(_Feed)


class News(Struct, frozen=True, kw_only=True):
    """What changed: `texts` of the tasks as they are now, each with its URI, and the server's own ids of all that did,
    of which some are `gone`. `total` counts all tasks there are, `next` is the cursor of now.
    """

    texts: tuple[tuple[str, str], ...]
    ids: frozenset[str]
    gone: tuple[str | int, ...]
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
        cut = await read_alone(client, (str(row.id) for row in found.tasks if row.cut))
    except (Refused, msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    ids = frozenset(str(one) for one in (*(row.id for row in found.tasks), *found.gone))
    return News(texts=((FEED_URI, text), *cut), ids=ids, gone=found.gone, total=found.total, next=found.next)
