"""The formats that are shown and never written: beads, Ralph, Backlog.md, kanban-tui, Taskwarrior."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from foreign.files import KANBAN, TASKWARRIOR, database, move
from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.machine import Code
from taskdeck_store.source import Kind
from taskdeck_store.sources import backlog, beads, claude, kanbantui, ralph, taskmaster, taskwarrior
from taskdeck_store.sources.files import is_settled
from taskdeck_store.values import Action, State

KINDS = [module.KIND for module in (backlog, beads, claude, kanbantui, ralph, taskmaster, taskwarrior)]

CONFIG = 'project_name: "x"\nstatuses: ["To Do", "In Progress", "Checking", "Done"]\ndate_format: yyyy-mm-dd\n'
PAGE = """---
id: TASK-1
title: 'First: a ''thing'' #1'
status: To Do
assignee:
  - '@ada'
  - '@bob'
created_date: '2026-01-31 09:05'
labels:
  - one
dependencies:
  - task-2
priority: high
ordinal: 1000
onStatusChange: touch ran
---

## Description

<!-- SECTION:DESCRIPTION:BEGIN -->
Describe *it*
<!-- SECTION:DESCRIPTION:END -->

## Acceptance Criteria

- [ ] #1 it works
"""
OTHER = "---\nid: TASK-2\ntitle: Second\nstatus: Checking\nassignee: @cy\nlabels: []\ndependencies: []\n---\n"


def backlog_at(folder: Path) -> Path:
    path = folder / "backlog"
    for name in ("tasks", "completed", "drafts"):
        (path / name).mkdir(parents=True)
    (path / "config.yml").write_text(CONFIG)
    (path / "tasks" / "task-1 - First.md").write_text(PAGE)
    (path / "tasks" / "task-2 - Second.md").write_text(OTHER)
    (path / "completed" / "task-3 - Third.md").write_text(OTHER.replace("TASK-2", "TASK-3").replace("Checking", "Done"))
    (path / "drafts" / "draft-1 - Idea.md").write_text(OTHER.replace("TASK-2", "DRAFT-1"))
    return path


def issue(number: int, **more: Any) -> str:
    plain = {
        "_type": "issue",
        "id": f"bd-{number}",
        "title": f"Issue {number}",
        "status": "open",
        "priority": 2,
        "issue_type": "task",
        "created_at": "2026-01-31T09:05:00.5Z",
        "updated_at": "2026-01-31T10:05:00+01:00",
    }
    return json.dumps(plain | more)


def beads_at(folder: Path) -> Path:
    path = folder / ".beads" / "issues.jsonl"
    path.parent.mkdir(parents=True)
    edges = [
        {"issue_id": "bd-1", "depends_on_id": "bd-2", "type": "blocks"},
        {"issue_id": "bd-1", "depends_on_id": "bd-3", "type": "parent-child"},
    ]
    lines = [
        issue(1, dependencies=edges, labels=["ui"], assignee="ada", design="x"),
        issue(2, status="in_progress", started_at="2026-01-31T09:06:00Z"),
        issue(3, status="deferred", defer_until="2027-01-01T00:00:00Z", priority=0),
        issue(4, status="closed", closed_at="2026-02-01T00:00:00Z"),
        issue(5, status="tombstone"),
        '{"_type":"memory","key":"x","value":"y"}',
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def ralph_at(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "prd.json"
    stories = [
        {
            "id": "US-001",
            "title": "One",
            "description": "As a user",
            "acceptanceCriteria": ["x"],
            "priority": 1,
            "passes": True,
        },
        {"id": "US-002", "title": "Two", "priority": 2, "passes": False, "notes": "", "dependsOn": ["US-001"]},
    ]
    path.write_text(json.dumps({"project": "x", "branchName": "ralph/x", "userStories": stories}, indent=2))
    return path


def kanban_at(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    script = """
INSERT INTO boards VALUES (1, 'Home', '', '2026-01-01T00:00:00', 1, 2, 4);
INSERT INTO columns VALUES (1, 'Ready', 1, 0, 1), (2, 'Doing', 1, 1, 1), (3, 'Review', 1, 2, 1), (4, 'Done', 1, 3, 1),
    (5, 'Archive', 0, 4, 1);
