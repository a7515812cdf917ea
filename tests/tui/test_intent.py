"""From a key to commands, and what the header counts."""

from __future__ import annotations

from msgspec.structs import replace

from taskdeck_store.contract import Change
from taskdeck_store.machine import RULES, STEP
from taskdeck_store.values import Action, Card, State
from taskdeck_tui.model.intent import commands, legal, why_not
from taskdeck_tui.model.selection import Selection
from taskdeck_tui.model.throughput import Throughput, sparkline


def card(task_id: str, state: State, version: str = "1") -> Card:
    return Card(
        id=task_id,
        title=f"Title of {task_id}",
        state=state,
        priority=5,
        tags=(),
        attempts=0,
        max_attempts=3,
        not_before=None,
        blocked=0,
        owner=None,
        state_since=None,
        version=version,
        preview="",
    )


def test_the_legal_keys_of_a_task_are_those_of_the_table() -> None:
    for state in State:
        expected = {str(rule.action) for rule in RULES.values() if state in rule.sources and rule.target}
        assert legal([card("t", state)]) == expected | ({"step"} if state in STEP else set())


def test_a_key_is_legal_for_several_tasks_when_it_is_for_one() -> None:
    assert "approve" in legal([card("a", State.PENDING), card("b", State.REVIEW)])
    assert legal([]) == frozenset()


def test_every_key_that_does_nothing_has_its_reason() -> None:
    assert "it is pending" in why_not("approve", card("t-1", State.PENDING))
    assert "no step forward" in why_not("step", card("t-1", State.FAILED))


def test_each_command_names_the_version_that_was_seen_and_several_share_a_group() -> None:
    seen = [card("a", State.REVIEW, "7"), card("b", State.PENDING, "9")]
    first, second = commands("approve", seen, actor="ada", note="fine")
    assert (first.expect, second.expect) == ("7", "9")
    assert first.group == second.group != None  # noqa: E711
    assert first.operation != second.operation
    assert commands("approve", seen[:1], actor="ada", note=None)[0].group is None


def test_step_is_the_next_forward_action_of_each_task() -> None:
    seen = [card("a", State.PENDING), card("b", State.IN_PROGRESS), card("c", State.REVIEW)]
    actions = [each.action for each in commands("step", seen, actor="ada", note=None)]
    assert actions == [Action.START, Action.SUBMIT, Action.APPROVE]


def test_a_selection_keeps_up_with_what_is_seen() -> None:
    one, two = card("a", State.REVIEW, "1"), card("b", State.REVIEW, "1")
    selection = Selection().toggled(one).toggled(two)
    assert list(selection.cards) == ["a", "b"]
    assert selection.seen([replace(one, version="2")]).cards["a"].version == "2"
    assert list(selection.toggled(one).cards) == ["b"]
    assert list(selection.without(["b", "x"]).cards) == ["a"]
    assert list(Selection().joined([one, two]).cards) == ["a", "b"]
    assert not Selection()


def change(second: int, state: State) -> Change:
    return Change(
        seq=1,
        task_id="a",
        at=f"2026-01-01T00:00:{second:02}.000000Z",
        actor="ada",
        action="approve",
        from_state=State.REVIEW,
        to_state=state,
        note=None,
    )


def test_throughput_counts_completions_alone_in_their_span() -> None:
    start = 1_767_225_600.0
    throughput = Throughput(spans=4, seconds=15)
    throughput.count([change(1, State.COMPLETED), change(16, State.COMPLETED), change(17, State.COMPLETED)])
    throughput.count([change(18, State.FAILED)])
    assert throughput.counts(start + 20) == [0, 0, 1, 2]
    assert throughput.a_minute(start + 20) == 3 / 5
    assert throughput.counts(start + 600) == [0, 0, 0, 0]


def test_what_was_completed_before_it_was_seen_is_no_completion_now() -> None:
    throughput = Throughput(spans=4, seconds=15)
    throughput.count([replace(change(16, State.COMPLETED), from_state=None)])
    assert throughput.counts(1_767_225_620.0) == [0, 0, 0, 0]


def test_the_sparkline_has_one_character_a_span() -> None:
    assert sparkline([0, 0]) == "▁▁"
    assert sparkline([0, 1, 4]) == "▁▃█"
