"""The command that shows the audit log, and goes on showing it as events are committed."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Sequence
from contextlib import closing

from msgspec.structs import replace

from taskdeck_store.contract import Store, StoreError
from taskdeck_store.machine import missing
from taskdeck_store.paging import every_event
from taskdeck_store.salvage import open_readable
from taskdeck_store.values import Action, Event
from taskdeck_tui.cli.columns import cut, fill
from taskdeck_tui.cli.exits import OF_REFUSAL, Exit
from taskdeck_tui.cli.output import DIM, Output
from taskdeck_tui.cli.reading import told_damage
from taskdeck_tui.safe import safe

_PAGE = 1_000
_SECOND = len("2026-01-31T09:05:00")
_LONGEST_ACTION = max(map(len, Action))
_LOOK = 1.0
"""Seconds after which a follower looks whether its reader is still there."""


def log(options: Namespace, output: Output) -> Exit:
    """Write the events of the store or of one task; with --follow, those that come too, until interrupted."""
    # Not opened read-only: a handle that may write puts on record what changed outside, so that the log tells it.
    with closing(open_readable(options.store)) as store:
        if options.id is not None and not store.events(options.id, limit=1) and store.get(options.id) is None:
            refusal = missing(options.id)
            output.error(refusal.code, refusal.message, {"task_id": options.id})
            return OF_REFUSAL[refusal.code]
        if options.follow:
            _follow(store, options.id, output)
        else:
            with store.reading():
                output.mended(store.mended)
                tell_events(every_event(store, options.id), output)
    return told_damage(store, output)


def tell_events(events: Iterable[Event], output: Output) -> None:
    """Write events, one a line, or as one JSON array."""
    if output.json:
        output.array(events)
        return
    for event in events:
        if output.gone:
            return
        output.line(_line(event, output))


def _follow(store: Store, task_id: str | None, output: Output) -> None:
    """Write every event once: each page begins after the last event written, whatever woke the follower."""
    last: Event | None = None
    troubled = False
    mended = 0
    while output.heard():
        events: Sequence[Event] = ()
        try:
            # Read with the last one written: where it is another by now, or gone, so is the log that it was in.
            found = store.events(task_id, after=last.seq - 1 if last else 0, limit=_PAGE)
            if last is not None and not (found and _same(found[0], last)):
                output.error(
                    "replaced", f"{store.address} was replaced by another store; its log follows from the beginning"
                )
                last = None
                continue
            events = found[1:] if last is not None else found
            troubled = False
            output.mended(store.mended[mended:])
            mended = len(store.mended)
        except StoreError as error:
            if not troubled:
                output.error(error.fault, f"{error.message}; still following")
            troubled = True
        for event in events:
            if output.json:
                output.document(event)
            else:
                output.line(_line(event, output))
            last = event
        output.flush()
        if len(events) < _PAGE - 1:
            store.wait(_LOOK)


def _same(one: Event, other: Event) -> bool:
    """Tell whether two events are one: its hash may have been added since."""
    return replace(one, hash=None) == replace(other, hash=None)


def _line(event: Event, output: Output) -> str:
    at = safe(event.at)[:_SECOND].replace("T", " ")
    head = f"{event.seq:>5}  {at}  {fill(safe(event.actor), 12)}  {fill(safe(event.action), _LONGEST_ACTION)}"
    note = safe(event.note) if event.note else ""
    if output.columns is not None:
        note = cut(note, output.columns)
    return f"{output.paint(head, DIM)}  {safe(event.task_id)}  {_move(event, output)}  {note}".rstrip()


def _move(event: Event, output: Output) -> str:
    if event.from_state is event.to_state:
        return f"changed {', '.join(map(safe, event.changes))}" if event.changes else ""
    before = f"{output.state(event.from_state)} → " if event.from_state else ""
    return before + (output.state(event.to_state) if event.to_state else "removed")
