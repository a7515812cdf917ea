"""Two moments of a log side by side: what moved, what is new, what is gone, and how much happened in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from msgspec import Struct

from taskdeck_store.moment import Moment
from taskdeck_store.ranks import UNKNOWN
from taskdeck_store.timeline import NOWHERE, STATES, Timeline
from taskdeck_store.values import State, Time


class Flow(Struct, frozen=True):
    """The tasks that were in one state at the first moment and in another at the second; None: not in the store.

    `tasks` holds their ids, in the order in which they came to where they are.
    """

    before: State | None
    after: State | None
    tasks: tuple[str, ...]


_SHORTEST = 1.0
"""Seconds; of less time no rate is told."""


class Comparison(Struct, frozen=True, kw_only=True):
    """What lies between two positions, the earlier one first.

    `begins` and `ends` are the moments of the events before them, and `seconds` the time between; None where that is
    not known. `then` and `now` count tasks by state. `flows` are told by state, new tasks first and those that are
    gone last; `returned` counts the tasks that moved and are back where they were, `changed` those that stayed there
    all the while and have other contents. `events` and `actions` count what happened.
    """

    first: int
    last: int
    begins: Time | None
    ends: Time | None
    seconds: float | None
    then: Mapping[State, int]
    now: Mapping[State, int]
    flows: tuple[Flow, ...]
    returned: int
    changed: int
    events: int
    actions: Mapping[str, int]

    def hourly(self, count: int) -> float | None:
        """Return a count as a rate an hour; None where the time between is not known, or too short for one."""
        return count * 3_600 / self.seconds if self.seconds is not None and self.seconds >= _SHORTEST else None


def compare(timeline: Timeline, one: int, other: int) -> Comparison:
    """Compare two positions of a timeline, given in any order, or the ones nearest to them that there are."""
    first, last = sorted(min(max(position, 0), len(timeline)) for position in (one, other))
    before: dict[int, int] = {}
    after: dict[int, int] = {}
    moved: set[int] = set()
    for position in range(first + 1, last + 1):
        task, state = timeline.task[position], timeline.state[position]
        held = after.pop(task, timeline.state[timeline.previous[position]])
        before.setdefault(task, held)
        # Last in, last in the order.
        after[task] = state
        if state != held:
            moved.add(task)
    flows: dict[tuple[int, int], list[str]] = {}
    for task, state in after.items():
        if before[task] != state:
            flows.setdefault((before[task], state), []).append(timeline.ids[task])
    still = [task for task, state in after.items() if before[task] == state and state != NOWHERE]
    begins, ends = timeline.times[max(first, 1)] if last else UNKNOWN, timeline.times[last]
    return Comparison(
        first=first,
        last=last,
        begins=timeline.moment(first),
        ends=timeline.moment(last),
        seconds=None if UNKNOWN in (begins, ends) else (ends - begins) / 1e6,
        then=_counts(timeline, first),
        now=_counts(timeline, last),
        flows=tuple(
            Flow(_state(one), _state(other), tuple(tasks)) for (one, other), tasks in sorted(flows.items(), key=_order)
        ),
        returned=sum(task in moved for task in still),
        changed=sum(task not in moved for task in still),
        events=last - first,
        actions=dict(Counter(map(timeline.actions.__getitem__, timeline.action[first + 1 : last + 1])).most_common()),
    )


def _counts(timeline: Timeline, position: int) -> dict[State, int]:
    moment = Moment(timeline)
    moment.go(position)
    return dict(zip(STATES, moment.counts(), strict=True))


def _order(flow: tuple[tuple[int, int], list[str]]) -> tuple[bool, bool, int, int]:
    before, after = flow[0]
    return before != NOWHERE, after == NOWHERE, before, after


def _state(code: int) -> State | None:
    return None if code == NOWHERE else STATES[code]
