"""The queue, paused: what workers may not claim until it is resumed, as the audit log has it.

An event of the task `QUEUE` says what is paused from then on: `paused` of its changes lists it all, before and after,
so that the last of these events is all there is to know.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec
from msgspec.structs import replace

from taskdeck_store.contract import Pause, Pausing
from taskdeck_store.machine import Code, Refusal
from taskdeck_store.query.match import may_match
from taskdeck_store.query.terms import EVERYTHING, Query
from taskdeck_store.values import PAUSED, QUEUE, RESUMED, Event, Json, State, Time

_FIELD = "paused"


def pauses_of(last: Event | None) -> tuple[Pause, ...]:
    """Return what is paused after the last event of the queue; None: there is none.

    Where such an event, from whomever, does not tell that as Taskdeck does, all is paused.
    """
    if last is None:
        return ()
    found = _pauses(last.changes.get(_FIELD, (None, None))[1])
    return (Pause(query="", by=last.actor, at=last.at, note=last.note or ""),) if found is None else found


@lru_cache(maxsize=64)
def query_of(pause: Pause) -> Query:
    """Return the query of the tasks that are paused: all, for what is no filter to this version."""
    return _parsed(pause.query, pause.by) or EVERYTHING


def said(pause: Pause) -> str:
    """Return what is paused: ``everything``, or its filter."""
    return pause.query or "everything"


def done(event: Event) -> str:
    """Return what an event of the queue did: ``paused tag:x``."""
    told = event.changes.get(_FIELD, ((), ()))
    before, after = ({pause.query: pause for pause in _pauses(value) or ()} for value in told)
    changed = [said(pause) for query, pause in {**before, **after}.items() if (query in before) is not (query in after)]
    return f"{event.action}d {', '.join(changed) or 'the queue'}"


def decided(paused: Sequence[Pause], asked: Pausing, seq: int, at: Time) -> Event | Refusal:
    """Return the event by which the queue is paused or resumed at a moment, or why that is not done."""
    asked = replace(asked, query=asked.query.strip())
    if not asked.resumes:
        return _paused(paused, asked, seq, at)
    left = [pause for pause in paused if pause.query != asked.query]
    if len(left) == len(paused):
        what = asked.query or "the queue as a whole"
        others = ", ".join(map(said, paused))
        message = f"{what} is not paused" + (f"; paused is: {others}" if paused else "; nothing is")
        return Refusal(code=Code.ILLEGAL, message=message)
    return _event(RESUMED, paused, left, asked, seq, at)


def _paused(paused: Sequence[Pause], asked: Pausing, seq: int, at: Time) -> Event | Refusal:
    note = (asked.note or "").strip()
    query = _parsed(asked.query, asked.actor)
    if query is None:
        return Refusal(code=Code.INVALID, message=f"cannot pause {asked.query!r:.60}: that is no filter")
    if query != _parsed(asked.query, f"{asked.actor}'s other self"):
        message = f"cannot pause {asked.query}: 'me' is somebody else to others; name the owner"
        return Refusal(code=Code.INVALID, message=message)
    if not note:
        return Refusal(code=Code.INVALID, message="cannot pause: a note that says why is required")
    if not may_match(query, State.PENDING):
        message = f"cannot pause {asked.query}: no pending task matches that, and only those are claimed"
        return Refusal(code=Code.INVALID, message=message)
    there = next((pause for pause in paused if pause.query == asked.query), None)
    if there is not None:
        return Refusal(code=Code.ILLEGAL, message=f"{said(there)} is paused already, by {there.by}: {there.note}")
    new = Pause(query=asked.query, by=asked.actor, at=at, note=note)
    return _event(PAUSED, paused, [*paused, new], asked, seq, at)


def _pauses(value: Json) -> tuple[Pause, ...] | None:
    try:
        return msgspec.convert(value, tuple[Pause, ...])
    except msgspec.ValidationError:
        return None


def _event(action: str, before: Sequence[Pause], after: Sequence[Pause], asked: Pausing, seq: int, at: Time) -> Event:
    return Event(
        seq=seq,
        task_id=QUEUE,
        at=at,
        actor=asked.actor,
        action=action,
        from_state=None,
        to_state=None,
        attempts=0,
        note=asked.note,
        changes={_FIELD: (msgspec.to_builtins([*before]), msgspec.to_builtins([*after]))},
    )


def _parsed(text: str, me: str) -> Query | None:
    from taskdeck_store.query.parse import QueryError, parse

    try:
        return parse(text, me=me)
    except QueryError:
        return None
