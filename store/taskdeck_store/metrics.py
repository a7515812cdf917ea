"""What a monitoring system asks of a store: how many tasks are where, since when, and what has happened so far.

The log is read once, and then only what comes to it. Where it turns out to be another log, counting begins anew, as
after the start of a program; who takes rates of such counters knows that.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping

from msgspec import Struct

from taskdeck_store import clock, recovery
from taskdeck_store.contract import Pause, Store, Tally, Trace
from taskdeck_store.query.terms import BlockedTerm, Query
from taskdeck_store.values import OUTSIDE, PAUSED, REMOVED, RESUMED, Action, State, Time

BOUNDS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0)
"""Upper bounds of the classes of a `Histogram`, in seconds; one more class has no bound."""

_PAGE = 5_000
_ACTIONS = frozenset((*map(str, Action), REMOVED, OUTSIDE, PAUSED, RESUMED))
_OTHER = "other"


_BLOCKED = Query((BlockedTerm(blocked=True),))


class Histogram(Struct, frozen=True):
    """How long something took: how often it took up to each of `BOUNDS` and no less, how often longer, and the sum."""

    counts: tuple[int, ...]
    seconds: float


class Metrics(Struct, frozen=True, kw_only=True):
    """What a store is like at a moment.

    `overdue` counts the tasks in progress whose lease has run out, `blocked` the pending ones that depend on others
    which are not completed, `transitions` the events of the log by action and the states before and after,
    `stays` how long tasks were in a state that they have left. `pauses` is what workers do not claim, `last_at` when
    the last event happened.
    """

    at: Time
    tallies: Mapping[State, Tally]
    overdue: int
    blocked: int
    pauses: tuple[Pause, ...]
    events: int
    transitions: Mapping[tuple[str, State | None, State | None], int]
    stays: Mapping[State, Histogram]
    last_at: Time | None


class Meter:
    """Measures one store, again and again."""

    def __init__(self, store: Store, now: clock.Clock) -> None:
        self._store = store
        self._now = now
        self._begin()

    def _begin(self) -> None:
        self._last: Trace | None = None
        self._count = 0
        self._transitions: Counter[tuple[str, State | None, State | None]] = Counter()
        self._counts = {state: [0] * (len(BOUNDS) + 1) for state in State}
        self._seconds = dict.fromkeys(State, 0.0)
        self._since: dict[str, float] = {}

    def read(self) -> Metrics:
        """Return what the store is like now. Raises StoreError."""
        with self._store.reading():
            self._catch_up()
            at = self._now()
            return Metrics(
                at=at,
                tallies=self._store.counts(),
                overdue=len(recovery.overdue(self._store, at)),
                blocked=self._store.counts(_BLOCKED)[State.PENDING].count,
                pauses=tuple(self._store.pauses()),
                events=self._count,
                transitions=dict(self._transitions),
                stays={state: Histogram(tuple(self._counts[state]), self._seconds[state]) for state in State},
                last_at=self._last[2] if self._last is not None else None,
            )

    def _catch_up(self) -> None:
        if self._last is not None and self._store.traces(after=self._last[0] - 1, limit=1)[:1] != [self._last]:
            self._begin()
        while True:
            traces = self._store.traces(after=self._last[0] if self._last is not None else 0, limit=_PAGE)
            for trace in traces:
                self._take(trace)
            if not traces:
                return
            self._last = traces[-1]

    def _take(self, trace: Trace) -> None:
        _, task_id, at, _, action, before, after, _ = trace
        name = action if action in _ACTIONS else _OTHER
        from_state, to_state = (State(state) if state is not None else None for state in (before, after))
        self._transitions[name, from_state, to_state] += 1
        self._count += 1
        if from_state is to_state:
            return
        moment = clock.normalised(at)
        since = self._since.pop(task_id, None)
        if moment is None:
            return
        seconds = clock.to_seconds(moment)
        if since is not None and from_state is not None and seconds >= since:
            self._counts[from_state][bisect_left(BOUNDS, seconds - since)] += 1
            self._seconds[from_state] += seconds - since
        if to_state is not None:
            self._since[task_id] = seconds
