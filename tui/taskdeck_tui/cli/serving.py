"""The command that serves a store over MCP: on standard input and output, or over HTTP."""

from __future__ import annotations

import asyncio
import os
import signal
from argparse import Namespace
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from taskdeck_store import open_store
from taskdeck_store.contract import Store
from taskdeck_tui import __version__
from taskdeck_tui.cli.exits import Exit, UsageError
from taskdeck_tui.cli.output import Output

if TYPE_CHECKING:
    from taskdeck_store.mcp.serving.server import Served

VARIABLE = "TASKDECK_MCP_TOKEN"
_SHORTEST = 16
_LONGEST = 4_096
_NEEDED = "this needs a library that is not installed; run: pip install 'taskdeck[mcp]'"


def serve(options: Namespace, output: Output) -> Exit:
    """Serve a store until the client goes away, or until interrupted."""
    token = _token(options.token_file) if options.http is not None else None
    if options.http is None and options.token_file is not None:
        raise UsageError("--token-file goes with --http; on standard input and output there is nobody else")

    def opens() -> Store:
        return open_store(options.store, read_only=options.read_only)

    with closing(opens()) as store:
        output.mended(store.mended)
        limits = store.limits
    try:
        from taskdeck_store.mcp.serving.server import Served
    except ImportError:
        raise UsageError(_NEEDED) from None
    with closing(Served(opens, version=__version__, limits=limits, read_only=options.read_only)) as served:
        came = (
            _over_stdio(served, options, output) if options.http is None else _over_http(served, options, output, token)
        )
    # Who asked for the end takes 0 for "done as asked"; a shell expects 130 after ctrl+c.
    return Exit.INTERRUPTED if came[:1] == [signal.SIGINT] else Exit.DONE


def _over_stdio(served: Served, options: Namespace, output: Output) -> list[int]:
    from taskdeck_store.mcp.serving import stdio

    if output.columns is not None:
        output.note(f"serving {options.store} to a client on standard input; ctrl+c ends it")
    return asyncio.run(stdio.serve(served))


def _over_http(served: Served, options: Namespace, output: Output, token: str | None) -> list[int]:
    from taskdeck_store.mcp.serving import http

    host, port = options.http
    if token is None and not http.is_loopback(host):
        need = f"give one in {VARIABLE} or in a file that --token-file names"
        raise UsageError(f"--http {host}:{port}: others reach that address, so a token is needed; {need}")
    try:
        listening = http.listener(host, port)
    except OSError as error:
        raise UsageError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    with listening:
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{listening.getsockname()[1]}{http.PATH}"
        if output.json:
            output.document({"url": url, "token": token is not None})
            output.flush()
        brings = ", to who brings the token" if token is not None else ""
        output.note(f"serving {options.store} on {url}{brings}; ctrl+c ends it")
        return asyncio.run(http.serve(served, listening, host, token))


def _token(path: str | None) -> str | None:
    """Return the token that clients have to bring; None where none was given. Raises UsageError."""
    if path is None:
        said, source = os.environ.get(VARIABLE) or None, VARIABLE
    else:
        source = f"--token-file {path}"
        try:
            said = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{source}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if said is None:
        return None
    token = said.strip()
    if not _SHORTEST <= len(token) <= _LONGEST or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(f"{source}: a token is {_SHORTEST} to {_LONGEST:,} ASCII characters without a blank")
    return token
