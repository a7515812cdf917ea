"""The events of a log as a line that one can stand on anywhere.

A position counts events: at position n, the first n have happened. The index is made from the log's traces alone, and
takes some 60 bytes an event. So that no position is far, the last event of every task is noted at keyframes.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from enum import IntFlag
from itertools import pairwise

from taskdeck_store import clock
from taskdeck_store.contract import LeftOut, Trace
from taskdeck_store.ranks import BITS, RANK, UNKNOWN, Ranks
from taskdeck_store.values import OUTSIDE, PAUSED, REMOVED, RESUMED, Action, Json, State, Task, Time

EVERY = 1 << 13
"""Events from one keyframe to the next."""

STATES = tuple(State)
NOWHERE = len(STATES)
"""The code of a task that is not there; the codes below it number the states."""

_CODES: Mapping[str | None, int] = {**{str(state): code for code, state in enumerate(STATES)}, None: NOWHERE}
_ACTIONS = frozenset((*map(str, Action), REMOVED, OUTSIDE, PAUSED, RESUMED))
_PRIORITY = Task(id="", title="").priority
_FARTHEST = (1 << 31) - 1
_MINUTE = len("2026-01-31T09:05:")
_MOMENT = len("2026-01-31T09:05:00.000000Z")


class Doubt(IntFlag):
    """What is not known of an event, or of what was before it."""

    MISSING = 1
    """Events ahead of it are missing in the log."""
    UNFOUNDED = 2
    """It says that its task was where no event before it has put it."""
    ACTION = 4
    """Its action is none that this version knows."""
    TIME = 8
    """Its time cannot be read, or does not fit those of the events around it: the fewest are called wrong."""


class Timeline:
    """An index of a log; it grows as the log does, by `extend`.

    Tasks, actors and actions have numbers; `ids`, `actors` and `actions` have their names, and `numbers` those of the
    tasks by id. Of the sequences that are named for what they hold of each event, the first event is at 1, and what
    they have at 0 stands for no event.
    """

    def __init__(self, *, every: int = EVERY) -> None:
        """`every` is the number of events from one keyframe to the next."""
        self.every = every
        self.ids: list[str] = []
        self.actors: list[str] = []
        self.actions: list[str] = []
        self.seqs = array("Q", [0])
        self.times = array("q", [UNKNOWN])
        """In µs since 1970. They never go back: an event whose time is in doubt has that of the one before."""
        self.task = array("I", [0])
        self.actor = array("I", [0])
        self.action = array("I", [0])
        self.state = bytearray([NOWHERE])
        """The code of the state that the event leaves its task in."""
        self.places = array("q", [_PRIORITY << BITS])
        """Where the event leaves its task in a column; see `taskdeck_store.ranks.Ranks`."""
        self.doubt = bytearray(1)
        self.previous = array("I", [0])
        """The position of the last event of the same task before; 0: there is none."""
        self.keyframes = [(array("I"), bytearray())]
        """By task, the position of its last event by then, and its state's code; shorter by those that had none."""
        self._since = array("q", [UNKNOWN])
        self.ranks = Ranks(self.places, self._since, self.task, self.ids)
        self.numbers = _Numbers(self.ids)
        self._actor_numbers = _Numbers(self.actors)
        self._action_numbers = _Numbers(self.actions)
        self._last = array("I")
        self._standing = bytearray()
        self._unfounded = array("I")
        self._gaps: list[tuple[int, int, int]] = []
        self._minute = ("", 0)
        self._behind: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self.seqs) - 1

    def extend(self, traces: Sequence[Trace], left_out: Callable[[int], LeftOut | None] | None = None) -> None:
        """Take in the events that come next; `left_out` is that of a store, which tells what is missing on purpose."""
        if not traces:
            return
        seqs, ids, times, actors, actions, befores, afters, changes = zip(*traces, strict=True)
        first = len(self.seqs)
        for numbers, names, values in (
            (self.task, self.numbers, ids),
            (self.actor, self._actor_numbers, actors),
            (self.action, self._action_numbers, actions),
        ):
            # An array takes another one, and a list, several times as fast as it takes what it must ask for.
            numbers.extend(array("I", list(map(names.__getitem__, values))))
        self.state.extend(bytes(map(_CODES.__getitem__, afters)))
        self.doubt.extend(bytes(len(seqs)))
        self._number(seqs, left_out)
        told = self._time(times)
        self._follow(first, bytes(map(_CODES.__getitem__, befores)), told, changes)
        self.ranks.append(first)
        if not _ACTIONS.issuperset(actions):
            for position, action in enumerate(actions, first):
                self.doubt[position] |= 0 if action in _ACTIONS else Doubt.ACTION

    def rank(self) -> None:
        """Give ranks to the events that came since: to all of a log at once, for each time may move many."""
        self.ranks.extend(self.previous, self._last)

    def moment(self, position: int) -> Time | None:
        """Return when the event before a position was; None where that is not known."""
        time = self.times[position]
        return None if time == UNKNOWN else clock.from_microseconds(time)

    def position_of(self, seq: int) -> int:
        """Return the position after the event of a seq, or after the last one before it."""
        return bisect_right(self.seqs, max(seq, 0)) - 1

    def position_at(self, time: int) -> int:
        """Return the position after all events up to a time, in µs since 1970."""
        return bisect_right(self.times, time, lo=1) - 1

    def missing(self, position: int) -> list[tuple[int, int]]:
        """Return the first and last seq of each run of events that are missing in the log before a position."""
        return [(first, last) for at, first, last in self._gaps if at <= position]

    def headless(self) -> set[int]:
        """Return the numbers of the tasks of which the first event on record is not the beginning."""
        return {self.task[position] for position in self._unfounded}

    def unrecorded(self, position: int) -> int:
        """Return how many tasks were there at a position though no event by then tells of them: a later one does."""
        return len(self._unfounded) - bisect_right(self._unfounded, position)

    def _number(self, seqs: Sequence[int], left_out: Callable[[int], LeftOut | None] | None) -> None:
        last = self.seqs[-1]
        if seqs[0] != last + 1 or seqs[-1] != last + len(seqs):
            for position, seq in enumerate(seqs, len(self.seqs)):
                run = left_out(last) if left_out is not None and seq != last + 1 else None
                last = last if run is None else run.last
                if seq != last + 1:
                    self.doubt[position] |= Doubt.MISSING
                    self._gaps.append((position, last + 1, seq - 1))
                last = seq
        self.seqs.extend(array("Q", seqs))

    def _time(self, times: Sequence[Time]) -> list[int]:
        """Take in when events were, and return it as they tell it."""
        latest, (minute, begin) = self.times[-1], self._minute
        found: list[int] = []
        told: list[int] = []
        for at in times:
            try:
                if at[:_MINUTE] != minute or len(at) != _MOMENT:
                    if clock.normalised(at) != at:
                        raise ValueError
                    minute = at[:_MINUTE]
                    begin = clock.to_microseconds(f"{minute}00Z")
                time = begin + int(at[_MINUTE : _MINUTE + 2]) * 1_000_000 + int(at[_MINUTE + 3 : -1])
            except ValueError:
                time = _microseconds(at)
            told.append(time)
            if time >= latest and time != UNKNOWN:
                latest = time
                found.append(time)
                if self._behind:
                    self._behind.clear()
                continue
            self.doubt[len(self.times) + len(found)] |= Doubt.TIME
            self.times.extend(array("q", [*found, latest]))
            found.clear()
            if time != UNKNOWN:
                latest = self._weigh(len(self.times) - 1, time)
        self.times.extend(array("q", found))
        self._minute = minute, begin
        return told

    def _weigh(self, position: int, time: int) -> int:
        """Take in an event that says that it was before the one ahead of it, and return the latest time by now.

        Once more events in a row are behind some than there are of these, it is these whose times are wrong.
        """
        behind = self._behind
        while behind and behind[-1][1] > time:
            behind.pop()
        behind.append((position, time))
        first, earliest = behind[0]
        start = bisect_right(self.times, earliest, lo=1)
        if len(behind) <= first - start:
            return self.times[position]
        for wrong in range(start, first):
            self.times[wrong] = self.times[start - 1]
            self.doubt[wrong] |= Doubt.TIME
        for (right, at), (after, _) in pairwise([*behind, (position + 1, time)]):
            self.doubt[right] &= ~Doubt.TIME
            for reached in range(right, after):
                self.times[reached] = at
        behind.clear()
        return time

    def _follow(
        self,
        first: int,
        befores: bytes,
        told: Sequence[int],
        changes: Sequence[Mapping[str, tuple[Json, Json]] | None],
    ) -> None:
        """Have each event follow on the last one of its task."""
        last, standing = self._last, self._standing
        places, since, priorities = self.places, self._since, ~RANK
        last.extend([0] * (len(self.ids) - len(last)))
        standing.extend([NOWHERE] * (len(self.ids) - len(standing)))
        events = zip(self.task[first:], befores, self.state[first:], told, changes, strict=True)
        for position, (task, before, after, time, change) in enumerate(events, first):
            previous, held = last[task], standing[task]
            if before != held:
                self.doubt[position] |= Doubt.UNFOUNDED
                if not previous:
                    self._unfounded.append(position)
            places.append(_PRIORITY << BITS if held == NOWHERE else places[previous] & priorities)
            since.append(since[previous] if before == after and held != NOWHERE else time)
            if change is not None:
                self._take(change)
            self.previous.append(previous)
            last[task], standing[task] = position, after
            if not position % self.every:
                self.keyframes.append((last[:], standing[:]))

    def _take(self, change: Mapping[str, tuple[Json, Json]]) -> None:
        """Have a change that is on record give the last event's task its priority and time."""
        if "priority" in change:
            value = change["priority"][1]
            priority = min(max(value, -_FARTHEST), _FARTHEST) if type(value) is int else _PRIORITY
            self.places[-1] = priority << BITS
        if "state_since" in change:
            value = change["state_since"][1]
            moment = _microseconds(value) if isinstance(value, str) else UNKNOWN
            # What is no moment was kept aside, and the task has another.
            if value is None or moment != UNKNOWN:
                self._since[-1] = moment


def _microseconds(moment: str) -> int:
    normal = clock.normalised(moment)
    return UNKNOWN if normal is None else clock.to_microseconds(normal)


class _Numbers(dict[str, int]):
    """The numbers of names, given as they are asked for."""

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self._names = names

    def __missing__(self, name: str) -> int:
        self._names.append(name)
        number = self[name] = len(self)
        return number
