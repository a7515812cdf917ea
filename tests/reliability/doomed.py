"""Children that are killed: the tests' side of `reliability.child`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from reliability.points import Call

_TESTS = Path(__file__).parents[1]


class Run(Struct, frozen=True):
    """What became of a child: how many steps it acknowledged, and its exit code (a signal's number, negative)."""

    acknowledged: int
    status: int
    error: str

    @property
    def was_killed(self) -> bool:
        """Whether it was killed, not done before."""
        assert self.status in (0, -signal.SIGKILL), (self.status, self.error)
        return self.status != 0


class Nursery:
    """The process that has the children."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "reliability.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(_TESTS), os.environ.get("PYTHONPATH", "")])},
        )
        self._asking = threading.Lock()

    def run(
        self,
        path: Path,
        base: str,
        *,
        number: int = 0,
        side: str = "",
        record: Path | None = None,
        quirk: str = "",
        kill_after: float | None = None,
    ) -> Run:
        """Have a child do the steps of a base on a store.

        It is killed at its n-th call that changes a file, on one side of it, or from outside after so many seconds, or
        not at all. `quirk` is one of `reliability.child.QUIRKS`.
        """
        answer = self._ask(
            do="script",
            path=str(path),
            base=base,
            number=number,
            side=side,
            record=str(record) if record is not None else None,
            quirk=quirk,
            kill_after=kill_after,
            hooked=kill_after is None,
        )
        return Run(**answer)

    def recorded(self, path: Path, base: str, *, quirk: str = "") -> list[Call]:
        """Have a child do all the steps; return the calls in their order, with "told" where a step was acknowledged."""
        record = path.parent.with_name(path.parent.name + ".calls")
        found = self.run(path, base, record=record, quirk=quirk)
        assert found.status == 0, found
        return msgspec.msgpack.decode(record.read_bytes(), type=list[Call])

    def writer(self, path: Path, name: str, told: Path, *, program: str | None = None) -> int:
        """Begin a writer without end, which tells its commits in a file; return its process id.

        `program` is another one than tests/store/writer.py, which need not mind how many commits to make.
        """
        pid: int = self._ask(do="writer", path=str(path), name=name, told=str(told), program=program)["pid"]
        return pid

    def end(self, pid: int) -> int:
        """Kill a writer; return how it ended."""
        status: int = self._ask(do="end", pid=pid)["status"]
        return status

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._asking:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer
