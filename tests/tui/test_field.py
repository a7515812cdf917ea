"""Ten failures that were measured in other tools of this kind, and that Taskdeck must not share.

Where another test shows the same at more length, its name is given.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from board_stage import act, filled, locked, plain_sql, staged

from taskdeck_store import Action, command, create_store, open_store
from taskdeck_store.values import State

BOTH = pytest.mark.parametrize("name", ["tasks.db", "tasks.json"])


def taskdeck(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "taskdeck_tui", *words], capture_output=True, text=True, check=False)


async def test_1_the_number_of_widgets_does_not_grow_with_the_tasks(tmp_path: Path) -> None:
    counts = []
    for total in (10, 3_000):
        path = tmp_path / f"{total}.db"
        create_store(str(path))
        store = open_store(str(path))
        store.apply([command(f"t-{number}", Action.ADD, actor="seed", title="x") for number in range(total)])
        store.close()
        async with staged(path) as stage:
            counts.append(len(list(stage.screen.walk_children())))
            assert sum(len(column.cards) for column in stage.view.columns) < 400
    assert counts[0] == counts[1]


@BOTH
async def test_2_a_storm_of_changes_does_not_starve_the_keys(tmp_path: Path, name: str) -> None:
    path = filled(tmp_path / name, (30, 0, 0, 0, 0))
    async with staged(path) as stage:
        stop = threading.Event()

        def storm() -> None:
            other = open_store(str(path))
            number = 0
            while not stop.is_set():
                number += 1
                other.apply([command(f"storm-{number}", Action.ADD, actor="storm", title="x", priority=9)])
            other.close()

        thread = threading.Thread(target=storm)
        thread.start()
        try:
            await stage.until(lambda: stage.view.columns[0].tally.count > 35)
            for _ in range(2):
                await stage.press("j")
            assert stage.held == "pending-3"
        finally:
            stop.set()
            await asyncio.to_thread(thread.join)


@BOTH
async def test_3_a_change_made_meanwhile_is_never_overwritten(tmp_path: Path, name: str) -> None:
    path = filled(tmp_path / name)
    async with staged(path) as stage:
        await stage.press("p", "3")
        await stage.until(lambda: "frozen" in stage.header)
        act(stage.other, "review-1", Action.FAIL, actor="other", note="theirs")
        await stage.press("a")
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)
        task = stage.other.get("review-1")
        assert task is not None
        assert (task.state, task.error) == (State.FAILED, "theirs")


@BOTH
def test_4_parallel_commands_lose_nothing_and_their_exit_codes_are_true(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    create_store(str(path))
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(taskdeck, "add", str(path), f"Task {n}", "--id", f"t-{n}") for n in range(24)]
        codes = [job.result().returncode for job in jobs]
    assert codes == [0] * 24
    assert len(json.loads(taskdeck("list", str(path), "--json").stdout)) == 24
    with ThreadPoolExecutor(8) as pool:
        rivals = [pool.submit(taskdeck, "start", str(path), "t-1", "--actor", f"w-{n}") for n in range(8)]
        codes = [job.result().returncode for job in rivals]
    assert sorted(codes) == [0] + [4] * 7


async def test_5_a_locked_store_neither_freezes_nor_kills_the_board(tmp_path: Path) -> None:
    path = filled(tmp_path / "tasks.db")
    async with staged(path, patience=0.5) as stage:
        with locked(path):
            await stage.press("s")
            await stage.press("j", "j")
            assert stage.held == "pending-3"
            await stage.until(lambda: "nothing was changed" in stage.status)
            assert "lock" in stage.status
        await stage.press("s")
        await stage.until(lambda: stage.state("pending-3") is State.IN_PROGRESS)


async def test_6_a_vanished_row_and_a_vanished_file_are_told_and_no_file_is_made(tmp_path: Path) -> None:
    path = filled(tmp_path / "tasks.db")
    async with staged(path) as stage:
        plain_sql(path, "DELETE FROM tasks WHERE id = 'pending-1'")
        await stage.until(lambda: "pending-1 was removed" in stage.status)
        stage.other.close()
        for each in tmp_path.iterdir():
            each.unlink()
        await stage.until(lambda: "lost" in stage.header)
        await stage.press("j", "s")
        await stage.until(lambda: "nothing was changed" in stage.status)
        assert list(tmp_path.iterdir()) == []
    missing = taskdeck("list", str(tmp_path / "none.db"))
    assert missing.returncode == 1
    assert "taskdeck init" in missing.stderr
    assert list(tmp_path.iterdir()) == []


async def test_7_bad_data_is_told_with_its_place_and_the_last_good_look_with_its_time(tmp_path: Path) -> None:
    path = filled(tmp_path / "tasks.json")
    async with staged(path) as stage:
        good = path.read_text()
        path.write_text(good.replace('"pending"', '"pendign"', 1))
        await stage.until(lambda: "line" in stage.status and "column" in stage.status)
        assert "pendign" in stage.status
        assert "last good look" in stage.status
        assert len(stage.ids(0)) == 4
        path.write_text(good)
        await stage.until(lambda: "live" in stage.header)


@BOTH
async def test_8_a_lost_store_is_shown_and_found_again(tmp_path: Path, name: str) -> None:
    path = filled(tmp_path / name)
    async with staged(path) as stage:
        aside = tmp_path / "aside"
        stage.other.close()
        path.rename(aside)
        await stage.until(lambda: "lost" in stage.header)
        aside.rename(path)
        await stage.until(lambda: "live" in stage.header)


async def test_9_no_hint_offers_a_key_that_refuses_and_no_message_shows_code(tmp_path: Path) -> None:
    path = filled(tmp_path / "tasks.db", (1, 1, 1, 1, 1))
    offers = {"s": "step", "a": "approve", "X": "reject", "R": "retry", "F": "fail"}
    async with staged(path) as stage:
        for number, state in enumerate(State, start=1):
            await stage.press(str(number))
            await stage.until(lambda state=state: stage.view.column.state is state)
            hints = stage.text("#hints")
            for key, word in offers.items():
                if f" {key} {word}" in f" {hints}":
                    continue
                await stage.press(key)
                await stage.until(lambda: "cannot" in stage.status)
                assert not {"<", ">", "State.", "Action."} & set(stage.status.split())
                assert stage.state(f"{state.replace('_', '-')}-1") is state


def test_10_every_module_the_board_needs_is_a_declared_dependency() -> None:
    """That a fresh installation runs is shown by test_package.py and, with the network, by .ci/run."""
    import tomllib

    declared = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text())["project"]
    names = {requirement.split(">")[0].split("=")[0] for requirement in declared["dependencies"]}
    program = "import sys; before = set(sys.modules); import taskdeck_tui.deck, taskdeck_store.sqlite.store, "
    program += "taskdeck_store.jsonfile.store; print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    loaded = set(
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    )
    ours = {"taskdeck_store", "taskdeck_tui"}
    brought_by_textual = {"rich", "platformdirs", "markdown_it", "mdurl", "pygments", "typing_extensions", "linkify_it"}
    third_party = {name for name in loaded - ours if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert third_party - brought_by_textual <= names
