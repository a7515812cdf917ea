"""The board as it was: every key of it, what it shows, and that nothing can be changed there."""

from __future__ import annotations

import re
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from board_stage import Stage, act, add, plain_sql, staged
from textual.events import Key
from textual.keys import _character_to_key
from textual.widgets import Static

from taskdeck_store import Action, command, create_store, open_store
from taskdeck_store.clock import from_microseconds, to_microseconds
from taskdeck_tui.board.widget import Board
from taskdeck_tui.folders import config_path
from taskdeck_tui.model import travel
from taskdeck_tui.model.look import Jump, Wanted
from taskdeck_tui.outlet import Outlet
from taskdeck_tui.replay.screen import ReplayScreen
from taskdeck_tui.replay.strip import Strip
from taskdeck_tui.replay.traveller import Traveller
from taskdeck_tui.screens.page import Page
from taskdeck_tui.screens.pager import Pager

BEGIN = to_microseconds("2026-01-31T09:00:00.000000Z")
BOTH = pytest.mark.parametrize("name", ["tasks.db", "tasks.json"])


class Ticking:
    """A clock that goes on ten seconds at each look."""

    def __init__(self) -> None:
        self.seconds = 0

    def __call__(self) -> str:
        self.seconds += 10
        return from_microseconds(BEGIN + self.seconds * 1_000_000)


def worked(path: Path) -> Path:
    """Make a store with eight events, ten seconds apart."""
    create_store(str(path))
    store = open_store(str(path), now=Ticking())
    add(store, "t-1", title="First")
    add(store, "t-2", title="Second")
    act(store, "t-1", Action.START, actor="ann")
    act(store, "t-1", Action.SUBMIT, actor="ann")
    act(store, "t-2", Action.START, actor="bob")
    act(store, "t-1", Action.REJECT, actor="eve", note="not yet")
    act(store, "t-2", Action.FAIL, actor="bob", note="no disk")
    store.apply([command("t-1", Action.EDIT, actor="ann", title="First again")])
    store.close()
    return path


