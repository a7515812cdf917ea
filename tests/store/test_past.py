"""A store as it was: at every position of its log, however one comes there, on every store."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from backends import Backend, Sqlite
from hypothesis import given
from hypothesis import strategies as st
from moving import do, done, put
from pasts import check, folded

from conftest import Opener, Turned
from taskdeck_store import Action, Event, Order, State, Store, Task, command, open_store
from taskdeck_store.clock import from_microseconds, to_microseconds
from taskdeck_store.contract import Tally, Trace
from taskdeck_store.moment import Moment
from taskdeck_store.passing import Passing
from taskdeck_store.past import Past
from taskdeck_store.query.parse import parse
from taskdeck_store.ranks import BITS, RANK, UNKNOWN
from taskdeck_store.replay import after
from taskdeck_store.timeline import Doubt, Timeline

EVERY = 8


def travelled(store: Store) -> Past:
    """Return a past of the whole log, at its beginning, with keyframes so close that few events pass some."""
    past = Past(store, Timeline(every=EVERY))
    past.read_all()
    return past


def worked(store: Store, now: Turned, seed: int = 3, steps: int = 60) -> None:
    """Do what a team does, with moments and priorities that many tasks share."""
    chance = random.Random(seed)
    ids = [f"t-{number}" for number in (10, 2, 1, 30, 4)]
    for _ in range(steps):
        now.turn(chance.choice([0, 0, 1, 60]))
        some = chance.sample(ids, chance.randrange(1, 4))
        action = chance.choice(list(Action))
        fields: dict[str, Any] = {}
        if action in (Action.ADD, Action.EDIT):
            fields = {"title": f"{chance.random()}", "priority": chance.choice([1, 5, 5, -2])}
        store.apply([command(each, action, actor=chance.choice("ab"), note="why", **fields) for each in some])


class Counting:
    """A store that counts the events that are read of it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.read = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def events(self, *args: Any, **options: Any) -> Sequence[Event]:
        found = self._store.events(*args, **options)
        self.read += len(found)
        return found


def test_what_one_passes_is_told_with_the_task_before_and_after(store: Store, now: Turned) -> None:
    worked(store, now)
    past = travelled(store)
    events = store.events()
    expected = [
        (number, event, folded(events[: number - 1]).get(event.task_id), folded(events[:number]).get(event.task_id))
        for number, event in enumerate(events, start=1)
    ]
    for _ in range(2):
        assert list(past.passed(0, past.end, lambda _: False)) == expected
        assert list(past.passed(past.end, 0, lambda _: False)) == expected[::-1]
    middle = past.end // 2
    assert list(past.passed(middle, middle + 9, lambda position: position % 2 == 1)) == [
        each for each in expected[middle : middle + 9] if each[0] % 2 == 0
    ]
    assert list(past.passed(middle, middle - 9, lambda position: position % 3 == 1)) == [
        each for each in reversed(expected[middle - 9 : middle]) if each[0] % 3 != 1
    ]


def test_the_way_back_over_a_task_of_many_events_reads_each_but_a_few_times(store: Store) -> None:
    put(store, "t-1")
    for number in range(10):
        some = [command("t-1", Action.EDIT, actor="a", priority=100 * number + each) for each in range(100)]
        store.apply(some)
    past = travelled(store)
    counting = Counting(store)
    passing = Passing(counting, past.timeline, past.event)  # type: ignore[arg-type]
    passed = [each for start in range(1_001, 1, -100) for each in passing.back(start, start - 100, lambda _: False)]
    assert [position for position, *_ in passed] == list(range(1_001, 1, -1))
    assert counting.read < 12 * len(passed)


@pytest.mark.parametrize("seed", range(4))
def test_every_position_is_the_fold_of_its_events_forward_backward_and_by_jumps(
    store: Store, now: Turned, seed: int
) -> None:
    worked(store, now, seed)
    events = store.events()
    past = travelled(store)
    assert past.end == len(events)
    for position in range(past.end + 1):
        past.go(position)
        check(past, events)
    for position in reversed(range(past.end)):
        past.go(position)
        check(past, events)
    chance = random.Random(seed)
    for _ in range(30):
        past.go(chance.randrange(past.end + 1))
        check(past, events)


def test_the_last_position_is_the_store(store: Store, now: Turned, backend: Backend, path: Path) -> None:
    worked(store, now)
    backend.meddle(path, "t-2", title="by hand", priority=9)
    backend.meddle(path, "t-77", title="from elsewhere")
    past = travelled(store)
    past.go(past.end)
    stored = {task.id: task for task in store.tasks()}
    for state in State:
        for order in Order:
            shown = [(card.id, card.title, card.priority) for card in past.window(state, order).cards]
            there = [(card.id, card.title, card.priority) for card in store.window(state, order).cards]
            if "state_since" not in backend_lacks(backend):
                assert shown == there
            assert sorted(shown) == sorted(there)
    assert {task.id for task in past.tasks()} == stored.keys()


