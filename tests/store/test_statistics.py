"""Statistics: a history worked out by hand, what is not on record, and any history against a plain computation."""

from __future__ import annotations

import json
from bisect import bisect_right
from itertools import accumulate, groupby, pairwise
from statistics import median
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moving import done, put

from conftest import Opener, Turned
from taskdeck_store import Action, Command, Event, State, Store, clock, command
from taskdeck_store.buckets import LADDER, buckets_of
from taskdeck_store.figures import Attempts, Lengths, Named, Statistics, Stays, Unknown
from taskdeck_store.query.parse import parse
from taskdeck_store.statistics import BUCKETS, TOP, Counting, gathered
from taskdeck_store.values import EXTERNAL, Time

BEGINNING = "2026-01-31T09:00:00.000000Z"
PENDING, WORKING, REVIEW, COMPLETED, FAILED = State
MINUTE = 60.0


def minute(number: float) -> Time:
    return clock.plus(BEGINNING, number * MINUTE)


def event(seq: int, at: float, task_id: str, actor: str, action: str, states: Any, **fields: Any) -> Event:
    """An event so many minutes after the beginning; `states` are those it leads from and to."""
    before, after = states
    given = {"attempts": 0, **fields}
    return Event(
        seq=seq, at=minute(at), task_id=task_id, actor=actor, action=action, from_state=before, to_state=after, **given
    )


def owner(before: str | None, after: str | None) -> dict[str, Any]:
    return {"changes": {"owner": (before, after)}}


def error(text: str) -> dict[str, Any]:
    return {"changes": {"error": (None, text)}}


HISTORY = (
    event(1, 0, "a", "planner", "add", (None, PENDING)),
    event(2, 0, "b", "planner", "add", (None, PENDING)),
    event(3, 10, "a", "w-1", "start", (PENDING, WORKING), **owner(None, "w-1")),
    event(4, 20, "b", "w-2", "start", (PENDING, WORKING), **owner(None, "w-2")),
    event(5, 30, "a", "w-1", "submit", (WORKING, REVIEW)),
    event(6, 50, "b", "ann", "fail", (WORKING, FAILED), **error("\n timeout after 30 s \nat line 9")),
    event(7, 60, "a", "ann", "reject", (REVIEW, PENDING), attempts=1, note="no", **owner("w-1", None)),
    event(8, 70, "b", "ann", "retry", (FAILED, PENDING), attempts=1, **owner("w-2", None)),
    event(9, 80, "a", "w-2", "start", (PENDING, WORKING), attempts=1, **owner(None, "w-2")),
    event(10, 100, "a", "w-2", "submit", (WORKING, REVIEW), attempts=1),
    event(11, 110, "a", "ann", "edit", (REVIEW, REVIEW), attempts=1),
    event(12, 120, "a", "ann", "approve", (REVIEW, COMPLETED), attempts=1),
    event(13, 125, "c", "planner", "add", (None, PENDING)),
    event(14, 130, "c", "ann", "fail", (PENDING, FAILED), **error("timeout after 5 s")),
    event(15, 135, "d", EXTERNAL, "add", (None, COMPLETED)),
)
NOTHING_UNKNOWN = Unknown(gaps=0, missing=0, headless=0, midway=0, contradicting=0, undated=0, actions={})


def counted(events: Any, begins: Time | None = None, ends: Time | None = None, **options: Any) -> Statistics:
    counting = Counting(begins, ends, **options)
    for one in events:
        counting.count(one)
    return counting.statistics()


def lengths(found: Lengths) -> tuple[int, float | None, float | None, float | None]:
    """How many there are, and in minutes the median, p95 and longest."""
    return found.count, *(one / MINUTE if one is not None else None for one in (found.median, found.p95, found.longest))


