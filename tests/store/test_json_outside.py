"""Programs that know nothing of Taskdeck: what they write is seen, put on record, and never overwritten."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from conftest import Turned
from taskdeck_store import Store, open_store
from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.machine import Code, command
from taskdeck_store.values import Action, State, Task

Opener = Callable[..., Store]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tasks.json"
    tasks = [{"id": f"t-{number}", "title": f"T {number}", "status": "pending", "due": None} for number in (1, 2, 3)]
    path.write_text(json.dumps(tasks, indent=2))
    return path


@pytest.fixture
def opened(path: Path, now: Turned) -> Iterator[Opener]:
    handles: list[Store] = []

    def another(**options: Any) -> Store:
        handles.append(open_store(str(path), now=now, **options))
        return handles[-1]

    yield another
    for handle in handles:
        handle.close()


@pytest.fixture
def store(opened: Opener) -> Store:
    return opened()


def edit(path: Path, task_id: str, **fields: object) -> None:
    """Change a task, or add it, as a program does that rewrites the whole file."""
    tasks = json.loads(path.read_text())
    found = next((task for task in tasks if task["id"] == task_id), None)
    if found is None:
        tasks.append(found := {"id": task_id})
    found.update(fields)
    path.write_text(json.dumps(tasks, indent=2))


def remove(path: Path, task_id: str) -> None:
    path.write_text(json.dumps([task for task in json.loads(path.read_text()) if task["id"] != task_id], indent=2))


def got(store: Store, task_id: str) -> Task:
    task = store.get(task_id)
    assert task is not None
    return task


def begin_log(store: Store) -> None:
    """Make a first commit, on t-3, so that there is a log."""
    assert store.apply([command("t-3", Action.START, actor="me")])[0].event is not None


def names(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.parent.iterdir())


def test_looking_makes_no_file(store: Store, path: Path) -> None:
    cursor = store.changes().cursor
    edit(path, "t-1", status="review")
    assert store.counts()[State.REVIEW].count == 1
    assert store.changes(cursor).changes
    store.wait(0.01)
    assert names(path) == ["tasks.json"]
    assert not store.audited


def test_a_refused_command_begins_no_log(store: Store, path: Path) -> None:
    assert store.apply([command("t-1", Action.APPROVE, actor="me")])[0].refusal is not None
    assert "tasks.audit.jsonl" not in names(path)


def test_the_log_begins_with_what_was_there(store: Store, path: Path, now: Turned) -> None:
    begin_log(store)
    lines = [json.loads(line) for line in path.with_name("tasks.audit.jsonl").read_text().splitlines()]
    assert [(line["seq"], line["actor"], line["action"], line["task_id"]) for line in lines] == [
        (1, "external", "add", "t-1"),
        (2, "external", "add", "t-2"),
        (3, "external", "add", "t-3"),
        (4, "me", "start", "t-3"),
    ]
    assert (lines[0]["from_state"], lines[0]["to_state"]) == (None, "pending")
    assert lines[0]["changes"] == {"title": [None, "T 1"]}
    assert got(store, "t-1").state_since is None
    assert got(store, "t-3").state_since == now.moment


def test_without_a_log_a_change_is_told_and_not_recorded(store: Store, path: Path) -> None:
    cursor = store.changes().cursor
    edit(path, "t-1", status="in_progress")
    edit(path, "t-9", status="failed")
    remove(path, "t-2")
    told = store.changes(cursor)
    assert {(c.seq, c.task_id, c.actor, c.action, c.from_state, c.to_state) for c in told.changes} == {
        (0, "t-1", "external", "start", "pending", "in_progress"),
        (0, "t-9", "external", "add", None, "failed"),
        (0, "t-2", "external", "removed", "pending", None),
    }
    assert told.complete
    assert store.changes(told.cursor).changes == ()
    assert store.events() == []


def test_a_cursor_from_before_the_log_is_told_to_read_anew(store: Store, opened: Opener) -> None:
    other = opened()
    cursor = other.changes().cursor
    begin_log(store)
    told = other.changes(cursor)
    assert not told.complete
    assert [(change.seq, change.task_id) for change in told.changes] == [(4, "t-3")]


def test_an_outside_change_is_put_on_record_with_what_changed(store: Store, path: Path, now: Turned) -> None:
    begin_log(store)
    cursor = store.changes().cursor
    now.turn(60)
    edit(path, "t-1", status="review", due="friday", title="New")
    told = store.changes(cursor)
    assert [(c.seq, c.actor, c.action, c.from_state, c.to_state) for c in told.changes] == [
        (5, "external", "outside", "pending", "review")
    ]
    event = store.events("t-1")[-1]
    assert event.changes == {"due": (None, "friday"), "title": ("T 1", "New")}
    assert event.at == now.moment
    assert (got(store, "t-1").version, got(store, "t-1").state_since) == ("5", now.moment)
    assert got(store, "t-1").extra == {"due": "friday"}


@pytest.mark.parametrize(
    ("before", "after", "action"),
    [
        ("pending", "in_progress", "start"),
        ("pending", "failed", "fail"),
        ("pending", "completed", "outside"),
        ("pending", "pending", "edit"),
    ],
)
def test_an_outside_move_has_the_name_of_the_table(
    store: Store, path: Path, before: str, after: str, action: str
) -> None:
    begin_log(store)
    edit(path, "t-1", status=after, title="other")
    assert got(store, "t-1").state == after
    event = store.events("t-1")[-1]
    assert (event.action, event.from_state, event.to_state) == (action, before, after)


def test_a_task_added_and_one_removed_outside_are_recorded(store: Store, path: Path) -> None:
    begin_log(store)
    edit(path, "t-4", status="review", title="Four", priority=1)
    remove(path, "t-1")
    store.counts()
    removed, added = store.events()[-2:]
    assert (removed.task_id, removed.action, removed.from_state, removed.to_state) == (
        "t-1",
        "removed",
        "pending",
        None,
    )
    assert removed.changes["title"] == ("T 1", None)
    assert (added.task_id, added.action, added.from_state, added.to_state) == ("t-4", "add", None, "review")
    assert added.changes == {"title": (None, "Four"), "priority": (None, 1)}


def test_what_went_away_and_came_back_has_another_version(store: Store, path: Path) -> None:
    before = path.read_text()
    for begun in (False, True):
        if begun:
            begin_log(store)
            before = path.read_text()
        version = got(store, "t-1").version
        remove(path, "t-1")
        assert store.get("t-1") is None
        path.write_text(before)
        assert got(store, "t-1").version != version
        (outcome,) = store.apply([command("t-1", Action.START, actor="me", expect=version)])
        assert outcome.refusal is not None
        assert outcome.refusal.code is Code.CONFLICT


def versions_of(store: Store) -> list[tuple[str, str]]:
    return [(task.id, task.version) for task in store.tasks()]


def test_a_rewrite_that_says_the_same_is_no_change(store: Store, path: Path) -> None:
    begin_log(store)
    cursor, versions = store.changes().cursor, versions_of(store)
    tasks = [dict(reversed(task.items())) for task in json.loads(path.read_text())]
    path.write_text(json.dumps(tasks, separators=(",", ":"), ensure_ascii=False))
    assert versions_of(store) == versions
    assert store.changes(cursor).changes == ()
    assert store.apply([command("t-1", Action.START, actor="me", expect=versions[0][1])])[0].event is not None


def test_a_key_that_holds_null_counts_as_absent(store: Store, path: Path) -> None:
    begin_log(store)
    versions, count = versions_of(store), len(store.events())
    edit(path, "t-1", note=None, error=None)
    assert versions_of(store) == versions
    assert len(store.events()) == count


def test_a_file_that_says_when_is_believed_unless_its_writer_forgot(path: Path, now: Turned) -> None:
    path.write_text(json.dumps([{"id": "a", "state": "pending", "state_since": None, "updated_at": None}]))
    store = open_store(str(path), now=now)
    began = now()
    store.apply([command("a", Action.START, actor="me")])
    now.turn(60)
    edit(path, "a", state="review")
    assert (got(store, "a").state_since, got(store, "a").updated_at) == (now(), now())
    now.turn(60)
    edit(path, "a", state="completed", state_since="2026-01-31T09:01:30+00:00")
    assert (got(store, "a").state_since, got(store, "a").updated_at) == ("2026-01-31T09:01:30.000000Z", now())
    assert json.loads(path.read_text())[0]["updated_at"] == began
    store.close()


def test_one_change_among_ten_thousand_is_told_alone(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    tasks = [{"id": f"t-{number}", "title": f"T {number}", "state": "pending"} for number in range(10_000)]
    path.write_text(json.dumps(tasks, indent=2))
    store = open_store(str(path))
    store.apply([command("t-0", Action.START, actor="me")])
    cursor = store.changes().cursor
    text = path.read_text().replace('"T 5000"', '"X 5000"')
    path.write_text(text)
    assert [(c.task_id, c.action) for c in store.changes(cursor).changes] == [("t-5000", "edit")]
    store.apply([command("t-9999", Action.START, actor="me")])
    head, _, tail = text.rpartition('"pending"')
    assert path.read_text() == f'{head}"in_progress"{tail}'
    store.close()


def test_a_change_counts_though_size_and_times_stay(store: Store, path: Path) -> None:
    begin_log(store)
    assert got(store, "t-1").title == "T 1"
    was = path.stat()
    with path.open("r+b") as file:
        content = file.read()
        file.seek(0)
        file.write(content.replace(b"T 1", b"X 1"))
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert got(store, "t-1").title == "X 1"


def test_a_version_seen_before_the_change_was_recorded_is_no_conflict(opened: Opener, path: Path) -> None:
    begin_log(opened())
    onlooker = opened(read_only=True)
    edit(path, "t-1", title="Changed")
    seen = got(onlooker, "t-1").version
    other = opened()
    assert got(other, "t-1").version not in (seen, "1")
    (outcome,) = other.apply([command("t-1", Action.START, actor="me", expect=seen)])
    assert outcome.event is not None
    (again,) = other.apply([command("t-1", Action.SUBMIT, actor="me", expect=seen)])
    assert again.refusal is not None
    assert again.refusal.code is Code.CONFLICT


def test_a_version_seen_before_the_log_began_is_no_conflict(opened: Opener, path: Path) -> None:
    early = opened()
    seen = {task.id: task.version for task in early.tasks()}
    begin_log(opened())
    edit(path, "t-2", title="Changed")
    first, second = early.apply(
        [command(task_id, Action.START, actor="me", expect=seen[task_id]) for task_id in ("t-1", "t-2")]
    )
    assert first.event is not None
    assert second.refusal is not None
    assert second.refusal.code is Code.CONFLICT
    assert "external did edit" in second.refusal.message


def test_an_unseen_outside_change_of_the_task_is_a_conflict(store: Store, path: Path) -> None:
    version = got(store, "t-1").version
    edit(path, "t-1", title="Theirs")
    (outcome,) = store.apply([command("t-1", Action.EDIT, actor="me", title="Mine", expect=version)])
    assert outcome.refusal is not None
    assert outcome.refusal.code is Code.CONFLICT
    assert outcome.task is not None
    assert outcome.task.title == "Theirs"
    assert json.loads(path.read_text())[0]["title"] == "Theirs"


def test_a_change_of_other_tasks_is_merged(store: Store, path: Path) -> None:
    version = got(store, "t-1").version
    edit(path, "t-2", title="Theirs")
    (outcome,) = store.apply([command("t-1", Action.EDIT, actor="me", title="Mine", expect=version)])
    assert outcome.event is not None
    assert [task["title"] for task in json.loads(path.read_text())] == ["Mine", "Theirs", "T 3"]


def test_what_a_move_implies_is_kept_beside_a_file_without_a_place_for_it(store: Store, path: Path) -> None:
    store.apply([command("t-1", Action.START, actor="worker", lease_until="2026-01-31T10:00:00.000000Z")])
    edit(path, "t-1", status="pending")
    task = got(store, "t-1")
    assert (task.attempts, task.owner, task.lease_until) == (1, None, None)
    assert store.events("t-1")[-1].action == "release"
    assert json.loads(path.read_text())[0] == {"id": "t-1", "title": "T 1", "status": "pending", "due": None}


def test_who_may_only_read_sees_and_records_nothing(opened: Opener, path: Path) -> None:
    begin_log(opened())
    log = path.with_name("tasks.audit.jsonl")
    before, onlooker = log.read_bytes(), opened(read_only=True)
    cursor = onlooker.changes().cursor
    edit(path, "t-1", status="in_progress")
    assert got(onlooker, "t-1").state is State.IN_PROGRESS
    assert [(c.seq, c.action) for c in onlooker.changes(cursor).changes] == [(0, "start")]
    assert onlooker.apply([command("t-1", Action.SUBMIT, actor="me")])[0].refusal.code is Code.READ_ONLY  # type: ignore[union-attr]
    assert log.read_bytes() == before


def test_a_change_seen_while_the_lock_is_held_is_recorded_later(opened: Opener, path: Path) -> None:
    store = opened()
    begin_log(store)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, pathlib; from taskdeck_store.lock import WriteLock\n"
            "path = pathlib.Path(sys.argv[1]); lock = WriteLock(path.with_name(path.name + '.taskdeck-lock'), path)\n"
            "with lock.hold(5): print('held', flush=True); sys.stdin.read()",
            str(path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    cursor = store.changes().cursor
    edit(path, "t-1", title="Now")
    assert got(store, "t-1").title == "Now"
    seen = got(store, "t-1").version
    assert [change.seq for change in store.changes(cursor).changes] == [0]
    hasty = opened(patience=0.05)
    with pytest.raises(StoreError, match="write lock"):
        hasty.apply([command("t-1", Action.START, actor="me")])
    holder.communicate()
    (outcome,) = store.apply([command("t-1", Action.START, actor="me", expect=seen)])
    assert outcome.event is not None
    assert [event.actor for event in store.events("t-1")] == ["external", "external", "me"]


def test_a_handle_sees_what_another_one_commits(opened: Opener) -> None:
    one, two = opened(), opened()
    cursor = two.changes().cursor
    begin_log(one)
    cursor = two.changes(cursor).cursor
    one.apply([command("t-1", Action.START, actor="me"), command("t-9", Action.ADD, actor="me", title="Nine")])
    told = two.changes(cursor)
    assert [(change.seq, change.task_id, change.actor) for change in told.changes] == [
        (5, "t-1", "me"),
        (6, "t-9", "me"),
    ]
    assert two.tasks() == one.tasks()
    assert two.events() == one.events()


def test_a_log_that_is_taken_away_begins_anew(store: Store, path: Path) -> None:
    begin_log(store)
    cursor = store.changes().cursor
    path.with_name("tasks.audit.jsonl").unlink()
    assert not store.changes(cursor).complete
    assert not store.audited
    assert store.apply([command("t-1", Action.START, actor="me")])[0].event is not None
    assert [event.seq for event in store.events()] == [1, 2, 3, 4]


def test_a_link_that_is_turned_leads_to_another_store(tmp_path: Path, now: Turned) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.json").write_text(json.dumps([{"id": name, "state": "pending"}]))
    link = tmp_path / "tasks.json"
    link.symlink_to("one.json")
    store = open_store(str(link), now=now)
    cursor = store.changes().cursor
    link.unlink()
    link.symlink_to("two.json")
    assert [task.id for task in store.tasks()] == ["two"]
    assert not store.changes(cursor).complete
    assert store.apply([command("two", Action.START, actor="me")])[0].event is not None
    assert names(link) == ["one.json", "tasks.json", "two.audit.jsonl", "two.json", "two.json.taskdeck-lock"]
    store.close()


RIVAL = """
import json, os, sys, time
path, way, until = sys.argv[1], sys.argv[2], time.monotonic() + float(sys.argv[3])
mine = lost = 0
def load():
    with open(path) as file:
        tasks = json.load(file)
    return tasks, tasks[1]
