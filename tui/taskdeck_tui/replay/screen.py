"""The board as it was: read-only, and made to look so."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, TypeVar

from msgspec import to_builtins
from msgspec.structs import replace
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.screen import Screen
from textual.types import CSSPathType

from taskdeck_store import jsontext
from taskdeck_store.clock import Clock, to_microseconds, to_seconds
from taskdeck_store.comparison import Comparison, compare
from taskdeck_store.contract import Store
from taskdeck_store.moments import parse_moment
from taskdeck_store.past import Past
from taskdeck_store.query.terms import EVERYTHING
from taskdeck_store.values import Event, State, Task, Time
from taskdeck_tui.board.widget import Board
from taskdeck_tui.hints import HintLine
from taskdeck_tui.keys import BY_ID, bindings
from taskdeck_tui.model import orders, travel
from taskdeck_tui.model.frame import Frame, wanted_of
from taskdeck_tui.model.look import EVENTS_SHOWN, Jump
from taskdeck_tui.model.pace import Pace
from taskdeck_tui.model.seeking import Seek, parse_seek
from taskdeck_tui.model.told import Told, tell
from taskdeck_tui.model.travel import Way
from taskdeck_tui.model.view import View, settle
from taskdeck_tui.outlet import Outlet
from taskdeck_tui.replay.banner import Banner
from taskdeck_tui.replay.happened import Happened
from taskdeck_tui.replay.strip import Strip
from taskdeck_tui.replay.traveller import Traveller
from taskdeck_tui.status import Tone
from taskdeck_tui.telling import moment

Meant = TypeVar("Meant")

_HEIGHTS = [(0, "-low"), (20, "-high")]
_READ_ONLY = "this is the past, where nothing can be changed; esc goes back to now"
_TIMES = "14:05 · yesterday 9am · -2h · 2026-01-31 09:05 · #1234 for an event; times are UTC, as shown"
_SEEKS = "task:t-1 · actor:ann · action:reject: such an event; state:failed tag:x …: when it becomes true"


_HEADLESS = "; its beginning is not on record: what no event tells is as if it had never been set"


class ReplayScreen(Screen[None]):
    """A board at a moment of the past, with what happened then and a timeline to go along."""

    BINDINGS: ClassVar[list[BindingType]] = [
        dataclasses.replace(binding, show=False) if "task" in BY_ID[binding.id or ""].scopes else binding
        for binding in bindings("past")
        if BY_ID[binding.id or ""].group != "Move"
    ]
    CSS_PATH: ClassVar[CSSPathType | None] = [Path(__file__).with_name("replay.tcss")]
    AUTO_FOCUS = "Board"
    VERTICAL_BREAKPOINTS = _HEIGHTS

    class Handed(Message):
        """Another thread wants something run in this one."""

        def __init__(self, run: Callable[[], None]) -> None:
            super().__init__()
            self.run = run

    def __init__(
        self, store: str, open_store: Callable[[], Store], view: View, *, lines: int, order: str, me: str, now: Clock
    ) -> None:
        """`view` is what the board shows now, `order` its order's name; `me` is whom ``owner:me`` means."""
        super().__init__()
        self._me = me
        self._now = now
        self._order = orders.known(order)
        # What a filter left out is not in the view.
        begun = View(height=view.height) if view.query else view
        self._board = Board(
            orders.ordered(replace(begun, query=EVERYTHING), self._order), self, lines=lines, now=to_seconds(now())
        )
        self._banner = Banner(store)
        self._happened = Happened()
        self._strip = Strip()
        self._hints = HintLine(id="hints")
        self._outlet = Outlet()
        self._serial = 0
        self._traveller = Traveller(open_store, wanted_of(self._board.view, 0), now, self._outlet)
        self._frame: Frame | None = None
        self._pace = Pace()
        self._seek: Seek | None = None
        self._stops: Seek | None = None
        self._from: int | None = None
        self._compared: int | None = None

    def compose(self) -> ComposeResult:
        """Put the board between the banner and what happened."""
        yield self._banner
        yield self._board
        yield self._happened
        yield self._strip
        yield self._hints

    def on_mount(self) -> None:
        """Begin at the last event."""
        self._traveller.ready = lambda: self._take(self._traveller.take())
        self._traveller.lost = self._lose
        self._outlet.open(lambda run: self.post_message(self.Handed(run)))
        self._traveller.start()
        self.set_interval(1.0, self._tick)

    def on_unmount(self) -> None:
        """Let go of the log."""
        self._outlet.shut()
        self._traveller.close()

    def on_replay_screen_handed(self, message: Handed) -> None:
        """Run what another thread wants run here."""
        message.run()

    def is_answered(self) -> bool:
        """Tell whether what is shown is what the last key led to."""
        return self._traveller.is_answered()

    def refresh_log(self) -> None:
        """Take note that the store went on."""
        self._traveller.refresh()

    def legal(self) -> frozenset[str]:
        """Nothing can be done to what is past."""
        return frozenset()

    def act(self, name: str) -> None:
        """Say why nothing is done."""
        self.refuse()

    def moved(self) -> None:
        """The cursor may go anywhere."""

    def refuse(self) -> None:
        """Say that this is the past, and how to get back."""
        from taskdeck_tui.screens.page import Page

        page = self.app.screen
        if isinstance(page, Page):
            page.tell(_READ_ONLY, refused=True)
        self._happened.notice(_READ_ONLY, Tone.REFUSED)

    def on_board_uncovered(self, message: Board.Uncovered) -> None:
        """Have the cards read that are missing."""
        self._want(message.jump)

    def on_strip_sized(self, message: Strip.Sized) -> None:
        """Have the timeline drawn for its width."""
        self._traveller.draw(message.width)

    def on_strip_dragged(self, message: Strip.Dragged) -> None:
        """Go where the timeline was dragged to."""
        self._go(lambda *_: message.position)

    def on_board_opened(self) -> None:
        """Open the task that was clicked."""
        self.action_details()

    def action_go(self, count: int) -> None:
        """Go so many events on, or back."""
        self._go(travel.by_events(count))

    def action_go_seconds(self, seconds: int) -> None:
        """Go so many seconds on, or back."""
        self._go(travel.by_time(seconds), "there is nothing further that way")

    def action_go_task(self, direction: int) -> None:
        """Go to the next event, or the last one before, of the task under the cursor."""
        held = self._board.view.held
        task_id = held.id if held is not None else None
        self._go(travel.of_task(task_id, direction), f"no {_side(direction)} event of {task_id or 'this task'}")

    def action_go_actor(self, direction: int) -> None:
        """Go to the next event, or the last one before, of the same actor."""
        self._go(travel.of_actor(direction), f"no {_side(direction)} event of this actor")

    def action_go_action(self, direction: int) -> None:
        """Go to the next event, or the last one before, of the same action."""
        self._go(travel.of_action(direction), f"no {_side(direction)} event of this action")

    def action_beginning(self) -> None:
        """Go to where nothing has happened yet."""
        self._go(travel.beginning)

    def action_end(self) -> None:
        """Go to the last event."""
        self._go(travel.end)

    def action_to_time(self) -> None:
        """Go to a time that is typed."""
        self._ask("Go to which moment?", _TIMES, self._way, self._go)

    def action_seek(self) -> None:
        """Look for what is typed."""

        def go_on(seek: Seek) -> None:
            self._seek = seek
            self._traveller.seek(seek, 1)

        self._ask("Look for which event?", _SEEKS, self._sought, go_on, self._seek.text if self._seek else "")

    def action_seek_on(self, direction: int) -> None:
        """Look on, or back."""
        if self._seek is None:
            self.action_seek()
        else:
            self._traveller.seek(self._seek, direction)

    def action_breakpoint(self) -> None:
        """Say where plays are to stop."""

        def go_on(stops: Seek | str) -> None:
            self._stops = stops if isinstance(stops, Seek) else None
            self._traveller.stop_at(self._stops)
            told = f"plays stop at {self._stops.text}" if self._stops else "plays stop nowhere"
            self._happened.notice(told, Tone.TOLD)

        def read(text: str) -> Seek | str:
            return self._sought(text) if text.strip() else ""

        below = f"{_SEEKS}; nothing, to stop nowhere"
        self._ask("Stop plays at which event?", below, read, go_on, self._stops.text if self._stops else "")

    def action_play(self) -> None:
        """Play, or stand still."""
        if self._frame is not None and self._frame.pace is not None:
            self._traveller.pause()
        else:
            self._traveller.play(self._pace)

    def action_pace(self, steps: int) -> None:
        """Play faster, or slower."""
        self._set_pace(self._pace.faster(steps))

    def action_turn_pace(self) -> None:
        """Play so many events a second, or so many times as fast as it was."""
        self._set_pace(self._pace.turned())

    def action_loop_from(self) -> None:
        """Play round from here on."""
        if self._frame is not None:
            self._from = self._frame.position
            self._traveller.loop(None)
            self._arm()
            self._happened.notice("loop: go to where it ends, then )", Tone.TOLD)

    def action_loop_to(self) -> None:
        """Play round up to here; again, not any more."""
        frame = self._frame
        if frame is None or self._from is None or frame.position == self._from:
            self._from = None
            self._arm()
            self._traveller.loop(None)
            self._happened.notice("no loop: ( begins one", Tone.TOLD)
            return
        self._traveller.loop((min(self._from, frame.position), max(self._from, frame.position)))
        self._from = None
        self._arm()

    def action_compare(self) -> None:
        """Remember this moment; at another one, compare the two."""
        if self._frame is None:
            return
        if self._compared is None:
            self._compared = self._frame.position
            self._arm()
            self._happened.notice("compare: go to the other moment, then c", Tone.TOLD)
            return
        first, self._compared = self._compared, None
        self._arm()
        self._happened.clear()

        def show(found: Comparison) -> None:
            from taskdeck_tui.screens.compared import Compared

            self.app.push_screen(Compared(found))

        self._traveller.ask(lambda past: compare(past.timeline, first, past.position), show)

    def action_details(self) -> None:
        """Show all of the task under the cursor, as it was."""
        held = self._board.view.held
        if held is None:
            return
        task_id = held.id

        def read(past: Past) -> tuple[Task | None, Sequence[Event], Mapping[str, State | None], Time | None, bool]:
            task, events = past.get(task_id), past.history(task_id, EVENTS_SHOWN)
            stands = {other: past.stands(other) for other in (task.depends_on if task is not None else ())}
            return task, events, stands, past.now, past.is_headless(task_id)

        def show(
            found: tuple[Task | None, Sequence[Event], Mapping[str, State | None], Time | None, bool],
        ) -> None:
            from taskdeck_tui.screens.details import Details

            task, events, stands, at, is_headless = found
            now = at or self._now()
            page = Details(task_id, task, events, now, read_only=True, limit=EVENTS_SHOWN, stands=stands)
            self.app.push_screen(page)
            when = f"as of {moment(at)}" if at is not None else "the time is unknown"
            page.remark(f"the past: {when}{_HEADLESS if is_headless else ''}")

        self._traveller.ask(read, show)

    def action_story(self) -> None:
        """Show the story of the task under the cursor, up to this moment."""
        if self._board.view.held is not None:
            self.open_story(self._board.view.held.id)

    def open_story(self, task_id: str, *, only_why: bool = False) -> None:
        """Show a task's story up to this moment, or only why it was where it was."""

        def read(past: Past) -> Told:
            return tell(task_id, past.events(task_id), past.get(task_id), past.now or self._now())

        def show(told: Told) -> None:
            from taskdeck_tui.screens.story import StoryPage

            self.app.push_screen(StoryPage(told, only_why=only_why, live=False))

        self._traveller.ask(read, show)

    def action_copy(self) -> None:
        """Copy the task's id."""
        if self._board.view.held is not None:
            self.copy(self._board.view.held.id, whole=False)

    def action_copy_json(self) -> None:
        """Copy the whole task as it was, as JSON."""
        if self._board.view.held is not None:
            self.copy(self._board.view.held.id, whole=True)

    def copy(self, task_id: str, *, whole: bool) -> None:
        """Copy a task's id, or all of it as it was, as JSON."""

        def copy(task: Task | None) -> None:
            if task is not None:
                self.app.copy_to_clipboard(jsontext.encode(to_builtins(task)))
                self._happened.notice(f"copied {task_id} as it was, as JSON", Tone.TOLD)

        if whole:
            self._traveller.ask(lambda past: past.get(task_id), copy)
        else:
            self.app.copy_to_clipboard(task_id)
            self._happened.notice(f"copied {task_id}", Tone.TOLD)

    def action_order(self) -> None:
        """Sort the columns in the next order."""
        self._order = orders.after(self._order)
        self._board.view = orders.ordered(self._board.view, self._order)
        self._want()

    def action_lines(self) -> None:
        """Give cards one, two or three lines."""
        self._board.lines = self._board.lines % 3 + 1

    def action_back(self) -> None:
        """Go back to now."""
        self.dismiss(None)

    def _ask(
        self,
        title: str,
        below: str,
        read: Callable[[str], Meant],
        go_on: Callable[[Meant], None],
        text: str = "",
    ) -> None:
        from taskdeck_tui.screens.ask import Ask

        def answered(meant: Meant | None) -> None:
            if meant is not None:
                go_on(meant)

        self._traveller.pause()
        self.app.push_screen(Ask(title, below, read=read, text=text), answered)

    def _way(self, text: str) -> Way:
        word = text.strip()
        if word.startswith("#") and word[1:].isdecimal() and word.isascii():
            seq = int(word[1:])
            if self._frame is not None and seq > self._frame.last:
                raise ValueError(f"the log ends with #{self._frame.last:,}")
            return travel.to_seq(seq)
        return travel.to_time(to_microseconds(parse_moment(text, self._now())))

    def _sought(self, text: str) -> Seek:
        return parse_seek(text, me=self._me)

    def _go(self, way: Way, nowhere: str = "") -> None:
        self._traveller.go(way, nowhere)

    def _want(self, jump: Jump | None = None) -> None:
        self._serial += 1
        self._traveller.want(wanted_of(self._board.view, self._serial, jump))

    def _set_pace(self, pace: Pace) -> None:
        self._pace = pace
        if self._frame is not None and self._frame.pace is not None:
            self._traveller.play(pace)
        else:
            self._happened.notice(f"plays {pace}", Tone.TOLD)

    def _take(self, frame: Frame | None) -> None:
        if frame is None:
            return
        if self._frame is not None and frame.log != self._frame.log:
            # What was marked was in another log.
            self._from = self._compared = None
            self._arm()
        self._frame = frame
        if frame.look is not None:
            view, _ = settle(self._board.view, frame.look)
            self._board.tick(to_seconds(frame.look.at))
            self._board.show(view)
            self._board.mark(selected={frame.event.task_id} if frame.event is not None else (), busy={})
            if frame.look.wanted.jump is not None:
                self._board.arrive()
        self._happened.tell(frame)
        self._strip.tell(frame)
        self._tick()
        self._hints.refresh_hints()

    def _arm(self) -> None:
        self._strip.mark(self._compared)
        self._banner.arm(self._from, self._compared)

    def _lose(self, why: str) -> None:
        self._banner.lose(is_lost=bool(why))
        self._happened.trouble(why)

    def _tick(self) -> None:
        if self._frame is not None:
            self._banner.tell(self._frame, self._now())


def _side(direction: int) -> str:
    return "later" if direction > 0 else "earlier"
