"""What the board says and still does while its store is away, locked, frozen or slow."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest
from board_stage import Stage, act, add, filled, locked, plain_sql, staged
from cli_stage import commit_and_die
from textual.widgets import Static

from taskdeck_store import Action, open_store
from taskdeck_store.values import State
from taskdeck_tui.model.view import View
from taskdeck_tui.screens.page import Page


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return filled(tmp_path / "tasks.db")


def away(path: Path) -> None:
    for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        name.unlink(missing_ok=True)


async def test_a_deleted_store_is_told_with_the_last_good_look_and_the_board_stays(store: Path) -> None:
    async with staged(store) as stage:
        stage.other.close()
        away(store)
        await stage.until(lambda: "lost" in stage.header)
        assert "last good look" in stage.status
        assert stage.ids(0)[0] == "pending-1"
        await stage.press("j", "j")
        assert stage.held == "pending-3"
        assert not store.exists()


async def test_a_store_that_comes_back_is_taken_up_again(store: Path, tmp_path: Path) -> None:
    second = filled(tmp_path / "second.db", (1, 0, 0, 0, 7))
    async with staged(store) as stage:
        stage.other.close()
        away(store)
        await stage.until(lambda: "lost" in stage.header)
        shutil.move(second, store)
        await stage.until(lambda: "live" in stage.header)
        await stage.until(lambda: len(stage.ids(4)) == 7)


async def test_a_replaced_store_is_read_anew(store: Path, tmp_path: Path) -> None:
    second = filled(tmp_path / "second.db", (1, 0, 0, 0, 7))
    async with staged(store) as stage:
        stage.other.close()
        away(store)
        second.replace(store)
        await stage.until(lambda: len(stage.ids(4)) == 7)


async def test_keys_answer_and_the_card_says_so_while_a_commit_waits_for_a_lock(store: Path) -> None:
    async with staged(store) as stage:
        with locked(store):
            await stage.press("3", "a")
            await stage.until(lambda: "committing" in drawn(stage.board))
            assert stage.state("review-1") is State.REVIEW
            assert "review-1" in stage.ids(2)
            await stage.press("j")
            assert stage.held == "review-2"
        await stage.until(lambda: stage.state("review-1") is State.COMPLETED)
        await stage.until(lambda: "committing" not in drawn(stage.board))


async def test_a_lock_that_is_never_let_go_is_told_and_nothing_changed(store: Path) -> None:
    async with staged(store, patience=0.3) as stage:
        with locked(store):
            await stage.press("3", "a")
            await stage.until(lambda: "nothing was changed" in stage.status)
        assert stage.state("review-1") is State.REVIEW


async def test_a_thousand_changes_in_one_commit_are_one_look(store: Path) -> None:
    async with staged(store) as stage:
        shown: list[View] = []
        show = stage.board.show
        stage.board.show = lambda view: (shown.append(view), show(view))[1]  # type: ignore[method-assign]
        plain_sql(store, "INSERT INTO tasks (id, title) VALUES (?, 'x')", *([f"n-{n}"] for n in range(1_000)))
        await stage.until(lambda: stage.view.columns[0].tally.count == 1_004)
        changed = [view for view in shown if view.columns[0].tally.count != 4]
        assert len(changed) == 1


async def test_a_plain_sql_change_without_a_timestamp_is_seen(store: Path) -> None:
    async with staged(store) as stage:
        plain_sql(store, "UPDATE tasks SET state = 'in_progress' WHERE id = 'pending-1'")
        await stage.until(lambda: "pending-1" in stage.ids(1))
        await stage.until(lambda: "by external" in stage.status)


async def test_a_task_that_is_removed_under_the_cursor_is_told(store: Path) -> None:
    async with staged(store) as stage:
        plain_sql(store, "DELETE FROM tasks WHERE id = 'pending-1'")
        await stage.until(lambda: stage.held == "pending-2")
        assert "pending-1 was removed" in stage.status


async def test_scrolling_a_frozen_board_shows_the_frozen_commit(tmp_path: Path) -> None:
    path = filled(tmp_path / "long.db", (300, 0, 0, 0, 0))
    async with staged(path) as stage:
        await stage.press("p")
        await stage.until(lambda: "frozen" in stage.header)
        act(stage.other, "pending-300", Action.START)
        await stage.until(lambda: "newer changes wait" in stage.header)
        await stage.press("G")
        await stage.until(lambda: stage.held == "pending-300")
        await stage.press("p")
        await stage.until(lambda: stage.view.columns[0].tally.count == 299)


async def test_two_boards_follow_each_other(store: Path) -> None:
    async with staged(store, actor="ada") as one, staged(store, actor="grace") as two:
        await one.press("3", "a")
        await two.until(lambda: "review-1" in two.ids(3))
        await two.press("3", "a")
        await one.until(lambda: "review-2" in one.ids(3))


async def test_leaving_waits_for_a_commit_that_was_given(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("3", "a", "q")
    handle = open_store(str(store))
    task = handle.get("review-1")
    handle.close()
    assert task is not None
    assert task.state is State.COMPLETED


async def test_hostile_text_reaches_no_line_of_the_board(store: Path) -> None:
    bad = "\x1b]0;owned\x07[red]\u202eevil\nline"
    async with staged(store) as stage:
        add(stage.other, "bad", title=bad, tags=[bad], description=bad)
        await stage.until(lambda: "bad" in stage.ids(0))
        for _ in range(3):
            await stage.press("z")
            assert not {"\x1b", "\u202e", "\n", "\x07"} & set(drawn(stage.board).replace("\n", ""))
            assert "[red]" in drawn(stage.board)


def told(stage: Stage) -> str:
    """What the page in front says above its hints, and in its title."""
    lines = [*stage.deck.screen.query(".told").results(Static), *stage.deck.screen.query(".heading").results(Static)]
    return "\n".join(str(line.render()) for line in lines if line.display)


@pytest.mark.parametrize("keys", ["enter", "L", "@", "L enter", "@ enter"])
async def test_the_trouble_told_on_a_page_goes_when_the_store_is_back(tmp_path: Path, keys: str) -> None:
    path = filled(tmp_path / "tasks.json")
    away = path.with_suffix(".away")
    async with staged(path, size=(80, 24)) as stage:
        await stage.press("s")
        await stage.until(lambda: "is now" in stage.status)
        for open_pages, key in enumerate(keys.split(), start=2):
            await stage.press(key)
            await stage.until(lambda count=open_pages: len(stage.deck.screen_stack) == count)
            assert isinstance(stage.deck.screen, Page)
        for over in ((), ("?",)):
            path.rename(away)
            await stage.until(lambda: "last good look" in told(stage))
            page = stage.deck.screen
            await stage.press(*over)
            await stage.until(lambda over=over, page=page: (stage.deck.screen is not page) == bool(over))
            away.rename(path)
            await stage.until(lambda: "lost" not in stage.header)
            await stage.press(*["escape" for _ in over])
            await stage.until(lambda page=page: stage.deck.screen is page)
            assert "last good look" not in told(stage)
        while len(stage.deck.screen_stack) > 1:
            assert "last good look" not in told(stage)
            await stage.press("escape")


async def test_a_page_that_is_opened_while_the_store_is_lost_says_so_and_not_for_longer(tmp_path: Path) -> None:
    path = filled(tmp_path / "tasks.json")
    away = path.with_suffix(".away")
    async with staged(path, size=(80, 24)) as stage:
        path.rename(away)
        await stage.until(lambda: "lost" in stage.header)
        await stage.press("@")
        await stage.until(lambda: "last good look" in told(stage))
        away.rename(path)
        await stage.until(lambda: "the store is back" in told(stage))
        assert "last good look" not in told(stage)


async def test_the_log_forgets_that_it_could_not_read_when_the_store_is_back(tmp_path: Path) -> None:
    path = filled(tmp_path / "tasks.db", (1_200, 0, 0, 0, 0))
    async with staged(path, size=(80, 24)) as stage:
        await stage.press("L")
        await stage.until(lambda: "1,200 events" in told(stage))
        stage.other.close()
        kept = [name for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")) if name.exists()]
        for name in kept:
            name.rename(f"{name}.away")
        await stage.until(lambda: "lost" in stage.header)
        await stage.press("G")
        await stage.until(lambda: "1,200 events" not in told(stage))
        for name in kept:
            Path(f"{name}.away").rename(name)
        await stage.until(lambda: "1,200 events" in told(stage))


def drawn(board: object) -> str:
    from taskdeck_tui.board.widget import Board

    assert isinstance(board, Board)
    return "\n".join(board.render_line(y).text for y in range(board.size.height))


@pytest.mark.parametrize("name", ["tasks.db", "tasks.json"])
async def test_the_board_says_at_its_opening_what_was_mended(tmp_path: Path, name: str) -> None:
    path = filled(tmp_path / name)
    left = commit_and_die(str(path), "pending-1")
    async with staged(path) as stage:
        await stage.until(lambda: f"mended: {left}" in stage.status)
        assert stage.state("pending-1") is State.IN_PROGRESS
    async with staged(path) as stage:
        await stage.press("j")
        await stage.until(lambda: stage.held == "pending-3")
        assert "mended" not in stage.status


async def test_the_board_says_what_is_mended_while_it_is_open(tmp_path: Path) -> None:
    path = filled(tmp_path / "tasks.json")
    async with staged(path) as stage:
        log = path.with_name("tasks.audit.jsonl")
        whole = log.read_bytes()
        log.write_bytes(whole + b'{"seq":')
        await stage.until(lambda: "mended: cut off the end of the audit log, 7 bytes" in stage.status)
        assert log.read_bytes() == whole


async def test_a_change_from_outside_does_not_repeat_a_jump(tmp_path: Path) -> None:
    path = filled(tmp_path / "long.db", (300, 0, 0, 0, 0))
    async with staged(path) as stage:
        await stage.press("G")
        await stage.until(lambda: stage.held == "pending-300")
        await stage.press("k", "k")
        assert stage.held == "pending-298"
        add(stage.other, "new")
        await stage.until(lambda: stage.view.columns[0].tally.count == 301)
        assert stage.held == "pending-298"


async def test_the_cursor_follows_its_task_to_the_far_end_of_the_column(tmp_path: Path) -> None:
    path = filled(tmp_path / "long.db", (900, 0, 0, 0, 0))
    async with staged(path) as stage:
        await stage.press("j", "j")
        assert stage.held == "pending-3"
        plain_sql(path, "UPDATE tasks SET priority = 9 WHERE id = 'pending-3'")
        await stage.until(lambda: stage.view.row == 899)
        assert stage.held == "pending-3"


async def test_a_board_is_not_called_frozen_before_it_is(store: Path) -> None:
    async with staged(store) as stage:
        gate = threading.Event()
        stage.reader.ask(lambda _: gate.wait(60), lambda _: None)
        await stage.press("p")
        add(stage.other, "new")
        assert "frozen" not in stage.header
        gate.set()
        await stage.until(lambda: "frozen" in stage.header)
        assert "new" in stage.ids(0)
        add(stage.other, "newer")
        await stage.until(lambda: "newer changes wait" in stage.header)
        assert "newer" not in stage.ids(0)


async def test_freezing_anew_in_a_hurry_holds_the_newest_commit(store: Path) -> None:
    async with staged(store) as stage:
        await stage.press("p")
        await stage.until(lambda: "frozen" in stage.header)
        add(stage.other, "new")
        await stage.until(lambda: "newer changes wait" in stage.header)
        await stage.press("p", "p")
        await stage.until(lambda: "frozen" in stage.header)
        assert "new" in stage.ids(0)
        assert "newer changes wait" not in stage.header
