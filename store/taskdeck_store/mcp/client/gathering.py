"""All that a server says of its tasks, read page by page, with bounds."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec
from msgspec import Struct

from taskdeck_store.mcp.client import asking
from taskdeck_store.mcp.client.alone import add, own_of, read_alone
from taskdeck_store.mcp.client.asking import Refused, Strange
from taskdeck_store.mcp.client.feed import news
from taskdeck_store.mcp.client.offer import QUEUE, Offer

if TYPE_CHECKING:
    from mcp import Client

PAGE = 500
"""How many tasks are asked for at a time, where the server has pages."""
PAGES_MOST = 1_000
_PASSES = 3


class Gathered(Struct, frozen=True):
    """What a server said: URI and text, in the order in which it was read.

    `cursor` is that of its change feed before the first of it was read; '' where there is none.
    """

    texts: tuple[tuple[str, str], ...]
    cursor: str = ""

    @property
    def mark(self) -> str:
        """What two of them have in common that say the same."""
        if self.cursor:
            return self.cursor
        digest = hashlib.blake2b(digest_size=16)
        for uri, text in self.texts:
            digest.update(f"{uri}\n{len(text)}\n".encode("utf-8", "surrogatepass"))
            digest.update(text.encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def rows(self) -> dict[str, int]:
        """Return a number for each task that was listed in a page, by its own id, which tells one text from another."""
        rows: dict[str, int] = {}
        for uri, text in self.texts:
            if uri != QUEUE:
                rows[own_of(uri)] = hash(text)
                continue
            with suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
                listed = zip(_PAGE.decode(text).tasks, _TEXTS.decode(text).tasks, strict=True)
                rows |= {str(row.id): hash(bytes(raw)) for row, raw in listed}
        return rows


class _Row(Struct):
    id: str | int | None = None
    cut: tuple[str, ...] = ()


class _Page(Struct):
    tasks: tuple[_Row, ...] = ()
    total: int | None = None
    next: str | int | None = None


class _Texts(Struct):
    tasks: tuple[msgspec.Raw, ...] = ()


_PAGE = msgspec.json.Decoder(_Page)
_TEXTS = msgspec.json.Decoder(_Texts)


async def gather(client: Client, offer: Offer) -> Gathered:
    """Read what a server says of its tasks. Raises Refused, Strange and TimeoutError."""
    if offer.is_paged:
        begins = await news(client, "") if offer.has_feed else None
        with suppress(Refused):
            return Gathered(tuple(await _pages(client)), begins.next if begins is not None else "")
    texts: list[tuple[str, str]] = []
    for uri in offer.reads:
        try:
            text = await asking.read(client, uri)
        except Refused:
            if uri in (QUEUE, offer.reads[0]):
                raise
            continue
        add(texts, uri, text)
    return Gathered(tuple(texts))


async def _pages(client: Client) -> list[tuple[str, str]]:
    """Read page by page. Where tasks moved meanwhile from what was not read yet to what was, it is read once more."""
    texts: list[tuple[str, str]] = []
    ids: set[str] = set()
    for _ in range(_PASSES):
        total = await _pass(client, texts, ids)
        if total is None or len(ids) >= total:
            break
    return texts


async def _pass(client: Client, texts: list[tuple[str, str]], ids: set[str]) -> int | None:
    seen: set[str] = set()
    cut: dict[str, None] = {}
    uri = f"{QUEUE}?limit={PAGE}"
    for _ in range(PAGES_MOST):
        text = await asking.read(client, uri)
        add(texts, QUEUE, text)
        page = _page_of(text)
        ids.update(str(row.id) for row in page.tasks)
        cut.update({str(row.id): None for row in page.tasks if row.cut})
        if page.next is None:
            for one in await read_alone(client, cut):
                add(texts, *one)
            return page.total
        uri = _uri_of(str(page.next))
        if uri in seen:
            raise Strange("its pages go in a circle")
        seen.add(uri)
    raise Strange(f"it has more than {PAGES_MOST:,} pages of tasks")


def _uri_of(following: str) -> str:
    """Return the URI of the page that another one says is next: by that URI, or by what it comes after."""
    if following.startswith(f"{QUEUE}?"):
        return following
    return f"{QUEUE}?limit={PAGE}&after={quote(following, safe='')}"


def _page_of(text: str) -> _Page:
    try:
        return _PAGE.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        # Not for here to tell what is wrong with it.
        return _Page()