def test_a_whole_history() -> None:
    found = counted(HISTORY)
    assert (found.begins, found.ends) == (found.recorded_from, found.recorded_to) == (minute(0), minute(135))
    assert (found.events, found.tasks, found.noticed, found.matching) == (15, 4, 1, None)
    flows = [found.throughput.added, found.throughput.completed, found.throughput.rejected, found.throughput.failed]
    assert [flow.count for flow in flows] == [3, 1, 1, 2]
    assert [flow.per_hour for flow in flows] == pytest.approx([3 / 2.25, 1 / 2.25, 1 / 2.25, 2 / 2.25])
    assert {state: lengths(stays) for state, stays in found.stays.items()} == {
        PENDING: (4, 15, 20, 20),  # 5, 10, 20, 20
        WORKING: (3, 20, 30, 30),  # 20, 20, 30
        REVIEW: (2, 25, 30, 30),
        COMPLETED: (0, None, None, None),
        FAILED: (1, 20, 20, 20),
    }
    assert [found.stays[state].still_there for state in State] == [1, 0, 0, 1, 1]
    assert [found.stays[state].unknown for state in State] == [0, 0, 0, 1, 0]
    assert [found.stays[state].began_before for state in State] == [0] * 5
    assert lengths(found.cycle) == (1, 120, 120, 120)
    assert found.attempts == Attempts(counts={1: 1}, mean=1.0, unknown=0)
    assert found.failures.count == 2
    assert found.failures.errors.top == (Named("timeout after # s", 2),)
    assert found.failures.workers.top == (Named("ann", 1), Named("w-2", 1))
    assert {actor.name: dict(actor.actions) for actor in found.actors} == {
        "ann": {"approve": 1, "edit": 1, "fail": 2, "reject": 1, "retry": 1},
        "planner": {"add": 3},
        "w-2": {"start": 2, "submit": 1},
        "w-1": {"start": 1, "submit": 1},
        EXTERNAL: {"add": 1},
    }
    assert [actor.events for actor in found.actors] == [6, 3, 3, 2, 1]
    assert found.unknown == msgspec.structs.replace(NOTHING_UNKNOWN, midway=1)


def test_the_buckets_of_a_whole_history() -> None:
    throughput = counted(HISTORY).throughput
    assert throughput.bucket_seconds == 300
    assert [bucket.at for bucket in throughput.buckets] == [minute(5 * number) for number in range(28)]
    happened = {
        bucket.at: (bucket.added, bucket.completed, bucket.rejected, bucket.failed) for bucket in throughput.buckets
    }
    assert {at: counts for at, counts in happened.items() if any(counts)} == {
        minute(0): (2, 0, 0, 0),
        minute(50): (0, 0, 0, 1),
        minute(60): (0, 0, 1, 0),
        minute(120): (0, 1, 0, 0),
        minute(125): (1, 0, 0, 0),
        minute(130): (0, 0, 0, 1),
    }


def test_a_span_has_what_ended_in_it_and_says_what_began_before_or_did_not_end() -> None:
    found = counted(HISTORY, minute(60), minute(120))
    assert (found.begins, found.ends, found.recorded_to) == (minute(60), minute(120), minute(135))
    assert (found.events, found.tasks) == (5, 2)
    assert (found.throughput.rejected.count, found.throughput.rejected.per_hour) == (1, 1.0)
    assert (found.throughput.completed.count, found.throughput.added.count, found.failures.count) == (0, 0, 0)
    assert len(found.throughput.buckets) == 60
    review = Stays(count=1, median=1800.0, p95=1800.0, longest=1800.0, began_before=1, still_there=1)
    assert found.stays[REVIEW] == review
    failed = Stays(count=1, median=1200.0, p95=1200.0, longest=1200.0, began_before=1)
    assert found.stays[FAILED] == failed
    assert lengths(found.stays[PENDING]) == (1, 20, 20, 20)
    assert (found.stays[PENDING].began_before, found.stays[PENDING].still_there) == (0, 1)
    assert found.stays[COMPLETED].still_there == 0
    assert found.cycle == Lengths()


def test_a_span_in_which_nothing_happened() -> None:
    found = counted(HISTORY, minute(81), minute(99))
    assert (found.events, found.tasks, found.actors) == (0, 0, ())
    assert found.throughput.added.per_hour == 0
    assert (found.stays[WORKING].count, found.stays[WORKING].still_there) == (0, 1)


def test_no_event_at_all() -> None:
    found = counted([])
    assert (found.begins, found.ends, found.recorded_from, found.recorded_to) == (None, None, None, None)
    assert (found.events, found.throughput.buckets, found.throughput.added.per_hour) == (0, (), None)
    assert set(found.stays.values()) == {Stays()}
    assert found.attempts.mean is None


