"""The help: every key as bound now, searched as one types."""

from __future__ import annotations

import pytest
from stage import Stage, settled
from textual.widgets import Input

from taskdeck_store.query.parse import parse
from taskdeck_store.values import State
from taskdeck_tui.glyphs import GLYPHS, WORDS
from taskdeck_tui.keys import KEYS
from taskdeck_tui.screens.help import FILTERS, HelpScreen
from taskdeck_tui.screens.pager import Pager


def stage(keymap: dict[str, str] | None = None) -> Stage:
    return Stage(lambda: HelpScreen(keymap or {}))


def listed(app: Stage) -> str:
    return "\n".join(line.plain for line in app.screen.query_one(Pager).lines)


@pytest.mark.parametrize("size", [(200, 50), (80, 24), (40, 12)])
async def test_every_key_is_listed_with_what_it_does(size: tuple[int, int]) -> None:
    app = stage()
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        text = " ".join(listed(app).split())
        for spec in KEYS:
            assert spec.description in text, spec.id


async def test_keys_are_shown_as_bound_now() -> None:
    app = stage({"step": "n,f5", "help": "f1"})
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        lines = listed(app).splitlines()
        assert any(line.startswith("n f5") and "step" in line for line in lines)
        assert any(line.startswith("f1") and "help" in line for line in lines)
        assert not any(line.startswith("s ") for line in lines)


async def test_the_states_and_the_filter_language_are_explained() -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        for state in State:
            assert f"{GLYPHS[state]} " in listed(app)
            assert WORDS[state] in listed(app)
        for example, _ in FILTERS:
            assert example in listed(app)


def test_every_example_of_the_filter_language_is_one() -> None:
    for example, _ in FILTERS:
        assert parse(example, me="ada")


async def test_typing_narrows_by_key_word_sentence_and_name() -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"Back Queue")
        await settled(pilot)
        assert "retry" in listed(app)
        assert "quit" not in listed(app)
        await pilot.press("escape", *"copy_json")
        await settled(pilot)
        assert "copy the whole task as JSON" in listed(app)
        assert len(listed(app).splitlines()) <= 4
        await pilot.press("escape", *"qqq")
        await settled(pilot)
        assert "nothing matches" in listed(app)


async def test_escape_empties_the_field_then_closes() -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("q", "question_mark", "escape")
        await settled(pilot)
        assert app.screen.query_one(Input).value == ""
        assert app.results == []
        await pilot.press("escape")
        await settled(pilot)
        assert app.results == [None]


async def test_the_list_scrolls_while_one_types() -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        pane = app.screen.query_one(Pager)
        await pilot.press("down", "down", "up")
        assert pane.scroll_offset.y == 1
        await pilot.press("pagedown")
        assert pane.scroll_offset.y > 1
        await pilot.press("pageup")
        assert pane.scroll_offset.y <= 1
        assert app.screen.focused is app.screen.query_one(Input)
        await pilot.press("pagedown", "e")
        await settled(pilot)
        assert pane.scroll_offset.y == 0


async def test_the_list_scrolls_with_all_its_keys_when_it_has_the_focus() -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        pane = app.screen.query_one(Pager)
        pane.focus()
        await pilot.press("G")
        assert pane.scroll_offset.y > 10
        await pilot.press("g", "j")
        assert pane.scroll_offset.y == 1
        await pilot.press("q")
        await settled(pilot)
        assert app.results == [None]
