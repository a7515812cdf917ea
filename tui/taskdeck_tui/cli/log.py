"""The command that shows the audit log, and goes on showing it as events are committed."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing

from msgspec.structs import replace

from taskdeck_store.contract import Fault, Store, StoreError
from taskdeck_store.machine import Code, missing
from taskdeck_store.paging import every_event
from taskdeck_store.readable import open_readable
from taskdeck_store.values import QUEUE, Action, Event, State
from taskdeck_store.wording import did
from taskdeck_tui.cli.columns import cut, fill
from taskdeck_tui.cli.exits import OF_REFUSAL, Exit
from taskdeck_tui.cli.output import DIM, Output
from taskdeck_tui.cli.reading import told_damage
from taskdeck_tui.safe import safe

_PAGE = 1_000
_SECOND = len("2026-01-31T09:05:00")
_LONGEST_ACTION = max(map(len, Action))
_GAPS = 5
_LOOK = 1.0
"""Seconds after which a follower looks whether its reader is still there."""


def log(options: Namespace, output: Output) -> Exit:
    """Write the events of the store or of one task; with --follow, those that come too, until interrupted."""
    # Not opened read-only: a handle that may write puts on record what changed outside, so that the log tells it.
    with closing(open_readable(options.store)) as store:
        if options.id is not None and not is_known(store, options.id, output):
            return OF_REFUSAL[Code.NOT_FOUND]
        if store.limits.observed:
            output.note(f"this is not {store.kind}'s own log: these are what was seen and done from this machine")
        if options.follow:
            _follow(store, options.id, options.after, output)
        else:
            with store.reading():
                output.mended(store.mended)
                tell_events(store, options.id, output, after=options.after)
    return told_damage(store, output)


def is_known(store: Store, task_id: str, output: Output) -> bool:
    """Tell whether a task is in a store, or was; say so where it was never."""
    if store.events(task_id, limit=1) or store.get(task_id) is not None:
        return True
    refusal = missing(task_id)
    output.error(refusal.code, refusal.message, {"task_id": task_id})
    return False


def tell_events(store: Store, task_id: str | None, output: Output, *, after: int = 0, until: int | None = None) -> None:
    """Write the events of the store or of one task, one a line, or as one JSON array; say which are missing."""
    gaps: list[tuple[int, int]] = []
    events = every_event(store, task_id, after=after, until=until)
    torn: list[int] = []
    told = _noting_gaps(store, events, after, gaps) if task_id is None else _noting_tears(events, after, torn)
    if output.json:
        output.array(told)
    else:
        for event in told:
            if output.gone:
                return
            output.line(_line(event, output))
    tell_gaps(gaps, output)
    if torn:
        ahead = f"{torn[0]:,}" + (", …" if len(torn) > 1 else "")
        output.in_doubt(f"events of {task_id} are missing in the log: what is told does not lead to event {ahead}")


def tell_gaps(gaps: Sequence[tuple[int, int]], output: Output) -> None:
    """Say on stderr which events are missing in the log: the first and last seq of each run."""
    if gaps:
        runs = [f"{first:,}" if first == last else f"{first:,}–{last:,}" for first, last in gaps[:_GAPS]]
        more = ", …" if len(gaps) > _GAPS else ""
        output.in_doubt(f"events are missing in the log: {', '.join(runs)}{more}")


def _noting_tears(events: Iterable[Event], after: int, torn: list[int]) -> Iterator[Event]:
    """Yield the events of one task; note those that find it where the one before has not left it."""
    state: State | None = None
    is_known = not after
    for event in events:
        if is_known and event.from_state is not state:
            torn.append(event.seq)
        is_known, state = True, event.to_state
        yield event


def _noting_gaps(store: Store, events: Iterable[Event], after: int, gaps: list[tuple[int, int]]) -> Iterator[Event]:
    last = after
    for event in events:
        if event.seq != last + 1:
            run = store.left_out(last)
            last = last if run is None else run.last
            if event.seq != last + 1:
                gaps.append((last + 1, event.seq - 1))
        last = event.seq
        yield event


def _follow(store: Store, task_id: str | None, after: int, output: Output) -> None:
    """Write every event once: each page begins after the last event written, whatever woke the follower."""
    last: Event | None = None
    troubled = False
    damage: str | None = None
    mended = 0
    while output.heard():
        events: Sequence[Event] = ()
        try:
            # Read with the last one written: where it is another by now, or gone, so is the log that it was in.
            found = store.events(task_id, after=last.seq - 1 if last else after, limit=_PAGE)
            if last is not None and not found and not store.events(limit=1):
                raise StoreError(Fault.MISSING, f"the audit log of {store.address} is gone")
            if last is not None and not (found and _same(found[0], last)):
                output.error(
                    "replaced", f"{store.address} was replaced by another store; its log follows from the beginning"
                )
                last, after = None, 0
                continue
            events = found[1:] if last is not None else found
            troubled = False
            output.mended(store.mended[mended:])
            mended = len(store.mended)
            if store.damage != damage:
                damage = store.damage
                if damage is not None:
                    output.error(Fault.DAMAGED, f"{damage}; still following")
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
    return f"{output.paint(head, DIM)}  {safe(event.task_id) or 'queue'}  {_move(event, output)}  {note}".rstrip()


def _move(event: Event, output: Output) -> str:
    if event.task_id == QUEUE and event.from_state is event.to_state:
        return safe(did(event))
    if event.from_state is event.to_state:
        return f"changed {', '.join(map(safe, event.changes))}" if event.changes else ""
    before = f"{output.state(event.from_state)} → " if event.from_state else ""
    return before + (output.state(event.to_state) if event.to_state else "removed")
