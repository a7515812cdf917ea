"""The kinds of places that others own, those that come with Taskdeck and those that other packages add.

A package adds one by an entry point of the group ``taskdeck.stores`` that leads to a `taskdeck_store.source.Kind`
(https://packaging.python.org/en/latest/specifications/entry-points/).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from taskdeck_store import clock
from taskdeck_store.contract import Fault, Store, StoreError
from taskdeck_store.printable import one_line
from taskdeck_store.source import Kind
from taskdeck_store.userfolders import state_folder

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

GROUP = "taskdeck.stores"

_OURS: tuple[str, ...] = (
    "taskdeck_store.mcp.client.source:KIND",
    "taskdeck_store.sources.taskmaster:KIND",
    "taskdeck_store.sources.claude:KIND",
    "taskdeck_store.sources.backlog:KIND",
    "taskdeck_store.sources.beads:KIND",
    "taskdeck_store.sources.ralph:KIND",
    "taskdeck_store.sources.kanbantui:KIND",
    "taskdeck_store.sources.taskwarrior:KIND",
)
"""Where the kinds lie that come with Taskdeck: ``module:object``."""
_SLUG = re.compile(r"[^A-Za-z0-9]+")


def kinds() -> Iterator[Kind]:
    """Yield all kinds: ours first, then those of other packages. Raises StoreError for one that cannot be loaded."""
    for place in _OURS:
        module, _, name = place.partition(":")
        yield getattr(import_module(module), name)
    for point in _added():
        try:
            found = point.load()
        except Exception as error:
            message = one_line(f"cannot load the store {point.name} of {point.value}: {error}", 300)
            raise StoreError(Fault.UNREADABLE, f"{message}; mend or remove that package") from error
        if not isinstance(found, Kind):
            message = f"the store {point.name} of {point.value} is no taskdeck_store.source.Kind"
            raise StoreError(Fault.UNREADABLE, f"{message}; mend or remove that package")
        yield found


@cache
def _added() -> EntryPoints:
    """Return where other packages' kinds lie; to look for them reads the names of all that is installed."""
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)


def kind_by_scheme(scheme: str) -> Kind | None:
    """Return the kind whose addresses begin with a scheme."""
    return next((kind for kind in kinds() if scheme in kind.schemes), None)


def kind_at(path: Path) -> Kind | None:
    """Return the kind of what lies at a path; None where no kind knows it."""
    return next((kind for kind in kinds() if kind.recognises(path)), None)


def kind_for(path: Path) -> Kind | None:
    """Return the kind whose place a path is, whether or not something is there; None where any store may be made."""
    parts = path.absolute().parts
    return next((kind for kind in kinds() if kind.place and parts[-len(kind.place) :] == kind.place), None)


def nearby(folder: Path) -> Iterator[tuple[Kind, str]]:
    """Yield what of any kind lies in a project's folder, by its address."""
    for kind in kinds():
        for address in kind.nearby(folder):
            yield kind, address


def open_observed(kind: Kind, address: str, *, read_only: bool, now: clock.Clock, patience: float) -> Store:
    """Open the store at an address of a kind. Raises StoreError."""
    from taskdeck_store.observed.store import ObservedStore
    from taskdeck_store.sqlite.mirror import MirrorStore

    why = "it was opened read-only" if read_only else None
    source = kind.open(address)
    path, unkept = mirror_path(kind.name, source.place), None
    try:
        try:
            mirror = MirrorStore.open_mirror(path, address=address, now=now, patience=patience)
        except StoreError as error:
            if error.fault not in (Fault.UNWRITABLE, Fault.READ_ONLY):
                raise
            # To look needs no log; what is done needs one.
            unkept = TemporaryDirectory(prefix="taskdeck-")
            path = Path(unkept.name) / path.name
            mirror = MirrorStore.open_mirror(path, address=address, now=now, patience=patience)
            why = f"its log cannot be kept: {error.message}"
    except BaseException:
        source.close()
        raise
    return ObservedStore(source, mirror, path, read_only=why, now=now, unkept=unkept)


def mirror_path(kind: str, place: str) -> Path:
    """Return where what is seen of a source is kept."""
    stem = _SLUG.sub("-", f"{kind} {place[-40:]}").strip("-").lower()
    digest = sha256(f"{kind}\0{place}".encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return state_folder() / "observed" / f"{stem}-{digest}.db"
