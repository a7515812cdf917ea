"""From the screen to the store: a thread that commits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from queue import SimpleQueue

from msgspec import Struct

from taskdeck_store.contract import Outcome, Pausing, Store, StoreError
from taskdeck_store.machine import Code, Command, Refusal
from taskdeck_store.values import Event
from taskdeck_tui.outlet import Outlet

EVENTS = 5
"""How many of a task's newest events a conflict is told with."""


class Committed(Struct, frozen=True, kw_only=True):
    """What became of the commands of one intent; or why the store as a whole could not take them.

    `events` holds the newest events of each task that had changed meanwhile, by its id, in order of `seq`; nothing of
    a task whose events could not be read.
    """

    commands: tuple[Command, ...]
    outcomes: tuple[Outcome, ...] = ()
    events: Mapping[str, Sequence[Event]] = {}
    failure: str | None = None


class Paused(Struct, frozen=True, kw_only=True):
    """What became of the wish to pause or resume the queue: its event, or why that was not done."""

    event: Event | None = None
    failure: str = ""


class Writer:
    """Commits commands in a thread of its own, in the order in which they were given.

    `done` is run in the thread of the screen with what became of them, and `paused` with what became of a pause. What
    came too late for a screen is in `untold`.
    """

    def __init__(self, open_store: Callable[[], Store], outlet: Outlet) -> None:
        self.done: Callable[[Committed], None] = lambda _: None
        self.paused: Callable[[Paused], None] = lambda _: None
        self.untold: list[Committed | Paused] = []
        self._open = open_store
        self._outlet = outlet
        self._intents: SimpleQueue[tuple[Command, ...] | Pausing | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def commit(self, commands: Sequence[Command]) -> None:
        """Have the commands committed."""
        self._give(tuple(commands))

    def pause(self, pausing: Pausing) -> None:
        """Have the queue paused, or resumed."""
        self._give(pausing)

    def _give(self, intent: tuple[Command, ...] | Pausing) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._outlet.guarded(self._work), name="taskdeck-write", daemon=True)
            self._thread.start()
        self._intents.put(intent)

    def close(self, timeout: float) -> bool:
        """Finish what was given, waiting at most `timeout` seconds. Return whether all of it was."""
        if self._thread is None:
            return True
        self._intents.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _work(self) -> None:
        store: Store | None = None
        while (intent := self._intents.get()) is not None:
            try:
                store = store or self._open()
                if isinstance(intent, Pausing):
                    self._tell_paused(_paused(store.pause(intent)))
                    continue
                outcomes = store.apply(intent)
                self._tell(Committed(commands=intent, outcomes=outcomes, events=_changed_by(store, outcomes)))
            except StoreError as error:
                if isinstance(intent, Pausing):
                    self._tell_paused(Paused(failure=error.message))
                else:
                    self._tell(Committed(commands=intent, failure=error.message))
        if store is not None:
            store.close()

    def _tell(self, committed: Committed) -> None:
        if not self._outlet.hand(lambda: self.done(committed)):
            self.untold.append(committed)

    def _tell_paused(self, paused: Paused) -> None:
        if not self._outlet.hand(lambda: self.paused(paused)):
            self.untold.append(paused)


def _paused(found: Event | Refusal) -> Paused:
    return Paused(failure=found.message) if isinstance(found, Refusal) else Paused(event=found)


def _changed_by(store: Store, outcomes: Sequence[Outcome]) -> dict[str, Sequence[Event]]:
    events: dict[str, Sequence[Event]] = {}
    with suppress(StoreError):  # the outcomes stand, whoever it was
        for outcome in outcomes:
            if outcome.refusal is not None and outcome.refusal.code is Code.CONFLICT:
                task_id = outcome.command.task_id
                events[task_id] = store.events(task_id, limit=EVENTS, newest=True)
    return events
