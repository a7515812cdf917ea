"""The events of a log as a line that one can stand on anywhere.

A position counts events: at position n, the first n have happened. The index is made from the log's traces alone, and
takes some 60 bytes an event. So that no position is far, the last event of every task is noted at keyframes.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from enum import IntFlag

from taskdeck_store import clock
from taskdeck_store.contract import LeftOut, Trace
from taskdeck_store.ranks import BITS, RANK, UNKNOWN, Ranks
from taskdeck_store.values import OUTSIDE, REMOVED, Action, Json, State, Task, Time

EVERY = 1 << 13
"""Events from one keyframe to the next."""

STATES = tuple(State)
NOWHERE = len(STATES)
"""The code of a task that is not there; the codes below it number the states."""

_CODES: Mapping[str | None, int] = {**{str(state): code for code, state in enumerate(STATES)}, None: NOWHERE}
_ACTIONS = frozenset((*map(str, Action), REMOVED, OUTSIDE))
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
    """Its time cannot be read, or lies before that of an event ahead of it."""


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
        self._minute = ("", 0)

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
        self.ranks.extend(self.previous)
        if not _ACTIONS.issuperset(actions):
            for position, action in enumerate(actions, first):
                self.doubt[position] |= 0 if action in _ACTIONS else Doubt.ACTION

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

    def unrecorded(self, position: int) -> int:
        """Return how many tasks were there at a position though no event by then tells of them: a later one does."""
        return len(self._unfounded) - bisect_right(self._unfounded, position)

    def _number(self, seqs: Sequence[int], left_out: Callable[[int], LeftOut | None] | None) -> None:
        last = self.seqs[-1]
        if seqs[0] != last + 1 or seqs[-1] != last + len(seqs):
            for position, seq in enumerate(seqs, len(self.seqs)):
                run = left_out(last) if left_out is not None and seq != last + 1 else None
                self.doubt[position] |= 0 if seq == (last if run is None else run.last) + 1 else Doubt.MISSING
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
            if time < latest or time == UNKNOWN:
                self.doubt[len(self.times) + len(found)] |= Doubt.TIME
            else:
                latest = time
            found.append(latest)
            told.append(time)
        self.times.extend(array("q", found))
        self._minute = minute, begin
        return told

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
