"""Where keys lead on a timeline, how dense it is, how it is played, and what is looked for in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdeck_store.contract import Trace
from taskdeck_store.query.parse import QueryError
from taskdeck_store.timeline import Timeline
from taskdeck_store.values import Event, State, Task
from taskdeck_tui.model import travel
from taskdeck_tui.model.density import density
from taskdeck_tui.model.frame import Frame, joined
from taskdeck_tui.model.look import Jump, Look, Wanted
from taskdeck_tui.model.pace import EVENTS, TIMES, Pace, Play
from taskdeck_tui.model.seeking import parse_seek

AT = "2026-01-31T09:{:02}:{:02}.000000Z"
SECONDS = (0, 0, 10, 70, 70, 200, 600)
ACTORS = ("ann", "bob", "ann", "w", "bob", "ann", "ann")
TASKS = ("t-1", "t-2", "t-1", "t-1", "t-2", "t-1", "t-1")
MOVES = (
    ("add", None, "pending"),
    ("add", None, "pending"),
    ("start", "pending", "in_progress"),
    ("fail", "in_progress", "failed"),
    ("start", "pending", "in_progress"),
    ("retry", "failed", "pending"),
    ("fail", "pending", "failed"),
)


def at(seconds: int) -> str:
    return AT.format(seconds // 60, seconds % 60)


@pytest.fixture
def timeline() -> Timeline:
    """Seven events of two tasks, over ten minutes; their seqs are 10, 20, …."""
    made = Timeline()
    rows: list[Trace] = []
    for number, (second, actor, task, (action, before, after)) in enumerate(
        zip(SECONDS, ACTORS, TASKS, MOVES, strict=True), 1
    ):
        rows.append((10 * number, task, at(second), actor, action, before, after, None))
    made.extend(rows)
    return made


def test_by_events_one_goes_as_far_as_there_are_any(timeline: Timeline) -> None:
    assert [travel.by_events(count)(timeline, 3) for count in (1, -1, 10, -10)] == [4, 2, 7, 0]


@pytest.mark.parametrize(
    ("position", "seconds", "found"),
    [
        (0, 60, 3),  # from the first event on
        (2, 60, 3),
        (3, 60, 5),
        (3, 5, 4),  # nothing happened in these five seconds: the next event
        (7, 60, None),
        (7, -60, 6),
        (6, -3600, 0),
        (5, -60, 3),
        (1, -60, 0),
        (0, -60, None),
    ],
)
def test_by_time_one_passes_at_least_one_event(
    timeline: Timeline, position: int, seconds: int, found: int | None
) -> None:
    assert travel.by_time(seconds)(timeline, position) == found


def test_one_can_go_to_a_seq_to_a_time_and_to_both_ends(timeline: Timeline) -> None:
    begin = timeline.times[1]
    assert [travel.to_time(begin + second * 1_000_000)(timeline, 0) for second in (-1, 0, 69, 70, 900)] == [
        *(0, 2, 3, 5, 7),
    ]
    assert [travel.to_seq(seq)(timeline, 0) for seq in (0, 10, 15, 70, 99)] == [0, 1, 1, 7, 7]
    assert (travel.beginning(timeline, 3), travel.end(timeline, 3)) == (0, 7)


def test_from_event_to_event_of_a_task_an_actor_an_action(timeline: Timeline) -> None:
    assert [travel.of_task("t-2", 1)(timeline, position) for position in range(8)] == [2, 2, 5, 5, 5, None, None, None]
    assert [travel.of_task("t-2", -1)(timeline, position) for position in range(8)] == [
        *(None, None, None, 2, 2, 2, 5, 5),
    ]
    assert travel.of_task("t-9", 1)(timeline, 0) is None
    assert [travel.of_task(None, 1)(timeline, position) for position in (0, 2, 6)] == [None, 5, 7]
    assert [travel.of_actor(1)(timeline, position) for position in (1, 2, 4, 7)] == [3, 5, None, None]
    assert [travel.of_actor(-1)(timeline, position) for position in (0, 3, 5)] == [None, 1, 2]
    assert [travel.of_action(1)(timeline, position) for position in (1, 3, 4)] == [2, 5, 7]
    assert [travel.of_action(-1)(timeline, position) for position in (7, 5, 1)] == [4, 3, None]


def test_an_event_that_lies_far_back_is_found() -> None:
    timeline = Timeline()
    count = 10_000
    timeline.extend(
        [
            (seq, "t-1" if seq == 3 else "t-2", at(0), "ann", "add", "pending" if seq > 4 else None, "pending", None)
            for seq in range(1, count + 1)
        ]
    )
    assert travel.of_task("t-1", -1)(timeline, count) == 3
    assert travel.of_task("t-1", 1)(timeline, 0) == 3


def test_density_counts_events_and_failures_by_equal_time(timeline: Timeline) -> None:
    found = density(timeline, 6)
    assert found.events == (5, 1, 0, 0, 0, 1)
    assert found.failures == (1, 0, 0, 0, 0, 1)
    assert (found.first, found.last) == (at(0), at(600))
    assert [found.column(position) for position in range(8)] == [0, 0, 0, 0, 0, 0, 1, 5]
    assert [found.position(column) for column in (-3, 0, 1, 2, 3, 4, 5, 9)] == [5, 5, 6, 6, 6, 6, 7, 7]


def test_density_of_nothing_and_of_one_moment() -> None:
    empty = density(Timeline(), 3)
    assert (empty.events, empty.first, empty.last, empty.column(0)) == ((0, 0, 0), None, None, 0)
    once = Timeline()
    once.extend([(1, "t-1", at(0), "ann", "add", None, "pending", None)])
    assert sum(density(once, 3).events) == 1
    unknown = Timeline()
    unknown.extend([(1, "t-1", "?", "ann", "add", None, "pending", None)])
    assert density(unknown, 3).events == (0, 0, 1)


@given(st.lists(st.integers(0, 5_000), max_size=40), st.integers(1, 30))
def test_density_leaves_no_event_out(seconds: list[int], columns: int) -> None:
    timeline = Timeline()
    timeline.extend(
        [
            (seq, f"t-{seq}", at(second % 3600), "ann", "add", None, "pending", None)
            for seq, second in enumerate(sorted(seconds), 1)
        ]
    )
    found = density(timeline, columns)
    assert len(found.events) == columns
    assert sum(found.events) == len(seconds)
    for position in range(1, len(seconds) + 1):
        assert found.position(found.column(position)) >= position


def test_a_play_comes_as_far_as_its_pace_says(timeline: Timeline) -> None:
    by_events = Play(Pace(2), 1, 100.0)
    assert [by_events.due(timeline, 100.0 + passed) for passed in (-1.0, 0.4, 0.5, 1.0, 99.0)] == [1, 1, 2, 3, 7]
    by_time = Play(Pace(10, by_time=True), 0, 100.0)
    assert [by_time.due(timeline, 100.0 + passed) for passed in (0.0, 0.9, 1.0, 7.0, 20.0, 60.0)] == [2, 2, 3, 5, 6, 7]
    assert Play(Pace(1, by_time=True), 4, 0.0).due(timeline, 1.0) == 5
    assert Play(Pace(60, by_time=True), 7, 0.0).due(timeline, 9.0) == 7


def test_paces_run_along_a_ladder_and_can_be_turned() -> None:
    pace = Pace()
    for _ in range(20):
        pace = pace.faster(1)
    assert (pace.rate, str(pace)) == (EVENTS[-1], "1,000 events a second")
    assert str(Pace(1)) == "1 event a second"
    turned = pace.turned()
    assert str(turned) == "60× real time"
    for _ in range(20):
        turned = turned.faster(-1)
    assert turned == Pace(TIMES[0], by_time=True)
    assert turned.turned() == Pace()


def event(actor: str = "ann", action: str = "fail") -> Event:
    return Event(seq=1, task_id="t-1", at=at(0), actor=actor, action=action, from_state=None, to_state=None, attempts=0)


def task(state: State, **fields: object) -> Task:
    return Task(id="t-1", title="x", state=state, **fields)  # type: ignore[arg-type]


def test_looked_for_is_the_moment_at_which_a_query_becomes_true() -> None:
    seek = parse_seek("state:failed tag:a", me="me")
    failed, running = task(State.FAILED, tags=("a",)), task(State.IN_PROGRESS, tags=("a",))
    assert seek.meets(event(), running, failed)
    assert seek.meets(event(), None, failed)
    assert not seek.meets(event(), failed, failed)
    assert not seek.meets(event(), failed, running)
    assert not seek.meets(event(), failed, None)


def test_actors_and_actions_may_be_looked_for_alone_or_beside_a_filter() -> None:
    by = parse_seek("actor:ann,me", me="bob")
    assert [by.meets(event(actor), None, None) for actor in ("ann", "bob", "carl", "me")] == [True, True, False, False]
    both = parse_seek('action:fail,reject "actor:no" state:failed', me="bob")
    assert both.actors == frozenset()
    failed = task(State.FAILED, description="the actor:no of it")
    assert both.meets(event(action="reject"), None, failed)
    assert not both.meets(event(action="start"), None, failed)
    assert not both.meets(event(action="fail"), None, task(State.FAILED))


def test_each_event_of_a_task_may_be_looked_for() -> None:
    of = parse_seek("task:t-2,t-1 actor:ann", me="bob")
    assert of.meets(event(), None, None)
    assert not of.meets(event("carl"), None, None)
    assert not parse_seek("task:t-11", me="").meets(event(), None, task(State.FAILED))


def test_what_is_surely_not_looked_for_is_skipped_and_nothing_else(timeline: Timeline) -> None:
    for text, left in {
        "state:failed": [4, 7],
        "actor:bob": [2, 5],
        "actor:nobody": [],
        "task:t-2": [2, 5],
        "task:t-1,t-3 action:start": [3],
        "task:t": [],
        "action:start state:in_progress,failed": [3, 5],
        "-state:failed actor:ann": [1, 3, 6],
        "x": [1, 2, 3, 4, 5, 6, 7],
    }.items():
        skip = parse_seek(text, me="").skip(timeline)
        assert [position for position in range(1, 8) if not skip(position)] == left


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", 0),
        ("   ", 0),
        ("actor:", 0),
        ("task:", 0),
        ("tag:x action:a,", 6),
        ("tag:x stat:y", 6),
        ("tag:x age>1h", 6),
    ],
)
def test_what_means_nothing_is_refused_at_its_place(text: str, place: int) -> None:
    with pytest.raises(QueryError) as raised:
        parse_seek(text, me="me")
    assert raised.value.at == place


def test_a_frame_that_was_not_taken_hands_its_notice_and_its_jump_on_to_the_next_of_the_same_position() -> None:
    def frame(position: int, jump: Jump | None, notice: str = "", log: int = 0) -> Frame:
        look = Look(wanted=Wanted(jump=jump), at=at(0), cursor="", tallies={}, totals={}, windows=())
        return Frame(position=position, end=9, look=look, notice=notice, log=log)

    def jump(found: Frame) -> Jump | None:
        return found.look.wanted.jump if found.look is not None else None

    first, second = Jump(1, 2), Jump(3, 4)
    found = joined(frame(5, first, "the end"), frame(5, None))
    assert (jump(found), found.notice) == (first, "the end")
    found = joined(frame(5, first, "old"), frame(5, second, "new"))
    assert (jump(found), found.notice) == (second, "new")
    assert jump(joined(frame(5, first), frame(6, None))) is None
    assert jump(joined(frame(5, first), frame(5, None, log=1))) is None
    reading = Frame(position=5, end=9, whole=False)
    assert joined(reading, frame(5, first)) == frame(5, first)
