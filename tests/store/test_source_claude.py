"""Claude Code: what the files of a list say, and what a move leaves of them."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from foreign.files import claude, move, moved
from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.machine import Code
from taskdeck_store.sources import folders
from taskdeck_store.sources.claude import KIND, ClaudeTasks
from taskdeck_store.values import Action, State


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / ".claude" / "tasks" / "a-list"
    claude(folder, 1, status="completed")
    claude(folder, 2, blockedBy=["1"], owner="agent", metadata={"n": [1.50]})
    claude(folder, 10, status="in_progress")
    (folder / ".lock").touch()
    (folder / ".highwatermark").write_text("12")
    return folder


def opened(folder: Path, **options: Any) -> ClaudeTasks:
    return ClaudeTasks(str(folder), **options)


def test_tasks_are_shown_in_the_order_of_their_numbers(folder: Path) -> None:
    sight = opened(folder).look()
    assert not sight.flaws
    assert [(task.id, task.state) for task in sight.tasks] == [
        ("1", State.COMPLETED),
        ("2", State.PENDING),
        ("10", State.IN_PROGRESS),
    ]
    assert sight.tasks[1].depends_on == ("1",)
    assert sight.tasks[1].extra == {
        "activeForm": "Doing 2",
        "blocks": [],
        "owner": "agent",
        "metadata": {"n": [1.5]},
    }


def test_a_move_changes_one_value_in_one_file(folder: Path) -> None:
    before = {path.name: path.read_text() for path in folder.iterdir()}
    source = opened(folder)
    assert not source.carry_out([move(source, "2", Action.START)])
    after = {path.name: path.read_text() for path in folder.iterdir()}
    assert after == before | {"2.json": before["2.json"].replace('"pending"', '"in_progress"')}
    assert not source.carry_out([move(source, "2", Action.SUBMIT, Action.APPROVE)])
    assert json.loads((folder / "2.json").read_text())["status"] == "completed"


def test_several_moves_of_which_one_is_refused(folder: Path) -> None:
    source = opened(folder)
    moves = [
        move(source, "2", Action.EDIT, title="New"),
        move(source, "10", Action.SUBMIT),
        moved(None, "13", Action.ADD, title="Thirteen"),
        moved(None, "14", Action.ADD, title="Fourteen", description="more"),
        moved(None, "5", Action.ADD, title="used before"),
        moved(None, "x", Action.ADD, title="no number"),
    ]
    refused = source.carry_out(moves)
    assert sorted(refused) == [1, 4, 5]
    assert refused[1].code is Code.ILLEGAL
    assert "no state for a review" in refused[1].message
    assert "take 15" in refused[5].message
    assert json.loads((folder / "2.json").read_text())["subject"] == "New"
    assert (folder / "14.json").read_text() == (
        '{\n  "id": "14",\n  "subject": "Fourteen",\n  "description": "more",\n  "activeForm": "Fourteen",\n'
        '  "status": "pending",\n  "blocks": [],\n  "blockedBy": []\n}'
    )
    assert [task.id for task in source.look().tasks] == ["1", "2", "10", "13", "14"]


def test_a_task_is_added_where_it_is_to_stand(folder: Path) -> None:
    source = opened(folder)
    done = moved(None, "13", Action.ADD, Action.START, Action.SUBMIT, Action.APPROVE, title="Thirteen")
    assert not source.carry_out([done, moved(None, "14", Action.ADD, Action.START, title="Fourteen")])
    states = {task.id: task.state for task in source.look().tasks}
    assert (states["13"], states["14"]) == (State.COMPLETED, State.IN_PROGRESS)


def test_what_the_format_cannot_say_is_refused(folder: Path) -> None:
    source = opened(folder)
    assert "given up" in source.carry_out([move(source, "2", Action.FAIL)])[0].message
    refused = source.carry_out([move(source, "2", Action.EDIT, depends_on=["10"])])
    assert "two files" in refused[0].message
    path = claude(folder, 11)
    path.write_text('{"id": "11", "subject": "x", "status": "pending"}')
    refused = source.carry_out([move(source, "11", Action.EDIT, description="new")])
    assert "no description" in refused[0].message
    assert path.read_text() == '{"id": "11", "subject": "x", "status": "pending"}'


def test_a_task_that_changed_or_went_is_a_conflict(folder: Path) -> None:
    source = opened(folder)
    moves = [move(source, "2", Action.START), move(source, "10", Action.RELEASE)]
    claude(folder, 2, subject="Another", blockedBy=["1"])
    (folder / "10.json").unlink()
    refused = source.carry_out(moves)
    assert {refusal.code for refusal in refused.values()} == {Code.CONFLICT}
    assert len(refused) == 2
    assert not (folder / "10.json").exists()


@pytest.mark.parametrize("lock", [".lock.lock", "2.json.lock"])
def test_its_locks_are_waited_for(folder: Path, lock: str) -> None:
    (folder / lock).mkdir()
    source = opened(folder, patience=0.03)
    with pytest.raises(StoreError, match=lock) as caught:
        source.carry_out([move(source, "2", Action.START)])
    assert caught.value.fault is Fault.BUSY
    timer = threading.Timer(0.05, (folder / lock).rmdir)
    timer.start()
    assert not opened(folder).carry_out([move(source, "2", Action.START)])
    timer.join()


@pytest.mark.soak
def test_who_was_killed_with_a_lock_makes_others_wait_and_no_more(folder: Path) -> None:
    (folder / ".lock.lock").mkdir()
    os.utime(folder / ".lock.lock", (time.time() - 4, time.time() - 4))
    source = ClaudeTasks(str(folder))
    assert not source.carry_out([move(source, "2", Action.START)])


def test_a_file_that_is_half_written_is_trouble_and_later_a_flaw(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "2.json").write_text('{"id": "2", "subj')
    source = opened(folder)
    with pytest.raises(StoreError, match=r"2\.json is no JSON: line 1, column"):
        source.look()
    monkeypatch.setattr(folders, "STILL", -1.0)
    sight = source.look()
    assert [task.id for task in sight.tasks] == ["1", "10"]
    assert "2.json cannot be read" in sight.flaws[0]


def test_what_claude_code_does_not_show_is_told(folder: Path) -> None:
    claude(folder, 3, id=3)
    claude(folder, 4, metadata={"_internal": True})
    claude(folder, 5, status="deleted")
    sight = opened(folder).look()
    assert [task.id for task in sight.tasks] == ["1", "2", "3", "5", "10"]
    assert "does not show it" in sight.flaws[0]
    assert "deleted" in sight.flaws[1]


def test_it_leads_nowhere_else(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text('{"id": "3", "subject": "secret", "status": "pending"}')
    (folder / "3.json").symlink_to(secret)
    (folder / "4.json").symlink_to("4.json")
    (folder / "5.json").mkdir()
    os.mkfifo(folder / "6.json")
    source = opened(folder)
    sight = source.look()
    assert [task.id for task in sight.tasks] == ["1", "2", "10"]
    assert [flaw.partition(" ")[0] for flaw in sight.flaws] == ["3.json", "4.json", "5.json", "6.json"]


def test_it_is_stale_after_any_change_of_its_files_alone(folder: Path) -> None:
    source = opened(folder)
    while source.is_stale():
        source.look()
    (folder / ".highwatermark").write_text("13")
    assert not source.is_stale()
    for change in (
        lambda: claude(folder, 13),
        lambda: claude(folder, 13, subject="Task 31"),
        lambda: (folder / "13.json").unlink(),
    ):
        change()
        assert source.is_stale()
        while source.is_stale():
            source.look()


def test_a_change_in_place_ends_a_wait(folder: Path) -> None:
    source = opened(folder)
    source.look()
    assert not source.wait(0)
    with (folder / "2.json").open("r+") as file:
        file.write("{ ")
    assert source.wait(5)
    source.close()


def test_lists_are_found_where_they_are_asked_for(folder: Path, tmp_path: Path) -> None:
    (tmp_path / ".claude" / "tasks" / "empty").mkdir()
    assert KIND.recognises(folder)
    assert not KIND.recognises(tmp_path)
    assert not KIND.recognises(folder / "1.json")
    assert list(KIND.nearby(tmp_path / ".claude")) == [str(folder)]
    assert list(KIND.nearby(tmp_path / ".claude" / "tasks")) == [str(folder)]
    assert not list(KIND.nearby(tmp_path))