def test_a_span_before_or_after_all_that_is_on_record_has_one_bound_of_its_own() -> None:
    before, after = counted(HISTORY, None, minute(-1)), counted(HISTORY, minute(200))
    assert (before.begins, before.ends, before.events) == (None, minute(-1), 0)
    assert (after.begins, after.ends, after.events) == (minute(200), None, 0)


@pytest.mark.parametrize(("begins", "ends"), [("soon", None), (None, "2026"), (minute(1), minute(1))])
def test_bounds_that_make_no_span_are_refused(begins: Time | None, ends: Time | None) -> None:
    with pytest.raises(ValueError, match=r"isoformat|a span begins"):
        Counting(begins, ends)


def test_a_rate_is_not_told_of_less_than_a_minute() -> None:
    assert counted(HISTORY[:2]).throughput.added.per_hour is None
    assert counted(HISTORY[:3]).throughput.added.per_hour == 12


def test_only_the_tasks_asked_for_are_counted() -> None:
    found = counted(HISTORY, tasks={"b", "c"})
    assert (found.matching, found.events, found.tasks) == (2, 6, 2)
    assert found.unknown == NOTHING_UNKNOWN
    assert found.recorded_to == minute(130)


def test_what_an_undo_moves_is_no_work() -> None:
    undo = event(16, 140, "a", "ann", "undo", (COMPLETED, REVIEW), attempts=1, undoes=12)
    redo = event(17, 150, "a", "ann", "undo", (REVIEW, COMPLETED), attempts=1, undoes=16)
    found = counted([*HISTORY, undo, redo])
    assert found.throughput.completed.count == found.cycle.count == 1
    assert lengths(found.stays[COMPLETED]) == (1, 20, 20, 20)
    assert lengths(found.stays[REVIEW]) == (3, 20, 30, 30)
    assert found.unknown.actions == {}


def test_a_length_of_time_with_a_gap_in_it_is_not_measured() -> None:
    found = counted(one for one in HISTORY if one.seq not in (8, 9))
    assert (found.unknown.gaps, found.unknown.missing, found.unknown.contradicting) == (1, 2, 0)
    # What a was after event 7, and what b is since event 6, the log does not say.
    assert (found.stays[PENDING].count, found.stays[PENDING].unknown) == (3, 1)
    assert (found.stays[WORKING].count, found.stays[WORKING].unknown) == (2, 1)
    assert (found.stays[FAILED].count, found.stays[FAILED].unknown, found.stays[FAILED].still_there) == (0, 1, 1)
    assert (found.cycle.count, found.cycle.unknown) == (0, 1)


def test_a_log_whose_beginning_is_lost() -> None:
    found = counted(HISTORY[5:])
    assert (found.unknown.gaps, found.unknown.missing, found.unknown.headless) == (1, 5, 2)
    assert found.failures.workers.top == (Named(None, 1), Named("ann", 1))
    assert (found.stays[WORKING].count, found.stays[WORKING].unknown) == (1, 1)
    assert (found.cycle.count, found.cycle.unknown) == (0, 1)


def test_events_that_contradict_each_other_are_counted() -> None:
    found = counted([*HISTORY[:3], event(4, 20, "a", "ann", "fail", (REVIEW, FAILED))])
    assert found.unknown.contradicting == 1
    assert [found.stays[state].unknown for state in State] == [0, 1, 1, 0, 0]
    assert found.failures.workers.top == (Named(None, 1),)
    assert found.failures.errors.top == (Named(None, 1),)


def test_an_event_without_a_moment_lies_in_no_span() -> None:
    bad = msgspec.structs.replace(HISTORY[2], at="25 o'clock")
    found = counted([*HISTORY[:2], bad, *HISTORY[3:5]])
    assert (found.unknown.undated, found.events) == (1, 4)
    assert [found.stays[state].unknown for state in (PENDING, WORKING)] == [1, 1]


def test_a_clock_that_went_back_measures_nothing() -> None:
    found = counted([HISTORY[0], event(2, -5, "a", "w-1", "start", (PENDING, WORKING))])
    assert (found.begins, found.ends) == (minute(-5), minute(0))
    assert (found.stays[PENDING].count, found.stays[PENDING].unknown) == (0, 1)


