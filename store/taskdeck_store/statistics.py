"""Statistics from an audit log: one pass over its events, which are forgotten as they are counted."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Collection
from math import inf, nan, nextafter

from msgspec import UNSET, Struct, UnsetType

from taskdeck_store import clock, replay
from taskdeck_store.buckets import Buckets, buckets_of
from taskdeck_store.contract import LeftOut, Order, Store, key
from taskdeck_store.figures import (
    Actor,
    Attempts,
    Bucket,
    Failures,
    Flow,
    Lengths,
    Named,
    Ranking,
    Statistics,
    Stays,
    Throughput,
    Unknown,
    median,
    percentile,
)
from taskdeck_store.paging import every_event
from taskdeck_store.query.terms import EVERYTHING, Query
from taskdeck_store.validity import WHOLE_LIMIT
from taskdeck_store.values import EXTERNAL, OUTSIDE, QUEUE, REMOVED, Action, Event, State, Time

BUCKETS = 61
"""How many buckets a span is cut into at most: 60, and one where the span begins and ends between two round times."""
TOP = 20
"""How many names a ranking has."""

_PAGE = 1_000
_NAME = 200
_ERROR = 120
_LOOKED_THROUGH = 2_000
"""How many characters of an error are looked through for its first line."""
_MINUTE = 60.0
_HOUR = 3_600.0
_ACTIONS = frozenset((*map(str, Action), REMOVED, OUTSIDE))
_VARYING = re.compile(r"\b(?=[0-9a-f]*[0-9])[0-9a-f]{4,}\b|\d+", re.IGNORECASE)
"""Numbers, and the hexadecimal digits of an id."""


def gathered(
    store: Store,
    query: Query = EVERYTHING,
    *,
    begins: Time | None = None,
    ends: Time | None = None,
    buckets: int = BUCKETS,
    now: Time | None = None,
) -> Statistics:
    """Return the statistics of the tasks of a store that match a query now.

    `begins` and `ends` bound the span, each None for no bound; it is cut into at most so many `buckets`. An event by a
    clock that is ahead of `now` tells no moment. Raises StoreError, and ValueError as `Counting` does.
    """
    with store.reading():
        counting = Counting(begins, ends, tasks=_matching(store, query) if query else None, now=now)
        after = 0
        for event in every_event(store):
            run = store.left_out(after) if event.seq != after + 1 else None
            if run is not None:
                counting.pass_over(run)
            counting.count(event)
            after = event.seq
    return counting.statistics(buckets)


def _matching(store: Store, query: Query) -> set[str]:
    """Return the ids of the tasks that match, without holding any of them whole."""
    found: set[str] = set()
    for state in State:
        start: int | tuple[int | str, ...] = 0
        while cards := store.window(state, Order.OLDEST, start=start, limit=_PAGE, query=query).cards:
            found.update(card.id for card in cards)
            if len(cards) < _PAGE:
                break
            start = key(cards[-1], Order.OLDEST)
    return found


class _Known(Struct, gc=False):
    """What the events so far say of a task. A moment is NaN, an owner UNSET, where they do not say it."""

    seq: int = 0
    state: State | None = None
    since: float = nan
    added: float = nan
    owner: str | UnsetType | None = UNSET
    counted: bool = False

    def doubt(self) -> None:
        """Forget what may have changed without an event that tells it."""
        self.since = self.added = nan
        self.owner = UNSET


class _Lengths:
    """Lengths of time as they are found, eight bytes each."""

    def __init__(self) -> None:
        self.found = array("d")
        self.began_before = 0
        self.still_there = 0
        self.unknown = 0

    def lengths(self) -> Lengths:
        """Return the figures of those found so far."""
        ordered = array("d", sorted(self.found))
        return Lengths(
            count=len(ordered),
            median=median(ordered),
            p95=percentile(ordered, 95),
            longest=ordered[-1] if ordered else None,
            began_before=self.began_before,
            unknown=self.unknown,
        )


class Counting:
    """The statistics of events as they are counted, in order of `seq`, from the first of the log to its last.

    `begins` and `ends` bound the span: an event at `begins` lies in it, one at `ends` does not. With `tasks`, only the
    events of tasks of these ids count. An event later than `now`, but for what clocks differ by, tells no moment.
    Raises ValueError for a bound that is no moment, and for an empty span.
    """

    def __init__(
        self,
        begins: Time | None = None,
        ends: Time | None = None,
        *,
        tasks: Collection[str] | None = None,
        now: Time | None = None,
    ) -> None:
        self._bounds = begins, ends
        self._from = -inf if begins is None else clock.to_seconds(begins)
        self._to = inf if ends is None else clock.to_seconds(ends)
        if not self._from < self._to:
            raise ValueError(f"a span begins before it ends; {begins} is not before {ends}")
        self._only = tasks
        self._until = None if now is None else clock.plus(now, clock.SKEW)
        self._seq = 0
        self._gap = 0
        self._first: tuple[float, Time] = (inf, "")
        self._last: tuple[float, Time] = (-inf, "")
        self._events = self._tasks = self._noticed = 0
        self._gaps = self._missing = self._headless = self._midway = self._contradicting = self._undated = 0
        self._known: dict[str, _Known] = {}
        self._stays = {state: _Lengths() for state in State}
        self._cycle = _Lengths()
        self._flows = {name: array("d") for name in ("added", "completed", "rejected", "failed")}
        self._attempts: Counter[int | None] = Counter()
        self._errors: Counter[str | None] = Counter()
        self._workers: Counter[str | None] = Counter()
        self._deeds: Counter[tuple[str, str]] = Counter()
        self._unheard: Counter[str] = Counter()

    def count(self, event: Event) -> None:
        """Take one more event into account."""
        if event.seq != self._seq + 1:
            self._gaps += 1
            self._missing += event.seq - self._seq - 1
            self._gap = event.seq
        self._seq = event.seq
        if self._only is not None and event.task_id not in self._only:
            return
        at = self._dated(event)
        if event.task_id == QUEUE:
            return
        known = self._recalled(event, at)
        if self._from <= at < self._to:
            self._happened(event, at, known)
        if event.from_state is not event.to_state:
            self._moved(event, at, known)
        if "owner" in event.changes:
            owner = event.changes["owner"][1]
            known.owner = owner if isinstance(owner, str) and owner else None
        known.seq = event.seq

    def pass_over(self, run: LeftOut) -> None:
        """Take note of events that a bundle leaves out: none of them is of the tasks that are counted."""
        self._seq = run.last

    def statistics(self, buckets: int = BUCKETS) -> Statistics:
        """Return the statistics of what was counted so far, the span cut into at most so many buckets."""
        begins, ends = self._span()
        return Statistics(
            begins=begins,
            ends=ends,
            recorded_from=clock.normalised(self._first[1]),
            recorded_to=clock.normalised(self._last[1]),
            matching=None if self._only is None else len(self._only),
            events=self._events,
            tasks=self._tasks,
            noticed=self._noticed,
            throughput=self._throughput(begins, ends, buckets),
            stays=self._ended_stays(),
            cycle=self._cycle.lengths(),
            attempts=self._told_attempts(),
            failures=Failures(
                count=len(self._flows["failed"]), errors=_ranking(self._errors), workers=_ranking(self._workers)
            ),
            actors=self._actors(),
            unknown=Unknown(
                gaps=self._gaps,
                missing=self._missing,
                headless=self._headless,
                midway=self._midway,
                contradicting=self._contradicting,
                undated=self._undated,
                actions=dict(sorted(self._unheard.items())),
            ),
        )

    def _dated(self, event: Event) -> float:
        """Return when an event was, in seconds since 1970; NaN, which lies in no span, where it does not say so."""
        normal = clock.normalised(event.at)
        if normal is None or (self._until is not None and normal > self._until):
            self._undated += 1
            return nan
        at = clock.to_seconds(normal)
        if at < self._first[0]:
            self._first = at, event.at
        if at > self._last[0]:
            self._last = at, event.at
        return at

    def _recalled(self, event: Event, at: float) -> _Known:
        """Return what is known of an event's task just before it, in the state that the event says it was in."""
        known = self._known.get(event.task_id)
        if known is None:
            known = self._known[event.task_id] = _Known(state=event.from_state)
            if event.from_state is None:
                known.owner = None
            else:
                self._headless += 1
            return known
        in_doubt = known.seq < self._gap
        if in_doubt:
            known.doubt()
        if known.state is not event.from_state:
            self._contradicting += not in_doubt
            known.doubt()
            self._close(known, at)
            known.state = event.from_state
        return known

    def _happened(self, event: Event, at: float, known: _Known) -> None:
        """Count what an event of the span did."""
        self._events += 1
        self._noticed += event.actor == EXTERNAL
        if not known.counted:
            known.counted = True
            self._tasks += 1
        action = event.action[:_NAME]
        self._deeds[event.actor[:_NAME], action] += 1
        if event.action not in _ACTIONS and event.undoes is None:
            self._unheard[action] += 1
        if event.undoes is not None:
            return
        if event.from_state is None:
            if event.to_state is State.PENDING and not replay.is_found(event):
                self._flows["added"].append(at)
            return
        if event.action == Action.REJECT:
            self._flows["rejected"].append(at)
        if event.to_state is event.from_state:
            return
        if event.to_state is State.COMPLETED:
            self._flows["completed"].append(at)
            self._attempts[event.attempts if 0 <= event.attempts <= WHOLE_LIMIT else None] += 1
            self._measure(self._cycle, known.added, at)
        elif event.to_state is State.FAILED:
            self._flows["failed"].append(at)
            self._errors[_error(event)] += 1
            self._workers[_worker(event, known)] += 1

    def _moved(self, event: Event, at: float, known: _Known) -> None:
        """Note that a task left one state for another, or came, or went."""
        self._close(known, at)
        known.state, known.since = event.to_state, at
        if event.from_state is None:
            known.added = nan
            known.owner = None
            if event.undoes is None and event.to_state is State.PENDING and not replay.is_found(event):
                known.added = at
            elif event.undoes is None:
                self._midway += 1
                known.since = nan

    def _close(self, known: _Known, at: float) -> None:
        """Count the end of a task's stay in its state."""
        if known.state is None or at < self._from:
            return
        stays = self._stays[known.state]
        if at < self._to or known.since != known.since or at != at:
            self._measure(stays, known.since, at)
        elif known.since < self._to:
            stays.still_there += 1

    def _measure(self, lengths: _Lengths, began: float, ended: float) -> None:
        if began <= ended:
            lengths.found.append(ended - began)
            lengths.began_before += began < self._from
        else:
            lengths.unknown += 1

    def _ended_stays(self) -> dict[State, Stays]:
        """Return the stays in each state; those that no event ended are there still."""
        open_now: Counter[State] = Counter()
        unknown: Counter[State] = Counter()
        for known in self._known.values():
            if known.state is None:
                continue
            if known.seq < self._gap or known.since != known.since:
                unknown[known.state] += 1
            elif known.since < self._to:
                open_now[known.state] += 1
        found = {}
        for state, stays in self._stays.items():
            lengths = stays.lengths()
            found[state] = Stays(
                count=lengths.count,
                median=lengths.median,
                p95=lengths.p95,
                longest=lengths.longest,
                began_before=lengths.began_before,
                unknown=lengths.unknown + unknown[state],
                still_there=stays.still_there + open_now[state],
            )
        return found

    def _span(self) -> tuple[Time | None, Time | None]:
        begins, ends = self._bounds
        if begins is None and self._first[0] < self._to:
            begins = clock.normalised(self._first[1])
        if ends is None and self._last[0] >= self._from:
            ends = clock.normalised(self._last[1])
        return begins, ends

    def _throughput(self, begins: Time | None, ends: Time | None, most: int) -> Throughput:
        if begins is None or ends is None:
            pieces, seconds = Buckets(0, 0, 0), 0.0
        else:
            start, end = clock.to_seconds(begins), clock.to_seconds(ends)
            # A bound that was given is no part of the span; the last event is.
            last = end if self._bounds[1] is None else nextafter(end, -inf)
            pieces, seconds = buckets_of(start, last, most=most), end - start
        counts = {name: pieces.counted(moments) for name, moments in self._flows.items()}
        flows = {
            name: Flow(count=len(moments), per_hour=len(moments) / (seconds / _HOUR) if seconds >= _MINUTE else None)
            for name, moments in self._flows.items()
        }
        bounds = [
            clock.from_microseconds((pieces.start + number * pieces.size) * 1_000_000)
            for number in range(1, pieces.count)
        ]
        buckets = tuple(
            Bucket(at=at, **{name: counts[name][number] for name in counts})
            for number, at in enumerate([begins, *bounds] if pieces.count and begins else [])
        )
        return Throughput(**flows, bucket_seconds=pieces.size, buckets=buckets)

    def _actors(self) -> tuple[Actor, ...]:
        actions: dict[str, dict[str, int]] = {}
        for (name, action), count in sorted(self._deeds.items()):
            actions.setdefault(name, {})[action] = count
        found = [Actor(name=name, events=sum(own.values()), actions=own) for name, own in actions.items()]
        return tuple(sorted(found, key=lambda actor: -actor.events))

    def _told_attempts(self) -> Attempts:
        counts = {number: count for number, count in self._attempts.items() if number is not None}
        total = sum(counts.values())
        return Attempts(
            counts=dict(sorted(counts.items())),
            mean=sum(number * count for number, count in counts.items()) / total if total else None,
            unknown=self._attempts[None],
        )


def _error(event: Event) -> str | None:
    """Return the first line of the error of an event that failed its task, its numbers and ids told alike."""
    error = event.changes.get("error", (None, None))[1]
    for text in (error, event.note):
        lines = text[:_LOOKED_THROUGH].strip().splitlines() if isinstance(text, str) else []
        if lines:
            return _VARYING.sub("#", lines[0].rstrip())[:_ERROR]
    return None


def _worker(event: Event, known: _Known) -> str | None:
    """Return whose failure it was, as far as that is on record."""
    owner = known.owner
    if isinstance(owner, UnsetType):
        before = event.changes.get("owner", (None, None))[0]
        return before[:_NAME] if isinstance(before, str) and before else None
    return (owner or event.actor)[:_NAME]


def _ranking(counts: Counter[str | None]) -> Ranking:
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0] or ""))
    return Ranking(
        top=tuple(Named(name, count) for name, count in ordered[:TOP]),
        others=len(ordered[TOP:]),
        rest=sum(count for _, count in ordered[TOP:]),
    )
