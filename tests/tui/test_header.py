"""The line above the board: it says less where there is less room, and never leaves the store in doubt."""

from __future__ import annotations

from pathlib import Path

import pytest
from board_stage import filled, staged
from rich.cells import cell_len

from taskdeck_tui.header import HeaderFacts, Mode, header_parts, short_name


def facts(**given: object) -> HeaderFacts:
    plain: dict[str, object] = {"store": "tasks.db", "kind": "SQLite", "total": 13, "spark": "▁▃█", "rate": 1.5}
    return HeaderFacts(**{**plain, **given})  # type: ignore[arg-type]


def said(width: int, **given: object) -> dict[str, str]:
    parts = header_parts(facts(**given), width)
    assert sum(cell_len(text) for _, text in parts) + 2 * (len(parts) - 1) <= width
    return dict(parts)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("sqlite:///a/tasks.db", "tasks.db"),
        ("/home/ada/.claude/tasks/a-list/", "a-list"),
        ("minna:.spine/minna.db", "minna.db"),
        ("mcp+http://ada:secret@127.0.0.1:8000/mcp/", "127.0.0.1:8000/mcp"),
        ("mcp+https://tasks.example/mcp", "tasks.example/mcp"),
        ("mcp:python tools/server.py --all", "server.py --all"),
    ],
)
def test_a_store_is_named_so_that_it_is_told_from_others(address: str, name: str) -> None:
    assert short_name(address) == name


def test_where_there_is_room_all_is_said() -> None:
    assert list(said(100)) == ["program", "store", "mode", "tasks", "rate", "spark", "kind"]


def test_at_40_columns_store_mode_filter_and_selection_are_all_there() -> None:
    parts = said(38, query="state:review tag:x", selected=2, shown=3)
    assert parts["store"] == "tasks.db"
    assert parts["mode"] == "● live"
    assert parts["selected"] == "2 sel"
    assert parts["query"].startswith("/state")


@pytest.mark.parametrize("name", ["production-orders.db", "production-refunds.db", "a" * 200 + ".json"])
@pytest.mark.parametrize("mode", list(Mode))
def test_a_long_name_keeps_both_its_ends(name: str, mode: Mode) -> None:
    for selected, query, newer in [(2, "state:review", True), (123_456, "", False), (0, "x" * 300, False)]:
        parts = said(38, store=name, mode=mode, selected=selected, query=query, newer=newer, total=123_456, shown=7)
        first, _, last = parts["store"].partition("…")
        assert parts["store"] == name or min(len(first), len(last)) >= 5
        assert name.startswith(first)
        assert name.endswith(last)
        assert str(mode) in parts["mode"]


def test_a_pause_is_told_as_long_as_its_word_has_room() -> None:
    paused = "paused: the database is being moved"
    assert said(120, paused=paused)["paused"] == paused
    assert said(60, paused=paused, query="state:review")["paused"].startswith("paused")
    assert said(38, paused=paused, query="state:review tag:x", selected=2, shown=3)["paused"].startswith("pause")


def test_wide_characters_count_by_their_cells() -> None:
    assert cell_len(said(38, store="订单队列生产环境数据库.db", query="q" * 40, selected=3)["store"]) <= 24


def test_even_a_few_cells_name_the_store() -> None:
    for width in range(16, 40):
        assert said(width, store="production-orders.db", query="state:review", selected=9)["store"]


async def test_the_board_at_40_columns_names_its_store(tmp_path: Path) -> None:
    async with staged(filled(tmp_path / "orders-of-today.db"), size=(40, 12)) as stage:
        await stage.press("space", "slash", *"state:pending", "enter")
        await stage.until(lambda: "sel" in stage.header and "/stat" in stage.header)
        assert stage.header.startswith("order")
        assert "day.db  ● live" in stage.header
