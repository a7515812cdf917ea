"""Killed at any step, out of disk at any step: a commit is there in full or not at all, and nothing else is lost."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from moving import put, quiet
from unprivileged import open_folder, unprivileged

from conftest import Turned
from taskdeck_store import Store, create_store, open_store
from taskdeck_store.contract import StoreError
from taskdeck_store.machine import Code, Command, command
from taskdeck_store.values import Action, State

TASKS = [{"id": f"t-{number}", "title": f"T {number}", "state": "pending", "x": number} for number in (1, 2, 3)]
STEPS = ("write", "fsync", "ftruncate", "fchmod", "rename", "renameat2", "unlink")

WRITER = """
import sys
from taskdeck_store import open_store
from taskdeck_store.contract import StoreError
from taskdeck_store.machine import command
store = open_store(sys.argv[1])
try:
    outcomes = store.apply([
        command("t-1", "start", actor="me", operation="one"),
        command("t-9", "add", actor="me", operation="two", title="Nine"),
    ])
    print("done", [outcome.refusal and outcome.refusal.code for outcome in outcomes], flush=True)
except StoreError as error:
    print(error.fault, error.message, flush=True)
"""


def moves() -> list[Command]:
    return [
        command("t-1", Action.START, actor="me", operation="one"),
        command("t-9", Action.ADD, actor="me", operation="two", title="Nine"),
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps(TASKS, indent=2))
    return path


@pytest.fixture
def begun(path: Path) -> Path:
    """A store whose log has begun."""
    with closing(open_store(str(path))) as store:
        store.apply([command("t-3", Action.START, actor="me")])
    return path


@pytest.fixture(scope="module")
def strace() -> str:
    found = shutil.which("strace")
    if found is None:
        pytest.skip("strace is not here: no commit was killed at a chosen step")
    probe = subprocess.run([found, "-qq", "-o", "/dev/null", "true"], capture_output=True, text=True)
    if probe.returncode != 0:
        pytest.skip(f"strace may not trace here: no commit was killed at a chosen step: {probe.stderr}")
    return found


def tracing(strace: str, path: Path, step: str, fault: str) -> list[str]:
    """Return the words that make a writer commit, with a fault at a step (a system call) on the store's files."""
    names = (".", "tasks.json", "tasks.audit.jsonl", "tasks.json.taskdeck-lock", ".tasks.json.taskdeck-new")
    places = [word for name in (*names, ".tasks.json.taskdeck-old") for word in ("-P", str(path.parent / name))]
    tracer = [strace, "-f", "-qq", "-o", "/dev/null", *places, "-e", f"trace={step}", "-e", f"inject={step}:{fault}"]
    return [*tracer, sys.executable, "-c", WRITER, str(path)]


def injected(strace: str, path: Path, step: str, fault: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(tracing(strace, path, step, fault), capture_output=True, text=True, timeout=60)


def is_done(store: Store) -> bool:
    """Tell whether the commit is there; fail when it is there by half."""
    task, other = store.get("t-1"), store.get("t-9")
    assert task is not None
    mine = [event.task_id for event in store.events() if event.actor == "me" and event.task_id != "t-3"]
    done = task.state is State.IN_PROGRESS
    assert (other is not None) is done
    assert mine == (["t-1", "t-9"] if done else [])
    return done


def check_sound(path: Path, acknowledged: bool) -> None:
    """Fail unless the store at a path is whole, and the commit can be made, or repeated."""
    json.loads(path.read_bytes())
    with closing(open_store(str(path), read_only=True)) as onlooker:
        assert is_done(onlooker) or not acknowledged
    with closing(open_store(str(path))) as store:
        done = is_done(store)
        assert done or not acknowledged
        outcomes = store.apply(moves())
        assert [outcome.repeated for outcome in outcomes] == [done, done]
        assert is_done(store)
        assert [event.actor for event in store.events("t-2")] == ["external"]
        assert store.apply([command("t-2", Action.START, actor="me")])[0].event is not None
    data = {task["id"]: task for task in json.loads(path.read_bytes())}
    assert [data[task]["state"] for task in ("t-1", "t-2", "t-9")] == ["in_progress", "in_progress", "pending"]
    assert [data[f"t-{number}"]["x"] for number in (1, 2, 3)] == [1, 2, 3]
    names = sorted(entry.name for entry in path.parent.iterdir())
    assert names == ["tasks.audit.jsonl", "tasks.json", "tasks.json.taskdeck-lock"]


def copies(path: Path, first: bool) -> Iterator[Path]:
    """Yield one copy after the other of a store, before its first commit or a later one."""
    if not first:
        with closing(open_store(str(path))) as store:
            store.apply([command("t-3", Action.START, actor="me")])
    files = list(path.parent.iterdir())
    for number in count(1):
        folder = path.parent / f"copy-{number}"
        folder.mkdir()
        for file in files:
            shutil.copy2(file, folder)
        yield folder / path.name


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.parent.iterdir() if not file.name.endswith("-lock")}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("first", [True, False], ids=["first commit", "later commit"])
def test_killed_at_any_step_a_commit_is_whole_or_not_there(strace: str, path: Path, first: bool, step: str) -> None:
    for number, copy in enumerate(copies(path, first), 1):
        writer = injected(strace, copy, step, f"signal=SIGKILL:when={number}")
        check_sound(copy, acknowledged="done" in writer.stdout)
        if writer.returncode == 0:
            break
        assert writer.returncode in (-9, 137), writer.stderr
    assert number > 1


