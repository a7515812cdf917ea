"""One task's story: attempts as chapters, stays in states, and what the log does not know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from taskdeck_store.clock import plus, to_seconds
from taskdeck_store.machine import Transition, actions_from, command, transition
from taskdeck_store.parts import Kind, Part
from taskdeck_store.story import Chapter, Doubt, Spent, Story, later, story
from taskdeck_store.values import EXTERNAL, OUTSIDE, REMOVED, Action, Event, State, Task, Time

BORN: Time = "2026-01-31T09:05:00.000000Z"
P, R, V, C, F = State


def at(seconds: float) -> Time:
    return plus(BORN, seconds)


def event(seq: int, seconds: float | str, action: str, before: State | None, after: State | None, **more: Any) -> Event:
    """Return an event so many seconds after the first, or with any text in the place of its moment."""
    moment = at(seconds) if not isinstance(seconds, str) else seconds
    given = {"actor": "ann", "attempts": 0, **more}
    return Event(seq=seq, task_id="t-1", at=moment, action=action, from_state=before, to_state=after, **given)


def a_task(state: State, **fields: Any) -> Task:
    return Task(**{"id": "t-1", "title": "Count", "state": state, "created_at": BORN, **fields})


def told(events: Sequence[Event], task: Task | None, *, now: float = 10_000) -> Story:
    return story("t-1", events, task, at(now))


def stays(found: Story) -> dict[State, tuple[float, int, int, bool]]:
    return {one.state: (one.seconds, one.stays, one.unknown, one.going_on) for one in found.spent}


def kinds(found: Story) -> list[list[Doubt]]:
    return [[remark.kind for remark in step.remarks] for chapter in found.chapters for step in chapter.steps]


def seqs(found: Story) -> list[list[int]]:
    return [[step.event.seq for step in chapter.steps] for chapter in found.chapters]


TWO_ATTEMPTS = (
    event(1, 0, "add", None, P, actor="planner", changes={"title": (None, "Count"), "max_attempts": (None, 3)}),
    event(4, 120, "start", P, R, actor="w-3", changes={"owner": (None, "w-3")}),
    event(5, 420, "submit", R, V, actor="w-3", changes={"result": (None, {"sum": 4, "rows": [1, 2]})}),
    event(9, 1500, "reject", V, P, attempts=1, note="again", changes={"owner": ("w-3", None)}),
    event(11, 1500.5, "edit", P, P, attempts=1, changes={"priority": (5, 1)}),
    event(12, 1600, "start", P, R, actor="w-7", attempts=1, changes={"owner": (None, "w-7")}),
    event(
        *(15, 1700, "submit", R, V),
        actor="w-7",
        attempts=1,
        changes={"result": ({"sum": 4, "rows": [1, 2]}, {"sum": 5, "rows": [1, 2]})},
    ),
    event(16, 2000.25, "approve", V, C, attempts=1),
)


def test_a_task_that_was_rejected_and_then_approved_has_two_chapters() -> None:
    found = told(TWO_ATTEMPTS, a_task(C, attempts=1, owner="w-7"), now=3000.25)
    assert (found.task_id, found.title, found.state, found.now) == ("t-1", "Count", C, at(3000.25))
    assert (found.created, found.since, found.ended) == (BORN, at(2000.25), at(2000.25))
    assert (found.attempt, found.max_attempts, found.owner) == (2, 3, "w-7")
    assert found.remarks == ()
    assert found.spent == (
        Spent(state=P, seconds=220, stays=2, unknown=0, going_on=False),
        Spent(state=R, seconds=400, stays=2, unknown=0, going_on=False),
        Spent(state=V, seconds=1380.25, stays=2, unknown=0, going_on=False),
        Spent(state=C, seconds=1000, stays=1, unknown=0, going_on=True),
    )
    one, two = found.chapters
    assert (one.number, one.owners, one.begun, one.ended) == (1, ("w-3",), BORN, at(1500))
    assert (two.number, two.owners, two.begun, two.ended) == (2, ("w-7",), at(1500), at(2000.25))
    assert seqs(found) == [[1, 4, 5, 9], [11, 12, 15, 16]]
    steps = [step for chapter in found.chapters for step in chapter.steps]
    assert [step.event for step in steps] == list(TWO_ATTEMPTS)
    assert [step.stayed for step in steps] == [None, 120, 300, 1080, 0.5, 100, 100, 300.25]
    assert [step.parts for step in steps if step.parts] == [{"result": (Part(("sum",), Kind.CHANGED, 4, 5),)}]
    assert kinds(found) == [[]] * 8


def test_a_task_back_in_the_queue_has_an_attempt_without_steps() -> None:
    found = told(TWO_ATTEMPTS[:4], a_task(P, attempts=1), now=1560)
    assert (found.attempt, found.ended, found.since) == (2, None, at(1500))
    assert found.chapters[1] == Chapter(number=2, owners=(), begun=at(1500), ended=None, steps=())
    assert stays(found)[P] == (180, 2, 0, True)


def test_a_store_that_keeps_no_times_still_has_those_of_its_log() -> None:
    found = told(TWO_ATTEMPTS, a_task(C, created_at=None))
    assert (found.created, found.since) == (BORN, at(2000.25))


def test_a_retry_begins_a_chapter_and_a_failure_alone_does_not() -> None:
    failed = (event(1, 0, "add", None, P), event(2, 60, "fail", P, F, note="no disk"))
    found = told(failed, a_task(F), now=90)
    assert (seqs(found), found.ended, found.chapters[0].ended) == ([[1, 2]], at(60), at(60))
    found = told([*failed, event(3, 90, "retry", F, P, attempts=1)], a_task(P, attempts=1))
    assert seqs(found) == [[1, 2, 3], []]
    assert stays(found)[F] == (30, 1, 0, False)


def test_a_log_that_begins_late_knows_nothing_of_what_was_before() -> None:
    events = (
        event(7, 0, "submit", R, V, attempts=2, changes={"owner": ("w-1", "w-1")}),
        event(8, 50, "reject", V, P, attempts=3),
    )
    found = told(events, a_task(P, attempts=3, created_at=None), now=60)
    assert kinds(found) == [[Doubt.EARLIER], []]
    assert found.chapters[0].steps[0].remarks[0].told == "before this, the log knows nothing of it"
    assert [(chapter.number, chapter.owners, chapter.begun) for chapter in found.chapters] == [
        (3, ("w-1",), None),
        (4, (), at(50)),
    ]
    assert (found.created, found.chapters[0].steps[0].stayed) == (None, None)
    assert stays(found) == {P: (10, 1, 0, True), R: (0, 1, 1, False), V: (50, 1, 0, False)}


def test_a_task_that_was_found_in_review_was_there_for_nobody_knows_how_long() -> None:
    added = event(1, 0, "add", None, V, actor=EXTERNAL, attempts=1, changes={"title": (None, "Count")})
    approved = event(2, 40, "approve", V, C, attempts=1)
    found = told([added, approved], a_task(C, attempts=1, created_at=None), now=100)
    assert kinds(found) == [[Doubt.FOUND], []]
    assert (found.created, found.chapters[0].number, found.chapters[0].begun) == (None, 2, None)
    assert found.chapters[0].steps[1].stayed is None
    assert stays(found) == {V: (0, 1, 1, False), C: (60, 1, 0, True)}
    since = replace(added, changes={"state_since": (None, at(-20)), "created_at": (None, at(-90))})
    found = told([since, approved], None)
    assert (found.chapters[0].steps[1].stayed, found.created) == (60, at(-90))
    ahead = replace(added, changes={"state_since": (None, at(20))})
    assert told([ahead, approved], None).chapters[0].steps[1].stayed is None


def test_what_an_outside_program_added_was_only_noticed_then() -> None:
    added = event(1, 0, "add", None, P, actor=EXTERNAL)
    assert told([added], a_task(P, created_at=None)).created is None
    assert told([added], a_task(P, created_at=at(-5))).created == at(-5)


def test_a_gap_between_two_events_is_told_and_no_time_is_made_up_for_it() -> None:
    events = (
        event(1, 0, "add", None, P),
        event(2, 10, "start", P, R),
        event(5, 100, "approve", V, C),
    )
    found = told(events, a_task(C), now=150)
    assert kinds(found) == [[], [], [Doubt.MISSING]]
    assert found.chapters[0].steps[2].remarks[0].told == (
        "between these two events something is missing: the first left it in progress, the second found it in review"
    )
    assert found.chapters[0].steps[2].stayed is None
    assert stays(found) == {P: (10, 1, 0, False), R: (0, 1, 1, False), V: (0, 1, 1, False), C: (50, 1, 0, True)}


def test_an_attempt_whose_beginning_is_missing_is_a_chapter_of_its_own() -> None:
    events = (event(1, 0, "add", None, P), event(2, 10, "start", P, R), event(9, 90, "submit", R, V, attempts=1))
    events = (*events[:2], replace(events[2], from_state=V))
    found = told(events, a_task(V, attempts=1))
    assert seqs(found) == [[1, 2], [9]]
    assert [(chapter.number, chapter.begun, chapter.ended) for chapter in found.chapters] == [
        (1, BORN, None),
        (2, None, None),
    ]


@pytest.mark.parametrize("moment", ["", "yesterday", "2026-13-40T00:00:00Z", "\x1b[2J", "0001-01-01T00:00:00+23:00"])
def test_an_event_without_a_moment_has_none(moment: str) -> None:
    events = (event(1, 0, "add", None, P), event(2, moment, "start", P, R), event(3, 60, "submit", R, V))
    found = told(events, a_task(V), now=70)
    assert kinds(found) == [[], [Doubt.UNDATED], []]
    assert [step.at for step in found.chapters[0].steps] == [BORN, None, at(60)]
    assert stays(found) == {P: (0, 1, 1, False), R: (0, 1, 1, False), V: (10, 1, 0, True)}


def test_a_moment_before_the_last_one_is_told_and_counts_for_nothing() -> None:
    events = (event(1, 0, "add", None, P), event(2, -60, "start", P, R), event(3, 60, "submit", R, V))
    found = told(events, a_task(V), now=70)
    assert kinds(found) == [[], [Doubt.BACKWARDS], []]
    assert [step.stayed for step in found.chapters[0].steps] == [None, None, 120]


def test_a_moment_that_has_not_come_is_told_and_counts_for_nothing() -> None:
    events = (event(1, 0, "add", None, P), event(2, 9_000_000, "start", P, R), event(3, 60, "submit", R, V))
    found = told(events, a_task(V), now=70)
    assert kinds(found) == [[], [Doubt.AHEAD], []]
    assert found.chapters[0].steps[1].remarks[0].told == "its moment, 2026-05-15 13:05:00Z, has not come yet"
    assert [step.stayed for step in found.chapters[0].steps] == [None, None, None]
    assert stays(found) == {P: (0, 1, 1, False), R: (0, 1, 1, False), V: (10, 1, 0, True)}
    # The clocks of two machines never agree quite.
    events = (event(1, 0, "add", None, P), event(2, 90, "start", P, R))
    assert kinds(told(events, a_task(R), now=70)) == [[], []]


def test_an_action_that_nobody_knows_is_told_to_be_one() -> None:
    events = (event(1, 0, "add", None, P), event(2, 10, "split", P, R), event(3, 20, OUTSIDE, R, C, actor=EXTERNAL))
    found = told(events, a_task(C))
    assert kinds(found) == [[], [Doubt.UNKNOWN], []]
    assert stays(found)[P] == (10, 1, 0, False)


def test_a_task_that_was_taken_away_is_gone_since_then() -> None:
    events = (event(1, 0, "add", None, P), event(2, 30, REMOVED, P, None, actor=EXTERNAL))
    found = told(events, None, now=90)
    assert (found.state, found.since, found.ended, found.title) == (None, at(30), at(30), "")
    assert stays(found) == {P: (30, 1, 0, False)}
    assert (seqs(found), found.chapters[0].ended, found.remarks) == ([[1, 2]], at(30), ())


def test_a_task_that_came_back_begins_anew() -> None:
    events = (
        event(1, 0, "add", None, P),
        event(2, 30, REMOVED, P, None, actor=EXTERNAL),
        event(3, 100, "add", None, P, actor=EXTERNAL),
    )
    found = told(events, a_task(P, created_at=at(100)), now=110)
    assert kinds(found) == [[], [], [Doubt.RETURNED]]
    assert seqs(found) == [[1, 2], [3]]
    assert [chapter.number for chapter in found.chapters] == [1, 1]
    assert stays(found) == {P: (40, 2, 0, True)}


def test_a_task_that_is_not_where_its_last_event_left_it_is_told_to_be_so() -> None:
    events = (event(1, 0, "add", None, P),)
    found = told(events, a_task(V, state_since=at(50)), now=60)
    assert [remark.kind for remark in found.remarks] == [Doubt.MISSING]
    assert found.remarks[0].told == (
        "after the last event something is missing: it left it pending, and now it is in review"
    )
    assert stays(found) == {P: (0, 1, 1, False), V: (10, 1, 0, True)}
    found = told(events, None)
    assert (found.since, found.ended, found.remarks[0].kind) == (None, None, Doubt.MISSING)


def test_a_task_without_events_is_what_the_store_says() -> None:
    found = told((), a_task(R, state_since=at(10), owner="w-1"), now=30)
    assert (found.chapters, found.attempt, found.owner) == ((), 0, "w-1")
    assert [remark.told for remark in found.remarks] == ["the log knows nothing of it"]
    assert stays(found) == {R: (20, 1, 0, True)}
    assert stays(told((), a_task(R, state_since="soon"))) == {R: (0, 1, 1, True)}


def test_what_undoes_the_end_of_an_attempt_takes_it_up_again() -> None:
    undone = event(10, 1600, "undo", P, V, undoes=9, attempts=0)
    found = told([*TWO_ATTEMPTS[:4], undone, event(11, 1700, "approve", V, C)], a_task(C))
    assert seqs(found) == [[1, 4, 5, 9, 10, 11]]
    assert found.chapters[0].ended == at(1700)


def test_what_undoes_a_start_stays_in_the_attempt() -> None:
    found = told([*TWO_ATTEMPTS[:2], event(5, 200, "undo", R, P, undoes=4)], a_task(P))
    assert seqs(found) == [[1, 4, 5]]


def test_values_that_no_field_should_have_change_nothing() -> None:
    odd = event(
        1, 0, "add", None, P, attempts=-7, changes={"title": (None, 5), "owner": ([], {}), "max_attempts": ("", "x")}
    )
    found = told([odd], None)
    assert (found.title, found.max_attempts, found.chapters[0].number, found.chapters[0].owners) == ("", None, 1, ())


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Event], Task, Time]:
    """Draw what the machine makes of random legal commands at moments that only go forward."""
    now = BORN
    task: Task | None = None
    events: list[Event] = []
    for seq in range(1, draw(st.integers(1, 25)) + 1):
        actions = actions_from(task.state) if task is not None else (Action.ADD,)
        edit = task is not None and (not actions or draw(st.booleans()))
        action = Action.EDIT if edit else draw(st.sampled_from(actions))
        fields = {"title": draw(st.sampled_from("ab"))} if action in (Action.ADD, Action.EDIT) else {}
        made = transition(task, command("t-1", action, actor=draw(st.sampled_from("xy")), note="why", **fields), now)
        assert isinstance(made, Transition)
        events.append(
            event(
                *(seq, now, action, made.from_state, made.to_state),
                attempts=made.task.attempts,
                changes=made.changes,
            )
        )
        task = made.task
        now = plus(now, draw(st.integers(0, 10**10)) / 1e6)
    assert task is not None
    return events, task, now


@given(made=histories())
def test_every_history_adds_up(made: tuple[list[Event], Task, Time]) -> None:
    events, task, now = made
    found = story("t-1", events, task, now)
    assert [step.event for chapter in found.chapters for step in chapter.steps] == events
    assert [chapter.number for chapter in found.chapters] == list(range(1, task.attempts + 2))
    assert sum(spent.seconds for spent in found.spent) == pytest.approx(to_seconds(now) - to_seconds(BORN), abs=1e-4)
    assert not any(spent.unknown for spent in found.spent)
    assert [spent.state for spent in found.spent if spent.going_on] == [task.state]
    assert found.remarks == ()
    assert not any(map(any, kinds(found)))
    assert (found.created, found.since) == (BORN, task.state_since)
    for one, next_one in zip(found.chapters, found.chapters[1:], strict=False):
        assert one.ended == next_one.begun


@given(made=histories(), seconds=st.integers(-100, 100_000))
def test_a_story_counts_on_as_if_it_were_told_then(made: tuple[list[Event], Task, Time], seconds: int) -> None:
    events, task, now = made
    then = max(plus(now, seconds), events[-1].at)
    counted, told_then = later(story("t-1", events, task, now), then), story("t-1", events, task, then)
    assert replace(counted, spent=()) == replace(told_then, spent=())
    for one, other in zip(counted.spent, told_then.spent, strict=True):
        assert replace(one, seconds=0) == replace(other, seconds=0)
        assert one.seconds == pytest.approx(other.seconds, abs=1e-4)


def test_a_stay_that_a_slow_clock_saw_begin_in_the_future_is_known_as_soon_as_it_gets_there() -> None:
    early = told([event(1, 60, "add", None, P)], a_task(P), now=0)
    assert [(spent.seconds, spent.unknown) for spent in early.spent] == [(0, 1)]
    assert [(spent.seconds, spent.unknown) for spent in later(early, at(90)).spent] == [(30, 0)]
    assert later(later(early, at(90)), at(0)) == early


def test_a_stay_of_unknown_length_stays_unknown_as_time_goes_on() -> None:
    (spent,) = later(told([event(1, "?", "add", None, P)], a_task(P, created_at=None)), at(20_000)).spent
    assert (spent.seconds, spent.unknown, spent.going_on) == (0, 1, True)
