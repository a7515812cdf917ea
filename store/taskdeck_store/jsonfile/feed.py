"""What was committed since a look: from the log, and what was seen and is not on record."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable

from msgspec import UNSET

from taskdeck_store import machine
from taskdeck_store.contract import Change, Changes
from taskdeck_store.jsonfile.audit import AuditLog, Batch, Line
from taskdeck_store.jsonfile.picture import Moved
from taskdeck_store.values import EXTERNAL, OUTSIDE, REMOVED, Action, Task, Time

_REMEMBERED = 10_000
"""How many changes that are not on record are remembered."""


class Feed:
    """The change feed of one handle.

    A cursor has the name of the feed and how much of what is not on record it told, and the log's identity, how much of
    that it told and the hash of the last event of it, which a copy of the log that went its own way does not have.
    Another handle's cursor holds for the log.
    """

    def __init__(self) -> None:
        self._name = os.urandom(4).hex()
        self._unrecorded: deque[Change] = deque(maxlen=_REMEMBERED)
        self._end = 0

    def tell(self, moved: Iterable[Moved], at: Time) -> None:
        """Add tasks that someone outside changed, and that cannot be put on record."""
        for task_id, before, after in moved:
            self._unrecorded.append(_noticed(task_id, before, after, at))
            self._end += 1

    def since(self, cursor: str | None, log: AuditLog, limit: int) -> Changes:
        """Return what came after a cursor; with None, only the cursor of now. Raises OSError and DamagedLog."""
        now = f"{self._name}:{self._end}:{log.identity}:{log.seq}:{_tip(log.last)}"
        if cursor is None or cursor == now:
            return Changes(cursor=now)
        not_told = Changes(cursor=now, complete=False)
        name, told, identity, seq, tip = [*cursor.split(":"), "", "", "", "", ""][:5]
        if not (told.isdecimal() and seq.isdecimal()) or int(seq) > log.seq or identity not in ("", log.identity):
            return not_told
        if int(seq) and tip != _tip(log.line(int(seq))):
            return not_told
        unrecorded: list[Change] = []
        if name == self._name and 0 <= self._end - int(told) <= len(self._unrecorded):
            unrecorded = list(self._unrecorded)[len(self._unrecorded) - (self._end - int(told)) :]
        elif name == self._name or not identity:
            return not_told
        if identity == log.identity:
            if len(unrecorded) + log.seq - int(seq) > limit:
                return not_told
            recorded = [_recorded(line) for line in log.lines(range(int(seq) + 1, log.seq + 1))]
            return Changes(cursor=now, changes=(*unrecorded, *recorded))
        begun = unrecorded + _since_it_began(log)
        return Changes(cursor=now, changes=tuple(begun), complete=False) if len(begun) <= limit else not_told


def _tip(line: Line | None) -> str:
    return line.hash[:16] if line is not None and line.hash is not None else ""


def _since_it_began(log: AuditLog) -> list[Change]:
    """Return all that the log tells, but for the tasks that were there before it."""
    lines = log.lines(range(1, log.seq + 1))
    first = lines[0].batch.lines if lines and isinstance(lines[0].batch, Batch) else 0
    return [_recorded(line) for line in lines if line.seq > first or line.operation is not UNSET]


def _recorded(line: Line) -> Change:
    return Change(**{name: getattr(line, name) for name in Change.__struct_fields__})


def _noticed(task_id: str, before: Task | None, after: Task | None, at: Time) -> Change:
    if before is None or after is None:
        action: str = Action.ADD if before is None else REMOVED
    else:
        action = machine.action_between(before.state, after.state) or OUTSIDE
    return Change(
        seq=0,
        task_id=task_id,
        at=at,
        actor=EXTERNAL,
        action=action,
        from_state=before.state if before is not None else None,
        to_state=after.state if after is not None else None,
        note=None,
    )
