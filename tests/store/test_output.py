"""What handlers print and log is kept with their attempt, within bounds, and harms nobody."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import logging
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from moving import put
from msgspec import structs

from conftest import Turned
from taskdeck_store import Action, State, Store, Task, clock, command, create_store, open_store, output
from taskdeck_store.output import Attempt, Chunk, Stream
from taskdeck_store.query.parse import parse
from taskdeck_store.worker import Backoff, GiveUp, Worker, shell
from taskdeck_store.worker.keeping import Bounds, Keeping

LOG = logging.getLogger("jobs")


def work(store: Store, handlers: object, **options: Any) -> None:
    """Run a worker until the queue is empty; what failed is tried again at once."""
    Worker(store, handlers, **{"backoff": Backoff(first=0.0), **options}).run("empty")


def kept(store: Store, task_id: str) -> list[dict[tuple[str, str], str]]:
    """Return what is kept of each attempt at a task, joined by part and stream."""
    found = []
    for attempt in output.attempts(store.events(task_id)):
        told: dict[tuple[str, str], str] = {}
        for chunk in output.read(store.output_folder, attempt).chunks:
            told[chunk.part, chunk.stream] = told.get((chunk.part, chunk.stream), "") + chunk.text
        found.append(told)
    return found


def said(store: Store, task_id: str) -> list[tuple[str, str]]:
    """Return what is kept of the only attempt at a task, in its order."""
    (attempt,) = output.attempts(store.events(task_id))
    return [(chunk.stream.value, chunk.text) for chunk in output.read(store.output_folder, attempt).chunks]


def files(store: Store) -> list[str]:
    folder = store.output_folder
    assert folder is not None
    return sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Any:
    create_store(str(tmp_path / "tasks.db"))
    with closing(open_store(str(tmp_path / "tasks.db"))) as opened:
        yield opened


def test_what_is_printed_and_logged_is_kept_and_goes_where_it_went(
    store: Store, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    class Handlers:
        def start(self, task: Task) -> None:
            print("begun")

        def execute(self, task: Task) -> int:
            print("wrong", file=sys.stderr)
            LOG.warning("%d rows", 3)
            sys.stdout.buffer.write("bytes ü\n".encode())
            sys.stdout.writelines(["one\n", "two\n"])
            return 1

        def verify(self, task: Task) -> bool:
            print("looked at")
            return True

    put(store, "t-1")
    before = sys.stdout, sys.stderr, logging.Logger.callHandlers
    worker = Worker(store, Handlers, owner="w-1")
    worker.run("empty")
    assert before == (sys.stdout, sys.stderr, logging.Logger.callHandlers)
    assert said(store, "t-1") == [
        ("stdout", "begun\n"),
        ("stderr", "wrong\n"),
        ("log", "WARNING jobs: 3 rows\n"),
        ("stdout", "bytes ü\none\ntwo\n"),
        ("stdout", "looked at\n"),
    ]
    assert [*kept(store, "t-1")[0]][-1] == ("verify", "stdout")
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("begun\nbytes ü\none\ntwo\nlooked at\n", "wrong\n")
    assert "3 rows" in caplog.messages
    folder = store.output_folder
    assert folder is not None
    assert (folder.name, folder.parent) == (f".{Path(store.address).name}.taskdeck-output", Path(store.address).parent)
    (attempt,) = output.attempts(store.events("t-1"))
    assert files(store) == [f"{attempt.seq}.jsonl"]
    assert (attempt.owner, attempt.task_id) == ("w-1", "t-1")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / files(store)[0]).stat().st_mode) == 0o600


def test_who_says_nothing_leaves_no_trace(store: Store) -> None:
    put(store, "t-1")
    work(store, {"execute": lambda task: 1, "verify": lambda task: True})
    assert store.output_folder is not None
    assert not store.output_folder.exists()
    assert kept(store, "t-1") == [{}]


def test_each_attempt_has_its_own(store: Store) -> None:
    def execute(task: Task) -> int:
        print(f"attempt {task.attempts}")
        if task.attempts == 0:
            raise ValueError("the first")
        if task.attempts == 2:
            raise GiveUp("the last")
        return 1

    put(store, "t-1", max_attempts=9)
    work(store, {"execute": execute, "verify": lambda task: print("no good") or False})
    assert kept(store, "t-1") == [
        {("work", "stdout"): "attempt 0\n"},
        {("work", "stdout"): "attempt 1\n", ("verify", "stdout"): "no good\n"},
        {("work", "stdout"): "attempt 2\n"},
    ]


@pytest.mark.parametrize("kind", ["threads", "coroutines", "both"])
def test_two_jobs_at_once_do_not_mix(store: Store, kind: str) -> None:
    both = threading.Barrier(2)

    def in_thread(task: Task) -> None:
        for line in range(20):
            if kind != "coroutines":
                both.wait(10)
            print(task.id, line)
            LOG.error("%s logs", task.id)

    async def on_loop(task: Task) -> int:
        async def inner() -> None:
            print(task.id, "in a task of its own")
            await asyncio.sleep(0)
            await asyncio.to_thread(print, task.id, "in a thread of its own", file=sys.stderr)

        for line in range(20):
            print(task.id, line)
            LOG.error("%s logs", task.id)
            await asyncio.sleep(0)
        await asyncio.create_task(inner())
        return 1

    names = ("a", "b")
    for name in names:
        put(store, name)
    handlers: Any = {"threads": in_thread, "coroutines": on_loop, "both": {"start": in_thread, "execute": on_loop}}
    work(store, handlers[kind], jobs=2)
    for name in names:
        (found,) = kept(store, name)
        lines = "".join(f"{name} {line}\n" for line in range(20))
        errors = f"ERROR jobs: {name} logs\n" * 20
        if kind == "threads":
            assert found == {("work", "stdout"): lines, ("work", "log"): errors}
            continue
        times = 2 if kind == "both" else 1
        assert found == {
            ("work", "stdout"): lines * times + f"{name} in a task of its own\n",
            ("work", "log"): errors * times,
            ("work", "stderr"): f"{name} in a thread of its own\n",
        }


def test_two_workers_in_one_process_do_not_mix_and_the_last_cleans_up(tmp_path: Path) -> None:
    before = sys.stdout, logging.Logger.callHandlers
    both = threading.Barrier(2)

    def run(name: str) -> None:
        create_store(str(tmp_path / name))

        def execute(task: Task) -> None:
            both.wait(10)
            print(f"printed in {name}")

        with closing(open_store(str(tmp_path / name))) as store:
            put(store, "t-1")
            work(store, execute)
            assert kept(store, "t-1") == [{("work", "stdout"): f"printed in {name}\n"}]
            ended.append(name)

    ended: list[str] = []
    threads = [threading.Thread(target=run, args=(name,)) for name in ("one.db", "two.json")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(ended) == ["one.db", "two.json"]
    assert before == (sys.stdout, logging.Logger.callHandlers)


def test_a_process_and_its_children_are_heard(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "spoken_here.py").write_text(
        "import subprocess\n"
        "def execute(task):\n"
        "    print(task.id, 'printed', flush=True)\n"
        "    subprocess.run('echo by a child >&2', shell=True)\n"
        "def verify(task):\n"
        "    print('looked at')\n"
        "    return True\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    for name in ("a", "b"):
        put(store, name)
    work(store, "spoken_here", processes=True, jobs=2)
    for name in ("a", "b"):
        assert kept(store, name) == [
            {
                ("work", "stdout"): f"{name} printed\n",
                ("work", "stderr"): "by a child\n",
                ("verify", "stdout"): "looked at\n",
            }
        ]


@pytest.mark.skipif(sys.platform == "win32", reason="the commands are written for a POSIX shell")
def test_what_a_command_writes_to_standard_error_is_kept(store: Store) -> None:
    for name in ("a", "b"):
        put(store, name)
    work(store, shell.handlers("echo $TASKDECK_TASK_ID warns >&2; echo 7"), jobs=2)
    for name in ("a", "b"):
        assert kept(store, name) == [{("work", "stderr"): f"{name} warns\n"}]
        task = store.get(name)
        assert task is not None
        assert task.result == 7


def test_handlers_may_replace_and_close_what_they_print_to(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr("sys.stdout", shown)

    def execute(task: Task) -> None:
        if task.id == "redirects":
            with redirect_stdout(io.StringIO()) as theirs:
                print("not for us")
            print(f"they had {theirs.getvalue()!r}")
        elif task.id == "replaces":
            sys.stdout = io.StringIO()
            print("into the void")
        else:
            print("and then no more")
            sys.stdout.close()
            print("after that")

    for name in ("redirects", "closes"):
        put(store, name, priority=1 if name == "redirects" else 2, max_attempts=1)
    work(store, execute)
    assert kept(store, "redirects") == [{("work", "stdout"): "they had 'not for us\\n'\n"}]
    assert kept(store, "closes")[0]["work", "stdout"].startswith("and then no more\n")
    assert sys.stdout is shown
    task = store.get("closes")
    assert task is not None
    assert task.error is not None
    assert task.error.startswith("ValueError: I/O operation on closed file")
    put(store, "replaces")
    work(store, execute)
    assert kept(store, "replaces") == [{}]
    assert sys.stdout is not shown
    assert sys.stdout.getvalue() == "into the void\n"  # type: ignore[attr-defined]


def test_a_log_that_is_written_to_standard_error_is_kept_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", io.StringIO())
    log = logging.Logger("alone")

    def execute(task: Task) -> None:
        if task.id == "configured":
            log.addHandler(logging.StreamHandler())
        log.error("it happened")

    for name in ("plain", "configured"):
        put(store, name, priority=len(name))
        work(store, execute)
    assert kept(store, "plain") == [{("work", "stderr"): "it happened\n"}]
    assert kept(store, "configured") == [{("work", "stderr"): "it happened\n"}]


def test_what_is_said_too_late_is_nobodys(store: Store, path: Path) -> None:
    late, is_said = threading.Event(), threading.Event()

    def execute(task: Task) -> None:
        print(f"{task.id} begins")
        if task.id == "taken":
            with closing(open_store(str(path))) as other:
                other.apply([command("taken", Action.FAIL, actor="ann", note="not this one")])
            assert late.wait(30)
            # More than waits until it is written.
            print("taken, too late" * 10_000)
            is_said.set()
        else:
            late.set()
            assert is_said.wait(30)
            print("ends")

    put(store, "taken", priority=1)
    put(store, "next", priority=2)
    work(store, execute, lease=0.3)
    assert kept(store, "taken") == [{("work", "stdout"): "taken begins\n"}]
    assert kept(store, "next") == [{("work", "stdout"): "next begins\nends\n"}]


KILLED = """
import os, signal, sys, time
from taskdeck_store import open_store
from taskdeck_store.worker import Worker

