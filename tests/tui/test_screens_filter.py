"""Typing a filter: live meaning, suggestions, and errors that point at the character."""

from __future__ import annotations

from typing import Any

from stage import Stage, below, settled, shown
from textual.widgets import Input

from taskdeck_store.query.complete import Vocabulary
from taskdeck_store.query.parse import parse
from taskdeck_tui.hints import HintLine
from taskdeck_tui.screens.filter import FilterBar

WORDS = Vocabulary(tags=("flaky", "ci"), owners=("ada", "worker-1"))


def stage(text: str = "") -> Stage:
    return Stage(below(lambda: FilterBar(text, me="ada", vocabulary=WORDS), lambda: HintLine()))


def heard(app: Stage, kind: type[Any]) -> list[Any]:
    return [message for message in app.heard if isinstance(message, kind)]


async def test_what_is_typed_is_told_as_a_query_at_every_key_that_makes_one() -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"owner:me")
        await settled(pilot)
        texts = [message.query.text for message in heard(app, FilterBar.Changed)]
        assert texts == ["o", "ow", "own", "owne", "owner", "owner:m", "owner:me"]
        assert heard(app, FilterBar.Changed)[-1].query == parse("owner:me", me="ada")


async def test_beginning_with_a_text_changes_nothing_by_itself() -> None:
    app = stage("state:review")
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert heard(app, FilterBar.Changed) == []
        assert app.screen.query_one(FilterBar).text == "state:review"
        await pilot.press("backspace", "w")
        await settled(pilot)
        assert [message.query.text for message in heard(app, FilterBar.Changed)] == ["state:revie", "state:review"]


async def test_tab_takes_the_marked_suggestion() -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"sta", "tab", *"rev", "tab", "space", *"tag:", "down", "down", "up", "tab")
        await settled(pilot)
        assert app.screen.query_one(FilterBar).text == "state:review tag:ci"
        assert app.screen.focused is app.screen.query_one(Input)


async def test_suggestions_are_listed_with_what_they_mean_and_go_round() -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"tag:", "up")
        await settled(pilot)
        screen = shown(app)
        assert "flaky  a tag" in screen
        assert "› none" in screen


async def test_a_click_takes_a_suggestion() -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"tag:")
        await settled(pilot)
        row = next(y for y, line in enumerate(shown(app).splitlines()) if "ci " in line)
        await pilot.click(offset=(4, row))
        await settled(pilot)
        assert app.screen.query_one(FilterBar).text == "tag:ci"


async def test_words_learnt_later_are_offered() -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"tag:sl")
        app.screen.query_one(FilterBar).know(Vocabulary(tags=("slow",)))
        await settled(pilot)
        assert "› slow" in shown(app)


async def test_words_that_come_after_the_bar_has_gone_do_no_harm() -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        bar = app.screen.query_one(FilterBar)
        await bar.remove()
        bar.know(Vocabulary(tags=("slow",)))
        await settled(pilot)


async def test_enter_submits_what_is_a_filter() -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"attempts>1", "enter")
        await settled(pilot)
        assert [message.query for message in heard(app, FilterBar.Submitted)] == [parse("attempts>1", me="ada")]


async def test_an_empty_text_is_every_task() -> None:
    app = stage("x")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("backspace", "enter")
        await settled(pilot)
        assert not heard(app, FilterBar.Submitted)[0].query


async def test_enter_on_an_error_says_what_is_wrong_under_the_character() -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"tag:ci own:me", "enter")
        await settled(pilot)
        assert heard(app, FilterBar.Submitted) == []
        lines = shown(app).splitlines()
        typed = next(y for y, line in enumerate(lines) if "own:me" in line)
        assert lines[typed + 1].index("^") == lines[typed].index("own:me")
        assert "did you mean owner?" in lines[typed + 1]


async def test_the_caret_follows_a_text_longer_than_the_line() -> None:
    app = stage("word " * 9)
    async with app.run_test(size=(40, 12)) as pilot:
        await pilot.press(*"age=5m", "enter")
        await settled(pilot)
        lines = shown(app).splitlines()
        typed = next(y for y, line in enumerate(lines) if "age=5m" in line)
        assert lines[typed + 1].index("^") == lines[typed].index("=5m")
        assert "no age is exact" in "".join(lines[typed + 2 :])


async def test_an_unfinished_term_is_no_mistake_while_there_are_suggestions() -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"tag:")
        await settled(pilot)
        assert "needs a value" not in shown(app)
        await pilot.press("enter")
        await settled(pilot)
        assert "tag needs a value here" in shown(app)


async def test_escape_cancels() -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("x", "escape")
        await settled(pilot)
        assert len(heard(app, FilterBar.Cancelled)) == 1


async def test_keys_of_the_board_are_text_here() -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("s", "a", "X", "space", "q", "question_mark", "slash")
        await settled(pilot)
        assert app.screen.query_one(FilterBar).text == "saX q?/"


async def test_hostile_words_are_shown_harmless() -> None:
    app = Stage(below(lambda: FilterBar("tag:", me="ada", vocabulary=Vocabulary(tags=("[/b]\x1b[2J", "x" * 500)))))
    async with app.run_test(size=(40, 12)) as pilot:
        await settled(pilot)
        assert "[/b]" in shown(app)
        assert "\x1b" not in shown(app)
