"""The store contract: what every backend promises, and the values that cross it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from pathlib import Path
from typing import Protocol, TypeAlias

from msgspec import Struct

from taskdeck_store.limits import Limits
from taskdeck_store.machine import Command, Refusal
from taskdeck_store.query.terms import EVERYTHING, Query
from taskdeck_store.values import Card, Claim, Event, Json, State, Task, Time


class Fault(StrEnum):
    """What kind of trouble a store is in."""

    MISSING = "missing"
    FOREIGN = "foreign"
    NEWER = "newer"
    DAMAGED = "damaged"
    BUSY = "busy"
    READ_ONLY = "read_only"
    UNREADABLE = "unreadable"
    UNWRITABLE = "unwritable"
    EXISTS = "exists"


class StoreError(Exception):
    """The store as a whole could not be read or written.

    `message` names what, where and what to do, in one line without control characters.
    """

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault
        self.message = message


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of one command.

    Applied: `event` is its record, `task` the task after it. Refused: `refusal` says why, `task` is the task as it
    stands now (None: there is none). `repeated` says that the operation had been applied before. In a refused
    all-or-nothing `apply`, commands that were fine themselves have neither event nor refusal.
    """

    command: Command
    task: Task | None
    event: Event | None = None
    refusal: Refusal | None = None
    repeated: bool = False


class Claiming(Struct, frozen=True, kw_only=True):
    """What is to be started: up to `limit` pending tasks that match a query, are due and not blocked, in the order in
    which they are to run.

    Each gets `owner`, and a lease of so many `seconds`. `actor` is who says so.
    """

    owner: str
    actor: str
    seconds: float
    query: Query = EVERYTHING
    limit: int = 1


class Pause(Struct, frozen=True, kw_only=True):
    """What workers may not claim, by the text of a query ('': anything), by whom that was said, when, and why."""

    query: str
    by: str
    at: Time
    note: str


class Pausing(Struct, frozen=True, kw_only=True):
    """The intent to pause what matches the text of a query, or, with `resumes`, to end that pause."""

    query: str
    actor: str
    operation: str
    note: str | None = None
    resumes: bool = False


class Order(StrEnum):
    """How the cards of a column are sorted; ties by id, in the same direction."""

    PRIORITY = "priority"
    OLDEST = "oldest"
    NEWEST = "newest"


Key: TypeAlias = tuple[int | str, ...]
"""A place in an order: (priority, state_since, id) or (state_since, id); a missing time is ''."""


def key(card: Card | Task, order: Order) -> Key:
    """Return the place of a card in an order. Under NEWEST, places run downwards."""
    since = card.state_since or ""
    return (card.priority, since, card.id) if order is Order.PRIORITY else (since, card.id)


class Tally(Struct, frozen=True):
    """How many tasks there are in a state, and since when the oldest of them is in it."""

    count: int = 0
    oldest: Time | None = None


class Window(Struct, frozen=True, kw_only=True):
    """A run of a column's cards: `cards[0]` is the `first`-th of its column, counted from 0."""

    state: State
    first: int
    cards: tuple[Card, ...]


class Change(Struct, frozen=True, kw_only=True):
    """One committed change, as light as a feed needs it; the fields are those of `Event`.

    `seq` is 0 for a change that a store without an audit log noticed but could not record.
    """

    seq: int
    task_id: str
    at: Time
    actor: str
    action: str
    from_state: State | None
    to_state: State | None
    note: str | None


Trace: TypeAlias = tuple[int, str, Time, str, str, str | None, str | None, Mapping[str, tuple[Json, Json]] | None]
"""An event as light as a timeline of a million needs it: `seq`, `task_id`, `at`, `actor`, `action`, `from_state`,
`to_state` as in `Event`, and its `changes` where priority or state_since are among them, else None."""


class Changes(Struct, frozen=True, kw_only=True):
    """What was committed since a cursor.

    `complete` is False where not all of it is told (too much, or the store was replaced): read anew.
    """

    cursor: str
    changes: tuple[Change, ...] = ()
    complete: bool = True


class Defect(Struct, frozen=True):
    """Something wrong with a store's files that its tasks and events need not show, said in a line.

    `heals` says that whoever next commits mends it, and that nothing committed is in danger meanwhile.
    """

    message: str
    heals: bool = False


class LeftOut(Struct, frozen=True):
    """A run of events that a bundle leaves out on purpose: the seqs of its first and last, and the hash of the last.

    The hash of an event that is not sealed is the one that it implies.
    """

    first: int
    last: int
    hash: str


class Manifest(Struct, frozen=True, kw_only=True):
    """What a bundle says of itself, and of the store it is from, as that was at `made_at`.

    `taskdeck` is the version that made it, `made_by` an actor, which is a claim. `store` is the bare name of the
    store's file, `kind` its backend and `origin` the hash of its first event (None: it has none), which tells its log
    from others. `query` chose the tasks: '' for all of the store. `first_seq` and `last_seq` are those of the events
    in the bundle; `head_seq` and `head` the last event of the store and its hash, to be compared with one that was
    noted elsewhere. `sha256` is over all of the bundle; see `taskdeck_store.sqlite.bundling.digest`.
    """

    taskdeck: str
    store: str
    kind: str
    origin: str | None
    made_at: Time
    made_by: str
    query: str
    tasks: int
    events: int
    left_out: int
    store_tasks: int
    store_events: int
    first_seq: int | None
    last_seq: int | None
    head_seq: int
    head: str | None
    sha256: str = ""


