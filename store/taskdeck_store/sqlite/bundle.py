"""The store contract on a bundle: all reads of a SQLite store, and no write."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from taskdeck_store import jsontext
from taskdeck_store.contract import Defect, LeftOut, Manifest
from taskdeck_store.printable import one_line
from taskdeck_store.query.terms import EVERYTHING, Query
from taskdeck_store.sqlite import bundling, rows, soundness
from taskdeck_store.sqlite.rows import fetch
from taskdeck_store.sqlite.store import SqliteStore
from taskdeck_store.values import Json, Task


class BundleStore(SqliteStore):
    """A bundle as a `taskdeck_store.contract.Store`; see there."""

    _unwritable = "is a bundle, made to be looked at"

    @property
    def kind(self) -> str:
        """The backend's name for people."""
        return "bundle"

    @property
    def audited(self) -> bool:
        """Whether the store had an audit log when the bundle was made."""
        return self.manifest.store_events > 0

    @property
    def manifest(self) -> Manifest:
        """What the bundle says of itself."""
        with self.reading():
            return bundling.manifest(self._connection)

    @property
    def output_folder(self) -> None:
        """None: a bundle holds what is on record."""
        return None

    @property
    def read_only(self) -> bool:
        """Whether `apply` refuses everything: always."""
        return True

    def get(self, task_id: str) -> Task | None:
        """Return a task, or None."""
        with self.reading():
            task = super().get(task_id)
            return None if task is None else self._whole(task)

    def tasks(self, query: Query = EVERYTHING, *, limit: int | None = None) -> Sequence[Task]:
        """Return whole tasks; see the contract."""
        with self.reading():
            return [self._whole(task) for task in super().tasks(query, limit=limit)]

    def left_out(self, after: int) -> LeftOut | None:
        """Return the run of events right after a seq that are left out; see the contract."""
        with self.reading():
            found = fetch(self._connection, "SELECT first, last, hash FROM links WHERE first = ?", (after + 1,))
            if found and not (found[0][1] > after and isinstance(found[0][2], str)):
                raise rows.damage("it says of events that they are left out, and of which not")
            return LeftOut(*found[0]) if found else None

    def defects(self) -> Sequence[Defect]:
        """Return what is wrong with the file, a change since it was made among it; see the contract."""
        with self.reading():
            found = [*soundness.damage(self._connection), *soundness.doubled(self._connection)]
            for name in bundling.strange_parts(self._connection):
                found.append(Defect(one_line(f"its {name[:200]} is not what Taskdeck makes")))
            if bundling.digest(self._connection) != self.manifest.sha256:
                found.append(
                    Defect("it was changed since it was made: its manifest has another SHA-256 for its content")
                )
            return found

    def _whole(self, task: Task) -> Task:
        """A task with the fields of its own format."""
        found = fetch(self._connection, "SELECT fields FROM extra WHERE task_id = ?", (task.id,))
        return replace(task, extra=_fields(found[0][0])) if found else task


def _fields(text: str) -> dict[str, Json]:
    try:
        fields = jsontext.decode(text)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise rows.damage("the other fields of a task are no JSON object")
    return fields
