"""Opening the board: the store is read first, then Textual is loaded to show it."""

from __future__ import annotations

import gc
import sys
import threading
from typing import TYPE_CHECKING

from taskdeck_store.address import open_store
from taskdeck_store.clock import Clock, utc_now
from taskdeck_store.contract import Fault, Store, StoreError
from taskdeck_store.reach import why_no_debugging
from taskdeck_store.readable import open_readable
from taskdeck_tui.crash import told
from taskdeck_tui.feed import Reader
from taskdeck_tui.model.look import Wanted
from taskdeck_tui.model.orders import ORDERS, known
from taskdeck_tui.outlet import Outlet
from taskdeck_tui.remembered import load_remembered
from taskdeck_tui.safe import safe
from taskdeck_tui.waiting import told_if_slow
from taskdeck_tui.writer import Committed, Paused, Writer

if TYPE_CHECKING:
    from taskdeck_tui.stepping import Stepping

READ_PATIENCE = 0.5
"""Seconds that the reading handle waits for a lock before it says that the store is busy."""

WRITE_PATIENCE = 10.0
"""Seconds that a commit waits for other writers."""


_AT_ONCE = 0.2
"""Seconds that a commit may still take when the board is left before a word is said about it."""

SWITCH = 0.0005
"""Seconds after which a busy thread lets another one run: rows are read one by one, and the screen waits for them."""


def run_board(
    address: str,
    *,
    read_only: bool,
    actor: str,
    travels: bool = False,
    handlers: str | None = None,
    now: Clock = utc_now,
) -> int:
    """Show the board of a store until the user leaves it, at first its past if it `travels`; return the exit code.

    With `handlers`, ``module:object``, tasks are stepped by doing their work. Raises StoreError when the store cannot
    be opened, or not be written to where work is to be done.
    """
    outlet = Outlet()
    with told_if_slow(f"opening {address}"):
        store = open_readable(address, read_only=read_only, now=now, patience=READ_PATIENCE)
    if handlers is not None and store.read_only:
        store.close()
        raise StoreError(Fault.READ_ONLY, f"{address} cannot be written to, and a step of real work must")
    why = why_no_debugging(store.limits) if handlers is not None else None
    if why is not None:
        store.close()
        raise StoreError(Fault.READ_ONLY, f"cannot step the work on {address}: {why}")
    remembered = load_remembered()
    reader = Reader(store, Wanted(orders=ORDERS[known(remembered.order)]), now, outlet)
    reader.prime()
    writer = Writer(lambda: open_store(address, now=now, patience=WRITE_PATIENCE), outlet)
    stepping = _stepping(address, handlers, outlet, actor, now) if handlers is not None else None
    threading.excepthook = _told_of_thread
    sys.setswitchinterval(SWITCH)
    gc.disable()
    try:
        from taskdeck_tui.deck import Deck

        # What is damaged may be put right while the board is open; until then the writer refuses.
        locked = store.read_only and store.damage is None
        deck = Deck(
            address,
            f"{store.kind}, observed" if store.limits.observed else store.kind,
            reader,
            writer,
            outlet,
            past=lambda: open_readable(address, read_only=True, now=now, patience=READ_PATIENCE),
            stepping=stepping,
            travels=travels,
            remembered=remembered,
            read_only=locked,
            actor=actor,
            now=now,
        )
        deck.run()
    finally:
        finished = writer.close(_AT_ONCE) or _waited_for(writer)
        if stepping is not None:
            _end_steps(stepping)
        reader.close()
    return deck.return_code or _told_late(writer.untold, finished)


def _stepping(address: str, handlers: str, outlet: Outlet, actor: str, now: Clock) -> Stepping:
    from taskdeck_tui.stepping import Stepping

    def opened() -> Store:
        return open_store(address, now=now, patience=WRITE_PATIENCE)

    return Stepping(opened, handlers, outlet, actor=actor, now=now)


def _end_steps(stepping: Stepping) -> None:
    """Have what is stepped given back, and say so on stderr."""
    if not stepping.close(_AT_ONCE):
        print("taskdeck: waiting for the store to take back what was stepped …", file=sys.stderr)
        if not stepping.close(WRITE_PATIENCE):
            print("taskdeck: it did not; the leases run out by themselves", file=sys.stderr)
    for news in stepping.untold:
        print(f"taskdeck: {safe(news.said)}", file=sys.stderr)


def _told_of_thread(died: threading.ExceptHookArgs) -> None:
    if died.exc_value is not None:
        print(f"taskdeck: {told(died.exc_value)}", file=sys.stderr)


def _waited_for(writer: Writer) -> bool:
    print("taskdeck: waiting for the store to take the last action …", file=sys.stderr)
    return writer.close(WRITE_PATIENCE)


def _told_late(untold: list[Committed | Paused], finished: bool) -> int:
    """Say on stderr what became of actions that were under way when the board was left; return the exit code."""
    lines = [f"the last action was not committed: {each.failure}" for each in untold if each.failure]
    for each in untold:
        outcomes = each.outcomes if isinstance(each, Committed) else ()
        lines.extend(outcome.refusal.message for outcome in outcomes if outcome.refusal is not None)
    if not finished:
        lines.append("the last action still waits for the store; look whether it was committed")
    for line in lines:
        print(f"taskdeck: {safe(line)}", file=sys.stderr)
    return 1 if lines else 0
