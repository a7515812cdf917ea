"""The pages over the board: opened with what the store holds, and kept up to date while they are open."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from textual.screen import Screen

from taskdeck_store.cards import card_of
from taskdeck_store.clock import Clock
from taskdeck_store.contract import Store
from taskdeck_store.paging import every_event
from taskdeck_store.values import Event, State, Task
from taskdeck_tui.acting import Acting
from taskdeck_tui.feed import Reader
from taskdeck_tui.model.look import EVENTS_SHOWN, Look, standings
from taskdeck_tui.model.saying import saying
from taskdeck_tui.model.told import Told, tell

if TYPE_CHECKING:
    from taskdeck_tui.debugger.debugger import Debugger
    from taskdeck_tui.screens.details import Details
    from taskdeck_tui.screens.log import LogScreen
    from taskdeck_tui.screens.mine import MineScreen
    from taskdeck_tui.screens.page import Page
    from taskdeck_tui.screens.story import StoryPage

_BEAT = 5
"""Seconds between two looks at a task whose lease may be renewed, which no change tells of."""
_NEWEST = 1_000
"""How many of the store's newest events the log begins with, and takes at a time."""


class Pages:
    """Opens pages over a screen. `follow` is called when a task is to be read with the next look, `refuse` with the
    reason why a page cannot be opened. Where there is a `debugger`, a task's details show what it says.
    """

    debugger: Debugger | None = None

    def __init__(
        self,
        screen: Screen[None],
        reader: Reader,
        acting: Acting,
        *,
        read_only: bool,
        now: Clock,
        follow: Callable[[], None],
        refuse: Callable[[str], None],
    ) -> None:
        self._screen = screen
        self._reader = reader
        self._acting = acting
        self._read_only = read_only
        self._now = now
        self._follow = follow
        self._refuse = refuse
        self._details: Details | None = None
        self._shown: Task | None = None
        self._story: StoryPage | None = None
        self._told: tuple[Task | None, int] = (None, 0)
        self._telling = False
        self._missed = False
        self._log: LogScreen | None = None
        self._mine: MineScreen | None = None
        self._last = 0
        self._beats = 0
        self._trouble = ""

    @property
    def followed(self) -> str | None:
        """The id of the task whose story or details are open."""
        if self._story is not None:
            return self._story.told.story.task_id
        return self._details.task_id if self._details is not None else None

    def open_details(self, task_id: str) -> None:
        """Show all of one task, and its history."""

        def read(store: Store) -> tuple[Task | None, Sequence[Event], Mapping[str, State | None], bool]:
            with store.reading():
                task, events = store.get(task_id), store.events(task_id, limit=EVENTS_SHOWN, newest=True)
                return task, events, standings(task, store), store.audited

        def show(found: tuple[Task | None, Sequence[Event], Mapping[str, State | None], bool]) -> None:
            from taskdeck_tui.screens.details import Details

            if self._details is not None and self._details.task_id == task_id:
                return
            task, events, stands, audited = found
            self._shown = task
            self._details = Details(
                task_id,
                task,
                events,
                self._now(),
                read_only=self._read_only,
                audited=audited,
                limits=self._acting.limits,
                limit=EVENTS_SHOWN,
                stands=stands,
                output=self.debugger.pane(task_id) if self.debugger is not None else None,
                legal=self._acting.legal,
            )
            self._push(self._details, closed)
            self._follow()

        def closed(_: None) -> None:
            self._details = None
            self._follow()

        self._reader.ask(read, show, self._refuse)

    def read_output(self, wish: Details.OutputWanted) -> None:
        """Give the open details what was said in the attempt they ask for."""
        details = self._details
        if details is not None and details.task_id == wish.attempt.task_id:
            before = wish.before
            self._reader.ask(lambda store: saying(store, wish.attempt, before), details.show_output, known=before)

    def open_story(self, task_id: str, *, only_why: bool = False) -> None:
        """Show how one task came to be where it is, or nothing but the reasons."""

        def show(found: tuple[Task | None, Told]) -> None:
            from taskdeck_tui.screens.story import StoryPage

            if self._story is not None:
                return
            task, told = found
            self._told = (task, told.last)
            self._story = StoryPage(told, only_why=only_why)
            self._push(self._story, closed)
            self._follow()

        def closed(_: None) -> None:
            self._story = None
            self._follow()

        self._reader.ask(self._read_story(task_id), show, self._refuse)

    def _read_story(self, task_id: str) -> Callable[[Store], tuple[Task | None, Told]]:
        def read(store: Store) -> tuple[Task | None, Told]:
            with store.reading():
                task = store.get(task_id)
                return task, tell(task_id, every_event(store, task_id), task, self._now())

        return read

    def act(self, name: str) -> None:
        """Act on the task whose details are open, as they show it."""
        self._acting.act(name, [card_of(self._shown)] if self._shown is not None else [])

    def refuse(self, name: str) -> None:
        """Say why an action does nothing to the task whose details are open, as they show it."""
        self._acting.refuse(name, [card_of(self._shown)] if self._shown is not None else [])

    def open_log(self) -> None:
        """Show every event of the store."""

        def read(store: Store) -> tuple[Sequence[Event], bool]:
            with store.reading():
                return store.events(limit=_NEWEST, newest=True), store.audited

        def show(found: tuple[Sequence[Event], bool]) -> None:
            from taskdeck_tui.screens.log import LogScreen

            events, audited = found
            self._last = events[-1].seq if events else 0
            self._log = LogScreen(events, self._now(), audited=audited, observed=self._acting.limits.observed)
            self._push(self._log, closed)

        def closed(_: None) -> None:
            self._log = None

        self._reader.ask(read, show, self._refuse)

    def load_log(self, wish: LogScreen.Wanted) -> None:
        """Give the open log the events it asks for."""
        log = self._log
        if log is None:
            return

        def read(store: Store) -> list[Event]:
            events = store.events(after=wish.first - 1, limit=wish.last - wish.first + 1)
            return [event for event in events if event.seq <= wish.last]

        self._reader.ask(read, lambda events: log.add_events(events, self._now(), answers=wish), log.fail)

    def open_mine(self) -> None:
        """Show what the operator did."""
        from taskdeck_tui.screens.mine import MineScreen

        def closed(_: None) -> None:
            self._mine = None

        self._mine = MineScreen(self._acting.done, self._now())
        self._push(self._mine, closed)

    def tell(self, text: str, *, refused: bool) -> None:
        """Say on the page in front what would else be said below the board."""
        page = self._front()
        if page is not None:
            page.tell(text, refused=refused)

    def trouble(self, text: str) -> None:
        """Say on every open page what is wrong with the store, until it is over (then: nothing)."""
        self._trouble = text
        for page in self._open():
            page.trouble(text)

    def tick(self) -> None:
        """Count ages on the page in front up to now, and ask again for what could not be had."""
        page = self._front()
        if page is not None:
            page.tick(self._now())
        if self._shown is not None and self._shown.lease_until is not None and page is self._details:
            self._beats += 1
            if not self._beats % _BEAT:
                self._reader.refresh()
        if self._log is not None and self._log.failed:
            self._extend_log(self._log)

    def _front(self) -> Page[None] | None:
        # Not is_current, which is true of a page behind another one too.
        return next((page for page in self._open() if page is self._screen.app.screen), None)

    def _open(self) -> Sequence[Page[None]]:
        return [page for page in (self._mine, self._log, self._details, self._story) if page is not None]

    def _push(self, page: Page[None], closed: Callable[[None], None]) -> None:
        page.trouble(self._trouble)
        self._screen.app.push_screen(page, closed)

    def look(self, look: Look) -> None:
        """Bring the open pages up to date."""
        if self._details is not None and look.wanted.followed == self._details.task_id:
            self._shown = look.task
            self._details.update_task(look.task, look.events, look.at, audited=look.audited, stands=look.stands)
        if self._story is not None and look.wanted.followed == self._story.told.story.task_id:
            self._tell_on(self._story, (look.task, look.events[-1].seq if look.events else 0))
        if self._log is not None and (look.changes or not look.complete or self._log.failed):
            self._extend_log(self._log)
        if self._mine is not None:
            self._mine.show_done(self._acting.done, look.at)

    def _tell_on(self, page: StoryPage, now: tuple[Task | None, int]) -> None:
        """Read the story again if the task went on; if it does so while that is read, once more."""
        if now == self._told or self._telling:
            self._missed = now != self._told
            return

        def show(found: tuple[Task | None, Told]) -> None:
            task, told = found
            if page is self._story:
                self._told = (task, told.last)
                page.update_story(told)
            done("")

        def done(_: str) -> None:
            missed, self._telling, self._missed = self._missed, False, False
            if missed:
                self._follow()

        self._telling = True
        self._reader.ask(self._read_story(page.told.story.task_id), show, done)

    def _extend_log(self, log: LogScreen) -> None:
        def extend(events: Sequence[Event]) -> None:
            fresh = [event for event in events if event.seq > self._last]
            if fresh or log.failed:
                self._last = fresh[-1].seq if fresh else self._last
                log.add_events(fresh, self._now())

        last = self._last
        self._reader.ask(lambda store: store.events(after=last, limit=_NEWEST), extend, log.fail)
