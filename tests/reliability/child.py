"""The process whose children run a script of transitions, and are killed in it; see `reliability.doomed`.

It reads a request a line (JSON), and answers each with a line. A child is a fork, so that a run costs no start of
Python; what it acknowledges, it writes to a pipe after `apply` has returned.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import json
import os
import runpy
import select
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import apsw
import msgspec
import watchfiles._rust_notify  # noqa: F401 - no child is to load it anew

import taskdeck_store.jsonfile.store
import taskdeck_store.sqlite.store  # noqa: F401
from reliability.points import EXCHANGES, Call, install
from reliability.script import BASES, run
from taskdeck_store import Outcome, audit

T = TypeVar("T")

_WRITER = Path(__file__).parents[1] / "store" / "writer.py"
_LONGEST = 60
"""Seconds after which a child is ended that hangs."""
_WRITERS: set[int] = set()


class Dying:
    """Does each call, and dies at the one with a number: before it, after a half of it, or after it."""

    def __init__(self, number: int, side: str) -> None:
        self.calls: list[str] = []
        self._number = number
        self._side = side

    def __call__(self, call: Call, do: Callable[[], T], half: Callable[[], object] | None = None) -> T:
        self.calls.append(call.kind)
        if len(self.calls) != self._number:
            return do()
        if self._side == "after":
            do()
        elif self._side == "half" and half is not None:
            half()
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("still alive")


class Recording:
    """Does each call and takes it down, with a short write as what it wrote."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def __call__(self, call: Call, do: Callable[[], T], half: Callable[[], object] | None = None) -> T:
        done = do()
        if call.kind == "write" and isinstance(done, int):
            call = msgspec.structs.replace(call, data=call.data[:done])
        if call.kind != "exchange" or not done:
            self.calls.append(call)
        return done


def forked(work: Callable[[int], None]) -> tuple[int, int]:
    """Have a child do some work, with the end of a pipe to tell of it; return its process id and the other end."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(_LONGEST)
        os.close(reading)
        failed = 1
        try:
            work(writing)
            failed = 0
        except BaseException as error:
            os.write(writing, f"! {type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(failed)
    os.close(writing)
    return pid, reading


def ended(pid: int, reading: int, kill_after: float | None) -> dict[str, Any]:
    """Wait for a child, or kill it after so many seconds; return what it acknowledged, and how it ended."""
    told = b""
    if kill_after is not None:
        select.select([], [], [], kill_after)
        os.kill(pid, signal.SIGKILL)
    while more := os.read(reading, 1 << 16):
        told += more
    os.close(reading)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    lines = told.decode().splitlines()
    return {
        "acknowledged": sum(not line.startswith("!") for line in lines),
        "status": status,
        "error": "\n".join(line for line in lines if line.startswith("!")),
    }


def script(request: dict[str, Any]) -> dict[str, Any]:
    path, steps = Path(request["path"]), BASES[request["base"]][1]
    around: Dying | Recording = Recording() if request["record"] else Dying(request["number"], request["side"])

    def work(telling: int) -> None:
        if request["quirk"]:
            QUIRKS[request["quirk"]]()
        kept = install(str(path.parent), around) if request["hooked"] else None

        def told(number: int, _: Sequence[Outcome]) -> None:
            if isinstance(around, Recording):
                around.calls.append(Call("told", number, ""))
            os.write(telling, f"{number}\n".encode())

        run(path, steps, told)
        del kept
        if request["record"]:
            Path(request["record"]).write_bytes(msgspec.msgpack.encode(around.calls))

    return ended(*forked(work), request["kill_after"])


def writer(request: dict[str, Any]) -> dict[str, Any]:
    """Begin a child that moves tasks without end, and tells of each commit in a file."""

    def work(_: int) -> None:
        signal.alarm(0)
        told = os.open(request["told"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(told, 1)
        os.dup2(os.open(request["told"] + ".errors", os.O_WRONLY | os.O_CREAT), 2)
        program = request["program"] or str(_WRITER)
        sys.argv = [program, request["path"], request["name"], "0"]
        try:
            runpy.run_path(program, run_name="__main__")
        except BaseException:
            sys.excepthook(*sys.exc_info())
            raise

    pid, reading = forked(work)
    os.close(reading)
    _WRITERS.add(pid)
    return {"pid": pid}


def end(request: dict[str, Any]) -> dict[str, Any]:
    """Kill a child, and wait until it is gone."""
    pid: int = request["pid"]
    _WRITERS.remove(pid)
    os.kill(pid, signal.SIGKILL)
    return {"status": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}


def _sync_late() -> None:
    """Have SQLite not sync its log with each commit, whatever it is told."""

    class Late(apsw.Connection):
        def pragma(self, name: str, *value: Any, **options: Any) -> Any:
            return super().pragma(name, *(("NORMAL",) if name == "synchronous" else value), **options)

    apsw.Connection = Late  # type: ignore[misc]


def _exchange_no_names() -> None:
    """Be on a file system that cannot exchange two names in one step."""
    real = ctypes.CDLL

    def refuse(*_: Any) -> int:
        ctypes.set_errno(errno.EINVAL)
        return -1

    class Library:
        def __init__(self, *about: Any, **options: Any) -> None:
            self._library = real(*about, **options)

        def __getattr__(self, name: str) -> Any:
            return refuse if name in EXCHANGES else getattr(self._library, name)

    ctypes.CDLL = Library  # type: ignore[assignment,misc]


QUIRKS = {"syncs late": _sync_late, "exchanges no names": _exchange_no_names}


def main() -> None:
    doing = {"script": script, "writer": writer, "end": end}
    # No child is to load it anew either, nor to copy all that is in memory by searching it for garbage.
    audit.load()
    gc.freeze()
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(doing[request.pop("do")](request)), flush=True)
    # Who asked may have died.
    for pid in list(_WRITERS):
        end({"pid": pid})


if __name__ == "__main__":
    main()
