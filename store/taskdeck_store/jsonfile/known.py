"""What the audit log says of a task: its events, folded."""

from __future__ import annotations

from msgspec import UNSET, Struct

from taskdeck_store.jsonfile.audit import Line
from taskdeck_store.jsonfile.fields import Data
from taskdeck_store.jsonfile.mapping import Mapping
from taskdeck_store.values import FIELDS, State

STAMPS = ("created_at", "updated_at", "state_since")
"""The moments that every event implies, so that a file need not tell them."""


class Known(Struct, frozen=True):
    """A task after its last event, number `seq`.

    `said` has its values under the names of a task's fields and, for what is not known, under the file's keys.
    `record` is the digest of its object in the file, None when the task was removed; then `left` is where it was.
    """

    seq: int
    record: str | None
    said: Data
    left: State | None = None

    @property
    def state(self) -> State | None:
        """Where the task stands, or last stood."""
        return self.left if self.record is None else State(self.said["state"])


def fold(known: Known | None, line: Line, *, found: bool) -> Known:
    """Return what is known of a task after one more event.

    `found` says that the event tells of a task that was there before the log, so that its stamps are not known.
    """
    if line.to_state is None:
        return Known(line.seq, None, {}, line.from_state)
    said: Data = {} if known is None else dict(known.said)
    if not found:
        if line.from_state is None:
            said["created_at"] = line.at
        if line.from_state is not line.to_state:
            said["state_since"] = line.at
        said["updated_at"] = line.at
    for name, (_, after) in line.changes.items():
        said[name] = after
    said["state"] = line.to_state.value
    said["attempts"] = line.attempts
    return Known(line.seq, line.record, said)


def is_found(line: Line, first: Line) -> bool:
    """Tell whether a line puts a task on record that was there before the log; `first` is its commit's first line."""
    return first.seq == 1 and line.operation is UNSET


def beside(known: Known, data: Data, mapping: Mapping) -> Data:
    """Return what the log alone knows of a task that someone outside changed to `data`.

    A key that other tasks of the file have, and this one has no more, was taken away.
    """
    said = mapping.said(data)
    return {
        name: value
        for name, value in known.said.items()
        if name in FIELDS and name not in said and (name in STAMPS or mapping.key(name, data) is None)
    }