@pytest.mark.parametrize(
    ("step", "error", "says"),
    [
        ("write", "ENOSPC", "the disk is full"),
        ("fsync", "EIO", "Input/output error"),
        ("rename", "EACCES", "Permission denied"),
        ("renameat2", "EBUSY", "Device or resource busy"),
    ],
)
@pytest.mark.parametrize("first", [True, False], ids=["first commit", "later commit"])
def test_a_step_that_fails_leaves_the_store_as_it_was(
    strace: str, path: Path, first: bool, step: str, error: str, says: str
) -> None:
    for number, copy in enumerate(copies(path, first), 1):
        before = contents(copy)
        writer = injected(strace, copy, step, f"error={error}:when={number}")
        if "done" in writer.stdout:
            break
        assert "nothing was changed" in writer.stdout, writer.stderr
        assert says in writer.stdout
        assert contents(copy) == before
        check_sound(copy, acknowledged=False)
    assert number > 1
    check_sound(copy, acknowledged=True)


def test_where_names_cannot_be_exchanged_the_file_is_renamed(strace: str, path: Path) -> None:
    writer = injected(strace, path, "renameat2", "error=EINVAL")
    assert "done" in writer.stdout
    check_sound(path, acknowledged=True)


def meddled(strace: str, path: Path, meddle: Callable[[], object]) -> str:
    """Let a writer commit, meddle right before it puts the new file in place, and return what it says."""
    words = tracing(strace, path, "renameat2", "delay_enter=1000000:when=1")
    writer = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    about = path.with_name(".tasks.json.taskdeck-old")
    deadline = time.monotonic() + 30
    while not about.exists():
        assert writer.poll() is None
        assert time.monotonic() < deadline
    meddle()
    return writer.communicate(timeout=60)[0]


def edit(path: Path, change: Callable[[list[dict[str, Any]]], object], *, in_place: bool = True) -> None:
    tasks = json.loads(path.read_bytes())
    change(tasks)
    draft = path if in_place else path.with_name("draft")
    draft.write_text(json.dumps(tasks))
    draft.replace(path)


@pytest.mark.parametrize("in_place", [True, False], ids=["in place", "by rename"])
def test_an_outside_write_in_the_last_moment_is_merged(strace: str, begun: Path, in_place: bool) -> None:
    said = meddled(strace, begun, lambda: edit(begun, lambda tasks: tasks[1].update(title="Theirs"), in_place=in_place))
    assert said == "done [None, None]\n"
    tasks = json.loads(begun.read_bytes())
    assert [task["title"] for task in tasks] == ["T 1", "Theirs", "T 3", "Nine"]
    with closing(open_store(str(begun))) as store:
        assert is_done(store)
        assert [event.actor for event in store.events()][-3:] == ["external", "me", "me"]
    assert sorted(contents(begun)) == ["tasks.audit.jsonl", "tasks.json"]


@pytest.mark.parametrize("in_place", [True, False], ids=["in place", "by rename"])
def test_an_outside_write_of_the_same_task_in_the_last_moment_wins(strace: str, begun: Path, in_place: bool) -> None:
    said = meddled(strace, begun, lambda: edit(begun, lambda tasks: tasks[0].update(state="review"), in_place=in_place))
    assert said.startswith("done [<Code.ILLEGAL")
    tasks = json.loads(begun.read_bytes())
    assert [(task["id"], task["state"]) for task in tasks] == [
        ("t-1", "review"),
        ("t-2", "pending"),
        ("t-3", "in_progress"),
        ("t-9", "pending"),
    ]
    with closing(open_store(str(begun))) as store:
        assert [event.action for event in store.events("t-1")] == ["add", "outside"]