def backend_lacks(backend: Backend) -> Sequence[str]:
    """A task file that another program wrote to has no times of its own."""
    return () if backend.records_times else ("state_since",)


def test_a_past_grows_with_the_log_and_stays_where_it_is(store: Store, opened: Opener, now: Turned) -> None:
    put(store, "t-1", State.REVIEW)
    past = travelled(store)
    past.go(2)
    worked(opened(), now)
    assert past.read_on(3)
    assert (past.position, past.end) == (2, 6)
    past.read_all()
    events = store.events()
    assert past.end == len(events)
    check(past, events)
    past.go(past.end)
    check(past, events)


def test_one_cannot_go_beyond_either_end(store: Store) -> None:
    put(store, "t-1")
    past = travelled(store)
    past.go(-5)
    assert (past.position, past.event(), past.now) == (0, None, None)
    past.go(99)
    assert past.position == 1


def test_the_past_of_a_store_without_a_log_is_empty(store: Store) -> None:
    past = travelled(store)
    assert past.end == 0
    check(past, [])


def test_a_query_is_answered_as_of_that_moment(store: Store, now: Turned) -> None:
    put(store, "t-1", title="first", tags=["x"])
    now.turn(3600)
    done(store, "t-1", Action.EDIT, title="second")
    put(store, "t-2", title="first")
    past = travelled(store)
    past.go(1)
    assert [task.id for task in past.tasks(parse("first", me="ann"))] == ["t-1"]
    past.go(2)
    assert past.tasks(parse("first", me="ann")) == []
    assert [task.id for task in past.tasks(parse("age>30m", me="ann"))] == ["t-1"]
    assert past.tasks(parse("age>2h", me="ann")) == []


def test_positions_are_found_by_seq_and_by_time(store: Store, now: Turned) -> None:
    for number in range(5):
        put(store, f"t-{number}")
        now.turn(10)
    timeline = travelled(store).timeline
    assert [timeline.position_of(seq) for seq in (-1, 0, 1, 3, 5, 9)] == [0, 0, 1, 3, 5, 5]
    begin = timeline.times[1]
    assert [timeline.position_at(begin + 1_000_000 * after) for after in (-1, 0, 9, 10, 40, 99)] == [0, 1, 1, 2, 5, 5]
    assert timeline.moment(3) == store.events()[2].at
    assert timeline.moment(0) is None


def test_the_way_back_from_event_to_event_of_a_task(store: Store, now: Turned) -> None:
    worked(store, now)
    timeline = travelled(store).timeline
    for number, task_id in enumerate(timeline.ids):
        positions = [at for at, event in enumerate(store.events(), 1) if event.task_id == task_id]
        assert [at for at, task in enumerate(timeline.task) if task == number and at] == positions
        assert [timeline.previous[at] for at in positions] == [0, *positions[:-1]]


def test_traces_are_the_events_as_light_as_can_be(store: Store, now: Turned) -> None:
    worked(store, now)
    events = store.events()
    traces = store.traces(limit=len(events) + 1)
    for event, trace in zip(events, traces, strict=True):
        assert trace[:7] == (
            *(event.seq, event.task_id, event.at, event.actor, event.action),
            *(event.from_state, event.to_state),
        )
        moves = {"priority", "state_since"} & event.changes.keys()
        assert trace[7] == (event.changes if moves else None)
    assert store.traces(after=3, limit=2) == traces[3:5]
    assert list(store.traces(after=len(events), limit=9)) == []


