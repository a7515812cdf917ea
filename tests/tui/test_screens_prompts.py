"""The prompts: a note, and a confirmation."""

from __future__ import annotations

import pytest
from stage import Stage, settled, shown
from textual.widgets import TextArea

from taskdeck_tui.screens.confirm import Confirm
from taskdeck_tui.screens.note import NotePrompt

ONE = [("task-17", "Fix the flaky login test")]
MANY = [(f"task-{number}", f"Task number {number}") for number in range(40)]


def reject() -> NotePrompt:
    return NotePrompt("reject", ONE, required=True)


def fail() -> NotePrompt:
    return NotePrompt("fail", MANY, required=False)


async def test_the_prompt_names_the_action_and_the_task() -> None:
    app = Stage(reject)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        screen = shown(app)
        assert "Reject task-17" in screen
        assert "Fix the flaky login test" in screen
        assert "why? (required)" in screen


async def test_the_prompt_counts_many_tasks() -> None:
    app = Stage(fail)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "Fail 40 tasks" in shown(app)
        assert "task-0, task-1, task-2 and 37 more" in shown(app)


async def test_enter_returns_the_note_and_ctrl_j_begins_a_line() -> None:
    app = Stage(reject)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"two", "space", "ctrl+j", *"lines?", "space", "enter")
        await settled(pilot)
        assert app.results == ["two \nlines?"]


async def test_a_required_note_cannot_be_empty_and_the_prompt_says_so() -> None:
    app = Stage(reject)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("space", "enter")
        await settled(pilot)
        assert app.results == []
        assert "reject needs a note that says why" in shown(app)
        await pilot.press("x")
        await settled(pilot)
        assert "reject needs" not in shown(app)
        await pilot.press("enter")
        await settled(pilot)
        assert app.results == ["x"]


async def test_a_note_that_is_not_required_may_be_empty() -> None:
    app = Stage(fail)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter")
        await settled(pilot)
        assert app.results == [""]


async def test_escape_calls_the_action_off() -> None:
    app = Stage(reject)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("x", "escape")
        await settled(pilot)
        assert app.results == [None]


async def test_pasted_lines_are_kept_whole() -> None:
    app = Stage(reject)
    async with app.run_test(size=(80, 24)) as pilot:
        app.screen.query_one(TextArea).insert("one\ntwo\n[/three] \x1b[31m")
        await pilot.press("enter")
        await settled(pilot)
        assert app.results == ["one\ntwo\n[/three] \x1b[31m"]


async def test_a_rebound_key_sends_the_note() -> None:
    app = Stage(reject)
    async with app.run_test(size=(80, 24)) as pilot:
        app.set_keymap({"send": "ctrl+s"})
        await pilot.press("a", "enter", "b", "ctrl+s")
        await settled(pilot)
        assert app.results == ["a\nb"]


@pytest.mark.parametrize(("key", "answer"), [("enter", True), ("y", True), ("escape", False), ("n", False)])
async def test_confirm_returns_the_answer(key: str, answer: bool) -> None:
    app = Stage(lambda: Confirm("approve", MANY))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(key)
        await settled(pilot)
        assert app.results == [answer]


@pytest.mark.parametrize("size", [(200, 50), (80, 24), (40, 12)])
async def test_confirm_names_every_task_and_keeps_its_keys_in_sight(size: tuple[int, int]) -> None:
    app = Stage(lambda: Confirm("approve", MANY))
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        assert "Approve 40 tasks?" in shown(app)
        assert "task-0 " in shown(app)
        assert "enter do it  esc cancel" in shown(app)
        assert "task-39" not in shown(app)
        await pilot.press("G")
        await settled(pilot)
        assert "task-39" in shown(app)
        await pilot.press("g", "j", "down", "k", "up", "pagedown", "pageup", "home", "end")
        await settled(pilot)
        assert "task-39" in shown(app)
