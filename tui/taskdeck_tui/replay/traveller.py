"""From the log to the screen of the past: one thread reads the log, goes where it is told to, plays and searches."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import TypeVar

from msgspec.structs import replace

from taskdeck_store.clock import Clock
from taskdeck_store.contract import Store, StoreError
from taskdeck_store.past import Outdated, Past
from taskdeck_tui.model.density import Density, density
from taskdeck_tui.model.frame import Frame, joined, look_back
from taskdeck_tui.model.look import Wanted
from taskdeck_tui.model.pace import Pace, Play
from taskdeck_tui.model.seeking import Seek
from taskdeck_tui.model.travel import Way
from taskdeck_tui.outlet import Outlet
from taskdeck_tui.replay.record import Record

T = TypeVar("T")

_FRAME = 1 / 30
"""Seconds between two frames of a play."""
_SAID = 0.15
"""Seconds between two words on how far the log has been read, or searched."""
_LOOK = 1.0
"""Seconds after which the log is looked at though nobody said that it grew: its file may be away, or back."""
_SEARCHED = 2_000
"""Events that are searched before the next key is looked for."""
_RETRY = 0.5


class Traveller:
    """Stands in the past of a store, in a thread of its own with a handle of its own.

    `ready` is run in the thread of the screen when there is a frame to take, `lost` with the reason when the store
    cannot be read, and with nothing when it can be again.
    """

    def __init__(self, open_store: Callable[[], Store], wanted: Wanted, now: Clock, outlet: Outlet) -> None:
        self.ready: Callable[[], None] = lambda: None
        self.lost: Callable[[str], None] = lambda _: None
        self._open = open_store
        self._wanted = wanted
        self._now = now
        self._outlet = outlet
        self._wake = threading.Condition()
        self._stop = False
        self._jobs: deque[Callable[[Past], None]] = deque()
        self._frame: Frame | None = None
        self._told = False
        self._width = 1
        self._growing = True
        self._stale = True
        self._thread: threading.Thread | None = None
        # By number, what the screen has wished for, and what of that it has the answer to.
        self._wished = self._answered = 0
        self._is_open = self._is_lost = False
        # What follows belongs to the thread alone.
        self._play: Play | None = None
        self._stops: Seek | None = None
        self._loop: tuple[int, int] | None = None
        self._search: tuple[Seek, int, int] | None = None
        self._record = Record()
        self._shown: Frame | None = None
        self._said = 0.0
        self._density: tuple[int, int, Density] | None = None
        self._notice = ""
        self._follows = True
        """Whether the next frame goes to the card of the event: one went to the event since the last."""
        self._granted = 0

    def start(self) -> None:
        """Begin, at the end of the log."""
        self._thread = threading.Thread(target=self._outlet.guarded(self._work), name="taskdeck-past", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, which lets go of its store."""
        with self._wake:
            self._stop = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()

    def take(self) -> Frame | None:
        """Return the newest frame, and be told again of what comes after it."""
        with self._wake:
            frame, self._frame, self._told = self._frame, None, False
        if frame is not None:
            self._answered = max(self._answered, frame.answered)
            self._is_open |= frame.whole
        return frame

    def is_answered(self) -> bool:
        """Tell whether the screen has the answer to all that it wished for; also where an answer may take long."""
        return self._answered >= self._wished or not self._is_open

    def want(self, wanted: Wanted) -> None:
        """Have other parts of the columns read."""

        def show(_: Past) -> None:
            self._wanted = wanted

        self._do(show, is_wish=False)

    def draw(self, width: int) -> None:
        """Have the timeline drawn in so many columns."""

        def widen(_: Past) -> None:
            self._width = width

        self._do(widen, is_wish=False)

    def refresh(self) -> None:
        """Look whether the log has grown."""
        with self._wake:
            self._growing = True
            self._wake.notify()

    def go(self, way: Way, nowhere: str = "") -> None:
        """Go a way; where it leads nowhere, `nowhere` says so. A play and a search end."""

        def go(past: Past) -> None:
            self._play = self._search = None
            found = way(past.timeline, past.position)
            if found is None:
                self._notice = nowhere
            else:
                past.go(found)
                self._follows = True

        self._do(go)

    def play(self, pace: Pace) -> None:
        """Play from here on, or go on at another pace; from the beginning, where this is the end."""

        def play(past: Past) -> None:
            self._search = None
            if past.position == past.end:
                past.go(self._loop[0] if self._loop else 0)
                self._follows = True
            self._play = Play(pace, past.position, monotonic())

        self._do(play)

    def pause(self) -> None:
        """Stand still."""

        def pause(_: Past) -> None:
            self._play = self._search = None

        self._do(pause)

    def stop_at(self, seek: Seek | None) -> None:
        """Have plays stop at such events; None: at none."""

        def remember(_: Past) -> None:
            self._stops = seek

        self._do(remember)

    def loop(self, stretch: tuple[int, int] | None) -> None:
        """Have plays go round from one position to another; None: not any more."""

        def remember(_: Past) -> None:
            self._loop = stretch

        self._do(remember)

    def seek(self, seek: Seek, direction: int) -> None:
        """Go to the next such event, or the last one before; the next key ends the search."""

        def search(past: Past) -> None:
            self._play = None
            self._search = (seek, direction, past.position)

        self._do(search)

    def ask(self, read: Callable[[Past], T], answer: Callable[[T], None]) -> None:
        """Read something of the position, and deliver the answer."""

        def job(past: Past) -> None:
            found, number = read(past), self._granted

            def hand() -> None:
                answer(found)
                self._answered = max(self._answered, number)

            self._outlet.hand(hand)

        self._do(job, changes=False)

    def _do(self, job: Callable[[Past], None], *, changes: bool = True, is_wish: bool = True) -> None:
        if is_wish and self._is_lost:
            # Nobody wants what was typed in vain done later, when the store can be read again.
            return
        self._wished += is_wish
        number = self._wished

        def done(past: Past) -> None:
            self._stale |= changes
            self._granted = number
            job(past)

        with self._wake:
            self._jobs.append(done)
            self._wake.notify()

    def _work(self) -> None:
        store: Store | None = None
        troubled = False
        while not self._stop:
            try:
                store = store or self._open()
                self._turn(store)
                if troubled:
                    troubled = False
                    self._outlet.hand(self._find)
                self._rest()
            except Outdated as error:
                if self._record.is_restless:
                    troubled = True
                    self._lose(error.message)
                self._begin_anew()
            except StoreError as error:
                troubled = True
                self._lose(error.message)
        if store is not None:
            store.close()

    def _lose(self, message: str) -> None:
        def lose() -> None:
            self._answered = self._wished
            self._is_lost = True
            self.lost(message)

        self._outlet.hand(lose)
        with self._wake:
            self._growing = self._stale = True
            if not self._stop:
                self._wake.wait(_RETRY)

    def _find(self) -> None:
        self._is_lost = False
        self.lost("")

    def _turn(self, store: Store) -> None:
        """Do what is to be done next. Raises Outdated where the log turns out to be another one."""
        if self._growing:
            self._growing = False
            self._said = monotonic()
            self._stale |= self._record.look(store, self._tell_how_far, lambda: self._stop) or self._shown is None
        past = self._record.past
        assert past is not None
        while self._jobs:
            self._jobs.popleft()(past)
        self._play_on(past)
        self._search_on(past)
        if self._stale:
            self._stale = False
            self._show(past)

    def _rest(self) -> None:
        """Wait until there is something to do."""
        with self._wake:
            if not (self._jobs or self._growing or self._stop or self._search):
                told = self._wake.wait(_FRAME if self._play else _LOOK)
                self._growing |= not (told or self._play)

    def _begin_anew(self) -> None:
        """Read the log from its beginning: no place in the one before is one in this."""
        self._record.leave()
        self._play = self._search = self._loop = self._density = self._shown = None
        self._growing = self._follows = True

    def _tell_how_far(self, position: int, end: int) -> None:
        if monotonic() - self._said > _SAID:
            self._said = monotonic()
            self._hand(Frame(position=position, end=end, whole=False))

    def _play_on(self, past: Past) -> None:
        play, loop = self._play, self._loop
        if play is None:
            return
        stop, before = past.end if loop is None else min(loop[1], past.end), past.position
        if loop is not None and past.position >= stop:
            play = self._play = Play(play.pace, loop[0], monotonic())
            past.go(loop[0])
        due = min(max(play.due(past.timeline, monotonic()), past.position), stop)
        if self._stops is not None:
            # Each event on the way is looked at, and the next key must not wait for too many.
            due = min(due, past.position + _SEARCHED)
        reached, is_hit = self._way(past, due)
        if is_hit and self._stops is not None:
            self._play, self._notice = None, f"stopped: {self._stops.text}"
        elif reached == stop and loop is None:
            self._play, self._notice = None, "this is the end of the log"
        past.go(reached)
        if past.position != before or self._play is None:
            self._stale = self._follows = True

    def _way(self, past: Past, due: int) -> tuple[int, bool]:
        """How far a play comes on its way to a position, and whether it is to stop there."""
        stops = self._stops
        if stops is None:
            return due, False
        for at, event, before, after in past.passed(past.position, due, stops.skip(past.timeline)):
            if stops.meets(event, before, after):
                return at, True
            if self._is_wanted():
                return at, False
        return due, False

    def _search_on(self, past: Past) -> None:
        if self._search is None:
            return
        seek, direction, at = self._search
        stop = min(max(at + direction * _SEARCHED, 0), past.end)
        for position, event, before, after in past.passed(at, stop, seek.skip(past.timeline)):
            if position != past.position and seek.meets(event, before, after):
                past.go(position)
                self._search, self._stale, self._follows = None, True, True
                return
            if self._is_wanted():
                self._search = (seek, direction, position)
                return
        self._search = (seek, direction, stop)
        if stop in (0, past.end):
            self._search, self._stale = None, True
            self._notice = f"nothing {'after' if direction > 0 else 'before'} this meets {seek.text}"
        elif self._shown is not None and monotonic() - self._said > _SAID:
            self._said = monotonic()
            self._hand(replace(self._shown, look=None, searching=stop, notice="", answered=self._granted))

    def _show(self, past: Past) -> None:
        """Hand a frame of the position to the screen."""
        event = past.event()
        follow = event.task_id if event is not None and self._follows else None
        timeline = past.timeline
        if self._density is None or self._density[:2] != (past.end, self._width):
            self._density = (past.end, self._width, density(timeline, self._width))
        look = look_back(past, self._wanted, self._now(), follow)
        self._shown = Frame(
            position=past.position,
            end=past.end,
            last=timeline.seqs[past.end],
            event=event,
            at=past.now,
            look=look,
            doubts=past.doubts(),
            unrecorded=timeline.unrecorded(past.position),
            arrived=self._record.arrived,
            pace=self._play.pace if self._play is not None else None,
            searching=self._search[2] if self._search is not None else None,
            damage=self._record.damage,
            loop=self._loop,
            density=self._density[2],
            notice=self._record.notice or self._notice,
            log=self._record.number,
            answered=self._granted,
        )
        self._hand(self._shown)
        self._notice = self._record.notice = ""
        self._follows = False
        self._record.come_to_rest()
        # What is read next, unless the screen wants something else, is what it has now: a jump is made once.
        places = zip(look.windows, self._wanted.places, strict=True)
        there = tuple(replace(place, start=window.first) for window, place in places)
        self._wanted = replace(self._wanted, jump=None, places=there)

    def _is_wanted(self) -> bool:
        """Tell whether something is to be done that should not wait."""
        return self._stop or bool(self._jobs)

    def _hand(self, frame: Frame) -> None:
        with self._wake:
            self._frame = frame if self._frame is None else joined(self._frame, frame)
            if self._told:
                return
            self._told = True
        self._outlet.hand(self.ready)
