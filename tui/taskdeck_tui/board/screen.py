"""The board's screen: takes looks from the reader and keys from the operator, and has every part of it follow."""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from msgspec import to_builtins
from msgspec.structs import replace
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.screen import Screen

from taskdeck_store import jsontext
from taskdeck_store.cards import card_of
from taskdeck_store.clock import Clock, to_seconds
from taskdeck_store.query.terms import EVERYTHING, Query
from taskdeck_store.values import Card, Event, Task
from taskdeck_tui.acting import Acting
from taskdeck_tui.board.cards import BUSY
from taskdeck_tui.board.filtering import Filtering
from taskdeck_tui.board.selecting import Selecting
from taskdeck_tui.board.standing import Standing
from taskdeck_tui.board.widget import Board
from taskdeck_tui.checking import Checked
from taskdeck_tui.feed import News, Reader
from taskdeck_tui.header import HeaderFacts, HeaderLine, short_name
from taskdeck_tui.hints import HintLine
from taskdeck_tui.keys import BY_ID, DEBUGGING, acts, bindings
from taskdeck_tui.model import orders, reads
from taskdeck_tui.model.look import Jump, Look
from taskdeck_tui.model.throughput import Throughput, sparkline
from taskdeck_tui.model.view import Departure, View, settle, under_cursor, wanted
from taskdeck_tui.outlet import Outlet
from taskdeck_tui.pages import Pages
from taskdeck_tui.pausing import QueueSwitch, told
from taskdeck_tui.status import StatusLine, Tone
from taskdeck_tui.telling import departures_told
from taskdeck_tui.writer import Committed, Paused, Writer

if TYPE_CHECKING:
    from taskdeck_store.contract import Pause, Store
    from taskdeck_tui.debugger.debugger import Debugger
    from taskdeck_tui.replay.screen import ReplayScreen
    from taskdeck_tui.screens.filter import FilterBar
    from taskdeck_tui.stepping import Stepping