@given(st.data())
def test_ranks_given_piece_by_piece_are_those_of_one_sort(data: st.DataObject) -> None:
    """Events come in pieces of any size, with times that stand still, jump back and are filled in afterwards."""
    traces: list[Trace] = []
    states: dict[str, str | None] = {}
    for seq in range(1, data.draw(st.integers(1, 40)) + 1):
        task_id = data.draw(st.sampled_from("abcde"))
        before = states.get(task_id)
        then = "pending" if before is None else data.draw(st.sampled_from([before, "review", "failed", None]))
        second = data.draw(st.integers(0, 3))
        changes = data.draw(
            st.sampled_from(
                [
                    None,
                    {"priority": (None, 2)},
                    {"priority": (2, None)},
                    {"state_since": (None, "2026-01-31T09:00:01.000000Z")},
                    {"state_since": ("x", None)},
                    {"state_since": (None, "?")},
                ]
            )
        )
        at = f"2026-01-31T09:00:0{second}.000000Z"
        traces.append((seq, task_id, at, "ann", "edit", before, then, changes))
        states[task_id] = then
    timeline = Timeline(every=EVERY)
    left = traces
    while left:
        count = data.draw(st.integers(1, 15))
        timeline.extend(left[:count])
        if data.draw(st.booleans()):
            timeline.rank()
        left = left[count:]
    timeline.rank()
    whole = Timeline(every=EVERY)
    whole.extend(traces)
    whole.rank()
    positions = range(1, len(traces) + 1)
    ranks = [timeline.places[position] & RANK for position in positions]
    keys = [timeline.ranks.key(rank) for rank in ranks]
    assert keys == [whole.ranks.key(whole.places[position] & RANK) for position in positions]
    assert [timeline.places[at] >> BITS for at in positions] == [whole.places[at] >> BITS for at in positions]
    assert [key for _, key in sorted(zip(ranks, keys, strict=True))] == sorted(keys)
    tasks: dict[str, Task | None] = {}
    for position, trace in enumerate(traces, 1):
        task = tasks[trace[1]] = after(tasks.get(trace[1]), event_of(trace))
        if task is not None:
            since = UNKNOWN if task.state_since is None else to_microseconds(task.state_since)
            assert timeline.places[position] >> BITS == task.priority
            assert keys[position - 1] == (since, task.id)


def event_of(trace: Trace) -> Event:
    seq, task_id, at, actor, action, before, to, changes = trace
    return Event(
        seq=seq,
        task_id=task_id,
        at=at,
        actor=actor,
        action=action,
        from_state=None if before is None else State(before),
        to_state=None if to is None else State(to),
        attempts=0,
        changes=dict(changes or {}),
    )


def doubts(store: Store) -> list[Doubt]:
    past = travelled(store)
    found = []
    for position in range(1, past.end + 1):
        past.go(position)
        found.append(past.doubts())
    return found


def test_of_a_whole_log_nothing_is_in_doubt(store: Store, now: Turned, backend: Backend, path: Path) -> None:
    worked(store, now)
    backend.meddle(path, "t-77", title="from elsewhere")
    assert not any(doubts(store))
    assert travelled(store).timeline.unrecorded(0) == 0


def test_events_that_are_missing_are_marked_where_they_are_and_not_made_up(
    sqlite: Sqlite, tmp_path: Path, now: Turned
) -> None:
    path = sqlite.make(tmp_path)
    with closing(open_store(str(path), now=now)) as store:
        put(store, "t-1", State.REVIEW)
        put(store, "t-2", State.REVIEW)
    sqlite.forge(path, "DELETE FROM events WHERE seq IN (2, 4)")
    with closing(open_store(str(path), now=now)) as store:
        assert [event.seq for event in store.events()] == [1, 3, 5, 6]
        assert doubts(store) == [
            Doubt(0),
            Doubt.MISSING | Doubt.UNFOUNDED,
            Doubt.MISSING | Doubt.UNFOUNDED,
            Doubt(0),
        ]
        past = travelled(store)
        assert [past.timeline.unrecorded(position) for position in range(5)] == [1, 1, 1, 0, 0]
        for position in range(past.end + 1):
            past.go(position)
            check(past, store.events())


