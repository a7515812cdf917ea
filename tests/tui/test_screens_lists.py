"""The audit log of the store, and what the operator did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from stage import NOW, Stage, event, outcome, settled, shown

from taskdeck_store.clock import plus
from taskdeck_store.machine import Code
from taskdeck_store.values import Action, Event, State
from taskdeck_tui.model.done import Done
from taskdeck_tui.screens.log import LogScreen
from taskdeck_tui.screens.mine import MineScreen
from taskdeck_tui.screens.rows import Rows


def events(first: int, last: int) -> list[Event]:
    return [
        event(seq, Action.START, State.PENDING, State.IN_PROGRESS, 5, task_id=f"task-{seq}", actor=f"w{seq}")
        for seq in range(first, last + 1)
    ]


def log(begun: Sequence[Event], **options: Any) -> Stage:
    return Stage(lambda: LogScreen(begun, NOW, **options))


def page(app: Stage) -> LogScreen:
    assert isinstance(app.screen, LogScreen)
    return app.screen


def cursor(app: Stage) -> int:
    return app.screen.query_one(Rows).cursor


async def answer(app: Stage) -> list[tuple[int, int]]:
    """Give the log what it asked for; return what that was."""
    wanted = [message for message in app.heard if isinstance(message, LogScreen.Wanted)]
    app.heard.clear()
    for message in wanted:
        page(app).add_events(events(message.first, message.last), NOW, answers=message)
    return [(message.first, message.last) for message in wanted]


async def test_the_log_is_newest_first_with_who_and_what() -> None:
    app = log(events(1, 5))
    async with app.run_test(size=(120, 24)) as pilot:
        await settled(pilot)
        lines = shown(app).splitlines()
        assert "5 events · newest first · names are claims" in shown(app)
        first = next(at for at, line in enumerate(lines) if "task-5" in line)
        assert "w5 started attempt 1" in lines[first]
        assert "2026-01-31 09:04:55Z" in lines[first]
        assert "task-4" in lines[first + 1]


async def test_an_empty_log_says_so() -> None:
    for audited, said in ((True, "no events yet"), (False, "no audit log here until something is done")):
        app = log([], audited=audited)
        async with app.run_test(size=(120, 24)) as pilot:
            await pilot.press("enter", "j", "G")
            await settled(pilot)
            assert said in shown(app)
            assert app.heard == []


async def test_only_what_comes_into_sight_is_asked_for_once() -> None:
    app = log(events(999_901, 1_000_000))
    async with app.run_test(size=(120, 24)) as pilot:
        await settled(pilot)
        assert await answer(app) == []
        await pilot.press("G", "k", "j")
        await settled(pilot)
        assert await answer(app) == [(1, 100)]
        await settled(pilot)
        assert "task-1 " in shown(app)
        assert "w1 started" in shown(app)
        assert await answer(app) == []


async def test_scrolling_far_keeps_only_what_is_near() -> None:
    app = log(events(6_901, 7_000))
    async with app.run_test(size=(120, 50)) as pilot:
        for _ in range(60):
            app.screen.query_one(Rows).scroll_relative(y=100, animate=False)
            await pilot.pause()
            await answer(app)
        await pilot.press("g")
        await settled(pilot)
        assert (6_901, 7_000) in await answer(app)
        await settled(pilot)
        assert "task-7000" in shown(app)


async def test_at_the_top_new_events_come_into_sight() -> None:
    app = log(events(1, 50))
    async with app.run_test(size=(120, 24)) as pilot:
        await settled(pilot)
        page(app).add_events(events(51, 60), plus(NOW, 60))
        await settled(pilot)
        assert "task-60" in shown(app)
        assert "60 events" in shown(app)
        assert cursor(app) == 0


async def test_below_the_top_the_cursor_stays_on_its_event_and_in_its_place() -> None:
    app = log(events(1, 50))
    async with app.run_test(size=(120, 24)) as pilot:
        await pilot.press("pagedown", "pagedown")
        await settled(pilot)
        before = [line[:100] for line in shown(app).splitlines()[3:20]]
        page(app).add_events(events(51, 60), NOW)
        await settled(pilot)
        assert [line[:100] for line in shown(app).splitlines()[3:20]] == before
        await pilot.press("enter")
        await settled(pilot)
        assert app.heard[-1].task_id == f"task-{60 - cursor(app)}"


async def test_enter_and_a_double_click_open_the_task() -> None:
    app = log(events(1, 50))
    async with app.run_test(size=(120, 24)) as pilot:
        await pilot.press("j", "enter")
        await settled(pilot)
        assert app.heard[-1].task_id == "task-49"
        await pilot.click(Rows, offset=(10, 4), times=2)
        await settled(pilot)
        assert app.heard[-1].task_id == "task-46"
        assert cursor(app) == 4


async def test_numbers_that_are_not_in_the_log_are_shown_as_missing() -> None:
    app = log([*events(1, 3), *events(6, 8)])
    async with app.run_test(size=(120, 24)) as pilot:
        await settled(pilot)
        wanted = app.heard[-1]
        assert (wanted.first, wanted.last) == (1, 8)
        page(app).add_events([*events(1, 3), *events(6, 8)], NOW, answers=wanted)
        app.heard.clear()
        await settled(pilot)
        assert "event 5 is not in the log" in shown(app)
        assert app.heard == []
        await pilot.press("j", "j", "j", "enter")
        await settled(pilot)
        assert app.heard == []


async def test_a_store_that_cannot_be_read_is_told_and_asked_again() -> None:
    app = log(events(901, 1_000))
    async with app.run_test(size=(120, 24)) as pilot:
        await pilot.press("G")
        await settled(pilot)
        assert len(app.heard) == 1
        app.heard.clear()
        page(app).fail("cannot read tasks.db: locked\x1b[2J")
        await settled(pilot)
        assert "cannot read tasks.db: locked" in shown(app)
        await pilot.press("k", "pageup")
        await settled(pilot)
        assert await answer(app) == [(1, 100)]
        await settled(pilot)
        assert "cannot read" not in shown(app)


async def test_the_log_bears_news_after_it_was_closed() -> None:
    app = log(events(1, 5))
    async with app.run_test(size=(120, 24)) as pilot:
        await settled(pilot)
        closed = page(app)
        await pilot.press("escape")
        await settled(pilot)
        closed.add_events(events(6, 7), NOW)
        closed.fail("too late")
        closed.tick(NOW)
        await settled(pilot)
        assert app.results == [None]


async def test_ages_are_counted_on_in_both_lists() -> None:
    app = log(events(1, 5))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        page(app).tick(plus(NOW, 3_600))
        await settled(pilot)
        assert "1h  ◐ task-5" in shown(app)


@pytest.mark.parametrize(
    "keys", [("j", "k"), ("down", "up"), ("pagedown", "pageup"), ("ctrl+f", "ctrl+b"), ("G", "g"), ("end", "home")]
)
async def test_keys_move_the_cursor_forth_and_back(keys: tuple[str, str]) -> None:
    app = log(events(1, 60))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press(keys[0])
        assert cursor(app) > 0
        await pilot.press(keys[1])
        assert cursor(app) == 0


async def test_help_and_close_work_on_a_list() -> None:
    app = log(events(1, 5))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("question_mark", "q")
        await settled(pilot)
        assert app.helped == 1
        assert app.results == [None]


def done() -> list[Done]:
    many = tuple(outcome(f"task-{n}", Action.APPROVE) for n in range(7))
    many += (outcome("task-7", Action.APPROVE, Code.CONFLICT, "task-7 changed since you saw it"),)
    locked = outcome("task-9", Action.RETRY).command
    return [
        Done(at=plus(NOW, -400), commands=(outcome("task-17", Action.APPROVE).command,), outcomes=(many[0],)),
        Done(at=plus(NOW, -100), commands=tuple(each.command for each in many), outcomes=many),
        Done(at=plus(NOW, -10), commands=(locked,), failure="the store is locked; try again"),
    ]


def mine(list_of: Sequence[Done]) -> Stage:
    return Stage(lambda: MineScreen(list_of, NOW))


async def test_what_i_did_is_listed_newest_first_with_outcomes() -> None:
    app = mine(done())
    async with app.run_test(size=(120, 24)) as pilot:
        await settled(pilot)
        lines = [line for line in shown(app).splitlines() if "task-" in line or "tasks" in line]
        assert "retry task-9" in lines[0]
        assert "nothing was changed: the store is locked; try again" in lines[0]
        assert "approve 8 tasks" in lines[1]
        assert "7 applied, 1 changed meanwhile" in lines[1]
        assert "task-0 is now completed" in lines[2]


async def test_enter_opens_many_into_each_and_one_into_its_task() -> None:
    app = mine(done())
    async with app.run_test(size=(120, 24)) as pilot:
        await pilot.press("j", "enter")
        await settled(pilot)
        assert "task-7 changed since you saw it" in shown(app)
        await pilot.press(*("j" * 8), "enter")
        await settled(pilot)
        assert app.heard[-1].task_id == "task-7"
        await pilot.press("g", "enter")
        await settled(pilot)
        assert app.heard[-1].task_id == "task-9"
        await pilot.press("j", "enter")
        await settled(pilot)
        assert "task-7 changed since you saw it" not in shown(app)


async def test_nothing_done_is_said() -> None:
    app = mine([])
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter")
        await settled(pilot)
        assert "What I did  nothing yet" in shown(app)


async def test_what_is_done_meanwhile_comes_on_top_and_the_cursor_stays() -> None:
    so_far = done()
    app = mine(so_far)
    async with app.run_test(size=(120, 24)) as pilot:
        await pilot.press("j", "enter", "j")
        screen = app.screen
        assert isinstance(screen, MineScreen)
        more = outcome("task-33", Action.FAIL)
        screen.show_done([*so_far, Done(at=NOW, commands=(more.command,), outcomes=(more,))], plus(NOW, 60))
        await settled(pilot)
        assert "fail task-33" in shown(app)
        assert cursor(app) == 3
        await pilot.press("enter")
        await settled(pilot)
        assert app.heard[-1].task_id == "task-0"
