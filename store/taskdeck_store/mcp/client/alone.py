"""Tasks that are read one by one, where each is a resource of its own; and how much may be read in all."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from taskdeck_store.mcp.client import asking
from taskdeck_store.mcp.client.asking import Refused, Strange

if TYPE_CHECKING:
    from mcp import Client

TEXT_MOST = 64 * 1024 * 1024
"""How many characters a server may say of its tasks, all in all."""

_MOST = 500
"""How many tasks are read one by one at most."""
_SCHEME = "task://"


async def read_alone(client: Client, ids: Iterable[str]) -> list[tuple[str, str]]:
    """Return what is said of tasks, given by the server's own ids, each with its URI; of one that is gone, nothing.

    Raises Strange and TimeoutError.
    """
    texts: list[tuple[str, str]] = []
    for own in islice(ids, _MOST):
        uri = f"{_SCHEME}{quote(own, safe='')}"
        with suppress(Refused):
            add(texts, uri, await asking.read(client, uri))
    return texts


def own_of(uri: str) -> str:
    """Return the server's own id of the task that is a resource."""
    return unquote(uri.removeprefix(_SCHEME))


def add(texts: list[tuple[str, str]], uri: str, text: str) -> None:
    """Add a text to those that were read, with its URI. Raises Strange where they become too many."""
    texts.append((uri, text))
    if sum(len(one) for _, one in texts) > TEXT_MOST:
        raise Strange(f"it says more than {TEXT_MOST >> 20} MiB of its tasks")
