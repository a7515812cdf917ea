"""Running the command line as scripts do, and reading what it says."""

from __future__ import annotations

import ctypes
import fcntl
import io
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from taskdeck_store.lock import SUFFIX
from taskdeck_tui.cli.main import main

TASK_FIELDS = [
    *("id", "title", "description", "state", "priority", "tags", "data", "result", "error", "attempts"),
    *(
        "max_attempts",
        "not_before",
        "depends_on",
        "blocked",
        "owner",
        "lease_until",
        "created_at",
        "updated_at",
        "state_since",
    ),
    *("version", "extra"),
]
EVENT_FIELDS = [
    *("seq", "task_id", "at", "actor", "action", "from_state", "to_state", "attempts", "note", "changes"),
    *("group", "undoes", "hash"),
]
OUTCOME_FIELDS = ["task_id", "action", "applied", "task", "event", "refusal", "repeated"]

PROGRAM = (sys.executable, "-m", "taskdeck_tui")


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a program whose output into a pipe is buffered, as it is for everyone."""
    return {**{name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}, **more}


@contextmanager
def running(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `taskdeck` beside the test, its output in pipes; it is killed if it is still there in the end."""
    with subprocess.Popen(
        [*PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as process:
        try:
            yield process
        finally:
            process.kill()


class Ran(NamedTuple):
    """What a command did: its exit code and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        """The one JSON document on stdout."""
        assert self.code == 0, self
        assert self.err == ""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """The error on stderr, as JSON."""
        document = json.loads(self.err)
        assert list(document) == ["error"]
        assert list(document["error"])[:2] == ["code", "message"]
        assert self.err.isascii()
        error = document["error"]
        assert isinstance(error, dict)
        return error


def taskdeck(*words: str, stdin: str | bytes = b"", env: Mapping[str, str] | None = None) -> Ran:
    """Run `taskdeck` in this process, on streams of its own."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    given = io.TextIOWrapper(io.BytesIO(stdin.encode() if isinstance(stdin, str) else stdin), encoding="utf-8")
    with (
        mock.patch.dict(os.environ, env or {}),
        mock.patch.multiple(sys, stdin=given, stdout=out, stderr=err),
    ):
        code = main(list(words))
    return Ran(code, _written(out), _written(err))


def taskdeck_process(
    *words: str | bytes,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    humble: bool = False,
    cwd: Path | None = None,
) -> Ran:
    """Run `taskdeck` in a process of its own, its output read through pipes.

    With `humble`, file modes hold for it, also where root runs the tests.
    """
    done = subprocess.run(
        [*PROGRAM, *words],
        input=stdin,
        capture_output=True,
        env=environment(**(env or {})),
        cwd=cwd,
        timeout=120,
        check=False,
        preexec_fn=_mind_file_modes if humble and os.geteuid() == 0 else None,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    stream.seek(0)
    return stream.read()


def _mind_file_modes() -> None:
    """Take from root what lets it pass over file modes (Linux: prctl(PR_CAPBSET_DROP, …) of CAP_DAC_OVERRIDE and
    CAP_DAC_READ_SEARCH).
    """
    if any(ctypes.CDLL(None).prctl(24, power, 0, 0, 0) != 0 for power in (1, 2)):
        raise OSError("this root cannot give up its powers over files")


def on_terminal(*words: str, columns: int = 100, cwd: Path | None = None, **env: str) -> tuple[int, str]:
    """Run `taskdeck` on a terminal; return its exit code and all it wrote there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen(
        [*PROGRAM, *words], stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd, env=environment(**env)
    ) as process:
        os.close(theirs)
        written = bytearray()
        with suppress(OSError):  # Linux says EIO when the last writer has closed
            while piece := os.read(ours, 65_536):
                written += piece
        code = process.wait(60)
    os.close(ours)
    return code, written.decode().replace("\r\n", "\n")


def add(store: str, *ids: str) -> None:
    """Put tasks in a store, in one commit."""
    lines = "".join(json.dumps({"id": task_id, "title": f"Task {task_id}"}) + "\n" for task_id in ids)
    assert taskdeck("add", store, "-", stdin=lines).code == 0


def commit_and_die(store: str, task_id: str) -> str:
    """Have a program killed that started a task; return how the sentence begins that tells of what it left."""
    program = "import sys\nfrom taskdeck_store import *\nstore = open_store(sys.argv[1])\n"
    program += "store.apply([command(sys.argv[2], 'start', actor='doomed')])\nimport os\nos.kill(os.getpid(), 9)"
    # A task file is as before the commit if it was killed between log and file.
    before = Path(store).read_bytes() if store.endswith(".json") else None
    killed = subprocess.run(
        [sys.executable, "-c", program, store, task_id], capture_output=True, timeout=60, check=False
    )
    assert killed.returncode == -9, killed.stderr
    if before is None:
        return "took over a log (-wal) of "
    Path(store).write_bytes(before)
    Path(f"{store}{SUFFIX}").unlink()
    return "carried on a commit of 1 event "


def told(ran: Ran) -> Sequence[Mapping[str, Any]]:
    """Return the outcomes of an action run with --json, whatever its exit code."""
    outcomes = json.loads(ran.out)
    assert isinstance(outcomes, list)
    assert all(list(outcome) == OUTCOME_FIELDS for outcome in outcomes)
    return outcomes
