"""Which server an address means."""

from __future__ import annotations

import shlex
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from msgspec import Struct

from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.printable import one_line

SCHEMES = ("mcp", "mcp+http", "mcp+https")
"""The schemes of addresses that mean an MCP server."""

_SHOWN = 60
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Server(Struct, frozen=True, kw_only=True):
    """A server by its address: a command that is run in a folder, or a URL.

    `name` is how messages call it, without what may be a password in a URL.
    """

    name: str
    place: str
    command: tuple[str, ...] = ()
    folder: str = ""
    url: str = ""

    @property
    def is_overheard(self) -> bool:
        """Whether others on the way can read what is said to it."""
        return self.url.startswith("http:") and urlsplit(self.url).hostname not in _LOOPBACK


def server_of(address: str) -> Server:
    """Return the server that an address means. Raises StoreError when it means none."""
    scheme, _, rest = address.partition(":")
    if scheme == "mcp":
        return _of_command(address, rest)
    if scheme in SCHEMES:
        return _of_url(address, f"{scheme.removeprefix('mcp+')}:{rest}")
    raise _wrong(address, "it begins with none of mcp: mcp+http: mcp+https:")


def _of_command(address: str, text: str) -> Server:
    try:
        command = tuple(shlex.split(text))
    except ValueError as error:
        raise _wrong(address, f"its quotes do not match ({error})") from error
    if not command or not command[0]:
        raise _wrong(address, "the command is missing")
    if "\0" in text:
        raise _wrong(address, "a command takes no NUL character")
    folder = str(Path.cwd())
    said = shlex.join(command)
    return Server(name=one_line(f"mcp:{said}", _SHOWN), place=f"mcp:{said} in {folder}", command=command, folder=folder)


def _of_url(address: str, url: str) -> Server:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _wrong(address, str(error)) from error
    if not host or not url.isprintable() or " " in url:
        raise _wrong(address, "it has no host")
    where = f"[{host}]" if ":" in host else host
    bare = urlunsplit((parts.scheme, where if port is None else f"{where}:{port}", parts.path, parts.query, ""))
    shown = urlunsplit((parts.scheme, where if port is None else f"{where}:{port}", parts.path, "", ""))
    return Server(
        name=one_line(f"mcp+{shown}", _SHOWN), place=f"mcp+{bare}", url=urlunsplit(parts._replace(fragment=""))
    )


def _wrong(address: str, why: str) -> StoreError:
    shown = one_line(address, _SHOWN)
    ways = "write mcp:COMMAND ARGS, mcp+http://HOST:PORT/PATH or mcp+https://HOST/PATH"
    return StoreError(Fault.FOREIGN, f"{shown} is no address of an MCP server: {why}; {ways}")
