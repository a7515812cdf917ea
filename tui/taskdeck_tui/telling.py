"""Events and outcomes told to people, in sentences of one line that are fit for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

from taskdeck_store import wording
from taskdeck_store.clock import to_seconds
from taskdeck_store.contract import Change, Outcome
from taskdeck_store.machine import Code, said
from taskdeck_store.values import Event, Json, Time
from taskdeck_tui.safe import safe
from taskdeck_tui.span import span

NOTHING = "–"
"""How an absent or empty value is shown."""

_REFUSED: Mapping[Code, str] = {
    Code.CONFLICT: "changed meanwhile",
    Code.ILLEGAL: "illegal",
    Code.NOT_FOUND: "gone",
    Code.READ_ONLY: "read-only",
    Code.INVALID: "invalid",
}


def who(actor: str) -> str:
    """Return an actor as a person reads it, fit for a terminal."""
    return safe(wording.who(actor))


def did(event: Event) -> str:
    """Return what was done, without who and why, fit for a terminal: ``started attempt 2``."""
    return safe(wording.did(event))


def told(event: Event) -> str:
    """Return an event as one sentence: ``ada rejected it: numbers do not add up``."""
    why = f": {safe(event.note.strip())}" if event.note and event.note.strip() else ""
    return f"{who(event.actor)} {did(event)}{why}"


def changes_told(event: Event, *, limit: int = 60) -> tuple[tuple[str, str, str], ...]:
    """Return the changed fields: name, value before and value after, each value cut at `limit` characters."""
    return tuple(
        (safe(name), value_told(before, limit=limit), value_told(after, limit=limit))
        for name, (before, after) in event.changes.items()
    )


def value_told(value: Json, *, limit: int = 60) -> str:
    """Return a field's value in one line of at most `limit` characters, at a cost that follows the limit."""
    if value is None or value in ("", [], {}, ()):
        return NOTHING
    if isinstance(value, str):
        return _cut(value, limit)
    text = ""
    for piece in _json_pieces(value):
        text += piece[: limit + 1]
        if len(text) > limit:
            break
    return _cut(text, limit)


def moment(at: Time) -> str:
    """Return a moment to the second, in UTC: ``2026-01-31 09:05:00Z``."""
    return f"{safe(at[:10])} {safe(at[11:19])}Z"


def ago(at: Time, now: Time) -> str:
    """Return how long before `now` a moment was: ``3m ago``, or ``now``; NOTHING for a text that is no moment."""
    try:
        seconds = to_seconds(now) - to_seconds(at)
    except ValueError:
        return NOTHING
    return "now" if seconds < 1 else f"{span(seconds)} ago"


def outcome_line(outcomes: Iterable[Outcome]) -> str:
    """Return the sum of many outcomes: ``7 applied, 2 changed meanwhile, 1 illegal``."""
    counts = Counter(_result(outcome) for outcome in outcomes)
    order = ("applied", *_REFUSED.values(), "held back")
    return ", ".join(f"{counts[word]:,} {word}" for word in order if counts[word]) or "nothing to do"


def outcome_told(outcome: Outcome) -> str:
    """Return what became of one command: where the task is now, or why it was refused."""
    task_id = safe(outcome.command.task_id)
    if outcome.refusal is not None:
        return safe(outcome.refusal.message)
    if outcome.event is None or outcome.task is None:
        return f"{task_id} was held back: another of the same group was refused"
    again = " (it had been done before)" if outcome.repeated else ""
    if outcome.event.from_state is outcome.event.to_state:
        return f"{task_id}: {did(outcome.event)}{again}"
    return f"{task_id} is now {said(outcome.task.state)}{again}"


def departures_told(changes: Iterable[Change], *, held: str | None, selected: Collection[str], me: str) -> str:
    """Return who moved the task that was under the cursor, or selected ones, away from where they were; '' for nobody.

    `held` is the id of the task that left the place of the cursor (None: it did not), `selected` holds ids, `me` is
    the actor who need not be told.
    """
    last: dict[str, Change] = {}
    for change in changes:
        is_move = change.from_state is not change.to_state
        # An edit may take a card away as well; it does not where a move did.
        if (is_move and change.task_id in selected) or (change.task_id == held and (is_move or held not in last)):
            last[change.task_id] = change
    left = [change for change in last.values() if change.actor != me]
    chosen = [change for change in left if change.task_id in selected]
    told = [_departure(change) for change in left if change.task_id not in selected]
    if len(chosen) == 1:
        told.append(f"{_departure(chosen[0])}; it stays selected")
    elif chosen:
        told.append(f"{len(chosen):,} selected tasks moved and stay selected; the last: {_departure(chosen[-1])}")
    return " · ".join(told)


def _departure(change: Change) -> str:
    where = f"moved to {said(change.to_state)}" if change.to_state else "was removed"
    return f"{safe(change.task_id)} {where} by {safe(change.actor)}"


def _result(outcome: Outcome) -> str:
    if outcome.refusal is not None:
        return _REFUSED[outcome.refusal.code]
    return "applied" if outcome.event is not None else "held back"


def _cut(text: str, limit: int) -> str:
    line = safe(text[: limit + 1])
    return line if len(text) <= limit and len(line) <= limit else line[: limit - 1] + "…"


def _json_pieces(value: Json) -> Iterator[str]:
    import json

    try:
        yield from json.JSONEncoder(ensure_ascii=False).iterencode(value)
    except RecursionError:
        yield "…"
