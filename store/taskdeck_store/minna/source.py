"""How a file of Minna Memory is told from others, and opened; see `taskdeck_store.minna`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from taskdeck_store.source import Kind, Source

SCHEME = "minna"

_USUAL = Path(".spine") / "minna.db"
_SMALLEST = 1024
_STEPS = 1_000_000
"""How many steps SQLite takes at most to tell whether a file is one."""


def path_of(address: str) -> Path:
    """Return the file an address means: ``minna:PATH``, or a path."""
    return Path(address.removeprefix(f"{SCHEME}:"))


def recognises(path: Path) -> bool:
    """Tell whether a file holds memories of at least one task, or was made for them by Taskdeck."""
    try:
        size = path.stat().st_size if path.is_file() else 0
    except (OSError, ValueError):
        return False
    # A file that SQLite has open in this process must not be opened beside it, not even to read its first bytes
    # (https://www.sqlite.org/howtocorrupt.html, 2.2). Its pages are of 512 bytes at least.
    if size < _SMALLEST or size % 512:
        return False
    from taskdeck_store.minna.recognising import holds_tasks

    return holds_tasks(path, steps=_STEPS)


def nearby(folder: Path) -> Iterable[str]:
    """Return the address of the memories in a project's folder, where it has some."""
    path = folder / _USUAL
    return (f"{SCHEME}:{path}",) if path.is_file() else ()


def opened(address: str) -> Source:
    """Open the memories at an address. Raises StoreError."""
    from taskdeck_store.minna.tasks import MinnaTasks

    return MinnaTasks(path_of(address))


def create(address: str) -> None:
    """Make a file of memories that has none yet, never over another file. Raises StoreError."""
    from taskdeck_store.minna import memory

    memory.create(path_of(address))


KIND = Kind(name="Minna Memory", schemes=(SCHEME,), recognises=recognises, open=opened, nearby=nearby, create=create)
