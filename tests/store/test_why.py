"""Why a task is where it is, in sentences that a person reads."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from test_story import TWO_ATTEMPTS, C, F, P, R, V, a_task, at, event, told

from taskdeck_store.values import EXTERNAL, OUTSIDE, REMOVED, Event, Task
from taskdeck_store.why import why
from taskdeck_store.wording import lasting

ADDED = event(1, 0, "add", None, P, actor="planner")
STARTED = event(2, 120, "start", P, R, actor="w-3")
FOUND = event(1, 0, "add", None, V, actor=EXTERNAL)
REJECTED = (
    "w-3 started attempt 1 after 2 minutes and submitted a result 5 minutes later; ann rejected it 18 minutes later"
)
BORN = "planner added it on 2026-01-31 09:05 UTC."
TIMEOUT = event(
    17, 2000, "fail", R, F, actor="w-7", attempts=1, note=" timeout\nof 30 s ", changes={"error": (None, "x")}
)


@pytest.mark.parametrize(
    ("events", "task", "now", "sentences"),
    [
        (
            [*TWO_ATTEMPTS[:6], TIMEOUT],
            a_task(F, attempts=1, max_attempts=2),
            12_800,
            [
                "t-1 is failed.",
                BORN,
                f"{REJECTED}: “again”.",
                "ann changed priority at once.",
                "w-7 started attempt 2 after 1 minute 39 seconds and failed it 6 minutes later, on attempt 2 of 2: "
                "“timeout …” (error: “x”).",
                "It has been failed for 3 hours.",
            ],
        ),
        (
            TWO_ATTEMPTS[:4],
            a_task(P, attempts=1),
            1560,
            [
                "t-1 is pending.",
                BORN,
                "w-3 started attempt 1 after 2 minutes and submitted a result 5 minutes later.",
                "ann rejected it 18 minutes later: “again”.",
                "It has been waiting in the queue for 1 minute, for attempt 2 of 3.",
            ],
        ),
        (
            [ADDED],
            a_task(P),
            0.5,
            ["t-1 is pending.", BORN, "It has been waiting in the queue for less than a second."],
        ),
        (
            [ADDED],
            a_task(P, not_before=at(7200)),
            60,
            [
                "t-1 is pending.",
                BORN,
                "It has been waiting in the queue for 1 minute; workers leave it until 2026-01-31 11:05 UTC, "
                "1 hour 59 minutes from now.",
            ],
        ),
        (
            [ADDED],
            a_task(P, not_before=at(60)),
            60,
            ["t-1 is pending.", BORN, "It has been waiting in the queue for 1 minute."],
        ),
        (
            [ADDED, STARTED],
            a_task(R, owner="w-3", lease_until=at(180)),
            300,
            [
                "t-1 is in progress.",
                BORN,
                "w-3 started attempt 1 after 2 minutes.",
                "It has been in progress for 3 minutes, with w-3; the lease ran out 2 minutes ago.",
            ],
        ),
        (
            [FOUND, event(2, 60, "approve", V, C)],
            a_task(C),
            120,
            [
                "t-1 is completed.",
                "It was in review already when the log first knew of it, on 2026-01-31 09:05 UTC.",
                "ann approved it 1 minute later.",
                "It has been completed for 1 minute.",
            ],
        ),
        (
            [event(6, 0, "approve", V, C, attempts=2)],
            a_task(C, attempts=2),
            60,
            [
                "t-1 is completed.",
                "Before 2026-01-31 09:05 UTC the log knows nothing of it; it was in review then.",
                "ann approved it on 2026-01-31 09:05 UTC.",
                "It has been completed for 1 minute.",
            ],
        ),
        (
            [ADDED, event(3, "", "split", R, V)],
            a_task(V),
            60,
            [
                "t-1 is in review.",
                BORN,
                "Between these two events something is missing: the first left it pending, the second found it in "
                "progress.",
                "ann did split from in progress to review at a time that the log does not say.",
                "This version does not know that action.",
                "The log does not say since when it is in review.",
            ],
        ),
        (
            [event(1, 0, "add", None, P, actor=EXTERNAL), event(2, 5, OUTSIDE, P, C, actor=EXTERNAL)],
            a_task(C),
            5,
            [
                "t-1 is completed.",
                "An outside program added it; the log knows of it since 2026-01-31 09:05 UTC.",
                "An outside program moved it from pending to completed 5 seconds later.",
                "It has been completed for less than a second.",
            ],
        ),
        (
            [ADDED, event(2, 60, REMOVED, P, None, actor=EXTERNAL)],
            None,
            120,
            [
                "t-1 is not in the store any more.",
                BORN,
                "An outside program took it out of the store 1 minute later.",
                "It has been gone for 1 minute.",
            ],
        ),
        (
            [ADDED, STARTED, event(3, 150, REMOVED, R, None), event(4, 200, "add", None, P)],
            a_task(P),
            260,
            [
                "t-1 is pending.",
                "ann added it again on 2026-01-31 09:08 UTC, after it had been taken out of the store.",
                "It has been waiting in the queue for 1 minute.",
            ],
        ),
        (
            [ADDED],
            a_task(V),
            60,
            [
                "t-1 is in review.",
                BORN,
                "After the last event something is missing: it left it pending, and now it is in review.",
                "The log does not say since when it is in review.",
            ],
        ),
        (
            [],
            a_task(P, depends_on=("a",), blocked=1),
            60,
            [
                "t-1 is pending.",
                "The log knows nothing of it.",
                "The log does not say since when it is pending; it depends on a, to be completed first.",
            ],
        ),
        (
            [],
            a_task(V),
            60,
            ["t-1 is in review.", "The log knows nothing of it.", "The log does not say since when it is in review."],
        ),
        (
            [ADDED, event(2, 10, "fail", P, F, changes={"error": (None, "failed by ann")})],
            a_task(F),
            70,
            [
                "t-1 is failed.",
                BORN,
                "ann failed it 10 seconds later, on attempt 1 of 3.",
                "It has been failed for 1 minute.",
            ],
        ),
    ],
)
def test_the_chain_of_events_is_told(
    events: Sequence[Event], task: Task | None, now: float, sentences: list[str]
) -> None:
    assert list(why(told(events, task, now=now))) == sentences


def test_of_many_attempts_the_first_the_one_before_and_the_last_are_told() -> None:
    events = [ADDED]
    for number in range(20):
        events.append(event(2 * number + 2, 100 * number, "start", P, R, actor=f"w-{number}", attempts=number))
        events.append(event(2 * number + 3, 100 * number + 50, "release", R, P, attempts=number + 1))
    sentences = why(told(events[:-1], a_task(R, attempts=19, owner="w-19"), now=1960))
    assert sentences[2:] == (
        "w-0 started attempt 1 at once; ann gave it back to the queue 50 seconds later.",
        "17 more attempts followed.",
        "w-18 started attempt 19 after 50 seconds; ann gave it back to the queue 50 seconds later.",
        "w-19 started attempt 20 after 50 seconds.",
        "It has been in progress for 1 minute, with w-19.",
    )


def test_of_many_changes_in_a_row_only_their_number_is_told() -> None:
    edits = [event(n, n, "edit", P, P, actor="ab"[n % 2], changes={"priority": (n, n + 1)}) for n in range(2, 9)]
    assert why(told([ADDED, *edits], a_task(P)))[2] == "Then it was changed 7 times by a and b."


def test_hostile_texts_stay_one_line_and_short() -> None:
    evil = "\x1b]0;owned\x07\u202e " * 100_000
    events = [event(1, 0, "add", None, P, actor=evil), event(2, 1, evil, P, F, actor=evil, note=evil + "\n\n" + evil)]
    sentences = why(told(events, a_task(F, title=evil, owner=evil)))
    assert all(sentence.isprintable() and len(sentence) < 800 for sentence in sentences)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.9, "less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (61, "1 minute 1 second"),
        (179, "2 minutes 59 seconds"),
        (180, "3 minutes"),
        (6000, "1 hour 40 minutes"),
        (3 * 3600 + 1800, "3 hours"),
        (90_000, "1 day 1 hour"),
        (86_400 * 4000, "4,000 days"),
    ],
)
def test_a_length_of_time_is_words(seconds: float, words: str) -> None:
    assert lasting(seconds) == words
