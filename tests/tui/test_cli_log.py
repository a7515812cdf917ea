"""log, and following it: every event once, and a clean end."""

from __future__ import annotations

import json
import select
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from cli_stage import EVENT_FIELDS, add, running, taskdeck

from taskdeck_store import open_store
from taskdeck_store.machine import command
from taskdeck_store.values import Action


@pytest.fixture(params=["tasks.db", "tasks.json"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    path = str(tmp_path / request.param)
    assert taskdeck("init", path).code == 0
    add(path, "a", "b")
    return path


class Follower:
    """The lines that `taskdeck log --follow` has written by now."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(line.decode() for line in iter(self.process.stdout.readline, b""))

    def end(self) -> tuple[int, str]:
        """Interrupt it, as ctrl+c does; return its exit code and what it wrote to stderr."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(60)
        self._reading.join()
        assert self.process.stderr is not None
        return code, self.process.stderr.read().decode()


@contextmanager
def following(*words: str) -> Iterator[Follower]:
    with running("log", *words, "--follow") as process:
        yield Follower(process)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


def test_the_log_is_an_array_of_events(store: str) -> None:
    taskdeck("start", store, "a", "--actor", "ann", "--note", "now")
    events = taskdeck("log", store, "--json").value
    assert all(list(event) == EVENT_FIELDS for event in events)
    assert [event["seq"] for event in events] == sorted({event["seq"] for event in events})
    assert [(event["task_id"], event["action"]) for event in events] == [("a", "add"), ("b", "add"), ("a", "start")]
    last = events[-1]
    assert (last["actor"], last["note"], last["from_state"], last["to_state"]) == (
        *("ann", "now", "pending", "in_progress"),
    )
    assert last["changes"]["owner"] == [None, "ann"]
    assert taskdeck("log", store, "a", "--json").value == [event for event in events if event["task_id"] == "a"]


def test_a_person_reads_one_line_an_event(store: str) -> None:
    taskdeck("start", store, "a", "--actor", "ann", "--note", "two\nlines")
    lines = taskdeck("log", store, "a").out.splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("a  ○ pending")
    for part in ("ann", "start", "○ pending → ◐ in progress", "two lines"):
        assert part in lines[1]


def test_the_log_of_no_task_is_exit_3(store: str) -> None:
    for words in ([], ["--follow"]):
        ran = taskdeck("log", store, "zz", "--json", *words)
        assert (ran.code, ran.out) == (3, "")
        assert ran.error["code"] == "not_found"


def test_an_empty_log_is_empty(tmp_path: Path) -> None:
    path = str(tmp_path / "tasks.db")
    taskdeck("init", path)
    assert taskdeck("log", path, "--json").value == []
    assert taskdeck("log", path).out == ""


def test_a_follower_tells_every_event_once_while_others_write(store: str) -> None:
    with following(store, "--json") as follower:

        def write(name: str) -> None:
            handle = open_store(store)
            for number in range(25):
                handle.apply([command(f"{name}-{number}", Action.ADD, actor=name, title="x")])
            handle.close()

        until(lambda: len(follower.lines) >= 2)
        writers = [threading.Thread(target=write, args=(name,)) for name in ("w1", "w2")]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        until(lambda: len(follower.lines) >= 52)
        code, errors = follower.end()
        assert (code, errors) == (130, "")
        assert [json.loads(line) for line in follower.lines] == taskdeck("log", store, "--json").value


def test_a_follower_of_one_task_tells_of_no_other(store: str) -> None:
    with following(store, "b", "--json") as follower:
        until(lambda: len(follower.lines) == 1)
        taskdeck("start", store, "a")
        taskdeck("start", store, "b")
        until(lambda: len(follower.lines) >= 2)
        follower.end()
        assert [json.loads(line)["task_id"] for line in follower.lines] == ["b", "b"]


def change_outside(store: str) -> None:
    """Move task a as a program does that knows nothing of Taskdeck."""
    if store.endswith(".json"):
        tasks = json.loads(Path(store).read_text())
        Path(store).write_text(json.dumps([{**task, "state": "in_progress"} for task in tasks], indent=2))
    else:
        with closing(sqlite3.connect(store)) as database, database:
            database.execute("UPDATE tasks SET state = 'in_progress' WHERE id = 'a'")


def test_a_change_from_outside_is_told(store: str) -> None:
    with following(store, "a", "--json") as follower:
        until(lambda: len(follower.lines) == 1)
        change_outside(store)
        until(lambda: len(follower.lines) == 2)
        event = json.loads(follower.lines[-1])
        assert (event["actor"], event["from_state"], event["to_state"]) == ("external", "pending", "in_progress")
        follower.end()
    assert taskdeck("log", store, "a", "--json").value[-1] == event


def test_a_follower_for_people_writes_lines(store: str) -> None:
    with following(store) as follower:
        until(lambda: len(follower.lines) == 2)
        taskdeck("start", store, "a")
        until(lambda: len(follower.lines) == 3)
        assert "○ pending → ◐ in progress" in follower.lines[-1]
        assert follower.end() == (130, "")


def test_a_follower_ends_when_its_reader_goes_away_though_nothing_happens(store: str) -> None:
    with running("log", store, "--follow") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        ready, _, _ = select.select([process.stdout], [], [], 60)
        assert ready
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == b""


def test_a_follower_goes_on_after_the_store_was_away(store: str) -> None:
    away = Path(store).with_name("away")
    with following(store, "--json") as follower:
        until(lambda: len(follower.lines) == 2)
        folder = Path(store).parent
        away.mkdir()
        files = [path for path in folder.iterdir() if path != away]
        for path in files:
            path.rename(away / path.name)
        assert follower.process.poll() is None
        for path in files:
            (away / path.name).rename(path)
        taskdeck("start", store, "a")
        until(lambda: len(follower.lines) >= 3)
        assert follower.end()[0] == 130
        assert [json.loads(line)["seq"] for line in follower.lines] == [
            event["seq"] for event in taskdeck("log", store, "--json").value
        ]


def take_place(store: str, new: str) -> None:
    """Put another store's files in the place of this one's."""
    folder = Path(store).parent
    for path in folder.glob("tasks*"):
        # What is replaced is never gone: a follower that looks just then would say so.
        if not (Path(new).parent / path.name).exists():
            path.unlink()
    for path in Path(new).parent.iterdir():
        path.replace(folder / path.name)


def other(store: str) -> str:
    """Return the path of a store of the same name in a folder of its own."""
    folder = Path(store).parent / "elsewhere"
    folder.mkdir()
    return str(folder / Path(store).name)


@pytest.mark.parametrize("more", [(), ("y", "x", "w")])
def test_a_follower_says_that_the_store_was_replaced_and_tells_the_new_one_s_log_from_its_beginning(
    store: str, more: tuple[str, ...]
) -> None:
    new = other(store)
    taskdeck("init", new)
    add(new, "z")
    for task_id in more:
        add(new, task_id)
    with following(store, "--json") as follower:
        until(lambda: len(follower.lines) == 2)
        take_place(store, new)
        until(lambda: len(follower.lines) >= 3 + len(more))
        add(store, "later")
        until(lambda: len(follower.lines) >= 4 + len(more))
        code, errors = follower.end()
    assert code == 130
    assert [json.loads(line)["task_id"] for line in follower.lines] == ["a", "b", "z", *more, "later"]
    *gone, said = [json.loads(line)["error"] for line in errors.splitlines()]
    assert {error["code"] for error in gone} <= {"missing", "unreadable"}
    assert said["code"] == "replaced"
    assert said["message"] == f"{store} was replaced by another store; its log follows from the beginning"


def test_a_follower_of_one_task_notices_the_replacement_too(store: str) -> None:
    new = other(store)
    taskdeck("init", new)
    add(new, "z", "a")
    add(new, "y")
    with following(store, "a", "--json") as follower:
        until(lambda: len(follower.lines) == 1)
        take_place(store, new)
        until(lambda: len(follower.lines) >= 2)
        assert "was replaced" in follower.end()[1]
    assert [json.loads(line)["seq"] for line in follower.lines] == [1, 2]


def test_a_follower_goes_on_without_a_word_where_a_copy_took_the_store_s_place(store: str) -> None:
    new = other(store)
    with following(store, "--json") as follower:
        until(lambda: len(follower.lines) == 2)
        if store.endswith(".json"):
            for path in Path(store).parent.glob("tasks*.json*"):
                shutil.copy(path, Path(new).parent / path.name)
        else:
            with closing(sqlite3.connect(store)) as database:
                database.execute("VACUUM INTO ?", (new,))
        take_place(store, new)
        add(store, "c")
        until(lambda: len(follower.lines) >= 3)
        code, errors = follower.end()
    assert (code, errors) == (130, "")
    assert [json.loads(line)["task_id"] for line in follower.lines] == ["a", "b", "c"]


def test_the_log_of_a_task_file_that_is_away_for_a_while_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    assert taskdeck("init", str(path)).code == 0
    add(str(path), "a", "b")
    log = tmp_path / "tasks.audit.jsonl"
    with following(str(path), "--json") as follower:
        until(lambda: len(follower.lines) == 2)
        log.rename(tmp_path / "away")
        errors = follower.process.stderr
        assert errors is not None
        assert "the audit log of" in errors.readline().decode()
        (tmp_path / "away").rename(log)
        assert taskdeck("start", str(path), "a").code == 0
        until(lambda: len(follower.lines) == 3)
        code, said = follower.end()
    assert code == 130
    assert "replaced" not in said
    assert [json.loads(line)["seq"] for line in follower.lines] == [1, 2, 3]


def test_a_follower_of_a_damaged_log_says_so(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    assert taskdeck("init", str(path)).code == 0
    for task_id in ("a", "b", "c"):
        add(str(path), task_id)
    log = tmp_path / "tasks.audit.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join([lines[0], *lines[2:]]))
    with following(str(path)) as follower:
        errors = follower.process.stderr
        assert errors is not None
        assert "still following" in errors.readline().decode()
        until(lambda: len(follower.lines) == 2)
        follower.end()


def test_a_follower_can_go_on_where_another_one_ended(store: str) -> None:
    with following(store, "--json", "--after", "1") as follower:
        until(lambda: len(follower.lines) == 1)
        assert taskdeck("start", store, "a").code == 0
        until(lambda: len(follower.lines) == 2)
        follower.end()
    assert [json.loads(line)["seq"] for line in follower.lines] == [2, 3]
    assert [event["seq"] for event in taskdeck("log", store, "--after", "2", "--json").value] == [3]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_as_it_ends_any_program(store: str, number: signal.Signals) -> None:
    with following(store) as follower:
        until(lambda: len(follower.lines) == 2)
        follower.process.send_signal(number)
        assert follower.process.wait(60) == -number