def test_an_unknown_action_is_counted_under_its_name() -> None:
    found = counted([HISTORY[0], event(2, 1, "a", "x", "bless", (PENDING, COMPLETED), attempts=10**30)])
    assert found.unknown.actions == {"bless": 1}
    assert found.throughput.completed.count == 1
    assert found.attempts == Attempts(counts={}, mean=None, unknown=1)


def test_a_removed_task_is_there_no_more_and_one_of_its_id_is_another() -> None:
    events = [
        HISTORY[0],
        event(2, 5, "a", EXTERNAL, "removed", (PENDING, None)),
        event(3, 65, "a", "ann", "add", (None, PENDING)),
        event(4, 75, "a", "ann", "outside", (PENDING, COMPLETED)),
    ]
    found = counted(events)
    assert lengths(found.stays[PENDING]) == (2, 7.5, 10, 10)
    assert (lengths(found.cycle), found.tasks) == ((1, 10, 10, 10), 1)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("timeout after 30 s", "timeout after # s"),
        ("job 3f9a11c0 lost (0x1F, ٣ times)", "job # lost (#x#F, # times)"),
        ("b9e0c2d4-77aa-4e11-9c0d-5f2e8a001b2c: gone", "#-#-#-#-#: gone"),
        ("cafe is closed", "cafe is closed"),
        ("\n\n  first\nsecond", "first"),
        ("x" * 10_000_000, "x" * 120),
        (" " * 10_000_000, None),
        ("\x1b[2J\ud800", "\x1b[#J\ud800"),
    ],
    ids=lambda text: ascii(text)[:20],
)
def test_errors_are_told_apart_by_their_first_line_without_its_numbers(text: str, told: str | None) -> None:
    found = counted([HISTORY[0], event(2, 1, "a", "x", "fail", (PENDING, FAILED), **error(text))])
    assert found.failures.errors.top == (Named(told, 1),)


def test_a_ranking_tells_the_most_frequent_and_the_rest() -> None:
    failures = []
    for number in range(TOP + 5):
        for _ in range(TOP + 5 - number):
            seq = len(failures) + 1
            note = chr(ord("a") + number)
            failures.append(event(seq, seq, f"t-{seq}", note, "fail", (PENDING, FAILED), note=note))
    found = counted(failures).failures
    assert found.errors.top[0] == Named("a", TOP + 5)
    assert (len(found.errors.top), found.errors.others, found.errors.rest) == (TOP, 5, 5 + 4 + 3 + 2 + 1)


def test_the_statistics_are_one_json_document() -> None:
    document = json.loads(msgspec.json.encode(counted(HISTORY)))
    assert list(document)[:3] == ["from", "to", "recorded_from"]
    assert document["stays"]["review"]["median"] == 1500.0
    assert document["attempts"]["counts"] == {"1": 1}
    first = {"at": minute(0), "added": 2, "completed": 0, "rejected": 0, "failed": 0}
    assert document["throughput"]["buckets"][0] == first


def test_a_store_s_statistics(store: Store, now: Turned, opened: Opener) -> None:
    put(store, "t-1", State.REVIEW, tags=["x"])
    put(store, "t-2")
    now.turn(3600)
    done(store, "t-1", Action.APPROVE)
    found = gathered(opened())
    assert (found.events, found.tasks, found.throughput.completed.per_hour) == (5, 2, 1.0)
    assert (found.cycle.median, found.stays[State.REVIEW].longest) == (3600, 3600)
    assert gathered(opened(), begins=clock.plus(now(), -1)).events == 1


def test_of_a_query_only_the_tasks_that_match_now_are_counted(store: Store, now: Turned) -> None:
    store.apply([command_of(number) for number in range(2_500)])
    now.turn(60)
    done(store, "t-7", Action.START)
    found = gathered(store, parse("state:pending", me=""))
    assert (found.matching, found.events, found.unknown.gaps) == (2_499, 2_499, 0)
    found = gathered(store, parse("id:t-7,t-8", me=""))
    assert (found.matching, found.events) == (2, 3)
    assert gathered(store, parse("tag:none-has-this", me="")).matching == 0


def command_of(number: int) -> Command:
    return command(f"t-{number}", Action.ADD, actor="ann", title="x")