while time.monotonic() < until:
    tasks, task = load()
    # What was about to be overwritten is put back, but a reader may come between.
    patience = time.monotonic() + 5
    while (task["due"] or 0) != mine and time.monotonic() < patience:
        tasks, task = load()
    lost += (task["due"] or 0) != mine
    mine = task["due"] = mine + 1
    text = json.dumps(tasks, indent=2)
    if way == "rename":
        with open(path + ".rival", "w") as file:
            file.write(text)
        os.rename(path + ".rival", path)
    else:
        with open(path, "w") as file:
            file.write(text)
    time.sleep(0.001)
print(json.dumps([mine, lost]))
"""


@pytest.mark.parametrize("way", ["rename", "in place"])
def test_a_program_that_writes_all_the_time_loses_nothing(store: Store, path: Path, way: str) -> None:
    rival = subprocess.Popen([sys.executable, "-c", RIVAL, str(path), way, "1.5"], stdout=subprocess.PIPE, text=True)
    committed = 0
    faults: set[Fault] = set()
    while rival.poll() is None:
        try:
            (outcome,) = store.apply([command("t-1", Action.EDIT, actor="me", title=f"T {committed}")])
        except StoreError as error:
            # The rival may be held up between emptying the file and filling it.
            faults.add(error.fault)
        else:
            assert outcome.event is not None
            committed += 1
        time.sleep(0.001)
    assert faults <= {Fault.DAMAGED}
    assert rival.stdout is not None
    mine, lost = json.loads(rival.stdout.read())
    assert committed > 0
    assert mine > 0
    assert lost == 0
    events = store.events()
    assert sum(event.actor == "me" for event in events) == committed
    assert json.loads(path.read_text())[1]["due"] == mine
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    due = [event.changes["due"] for event in events if "due" in event.changes]
    assert all(later[0] == earlier[1] for earlier, later in pairwise(due))
    assert due[-1][1] == mine
    assert names(path) == ["tasks.audit.jsonl", "tasks.json", "tasks.json.taskdeck-lock"]
