"""Every key of the board, on a real store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from board_stage import act, add, filled, staged
from stage import shown

from foreign.files import claude
from taskdeck_store import Action, Claiming, Pausing, claim_of
from taskdeck_store.values import State
from taskdeck_tui.keys import KEYS
from taskdeck_tui.screens.conflict import ConflictCard
from taskdeck_tui.screens.pager import Pager
from taskdeck_tui.themes import THEMES


@pytest.fixture(params=["tasks.db", "tasks.json"])
def store(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return filled(tmp_path / request.param)


async def test_every_task_is_in_its_column(store: Path) -> None:
    async with staged(store) as stage:
        assert stage.ids(0) == ["pending-1", "pending-2", "pending-3", "pending-4"]
        assert [column.tally.count for column in stage.view.columns] == [4, 2, 3, 2, 2]
        assert "13 tasks" in stage.header
        assert "live" in stage.header


async def test_j_k_and_the_arrows_move_along_a_column(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("j", "down")
        assert stage.held == "pending-3"
        await stage.press("k", "up", "up")
        assert stage.held == "pending-1"


async def test_h_l_and_the_arrows_move_across_columns(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("l", "right")
        assert stage.held == "review-1"
        await stage.press("h", "left", "h")
        assert stage.held == "pending-1"


async def test_digits_jump_to_a_state(store: Path) -> None:
    async with staged(store) as stage:
        for number, state in enumerate(State, start=1):
            await stage.press(str(number))
            assert stage.view.column.state is state


async def test_g_and_G_go_to_the_ends_of_a_long_column(tmp_path: Path) -> None:
    async with staged(filled(tmp_path / "long.db", (300, 0, 0, 0, 0))) as stage:
        await stage.press("G")
        await stage.until(lambda: stage.held == "pending-300")
        await stage.press("g")
        await stage.until(lambda: stage.held == "pending-1")
        await stage.press("pagedown")
        await stage.until(lambda: stage.view.row == stage.view.height)
        await stage.press("pageup", "end")
        await stage.until(lambda: stage.view.row == 299)
        await stage.press("home")
        await stage.until(lambda: stage.view.row == 0)


async def test_a_held_key_walks_the_whole_column_without_a_gap(tmp_path: Path) -> None:
    async with staged(filled(tmp_path / "long.db", (150, 0, 0, 0, 0))) as stage:
        for row in range(1, 150):
            # A terminal repeats a held key without asking whether the program is idle.
            stage.deck.simulate_key("j")
            await stage.until(lambda row=row: stage.held == f"pending-{row + 1}", idle=False)


async def test_s_steps_a_task_through_its_states(store: Path) -> None:
    async with staged(store) as stage:
        for expected in (State.IN_PROGRESS, State.REVIEW, State.COMPLETED):
            while stage.held != "pending-1":
                column = list(State).index(stage.state("pending-1") or State.PENDING)
                await stage.press(str(column + 1))
                await stage.until(lambda column=column: "pending-1" in stage.ids(column))
                row = stage.ids(column).index("pending-1")
                await stage.press("g", *(["j"] * row))
            await stage.press("s")
            await stage.until(lambda expected=expected: stage.state("pending-1") is expected)
            await stage.until(lambda: stage.held != "pending-1")
        events = stage.other.events("pending-1")
        assert [event.actor for event in events[1:]] == ["ada"] * 3


async def test_a_approves_and_says_so(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("3", "a")
        await stage.until(lambda: stage.state("review-1") is State.COMPLETED)
        await stage.until(lambda: "review-1 is now completed" in stage.status)
        await stage.until(lambda: "review-1" in stage.ids(3))
        assert stage.held == "review-2"


async def test_X_asks_for_a_note_and_rejects_with_it(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("3", "X")
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)
        await stage.press("enter")
        assert stage.state("review-1") is State.REVIEW
        await stage.press(*"wrong", "enter")
        await stage.until(lambda: stage.state("review-1") is State.PENDING)
        assert stage.other.events("review-1")[-1].note == "wrong"


async def test_escape_calls_the_note_off(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("3", "X")
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)
        await stage.press(*"no", "escape")
        await stage.until(lambda: len(stage.deck.screen_stack) == 1)
        assert stage.state("review-1") is State.REVIEW


async def test_F_fails_with_the_note_as_the_error(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("1", "F")
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)
        await stage.press(*"broken", "enter")
        await stage.until(lambda: stage.state("pending-1") is State.FAILED)
        task = stage.other.get("pending-1")
        assert task is not None
        assert task.error == "broken"


async def test_R_retries(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("5")
        held = stage.held
        assert held is not None
        await stage.press("R")
        await stage.until(lambda: stage.state(held) is State.PENDING)
        task = stage.other.get(held)
        assert task is not None
        assert task.attempts == 1


@pytest.mark.parametrize(
    ("keys", "word"), [(("1", "a"), "cannot approve"), (("4", "s"), "no step forward"), (("3", "R"), "cannot retry")]
)
async def test_a_key_that_does_nothing_here_says_why(store: Path, keys: tuple[str, ...], word: str) -> None:
    async with staged(store) as stage:
        await stage.press(*keys)
        await stage.until(lambda: word in stage.status)


async def test_only_keys_that_do_something_are_hinted_at(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("3")
        await stage.until(lambda: "approve" in stage.text("#hints"))
        await stage.press("1")
        await stage.until(lambda: "approve" not in stage.text("#hints"))
        assert "step" in stage.text("#hints")


async def test_keys_typed_faster_than_the_screen_act_on_the_card_they_lead_to(store: Path) -> None:
    async with staged(store) as stage:
        for key in ("3", "j", "a", "j", "1", "j"):
            stage.deck.simulate_key(key)
        await stage.until(lambda: stage.state("review-2") is State.COMPLETED)
        # A row higher where the approved card was gone before the last keys came.
        await stage.until(lambda: stage.held in ("pending-3", "pending-4"))
        assert [stage.state(f"review-{number}") for number in (1, 3)] == [State.REVIEW, State.REVIEW]


async def test_keys_after_a_far_jump_wait_until_it_is_there(tmp_path: Path) -> None:
    async with staged(filled(tmp_path / "long.db", (400, 0, 0, 0, 0)), size=(100, 20)) as stage:
        for key in ("G", "k", "s"):
            stage.deck.simulate_key(key)
        await stage.until(lambda: stage.state("pending-399") is State.IN_PROGRESS)
        assert stage.state("pending-1") is State.PENDING
        assert stage.state("pending-400") is State.PENDING


@pytest.mark.parametrize("keys", [("3", "asterisk", "a"), ("3", "v", "G", "a")])
async def test_an_action_waits_until_the_selection_before_it_is_known(store: Path, keys: tuple[str, ...]) -> None:
    async with staged(store) as stage:
        stage.screen.filter_by("state:review")
        await stage.until(lambda: stage.view.held is None and stage.view.columns[2].tally.count == 3)
        for key in keys:
            stage.deck.simulate_key(key)
        await stage.until(lambda: stage.other.counts()[State.COMPLETED].count == 5)


async def test_no_key_acts_on_a_card_that_a_new_filter_hides(store: Path) -> None:
    async with staged(store) as stage:
        stage.screen.filter_by("id:pending-3")
        stage.screen.act("step")
        await stage.until(lambda: stage.held == "pending-3")
        assert stage.state("pending-1") is State.PENDING


async def test_space_selects_and_the_action_reaches_the_selection(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("3", "space", "j", "space")
        assert "2 selected" in stage.header
        await stage.press("a")
        await stage.until(lambda: stage.state("review-2") is State.COMPLETED)
        assert stage.state("review-1") is State.COMPLETED
        assert stage.state("review-3") is State.REVIEW
        await stage.until(lambda: "2 applied" in stage.status)
        groups = {stage.other.events(f"review-{number}")[-1].group for number in (1, 2)}
        assert len(groups) == 1
        assert groups != {None}
        await stage.until(lambda: "selected" not in stage.header)


async def test_v_selects_a_range(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("1", "j", "v", "j", "j")
        await stage.until(lambda: "3 selected" in stage.header)
        await stage.press("k")
        await stage.until(lambda: "2 selected" in stage.header)
        await stage.press("escape")
        await stage.until(lambda: "selected" not in stage.header)


async def test_a_range_reaches_cards_that_were_never_on_screen(tmp_path: Path) -> None:
    async with staged(filled(tmp_path / "long.db", (900, 0, 0, 0, 0)), size=(100, 20)) as stage:
        await stage.press("v", "G")
        await stage.until(lambda: "900 selected" in stage.header)


async def test_star_selects_exactly_what_matches_now(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("*")
        await stage.until(lambda: "13 selected" in stage.header)
        add(stage.other, "late")
        await stage.until(lambda: "late" in stage.ids(0))
        assert "13 selected" in stage.header


async def test_an_action_on_many_asks_once(tmp_path: Path) -> None:
    async with staged(filled(tmp_path / "many.db", (12, 0, 0, 0, 0))) as stage:
        await stage.press("*")
        await stage.until(lambda: "12 selected" in stage.header)
        await stage.press("s")
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)
        assert stage.state("pending-1") is State.PENDING
        await stage.press("enter")
        await stage.until(lambda: stage.other.counts()[State.IN_PROGRESS].count == 12)


async def test_slash_filters_while_typing_and_counts_follow(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("slash", *"id:review-*")
        await stage.until(lambda: "3 of 13 tasks" in stage.header)
        await stage.press("enter")
        await stage.until(lambda: stage.board.has_focus)
        assert stage.ids(0) == []
        await stage.press("escape")
        await stage.until(lambda: stage.ids(0) != [] and "of" not in stage.header)


async def test_escape_while_typing_goes_back_to_the_filter_before(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("slash", *"state:failed", "escape")
        await stage.until(lambda: len(stage.ids(0)) == 4)


async def test_enter_opens_the_details_and_they_follow(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("3", "enter")
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)
        act(stage.other, "review-1", Action.APPROVE)
        await stage.until(lambda: "completed" in str(stage.deck.screen.query(".heading").first().render()))
        await stage.press("escape")
        assert len(stage.deck.screen_stack) == 1


async def test_an_action_works_in_the_details(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("3", "enter")
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)
        await stage.press("a")
        await stage.until(lambda: stage.state("review-1") is State.COMPLETED)


async def test_a_key_that_does_nothing_in_the_details_says_why(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("1", "enter")
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)
        await stage.press("a")
        told = lambda: str(stage.deck.screen.query(".told").first().render())  # noqa: E731
        await stage.until(lambda: "cannot approve pending-1" in told())
        assert stage.state("pending-1") is State.PENDING


async def test_L_shows_the_audit_log_live(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("L")
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)
        before = len(stage.other.events())
        heading = lambda: str(stage.deck.screen.query(".heading").first().render())  # noqa: E731
        await stage.until(lambda: f"{before:,} events" in heading())
        add(stage.other, "new")
        await stage.until(lambda: f"{before + 1:,} events" in heading())


async def test_at_shows_what_i_did(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("3", "a")
        await stage.until(lambda: "is now completed" in stage.status)
        await stage.press("@")
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)
        assert "1 since" in str(stage.deck.screen.query(".heading").first().render())


async def test_p_freezes_and_goes_on(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("p")
        await stage.until(lambda: "frozen" in stage.header)
        add(stage.other, "new")
        await stage.until(lambda: "newer changes wait" in stage.header)
        assert "new" not in stage.ids(0)
        await stage.press("p")
        await stage.until(lambda: "new" in stage.ids(0))
        assert "live" in stage.header


async def test_capital_p_pauses_the_queue_and_resumes_it(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("P")
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)
        await stage.press("enter")
        await stage.until(lambda: "needs a note" in shown(stage.deck))
        await stage.press(*"deploy", "enter")
        await stage.until(lambda: "paused: deploy" in stage.header)
        assert [(pause.query, pause.by, pause.note) for pause in stage.other.pauses()] == [("", "ada", "deploy")]
        await stage.press("P")
        await stage.until(lambda: "paused by ada: deploy" in shown(stage.deck))
        await stage.press("enter")
        await stage.until(lambda: "paused" not in stage.header)
        assert [event.action for event in stage.other.events(newest=True, limit=2)] == ["pause", "resume"]


async def test_a_pause_is_of_what_the_filter_shows(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("slash", *"tag:api", "enter", "P")
        await stage.until(lambda: "Pause tag:api" in shown(stage.deck))
        await stage.press("escape")
        await stage.until(lambda: len(stage.deck.screen_stack) == 1)
        assert list(stage.other.pauses()) == []
        await stage.press("P", *"broken", "enter")
        await stage.until(lambda: "paused tag:api: broken" in stage.header)
        await stage.press("escape", "P", *"all of it", "enter")
        await stage.until(lambda: "paused: all of it  +1" in stage.header)


async def test_a_pause_by_others_is_shown_and_in_vain_is_told(store: Path) -> None:
    async with staged(store) as stage:
        stage.other.pause(Pausing(query="tag:x", actor="eve", operation="op-1", note="look"))
        await stage.until(lambda: "paused tag:x: look" in stage.header)
        await stage.press("P")
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)
        stage.other.pause(Pausing(query="", actor="eve", operation="op-2", note="mine"))
        await stage.press(*"mine", "enter")
        await stage.until(lambda: "everything is paused already, by eve: mine" in shown(stage.deck))


async def test_a_lease_that_is_renewed_is_told_in_the_details(store: Path) -> None:
    async with staged(store) as stage:
        put = stage.other.claim(Claiming(owner="w", actor="w", seconds=30))[0]
        assert put.task is not None
        claim = claim_of(put)
        assert claim is not None
        await stage.press("2")
        await stage.until(lambda: put.task is not None and put.task.id in stage.ids(1))
        while stage.held != put.task.id:
            await stage.press("j")
        await stage.press("enter")
        await stage.until(lambda: "lease" in shown(stage.deck))
        stage.other.renew({put.task.id: claim}, 86_400.0)
        until = stage.other.get(put.task.id)
        assert until is not None
        assert until.lease_until is not None
        told = until.lease_until[:19].replace("T", " ")
        await stage.until(lambda: told in shown(stage.deck), seconds=20)


async def test_a_conflict_opens_a_card_and_can_be_done_again(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("p", "3")
        await stage.until(lambda: "frozen" in stage.header)
        other = stage.other.get("review-1")
        assert other is not None
        act(stage.other, "review-1", Action.REJECT, note="not yet")
        act(stage.other, "review-1", Action.START)
        act(stage.other, "review-1", Action.SUBMIT)
        await stage.press("a")
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)
        assert stage.state("review-1") is State.REVIEW
        await stage.press("enter")
        await stage.until(lambda: stage.state("review-1") is State.COMPLETED)


async def test_a_conflict_can_be_dropped(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("p", "3")
        await stage.until(lambda: "frozen" in stage.header)
        act(stage.other, "review-1", Action.REJECT)
        await stage.press("a")
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)
        await stage.press("d")
        await stage.until(lambda: len(stage.deck.screen_stack) == 1)
        assert stage.state("review-1") is State.PENDING


async def test_a_bulk_action_tells_the_sum_and_opens_the_conflicts(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("*")
        await stage.until(lambda: "13 selected" in stage.header)
        await stage.press("p")
        await stage.until(lambda: "frozen" in stage.header)
        act(stage.other, "review-2", Action.APPROVE)
        await stage.press("a")
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)
        await stage.press("enter")
        await stage.until(lambda: "2 applied, 1 changed meanwhile, 10 illegal" in stage.status)


async def test_o_changes_the_order_and_z_the_lines(store: Path) -> None:
    async with staged(store) as stage:
        orders = []
        for _ in range(4):
            await stage.press("o")
            await stage.until(lambda: stage.screen.order_name not in orders or len(orders) == 4)
            orders.append(stage.screen.order_name)
        assert orders == ["priority", "oldest", "newest", "natural"]
        lines = []
        for _ in range(3):
            await stage.press("z")
            lines.append(stage.board.lines)
        assert sorted(lines) == [1, 2, 3]


async def test_y_copies_the_id_and_Y_the_task(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("y")
        assert stage.deck.clipboard == "pending-1"
        await stage.press("Y")
        await stage.until(lambda: '"id":"pending-1"' in stage.deck.clipboard)


async def test_question_mark_opens_help_and_escape_closes_it(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("?")
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)
        await stage.press("escape")
        await stage.until(lambda: len(stage.deck.screen_stack) == 1)


@pytest.mark.parametrize("key", ["colon", "ctrl+p"])
async def test_the_palette_holds_every_action_column_theme_and_filter(store: Path, key: str) -> None:
    async with staged(store) as stage:
        await stage.press(key)
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)
        offered = {command.title.lower() for command in stage.deck.get_system_commands(stage.screen)}
        keys = {spec.description.lower() for spec in KEYS if {"board", "task"} & set(spec.scopes)}
        assert keys - {"commands", "back"} <= offered
        assert {"theme taskdeck-light", "filter state:failed"} <= offered
        await stage.press("escape")


async def test_an_action_chosen_in_the_palette_is_done(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("3", "ctrl+p", *"approve")
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)
        await stage.press("enter")
        await stage.until(lambda: stage.state("review-1") is State.COMPLETED)


async def test_each_kind_of_key_works_from_the_palette(store: Path) -> None:
    async with staged(store) as stage:
        commands = {command.title: command for command in stage.deck.get_system_commands(stage.screen)}
        commands["Order"].callback()
        await stage.until(lambda: "sorted by priority order" in stage.status)
        commands["Review"].callback()
        await stage.until(lambda: stage.board.view.focus == 2)
        commands["Help"].callback()
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)


async def test_r_reads_again_and_escape_never_quits(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("r", "escape", "escape", "escape")
        await stage.until(lambda: stage.deck.is_running)
        assert "read again" in stage.status


async def test_q_quits(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("q")
        assert stage.deck.return_code == 0


async def test_a_read_only_board_refuses_and_says_so(store: Path) -> None:
    async with staged(store, read_only=True) as stage:
        assert "read-only" in stage.header
        assert "approve" not in stage.text("#hints")
        await stage.press("3", "a")
        await stage.until(lambda: "read-only" in stage.status)
        assert stage.state("review-1") is State.REVIEW


async def test_what_a_format_lacks_is_told_in_the_empty_column_and_whole_when_it_is_refused(
    tmp_path: Path,
) -> None:
    folder = tmp_path / ".claude" / "tasks" / "a-list"
    claude(folder, 1)
    async with staged(folder, size=(40, 12)) as stage:
        await stage.press("F")
        await stage.until(lambda: stage.status)
        assert stage.screen.query_one("#status").size.height > 1
        assert " ".join(shown(stage.deck).split()).count("has no state for a task that was given up") == 1
        await stage.press("3")
        assert "no tasks: Claude Code has no state for a review" in " ".join(shown(stage.deck).split())
        await stage.press("slash", *"x", "enter")
        await stage.until(lambda: "none match" in shown(stage.deck))
        assert "no state for a review" not in " ".join(shown(stage.deck).split())


async def test_what_a_format_does_not_keep_is_shown_nowhere(tmp_path: Path, store: Path) -> None:
    folder = tmp_path / ".claude" / "tasks" / "a-list"
    claude(folder, 1)
    for address, has in ((folder, False), (store, True)):
        async with staged(address) as stage:
            assert ("P5" in shown(stage.deck)) is has
            await stage.press("1", "enter")
            await stage.until(lambda: "in state" in shown(stage.deck))
            page = shown(stage.deck)
            assert [word in page for word in ("lower runs first", "times back")] == [has, has]


async def test_an_outside_change_is_shown_and_the_cursor_stays(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("1", "j")
        act(stage.other, "pending-2", Action.START, actor="worker-9")
        await stage.until(lambda: "pending-2" in stage.ids(1))
        assert stage.held == "pending-3"
        assert "pending-2 moved to in progress by worker-9" in stage.status


async def test_a_click_puts_the_cursor_and_a_second_opens(store: Path) -> None:
    async with staged(store, size=(200, 50)) as stage:
        x, y = 85, 1 + 2 + 3
        await stage.pilot.click(offset=(x, y))
        await stage.until(lambda: stage.held == "review-2")
        await stage.pilot.click(offset=(x, y), times=2)
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)


async def test_the_wheel_scrolls_the_column_under_it(tmp_path: Path) -> None:
    async with staged(filled(tmp_path / "long.db", (60, 60, 0, 0, 0)), size=(200, 50)) as stage:
        from textual.events import MouseScrollDown

        board = stage.board
        for _ in range(3):
            board.post_message(MouseScrollDown(board, 50, 10, 0, 1, 0, False, False, False, 50, 11))
        await stage.until(lambda: stage.view.columns[1].top == 3)
        assert stage.view.columns[0].top == 0


async def test_only_themes_that_know_our_colours_are_offered_and_each_can_be_chosen(store: Path) -> None:
    async with staged(store) as stage:
        assert sorted(stage.deck.available_themes) == sorted(theme.name for theme in THEMES)
        for name in stage.deck.available_themes:
            stage.deck.theme = name
            await stage.pilot.pause()
            assert stage.held == "pending-1"


async def test_the_conflict_of_a_frozen_board_names_who_really_changed_the_task(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("p", "3")
        await stage.until(lambda: "frozen" in stage.header)
        act(stage.other, "review-1", Action.APPROVE, actor="grace")
        await stage.press("a")
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)
        card = stage.deck.screen
        assert isinstance(card, ConflictCard)
        assert [conflict.events[-1].actor for conflict in card.conflicts] == ["grace"]


@pytest.mark.parametrize("keys", [("a",), ("*", "a")])
async def test_the_conflict_of_a_file_without_an_audit_log_says_that_nobody_is_on_record(
    tmp_path: Path, keys: tuple[str, ...]
) -> None:
    path = tmp_path / "tasks.json"
    tasks = [{"id": f"t-{number}", "title": "Title", "state": "review"} for number in (1, 2)]
    path.write_text(json.dumps(tasks))
    async with staged(path) as stage:
        await stage.press("3", "p")
        await stage.until(lambda: "frozen" in stage.header)
        path.write_text(json.dumps([{**tasks[0], "state": "pending"}, tasks[1]]))
        await stage.until(lambda: "newer changes wait" in stage.header)
        await stage.press(*keys)
        await stage.until(lambda: isinstance(stage.deck.screen, ConflictCard))
        pager = stage.deck.screen.query_one(Pager)
        await stage.until(lambda: "no record of who" in " ".join(line.plain for line in pager.lines))
        assert "added it" not in " ".join(line.plain for line in pager.lines)


async def test_an_action_on_tasks_that_the_filter_hides_asks_once(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("3", "space")
        stage.screen.filter_by("id:pending-3")
        await stage.until(lambda: stage.held is None and stage.view.columns[0].tally.count == 1)
        await stage.press("a")
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)
        assert stage.state("review-1") is State.REVIEW


async def test_an_open_page_says_that_the_store_is_lost(tmp_path: Path) -> None:
    path = filled(tmp_path / "tasks.json")
    async with staged(path, size=(80, 24)) as stage:
        await stage.press("enter")
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)
        stage.other.close()
        path.unlink()
        await stage.until(lambda: "last good look" in str(stage.deck.screen.query(".told").first().render()))


async def test_an_order_that_was_remembered_is_there_from_the_first(store: Path) -> None:
    async with staged(store, order="newest") as stage:
        await stage.until(lambda: stage.ids(0) == ["pending-4", "pending-3", "pending-2", "pending-1"])
        assert stage.screen.order_name == "newest"
