"""The leases that were renewed of a task file, in a file beside it: NAME.json's is `.NAME.json.taskdeck-leases`.

A heartbeat is no event, and the task file says what the last event left: so what a heartbeat says stands elsewhere. The
file is a JSON object, from a task's id to who holds it, since when, and until when. It counts for a task only while
that task is held so. It is not synced: a power loss ends the workers as well.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from taskdeck_store import machine
from taskdeck_store.placing import new_file, write_all
from taskdeck_store.replacement import Signature, own_like, signature
from taskdeck_store.values import Task, Time


class Lease(Struct, frozen=True, kw_only=True):
    """Who holds a task, since when it is in its state, and when the lease runs out."""

    owner: str
    since: Time
    until: Time

    def is_of(self, task: Task) -> bool:
        """Tell whether a task is held as it was when the lease was renewed."""
        return task.state in machine.LEASED and (task.owner, task.state_since) == (self.owner, self.since)


_DECODER = msgspec.json.Decoder(dict[str, Lease])


class Leases:
    """The renewed leases of the task file at a path."""

    def __init__(self, path: Path) -> None:
        self._task_file = path
        self._path = path.with_name(f".{path.name}.taskdeck-leases")
        self._draft = path.with_name(f".{path.name}.taskdeck-leases-new")
        self._signature: Signature | None = None
        self._known: Mapping[str, Lease] = {}

    def read(self) -> Mapping[str, Lease]:
        """Return what the file says; nothing where there is none, or it cannot be read."""
        try:
            found = signature(self._path)
            if found != self._signature:
                self._known = _DECODER.decode(self._path.read_bytes())
                self._signature = found
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self._known, self._signature = {}, None
        return self._known

    def write(self, leases: Mapping[str, Lease]) -> None:
        """Put the file in its place, or take it away where no lease is left. Raises OSError.

        Only under the store's write lock.
        """
        if not leases:
            self._path.unlink(missing_ok=True)
            return
        self._draft.unlink(missing_ok=True)
        file = new_file(self._draft)
        try:
            with suppress(PermissionError):
                own_like(file, self._task_file.stat())
            write_all(file, msgspec.json.encode(leases))
        finally:
            os.close(file)
        self._draft.replace(self._path)
