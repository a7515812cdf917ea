"""Where all tasks stand at one position of a timeline: what the columns held then, in every order."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from itertools import compress

from taskdeck_store import clock
from taskdeck_store.contract import Key, Order, Tally
from taskdeck_store.places import Places
from taskdeck_store.ranks import BITS, RANK, UNKNOWN
from taskdeck_store.timeline import NOWHERE, STATES, Timeline
from taskdeck_store.values import State

_NEAR = 4
"""One in so many of the events between keyframes: so far, the way is gone step by step; a farther position is worked
out from the keyframe before it."""

_CODES = {state: code for code, state in enumerate(STATES)}
_ONLY = [bytes(int(code == wanted) for code in range(256)) for wanted in range(len(STATES))]
"""For each state, what makes 1 of its code, and 0 of all others."""


class Moment:
    """The columns at a position, which `go` changes: tasks by their places, or by the ranks in these."""

    def __init__(self, timeline: Timeline) -> None:
        self.position = 0
        self._timeline = timeline
        self._turn = timeline.ranks.turn
        self._events = array("I")
        self._codes = bytearray()
        self._columns: dict[tuple[int, bool], Places] = {}
        self._oldest: dict[int, int] = {}

    def go(self, position: int) -> None:
        """Stand at another position, between 0 and the end of the timeline."""
        timeline = self._timeline
        timeline.rank()
        self._grow()
        if timeline.ranks.turn != self._turn or abs(position - self.position) > timeline.every // _NEAR:
            self._arrive(position)
            return
        for reached in range(self.position + 1, position + 1):
            self._put(timeline.task[reached], reached)
        for left in range(self.position, position, -1):
            self._put(timeline.task[left], timeline.previous[left])
        self.position = position

    def event(self, task: int) -> int:
        """Return the position of the last event of a task by now; 0 when it has none yet."""
        return self._events[task] if task < len(self._events) else 0

    def counts(self) -> list[int]:
        """Return how many tasks there are in each state, by its code."""
        return [self._codes.count(code) for code in range(len(STATES))]

    def tally(self, state: State) -> Tally:
        """Return how many tasks are in a state, and since when the oldest."""
        code = _CODES[state]
        if code not in self._oldest:
            self._oldest[code] = self._first(code)
        oldest = self._oldest[code]
        return Tally(self._codes.count(code), None if oldest == UNKNOWN else clock.from_microseconds(oldest))

    def window(self, state: State, order: Order, start: int | Key, before: int, limit: int) -> tuple[int, list[int]]:
        """Return the tasks around a rank or a place of a column, and which rank the first of them has."""
        by_priority = order is Order.PRIORITY
        places = self._column(_CODES[state], by_priority=by_priority)
        count = len(places)
        if isinstance(start, int):
            number = min(max(0, start), count)
        elif order is Order.NEWEST:
            number = count - bisect_right(places.all(), _bound(start), key=self._key)
        else:
            number = bisect_left(places.all(), _bound(start), key=self._prioritised if by_priority else self._key)
        first, last = max(0, number - max(0, before)), min(count, number + max(0, limit))
        newest = order is Order.NEWEST
        shown = places.part(count - last, count - first)[::-1] if newest else places.part(first, last)
        ranks, task = self._timeline.ranks, self._timeline.task
        return first, [task[ranks.position(place & RANK)] for place in shown]

    def state(self, task: int) -> State | None:
        """Return the state of a task; None where it is not there."""
        code = self._codes[task] if task < len(self._codes) else NOWHERE
        return None if code == NOWHERE else STATES[code]

    def rank(self, task: int, order: Order) -> int:
        """Return the rank of a task that is there in its column."""
        by_priority = order is Order.PRIORITY
        places = self._column(self._codes[task], by_priority=by_priority)
        number = places.before(self._place(self._events[task], by_priority=by_priority))
        return len(places) - 1 - number if order is Order.NEWEST else number

    def tasks(self, state: State) -> list[int]:
        """Return the tasks of a column, by priority, time and id."""
        return self.window(state, Order.PRIORITY, 0, 0, len(self._events))[1]

    def _grow(self) -> None:
        """Make room for the tasks that the timeline has got."""
        more = len(self._timeline.ids) - len(self._events)
        self._events.extend([0] * more)
        self._codes.extend([NOWHERE] * more)

    def _arrive(self, position: int) -> None:
        timeline = self._timeline
        events, codes = timeline.keyframes[position // timeline.every]
        self._events, self._codes = events[:], codes[:]
        self._grow()
        for reached in range(position - position % timeline.every + 1, position + 1):
            task = timeline.task[reached]
            self._events[task], self._codes[task] = reached, timeline.state[reached]
        self._columns.clear()
        self._oldest.clear()
        self._turn = timeline.ranks.turn
        self.position = position

    def _put(self, task: int, event: int) -> None:
        """Have another event of a task be its last."""
        timeline = self._timeline
        for position, comes in ((self._events[task], False), (event, True)):
            code = timeline.state[position]
            self._oldest.pop(code, None)
            for by_priority in (False, True):
                places = self._columns.get((code, by_priority))
                if places is None:
                    continue
                place = self._place(position, by_priority=by_priority)
                if comes:
                    places.add(place)
                else:
                    places.remove(place)
        self._events[task], self._codes[task] = event, timeline.state[event]

    def _place(self, event: int, *, by_priority: bool) -> int:
        place = self._timeline.places[event]
        return place if by_priority else place & RANK

    def _column(self, code: int, *, by_priority: bool) -> Places:
        if (code, by_priority) not in self._columns:
            held = compress(self._events, self._codes.translate(_ONLY[code]))
            places = map(self._timeline.places.__getitem__, held)
            self._columns[code, by_priority] = Places(list(places) if by_priority else [each & RANK for each in places])
        return self._columns[code, by_priority]

    def _first(self, code: int) -> int:
        """Since when the oldest of a column is in it."""
        by_priority = (code, False) not in self._columns
        column = self._column(code, by_priority=by_priority)
        if not len(column):
            return UNKNOWN
        since = self._since(column.least(RANK))
        if since != UNKNOWN:
            return since
        places = self._column(code, by_priority=False).all()
        known = bisect_right(places, UNKNOWN, key=self._since)
        return self._since(places[known]) if known < len(places) else UNKNOWN

    def _since(self, place: int) -> int:
        return self._timeline.ranks.key(place & RANK)[0]

    def _key(self, place: int) -> tuple[int | str, ...]:
        return self._timeline.ranks.key(place & RANK)

    def _prioritised(self, place: int) -> tuple[int | str, ...]:
        return (place >> BITS, *self._timeline.ranks.key(place & RANK))


def _bound(start: Key) -> Key:
    """A place as the caller has it, with its time in µs."""
    *priority, since, task_id = start
    moment = clock.normalised(str(since))
    return (*priority, UNKNOWN if moment is None else clock.to_microseconds(moment), task_id)