def timed(seconds: Sequence[int], *, pieces: int = 1) -> tuple[Timeline, list[int], list[bool]]:
    """Return a timeline of events at these seconds, when it says that they were, and of which it doubts that."""
    begin = to_microseconds("2026-01-31T09:00:00.000000Z")
    moments = [from_microseconds(begin + second * 1_000_000) for second in seconds]
    traces: list[Trace] = [
        (seq, f"t-{seq}", at, "ann", "add", None, "pending", None) for seq, at in enumerate(moments, start=1)
    ]
    timeline = Timeline()
    for start in range(0, len(traces), pieces):
        timeline.extend(traces[start : start + pieces])
    told = [(time - begin) // 1_000_000 for time in timeline.times[1:]]
    return timeline, told, [bool(doubt & Doubt.TIME) for doubt in timeline.doubt[1:]]


@pytest.mark.parametrize(
    ("seconds", "told", "wrong"),
    [
        ([1, 2, 900, 3, 4, 5], [1, 2, 3, 4, 5], [3]),
        ([1, 2, 900, 901, 3, 4, 5], [1, 2, 3, 4, 5], [3, 4]),
        ([1, 5, 2, 6, 7], [1, 5, 6, 7], [3]),
        ([1, 5, 2], [1, 5], [3]),
        ([5, 6, 7, 1, 2, 8], [5, 6, 7, 8], [4, 5]),
        ([1, 900, 3, 2, 4, 5], [1, 2, 4, 5], [2, 3]),
        ([1, 1, 1], [1, 1, 1], []),
    ],
)
def test_of_times_that_do_not_fit_the_fewest_are_called_wrong(
    seconds: list[int], told: list[int], wrong: list[int]
) -> None:
    for pieces in (1, 2, 9):
        _, found, doubted = timed(seconds, pieces=pieces)
        assert [position for position, is_wrong in enumerate(doubted, start=1) if is_wrong] == wrong
        assert [at for at, is_wrong in zip(found, doubted, strict=True) if not is_wrong] == told


@given(st.lists(st.integers(0, 12), min_size=1, max_size=30), st.integers(1, 8))
def test_times_never_run_back_and_what_is_not_in_doubt_is_as_it_was_told(seconds: list[int], pieces: int) -> None:
    timeline, told, doubted = timed(seconds, pieces=pieces)
    assert list(timeline.times) == sorted(timeline.times)
    assert all(is_wrong or time == second for time, second, is_wrong in zip(told, seconds, doubted, strict=True))
    assert (told, doubted) == timed(seconds, pieces=len(seconds))[1:]
    for position, is_wrong in enumerate(doubted, start=1):
        if not is_wrong and doubted[position:] == [False] * (len(seconds) - position):
            assert timeline.position_at(timeline.times[position]) >= position


def test_an_unknown_action_and_a_time_that_runs_backwards_are_marked(
    sqlite: Sqlite, tmp_path: Path, now: Turned
) -> None:
    path = sqlite.make(tmp_path)
    with closing(open_store(str(path), now=now)) as store:
        now.turn(60)
        put(store, "t-1", State.REVIEW)
        done(store, "t-1", Action.APPROVE)
    sqlite.forge(path, "UPDATE events SET action = 'zap' WHERE seq = 2")
    sqlite.forge(path, "UPDATE events SET at = '2020-01-01T00:00:00.000000Z' WHERE seq = 3")
    sqlite.forge(path, "UPDATE events SET at = 'at noon' WHERE seq = 4")
    with closing(open_store(str(path), now=now)) as store:
        assert doubts(store) == [Doubt(0), Doubt.ACTION, Doubt.TIME, Doubt.TIME]
        past = travelled(store)
        past.go(past.end)
        assert past.counts()[State.COMPLETED].count == 1
        assert past.timeline.position_at(past.timeline.times[1]) == 4


def test_a_task_that_went_and_came_back_is_there_only_when_it_was(
    store: Store, backend: Backend, path: Path, now: Turned
) -> None:
    put(store, "t-1")
    put(store, "t-2", State.REVIEW, priority=1)
    backend.remove(path, "t-2")
    assert store.get("t-2") is None
    now.turn(5)
    put(store, "t-2")
    past = travelled(store)
    past.go(past.end - 1)
    assert past.get("t-2") is None
    assert [tally.count for tally in past.counts().values()] == [1, 0, 0, 0, 0]
    past.go(past.end)
    assert folded(store.events())["t-2"] == past.get("t-2")
    check(past, store.events())
    assert do(store, "t-2", Action.START).event is not None


def test_a_conflict_of_times_among_equals_is_settled_by_id(store: Store) -> None:
    store.apply([command(f"t-{number}", Action.ADD, actor="ann", title="x") for number in (3, 10, 2, 1)])
    past = travelled(store)
    past.go(past.end)
    assert [card.id for card in past.window(State.PENDING, Order.OLDEST).cards] == ["t-1", "t-10", "t-2", "t-3"]
    assert [card.id for card in past.window(State.PENDING, Order.NEWEST).cards] == ["t-3", "t-2", "t-10", "t-1"]


def test_who_stands_there_while_ranks_are_given_anew_stands_as_before() -> None:
    """Times that were filled in afterwards put tasks among others that had their ranks already."""
    timeline = Timeline(every=EVERY)
    timeline.extend([(seq, f"t-{seq}", at, "ann", "add", None, "pending", None) for seq, at in enumerate(MINUTES, 1)])
    moment = Moment(timeline)
    moment.go(4)
    assert names(moment, timeline) == ["t-1", "t-2", "t-3", "t-4"]
    early = {"state_since": (None, "2026-01-31T08:00:00.000000Z")}
    timeline.extend([(5, "t-5", MINUTES[-1], "ann", "add", None, "pending", early)])
    moment.go(4)
    assert timeline.ranks.turn == 1
    assert names(moment, timeline) == ["t-1", "t-2", "t-3", "t-4"]
    moment.go(5)
    assert names(moment, timeline) == ["t-5", "t-1", "t-2", "t-3", "t-4"]
    assert moment.tally(State.PENDING) == Tally(5, early["state_since"][1])


MINUTES = [f"2026-01-31T09:0{minute}:00.000000Z" for minute in range(4)]


def names(moment: Moment, timeline: Timeline) -> list[str]:
    _, tasks = moment.window(State.PENDING, Order.OLDEST, 0, 0, 9)
    return [timeline.ids[task] for task in tasks]