def test_a_file_that_is_deleted_in_the_last_moment_takes_the_commit_with_it(strace: str, begun: Path) -> None:
    kept, before = begun.read_bytes(), contents(begun)
    said = meddled(strace, begun, begun.unlink)
    assert said.startswith("missing ")
    begun.write_bytes(kept)
    assert contents(begun) == before
    check_sound(begun, acknowledged=False)


@pytest.fixture
def half_done(begun: Path) -> Path:
    """A store as a writer leaves it that is killed between log and file."""
    before = begun.read_bytes()
    mark = begun.with_name("tasks.json.taskdeck-lock").read_bytes()
    with closing(open_store(str(begun))) as store:
        assert all(outcome.event for outcome in store.apply(moves()))
    begun.write_bytes(before)
    begun.with_name("tasks.json.taskdeck-lock").write_bytes(mark)
    return begun


def test_a_commit_that_is_in_the_log_alone_is_carried_on(half_done: Path) -> None:
    with closing(open_store(str(half_done), read_only=True)) as onlooker:
        assert not is_done(onlooker)
    check_sound(half_done, acknowledged=False)
    with closing(open_store(str(half_done))) as store:
        assert [event.actor for event in store.events("t-1")] == ["external", "me"]


def test_it_is_carried_on_around_an_outside_change_of_another_task(half_done: Path) -> None:
    edit(half_done, lambda tasks: tasks[1].update(title="Theirs"))
    with closing(open_store(str(half_done))) as store:
        assert is_done(store)
        assert [event.actor for event in store.events("t-2")] == ["external", "external"]
    tasks = json.loads(half_done.read_bytes())
    assert [task["title"] for task in tasks] == ["T 1", "Theirs", "T 3", "Nine"]
    assert [task["state"] for task in tasks] == ["in_progress", "pending", "in_progress", "pending"]


def test_it_is_not_carried_on_over_an_outside_change_of_the_same_task(half_done: Path) -> None:
    edit(half_done, lambda tasks: tasks[0].update(state="failed"))
    with closing(open_store(str(half_done))) as store:
        store.counts()
        told = [(event.actor, event.action, event.to_state) for event in store.events("t-1")]
        assert told == [
            ("external", "add", "pending"),
            ("me", "start", "in_progress"),
            ("external", "fail", "failed"),
        ]
        task = store.get("t-1")
        assert task is not None
        assert task.state is State.FAILED
        assert store.get("t-9") is not None
        (again, _) = store.apply(moves())
        assert again.repeated
    assert [task["state"] for task in json.loads(half_done.read_bytes())] == [
        "failed",
        "pending",
        "in_progress",
        "pending",
    ]


def test_it_is_carried_on_by_who_next_holds_the_lock(half_done: Path) -> None:
    with closing(open_store(str(half_done))) as store:
        outcomes = store.apply(moves())
        assert [outcome.repeated for outcome in outcomes] == [True, True]
        assert is_done(store)


def test_an_outside_change_after_a_commit_is_not_undone_where_the_mark_was_lost(begun: Path) -> None:
    with closing(open_store(str(begun))) as store:
        store.apply(moves())
    edit(begun, lambda tasks: tasks[0].update(title="Theirs"))
    begun.with_name("tasks.json.taskdeck-lock").unlink()
    with closing(open_store(str(begun))) as store:
        assert is_done(store)
        task = store.get("t-1")
        assert task is not None
        assert (task.title, task.state) == ("Theirs", State.IN_PROGRESS)


@pytest.mark.parametrize("cut", [1, 40, 200, 430])
def test_a_torn_end_of_the_log_is_cut_off(half_done: Path, cut: int) -> None:
    log = half_done.with_name("tasks.audit.jsonl")
    log.write_bytes(log.read_bytes()[:-cut])
    check_sound(half_done, acknowledged=False)


def test_a_look_clears_away_what_is_left_and_says_so(begun: Path) -> None:
    log, draft = begun.with_name("tasks.audit.jsonl"), begun.with_name(".tasks.json.taskdeck-new")
    whole = log.read_bytes()
    log.write_bytes(whole + b'{"seq":6')
    draft.write_bytes(begun.read_bytes()[:50])
    with closing(open_store(str(begun), read_only=True)) as onlooker:
        onlooker.counts()
        assert onlooker.mended == ()
        assert draft.exists()
    log.write_bytes(whole)
    with closing(open_store(str(begun))) as store:
        store.counts()
        assert store.mended == ("removed .tasks.json.taskdeck-new, left over from a commit",)
        assert not draft.exists()
        log.write_bytes(whole + b'{"seq":6')
        store.counts()
        assert store.mended[1:] == ("cut off the end of the audit log, 8 bytes, which was no whole commit",)
        assert log.read_bytes() == whole