class Stop(Protocol):
    """What ends a wait early: a `threading.Event`, say."""

    def is_set(self) -> bool:
        """Tell whether to stop."""


class Store(Protocol):
    """A place where tasks live. A handle serves one thread at a time; `wait` alone may run beside.

    Every method raises StoreError when the store as a whole cannot do it.
    """

    @property
    def address(self) -> str:
        """Where it is, as the user gave it."""

    @property
    def kind(self) -> str:
        """The backend's name for people: ``SQLite``, ``JSON``."""

    @property
    def limits(self) -> Limits:
        """What its format can say, and what it cannot."""

    @property
    def read_only(self) -> bool:
        """Whether `apply` refuses everything."""

    @property
    def damage(self) -> str | None:
        """What cannot be read of it any more, and the way back, in a line; None while nothing is damaged."""

    @property
    def mended(self) -> tuple[str, ...]:
        """What this handle finished, took back or cleared away, at any of its looks, that another had left half done: a
        sentence for each, in one line. A handle that only reads leaves as it is what others can wait for.
        """

    @property
    def audited(self) -> bool:
        """Whether the store has an audit log by now."""

    @property
    def manifest(self) -> Manifest | None:
        """What a bundle says of itself; None for every other store."""

    @property
    def output_folder(self) -> Path | None:
        """Where what is said during attempts is kept, beside the store; see `taskdeck_store.output`. The folder need
        not be there. None where nothing can be kept.
        """

    def apply(self, commands: Sequence[Command], *, whole: bool = False) -> tuple[Outcome, ...]:
        """Commit all the commands that are legal in one atomic, durable commit; an outcome for each, in order.

        With `whole`, one refusal refuses all. When this returns, what was applied survives kill -9 and power loss.
        """

    def claim(self, claiming: Claiming, *, after: Sequence[Command] = ()) -> tuple[Outcome, ...]:
        """Carry out commands and then start pending tasks, all in one commit; return the outcomes in this order.

        Of two that claim at the same time, each gets other tasks. A task that one of the commands is for is not
        started, nor one before its `not_before`, nor one that is blocked or paused. `Claim` says how a later command
        holds on to what was claimed.
        """

    def renew(self, held: Mapping[str, Claim], seconds: float) -> frozenset[str]:
        """Have the leases of claimed tasks run out so many seconds from now; return the ids of those held no longer.

        A renewal is no event: it leaves the version as it is, and `changes` does not tell it. After a power loss, a
        lease may be as it was before.
        """

    def pause(self, pausing: Pausing) -> Event | Refusal:
        """Pause or resume the queue, in one atomic, durable commit; return its event, or why it was not done.

        An operation that was done before returns its event.
        """

    def pauses(self) -> Sequence[Pause]:
        """Return what is paused, in the order in which it was."""

    def reading(self, *, latest: bool = True) -> AbstractContextManager[None]:
        """Make all reads inside see one and the same commit: the latest, or without `latest` the last good look,
        whatever the store's file is like by now.
        """

    def counts(self, query: Query = EVERYTHING) -> Mapping[State, Tally]:
        """Return the tally of every state."""

    def window(
        self,
        state: State,
        order: Order,
        *,
        start: int | Key = 0,
        before: int = 0,
        limit: int = 100,
        query: Query = EVERYTHING,
    ) -> Window:
        """Return `limit` cards from a rank or a place on (a place need not be taken), and up to `before` ahead."""

    def get(self, task_id: str) -> Task | None:
        """Return a task, or None."""

    def tasks(self, query: Query = EVERYTHING, *, limit: int | None = None) -> Sequence[Task]:
        """Return whole tasks: by state in the board's order, then by priority, state_since and id."""

    def next_due(self, after: Time, query: Query = EVERYTHING) -> Time | None:
        """Return when the next pending task that matches becomes due, of those due only after a moment; None: none."""

    def events(
        self,
        task_id: str | None = None,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int | None = None,
        newest: bool = False,
    ) -> Sequence[Event]:
        """Return events with a greater `seq` than `after`, and none greater than `until`, in order of `seq`: the first
        `limit` of them or, with `newest`, the last.
        """

    def traces(self, *, after: int = 0, limit: int) -> Sequence[Trace]:
        """Return the first `limit` events with a greater `seq` than `after`, as light as can be, in order of `seq`."""

    def left_out(self, after: int) -> LeftOut | None:
        """Return the run of events right after a seq that a bundle leaves out; None where none is left out there."""

    def changes(self, cursor: str | None = None, *, limit: int = 2_000) -> Changes:
        """Return what was committed since the cursor of an earlier call; with None, only the cursor of now."""

    def defects(self) -> Sequence[Defect]:
        """Read all of the store's files, and return what is wrong with them. Takes as long as reading them takes."""

    def wait(self, timeout: float, stop: Stop | None = None) -> bool:
        """Sleep until something may have changed (True), or for `timeout` seconds, or until stopped (False)."""

    def close(self) -> None:
        """Let go of files and locks."""
