"""The command that tells what a store is and cannot hold, and what `taskdeck` offers without a word."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_stage import taskdeck, taskdeck_process

from foreign.files import claude, tagged, task, task_master
from taskdeck_store import create_store
from taskdeck_tui.cli import offering
from taskdeck_tui.cli.offering import stores


def test_a_store_of_ours_is_told_with_its_log(tmp_path: Path) -> None:
    store = str(tmp_path / "tasks.json")
    create_store(store)
    assert "its own; it begins with the first commit" in taskdeck("info", store).out
    taskdeck("add", store, "one", "--id", "a")
    ran = taskdeck("info", store)
    assert ran.code == 0
    assert "kind      JSON\n" in ran.out
    assert "access    read and write\n" in ran.out
    assert "its own: every change of every program" in ran.out
    assert ran.out.endswith("tasks     1 pending\n")
    told = taskdeck("info", store, "--json").value
    assert (told["kind"], told["log"], told["read_only"], told["counts"]["pending"]) == ("JSON", "own", False, 1)
    assert told["words"]["in_progress"] == "in_progress"


def test_what_a_format_cannot_hold_is_told(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    path.write_text('{"master": {"tasks": []}}')
    ran = taskdeck("info", str(path))
    assert ran.code == 0
    for line in (
        "          change tags: its tags say where it lies and how it stands; use task-master move\n",
        "only      priority: critical (1), high (2), medium (5), low (8)\n",
        "ids       an id of Task Master is a whole number that no other task has\n",
    ):
        assert line in ran.out
    told = taskdeck("info", str(path), "--json").value
    assert told["ids"] == "an id of Task Master is a whole number that no other task has"
    assert (told["only"]["priority"]["high"], list(told["fixed"])) == (2, ["tags"])


def test_an_older_layout_is_not_brought_up_to_date_by_looking(tmp_path: Path) -> None:
    store = tmp_path / "tasks.db"
    create_store(str(store))
    before = store.stat().st_mtime_ns
    assert taskdeck("info", str(store)).code == 0
    assert store.stat().st_mtime_ns == before


def test_in_a_folder_of_many_files_it_is_told_that_not_all_were_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(offering, "_MOST", 2)
    for name in ("a.json", "b.json", "c.json", "n.txt"):
        (tmp_path / name).write_text("{}")
    assert "no store in this folder (of its 3 .json and .db files, 2 were looked into)" in taskdeck().err
    create_store("z.db")
    assert list(stores(Path())) == [("z.db", "SQLite")]


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    store = tmp_path / "a.json"
    store.write_text("[]")
    store.chmod(0)
    ran = taskdeck_process(humble=True, cwd=tmp_path)
    assert "there is no store in this folder that can be read (a.json cannot); name" in ran.err
    tmp_path.chmod(0o300)
    ran = taskdeck_process(humble=True, cwd=tmp_path)
    tmp_path.chmod(0o700)
    assert (ran.code, ran.err) == (1, f"taskdeck: cannot look into {tmp_path}: Permission denied\n")


def test_what_others_keep_in_a_folder_is_offered_and_named_where_the_folder_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = tmp_path / ".claude" / "tasks"
    claude(tasks / "a-list", 1)
    path = task_master(tmp_path, tagged(task(1)))
    assert f"{tmp_path} is a folder; name what is in it: {path}" in taskdeck("list", str(tmp_path)).err
    for folder, address in (
        (tasks.parent, "tasks/a-list"),
        (tasks, "a-list"),
        (tasks / "a-list", str(tasks / "a-list")),
    ):
        monkeypatch.chdir(folder)
        assert list(stores(Path())) == [(address, "Claude Code")]


def test_the_stores_of_a_folder_are_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = taskdeck()
    assert ran.code == 2
    assert "there is no store in this folder; name a store" in ran.err
    for name in ("b.db", "a.json"):
        create_store(str(tmp_path / name))
    (tmp_path / "package.json").write_text('{"name": "x"}')
    (tmp_path / "notes.txt").write_text("[]")
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "photos.db").write_bytes(b"SQLite format 3\x00 no more")
    assert list(stores(Path())) == [("a.json", "JSON"), ("b.db", "SQLite")]
    ran = taskdeck()
    assert ran.code == 2
    assert "name one of the stores in this folder (a.json, b.db), as in: taskdeck a.json" in ran.err
    assert taskdeck("--json").value == [{"address": "a.json", "kind": "JSON"}, {"address": "b.db", "kind": "SQLite"}]
