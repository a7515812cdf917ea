"""Pictures of the board at three sizes, in each theme, with cards of one, two and three lines."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from taskdeck_store import Action, Order, State, command, open_store
from taskdeck_store.clock import plus
from taskdeck_tui.deck import Deck
from taskdeck_tui.demo import history
from taskdeck_tui.feed import Reader
from taskdeck_tui.model.look import Wanted
from taskdeck_tui.outlet import Outlet
from taskdeck_tui.remembered import Remembered
from taskdeck_tui.writer import Writer

NOW = "2026-01-31T09:05:00.000000Z"
SIZES = {"large": (200, 50), "medium": (80, 24), "small": (40, 12)}

Compare = Callable[..., bool]
Before = Callable[[Pilot[Any]], Awaitable[None]]


@pytest.fixture
def no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture
def path(tmp_path: Path) -> str:
    made = str(tmp_path / "demo.db")
    history.build(made, tasks=120, seed=1, now=NOW)
    return made


@pytest.fixture
def scheduled(path: str) -> None:
    """Leave tasks of the queue until later, one of them only until now; another depends on the first."""
    with closing(open_store(path, now=lambda: NOW)) as store:
        cards = store.window(State.PENDING, Order.PRIORITY, limit=7).cards
        moments = [plus(NOW, seconds) for seconds in (40, 3 * 3600, 5 * 86_400, 0, 90, 0.5)]
        edits = [
            command(card.id, Action.EDIT, actor="ada", not_before=moment)
            for card, moment in zip(cards, moments, strict=False)
        ]
        edits.append(command(cards[-1].id, Action.EDIT, actor="ada", depends_on=[cards[0].id]))
        store.apply(edits, whole=True)


@pytest.fixture
def deck(path: str) -> Iterator[Deck]:
    store = open_store(path, now=lambda: NOW)
    outlet = Outlet()
    reader = Reader(store, Wanted(), lambda: NOW, outlet, check_after=math.inf)
    reader.prime()
    writer = Writer(lambda: open_store(path, now=lambda: NOW), outlet)
    yield Deck(
        path,
        store.kind,
        reader,
        writer,
        outlet,
        past=lambda: open_store(path, read_only=True, now=lambda: NOW),
        remembered=Remembered(),
        read_only=False,
        actor="ada",
        now=lambda: NOW,
    )
    writer.close(5)
    reader.close()


def keys(*pressed: str, theme: str | None = None) -> Before:
    async def before(pilot: Pilot[Any]) -> None:
        if theme is not None:
            pilot.app.theme = theme
        for key in pressed:
            await pilot.press(key)
            await pilot.pause()
        await pilot.wait_for_scheduled_animations()
        await pilot.pause()

    return before


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", ["taskdeck-dark", "taskdeck-light"])
def test_board(deck: Deck, snap_compare: Compare, size: str, theme: str) -> None:
    assert snap_compare(deck, terminal_size=SIZES[size], run_before=keys("l", "l", "j", theme=theme))


@pytest.mark.parametrize("theme", ["taskdeck-contrast", "taskdeck-terminal"])
def test_board_in_the_other_themes(deck: Deck, snap_compare: Compare, theme: str) -> None:
    assert snap_compare(deck, terminal_size=(120, 30), run_before=keys("5", theme=theme))


@pytest.mark.parametrize("size", SIZES)
def test_three_lines(deck: Deck, snap_compare: Compare, size: str) -> None:
    assert snap_compare(
        deck, terminal_size=SIZES[size], run_before=keys("z", "3", "j", "j", "space", "j", "space", "j")
    )


@pytest.mark.usefixtures("scheduled")
def test_tasks_that_wait_for_their_time(deck: Deck, snap_compare: Compare) -> None:
    assert snap_compare(deck, terminal_size=SIZES["large"], run_before=keys("1", "j"))


@pytest.mark.parametrize("size", SIZES)
def test_one_line(deck: Deck, snap_compare: Compare, size: str) -> None:
    assert snap_compare(deck, terminal_size=SIZES[size], run_before=keys("z", "z", "4", "G"))


@pytest.mark.usefixtures("no_colour")
def test_without_colour_states_cursor_and_selection_can_be_told(snap_compare: Compare, deck: Deck) -> None:
    assert snap_compare(deck, terminal_size=(120, 30), run_before=keys("3", "space", "j"))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", ["taskdeck-dark", "taskdeck-light"])
def test_the_past(deck: Deck, snap_compare: Compare, size: str, theme: str) -> None:
    async def before(pilot: Pilot[Any]) -> None:
        def banner() -> str:
            return str(pilot.app.screen.query("#banner").first().render()) if pilot.app.screen.query("#banner") else ""

        pilot.app.theme = theme
        await pilot.press("t")
        async with asyncio.timeout(20):
            while not (end := re.search(r"event (\d+) of", banner())):
                await pilot.pause(0.01)
            await pilot.press(*"," * 40)
            while f"event {int(end[1]) - 40} of" not in banner():
                await pilot.pause(0.01)
        await pilot.wait_for_scheduled_animations()
        await pilot.pause()

    assert snap_compare(deck, terminal_size=SIZES[size], run_before=before)


@pytest.mark.parametrize("size", SIZES)
def test_two_moments_compared(deck: Deck, snap_compare: Compare, size: str) -> None:
    async def before(pilot: Pilot[Any]) -> None:
        def banner() -> str:
            return str(pilot.app.screen.query("#banner").first().render()) if pilot.app.screen.query("#banner") else ""

        async def until(condition: Callable[[], object]) -> None:
            async with asyncio.timeout(20):
                while not condition():
                    await pilot.pause(0.01)

        await pilot.press("t")
        await until(lambda: re.search(r"\d+ of \d+", banner()))
        end = int(re.findall(r"(\d+) of", banner())[0])
        await pilot.press("c", *"<" * 6)
        await until(lambda: re.search(rf"\b{end - 60}( of |/){end}\b", banner()))
        await pilot.press("c")
        await until(lambda: pilot.app.screen.query("#compared"))
        await pilot.pause()

    assert snap_compare(deck, terminal_size=SIZES[size], run_before=before)