def test_zeros_at_the_end_of_the_log_are_cut_off(begun: Path) -> None:
    log = begun.with_name("tasks.audit.jsonl")
    log.write_bytes(log.read_bytes() + b"\0" * 500 + b"\n\0\0")
    check_sound(begun, acknowledged=False)


@pytest.mark.parametrize(
    ("line", "there", "instead"),
    [
        (2, b'"T 2"]', b'"T 2'),
        (1, b'[null,"T 1"]', b"[null,5]"),
        (4, b'"seq":4', b'"seq":5'),
        (6, b'"me"', b"me"),
        (5, b'"batch"', b'"patch"'),
        (2, b'"T 2"]', b"[" * 100_000),
        (2, b'"T 2"]', b'"\\ud800",' + b"[" * 5_000 + b"]" * 5_000 + b"]"),
    ],
)
def test_a_damaged_log_is_said_and_left_alone(begun: Path, line: int, there: bytes, instead: bytes) -> None:
    with closing(open_store(str(begun))) as store:
        store.apply(moves())
    log = begun.with_name("tasks.audit.jsonl")
    lines = log.read_bytes().split(b"\n")
    assert there in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(there, instead)
    log.write_bytes(b"\n".join(lines))
    with pytest.raises(StoreError, match=rf"tasks\.audit\.jsonl line {line} is not the event that was written there"):
        open_store(str(begun))
    assert log.read_bytes() == b"\n".join(lines)


def test_what_an_outside_program_wrote_during_a_killed_replace_is_put_back(begun: Path) -> None:
    theirs = json.loads(begun.read_bytes())
    theirs[1]["title"] = "Theirs"
    with closing(open_store(str(begun))) as store:
        store.apply(moves())
    begun.with_name(".tasks.json.taskdeck-old").write_text(json.dumps(theirs))
    with closing(open_store(str(begun))) as store:
        assert store.apply([command("t-3", Action.SUBMIT, actor="me")])[0].event is not None
        task = store.get("t-2")
        assert task is not None
        assert task.title == "Theirs"
    assert sorted(entry.name for entry in begun.parent.iterdir()) == [
        "tasks.audit.jsonl",
        "tasks.json",
        "tasks.json.taskdeck-lock",
    ]


def test_a_store_that_may_not_be_written_refuses_and_stays(now: Turned) -> None:
    with open_folder() as folder:
        path = folder / "tasks.json"

        def check() -> None:
            path.write_text(json.dumps(TASKS))
            folder.chmod(0o555)
            with closing(open_store(str(path), now=now)) as store:
                assert store.read_only
                (outcome,) = store.apply([command("t-1", Action.START, actor="me")])
                assert outcome.refusal is not None
                assert outcome.refusal.code is Code.READ_ONLY
                assert [entry.name for entry in folder.iterdir()] == ["tasks.json"]
                folder.chmod(0o755)
                path.chmod(0o444)
                assert store.read_only
                path.chmod(0o644)
                assert not store.read_only
                assert store.apply([command("t-1", Action.START, actor="me")])[0].event is not None

        unprivileged(check)


_STOPS = """
import sys, time
from taskdeck_store import Action, command, open_store
from taskdeck_store.lock import WriteLock

def stop(self, serial):
    print("the file is there", flush=True)
    time.sleep(600)

WriteLock.notice = stop
open_store(sys.argv[1]).apply([command("t-1", Action.START, actor="w-1")])
"""


@pytest.mark.parametrize("read_only", [True, False])
def test_who_waits_is_woken_by_the_death_of_a_writer_who_had_not_told_of_his_commit(
    tmp_path: Path, read_only: bool
) -> None:
    path = tmp_path / "tasks.json"
    create_store(str(path))
    with closing(open_store(str(path))) as store:
        put(store, "t-1")
    with closing(open_store(str(path), read_only=read_only)) as reader:
        cursor = reader.changes().cursor
        with subprocess.Popen([sys.executable, "-c", _STOPS, str(path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline()
            # While he lives he may take it back.
            assert reader.wait(10)
            assert reader.changes(cursor).changes == ()
            writer.kill()
        assert reader.wait(10)
        assert [change.task_id for change in reader.changes(cursor).changes] == ["t-1"]
        task = reader.get("t-1")
        assert task is not None
        assert task.state is State.IN_PROGRESS
        quiet(reader)