STATES = st.sampled_from([None, *State])
ACTIONS = st.sampled_from([*map(str, Action), "removed", "outside", "bless", "undo"])
ACTORS = st.sampled_from(["ann", "bob", EXTERNAL])
MINUTES = st.integers(0, 20).map(float)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Events of a few tasks: most follow each other, some contradict, have no moment, or others are missing ahead."""
    events: list[Event] = []
    states: dict[str, State | None] = {}
    seq, at = 0, 0.0
    for _ in range(draw(st.integers(0, 25))):
        seq += draw(st.sampled_from([1] * 12 + [2, 5]))
        at += draw(MINUTES) - draw(st.sampled_from([0.0] * 8 + [30.0]))
        task_id = draw(st.sampled_from("abc"))
        odd = draw(st.integers(0, 9)) == 0
        before = draw(STATES) if odd else states.get(task_id)
        after = draw(STATES)
        states[task_id] = after
        fields: dict[str, Any] = {"attempts": draw(st.integers(0, 3))}
        if draw(st.integers(0, 9)) == 0:
            fields["undoes"] = 1
        made = event(seq, at, task_id, draw(ACTORS), draw(ACTIONS), (before, after), **fields)
        events.append(msgspec.structs.replace(made, at="?") if draw(st.integers(0, 14)) == 0 else made)
    return events


def moment_of(one: Event) -> float | None:
    return None if one.at == "?" else clock.to_seconds(one.at)


class Plainly:
    """The same figures, worked out from all events of a task at once."""

    def __init__(self, events: list[Event], begins: float, ends: float) -> None:
        self.begins, self.ends = begins, ends
        seqs = [0, *(one.seq for one in events)]
        self.gaps = [later for one, later in pairwise(seqs) if later != one + 1]
        self.stays: dict[State, list[tuple[float | None, float | None, bool]]] = {state: [] for state in State}
        self.cycles: list[float | None] = []
        for _, own in groupby(sorted(events, key=lambda one: one.task_id), key=lambda one: one.task_id):
            self._walk(list(own), events[-1].seq)

    def _whole(self, one: Event, later: int) -> bool:
        """Whether no event is missing after one and up to a later number."""
        return bisect_right(self.gaps, one.seq) == bisect_right(self.gaps, later)

    def _walk(self, own: list[Event], last: int) -> None:
        came: Event | None = None  # the event that led to the present state, where all since is on record
        added: Event | None = None
        for index, one in enumerate(own):
            before = own[index - 1] if index else None
            if before is not None and not self._whole(before, one.seq):
                came = added = None
            state = before.to_state if before is not None else one.from_state
            if before is not None and state is not one.from_state:
                if state is not None:
                    self.stays[state].append((None, moment_of(one), True))
                came = added = None
            if one.from_state is one.to_state:
                continue
            if one.from_state is not None:
                self.stays[one.from_state].append((moment_of(came) if came else None, moment_of(one), True))
                if one.to_state is COMPLETED and one.undoes is None:
                    at, since = moment_of(one), moment_of(added) if added else None
                    if at is not None and self.begins <= at < self.ends:
                        self.cycles.append(None if since is None or since > at else at - since)
            midway = one.from_state is None and one.to_state is not PENDING and one.undoes is None
            came = None if midway else one
            if one.from_state is None:
                added = one if one.to_state is PENDING and one.undoes is None else None
        if own[-1].to_state is not None:
            known = came is not None and self._whole(own[-1], last)
            self.stays[own[-1].to_state].append((moment_of(came) if came and known else None, None, False))

    def stays_in(self, state: State) -> Stays:
        found, before, still, unknown = [], 0, 0, 0
        for since, until, ended in self.stays[state]:
            if ended and until is not None and until < self.begins:
                continue
            if since is None or (ended and until is None):
                unknown += 1
            elif until is None or until >= self.ends:
                still += since < self.ends
            elif since > until:
                unknown += 1
            else:
                found.append(until - since)
                before += since < self.begins
        return Stays(**self._figures(found), began_before=before, still_there=still, unknown=unknown)

    def _figures(self, found: list[float]) -> dict[str, Any]:
        if not found:
            return {}
        far = next(one for one in sorted(found) if sum(other <= one for other in found) * 100 >= 95 * len(found))
        return {"count": len(found), "median": median(found), "p95": far, "longest": max(found)}


@given(history=histories(), bounds=st.none() | st.tuples(MINUTES, st.integers(1, 200)))
def test_any_history_gives_what_a_plain_computation_gives(
    history: list[Event], bounds: tuple[float, int] | None
) -> None:
    begins, ends = (None, None) if bounds is None else (minute(bounds[0]), minute(bounds[0] + bounds[1]))
    found = counted(history, begins, ends)
    low, high = (clock.to_seconds(one) if one else None for one in (begins, ends))
    low, high = float("-inf") if low is None else low, float("inf") if high is None else high
    plain = Plainly(history, low, high)
    assert found.stays == {state: plain.stays_in(state) for state in State}
    whole = [one for one in plain.cycles if one is not None]
    assert (found.cycle.count, found.cycle.unknown) == (len(whole), len(plain.cycles) - len(whole))
    assert found.cycle.longest == (max(whole) if whole else None)
    inside = [one for one in history if (at := moment_of(one)) is not None and low <= at < high]
    assert (found.events, found.tasks) == (len(inside), len({one.task_id for one in inside}))
    assert found.unknown.gaps == len(plain.gaps)
    assert found.unknown.missing == (history[-1].seq if history else 0) - len(history)
    work = [one for one in inside if one.undoes is None]
    moves = [one for one in work if one.from_state not in (None, one.to_state)]
    expected = {
        "added": sum(one.from_state is None and one.to_state is PENDING for one in work),
        "completed": sum(one.to_state is COMPLETED for one in moves),
        "rejected": sum(one.action == "reject" and one.from_state is not None for one in work),
        "failed": sum(one.to_state is FAILED for one in moves),
    }
    for name, count in expected.items():
        assert getattr(found.throughput, name).count == count
        assert sum(getattr(bucket, name) for bucket in found.throughput.buckets) == count
    assert sum(found.attempts.counts.values()) == expected["completed"]
    assert sum(one.count for one in found.failures.workers.top) == expected["failed"]
    assert {(actor.name, action): count for actor in found.actors for action, count in actor.actions.items()} == {
        pair: len(list(group)) for pair, group in groupby(sorted((one.actor, one.action) for one in inside))
    }


SECONDS = st.floats(-6.2e10, 2.5e11)


@given(ends=st.tuples(SECONDS, SECONDS).map(sorted), most=st.integers(2, 80), shares=st.lists(st.floats(0, 1)))
def test_a_span_is_cut_into_the_smallest_round_pieces_that_are_few_enough(
    ends: list[float], most: int, shares: list[float]
) -> None:
    first, last = ends
    pieces = buckets_of(first, last, most=most)
    bounds = list(accumulate([pieces.size] * pieces.count, initial=pieces.start))
    assert pieces.count <= most
    assert bounds[0] <= first <= last < bounds[-1]
    assert first < bounds[1]
    assert last >= bounds[-2]
    smaller = [size for size in LADDER if size < pieces.size]
    assert not smaller or (last - first) / smaller[-1] > most - 2
    moments = [min(max(first + (last - first) * share, first), last) for share in shares]
    counts = [0] * pieces.count
    for moment in moments:
        counts[bisect_right(bounds, moment) - 1] += 1
    assert pieces.counted(moments) == counts


def test_pieces_of_weeks_begin_on_monday() -> None:
    start = clock.to_seconds("2026-01-31T09:00:00Z")
    pieces = buckets_of(start, start + 300 * 86_400, most=BUCKETS)
    assert (pieces.size, clock.from_microseconds(pieces.start * 1_000_000)) == (604_800, "2026-01-26T00:00:00.000000Z")


def test_an_event_by_a_clock_that_is_far_ahead_tells_no_moment() -> None:
    events = (
        event(1, 0, "a", "planner", "add", (None, PENDING)),
        event(2, 50_000_000, "a", "w-1", "start", (PENDING, WORKING)),
        event(3, 10, "a", "w-1", "submit", (WORKING, REVIEW)),
    )
    found = counted(events, now=events[2].at)
    assert (found.unknown.undated, found.events) == (1, 2)
    assert found.recorded_to == events[2].at
    assert counted(events).unknown.undated == 0
