"""What a reader sees while a program that takes no lock rewrites a task file under its feet."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from taskdeck_store import Action, State, Store, command, create_store, open_store
from taskdeck_store.verification import verify

_WRITER = """
import json, os, sys
from pathlib import Path
from reliability.points import install
from taskdeck_store import command, open_store
path = Path(sys.argv[1])
slipped = []
def around(call, do, half=None):
    if call.kind != "exchange" or slipped:
        return do()
    slipped.append(call)
    tasks = json.loads(path.read_bytes())
    tasks[1]["title"] = "theirs"
    path.with_name("theirs").write_text(json.dumps(tasks, indent=2))
    path.with_name("theirs").replace(path)
    done = do()
    print("exchanged", flush=True)
    sys.stdin.readline()
    return done
kept = install(str(path.parent), around)
(outcome,) = open_store(str(path)).apply([command("t-1", "start", actor="me")])
print(outcome.refusal or "done", flush=True)
"""
"""Commits; right before its file takes the name, another program's does; right after, it waits to be told to go on."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tasks.json"
    create_store(str(path))
    with closing(open_store(str(path))) as store:
        store.apply([command(f"t-{number}", Action.ADD, actor="ann", title=f"T {number}") for number in (1, 2)])
    return path


@contextmanager
def in_between(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Have a writer find, in the body of a `with`, that what it has just replaced was written by someone else.

    Unless it is killed there, it goes on afterwards.
    """
    program = [sys.executable, "-c", _WRITER, str(path)]
    folders = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    writer = subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": folders}
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "exchanged\n"
    try:
        yield writer
    finally:
        said, _ = writer.communicate("go on\n" if writer.poll() is None else None, timeout=60)
    assert said == "done\n" or writer.returncode == -signal.SIGKILL


def outside(path: Path, **fields: str) -> None:
    tasks = json.loads(path.read_bytes())
    tasks[0].update(fields)
    path.write_text(json.dumps(tasks, indent=2))


def told(store: Store, cursor: str) -> tuple[bool, list[tuple[State | None, State | None]]]:
    changes = store.changes(cursor)
    return changes.complete, [(change.from_state, change.to_state) for change in changes.changes]


def test_what_is_taken_back_was_never_seen(path: Path) -> None:
    with closing(open_store(str(path), read_only=True)) as reader:
        before = [task.state for task in reader.tasks()], len(reader.events())
        with in_between(path):
            assert ([task.state for task in reader.tasks()], len(reader.events())) == before
        assert [event.action for event in reader.events()][2:] == ["edit", "start"]


def test_who_only_looks_on_gives_back_what_a_killed_writer_had_replaced(path: Path) -> None:
    with closing(open_store(str(path))) as reader:
        assert len(reader.tasks()) == 2
        with in_between(path) as writer:
            # The writer lives, so this is left to him.
            assert [task.title for task in reader.tasks()] == ["T 1", "T 2"]
            writer.kill()
            writer.wait()
        deadline = time.monotonic() + 20
        whole = {("T 1", State.IN_PROGRESS), ("theirs", State.PENDING)}
        while {(task.title, task.state) for task in reader.tasks()} != whole:
            assert time.monotonic() < deadline
            reader.wait(1.0)
        assert [(event.action, event.actor) for event in reader.events()][2:] == [("start", "me"), ("edit", "external")]
        assert verify(reader).is_sound
    assert json.loads(path.read_bytes())[1]["title"] == "theirs"


def test_the_feed_tells_what_followed_an_event_that_was_taken_back(path: Path) -> None:
    with closing(open_store(str(path), read_only=True)) as reader:
        with in_between(path):
            cursor = reader.changes().cursor
        changes = reader.changes(cursor)
        assert not changes.complete or [change.task_id for change in changes.changes] == ["t-2", "t-1"]


def test_the_feed_tells_that_an_outside_change_was_undone(path: Path) -> None:
    kept = path.read_bytes()
    with closing(open_store(str(path), read_only=True)) as reader:
        outside(path, state="in_progress")
        cursor = reader.changes().cursor
        path.write_bytes(kept)
        assert told(reader, cursor) in ((True, [(State.IN_PROGRESS, State.PENDING)]), (False, []))


def test_the_feed_tells_where_a_task_went_from_where_it_was_seen(path: Path) -> None:
    with closing(open_store(str(path), read_only=True)) as reader, closing(open_store(str(path))) as store:
        outside(path, state="in_progress")
        cursor = reader.changes().cursor
        outside(path, state="failed")
        assert len(store.events()) == 3
        complete, moves = told(reader, cursor)
        assert not complete or (State.IN_PROGRESS, State.FAILED) in moves


def test_a_file_that_was_emptied_to_be_written_anew_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = path.read_bytes()
    path.write_bytes(b"")
    monkeypatch.setattr(time, "sleep", lambda _: path.write_bytes(content))
    with closing(open_store(str(path))) as store:
        assert len(store.tasks()) == 2
