"""From the store to the screen: one thread reads, another waits for changes.

The screen never waits for a store: it says what it wants and is told when something is ready. What is ready waits in
one slot and is told once, so that a thousand commits reach a busy screen as one look.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from time import monotonic
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from taskdeck_store.clock import Clock
from taskdeck_store.contract import Store, StoreError
from taskdeck_store.values import Time
from taskdeck_tui import checking
from taskdeck_tui.checking import Checked, Checking
from taskdeck_tui.model.look import Look, Wanted, look
from taskdeck_tui.outlet import Outlet

T = TypeVar("T")

_UNKNOWN = object()

RETRY = 0.25
"""Seconds between two tries to reach a store that is lost."""

PACE = 0.02
"""Seconds at least between two looks that nobody asked for."""


class Trouble(Struct, frozen=True):
    """The store cannot be read: why, and when the last good look was (None: there was none)."""

    message: str
    last_good: Time | None


class News(Struct, frozen=True, kw_only=True):
    """What is ready for the screen.

    `look` is None where nothing new was read. `trouble` says how things stand: None, the store can be read. `hold` is
    the number of the wish to freeze that is met: the store is held at the commit of the newest look, until then 0.
    `newer` says that the store went on since.
    """

    look: Look | None = None
    trouble: Trouble | None = None
    hold: int = 0
    newer: bool = False


class Reader:
    """Reads looks from a store in a thread of its own, when the screen wants one and when the store changed.

    `ready` is run in the thread of the screen when there is something to take, `checked` when the check of the audit
    log, which fills the pauses from `check_after` seconds on, has come further.
    """

    def __init__(
        self, store: Store, wanted: Wanted, now: Clock, outlet: Outlet, *, check_after: float = checking.BEGIN
    ) -> None:
        self.ready: Callable[[], None] = lambda: None
        self.checked: Callable[[Checked], None] = lambda _: None
        self._outlet = outlet
        self._store = store
        self._now = now
        self._wake = threading.Condition()
        self._wanted = wanted
        self._dirty = True
        self._holds = 0
        self._hold = 0
        self._stop = threading.Event()
        self._told = False
        self._trouble: Trouble | None = None
        self._news: News | None = None
        self._last: Look | None = None
        self._jobs: SimpleQueue[Callable[[Store], None]] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._checking = Checking(check_after)

    def prime(self) -> None:
        """Take the first look in the calling thread, for `take` to return."""
        self._last = self._look(self._wanted, None)

    def start(self) -> None:
        """Begin to read, and to wait for changes of the store."""
        self._run(self._read, "taskdeck-read")
        self._run(self._watch, "taskdeck-watch")

    def want(self, wanted: Wanted) -> None:
        """Ask for a look; a newer wish replaces one that was not yet met."""
        with self._wake:
            self._wanted = wanted
            self._wake.notify()

    def follow(self, held: tuple[str, int] | None) -> None:
        """Let the looks to come follow the task of this id within its column; this asks for none."""
        with self._wake:
            self._wanted = replace(self._wanted, held=held)

    def refresh(self) -> None:
        """Look again, whether or not the store said that it changed."""
        with self._wake:
            self._dirty = True
            self._wake.notify()

    def freeze(self) -> int:
        """Ask to hold on to one commit; return the number of this wish, which the news tell when it is met."""
        with self._wake:
            self._holds += 1
            self._hold = self._holds
            self._dirty = True
            self._wake.notify()
            return self._hold

    def thaw(self) -> None:
        """Go on with the newest commit."""
        with self._wake:
            self._hold = 0
            self._dirty = True
            self._wake.notify()

    def ask(
        self,
        read: Callable[[Store], T],
        answer: Callable[[T], None],
        failed: Callable[[str], None] | None = None,
        *,
        known: T | object = _UNKNOWN,
    ) -> None:
        """Read something from the store in the reading thread, and deliver the answer, or why there is none.

        An answer that is the very one that is `known` is not: whatever is handed to a screen has it drawn anew.
        """

        def job(store: Store) -> None:
            try:
                found = read(store)
            except StoreError as error:
                message = error.message
                if failed is not None:
                    self._outlet.hand(lambda: failed(message))
                return
            if found is not known:
                self._outlet.hand(lambda: answer(found))

        self._jobs.put(job)
        with self._wake:
            self._wake.notify()

    def take(self) -> News | None:
        """Return what is ready, and be told again of what comes after it."""
        with self._wake:
            news, self._news, self._told = self._news, None, False
            return news

    def close(self) -> None:
        """End the threads, then let go of the store."""
        self._stop.set()
        with self._wake:
            self._wake.notify_all()
        for thread in self._threads:
            thread.join()
        self._store.close()

    def _run(self, work: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=self._outlet.guarded(work), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                changed = self._store.wait(1.0, self._stop)
            except (StoreError, OSError):
                # The first wait imports more, which takes descriptors.
                self._stop.wait(RETRY)
                changed = True
            if changed and not self._stop.is_set():
                self.refresh()
                if self._trouble is not None:
                    self._stop.wait(RETRY)

    def _read(self) -> None:
        last = self._last
        looked = 0.0
        while not self._stop.is_set():
            self._work_off()
            with self._wake:
                wanted, hold = self._wanted, self._hold
                asked = _asked(wanted, last)
                idle = not (asked or self._dirty or hold)
                if not asked:
                    wanted = _again(wanted)
                    rest = looked + PACE - monotonic() if self._dirty else self._checking.rest
                    if rest > 0:
                        if self._jobs.empty():
                            self._wake.wait(rest)
                        continue
                self._dirty = False
            if idle:
                self._check()
                continue
            last = self._read_frozen(wanted, last, hold) if hold else self._look(wanted, last)
            looked = monotonic()

    def _look(self, wanted: Wanted, last: Look | None) -> Look | None:
        try:
            found = look(self._store, wanted, self._now(), last)
        except StoreError as error:
            return self._lose(error, wanted, last)
        is_new = (
            last is None
            or found.changes
            or not found.complete
            or _asked(wanted, last)
            or found.mended != last.mended
            # A lease is renewed without an event.
            or found.task != last.task
        )
        if self._trouble or is_new:
            self._trouble = None
            self._tell(News(look=found))
        if found.changes or not found.complete:
            self._checking.go_on(anew=not found.complete)
        return found

    def _check(self) -> None:
        checked = self._checking.piece(self._store)
        if checked is not None:
            self._outlet.hand(lambda: self.checked(checked))

    def _lose(self, error: StoreError, wanted: Wanted, last: Look | None) -> Look | None:
        """Say that the store is lost, serve the wish from the last good look where that can be had, and wait a bit."""
        self._trouble = Trouble(error.message, last.at if last is not None else None)
        stale = None
        if last is not None and _asked(wanted, last):
            with suppress(StoreError):
                stale = look(self._store, wanted, last.at, last, latest=False)
        self._tell(News(look=stale, trouble=self._trouble))
        with self._wake:
            is_served = stale is not None or self._wanted.serial == wanted.serial
            if self._threads and is_served and not self._stop.is_set():
                self._wake.wait(RETRY)
            self._dirty = True
        return stale or last

    def _read_frozen(self, wanted: Wanted, last: Look | None, hold: int) -> Look | None:
        try:
            with self._store.reading():
                last = look(self._store, wanted, self._now(), last)
                self._tell(News(look=last, hold=hold))
                while not self._stop.is_set():
                    self._work_off()
                    with self._wake:
                        if self._hold != hold:
                            break
                        wanted, dirty, self._dirty = self._wanted, self._dirty, False
                        asked = _asked(wanted, last)
                        if not (asked or dirty):
                            self._wake.wait(1.0)
                            continue
                    if asked:
                        last = look(self._store, wanted, last.at, last)
                        self._tell(News(look=last, hold=hold))
                    else:
                        self._tell(News(hold=hold, newer=True))
        except StoreError as error:
            return self._lose(error, wanted, last)
        return last

    def _work_off(self) -> None:
        while not self._jobs.empty():
            self._jobs.get()(self._store)

    def _tell(self, news: News) -> None:
        with self._wake:
            self._news = _joined(self._news, news)
            self._wake.notify_all()
            if self._told:
                return
            self._told = True
        self._outlet.hand(self.ready)


def _asked(wanted: Wanted, last: Look | None) -> bool:
    return last is None or wanted.serial != last.wanted.serial


def _again(wanted: Wanted) -> Wanted:
    """Return the wish without what was done when it was met: the cursor jumps once, then it is the operator's."""
    return replace(wanted, jump=None)


def _joined(waiting: News | None, news: News) -> News:
    """Return what stands for both: a look that was not yet taken hands its changes and its jump on to the next."""
    if waiting is None or waiting.look is None:
        return news
    if news.look is None:
        return replace(news, look=waiting.look)
    older, look = waiting.look, news.look
    look = replace(
        look,
        changes=older.changes + look.changes,
        complete=older.complete and look.complete,
        wanted=replace(look.wanted, jump=look.wanted.jump or older.wanted.jump),
    )
    return replace(news, look=look)
