"""The events that a server tells of, as far as they are events; what they say is not yet to be believed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from taskdeck_store import jsontext, validity
from taskdeck_store.mcp.client.reading import id_of
from taskdeck_store.source import Told
from taskdeck_store.values import QUEUE, Json, State

_MOST = 2_000
_SHORT = Meta(max_length=500)
_CUT = "changes."


class _Row(Struct, frozen=True):
    seq: Annotated[int, Meta(ge=1, lt=1 << 53)]
    task_id: str | int
    at: Annotated[str, _SHORT]
    actor: Annotated[str, _SHORT]
    action: Annotated[str, _SHORT]
    from_state: State | None
    to_state: State | None
    attempts: Annotated[int, Meta(ge=0, le=validity.WHOLE_LIMIT)]
    note: Annotated[str, Meta(max_length=10_000)] | None = None
    changes: dict[str, tuple[Json, Json]] = {}
    cut: Annotated[tuple[str, ...], Meta(max_length=200)] = ()


_ROWS = msgspec.json.Decoder(tuple[_Row, ...])


def told_of(text: msgspec.Raw) -> tuple[Told, ...] | None:
    """Return the events of a JSON text, with the ids that their tasks have here; None where that is no list of a
    bounded number of events in order.
    """
    try:
        rows = _ROWS.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    is_in_order = all(one.seq < other.seq for one, other in pairwise(rows))
    is_deep = any(jsontext.depth(row.changes) >= jsontext.NESTING for row in rows)
    if len(rows) > _MOST or is_deep or not is_in_order:
        return None
    return tuple(_told(row) for row in rows if row.task_id != QUEUE)


def by_task(told: Iterable[Told]) -> Mapping[str, Sequence[Told]]:
    """Return events by the ids of their tasks."""
    found: dict[str, list[Told]] = {}
    for one in told:
        found.setdefault(one.task_id, []).append(one)
    return found


def _told(row: _Row) -> Told:
    untold = tuple(name.removeprefix(_CUT) for name in row.cut if name.startswith(_CUT))
    return Told(
        seq=row.seq,
        task_id=id_of(row.task_id),
        at=row.at,
        actor=row.actor,
        action=row.action,
        from_state=row.from_state,
        to_state=row.to_state,
        attempts=row.attempts,
        note=row.note,
        changes={name: pair for name, pair in row.changes.items() if name not in untold},
        untold=untold,
    )
