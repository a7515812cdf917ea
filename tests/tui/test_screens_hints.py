"""The hint line: what the keys do here and now, as much of it as fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from stage import Stage, settled, shown
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Input

from taskdeck_tui.hints import HintLine, key_text
from taskdeck_tui.keys import bindings
from taskdeck_tui.screens.confirm import Confirm
from taskdeck_tui.screens.note import NotePrompt


def board(allowed: Callable[[str], bool | None]) -> Stage:
    class Board(Screen[None]):
        BINDINGS: ClassVar[list[BindingType]] = [*bindings("board", "task")]

        def compose(self) -> ComposeResult:
            yield HintLine()

        def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
            return allowed(str(parameters[0]) if parameters else action)

    return Stage(Board)


async def hints(app: Stage, pilot: Any) -> str:
    await settled(pilot)
    return shown(app).splitlines()[0].strip()


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (40, "s step  a approve  X reject  …  ? help"),
        (80, "s step  a approve  X reject  R retry  F fail  space select  …           ? help"),
    ],
)
async def test_what_fits_is_shown_in_order_of_need_and_help_always(width: int, line: str) -> None:
    app = board(lambda _: True)
    async with app.run_test(size=(width, 5)) as pilot:
        assert await hints(app, pilot) == line


async def test_a_key_that_would_be_refused_is_not_offered() -> None:
    app = board(lambda name: {"approve": False, "reject": None}.get(name, True))
    async with app.run_test(size=(200, 5)) as pilot:
        line = await hints(app, pilot)
        assert "s step  R retry" in line
        assert "approve" not in line
        assert "reject" not in line


async def test_a_key_that_is_text_where_one_types_is_not_offered() -> None:
    class Typing(Screen[None]):
        BINDINGS: ClassVar[list[BindingType]] = [*bindings("board", "filter")]

        def compose(self) -> ComposeResult:
            yield HintLine()
            yield Input()

    app = Stage(Typing)
    async with app.run_test(size=(200, 5)) as pilot:
        assert await hints(app, pilot) == "tab complete  enter keep  esc cancel"


async def test_the_line_follows_what_becomes_legal() -> None:
    legal = {"step"}
    app = board(lambda name: name in legal)
    async with app.run_test(size=(200, 5)) as pilot:
        assert (await hints(app, pilot)).split() == ["s", "step", "?", "help"]
        legal.add("retry")
        app.screen.query_one(HintLine).refresh_hints()
        assert (await hints(app, pilot)).split() == ["s", "step", "R", "retry", "?", "help"]
        legal.remove("step")
        app.screen.refresh_bindings()
        assert (await hints(app, pilot)).split() == ["R", "retry", "?", "help"]


async def test_a_click_on_a_hint_presses_its_key() -> None:
    app = Stage(lambda: Confirm("approve", [("task-1", "One")]))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        line = app.screen.query_one(HintLine)
        column = shown(app).splitlines()[line.region.y].index("cancel") - line.region.x
        await pilot.click(HintLine, offset=(column, 0))
        await settled(pilot)
        assert app.results == [False]


async def test_hints_are_as_bound_and_gone_when_they_do_nothing() -> None:
    app = Stage(lambda: NotePrompt("reject", [("task-1", "One")], required=True))
    async with app.run_test(size=(80, 24)) as pilot:
        app.set_keymap({"send": "ctrl+s"})
        await settled(pilot)
        app.screen.query_one(HintLine).refresh_hints()
        await settled(pilot)
        assert "ctrl+s do it  esc cancel  ctrl+j new line" in shown(app)


@pytest.mark.parametrize(
    ("name", "written"),
    [("question_mark", "?"), ("escape", "esc"), ("enter", "enter"), ("ctrl+p", "ctrl+p"), ("down", "↓"), ("G", "G")],
)
def test_keys_are_shown_as_people_write_them(name: str, written: str) -> None:
    assert key_text(name) == written