class Past:
    """The past of an open board."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    @property
    def screen(self) -> ReplayScreen:
        screen = self.stage.deck.screen_stack[1]
        assert isinstance(screen, ReplayScreen)
        return screen

    def text(self, selector: str) -> str:
        return str(self.screen.query_one(selector).render())

    @property
    def board(self) -> Board:
        return self.screen.query_one(Board)

    @property
    def position(self) -> int:
        found = re.search(r"event ([\d,]+) of", self.text("#banner"))
        return int(found[1].replace(",", "")) if found else -1

    @property
    def columns(self) -> list[list[str]]:
        return [[card.id for card in column.cards] for column in self.board.view.columns]

    async def at(self, position: int) -> None:
        await self.stage.until(lambda: self.position == position)

    async def says(self, text: str) -> None:
        await self.stage.until(lambda: text in self.text("#happened"))

    async def press(self, *keys: str) -> None:
        await self.stage.press(*keys)

    def type(self, *keys: str) -> None:
        """Have all of the keys arrive at once."""
        for key in keys:
            character = key if len(key) == 1 else None
            self.stage.deck.post_message(Key(_character_to_key(key) if character else key, character))


@asynccontextmanager
async def past(path: Path, *, size: tuple[int, int] = (160, 40), end: int = 8) -> AsyncIterator[Past]:
    async with staged(worked(path), size=size) as stage:
        await stage.press("t")
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)
        opened = Past(stage)
        await opened.at(end)
        yield opened


@BOTH
async def test_the_past_begins_at_the_last_event_and_shows_the_board_as_it_is(tmp_path: Path, name: str) -> None:
    async with past(tmp_path / name) as there:
        assert "THE PAST" in there.text("#banner")
        assert there.columns == [["t-1"], [], [], [], ["t-2"]]
        assert "#8 t-1 ann changed title" in there.text("#happened")
        assert "First → First again" in there.text("#happened")


@BOTH
async def test_every_event_back_and_forth_shows_the_board_as_it_was(tmp_path: Path, name: str) -> None:
    boards = [
        [[], [], [], [], []],
        [["t-1"], [], [], [], []],
        [["t-1", "t-2"], [], [], [], []],
        [["t-2"], ["t-1"], [], [], []],
        [["t-2"], [], ["t-1"], [], []],
        [[], ["t-2"], ["t-1"], [], []],
        [["t-1"], ["t-2"], [], [], []],
        [["t-1"], [], [], [], ["t-2"]],
        [["t-1"], [], [], [], ["t-2"]],
    ]
    async with past(tmp_path / name) as there:
        for position in reversed(range(8)):
            await there.press(",")
            await there.at(position)
            assert there.columns == boards[position]
        assert "nothing is on record yet" in there.text("#happened")
        assert "before the first event" in there.text("#banner")
        for position in range(1, 9):
            await there.press(".")
            await there.at(position)
            assert there.columns == boards[position]


async def test_the_card_of_the_event_is_lit_and_under_the_cursor(tmp_path: Path) -> None:
    async with past(tmp_path / "tasks.db") as there:
        await there.press(",")
        await there.at(7)
        held = there.board.view.held
        assert held is not None
        assert (held.id, there.board.view.focus) == ("t-2", 4)
        assert "#7 t-2 bob failed it" in there.text("#happened")
        assert "“no disk”" in there.text("#happened")


WAYS: dict[str, tuple[int, str, int]] = {
    "ten back": (8, "<", 0),
    "ten on": (0, ">", 8),
    "a minute back": (8, "[", 2),
    "a minute on": (1, "]", 7),
    "an hour back": (8, "{", 0),
    "an hour on": (1, "}", 8),
    "the task's event before": (8, "I", 6),
    "the task's next event": (1, "i", 3),
    "the actor's event before": (8, "W", 4),
    "the actor's next event": (5, "w", 7),
    "the action's event before": (5, "E", 3),
    "the action's next event": (3, "e", 5),
    "the beginning": (5, "^", 0),
    "the end": (5, "$", 8),
}


async def test_every_key_leads_where_it_says(tmp_path: Path) -> None:
    async with past(tmp_path / "tasks.db") as there:
        for start, key, found in WAYS.values():
            await there.press("^")
            await there.at(0)
            await there.press(*"." * start)
            await there.at(start)
            await there.press(key)
            await there.at(found)


async def test_where_there_is_nothing_to_go_to_it_is_said(tmp_path: Path) -> None:
    async with past(tmp_path / "tasks.db") as there:
        for key, said in {
            "]": "there is nothing further that way",
            "i": "no later event of t-1",
            "w": "no later event of this actor",
            "e": "no later event of this action",
        }.items():
            await there.press(key)
            await there.says(said)
            assert there.position == 8


async def test_one_can_go_to_a_time_that_is_typed(tmp_path: Path) -> None:
    async with past(tmp_path / "tasks.db") as there:
        for typed, position in {
            "2026-01-31 09:00:35": 3,
            "#5": 5,
            "2026-01-30": 0,
            "now": 8,
            "2026-01-31T09:00:40Z": 4,
        }.items():
            await there.press("t", *typed, "enter")
            await there.at(position)


async def test_the_number_of_no_event_yet_is_refused(tmp_path: Path) -> None:
    async with past(tmp_path / "tasks.db") as there:
        await there.press("t", *"#9", "enter")
        refusal = lambda: str(there.stage.deck.screen.query_one("#refusal").render())  # noqa: E731
        await there.stage.until(lambda: "the log ends with #8" in refusal())
        await there.press("backspace", "4", "enter")
        await there.at(4)


async def test_a_time_that_is_none_is_refused_and_can_be_called_off(tmp_path: Path) -> None:
    async with past(tmp_path / "tasks.db") as there:
        await there.press("t", *"teatime", "enter")
        await there.stage.until(
            lambda: "'teatime' is no moment" in str(there.stage.deck.screen.query_one("#refusal").render())
        )
        await there.press("escape")
        await there.stage.until(lambda: there.stage.deck.screen is there.screen)
        assert there.position == 8


async def test_what_is_looked_for_is_found_on_and_back(tmp_path: Path) -> None:
    async with past(tmp_path / "tasks.db") as there:
        await there.press("^", "/", *"actor:ann", "enter")
        await there.at(3)
        await there.press("n")
        await there.at(4)
        await there.press("n")
        await there.at(8)
        await there.press("n")
        await there.says("nothing after this meets actor:ann")
        await there.press("N")
        await there.at(4)
        await there.press("/", *"state:failed", "enter")
        await there.at(7)
        await there.press("N")
        await there.says("nothing before this meets state:failed")
        assert there.position == 7


async def test_looking_on_for_nothing_asks_what_for(tmp_path: Path) -> None:
    async with past(tmp_path / "tasks.db") as there:
        await there.press("n", *"action:", "enter")
        await there.stage.until(
            lambda: "action: needs a name" in str(there.stage.deck.screen.query_one("#refusal").render())
        )


async def test_a_play_runs_to_the_end_and_stands_still_where_it_is_told_to(tmp_path: Path) -> None:
    async with past(tmp_path / "tasks.db") as there:
        await there.press("^", "+", "+", "+", "+")
        await there.says("plays 100 events a second")
        await there.press("space")
        await there.at(8)
        await there.says("this is the end of the log")
        await there.press("^", "b", *"state:review", "enter")
        await there.says("plays stop at state:review")
        await there.press("space")
        await there.at(4)
        await there.says("stopped: state:review")
        assert "▶" not in there.text("#banner")
        await there.press("b", *["backspace"] * 20, "enter")
        await there.says("plays stop nowhere")
        await there.press("^", "b", *"task:t-2", "enter")
        await there.says("plays stop at task:t-2")
        for position in (2, 5, 7):
            await there.press("space")
            await there.at(position)
            await there.says("stopped: task:t-2")


async def test_a_play_at_its_end_begins_anew_and_can_be_paused(tmp_path: Path) -> None:
    async with past(tmp_path / "tasks.db") as there:
        await there.press("-", "-", "space")
        await there.at(0)
        await there.stage.until(lambda: "▶ 1 event a second" in there.text("#banner"))
        await there.press("space")
        await there.stage.until(lambda: "▶" not in there.text("#banner"))
        await there.press("v")
        await there.says("plays 60× real time")


async def test_a_play_goes_round_a_loop_until_it_is_let_go(tmp_path: Path) -> None:
    async with past(tmp_path / "tasks.db") as there:
        await there.press("^", ".", ".")
        await there.at(2)
        await there.press("(")
        await there.says("loop: go to where it ends")
        await there.press(".", ".", ")")
        await there.stage.until(lambda: "↻ 2–4" in there.text("#banner"))
        seen: list[int] = []

        def note() -> bool:
            if not seen or seen[-1] != there.position:
                seen.append(there.position)
            return seen.count(2) > 2

        await there.press("+", "+", "space")
        await there.stage.until(note)
        assert set(seen) <= {2, 3, 4}
        await there.press("space", ")")
        await there.says("no loop")


async def test_keys_that_arrive_at_once_each_act_where_the_one_before_led(tmp_path: Path) -> None:
    async with past(tmp_path / "tasks.db") as there:
        there.type("^", ".", ".", "(", ".", ".", ")", ".")
        await there.stage.until(lambda: "↻ 2–4" in there.text("#banner"))
        await there.at(5)
        there.type("^", ".", ".", "i", "i")
        await there.at(7)
        there.type("^", ".", "c", ".", ".", ".", "c", "escape", "^")
        await there.at(0)
        await there.stage.until(lambda: there.stage.deck.screen is there.screen)
        there.type("t", *"#3", "enter", ",", "S", "escape", ",")
        await there.at(1)
        assert there.stage.deck.screen is there.screen


async def test_every_action_is_refused_with_a_word_on_the_way_back(tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    async with past(path) as there:
        for key in "saXRF":
            there.screen.query_one("#happened")._notice = None  # type: ignore[attr-defined]
            await there.press(key)
            await there.says("this is the past, where nothing can be changed; esc goes back to now")
        assert len(there.stage.deck.screen_stack) == 2
        await there.press("enter")
        await there.stage.until(lambda: len(there.stage.deck.screen_stack) == 3)
        await there.press(*"saXRF")
        await there.press("escape", "escape")
        await there.stage.until(lambda: len(there.stage.deck.screen_stack) == 1)
        assert len(there.stage.other.events()) == 8


async def test_an_action_on_a_page_of_the_past_is_refused_too(tmp_path: Path) -> None:
    async with past(tmp_path / "tasks.db") as there:
        for page in ("enter", "S"):
            await there.press(page)
            await there.stage.until(lambda: isinstance(there.stage.deck.screen, Page))
            await there.stage.until(lambda: there.stage.deck.screen.query(".told"))
            for key in ("s", "a", "X", "R", "F"):
                there.stage.deck.screen.tell("nothing yet")  # type: ignore[attr-defined]
                await there.press(key)
                await there.stage.until(
                    lambda: "nothing can be changed" in str(there.stage.deck.screen.query_one(".told", Static).render())
                )
            await there.press("escape")
            await there.stage.until(lambda: there.stage.deck.screen is there.screen)


@pytest.mark.parametrize("key", ["escape", "q"])
async def test_one_key_leads_back_to_now(tmp_path: Path, key: str) -> None:
    async with past(tmp_path / "tasks.db") as there:
        await there.press(",", key)
        await there.stage.until(lambda: len(there.stage.deck.screen_stack) == 1)
        await there.stage.press("t")
        await there.stage.until(lambda: len(there.stage.deck.screen_stack) == 2)
        await there.at(8)


@BOTH
async def test_what_happens_meanwhile_is_counted_and_can_be_gone_to(tmp_path: Path, name: str) -> None:
    async with past(tmp_path / name) as there:
        await there.press("^")
        await there.at(0)
        act(there.stage.other, "t-1", Action.START, actor="zoe")
        await there.stage.until(lambda: "+1 since" in there.text("#banner"))
        assert there.position == 0
        assert "of 9" in there.text("#banner")
        await there.press("$")
        await there.at(9)
        assert "zoe started attempt 2" in there.text("#happened")
        assert there.columns == [[], ["t-1"], [], [], ["t-2"]]


async def test_a_log_that_is_sealed_later_is_still_the_same(tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    async with past(path) as there:
        plain_sql(path, "UPDATE tasks SET title = 'by hand' WHERE id = 't-2'")
        await there.stage.until(lambda: "of 9" in there.text("#banner"))
        act(there.stage.other, "t-1", Action.START)
        await there.stage.until(lambda: "of 10" in there.text("#banner"))
        assert "+2 since" in there.text("#banner")
        assert there.position == 8


async def test_details_tell_of_the_task_as_it_was(tmp_path: Path) -> None:
    def page(there: Past) -> str:
        rows = there.stage.deck.screen._compositor.render_strips()
        return "\n".join(strip.text for strip in rows)

    async with past(tmp_path / "tasks.db") as there:
        await there.press(",", ",", ",", ",")
        await there.at(4)
        await there.press("enter")
        await there.stage.until(lambda: "the past: as of" in page(there))
        shown = page(there)
        assert "First" in shown
        assert "First again" not in shown
        assert "submitted a result" in shown
        assert "rejected" not in shown


async def test_two_moments_are_compared_with_what_moved_is_new_and_how_fast(tmp_path: Path) -> None:
    def page(there: Past) -> str:
        rows = there.stage.deck.screen._compositor.render_strips()
        return "\n".join(strip.text for strip in rows)

    async with past(tmp_path / "tasks.db") as there:
        await there.press("c")
        await there.says("compare: go to the other moment, then c")
        await there.press(*"," * 7)
        await there.at(1)
        assert "◇" in there.text("#strip")
        await there.press("c")
        await there.stage.until(lambda: "Compared" in page(there))
        shown = " ".join(page(there).split())
        assert "2026-01-31 09:00:10Z → 2026-01-31 09:01:20Z · 1m 10s · 7 events" in shown
        assert "○ pending 1 1 0 +0.0" in shown
        assert "✗ failed 0 1 +1 +51.4" in shown
        assert "new, now ✗ failed" in shown
        assert "1 task moved and came back" in shown
        assert "start 2 102.9 an hour" in shown
        await there.press("escape")
        await there.stage.until(lambda: there.stage.deck.screen is there.screen)
        assert "◇" not in there.text("#strip")


async def test_a_copy_is_of_the_task_as_it_was(tmp_path: Path) -> None:
    async with past(tmp_path / "tasks.db") as there:
        await there.press(*"," * 6)
        await there.at(2)
        await there.press("y")
        assert there.stage.deck.clipboard == "t-2"
        await there.press("Y")
        await there.stage.until(lambda: '"title":"Second"' in there.stage.deck.clipboard)
        assert '"state":"pending"' in there.stage.deck.clipboard


async def test_the_timeline_shows_failures_and_can_be_dragged(tmp_path: Path) -> None:
    async with past(tmp_path / "tasks.db") as there:
        bars, marks, ends = there.text("#strip").splitlines()
        assert marks.count("✗") == 1
        assert "▲" in marks
        assert len(bars) == len(ends)
        pilot = there.stage.pilot
        strip = there.screen.query_one(Strip)
        await pilot.mouse_down(strip, offset=(1, 0))
        await there.at(1)
        await pilot.hover(strip, offset=(strip.size.width, 0))
        await there.at(8)
        await pilot.mouse_up(strip, offset=(strip.size.width, 0))


async def test_order_and_lines_of_the_cards_can_be_changed(tmp_path: Path) -> None:
    async with past(tmp_path / "tasks.db") as there:
        await there.press(*"," * 6)
        await there.at(2)
        lines = there.board.lines
        await there.press("z")
        assert there.board.lines != lines
        await there.press("o", "o", "o")
        await there.stage.until(lambda: there.columns[0] in (["t-1", "t-2"], ["t-2", "t-1"]))


async def test_a_filter_of_the_board_does_not_narrow_the_past(tmp_path: Path) -> None:
    async with staged(worked(tmp_path / "tasks.db")) as stage:
        await stage.press("/", *"id:t-2", "enter")
        await stage.until(lambda: stage.ids(0) == [])
        await stage.press("t")
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)
        there = Past(stage)
        await there.at(8)
        assert there.columns == [["t-1"], [], [], [], ["t-2"]]


async def test_a_store_without_a_log_has_no_past(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    path.write_text('[{"id": "t-1", "title": "x", "state": "pending"}]')
    async with staged(path) as stage:
        await stage.press("t")
        await stage.until(lambda: "there is no past to go to" in stage.status)
        assert len(stage.deck.screen_stack) == 1


@BOTH
async def test_another_store_in_the_place_of_this_one_has_its_own_past(tmp_path: Path, name: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    create_store(str(elsewhere / name))
    other = open_store(str(elsewhere / name), now=Ticking())
    add(other, "z-1", title="Another")
    act(other, "z-1", Action.START)
    other.close()
    async with past(tmp_path / name) as there:
        await there.press("c", ",", ",")
        await there.at(6)
        for file in elsewhere.iterdir():
            file.replace(tmp_path / file.name)
        await there.at(2)
        assert there.columns == [[], ["z-1"], [], [], []]
        assert "of 2" in there.text("#banner")
        await there.says("the store was replaced by another one: this is its past")
        await there.press(",")
        await there.at(1)
        # What was marked was in the other log.
        await there.press("c")
        await there.says("compare: go to the other moment, then c")
        await there.press(".")
        await there.at(2)
        await there.press("c")
        await there.stage.until(lambda: there.stage.deck.screen.query("#compared"))


async def test_a_store_that_is_lost_is_said_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    async with past(path) as there:
        hidden = path.with_name("hidden.db")
        path.rename(hidden)
        await there.press(",")
        await there.says("was deleted or moved away")
        assert "event 8 of 8" in there.text("#banner")
        assert "✗ lost" in there.text("#banner")
        hidden.rename(path)
        await there.at(7)
        assert "was deleted" not in there.text("#happened")
        assert "✗" not in there.text("#banner")


async def test_a_log_that_is_taken_away_is_missed_and_comes_back(tmp_path: Path) -> None:
    log = tmp_path / "tasks.audit.jsonl"
    async with past(tmp_path / "tasks.json") as there:
        await there.press(",", ",")
        await there.at(6)
        log.rename(tmp_path / "away")
        await there.says("the log is gone")
        await there.at(0)
        (tmp_path / "away").rename(log)
        await there.says("the log is back")
        await there.at(6)
        assert "since" not in there.text("#banner")
        assert there.columns == [["t-1"], ["t-2"], [], [], []]


async def test_a_log_that_is_harmed_under_the_eyes_is_said_to_be_lost_until_it_is_whole(tmp_path: Path) -> None:
    log = tmp_path / "tasks.audit.jsonl"
    async with past(tmp_path / "tasks.json") as there:
        await there.press(",")
        await there.at(7)
        lines = log.read_text().splitlines(keepends=True)
        log.write_text("".join([*lines[:4], *lines[6:]]))
        await there.says("line 5 is not the event that was written there")
        assert "event 7 of 8" in there.text("#banner")
        assert "✗ lost" in there.text("#banner")
        await there.press(",", ",")
        log.write_text("".join(lines))
        await there.stage.until(lambda: "✗" not in there.text("#banner"))
        # What was typed in vain is not done later.
        await there.press(".")
        await there.at(8)


async def test_a_log_that_is_cut_is_said_to_be_and_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    log = tmp_path / "tasks.audit.jsonl"
    async with past(path) as there:
        await there.press(",")
        await there.at(7)
        lines, tasks = log.read_text(), path.read_text()
        store = open_store(str(path))
        add(store, "t-3")
        store.close()
        await there.stage.until(lambda: "event 7 of 9" in there.text("#banner"))
        # A copy from before is put back, and then the newer one again.
        newer, newest = log.read_text(), path.read_text()
        log.write_text(lines)
        path.write_text(tasks)
        await there.says("the log was cut: it ends with #8 now, and had ended with #9")
        await there.at(7)
        log.write_text(newer)
        path.write_text(newest)
        await there.says("the log is back")
        await there.at(7)
        assert "since" not in there.text("#banner")


async def test_what_is_armed_is_in_the_banner_and_a_word_that_is_over_is_taken_back(tmp_path: Path) -> None:
    async with past(tmp_path / "tasks.db") as there:
        await there.press("/", *"actor:ann", "enter")
        await there.says("nothing after this meets actor:ann")
        await there.press("N")
        await there.at(4)
        assert "nothing after" not in there.text("#happened")
        await there.press("(")
        await there.stage.until(lambda: "( 4" in there.text("#banner"))
        await there.press(".", ")")
        await there.stage.until(lambda: "↻ 4–5" in there.text("#banner"))
        assert "( 4" not in there.text("#banner")
        assert "go to where it ends" not in there.text("#happened")
        await there.press("c")
        await there.stage.until(lambda: "◇ 5" in there.text("#banner"))
        await there.press(".", "c", "escape")
        await there.stage.until(lambda: "◇" not in there.text("#banner"))
        assert "go to the other moment" not in there.text("#happened")


async def test_the_number_of_the_event_is_never_cut(tmp_path: Path) -> None:
    async with past(tmp_path / "tasks.db", size=(60, 12)) as there:
        for width in range(60, 3, -1):
            await there.stage.pilot.resize_terminal(width, 12)
            await there.stage.until(lambda width=width: there.text("#banner") and there.stage.deck.size.width == width)  # type: ignore[misc]
            assert re.search(r"\b8( of 8|/8)?\b", there.text("#banner")), width


async def test_events_that_are_deleted_under_the_eyes_are_missed(tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    async with past(path) as there:
        await there.press("^", ".", ".")
        await there.at(2)
        plain_sql(path, "DROP TRIGGER events_delete_refused")
        plain_sql(path, "DELETE FROM events WHERE seq IN (3, 4)")
        await there.press(".")
        await there.says("the log was changed: it was read anew")
        await there.press(".")
        await there.at(3)
        assert "#5 t-2" in there.text("#happened")
        assert "events ahead of this one are missing" in there.text("#happened")


async def test_a_damaged_log_is_said_to_be_so_and_where(tmp_path: Path) -> None:
    path = worked(tmp_path / "tasks.json")
    log = tmp_path / "tasks.audit.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join([*lines[:5], *lines[6:]]))
    async with staged(path) as stage:
        await stage.press("t")
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)
        there = Past(stage)
        await there.at(7)
        assert "✗ damaged" in there.text("#banner")
        await there.says("events are lost: 6")
        await there.press(",")
        await there.at(6)
        assert "#7 t-2" in there.text("#happened")
        assert "events ahead of this one are missing" in there.text("#happened")
        assert "✗ damaged" in there.text("#banner")
        await stage.pilot.resize_terminal(40, 12)
        await stage.until(lambda: there.text("#happened").startswith("? #7 t-2"))
        assert "✗" in there.text("#banner")


async def test_it_fits_small_terminals(tmp_path: Path) -> None:
    async with past(tmp_path / "tasks.db", size=(40, 12)) as there:
        assert there.screen.query_one(Strip).size.height == 1
        assert "◀ PAST" in there.text("#banner")
        await there.press(",")
        await there.at(7)
        assert "esc now" in there.text("#hints")


async def test_the_palette_of_the_past_has_what_one_can_do_there(tmp_path: Path) -> None:
    async with past(tmp_path / "tasks.db") as there:
        for key in (":", "ctrl+p"):
            await there.press(key)
            await there.stage.until(lambda: there.stage.deck.screen is not there.screen)
            await there.press("escape")
            await there.stage.until(lambda: there.stage.deck.screen is there.screen)
        commands = {command.title: command for command in there.stage.deck.get_system_commands(there.screen)}
        assert "Approve" not in commands
        commands["Beginning"].callback()
        await there.at(0)
        commands["10 on"].callback()
        await there.at(8)


async def test_the_help_of_the_past_begins_with_its_keys(tmp_path: Path) -> None:
    async with past(tmp_path / "tasks.db") as there:
        await there.press("?")
        await there.stage.until(lambda: bool(there.stage.deck.screen.query(Pager)))
        pager = there.stage.deck.screen.query_one(Pager)
        await there.stage.until(lambda: bool(pager.lines))
        assert pager.lines[0].plain.startswith("The past")
        assert pager.lines[1].plain.split()[0] == ","
        await there.press("escape", "escape", "?")
        await there.stage.until(lambda: there.stage.deck.screen.query(Pager).first() is not pager)
        pager = there.stage.deck.screen.query_one(Pager)
        await there.stage.until(lambda: bool(pager.lines))
        assert pager.lines[0].plain.startswith("Act")


async def test_a_key_that_a_user_gave_to_an_action_still_leads_through_the_past(tmp_path: Path) -> None:
    config_path().parent.mkdir(parents=True)
    config_path().write_text('[keys]\napprove = "."\n')
    async with past(tmp_path / "tasks.db") as there:
        assert not there.stage.deck._config.problems
        await there.press(",", ",", ".")
        await there.at(7)


async def test_the_far_end_of_a_long_column_can_be_gone_to(tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    create_store(str(path))
    store = open_store(str(path), now=Ticking())
    store.apply([command(f"t-{number:03}", Action.ADD, actor="ann", title=f"{number}") for number in range(300)])
    store.close()
    async with staged(path) as stage:
        await stage.press("t")
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)
        there = Past(stage)
        await there.at(300)

        def held() -> str | None:
            card = there.board.view.held
            return card.id if card is not None else None

        await there.press("g")
        await stage.until(lambda: held() == "t-000")
        await there.press("G")
        await stage.until(lambda: held() == "t-299")
        await there.press("g")
        await stage.until(lambda: held() == "t-000")
        # Once one is there, one may go on: a frame that comes for another reason leads nobody back.
        await there.press("j")
        await stage.until(lambda: held() == "t-001")
        add(stage.other, "z-1")
        await stage.until(lambda: "of 301" in there.text("#banner"))
        assert held() == "t-001"


async def test_the_event_is_followed_also_where_the_board_asks_for_more_in_the_same_moment(tmp_path: Path) -> None:
    path = worked(tmp_path / "tasks.db")
    outlet, frames, held = Outlet(), threading.Event(), threading.Event()
    traveller = Traveller(lambda: open_store(str(path), read_only=True), Wanted(), Ticking(), outlet)
    traveller.ready = frames.set
    outlet.open(lambda run: run())
    traveller.start()
    try:
        assert frames.wait(10)
        frames.clear()
        traveller.take()
        traveller.ask(lambda _: held.wait(10), lambda _: None)
        traveller.go(travel.by_events(-1))
        traveller.want(Wanted(serial=7))
        held.set()
        assert frames.wait(10)
        frame = traveller.take()
        assert frame is not None
        assert frame.look is not None
        assert (frame.position, frame.look.wanted.serial, frame.look.wanted.jump) == (7, 7, Jump(4, 0))
    finally:
        traveller.close()


async def test_a_task_whose_beginning_is_lost_says_so(tmp_path: Path) -> None:
    path = worked(tmp_path / "tasks.db")
    plain_sql(path, "DROP TRIGGER events_delete_refused")
    plain_sql(path, "DELETE FROM events WHERE seq = 2")
    async with staged(path) as stage:
        await stage.press("t")
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)
        there = Past(stage)
        await there.at(7)
        await there.press(",", ",", ",", "h", "2")
        await there.at(4)
        (card,) = there.board.view.columns[1].cards
        assert (card.id, card.title) == ("t-2", "(the log does not tell its title)")
        assert "its task came to where it was" in there.text("#happened")
        await there.press("enter")
        await there.stage.until(lambda: there.stage.deck.screen.query(".told"))
        told = lambda: str(there.stage.deck.screen.query_one(".told", Static).render())  # noqa: E731
        await there.stage.until(lambda: "its beginning is not on record" in told())
