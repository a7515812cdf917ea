"""output: what was said in a task's attempts, and following it."""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cli_stage import add, running, taskdeck

from taskdeck_store import Task, open_store
from taskdeck_store.worker import Backoff, Worker


@pytest.fixture(params=["tasks.db", "tasks.json"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    path = str(tmp_path / request.param)
    assert taskdeck("init", path).code == 0
    add(path, "a", "b")
    return path


def work(path: str, handlers: object, **options: Any) -> None:
    with closing(open_store(path)) as store:
        Worker(store, handlers, owner="w-1", backoff=Backoff(first=0.0), **options).run("empty")


class Jobs:
    """Says something on every stream, and fails the first time."""

    def execute(self, task: Task) -> int:
        if task.id == "b":
            return 1
        print(f"attempt {task.attempts}\nwith \x1b[31mcolours\x1b[0m and \x07\x1b]0;a title\x07a bell")
        print("10 %\r100 %")
        print("oh no", file=sys.stderr)
        log = logging.getLogger("jobs")
        log.addHandler(logging.NullHandler())
        log.warning("careful")
        print("no end", end="")
        if not task.attempts:
            raise ValueError("no")
        return 1

    def verify(self, task: Task) -> bool:
        if task.id == "a":
            print("looked at")
        return True


def test_people_see_the_lines_of_each_attempt(store: str, tmp_path: Path) -> None:
    work(store, Jobs)
    ran = taskdeck("output", store, "a")
    first, second = ran.out.split("attempt 2  ")
    assert (ran.code, ran.err) == (0, "")
    said = ["  with colours and ␇a bell", "  100 %", "! oh no", "- WARNING jobs: careful", "  no end"]
    assert first.splitlines()[1:] == ["  attempt 0", *said]
    assert second.splitlines()[1:] == ["  attempt 1", *said, "verify", "  looked at"]
    assert first.startswith("attempt 1  20")
    assert first.splitlines()[0].endswith("  w-1")
    assert taskdeck("output", store, "a", "--attempt", "2").out == f"attempt 2  {second}"


def test_programs_get_the_chunks_of_each_attempt(store: str) -> None:
    work(store, Jobs)
    first, second = taskdeck("output", store, "a", "--json").value
    assert list(first) == ["seq", "task_id", "owner", "at", "chunks"]
    assert (first["task_id"], first["owner"]) == ("a", "w-1")
    with closing(open_store(store)) as opened:
        assert [first["seq"], second["seq"]] == [e.seq for e in opened.events("a") if e.action == "start"]
    assert list(first["chunks"][0]) == ["at", "stream", "text", "part", "left_out"]
    assert first["chunks"][0]["text"].startswith("attempt 0\nwith \x1b[31mcolours")
    assert [(chunk["part"], chunk["stream"]) for chunk in second["chunks"]] == [
        *(("work", stream) for stream in ("stdout", "stderr", "log", "stdout")),
        ("verify", "stdout"),
    ]
    assert taskdeck("output", store, "a", "--attempt", "1", "--json").value == [first]
    assert taskdeck("output", store, "b", "--json").value[0]["chunks"] == []


def test_of_what_is_not_there_it_says_so(store: str) -> None:
    assert taskdeck("output", store, "a", "--json").value == []
    ran = taskdeck("output", store, "a")
    assert (ran.code, ran.out, ran.err) == (0, "", "taskdeck: nobody has worked on a yet\n")
    work(store, Jobs)
    ran = taskdeck("output", store, "b")
    assert ran.out.endswith("  w-1  nothing is kept of what was said\n")
    ran = taskdeck("output", store, "b", "--attempt", "7", "--json")
    assert (ran.code, ran.error["code"]) == (2, "usage")
    assert "b has 1 attempt" in ran.error["message"]
    ran = taskdeck("output", store, "c", "--json")
    assert (ran.code, ran.error["code"], ran.error["task_id"]) == (3, "not_found", "c")
    assert taskdeck("output", f"{store}.nowhere", "c").code == 1


def test_what_was_left_out_is_told(store: str) -> None:
    def execute(task: Task) -> None:
        for number in range(6_000):
            print(f"line {number:0100}")

    work(store, execute)
    lines = taskdeck("output", store, "a").out.splitlines()
    (gap,) = (number for number, line in enumerate(lines) if line.endswith(" characters are not kept …"))
    assert lines[1] == f"  line {0:0100}"
    assert lines[-1] == f"  line {5_999:0100}"
    left_out = int(lines[gap].split()[1].replace(",", ""))
    kept = sum(len(line) - 1 for line in lines[1:] if line.startswith("  "))
    # The two lines that the gap cuts have two marks, and ends of lines that were not said.
    assert 0 <= kept + left_out - 6_000 * len(f"line {0:0100}\n") <= 2


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_it_is_followed_while_it_is_said(store: str, form: list[str]) -> None:
    heard = threading.Event()
    begun = threading.Event()

    def execute(task: Task) -> None:
        print(f"attempt {task.attempts} begins", end="" if task.attempts else "\n")
        begun.set()
        if not task.attempts:
            assert heard.wait(20)
            print("and ends", end="")
            raise ValueError("no")

    working = threading.Thread(target=work, args=(store, execute))
    working.start()
    assert begun.wait(20)
    with running("output", store, "a", "--follow", *form) as process:
        lines: list[str] = []
        assert process.stdout is not None
        out = process.stdout
        reading = threading.Thread(target=lambda: lines.extend(line.decode() for line in iter(out.readline, b"")))
        reading.start()
        until(lambda: any("attempt 0 begins" in line for line in lines))
        heard.set()
        working.join(20)
        until(lambda: any("attempt 1 begins" in line for line in lines))
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        reading.join(20)
    if form:
        told = [json.loads(line) for line in lines]
        assert [chunk["text"] for chunk in told] == ["attempt 0 begins\n", "and ends", "attempt 1 begins"]
        assert list(told[0]) == ["seq", "at", "stream", "text", "part", "left_out"]
        assert told[0]["seq"] == told[1]["seq"] < told[2]["seq"]
    else:
        heads = [line for line in lines if line.startswith("attempt")]
        assert [line[:11] for line in heads] == ["attempt 1  ", "attempt 2  "]
        assert [line for line in lines if line not in heads] == [
            *("  attempt 0 begins\n", "  and ends\n", "  attempt 1 begins\n"),
        ]
