"""The page on how one task came to be where it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from board_stage import Stage as Deck
from board_stage import act, add, filled, staged
from msgspec.structs import replace
from stage import NOW, Stage, event, history, settled, shown, task
from textual.pilot import Pilot

from taskdeck_store import Action, command, open_store
from taskdeck_store.clock import plus
from taskdeck_store.values import Event, State, Task
from taskdeck_tui.markdown import story_markdown
from taskdeck_tui.model.told import Told, tell
from taskdeck_tui.screens.chapters import STEPS
from taskdeck_tui.screens.pager import Pager
from taskdeck_tui.screens.story import StoryPage

BOTH = pytest.mark.parametrize("name", ["tasks.db", "tasks.json"])


def told(events: Sequence[Event] | None = None, of: Task | None = None) -> Told:
    return tell("task-17", history() if events is None else events, of or task(), NOW)


def stage(of: Told | None = None, **options: Any) -> Stage:
    return Stage(lambda: StoryPage(of or told(), **options))


def page(app: Stage) -> StoryPage:
    assert isinstance(app.screen, StoryPage)
    return app.screen


def lines(app: Any) -> list[str]:
    """Return all lines of the page, in sight or not."""
    return [line.plain for line in app.screen.query_one(Pager).lines]


def text(app: Any) -> str:
    return " ".join(" ".join(lines(app)).replace("│", " ").replace("▎", " ").split())


async def opened(deck: Deck) -> StoryPage:
    await deck.until(lambda: isinstance(deck.deck.screen, StoryPage) and deck.deck.screen.in_place)
    found = deck.deck.screen
    assert isinstance(found, StoryPage)
    await deck.until(lambda: found.query_one(Pager).lines)
    return found


def twice(path: Path) -> Path:
    """Make a store with a task that was rejected once, and is in review again."""
    filled(path, (0, 0, 0, 0, 0))
    store = open_store(str(path))
    add(store, "t-1", State.REVIEW, title="Count the sheets")
    act(store, "t-1", Action.REJECT, actor="ann", note="the sums are wrong")
    act(store, "t-1", Action.START, actor="worker-2")
    act(store, "t-1", Action.SUBMIT, actor="worker-2")
    store.close()
    return path


@pytest.mark.parametrize("size", [(200, 50), (80, 24), (40, 12)])
async def test_the_whole_story_is_there_at_every_size(size: tuple[int, int]) -> None:
    app = stage()
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        heading = shown(app).splitlines()[0 if size[1] < 20 else 1 if size[0] < 110 else 2]
        assert "◆ review  task-17  Fix the flaky" in heading
        found = text(app)
        for part in (
            *("task-17 is in review.", "ada rejected it 35 minutes later:", "waiting for review for 3 minutes."),
            *("attempt 1 of 3 worker-1 · 1h 31m", "attempt 2 of 3 worker-2 · 33m 20s so"),
            *("◐ worker-1 started attempt 1", "after 25m pending", "· an outside program changed priority", "5 → 2"),
            *("A retry hides the cause. Find what the session test leaves behind.", "2026-01-31"),
            *("added a retry", '− {"passed": 212,', "now ◆ in review for 3m 10s"),
        ):
            assert part in found, part


async def test_lines_keep_within_the_page() -> None:
    for width in (40, 60, 80, 120):
        app = stage()
        async with app.run_test(size=(width, 24)) as pilot:
            await settled(pilot)
            pager = app.screen.query_one(Pager)
            room = pager.scrollable_content_region.width
            assert [line.plain for line in pager.lines if line.cell_length > room] == []


async def test_steps_are_told_in_order_with_their_moment_and_mark() -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        steps = [line.split()[:2] for line in lines(app) if line[:2].isdigit() and line[2] == ":"]
        assert steps == [
            ["07:00:00", "○"],
            ["07:25:00", "◐"],
            ["07:56:40", "◆"],
            ["08:31:40", "○"],
            ["08:33:20", "·"],
            ["08:40:00", "◐"],
            ["09:01:50", "◆"],
        ]


async def test_the_time_in_each_state_has_a_bar_of_its_share() -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        bars = {line.split("  ")[0]: line.count("━") for line in lines(app) if line.endswith(("━", "╸"))}
        assert list(bars) == ["○ pending", "◐ in progress", "◆ review"]
        assert bars["○ pending"] < bars["◆ review"] < bars["◐ in progress"]
        assert "38m 10s so far" in text(app)


async def test_only_why_is_nothing_but_the_reasons_and_the_story_one_key_away() -> None:
    app = stage(only_why=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "It has been waiting for review for 3 minutes." in text(app)
        assert "07:25:00" not in text(app)
        assert "W why" not in shown(app)
        await pilot.press("S")
        await settled(pilot)
        assert "07:25:00" in text(app)
        assert "S story" not in shown(app)
        await pilot.press("G", "W")
        await settled(pilot)
        assert "07:25:00" not in text(app)
        assert "task-17 is in review." in shown(app)


@pytest.mark.parametrize("only_why", [False, True])
async def test_ages_are_counted_on(only_why: bool) -> None:
    app = stage(only_why=only_why)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        page(app).tick(plus(NOW, 600))
        await settled(pilot)
        assert "It has been waiting for review for 13 minutes." in text(app)
        assert only_why or "◆ in review for 13m 10s" in text(app)
        assert only_why or "48m 10s so far" in text(app)


async def test_a_story_of_the_past_stays_at_its_moment() -> None:
    app = stage(live=False)
    async with app.run_test(size=(120, 24)) as pilot:
        await settled(pilot)
        page(app).tick(plus(NOW, 600))
        await settled(pilot)
        assert "for 3 minutes." in text(app)
        assert "as of 2026-01-31 09:05:00Z" in shown(app)
        assert "then ◆ in review for 3m 10s" in text(app)
        assert not any(line.startswith("now") for line in lines(app))


async def test_one_who_reads_stays_on_his_line_and_one_at_the_end_stays_there() -> None:
    app = stage()
    approved = event(50, Action.APPROVE, State.REVIEW, State.COMPLETED, 0, actor="ada", note="so be it, " * 20)
    fixed = event(51, Action.EDIT, State.COMPLETED, State.COMPLETED, 0, actor="bo", changes={"priority": (2, 3)})
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        pager = page(app).query_one(Pager)
        await pilot.press("pagedown", "j", "j", "j")
        reading = pager.lines[pager.scroll_offset.y].plain
        before = [line.plain for line in pager.lines].index(reading)
        page(app).update_story(told([*history(), approved], task(state=State.COMPLETED, state_since=NOW)))
        await settled(pilot)
        assert pager.lines[pager.scroll_offset.y].plain == reading
        assert [line.plain for line in pager.lines].index(reading) > before
        assert "✓ completed" in shown(app)
        await pilot.press("G")
        page(app).update_story(told([*history(), approved, fixed], task(state=State.COMPLETED, state_since=NOW)))
        await settled(pilot)
        assert pager.scroll_offset.y == pager.max_scroll_y
        assert "bo changed priority" in shown(app)


async def test_y_copies_markdown_and_capital_y_json() -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("y")
        await app.workers.wait_for_complete()
        await settled(pilot)
        assert app.clipboard == "\n".join(story_markdown(told().story)) + "\n"
        assert "copied the story of task-17 as Markdown" in shown(app)
        await pilot.press("Y")
        await app.workers.wait_for_complete()
        await settled(pilot)
        copied = json.loads(app.clipboard)
        assert copied["task_id"] == "task-17"
        assert copied["why"] == list(told().why)
        assert [len(chapter["steps"]) for chapter in copied["chapters"]] == [4, 3]
        assert copied["chapters"][0]["steps"][3]["event"]["note"].startswith("A retry hides the cause.")


async def test_a_task_without_a_log_is_told_to_be_unknown() -> None:
    app = stage(told([]))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "The log knows nothing of it." in text(app)
        assert "┄┄ ┆ the log knows nothing of it" in text(app)
        assert "now ◆ in review for 3m 10s" in text(app)
        assert "attempt" not in text(app)


async def test_what_the_log_does_not_know_is_marked_where_it_lies() -> None:
    started, rejected = history()[1], history()[3]
    odd = event(40, "polish", State.PENDING, State.PENDING, 5, at="yesterday")
    app = stage(told([started, rejected, odd]))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        found = text(app).replace("┆", "").replace("  ", " ")
        for part in (
            "┄┄ before this, the log knows nothing of it",
            "┄┄ between these two events something is missing",
            "after an unknown time in review",
            "? · worker-2 did polish",
            "┄┄ this version does not know that action",
            "now ◆ in review",
        ):
            assert part in found, part


async def test_a_task_that_is_gone_is_said_to_be_gone() -> None:
    taken = event(50, "removed", State.REVIEW, None, 60, actor="external")
    app = stage(tell("task-17", [*history(), taken], None, NOW))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "× gone  task-17" in shown(app)
        assert "now × gone for 1m" in text(app)


async def test_of_a_long_story_the_newest_steps_are_shown_and_all_are_copied() -> None:
    edits = [
        event(100 + number, Action.EDIT, State.REVIEW, State.REVIEW, 100, changes={"priority": (number, number + 1)})
        for number in range(3_000)
    ]
    app = stage(told([*history(), *edits]))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert f"… {3_007 - STEPS:,} earlier steps are not shown here" in text(app)
        assert "2999 → 3000" in text(app)
        assert "2500 → 2501" in text(app)
        assert "2499 → 2500" not in text(app)
        assert "attempt 1 of 3" not in text(app)
        await pilot.press("y")
        await app.workers.wait_for_complete()
        assert app.clipboard.count("changed priority") > 3_000


async def test_long_notes_and_values_are_cut_and_said_to_be() -> None:
    note = "\n".join(f"line {number}" for number in range(40))
    result = {f"key-{number}": "x" * 500 for number in range(300)}
    app = stage(told([*history()[:1], event(13, "start", State.PENDING, State.IN_PROGRESS, 9, note=note)]))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "line 7" in text(app)
        assert "line 8" not in text(app)
        assert "… 32 more lines" in text(app)
        longer = event(13, "start", State.PENDING, State.IN_PROGRESS, 9, changes={"result": (None, result)})
        page(app).update_story(told([*history()[:1], longer]))
        await settled(pilot)
        assert "key-0" in text(app)
        assert "key-299" not in text(app)
        assert "more lines" in text(app)


HOSTILE = "\x1b[2J\x1b]0;owned\x07 [/foo] [b]no[/b] [@click=app.quit]x[/] \u202egnp.exe \x9b1m \ud800 \x00"


@pytest.mark.parametrize("size", [(200, 50), (40, 12)])
async def test_hostile_text_is_harmless(size: tuple[int, int]) -> None:
    changes: dict[str, Any] = {
        "title": (None, HOSTILE),
        HOSTILE: ({"a": [HOSTILE, 10**4000]}, {"a": [HOSTILE, 1], HOSTILE: HOSTILE}),
        "data": (None, {HOSTILE: HOSTILE * 100}),
        "result": (None, [[HOSTILE] * 3]),
        "huge": (None, 10**4000),
        "text": (HOSTILE, "x" * 10_000),
    }
    bad = event(1, HOSTILE, None, State.PENDING, 60, actor=HOSTILE, note=HOSTILE * 200, changes=changes)
    worse = event(2, Action.START, State.PENDING, State.IN_PROGRESS, 30, at=HOSTILE, actor="x" * 100_000)
    of = task(title=HOSTILE * 100_000, owner=HOSTILE, id=HOSTILE)
    app = stage(tell(HOSTILE, [bad, worse], of, NOW))
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        for key in ("y", "Y", "W", "S", "G"):
            await pilot.press(key)
            await app.workers.wait_for_complete()
            await settled(pilot)
            for line in (*lines(app), *shown(app).splitlines()):
                assert not set(line) & set("\x00\x07\x1b\x9b\u202e\ud800")
        assert "[b]no[/b]" in " ".join(lines(app))


async def test_the_same_seq_in_another_store_is_laid_out_anew() -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        page(app).update_story(told([replace(each, actor="zoe") for each in history()]))
        await settled(pilot)
        assert "zoe started attempt 1" in text(app)
        assert "worker-1 started" not in text(app)


@BOTH
async def test_from_the_board_the_story_opens_and_closes(tmp_path: Path, name: str) -> None:
    async with staged(twice(tmp_path / name)) as deck:
        await deck.press("3", "S")
        await opened(deck)
        found = text(deck.deck)
        for part in ("t-1 is in review.", "attempt 1 of 3", "attempt 2 of 3", "ann rejected it", "the sums are wrong"):
            assert part in found, part
        await deck.press("escape")
        await deck.until(lambda: deck.deck.screen is deck.screen)


@BOTH
async def test_why_it_is_here_is_one_key_from_the_board(tmp_path: Path, name: str) -> None:
    async with staged(twice(tmp_path / name)) as deck:
        await deck.press("3", "W")
        await opened(deck)
        assert "t-1 is in review." in text(deck.deck)
        assert "ann rejected it" in text(deck.deck)
        assert "attempt 1 of 3" not in text(deck.deck)


@pytest.mark.parametrize(("key", "whole"), [("S", True), ("W", False)])
async def test_from_the_details_it_opens_and_closes_back_to_them(tmp_path: Path, key: str, whole: bool) -> None:
    async with staged(twice(tmp_path / "tasks.db")) as deck:
        await deck.press("3", "enter")
        await deck.until(lambda: deck.deck.screen.query("#fields"))
        details = deck.deck.screen
        await deck.press(key)
        await opened(deck)
        assert ("attempt 1 of 3" in text(deck.deck)) is whole
        await deck.press("escape")
        await deck.until(lambda: deck.deck.screen is details)


@BOTH
async def test_an_open_story_follows_its_task(tmp_path: Path, name: str) -> None:
    async with staged(twice(tmp_path / name)) as deck:
        await deck.press("3", "S")
        found = await opened(deck)
        act(deck.other, "t-1", Action.APPROVE, actor="eve", note="all right now")
        await deck.until(lambda: "eve approved it" in text(deck.deck))
        await deck.until(lambda: "✓ completed" in str(found.query_one(".heading").render()))
        deck.other.apply([command("t-1", Action.EDIT, actor="eve", title="Count the leaves")])
        await deck.until(lambda: "Count the leaves" in str(found.query_one(".heading").render()))
        await deck.press("escape")
        await deck.until(lambda: deck.deck.screen is deck.screen)
        await deck.press("4", "W")
        await opened(deck)
        assert "eve approved it" in text(deck.deck)


async def test_on_an_empty_column_nothing_opens(tmp_path: Path) -> None:
    async with staged(twice(tmp_path / "tasks.db")) as deck:
        await deck.press("1", "S", "W")
        await deck.pilot.pause()
        assert deck.deck.screen is deck.screen


async def test_a_store_without_a_log_tells_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps([{"id": "t-1", "title": "One", "state": "review"}]))
    async with staged(path, read_only=True) as deck:
        await deck.press("3", "S")
        await opened(deck)
        assert "The log knows nothing of it." in text(deck.deck)


@pytest.mark.parametrize("keys", [("S",), ("enter", "S"), ("enter", "W")])
async def test_in_the_past_it_is_the_story_up_to_that_moment(tmp_path: Path, keys: tuple[str, ...]) -> None:
    async with staged(twice(tmp_path / "tasks.db")) as deck:
        await deck.press("t")
        await deck.until(lambda: len(deck.deck.screen_stack) == 2)
        past = deck.deck.screen
        banner = past.query_one("#banner")
        for position in (5, 4):
            await deck.until(lambda at=position: f"event {at + 1} of" in str(banner.render()))
            await deck.press(",")
        await deck.until(lambda: "event 4 of" in str(banner.render()))
        for key in keys:
            before = len(deck.deck.screen_stack)
            await deck.press(key)
            await deck.until(lambda count=before: len(deck.deck.screen_stack) == count + 1)
        await opened(deck)
        assert "t-1 is pending." in text(deck.deck)
        assert "ann rejected it" in text(deck.deck)
        assert "started attempt 2" not in text(deck.deck)
        assert "less than a second" in text(deck.deck)
        act(deck.other, "t-1", Action.APPROVE, actor="eve")
        await deck.pilot.pause()
        assert "eve" not in text(deck.deck)


async def test_closing_keys_and_scrolling_keys_work() -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        pager: Pager = page(app).query_one(Pager)
        await scrolled(pilot, pager, "j", "k")
        await scrolled(pilot, pager, "pagedown", "pageup")
        await scrolled(pilot, pager, "G", "g")
        await pilot.press("q")
        await settled(pilot)
        assert app.results == [None]


async def scrolled(pilot: Pilot[Any], pager: Pager, forth: str, back: str) -> None:
    await pilot.press(forth)
    assert pager.scroll_offset.y > 0
    await pilot.press(back)
    assert pager.scroll_offset.y == 0