class BoardScreen(Screen[None]):
    """Header, board, status and hints; every page over the board is opened from here."""

    BINDINGS: ClassVar[list[BindingType]] = [
        # The board's own bindings of actions come first where they do something; these say why they do nothing.
        dataclasses.replace(binding, show=False) if acts(binding) else binding
        for binding in bindings("board", "task", "stepping")
        if BY_ID[binding.id or ""].group != "Move"
    ]
    AUTO_FOCUS = "Board"

    class Rearranged(Message):
        """The user changed how the board is drawn: the lines of a card, or the order."""

    class Handed(Message):
        """Another thread wants something run in this one."""

        def __init__(self, run: Callable[[], None]) -> None:
            super().__init__()
            self.run = run

    def __init__(
        self,
        address: str,
        kind: str,
        reader: Reader,
        writer: Writer,
        outlet: Outlet,
        *,
        past: Callable[[], Store],
        stepping: Stepping | None = None,
        travels: bool,
        read_only: bool,
        actor: str,
        now: Clock,
        lines: int,
        order: str,
        problems: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self._reader = reader
        self._writer = writer
        self._outlet = outlet
        self._store_name = short_name(address)
        self._open_past = past
        self._travels = travels
        self.past: ReplayScreen | None = None
        self._me = actor
        self._now = now
        self._order = orders.known(order)
        self._problems = problems
        self._totals = 0
        self._audited = True
        self._status = StatusLine()
        self._standing = Standing(reader, read_only=read_only, tell=self._tell, trouble=self._tell_trouble)
        self._facts = HeaderFacts(store=self._store_name, kind=kind, mode=self._standing.mode)
        self._header = HeaderLine(self._facts)
        self._board = Board(orders.ordered(View(), self._order), self, lines=lines, now=to_seconds(now()))
        self._hints = HintLine(id="hints")
        self._choice = Selecting(reader, changed=self._mark, tell=self._tell, refuse=self._refuse)
        self._throughput = Throughput()
        self._filtering = Filtering(self, reader, me=actor, show=self.apply_query)
        self._serial = 0
        self._is_shown = False
        self._acting = Acting(
            self, reader, writer, read_only=read_only, actor=actor, now=now, tell=self._tell, marked=self._mark
        )
        self._paused: Sequence[Pause] = ()
        self._queue = QueueSwitch(self, writer, read_only=read_only, actor=actor, tell=self._tell)
        self.pages = Pages(
            self, reader, self._acting, read_only=read_only, now=now, follow=self._want, refuse=self._refuse
        )

        self._debugger = self._debugging(stepping) if stepping is not None else None
        self._acting.debugger = self.pages.debugger = self._debugger

    def _debugging(self, stepping: Stepping) -> Debugger:
        from taskdeck_tui.debugger.debugger import Debugger

        self._facts = replace(self._facts, handlers=stepping.handlers)
        return Debugger(
            self,
            stepping,
            me=self._me,
            now=self._now,
            open_details=self.pages.open_details,
            tell=self._tell,
            marked=self._mark,
        )

    @property
    def debugger(self) -> Debugger | None:
        """What steps tasks with the handlers that the board was given; None: it was given none."""
        return self._debugger

    @property
    def lines(self) -> int:
        """How many lines a card has."""
        return self._board.lines

    @property
    def order_name(self) -> str:
        """The name of the board's order."""
        return self._order

    def compose(self) -> ComposeResult:
        """Put the board between header and status."""
        yield self._header
        yield self._board
        yield self._status
        yield self._hints

    def on_mount(self) -> None:
        """Take the first look, which was read while Textual was loading, and begin to wait for changes."""
        self._reader.ready = lambda: self._take(self._reader.take())
        self._reader.checked = self._take_check
        self._writer.done = self._committed
        self._writer.paused = self._queue_turned
        self._outlet.open(lambda run: self.post_message(self.Handed(run)))
        self._take(self._reader.take())
        if self._problems:
            more = f" (and {len(self._problems) - 1} more)" if len(self._problems) > 1 else ""
            self._tell(f"{self._problems[0]}{more}", Tone.REFUSED)
        self.set_interval(1.0, self._tick)
        self.call_after_refresh(self._shown)

    def _shown(self) -> None:
        """Now that the first cards are on screen, do what could wait until then, once."""
        if self._is_shown:
            return
        self._is_shown = True
        gc.enable()
        self._reader.start()
        self._reader.ask(reads.history, self._throughput_begins)
        if self._travels:
            self.action_travel()

    def on_unmount(self) -> None:
        """Let the other threads know that there is no screen any more."""
        self._outlet.shut()

    def on_board_screen_handed(self, message: Handed) -> None:
        """Run what another thread wants run here."""
        message.run()

    def moved(self) -> None:
        """Keep the place, the range and the hints with the cursor."""
        self._reader.follow(under_cursor(self._view))
        self._tell_where()
        self._choice.extend(self._view)
        self._hint()

    def on_board_uncovered(self, message: Board.Uncovered) -> None:
        """Have the cards read that are missing."""
        self._want(message.jump)

    def on_board_opened(self) -> None:
        """Open the task that was clicked."""
        self.action_details()

    def action_act(self, name: str) -> None:
        """Say why the action does nothing here; where it would, the board's own binding comes first."""
        self.act(name)

    def action_step(self) -> None:
        """Say why there is no step forward from here."""
        self.act("step")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Have no keys that step a task where there are no handlers."""
        return self._debugger is not None or action != "act" or parameters[0] not in DEBUGGING

    def action_select(self) -> None:
        """Select the task under the cursor, or let it go."""
        self._choice.toggle(self._view.held)

    def action_range(self) -> None:
        """Begin a range at the cursor, or end it."""
        self._choice.range(self._view)

    def action_select_all(self) -> None:
        """Select exactly the tasks that match the filter at this moment."""
        self._choice.exactly(self._view.query)

    def action_details(self) -> None:
        """Show all of the task under the cursor, or the outcome of its step that is held."""
        held = self._view.held
        if held is not None and not (self._debugger is not None and self._debugger.open_held(held.id)):
            self.pages.open_details(held.id)

    def action_story(self) -> None:
        """Show the story of the task under the cursor."""
        if self._view.held is not None:
            self.pages.open_story(self._view.held.id)

    def action_why(self) -> None:
        """Show why the task under the cursor is where it is."""
        if self._view.held is not None:
            self.pages.open_story(self._view.held.id, only_why=True)

    async def action_filter(self) -> None:
        """Type a filter; the board follows while it is typed."""
        await self._filtering.open(self._view.query, above=self._status)

    def on_filter_bar_changed(self, message: FilterBar.Changed) -> None:
        """Show what matches by now."""
        self.apply_query(message.query)

    async def on_filter_bar_submitted(self, message: FilterBar.Submitted) -> None:
        """Keep the filter."""
        await self._filtering.keep(message.query)
        self._board.focus()

    async def on_filter_bar_cancelled(self) -> None:
        """Go back to the filter that was."""
        await self._filtering.call_off()
        self._board.focus()

    def action_log(self) -> None:
        """Show every event of the store."""
        self.pages.open_log()

    def action_mine(self) -> None:
        """Show what the operator did."""
        self.pages.open_mine()

    def action_travel(self) -> None:
        """Show the board as it was."""
        # A screen that is covered is not refreshed, and what waits for that would wait on.
        self._shown()
        if self.past is not None:
            return
        if not self._audited:
            self._refuse("there is no past to go to: this store has no audit log until something is done")
            return
        from taskdeck_tui.replay.screen import ReplayScreen

        def back(_: None) -> None:
            self.past = None

        self.past = ReplayScreen(
            self._store_name,
            self._open_past,
            self._view,
            lines=self._board.lines,
            order=self._order,
            me=self._me,
            now=self._now,
        )
        self.app.push_screen(self.past, back)

    def filter_by(self, text: str) -> None:
        """Show only what matches a filter, as its text has it."""
        self.apply_query(self._filtering.parsed(text))

    def apply_query(self, query: Query) -> None:
        """Show only the tasks that match."""
        if query != self._view.query:
            self._leave(replace(self._view, query=query))

    def action_back(self) -> None:
        """Let go of one thing: the range, then the selection, then the filter."""
        if not self._choice.back() and self._view.query:
            self.apply_query(EVERYTHING)

    def action_freeze(self) -> None:
        """Hold the board still, or let it go on."""
        self._standing.freeze()
        self._tell_header()

    def action_pause(self) -> None:
        """Have workers claim nothing that matches the filter, or have them go on."""
        self._queue.turn(self._view.query, self._paused)

    def action_refresh(self) -> None:
        """Read everything again."""
        self._want(fresh=True)
        self._tell("read again")

    def action_order(self) -> None:
        """Sort the columns in the next order."""
        self._order = orders.after(self._order)
        self._leave(orders.ordered(self._view, self._order))
        self._tell(f"sorted by {self._order} order")
        self.post_message(self.Rearranged())

    def action_lines(self) -> None:
        """Give cards one, two or three lines."""
        self._board.lines = self._board.lines % 3 + 1
        self.post_message(self.Rearranged())

    def action_copy(self) -> None:
        """Copy the task's id."""
        if self._view.held is not None:
            self.copy(self._view.held.id, whole=False)

    def action_copy_json(self) -> None:
        """Copy the whole task as JSON."""
        if self._view.held is not None:
            self.copy(self._view.held.id, whole=True)

    def copy(self, task_id: str, *, whole: bool) -> None:
        """Copy a task's id, or all of it as JSON."""
        if not whole:
            self.app.copy_to_clipboard(task_id)
            self._tell(f"copied {task_id}")
            return

        def copy(task: Task | None) -> None:
            if task is not None:
                self.app.copy_to_clipboard(jsontext.encode(to_builtins(task)))
                self._tell(f"copied {task_id} as JSON")

        self._reader.ask(lambda store: store.get(task_id), copy, self._refuse)

    def legal(self) -> frozenset[str]:
        """Return the names of the actions that would do something to the selection, or the task under the cursor."""
        return self._acting.legal(self._choice.targets(self._view.held))

    def act(self, name: str) -> None:
        """Act on the selection, or else on the task under the cursor."""
        held = self._view.held

        def act() -> None:
            self._choice.end_range()
            targets = self._choice.targets(held)
            self._acting.act(name, targets, unseen=self._filtered_out(targets))

        self._choice.when_known(act)

    def _filtered_out(self, targets: Sequence[Card]) -> bool:
        """Tell whether the filter hides some of the tasks."""
        if not self._view.query:
            return False
        shown = {card.id for column in self._view.columns for card in column.cards}
        return any(card.id not in shown for card in targets)

    @property
    def _view(self) -> View:
        return self._board.view

    def _leave(self, view: View) -> None:
        """Have other cards read; until they are there, no task is under the cursor, and no range follows it."""
        self._choice.when_known(self._choice.end_range)
        self._board.view = replace(view, held=None)
        self._want(Jump(view.focus, 0))

    def _committed(self, committed: Committed) -> None:
        applied = [outcome.command.task_id for outcome in committed.outcomes if outcome.refusal is None]
        self._choice.drop(applied)
        self._choice.told(card_of(outcome.task) for outcome in committed.outcomes if outcome.task is not None)
        self._acting.committed(committed)

    def _queue_turned(self, paused: Paused) -> None:
        self._queue.done(paused)
        self._reader.refresh()

    def _take(self, news: News | None) -> None:
        if news is None:
            return
        if news.look is not None:
            self._settle(news.look)
        self._standing.take(news)
        self._tell_header()
        if self.past is not None:
            self.past.refresh_log()

    def _settle(self, look: Look) -> None:
        self._audited = look.audited
        self._acting.limits = look.limits
        self._paused = look.pauses
        self._totals = sum(tally.count for tally in look.totals.values())
        self._throughput.count(look.changes)
        if self._debugger is not None:
            self._debugger.changed({change.task_id for change in look.changes})
        before = self._view
        if look.wanted.query != before.query or look.wanted.orders != tuple(each.order for each in before.columns):
            if look.wanted.serial == self._serial:
                self._want()
            return
        view, departure = settle(before, look)
        self._choice.seen(view)
        self._tell_departures(departure, look)
        self._board.tick(to_seconds(self._now()))
        self._board.show(view)
        if look.wanted.jump is not None or before.held is None:
            self._choice.extend(view)
        if look.wanted.jump is not None:
            self._board.arrive()
        self._reader.follow(under_cursor(view))
        self._mark()
        self._tell_where()
        self._hint()
        self.pages.look(look)

    def _want(self, jump: Jump | None = None, *, fresh: bool = False) -> None:
        self._serial += 1
        self._reader.want(wanted(self._view, self._serial, followed=self.pages.followed, jump=jump))
        if fresh:
            self._reader.refresh()

    def _tell_trouble(self, trouble: str) -> None:
        self._status.trouble(trouble)
        self.pages.trouble(trouble)

    def _tell(self, text: str, tone: Tone = Tone.TOLD) -> None:
        self._status.notice(text, tone)
        self.pages.tell(text, refused=tone is Tone.REFUSED)

    def _take_check(self, checked: Checked) -> None:
        self._standing.check(checked)
        self._tell_header()

    def _refuse(self, text: str) -> None:
        self._tell(text, Tone.REFUSED)

    def _tell_departures(self, departure: Departure | None, look: Look) -> None:
        held = departure.card.id if departure is not None else None
        left = departures_told(
            look.changes, held=held, selected=self._choice.selection.cards.keys(), me=self._acting.actor
        )
        if left:
            self._tell(left)

    def _tell_header(self) -> None:
        now = to_seconds(self._now())
        self._facts = replace(
            self._facts,
            mode=self._standing.mode,
            newer=self._standing.newer,
            total=self._totals,
            shown=sum(column.tally.count for column in self._view.columns),
            selected=len(self._choice.selection.cards),
            query=self._view.query.text,
            stops=tuple(self._debugger.stops) if self._debugger is not None else (),
            spark=sparkline(self._throughput.counts(now)),
            rate=self._throughput.a_minute(now),
            badge=self._standing.badge,
            alarm=self._standing.alarm,
            paused=told(self._paused),
        )
        self._header.tell(self._facts)

    def _tell_where(self) -> None:
        column, count = self._view.column, self._view.column.tally.count
        place = f"{self._view.row + 1:,}/{count:,}" if count else "0/0"
        self._status.where(f"{column.state.replace('_', ' ')} {place} · {self._order} order")

    def _mark(self) -> None:
        steps = self._debugger.marks if self._debugger is not None else {}
        busy = {**steps, **dict.fromkeys(self._acting.busy, BUSY)}
        self._board.mark(selected=self._choice.selection.cards.keys(), busy=busy)
        self._tell_header()
        self._hint()

    def _hint(self) -> None:
        self._hints.refresh_hints()

    def _tick(self) -> None:
        if not self._standing.frozen:
            self._board.tick(to_seconds(self._now()))
            self.pages.tick()
        if self._debugger is not None:
            self._debugger.tick()
        self._tell_header()

    def _throughput_begins(self, events: Sequence[Event]) -> None:
        self._throughput.count(events)
        self._tell_header()
