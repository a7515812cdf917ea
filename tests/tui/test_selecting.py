"""Which tasks are selected while other programs move them: nothing is lost, and nothing comes in unseen."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from board_stage import Stage, act, add, filled, plain_sql, staged

from taskdeck_store import Action, command
from taskdeck_store.values import State
from taskdeck_tui.screens.confirm import Confirm
from taskdeck_tui.screens.conflict import ConflictCard


@pytest.fixture(params=["tasks.db", "tasks.json"])
def store(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return filled(tmp_path / request.param)


def selected(stage: Stage) -> list[str]:
    """The ids of the cards that are drawn with the mark of the selected."""
    rows = [stage.board.render_line(y).text for y in range(stage.board.size.height)]
    return sorted(re.findall(r"● Title of ([\w-]+)", "\n".join(rows)))


def edited(stage: Stage, task_id: str, **fields: object) -> None:
    """Have another program edit a task."""
    (outcome,) = stage.other.apply([command(task_id, Action.EDIT, actor="worker-1", **fields)])
    assert outcome.refusal is None


async def moved_away(stage: Stage, task_id: str, action: Action = Action.START) -> None:
    """Have another program move a task out of the focused column, and wait until the board shows it."""
    act(stage.other, task_id, action)
    await stage.until(lambda: task_id not in stage.ids(stage.view.focus))


async def test_what_leaves_the_column_stays_in_the_range(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("v", "j")
        await moved_away(stage, "pending-1")
        await stage.press("j")
        assert selected(stage) == ["pending-1", "pending-2", "pending-3"]
        assert "3 selected" in stage.header


async def test_a_range_still_shrinks_to_the_cursor_when_a_task_of_it_has_left(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("v", "j", "j", "j")
        await moved_away(stage, "pending-2")
        await stage.press("k")
        assert selected(stage) == ["pending-1", "pending-2", "pending-3"]
        await stage.press("k")
        assert selected(stage) == ["pending-1"]
        await stage.press("escape")
        assert selected(stage) == []


async def test_a_range_that_turns_round_its_start_lets_go_of_the_other_side(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("j", "v", "j")
        await moved_away(stage, "pending-3")
        assert stage.held == "pending-4"
        await stage.press("k", "k")
        assert selected(stage) == ["pending-1", "pending-2"]


async def test_the_card_that_slips_under_the_cursor_is_not_selected_for_that(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("v", "j", "j")
        await moved_away(stage, "pending-3")
        assert stage.held == "pending-4"
        await stage.pilot.pause()
        assert selected(stage) == ["pending-1", "pending-2", "pending-3"]


async def test_what_comes_in_behind_the_cursor_is_not_selected_until_the_cursor_comes_to_it(store: Path) -> None:
    async with staged(store) as stage:
        edited(stage, "pending-4", priority=9)
        await stage.press("j", "v", "j", "j")
        assert selected(stage) == ["pending-2", "pending-3", "pending-4"]
        add(stage.other, "midst", priority=7)
        await stage.until(lambda: stage.ids(0)[3] == "midst")
        assert selected(stage) == ["pending-2", "pending-3", "pending-4"]
        add(stage.other, "last", priority=10)
        await stage.until(lambda: stage.ids(0)[-1] == "last")
        await stage.press("j")
        assert selected(stage) == ["last", "pending-2", "pending-3", "pending-4"]
        await stage.press("k", "k")
        assert selected(stage) == ["midst", "pending-2", "pending-3"]


async def test_a_range_goes_along_when_the_task_at_its_end_gets_another_place_in_the_column(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("v", "j")
        edited(stage, "pending-2", priority=9)
        await stage.until(lambda: stage.view.row == 3)
        assert stage.held == "pending-2"
        add(stage.other, "last", priority=10)
        await stage.until(lambda: stage.ids(0)[-1] == "last")
        await stage.press("j")
        assert selected(stage) == ["last", "pending-1", "pending-2"]


@pytest.mark.parametrize("keys", [("v", "j"), ("space", "j", "space")])
async def test_a_selected_task_that_moves_is_told_and_acting_on_it_is_a_conflict(
    store: Path, keys: tuple[str, ...]
) -> None:
    async with staged(store) as stage:
        await stage.press(*keys)
        await moved_away(stage, "pending-1")
        assert "pending-1 moved to in progress by worker-1; it stays selected" in stage.status
        await stage.press("s")
        await stage.until(lambda: isinstance(stage.deck.screen, ConflictCard))
        assert stage.state("pending-1") is State.IN_PROGRESS
        assert stage.state("pending-2") is State.IN_PROGRESS
        await stage.press("d")
        await stage.until(lambda: len(stage.deck.screen_stack) == 1)
        assert selected(stage) == ["pending-1"]


async def test_what_a_conflict_showed_is_what_the_next_action_is_meant_for(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("space")
        await moved_away(stage, "pending-1")
        await stage.press("s")
        await stage.until(lambda: isinstance(stage.deck.screen, ConflictCard))
        await stage.press("d")
        await stage.until(lambda: len(stage.deck.screen_stack) == 1)
        await stage.press("s")
        await stage.until(lambda: stage.state("pending-1") is State.REVIEW)


async def test_several_selected_tasks_that_move_at_once_are_one_notice(tmp_path: Path) -> None:
    path = filled(tmp_path / "tasks.db")
    async with staged(path) as stage:
        await stage.press("v", "j", "j")
        plain_sql(path, "UPDATE tasks SET state = 'in_progress' WHERE id IN ('pending-1', 'pending-2')")
        await stage.until(lambda: "2 selected tasks moved" in stage.status)
        assert "and stay selected" in stage.status


@pytest.mark.parametrize("keys", ["o", "oo", "ooo"])
async def test_another_order_ends_the_range_and_keeps_what_it_selected(store: Path, keys: str) -> None:
    async with staged(store) as stage:
        await stage.press("v", "j", *keys)
        await stage.until(lambda: stage.held is not None)
        await stage.press("j", "j", "j")
        assert selected(stage) == ["pending-1", "pending-2"]


async def test_a_filter_ends_the_range_and_keeps_what_it_selected(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("v", "j")
        stage.screen.filter_by("id:pending-*")
        await stage.until(lambda: stage.held is not None)
        await stage.press("j", "j", "j")
        assert selected(stage) == ["pending-1", "pending-2"]


async def test_keys_after_a_range_to_far_away_wait_until_it_is_read(tmp_path: Path) -> None:
    async with staged(filled(tmp_path / "long.db", (300, 0, 0, 0, 0)), size=(100, 20)) as stage:
        for key in ("v", "G", "space", "g", "space"):
            stage.deck.simulate_key(key)
        await stage.until(lambda: "299 selected" in stage.header)


async def test_escape_lets_go_of_a_range_that_is_still_being_read(tmp_path: Path) -> None:
    async with staged(filled(tmp_path / "long.db", (300, 0, 0, 0, 0)), size=(100, 20)) as stage:
        await stage.press("v", "G")
        await stage.until(lambda: stage.held == "pending-300")
        await stage.press("g", "escape")
        await stage.until(lambda: "selected" not in stage.header and stage.view.row == 0)
        await stage.press("j", "space")
        assert selected(stage) == ["pending-2"]


async def test_a_far_range_keeps_what_left_and_asks_before_it_acts(tmp_path: Path) -> None:
    async with staged(filled(tmp_path / "long.db", (300, 0, 0, 0, 0)), size=(100, 20)) as stage:
        await stage.press("v", "G")
        await stage.until(lambda: "300 selected" in stage.header)
        act(stage.other, "pending-150", Action.START)
        await stage.until(lambda: stage.view.columns[0].tally.count == 299)
        await stage.press("k")
        assert "299 selected" in stage.header
        await stage.press("s")
        await stage.until(lambda: isinstance(stage.deck.screen, Confirm))
        await stage.press("enter")
        await stage.until(lambda: isinstance(stage.deck.screen, ConflictCard))
        card = stage.deck.screen
        assert isinstance(card, ConflictCard)
        assert [conflict.seen.id for conflict in card.conflicts] == ["pending-150"]
