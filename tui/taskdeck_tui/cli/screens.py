"""The commands that open a screen; only here is Textual loaded."""

from __future__ import annotations

import sys
from argparse import Namespace

from taskdeck_store.address import foreign_kind, path_of
from taskdeck_store.backup import kind_there
from taskdeck_tui.cli.actor import actor
from taskdeck_tui.cli.exits import UsageError


def board(options: Namespace) -> int:
    """Open the board of a store."""
    _need_store(options.store)
    _need_terminal("for scripts: taskdeck list STORE")
    if options.handlers is not None:
        if options.read_only:
            raise UsageError("--handlers is to do work, and with --read-only nothing may change; leave one of them out")
        from taskdeck_tui.cli.handlers import loaded

        loaded(options.handlers)
    from taskdeck_tui.app import run_board

    return run_board(options.store, read_only=options.read_only, actor=actor(options.actor), handlers=options.handlers)


def past(options: Namespace) -> int:
    """Open the board of a store as it was."""
    _need_store(options.store)
    _need_terminal("for scripts: taskdeck replay STORE --at WHEN")
    from taskdeck_tui.app import run_board

    return run_board(options.store, read_only=False, actor=actor(None), travels=True)


def demo(options: Namespace) -> int:
    """Open the board on a generated store that keeps moving."""
    _need_terminal("run it in one")
    from taskdeck_tui.demo.command import run_demo

    return run_demo(store=options.store, tasks=options.tasks, seed=options.seed, actor=actor(None))


def _need_store(address: str) -> None:
    """Raise StoreError where there is none at an address, before a screen is loaded."""
    if foreign_kind(address) is None:
        kind_there(path_of(address))


def _need_terminal(instead: str) -> None:
    """Raise UsageError where there is no terminal to show a board on."""
    # Textual draws on stderr: https://github.com/Textualize/textual, LinuxDriver
    if any(stream is None or not stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise UsageError(f"the board needs a terminal: stdin, stdout and stderr, which it is drawn on; {instead}")