def execute(task):
    print("last words")
    time.sleep(600)

Worker(open_store(sys.argv[1]), execute).run()
"""


def test_what_was_said_survives_the_death_of_the_worker(store: Store, path: Path) -> None:
    put(store, "t-1")
    with subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.DEVNULL) as worker:
        deadline = time.monotonic() + 30
        try:
            while not files(store) or not said(store, "t-1"):
                assert time.monotonic() < deadline
                time.sleep(0.01)
        finally:
            worker.send_signal(signal.SIGKILL)
    assert kept(store, "t-1") == [{("work", "stdout"): "last words\n"}]


def test_the_beginning_and_the_end_of_much_are_kept(sqlite_store: Store) -> None:
    def execute(task: Task) -> None:
        for number in range(40_000):
            print(f"line {number:06}, and what else there is to say of it")

    put(sqlite_store, "t-1")
    work(sqlite_store, execute)
    (attempt,) = output.attempts(sqlite_store.events("t-1"))
    chunks = output.read(sqlite_store.output_folder, attempt).chunks
    text = "".join(chunk.text for chunk in chunks)
    assert text.startswith("line 000000")
    assert text.endswith("line 039999, and what else there is to say of it\n")
    (gap,) = (chunk for chunk in chunks if chunk.left_out)
    assert gap.left_out + len(text) == 40_000 * len("line 000000, and what else there is to say of it\n")
    assert sqlite_store.output_folder is not None
    assert (sqlite_store.output_folder / f"{attempt.seq}.jsonl").stat().st_size < 600_000
    assert files(sqlite_store) == [f"{attempt.seq}.jsonl"]


def keep(folder: Path, seq: int, text: str, bounds: Bounds | None = None) -> Attempt:
    attempt = Attempt(seq=seq, task_id="t", owner="w", at="2026-01-31T09:00:00.000000Z")
    keeping = Keeping(folder, clock.utc_now, bounds or Bounds())
    heard = keeping.attempt(attempt).part("work")
    heard(Stream.STDOUT, text)
    heard.end()
    keeping.close()
    return attempt


@pytest.mark.parametrize("bounds", [Bounds(files=3, often=1), Bounds(total=3 * 1_200, often=1)])
def test_the_oldest_go(tmp_path: Path, bounds: Bounds) -> None:
    folder = tmp_path / "output"
    for seq in range(1, 9):
        keep(folder, seq, "x" * 1_000, bounds)
        os.utime(folder / f"{seq}.jsonl", (seq, seq))
    (folder / "somebody's").touch()
    keep(folder, 9, "x", bounds)
    assert sorted(path.name for path in folder.iterdir()) == ["6.jsonl", "7.jsonl", "8.jsonl", "9.jsonl", "somebody's"]


def test_what_else_lies_there_is_passed_over(tmp_path: Path) -> None:
    attempt = keep(tmp_path, 1, "kept")
    file = tmp_path / "1.jsonl"
    whole = output.read(tmp_path, attempt)
    assert [chunk.text for chunk in whole.chunks] == ["kept"]
    assert output.read(tmp_path, attempt, whole) is whole
    with file.open("ab") as more:
        more.write(b'garbage\n{"at": 1}\n[]\n\xff\n{"at":"2026-01-31T09:00:00.000000Z","stream":"stdo')
    found = output.read(tmp_path, attempt, whole)
    assert found is not whole
    assert found.chunks == whole.chunks
    # One that had the name before.
    for other in (
        Attempt(seq=1, task_id="other", owner="w", at=attempt.at),
        Attempt(seq=1, task_id="t", owner="v", at=attempt.at),
        Attempt(seq=1, task_id="t", owner="w", at="2026-01-31T10:00:00.000000Z"),
        Attempt(seq=2, task_id="t", owner="w", at=attempt.at),
    ):
        assert output.read(tmp_path, other).chunks == ()
    file.unlink()
    os.mkfifo(file)
    assert output.read(tmp_path, attempt).chunks == ()
    file.unlink()
    file.symlink_to("/dev/zero")
    assert output.read(tmp_path, attempt).chunks == ()


def test_what_is_somebody_elses_is_neither_written_nor_read_nor_removed(
    sqlite_store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    theirs, folder = tmp_path / "theirs", sqlite_store.output_folder
    assert folder is not None
    theirs.mkdir()
    for seq in range(1, 60):
        (theirs / f"{seq}.jsonl").write_text("precious")
    folder.symlink_to(theirs)
    put(sqlite_store, "t-1")
    work(sqlite_store, {"execute": lambda task: print("hi"), "verify": lambda task: True})
    assert {file.read_text() for file in theirs.iterdir()} == {"precious"}
    assert len(list(theirs.iterdir())) == 59
    assert kept(sqlite_store, "t-1") == [{}]
    assert caplog.text.count("is not kept in") == 1
    folder.unlink()
    folder.mkdir()
    put(sqlite_store, "t-2")
    (folder / f"{len(sqlite_store.events()) + 1}.jsonl").hardlink_to(theirs / "1.jsonl")
    work(sqlite_store, {"execute": lambda task: print("hi"), "verify": lambda task: True})
    assert (theirs / "1.jsonl").read_text() == "precious"


def test_where_the_disk_is_full_what_was_kept_makes_room(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put(sqlite_store, "t-1")
    put(sqlite_store, "t-2")
    work(sqlite_store, lambda task: print("hi"), query=parse("id:t-1", me=""))
    assert len(files(sqlite_store)) == 1

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "no space is left")

    monkeypatch.setattr("taskdeck_store.worker.keeping.os.write", full)
    work(sqlite_store, lambda task: print("hi"))
    assert files(sqlite_store) == []
    assert caplog.text.count("no space is left") == 1
    assert [task.state for task in sqlite_store.tasks()] == [State.REVIEW, State.REVIEW]


def test_what_cannot_be_kept_is_said_once_and_harms_nothing(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    assert store.output_folder is not None
    store.output_folder.write_text("in the way")
    for name in ("a", "b"):
        put(store, name)
    work(store, lambda task: print("said" * 100_000))
    assert {task.state.value for task in store.tasks()} == {"review"}
    (told,) = (record for record in caplog.records if "is not kept" in record.message)
    assert str(store.output_folder) in told.message
    assert kept(store, "a") == [{}]


def test_a_fork_keeps_nothing_and_disturbs_nothing(sqlite_store: Store) -> None:
    def execute(task: Task) -> None:
        print("before")
        while not files(sqlite_store):
            time.sleep(0.005)
        pid = os.fork()
        if not pid:
            print("in the fork" * 10_000, flush=True)
            os._exit(0)
        os.waitpid(pid, 0)
        print("after")

    put(sqlite_store, "t-1")
    work(sqlite_store, execute)
    assert kept(sqlite_store, "t-1") == [{("work", "stdout"): "before\nafter\n"}]


def test_what_is_no_text_is_kept_as_far_as_it_is(sqlite_store: Store) -> None:
    def execute(task: Task) -> None:
        sys.stdout.buffer.write(b"\xc3")
        sys.stdout.buffer.write(b"\xa4 \xff\n")
        sys.stderr.write("\x1b[31mred\x00\n")

    put(sqlite_store, "t-1")
    work(sqlite_store, execute)
    assert kept(sqlite_store, "t-1") == [{("work", "stdout"): "ä \ufffd\n", ("work", "stderr"): "\x1b[31mred\x00\n"}]


def test_who_follows_is_told_everything_once() -> None:
    at = "2026-01-31T09:00:00.000000Z"
    said = [Chunk(at=at, stream=Stream.STDOUT, text=text) for text in ("one\n", "two\n", "three\n")]
    assert output.since(said, 0) == (said, 14)
    assert output.since(said, 4) == (said[1:], 14)
    assert output.since(said, 6) == ([structs.replace(said[1], text="o\n"), said[2]], 14)
    assert output.since(said, 14) == ([], 14)
    gap = Chunk(at=at, stream=Stream.STDOUT, text="", left_out=10)
    later = [said[0], gap, said[2]]
    assert output.since(later, 8) == ([structs.replace(gap, left_out=6), said[2]], 20)
    assert output.since(later, 14) == ([said[2]], 20)
    assert output.since([], 14) == ([], 14)


def test_lines_are_those_of_each_stream() -> None:
    at = "2026-01-31T09:00:00.000000Z"

    def chunk(stream: Stream, text: str = "", part: str = "work", left_out: int = 0) -> Chunk:
        return Chunk(at=at, stream=stream, text=text, part=part, left_out=left_out)

    out, err = Stream.STDOUT, Stream.STDERR
    pieces = [chunk(out, "one "), chunk(err, "wrong\nand "), chunk(out, "line\n\nend"), chunk(out, "less")]
    pieces += [chunk(out, left_out=7), chunk(out, "x\n"), chunk(out, "open"), chunk(out, "looked", "verify")]
    assert [(line.stream.value, line.part, line.text or line.left_out) for line in output.lines(pieces)] == [
        ("stderr", "work", "wrong"),
        ("stdout", "work", "one line"),
        ("stdout", "work", 0),
        ("stderr", "work", "and "),
        ("stdout", "work", "endless"),
        ("stdout", "work", 7),
        ("stdout", "work", "x"),
        ("stdout", "work", "open"),
        ("stdout", "verify", "looked"),
    ]


def test_a_chunk_says_when(store: Store, now: Turned) -> None:
    put(store, "t-1")

    def execute(task: Task) -> None:
        now.turn(2)
        print("said")

    work(store, execute, now=now)
    (attempt,) = output.attempts(store.events("t-1"))
    (chunk,) = output.read(store.output_folder, attempt).chunks
    assert chunk == Chunk(at=clock.plus(attempt.at, 2), stream=Stream.STDOUT, text="said\n")
    assert store.output_folder is not None
    lines = (store.output_folder / f"{attempt.seq}.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"seq": attempt.seq, "task_id": "t-1", "owner": attempt.owner, "at": attempt.at},
        {"at": chunk.at, "stream": "stdout", "text": "said\n", "part": "work", "left_out": 0},
    ]


def test_whoever_waits_for_changes_of_the_store_is_not_woken(store: Store, path: Path) -> None:
    folder = store.output_folder
    assert folder is not None
    while store.wait(0.05):
        store.changes()
    keep(folder, 1, "said")
    keep(folder, 1, "said again")
    keep(folder, 2, "said")
    assert not store.wait(0.3)
