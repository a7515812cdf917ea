"""Bundles from the command line and on the board: made, told, looked at, replayed, verified, and not changed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from board_stage import staged
from cli_stage import add, running, taskdeck

from taskdeck_store import Action, command, create_store, open_store
from taskdeck_tui import __version__

MANIFEST = [
    *("taskdeck", "store", "kind", "origin", "made_at", "made_by", "query", "tasks", "events", "left_out"),
    *("store_tasks", "store_events", "first_seq", "last_seq", "head_seq", "head", "sha256"),
]


@pytest.fixture(params=["tasks.db", "tasks.json"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    path = str(tmp_path / request.param)
    assert taskdeck("init", path).code == 0
    add(path, "a", "b", "c")
    assert taskdeck("start", path, "b", "a").code == 0
    assert taskdeck("fail", path, "b", "--note", "boom").code == 0
    return path


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    return str(tmp_path / "evidence.bundle")


def test_export_says_what_it_wrote_and_verify_what_it_found(store: str, bundle: str) -> None:
    made = taskdeck("export", store, "state:failed", "--bundle", bundle, "--actor", "ann")
    head = taskdeck("verify", store, "--json").value["head"]
    assert (made.code, made.err) == (0, "")
    counted = "1 of 3 tasks, those that matched state:failed; 3 of 6 events"
    assert made.out == f"wrote {bundle}: {counted}\nhead of the log: event 6 {head}\n"
    found = taskdeck("verify", bundle)
    assert (found.code, found.err) == (0, "")
    first, origin, *lines = found.out.splitlines()
    assert first == f"a bundle: {counted}"
    assert origin.startswith(f"from {Path(store).name} (")
    assert origin.endswith(f"Z by ann, with Taskdeck {__version__}; as it says")
    assert lines == [
        "✓ 3 events are a whole chain; 3 more are left out of the bundle",
        "✓ every task is what its events say",
        f"head: event 6 {head}",
    ]


def test_export_of_a_whole_store_as_json_is_the_manifest(store: str, bundle: str) -> None:
    manifest = taskdeck("export", store, "--bundle", bundle, "--json", "--actor", "ann").value
    assert list(manifest) == MANIFEST
    assert (manifest["taskdeck"], manifest["store"], manifest["made_by"]) == (__version__, Path(store).name, "ann")
    assert (manifest["tasks"], manifest["events"], manifest["left_out"], manifest["query"]) == (3, 6, 0, "")
    found = taskdeck("verify", bundle, "--json").value
    assert found["manifest"] == manifest
    assert (found["sound"], found["events"], found["left_out"], found["head"]) == (True, 6, 0, manifest["head"])
    assert taskdeck("verify", store, "--json").value["manifest"] is None


def test_every_look_at_a_bundle_shows_what_the_store_shows(store: str, bundle: str) -> None:
    assert taskdeck("export", store, "--bundle", bundle).code == 0
    for words in (
        ["list"],
        ["list", "state:failed"],
        ["counts"],
        ["show", "b"],
        ["log"],
        ["log", "b"],
        ["replay", "--at", "4"],
        ["replay", "b", "--at", "4"],
        ["replay", "--from", "3", "--to", "5"],
        ["stats"],
    ):
        ran = taskdeck(words[0], bundle, *words[1:], "--json")
        assert ran.code == 0
        assert ran.out == taskdeck(words[0], store, *words[1:], "--json").out
    assert "boom" in taskdeck("replay", bundle, "b", "--why").out


def test_what_is_left_out_is_not_told_as_missing(store: str, bundle: str) -> None:
    assert taskdeck("export", store, "id:b", "--bundle", bundle).code == 0
    assert [event["seq"] for event in taskdeck("log", bundle, "--json").value] == [2, 4, 6]
    assert [task["state"] for task in taskdeck("replay", bundle, "--at", "5", "--json").value] == ["in_progress"]
    for words in (["stats", bundle], ["replay", bundle, "b"], ["verify", bundle]):
        assert "missing" not in taskdeck(*words).out


def test_actions_on_a_bundle_are_refused(store: str, bundle: str) -> None:
    assert taskdeck("export", store, "--bundle", bundle).code == 0
    before = Path(bundle).read_bytes()
    for words in (["start", bundle, "c"], ["add", bundle, "x"], ["release", bundle, "a"], ["step", bundle, "a"]):
        ran = taskdeck(*words)
        assert ran.code == 6
        assert "is a bundle, made to be looked at; nothing was changed" in ran.err
    assert taskdeck("restore", bundle, store).code == 1
    assert Path(bundle).read_bytes() == before


@pytest.mark.parametrize("query", [[], ["id:review-1"]])
async def test_a_board_on_a_bundle_shows_it_and_refuses_every_action(tmp_path: Path, query: list[str]) -> None:
    store, bundle = str(tmp_path / "tasks.json"), tmp_path / "a.bundle"
    Path(store).write_text(json.dumps([{"id": f"review-{n}", "title": f"T {n}", "state": "review"} for n in (1, 2)]))
    assert taskdeck("reject", store, "review-2", "--note", "no").code == 0
    assert taskdeck("start", store, "review-2").code == 0
    assert taskdeck("approve", store, "review-1").code == 0
    assert taskdeck("export", store, *query, "--bundle", str(bundle)).code == 0
    before = bundle.read_bytes()
    async with staged(bundle, check_after=0) as stage:
        assert "read-only" in stage.header
        await stage.until(lambda: "✓" in stage.header or "verified" in stage.header)
        assert stage.ids(3) == ["review-1"]
        assert stage.ids(1) == ([] if query else ["review-2"])
        await stage.press("4", "R")
        await stage.until(lambda: "read-only" in stage.status)
        await stage.press("t")
        await stage.until(lambda: len(stage.deck.screen_stack) == 2)
        await stage.press("escape")
        await stage.until(lambda: len(stage.deck.screen_stack) == 1)
        assert [event.action for event in stage.other.events("review-1")][-1] == Action.APPROVE
    assert bundle.read_bytes() == before


def test_a_changed_bundle_is_found_out(store: str, bundle: str) -> None:
    assert taskdeck("export", store, "--bundle", bundle).code == 0
    with closing(sqlite3.connect(bundle)) as connection, connection:
        connection.execute("UPDATE events SET note = 'nothing \x1b[31m' WHERE note = 'boom'")
    ran = taskdeck("verify", bundle)
    assert ran.code == 1
    assert "✗ it was changed since it was made" in ran.out
    assert "✗ broken at event 6" in ran.out
    assert "restore" not in ran.out
    assert "\x1b" not in ran.out


def test_an_anchor_noted_from_the_store_holds_for_its_bundle(store: str, bundle: str, tmp_path: Path) -> None:
    anchor = str(tmp_path / "anchor")
    assert taskdeck("verify", store, "--anchor", anchor).code == 0
    assert taskdeck("export", store, "id:c", "--bundle", bundle).code == 0
    found = taskdeck("verify", bundle, "--anchor", anchor)
    assert found.code == 0
    assert "anchor: agrees with 1 noted" in found.out
    Path(anchor).write_text(Path(anchor).read_text().replace('"hash":"', '"hash":"0'))
    assert taskdeck("verify", bundle, "--anchor", anchor).code == 1


def test_export_refuses_what_it_cannot_do(store: str, bundle: str) -> None:
    assert taskdeck("export", store).code == 2
    wrong = taskdeck("export", store, "colour:red", "--bundle", bundle)
    assert wrong.code == 2
    Path(bundle).write_text("precious")
    taken = taskdeck("export", store, "--bundle", bundle, "--json")
    assert (taken.code, taken.error["code"]) == (1, "exists")
    assert Path(bundle).read_text() == "precious"
    gone = taskdeck("export", f"{store}.gone.db", "--bundle", f"{bundle}-2", "--json")
    assert (gone.code, gone.error["code"]) == (1, "missing")
    assert not Path(f"{bundle}-2").exists()


def test_a_negated_term_is_part_of_the_query(store: str, bundle: str) -> None:
    manifest = taskdeck("export", store, "-id:a", "--bundle", bundle, "--json").value
    assert (manifest["tasks"], manifest["query"]) == (2, "-id:a")


def test_a_store_without_a_log_is_told_as_such(tmp_path: Path, bundle: str) -> None:
    store = tmp_path / "old.json"
    store.write_text('[{"id": "a", "title": "x", "state": "pending"}]')
    made = taskdeck("export", str(store), "--bundle", bundle)
    assert (made.code, made.out) == (0, f"wrote {bundle}: 1 task; no audit log yet\n")
    assert "no audit log yet" in taskdeck("verify", bundle).out
    assert taskdeck("replay", bundle, "--at", "1").code == 1


def test_the_bundle_of_an_unsound_store_is_made_and_told_as_an_error(tmp_path: Path, bundle: str) -> None:
    store = tmp_path / "tasks.json"
    taskdeck("init", str(store))
    add(str(store), "a", "b")
    log = tmp_path / "tasks.audit.jsonl"
    log.write_text(log.read_text().replace("add", "odd", 1))
    ran = taskdeck("export", str(store), "--bundle", bundle)
    assert ran.code == 1
    assert "the bundle is made, but what it holds is not sound" in ran.err
    assert Path(bundle).exists()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_in_the_middle_of_an_export_leaves_nothing(tmp_path: Path, name: str) -> None:
    path = tmp_path / "tasks.db"
    create_store(str(path))
    with closing(open_store(str(path))) as handle:
        for first in range(0, 10_000, 1_000):
            numbers = range(first, first + 1_000)
            handle.apply([command(f"t-{number}", Action.ADD, actor="ann", title="x" * 500) for number in numbers])
    folder = tmp_path / "out"
    folder.mkdir()
    with running("export", str(path), "--bundle", str(folder / "evidence.bundle")) as process:
        deadline = time.monotonic() + 60
        while not any(folder.iterdir()):
            assert time.monotonic() < deadline
        process.send_signal(getattr(signal, name))
        assert process.wait(60) == -getattr(signal, name)
    assert list(folder.iterdir()) == []


def test_what_a_killed_export_left_behind_is_cleared_away_later(store: str, bundle: str, tmp_path: Path) -> None:
    old, fresh, other = (
        tmp_path / f".{digit * 16}.{name}"
        for digit, name in (("a", "evidence.bundle"), ("b", "evidence.bundle"), ("c", "another"))
    )
    for file in (old, fresh, other):
        file.write_text("half a bundle")
    for file in (old, other):
        os.utime(file, (1, 1))
    assert taskdeck("export", store, "--bundle", bundle).code == 0
    assert [file.exists() for file in (old, fresh, other)] == [False, True, True]