INSERT INTO categories VALUES (1, 'red', '#f00');
INSERT INTO tasks VALUES (1, 'One', 2, 1, 'text', '2026-01-31T09:05:00', '2026-01-31T09:06:00', NULL, NULL, '{}', 0),
    (2, 'Two', 3, NULL, NULL, '2026-01-31T09:05:00', NULL, NULL, NULL, '{}', 0),
    (3, 'Three', 5, NULL, '', '2026-01-31T09:05:00', NULL, '2026-01-31T09:07:00', NULL, '{}', 0),
    (4, 'Four', 9, NULL, '', 'never', NULL, NULL, NULL, '{}', 0);
INSERT INTO dependencies VALUES (1, 1, 3);
"""
    return database(folder / "kanban_tui.db", KANBAN + script)


def taskwarrior_at(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    ids = [f"8c4fed9c-c0d2-40c2-936d-36fc44e084a{number}" for number in range(5)]
    needs = {f"dep_{ids[1]}": "", f"dep_{ids[3]}": ""}
    tasks: list[dict[str, str]] = [
        {"status": "pending", "description": "Zero", "entry": "1769850300", "tag_home": "", "priority": "H", **needs},
        {"status": "pending", "description": "One", "start": "1769850360", "project": "x"},
        {"status": "completed", "description": "Two", "end": "1769850420"},
        {"status": "deleted", "description": "Three"},
        {"description": "Four", "wait": "1800000000", "annotation_1769850300": "a note"},
    ]
    rows = ", ".join(f"('{ids[n]}', '{json.dumps(task)}')" for n, task in enumerate(tasks))
    return database(folder / "taskchampion.sqlite3", f"{TASKWARRIOR}INSERT INTO tasks VALUES {rows};")


MADE: dict[str, tuple[Kind, Callable[[Path], Path]]] = {
    "Backlog.md": (backlog.KIND, backlog_at),
    "beads": (beads.KIND, beads_at),
    "Ralph": (ralph.KIND, ralph_at),
    "kanban-tui": (kanbantui.KIND, kanban_at),
    "Taskwarrior": (taskwarrior.KIND, taskwarrior_at),
}


@pytest.fixture(params=MADE.keys())
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Kind, Path]:
    kind, make = MADE[request.param]
    return kind, make(tmp_path / "project")


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_is_known_by_what_is_in_it_and_by_no_other_kind(made: tuple[Kind, Path], tmp_path: Path) -> None:
    kind, path = made
    assert [found.name for found in KINDS if found.recognises(path)] == [kind.name]
    assert [(found.name, address) for found in KINDS for address in found.nearby(tmp_path / "project")] == [
        (kind.name, str(path))
    ]


def test_looking_and_refusing_change_no_file_and_make_none(made: tuple[Kind, Path], tmp_path: Path) -> None:
    kind, path = made
    before = everything(tmp_path)
    source = kind.open(str(path))
    first = source.look()
    assert source.look() == first
    assert source.read_only
    refused = source.carry_out([move(source, first.tasks[0].id, Action.EDIT, title="x")])
    assert refused[0].code is Code.READ_ONLY
    assert source.read_only in refused[0].message
    assert not source.wait(0)
    while source.is_stale():
        source.look()
    source.close()
    assert everything(tmp_path) == before


def test_what_is_gone_is_a_store_error(made: tuple[Kind, Path], tmp_path: Path) -> None:
    kind, path = made
    source = kind.open(str(path))
    source.look()
    (tmp_path / "project").rename(tmp_path / "elsewhere")
    assert source.is_stale()
    with pytest.raises(StoreError) as caught:
        source.look()
    assert caught.value.fault is Fault.MISSING


def test_beads(tmp_path: Path) -> None:
    sight = beads.KIND.open(str(beads_at(tmp_path))).look()
    assert not sight.flaws
    one, two, three, four = sight.tasks
    assert (one.id, one.tags, one.owner, one.depends_on, one.priority) == ("bd-1", ("ui",), "ada", ("bd-2",), 2)
    assert one.extra["design"] == "x"
    assert (one.created_at, one.updated_at) == ("2026-01-31T09:05:00.500000Z", "2026-01-31T09:05:00.000000Z")
    assert (two.state, two.state_since) == (State.IN_PROGRESS, "2026-01-31T09:06:00.000000Z")
    assert (three.state, three.tags, three.not_before) == (State.PENDING, ("deferred",), "2027-01-01T00:00:00.000000Z")
    assert (four.state, four.state_since) == (State.COMPLETED, "2026-02-01T00:00:00.000000Z")


def test_a_line_of_beads_that_is_no_json_is_named(tmp_path: Path) -> None:
    path = beads_at(tmp_path)
    path.write_text(path.read_text() + "<<<<<<< HEAD\n")
    with pytest.raises(StoreError, match="line 7 of"):
        beads.KIND.open(str(path)).look()


def test_ralph(tmp_path: Path) -> None:
    source = ralph.KIND.open(str(ralph_at(tmp_path)))
    one, two = source.look().tasks
    assert (one.state, one.priority, one.extra) == (State.COMPLETED, 1, {"acceptanceCriteria": ["x"]})
    assert (two.state, two.depends_on) == (State.PENDING, ("US-001",))
    assert State.IN_PROGRESS in source.limits.lacks


def test_backlog(tmp_path: Path) -> None:
    path = backlog_at(tmp_path)
    source = backlog.KIND.open(str(path))
    sight = source.look()
    assert not sight.flaws
    one, two, three = sight.tasks
    assert dict(source.limits.words) == {
        "To Do": State.PENDING,
        "In Progress": State.IN_PROGRESS,
        "Checking": State.IN_PROGRESS,
        "Done": State.COMPLETED,
    }
    assert [*source.limits.lacks] == [State.REVIEW, State.FAILED]
    assert (one.title, one.description, one.priority) == ("First: a 'thing' #1", "Describe *it*", 2)
    assert (one.tags, one.owner, one.depends_on) == (("one",), "@ada", ("TASK-2",))
    assert one.created_at == "2026-01-31T09:05:00.000000Z"
    assert "it works" in one.extra["body"]
    assert one.extra["assignee"] == ["@ada", "@bob"]
    assert (two.state, two.owner, two.extra["status"]) == (State.IN_PROGRESS, "@cy", "Checking")
    assert three.state is State.COMPLETED
    assert not (path / "ran").exists()
    page = path / "tasks" / "task-2 - Second.md"
    page.rename(path / "completed" / page.name)
    page = path / "completed" / page.name
    page.write_text(OTHER.replace("Checking", "Done"))
    assert source.look().tasks[1].state is State.COMPLETED


BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nid: 1\ntitle: x\nstatus: To Do"
HARD = {
    "an alias": (BOMB, "alias"),
    "too deep": ("id: " + "[" * 5_000, "nested more than 20"),
    "deep on one line": ("id:\n" + "- " * 5_000 + "x", "nested more than 20"),
    "a tag of Python": ("id: !!python/object/apply:os.system ['touch ran']", "could not determine a constructor"),
    "no keys": ("- x", "no list of keys"),
    "no yaml": ("id: 'x", "found unexpected end"),
    "much": ("id: 1\ntitle: " + "x" * 300_000, "longer than"),
}


@pytest.mark.parametrize(("front", "reason"), HARD.values(), ids=HARD.keys())
def test_front_matter_that_is_hard_to_read_is_a_flaw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, front: str, reason: str
) -> None:
    monkeypatch.setattr(backlog, "is_fresh", lambda path: False)
    path = backlog_at(tmp_path)
    (path / "tasks" / "task-9.md").write_text(f"---\n{front}\n---\n")
    sight = backlog.KIND.open(str(path)).look()
    assert len(sight.tasks) == 3
    assert reason in sight.flaws[0]


def test_a_page_that_is_half_written_is_trouble(tmp_path: Path) -> None:
    path = backlog_at(tmp_path)
    (path / "tasks" / "task-2 - Second.md").write_text("---\nid: TASK-2\n")
    with pytest.raises(StoreError, match="half written"):
        backlog.KIND.open(str(path)).look()


def test_without_pyyaml_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(StoreError, match=r"pip install 'taskdeck\[backlog\]'"):
        backlog.KIND.open(str(backlog_at(tmp_path))).look()


def test_kanban_tui(tmp_path: Path) -> None:
    source = kanbantui.KIND.open(str(kanban_at(tmp_path)))
    sight = source.look()
    one, two, three, four = sight.tasks
    assert list(source.limits.words.values()) == [
        State.PENDING,
        State.IN_PROGRESS,
        State.REVIEW,
        State.COMPLETED,
        State.COMPLETED,
    ]
    assert [*source.limits.lacks] == [State.FAILED]
    assert (one.state, one.tags, one.depends_on, one.description) == (State.IN_PROGRESS, ("red",), ("3",), "text")
    assert one.created_at is not None
    assert one.state_since is not None
    assert two.state is State.REVIEW
    assert three.state is State.COMPLETED
    assert (four.state, four.created_at) == (State.PENDING, None)
    assert sight.flaws == ("4 is in no column; it is shown as pending",)


def test_taskwarrior(tmp_path: Path) -> None:
    sight = taskwarrior.KIND.open(str(taskwarrior_at(tmp_path))).look()
    assert not sight.flaws
    zero, one, two, four = sight.tasks
    assert (zero.priority, zero.tags, zero.depends_on) == (2, ("home",), (one.id,))
    assert zero.created_at == "2026-01-31T09:05:00.000000Z"
    assert (one.state, one.state_since, one.extra) == (
        State.IN_PROGRESS,
        "2026-01-31T09:06:00.000000Z",
        {"project": "x"},
    )
    assert (two.state, two.state_since) == (State.COMPLETED, "2026-01-31T09:07:00.000000Z")
    assert (four.state, four.not_before) == (State.PENDING, "2027-01-15T08:00:00.000000Z")


@contextmanager
def another(path: Path, *statements: str) -> Iterator[subprocess.Popen[str]]:
    """Have another process run statements on a database and keep it open, with what it began."""
    code = (
        "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "for s in sys.argv[2:]: c.execute(s)\nprint('ready', flush=True)\nsys.stdin.read()"
    )
    words = [sys.executable, "-c", code, str(path), *statements]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.communicate()


def test_what_its_own_program_commits_is_seen_while_that_has_it_open(tmp_path: Path) -> None:
    path = taskwarrior_at(tmp_path)
    source = taskwarrior.KIND.open(str(path))
    source.look()
    add = """INSERT INTO tasks VALUES ('x', '{"status":"pending","description":"new"}')"""
    with another(path, add, "BEGIN IMMEDIATE", "DELETE FROM tasks"):
        assert taskwarrior.KIND.recognises(path)
        assert source.is_stale()
        assert [task.title for task in source.look().tasks][-1] == "new"
        assert len(source.look().tasks) == 5
    assert len(source.look().tasks) == 5
    assert sorted(found.name for found in tmp_path.iterdir()) == ["taskchampion.sqlite3"]


def test_a_database_that_is_locked_or_damaged_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from taskdeck_store.sources import database as module

    monkeypatch.setattr(module, "_PATIENCE_MS", 1)
    path = kanban_at(tmp_path)
    source = kanbantui.KIND.open(str(path))
    with another(path, "BEGIN EXCLUSIVE", "DELETE FROM tasks"), pytest.raises(StoreError) as caught:
        source.look()
    assert caught.value.fault is Fault.BUSY
    path.write_bytes(path.read_bytes()[:4096] + b"x" * 4096)
    with pytest.raises(StoreError) as caught:
        source.look()
    assert caught.value.fault is Fault.DAMAGED


def test_a_file_that_was_just_written_is_looked_at_again() -> None:
    written_at = 7_000_000_123
    mark = (1, 2, 3, written_at, written_at)
    assert not is_settled(mark, written_at + 10_000_000)
    assert is_settled(mark, written_at + 30_000_000)
    # A clock that counts whole seconds may be one of two.
    coarse = (1, 2, 3, 0, 7_000_000_000)
    assert not is_settled(coarse, 9_000_000_000)
    assert is_settled(coarse, 11_000_000_000)
    assert is_settled(None, 0)
