"""verify: what it says of a sound store, of each thing that can be wrong, and of hashes noted elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli_stage import add, commit_and_die, taskdeck

from taskdeck_store.minna.memory import MinnaMemory

FORGE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
rules = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
for name, _ in rules:
    connection.execute(f"DROP TRIGGER {name}")
connection.executescript(sys.argv[2])
for _, sql in rules:
    connection.execute(sql)
connection.close()
"""


def forge(path: str, script: str) -> None:
    """Write to a SQLite store past all its rules, as a program with the file in its hands can."""
    subprocess.run([sys.executable, "-c", FORGE, path, script], check=True)


@pytest.fixture(params=["tasks.db", "tasks.json"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    path = str(tmp_path / request.param)
    taskdeck("init", path)
    add(path, "a", "b")
    assert taskdeck("start", path, "a", "--actor", "ann").code == 0
    return path


@pytest.fixture
def database(tmp_path: Path) -> str:
    path = str(tmp_path / "tasks.db")
    taskdeck("init", path)
    add(path, "a", "b")
    assert taskdeck("start", path, "a", "--actor", "ann").code == 0
    return path


def test_a_sound_store(store: str) -> None:
    found = taskdeck("verify", store)
    assert found.code == 0
    assert "3 events are a whole chain" in found.out
    assert "every task is what its events say" in found.out
    told = taskdeck("verify", store, "--json").value
    assert told["head"] == taskdeck("log", store, "--json").value[-1]["hash"]
    assert {name: told[name] for name in ("sound", "events", "unsealed", "broken", "differing", "mended")} == {
        "sound": True,
        "events": 3,
        "unsealed": 0,
        "broken": None,
        "differing": [],
        "mended": [],
    }


def test_a_file_that_taskdeck_never_wrote_to(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    path.write_text('[{"id": "a", "title": "x", "state": "pending"}]')
    found = taskdeck("verify", str(path))
    assert found.code == 0
    assert "no audit log yet" in found.out
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_changed_event_is_named(database: str) -> None:
    forge(database, "UPDATE events SET actor = 'mallory' WHERE seq = 2")
    found = taskdeck("verify", database)
    assert found.code == 1
    assert "broken at event 2" in found.out
    assert json.loads(taskdeck("verify", database, "--json").out)["broken"]["seq"] == 2


def test_a_task_that_is_not_what_its_events_say_is_named(database: str) -> None:
    forge(database, "UPDATE tasks SET title = 'forged \x1b[31m' WHERE id = 'b'")
    found = taskdeck("verify", database)
    assert found.code == 1
    assert "1 task is not what the events say" in found.out
    assert "forged" in found.out
    assert "\x1b" not in found.out
    told = json.loads(taskdeck("verify", database, "--json").out)
    assert told["differing"] == [{"task_id": "b", "fields": {"title": ["forged \x1b[31m", "Task b"]}}]


def test_a_defect_of_the_file_is_told_with_the_way_back(database: str) -> None:
    forge(database, "DROP INDEX events_by_task")
    found = taskdeck("verify", database)
    assert found.code == 1
    assert found.out.splitlines()[0] == "✗ the index events_by_task is missing"
    assert f"taskdeck recover {database} TARGET" in found.out
    told = json.loads(taskdeck("verify", database, "--json").out)
    assert told["sound"] is False
    assert told["defects"] == [{"message": "the index events_by_task is missing", "heals": False}]


def test_a_defect_that_heals_is_told_and_is_no_failure(tmp_path: Path) -> None:
    path = str(tmp_path / "tasks.json")
    taskdeck("init", path)
    add(path, "a")
    with (tmp_path / "tasks.audit.jsonl").open("ab") as log:
        log.write(b'{"seq":2,')
    found = taskdeck("verify", path)
    assert found.code == 0
    assert found.out.startswith("· tasks.audit.jsonl ends in 9 bytes")
    assert "recover" not in found.out


def test_an_outside_change_to_a_file_is_told_until_it_is_on_record(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    taskdeck("init", str(path))
    add(str(path), "a", "b")
    path.write_text(path.read_text().replace("Task b", "by hand"))
    found = taskdeck("verify", str(path))
    assert found.code == 1
    assert "put on record by whoever next opens the store" in found.out
    assert taskdeck("start", str(path), "a").code == 0
    assert taskdeck("verify", str(path)).code == 0


def test_an_anchor_is_made_then_checked_and_grows_with_the_log(store: str, tmp_path: Path) -> None:
    anchor = tmp_path / "elsewhere" / "anchor"
    anchor.parent.mkdir()
    assert "noted event 3" in taskdeck("verify", store, "--anchor", str(anchor)).out
    assert taskdeck("verify", store, "--anchor", str(anchor)).code == 0
    taskdeck("submit", store, "a")
    found = taskdeck("verify", store, "--anchor", str(anchor))
    assert "agrees with 1 noted" in found.out
    assert "noted event 4" in found.out
    notes = [json.loads(line) for line in anchor.read_text().splitlines()]
    hashes = [event["hash"] for event in taskdeck("log", store, "--json").value]
    assert [(note["seq"], note["hash"]) for note in notes] == [(3, hashes[2]), (4, hashes[3])]


def test_an_anchor_tells_what_the_chain_alone_cannot(database: str, tmp_path: Path) -> None:
    """Whoever can write the whole file can make every hash anew, or cut off the end: only a note elsewhere tells."""
    anchor = tmp_path / "anchor"
    assert taskdeck("verify", database, "--anchor", str(anchor)).code == 0

    again = str(tmp_path / "again.db")
    taskdeck("init", again)
    add(again, "a", "b")
    taskdeck("start", again, "a", "--actor", "mallory")
    assert taskdeck("verify", again).code == 0
    rewritten = taskdeck("verify", again, "--anchor", str(anchor))
    assert rewritten.code == 1
    assert "the anchor has another hash" in rewritten.out

    forge(database, "DELETE FROM events WHERE seq = 3; UPDATE tasks SET state='pending', version='1', owner=NULL "
                    "WHERE id='a'; UPDATE tasks SET state_since = created_at, updated_at = created_at")  # fmt: skip
    assert taskdeck("verify", database).code == 0
    shortened = taskdeck("verify", database, "--anchor", str(anchor))
    assert shortened.code == 1
    assert "the anchor knows event 3" in shortened.out
    assert len(anchor.read_text().splitlines()) == 1


@pytest.mark.parametrize("content", ["nonsense\n", '{"seq": "x"}\n', "\x00\n"])
def test_an_anchor_file_that_is_none_is_refused_and_kept(database: str, tmp_path: Path, content: str) -> None:
    anchor = tmp_path / "anchor"
    anchor.write_text(content)
    found = taskdeck("verify", database, "--anchor", str(anchor))
    assert found.code == 2
    assert f"{anchor} line 1" in found.err
    assert anchor.read_text() == content


def test_an_anchor_that_cannot_be_read_or_written_is_said(database: str, tmp_path: Path) -> None:
    assert taskdeck("verify", database, "--anchor", str(tmp_path)).code == 2
    assert taskdeck("verify", database, "--anchor", str(tmp_path / "no" / "such")).code == 2


def test_what_was_mended_is_told_once(database: str) -> None:
    left = commit_and_die(database, "b")
    (sentence,) = taskdeck("verify", database, "--json").value["mended"]
    assert sentence.startswith(left)
    assert taskdeck("verify", database, "--json").value["mended"] == []
    add(database, "c")
    commit_and_die(database, "c")
    assert f"mended: {left}" in taskdeck("verify", database).out
    assert "mended" not in taskdeck("verify", database).out


def test_a_commit_that_only_a_writer_may_carry_on_is_left_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "tasks.json")
    taskdeck("init", path)
    add(path, "a")
    commit_and_die(path, "a")
    before = Path(path).read_bytes()
    assert taskdeck("verify", path, "--json").value["mended"] == []
    assert Path(path).read_bytes() == before


def test_what_others_keep_and_cannot_be_shown_is_found_and_no_way_back_is_told(tmp_path: Path) -> None:
    MinnaMemory(str(tmp_path / "m.db")).store(entity="task:a", attribute="status", value="odd")
    ran = taskdeck("verify", f"minna:{tmp_path / 'm.db'}")
    assert (ran.code, ran.err) == (1, "")
    assert ran.out.startswith("✗ task:a: 'odd' is no status that is known here; it is shown in review\n✓ 1 events")
