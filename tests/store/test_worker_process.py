"""A process that does the work: what it and its children say is heard while it works."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskdeck_store import Task
from taskdeck_store.values import State
from taskdeck_store.worker.part import Ended, Part
from taskdeck_store.worker.process import Process

if sys.platform == "win32":
    pytest.skip("there, what a process writes is not heard", allow_module_level=True)

MODULE = """
import logging, os, signal, subprocess, sys, threading, time
from pathlib import Path

LOG = logging.getLogger("jobs")
GO = threading.Event()

def later():
    GO.wait()
    print("later")

def execute(task):
    match task.data:
        case "says":
            print("printed")
            subprocess.run("echo by a child; echo wrong >&2", shell=True)
            sys.stdout.buffer.write("bytes ü".encode())
        case "logs":
            LOG.setLevel(logging.INFO)
            print("before")
            LOG.info("read %d rows", 3)
            try:
                1 / 0
            except ZeroDivisionError:
                logging.getLogger("jobs.deep").addHandler(logging.NullHandler())
                logging.getLogger("jobs.deep").exception("it broke")
            LOG.info("%d", "no number")
        case "warns":
            logging.getLogger("plain").warning("nobody set this up")
        case "configured":
            logging.basicConfig(format="%(message)s by them")
            logging.warning("written")
        case "live":
            print("here I am", flush=True)
            while not Path("heard").exists():
                time.sleep(0.005)
        case "dies":
            print("last words")
            os.kill(os.getpid(), signal.SIGKILL)
        case "exits":
            sys.stdout.write("half a line")
            sys.stdout.flush()
            os._exit(3)
        case "leaves":
            left = subprocess.Popen("while :; do echo on and on; done", shell=True, start_new_session=True)
            return left.pid
        case "closes":
            sys.stderr.write("then no more")
            sys.stdout.close()
            sys.stderr.close()
        case "replaces":
            import io
            sys.stdout = io.StringIO()
            print("into the void")
            LOG.error("logged")
        case "much":
            os.write(1, ("ä" * 200_000 + "\\n").encode())
            os.write(1, b"\\xc3")
    return 1

def verify(task):
    print("looked at")
    return True
"""


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    name = f"spoken_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    # As it is for everyone: what is printed may wait in the process.
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    process = Process(name)
    yield process
    process.end()


def said(process: Process, data: str, part: Part = Part.WORK) -> tuple[Ended, dict[str, str]]:
    """Do a part, and return what came of it and what was heard of each stream."""
    heard: dict[str, str] = {}

    def hear(stream: str, text: str) -> None:
        heard[stream] = heard.get(stream, "") + text

    ended = process.do(part, Task(id="t-1", title="a task", state=State.IN_PROGRESS, data=data), hear)
    return ended, dict(heard)


def test_what_it_and_its_children_write_is_heard(process: Process, capfd: pytest.CaptureFixture[str]) -> None:
    assert said(process, "says")[1] == {"stdout": "printed\nby a child\nbytes ü", "stderr": "wrong\n"}
    assert said(process, "says", Part.VERIFY)[1] == {"stdout": "looked at\n"}
    assert said(process, "nothing") == (Ended(result=1), {})
    # It goes on to where it went before.
    shown = capfd.readouterr()
    assert sorted(shown.err) == sorted("printed\nby a child\nwrong\nbytes ülooked at\n")
    assert shown.out == ""


def test_what_is_logged_is_heard_whatever_its_loggers_do(process: Process) -> None:
    ended, heard = said(process, "logs")
    assert ended.result == 1
    first, second, *_, last = heard["log"].splitlines()
    assert (first, second) == ("INFO jobs: read 3 rows", "ERROR jobs.deep: it broke")
    assert "ZeroDivisionError: division by zero" in heard["log"]
    assert last == "INFO jobs: '%d'"


def test_what_is_logged_to_standard_error_is_heard_once(process: Process) -> None:
    assert said(process, "warns")[1] == {"stderr": "nobody set this up\n"}
    assert said(process, "configured")[1] == {"stderr": "written by them\n"}


def test_it_is_heard_as_it_comes(process: Process, tmp_path: Path) -> None:
    heard: list[str] = []

    def hear(stream: str, text: str) -> None:
        heard.append(text)
        (tmp_path / "heard").touch()

    process.do(Part.WORK, Task(id="t-1", title="a task", state=State.IN_PROGRESS, data="live"), hear)
    assert "".join(heard) == "here I am\n"


@pytest.mark.parametrize(
    ("data", "heard"), [("dies", {"stdout": "last words\n"}), ("exits", {"stdout": "half a line"})]
)
def test_what_it_said_before_it_died_is_heard(process: Process, data: str, heard: dict[str, str]) -> None:
    ended, found = said(process, data)
    assert ended.error is not None
    assert found == heard


def test_a_child_that_never_stops_holds_up_nothing(process: Process) -> None:
    ended, _ = said(process, "leaves")
    try:
        assert said(process, "nothing")[0] == Ended(result=1)
    finally:
        os.killpg(ended.result, signal.SIGKILL)


@pytest.mark.parametrize(
    ("data", "heard"), [("closes", {"stderr": "then no more"}), ("replaces", {"stderr": "logged\n"})]
)
def test_handlers_may_close_and_replace_what_they_print_to(process: Process, data: str, heard: dict[str, str]) -> None:
    assert said(process, data) == (Ended(result=1), heard)
    assert said(process, "nothing")[0] == Ended(result=1)


def test_a_character_in_two_pieces_is_one_and_half_of_one_is_marked(process: Process) -> None:
    assert said(process, "much")[1] == {"stdout": "ä" * 200_000 + "\n\N{REPLACEMENT CHARACTER}"}
    assert said(process, "says")[1]["stdout"].startswith("printed")
