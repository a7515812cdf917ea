"""What `taskdeck` does without a word: it looks for stores in this folder, and offers them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from taskdeck_store.address import foreign_kind, is_store, kind_at
from taskdeck_store.contract import Fault, StoreError
from taskdeck_tui.cli.exits import Exit, UsageError
from taskdeck_tui.cli.output import DIM, Output
from taskdeck_tui.safe import safe

_NAME_ONE = "name a store, as in: taskdeck tasks.db; to look round: taskdeck demo; more: taskdeck --help"
_SUFFIXES = (".db", ".sqlite", ".sqlite3", ".json")
_KINDS = {"sqlite": "SQLite", "json": "JSON"}
_MOST = 200
"""Files of a folder, named like stores, that are looked into."""


_NAMED = 3


def offer(output: Output) -> int:
    """Open the store of this folder that the user chooses. Raises UsageError where there is none, or nobody to ask."""
    found = list(stores(Path()))
    if output.json:
        output.array({"address": address, "kind": kind} for address, kind in found)
        return Exit.DONE
    if not found:
        raise UsageError(f"there is no store in this folder{_unseen(Path())}; {_NAME_ONE}")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        there = ", ".join(address for address, _ in found)
        raise UsageError(f"name one of the stores in this folder ({there}), as in: taskdeck {found[0][0]}")
    chosen = _chosen(found, output)
    if chosen is None:
        return Exit.DONE
    from taskdeck_tui.cli import parser
    from taskdeck_tui.cli.screens import board

    return board(parser.arguments(parser.BOARD, [chosen]))


def stores(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the stores that lie in a project's folder: address and kind."""
    from taskdeck_store.kinds import kind_at as whose
    from taskdeck_store.kinds import nearby

    for path in sorted(_candidates(folder)[:_MOST]):
        try:
            if foreign_kind(str(path)) is None and is_store(path):
                yield str(path), _KINDS[kind_at(path)]
        except StoreError:
            continue
    whole = folder.absolute()
    itself = whose(whole)
    if itself is not None:
        yield str(whole), itself.name
    for kind, address in nearby(folder):
        yield address, kind.name


def _candidates(folder: Path) -> list[Path]:
    """Return the files that are named like stores, databases first: of those there are few. Raises StoreError."""
    try:
        found = [path for path in folder.iterdir() if path.suffix in _SUFFIXES and path.is_file()]
    except OSError as error:
        raise StoreError(Fault.UNREADABLE, f"cannot look into {folder.absolute()}: {error.strerror}") from error
    return sorted(found, key=lambda path: (path.suffix == ".json", path))


def _unseen(folder: Path) -> str:
    """Return what was not looked into, to be put behind a sentence; '' where it was everything."""
    found = _candidates(folder)
    if len(found) > _MOST:
        return f" (of its {len(found):,} .json and .db files, {_MOST:,} were looked into)"
    closed = [path.name for path in found if not os.access(path, os.R_OK)]
    return f" that can be read ({', '.join(closed[:_NAMED])} cannot)" if closed else ""


def _chosen(found: Sequence[tuple[str, str]], output: Output) -> str | None:
    output.line("stores in this folder:")
    for number, (address, kind) in enumerate(found, 1):
        output.line(f"  {number}  {safe(address)}  {output.paint(safe(kind), DIM)}")
    output.flush()
    while True:
        try:
            answer = input("which one? [1] ").strip() or "1"
        except EOFError:
            return None
        if answer.isdecimal() and 1 <= int(answer) <= len(found):
            return found[int(answer) - 1][0]
        if answer in ("q", "quit"):
            return None
        output.line(f"a number from 1 to {len(found)}, or q")
        output.flush()
