"""A store as it was: the reads of a store at a position of its timeline. Nothing here can change anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from taskdeck_store import clock
from taskdeck_store.cards import card_of
from taskdeck_store.contract import Fault, Key, Order, Pause, Store, StoreError, Tally, Window
from taskdeck_store.dependencies import unmet
from taskdeck_store.moment import Moment
from taskdeck_store.paging import every_event
from taskdeck_store.passing import Passed, Passing
from taskdeck_store.pausing import pauses_of
from taskdeck_store.query.match import matches
from taskdeck_store.query.terms import EVERYTHING, Query
from taskdeck_store.replay import after, fold
from taskdeck_store.timeline import NOWHERE, STATES, Doubt, Timeline
from taskdeck_store.values import QUEUE, Card, Event, State, Task, Time

_PIECE = 2_000
UNTOLD = "(the log does not tell its title)"
"""What stands for the title of a task whose beginning is not on record."""
_EARLIEST = clock.from_microseconds(0)
_CARDS = 5_000
"""How many cards are kept, so that a step makes only those anew that it changed."""


class Outdated(StoreError):
    """The log is not the one that was read: it has to be read anew."""

    def __init__(self, address: str) -> None:
        super().__init__(Fault.UNREADABLE, f"the log of {address} is not the one that was read; open it again")


class Past:
    """Stands at a position of a store's log, at first at its beginning: at 0, before the first event.

    `read_on` takes in the log, as far as it is known; `go` goes to another position. Raises StoreError wherever it
    reads, and Outdated where the log turns out to be another one.
    """

    def __init__(self, store: Store, timeline: Timeline | None = None) -> None:
        """`timeline` is a new one, unless one of this store is given."""
        self.timeline = Timeline() if timeline is None else timeline
        self._store = store
        self._moment = Moment(self.timeline)
        self._is_part = store.manifest is not None
        self._passing = Passing(store, self.timeline, self.event)
        self._cards: dict[tuple[int, int], tuple[Card, tuple[str, ...]]] = {}

    @property
    def position(self) -> int:
        """How many events have happened."""
        return self._moment.position

    @property
    def damage(self) -> str | None:
        """What cannot be read of the store any more; None while nothing is damaged."""
        return self._store.damage

    @property
    def end(self) -> int:
        """How many events of the log are known."""
        return len(self.timeline)

    def read_on(self, limit: int = _PIECE) -> bool:
        """Take in up to `limit` more events; tell whether there may be more."""
        traces = self._store.traces(after=self.timeline.seqs[-1], limit=limit)
        self.timeline.extend(traces, self._store.left_out)
        if len(traces) == limit:
            return True
        # What came may lie among what was there: the columns are to be those of all of it.
        self._moment.go(self.position)
        return False

    def read_all(self) -> None:
        """Take in all of the log."""
        while self.read_on():
            pass

    def go(self, position: int) -> None:
        """Stand at another position, or as near to it as there are events."""
        self._moment.go(min(max(position, 0), self.end))

    def event(self, position: int | None = None) -> Event | None:
        """Return the event that has just happened, here or at another position; None at the beginning."""
        at = self.position if position is None else position
        if not 0 < at <= self.end:
            return None
        seq = self.timeline.seqs[at]
        found = self._store.events(after=seq - 1, until=seq)
        if not found:
            raise Outdated(self._store.address)
        return found[0]

    def history(self, task_id: str, limit: int) -> Sequence[Event]:
        """Return up to `limit` of the newest events of a task up to here, in order of seq."""
        return self._store.events(task_id, until=self.timeline.seqs[self.position], newest=True, limit=limit)

    def events(self, task_id: str) -> Iterator[Event]:
        """Yield all events of a task up to here, in order of seq."""
        return every_event(self._store, task_id, until=self.timeline.seqs[self.position])

    def last_seq(self) -> int:
        """Return the seq of the store's last event, known or not; 0 when there is none."""
        return next((event.seq for event in self._store.events(newest=True, limit=1)), 0)

    def doubts(self) -> Doubt:
        """Return what is not known of the event that has just happened."""
        return Doubt(self.timeline.doubt[self.position])

    def passed(self, start: int, stop: int, skip: Callable[[int], bool]) -> Iterator[Passed]:
        """Yield the events by which one comes from a position to another one, forward or back, but for those to skip.

        `skip` is given the position after each event.
        """
        return self._passing.back(start, stop, skip) if stop < start else self._passing.on(start, stop, skip)

    def pauses(self) -> Sequence[Pause]:
        """Return what was paused."""
        last = self._store.events(QUEUE, until=self.timeline.seqs[self.position], newest=True, limit=1)
        return pauses_of(last[0] if last else None)

    def place(self, task_id: str, order: Mapping[State, Order]) -> tuple[State, int] | None:
        """Return in which column a task is, and its rank there in that column's order; None where it is not there."""
        task = self.timeline.numbers.get(task_id)
        if task is None:
            return None
        state = self._moment.state(task)
        return None if state is None else (state, self._moment.rank(task, order[state]))

    def counts(self) -> Mapping[State, Tally]:
        """Return the tally of every state."""
        return {state: self._moment.tally(state) for state in State}

    def window(self, state: State, order: Order, *, start: int | Key = 0, before: int = 0, limit: int = 100) -> Window:
        """Return cards of a column, as `taskdeck_store.contract.Store.window` does."""
        first, tasks = self._moment.window(state, order, start, before, limit)
        with self._store.reading():
            return Window(state=state, first=first, cards=tuple(map(self._card, tasks)))

    def get(self, task_id: str) -> Task | None:
        """Return a task as its events up to here say that it was; None where it was not there."""
        seq = self.timeline.seqs[self.position]
        task = fold(self._store.events(task_id, until=seq)) if seq else None
        return None if task is None else self._standing(task)

    def stands(self, task_id: str) -> State | None:
        """Return where a task is, or where it last was; None where it never was there."""
        task = self.timeline.numbers.get(task_id)
        if task is None:
            return None
        code = self.timeline.state[self._moment.event(task)]
        if code == NOWHERE:
            code = self.timeline.state[self.timeline.previous[self._moment.event(task)]]
        return None if code == NOWHERE else STATES[code]

    def is_headless(self, task_id: str) -> bool:
        """Tell whether the first event on record of a task is not its beginning."""
        return self.timeline.numbers.get(task_id) in self.timeline.headless()

    def headless(self) -> Sequence[str]:
        """Return the ids of the tasks that are there, of which the first event on record is not the beginning."""
        found = self.timeline.headless()
        there = (task for state in State for task in self._moment.tasks(state)) if found else ()
        return [self.timeline.ids[task] for task in there if task in found]

    def tasks(self, query: Query = EVERYTHING, *, limit: int | None = None) -> Sequence[Task]:
        """Return whole tasks, in the order of `taskdeck_store.contract.Store.tasks`. Reads the log up to here."""
        at, found = self.now or _EARLIEST, self._folded()
        ids = [self.timeline.ids[task] for state in State for task in self._moment.tasks(state)]
        tasks = (self._standing(found[task_id]) for task_id in ids)
        return [task for task in tasks if matches(query, task, at)][:limit]

    @property
    def now(self) -> Time | None:
        """When the event that has just happened was."""
        return self.timeline.moment(self.position)

    def _folded(self) -> dict[str, Task]:
        """All tasks, by their ids."""
        tasks: dict[str, Task] = {}
        with self._store.reading():
            for event in every_event(self._store, until=self.timeline.seqs[self.position]):
                task = after(tasks.get(event.task_id), event)
                if task is None:
                    tasks.pop(event.task_id, None)
                else:
                    tasks[event.task_id] = task
        return tasks

    def _card(self, task: int) -> Card:
        key = task, self._moment.event(task)
        known = self._cards.get(key)
        if known is None:
            if len(self._cards) >= _CARDS:
                self._cards.clear()
            seq = self.timeline.seqs[key[1]]
            folded = fold(self._store.events(self.timeline.ids[task], until=seq))
            if folded is None:
                raise Outdated(self._store.address)
            card = card_of(folded)
            if not card.title and self.is_headless(card.id):
                card = replace(card, title=UNTOLD)
            known = self._cards[key] = card, folded.depends_on
        card, depends_on = known
        return replace(card, blocked=self._unmet(depends_on)) if depends_on else card

    def _standing(self, task: Task) -> Task:
        return replace(task, blocked=self._unmet(task.depends_on)) if task.depends_on else task

    def _unmet(self, ids: Sequence[str]) -> int:
        """Return how many of some tasks are not completed; those that a bundle leaves out may be."""
        told = [task_id for task_id in ids if task_id in self.timeline.numbers] if self._is_part else ids
        return unmet(told, self.stands)
