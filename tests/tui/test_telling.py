"""Events, changes and outcomes told in sentences."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from stage import NOW, event, outcome

from taskdeck_store.clock import plus
from taskdeck_store.contract import Change, Outcome
from taskdeck_store.machine import TABLE, Code, command
from taskdeck_store.values import OUTSIDE, REMOVED, Action, State
from taskdeck_tui.telling import (
    NOTHING,
    ago,
    changes_told,
    departures_told,
    did,
    moment,
    outcome_line,
    outcome_told,
    told,
    value_told,
)

P, R, V, C, F = State


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (event(1, Action.ADD, None, P, 0), "worker-2 added it"),
        (event(1, Action.START, P, R, 0, attempts=1), "worker-2 started attempt 2"),
        (event(1, Action.SUBMIT, R, V, 0), "worker-2 submitted a result"),
        (event(1, Action.APPROVE, V, C, 0, actor="ada"), "ada approved it"),
        (event(1, Action.REJECT, V, P, 0, actor="ada", note="does not add up"), "ada rejected it: does not add up"),
        (event(1, Action.FAIL, R, F, 0, note=" disk\nfull "), "worker-2 failed it: disk full"),
        (event(1, Action.RETRY, F, P, 0), "worker-2 put it back in the queue"),
        (event(1, Action.RELEASE, R, P, 0), "worker-2 gave it back to the queue"),
        (
            event(1, Action.EDIT, P, P, 0, changes={"title": ("a", "b"), "tags": ([], ["x"]), "data": (1, 2)}),
            "worker-2 changed title, tags and data",
        ),
        (event(1, OUTSIDE, C, P, 0, actor="external"), "an outside program moved it from completed to pending"),
        (event(1, REMOVED, P, None, 0, actor="external"), "an outside program took it out of the store"),
        (event(9, "undo", C, V, 0, undoes=8), "worker-2 undid event 8 from completed to review"),
        (event(1, "split", R, V, 0), "worker-2 did split from in progress to review"),
    ],
)
def test_an_event_is_one_sentence(made: object, sentence: str) -> None:
    assert told(made) == sentence  # type: ignore[arg-type]


@pytest.mark.parametrize("rule", TABLE, ids=lambda rule: rule.action)
def test_every_action_of_the_table_has_words_of_its_own(rule: object) -> None:
    said = did(event(1, rule.action, V, V, 0))  # type: ignore[attr-defined]
    assert not said.startswith("did ")


def test_a_sentence_has_nothing_that_a_terminal_would_act_on() -> None:
    hostile = event(1, "\x1b[2J", P, R, 0, actor="ada\x1b]0;owned\x07", note="a\x9bb\u202ec", changes={"\x1b": (1, 2)})
    assert told(hostile).isprintable()
    assert all(part.isprintable() for part in changes_told(hostile)[0])


def test_changes_are_told_field_by_field_and_long_values_are_cut() -> None:
    made = event(1, Action.EDIT, P, P, 0, changes={"owner": (None, "ada"), "data": ({"a": [1]}, "x" * 99)})
    assert changes_told(made, limit=20) == (("owner", NOTHING, "ada"), ("data", '{"a": [1]}', "x" * 19 + "…"))


@pytest.mark.parametrize("empty", [None, "", [], {}, ()])
def test_nothing_is_told_as_nothing(empty: object) -> None:
    assert value_told(empty) == NOTHING


@pytest.mark.parametrize("value", [0, False])
def test_zero_and_false_are_values(value: object) -> None:
    assert value_told(value) == {"0": "0", "False": "false"}[str(value)]


def test_a_value_that_shrinks_when_made_safe_still_shows_that_it_was_cut() -> None:
    assert value_told("a" + "\u200d" * 100, limit=10) == "a…"


def test_a_huge_value_is_told_without_being_written_out() -> None:
    produced = 0

    class Counted(list[int]):
        def __iter__(self) -> Iterator[int]:
            nonlocal produced
            for number in range(1_000_000):
                produced += 1
                yield number

    assert len(value_told({"rows": Counted([1])}, limit=30)) == 30
    assert produced < 100


def test_a_deeply_nested_value_is_told() -> None:
    deep: list[object] = []
    for _ in range(5_000):
        deep = [deep]
    assert value_told(deep, limit=10) == "[[[[[[[[[…"
    assert value_told(deep, limit=20_000).startswith("[[[[")


def test_moments_are_utc_and_ages_relative() -> None:
    assert moment(NOW) == "2026-01-31 09:05:00Z"
    assert ago(plus(NOW, -200), NOW) == "3m ago"
    assert ago(plus(NOW, 60), NOW) == "now"


def test_many_outcomes_are_one_line() -> None:
    applied = [outcome(f"task-{n}", Action.APPROVE) for n in range(7)]
    codes = [Code.CONFLICT, Code.ILLEGAL, Code.CONFLICT, Code.NOT_FOUND, Code.READ_ONLY, Code.INVALID]
    refused = [outcome("task-9", Action.APPROVE, code) for code in codes]
    held = Outcome(command=command("task-8", Action.APPROVE, actor="ada"), task=None)
    line = "7 applied, 2 changed meanwhile, 1 illegal, 1 gone, 1 read-only, 1 invalid, 1 held back"
    assert outcome_line([*refused, *applied, held]) == line
    assert outcome_line(applied) == "7 applied"
    assert outcome_line([]) == "nothing to do"


def test_one_outcome_says_where_the_task_is_or_why_it_was_refused() -> None:
    assert outcome_told(outcome("task-1", Action.APPROVE)) == "task-1 is now completed"
    assert outcome_told(outcome("task-1", Action.APPROVE, Code.CONFLICT, "it changed")) == "it changed"
    held = Outcome(command=command("task-1", Action.EDIT, actor="ada"), task=None)
    assert outcome_told(held) == "task-1 was held back: another of the same group was refused"


def test_who_moved_a_task_away_is_told_and_not_who_changed_it_then() -> None:
    def change(seq: int, actor: str, action: str, before: State, after: State) -> Change:
        return Change(
            seq=seq, task_id="t-1", at=NOW, actor=actor, action=action, from_state=before, to_state=after, note=None
        )

    moved, edited = change(1, "ada", Action.SUBMIT, R, V), change(2, "tool", Action.EDIT, V, V)
    assert departures_told([moved, edited], held="t-1", selected=(), me="bob") == "t-1 moved to review by ada"
    assert departures_told([moved, edited], held="t-1", selected=(), me="ada") == ""
    assert departures_told([edited], held="t-1", selected=(), me="ada") == "t-1 moved to review by tool"
    assert departures_told([edited], held=None, selected=["t-1"], me="ada") == ""
