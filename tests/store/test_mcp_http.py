"""A source on servers that the SDK serves over HTTP: the seed's, rebuilt, and some that do not wish us well."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mcp_http import PATIENCE, ours, served, until

from taskdeck_store import clock, create_store, open_store
from taskdeck_store.contract import StoreError
from taskdeck_store.machine import Code, Transition, command, transition
from taskdeck_store.mcp.client.source import KIND
from taskdeck_store.source import Move, Source
from taskdeck_store.values import Action, Json, State, Task
from taskdeck_store.verification import verify

if TYPE_CHECKING:
    from mcp_lab import Lab

LAB = Path(__file__).with_name("mcp_lab.py")
CLIENT = "taskdeck_store.mcp.client"


@pytest.fixture
def queue(tmp_path: Path) -> Path:
    path = tmp_path / "tasks.json"
    write(path, "pending", "in_progress")
    return path


def write(path: Path, *words: str) -> None:
    rows = [
        {"id": f"task-{number:08x}", "description": f"do {number}", "status": word, "attempts": 0, "priority": 5}
        for number, word in enumerate(words)
    ]
    path.write_text(json.dumps(rows))


@contextmanager
def lab(shape: str, path: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Serve a lab; yield its address, and what makes it tell that the queue changed."""
    from mcp_lab import Lab

    made: Lab = Lab(shape, path)
    with served(made.server.streamable_http_app()) as (port, loop):
        yield f"mcp+http://127.0.0.1:{port}/mcp", lambda: asyncio.run_coroutine_threadsafe(made.told(), loop).result()


@contextmanager
def opened(address: str) -> Iterator[Source]:
    source = KIND.open(address)
    try:
        yield source
    finally:
        source.close()


def do(source: Source, seen: Task, *actions: Action, **fields: Json) -> None:
    after = seen
    asked = []
    for action in actions:
        one = command(seen.id, action, actor="ann", note="why", **fields)
        made = transition(after, one, clock.utc_now())
        assert isinstance(made, Transition)
        after, fields = made.task, {}
        asked.append(one)
    assert source.carry_out([Move(commands=tuple(asked), seen=seen, task=after)]) == {}


@pytest.mark.parametrize("shape", ["lab", "tutorial"])
def test_the_servers_of_the_seed_are_read_and_moved(queue: Path, shape: str) -> None:
    with lab(shape, queue) as (address, _), opened(address) as source:
        first, second = source.look().tasks
        assert (first.title, first.state, second.state) == ("do 0", State.PENDING, State.IN_PROGRESS)
        do(source, first, Action.START)
        assert source.look().tasks[0].attempts == 1
        do(source, second, Action.SUBMIT, Action.APPROVE, result="done")
        first, second = source.look().tasks
        assert (first.state, second.state) == (State.IN_PROGRESS, State.COMPLETED)
        do(source, first, Action.FAIL)
        do(source, source.look().tasks[0], Action.RETRY)
        assert source.look().tasks[0].state is State.PENDING
        assert source.place == address
        assert list(source.limits.lacks) == [State.REVIEW]
        assert json.loads(queue.read_text())[1]["result"] == "done"


def test_a_change_is_heard_of_by_listening(queue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{CLIENT}.connection._ASK_FIRST", 1_000.0)
    with lab("lab", queue) as (address, tell), opened(address) as source:
        source.look()
        write(queue, "completed")
        tell()
        assert source.wait(PATIENCE)
        assert [task.state for task in source.look().tasks] == [State.COMPLETED]


def test_a_server_that_is_gone_and_comes_back_is_reached_again(queue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{CLIENT}.link._FIRST_PAUSE", 0.05)
    from mcp_lab import Lab

    with served(Lab("lab", queue).server.streamable_http_app()) as (port, _):
        source = KIND.open(f"mcp+http://127.0.0.1:{port}/mcp")
        assert len(source.look().tasks) == 2
    try:
        assert source.wait(PATIENCE)
        with pytest.raises(StoreError, match="trying again"):
            source.look()
        with served(Lab("lab", queue).server.streamable_http_app(), port):
            write(queue, "completed")
            until(lambda: source.wait(1) and is_read(source))
            assert [task.state for task in source.look().tasks] == [State.COMPLETED]
            source.close()
    finally:
        source.close()


def is_read(source: Source) -> bool:
    try:
        source.look()
    except StoreError:
        return False
    return True


@pytest.mark.soak
def test_a_server_that_is_killed_and_started_again_is_reached_again(queue: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, str(LAB), "lab", str(queue), str(port)], stderr=subprocess.DEVNULL)

    running = start()
    try:
        address = f"mcp+http://127.0.0.1:{port}/mcp"
        until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
        with opened(address) as source:
            source.look()
            running.kill()
            running.wait()
            assert source.wait(PATIENCE)
            with pytest.raises(StoreError, match="trying again"):
                source.look()
            write(queue, "completed")
            running = start()
            until(lambda: source.wait(1) and is_read(source))
            assert [task.state for task in source.look().tasks] == [State.COMPLETED]
    finally:
        running.kill()
        running.wait()


async def _answer(send: Any, status: int, kind: bytes, *pieces: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def rogue(kind: str) -> Any:
    """Return an ASGI application that is no MCP server, in one chosen way."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        match kind:
            case "asks a token":
                if dict(scope["headers"]).get(b"authorization") == b"Bearer sesame":
                    await _answer(send, 500, b"text/plain", b"")
                await _answer(send, 401, b"application/json", b"{}")
            case "is a web page":
                await _answer(send, 200, b"text/html", b"<html>")
            case "is huge":
                await _answer(send, 200, b"application/json", *[b" " * 65_536] * 64)
            case "is one endless event":
                await _answer(send, 200, b"text/event-stream", b"data: ", *[b"x" * 65_536] * 64)
            case "is zipped":
                start = {"type": "http.response.start", "status": 200, "headers": [(b"content-encoding", b"gzip")]}
                await send(start)
                await send({"type": "http.response.body", "body": b"x"})
            case "is silent":
                await asyncio.sleep(60)
            case "leads away":
                headers = [(b"location", b"http://example.com/")]
                await send({"type": "http.response.start", "status": 307, "headers": headers})
                await send({"type": "http.response.body", "body": b""})

    return app


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("asks a token", "it answers HTTP 401: set TASKDECK_MCP_TOKEN to its token"),
        ("is a web page", "Unexpected content type"),
        ("is huge", "larger than 1 MiB"),
        ("is one endless event", "SSE"),
        ("is zipped", "compressed, which was not asked for"),
        ("is silent", "has not answered in 0.3 s"),
        ("leads away", "not followed"),
    ],
)
def test_what_is_no_server_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch, kind: str, said: str) -> None:
    monkeypatch.setattr(f"{CLIENT}.web.MESSAGE_MOST", 1 << 20)
    if kind == "is silent":
        monkeypatch.setattr(f"{CLIENT}.link.CONNECT", 0.3)
    with served(rogue(kind)) as (port, _), pytest.raises(StoreError) as caught:
        KIND.open(f"mcp+http://127.0.0.1:{port}/mcp")
    assert said in caught.value.message
    assert f"mcp+http://127.0.0.1:{port}/mcp" in caught.value.message
    assert caught.value.message.isprintable()


def test_the_token_is_sent_and_never_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKDECK_MCP_TOKEN", "sesame")
    with served(rogue("asks a token")) as (port, _), pytest.raises(StoreError, match="HTTP 500") as caught:
        KIND.open(f"mcp+http://127.0.0.1:{port}/mcp?key=secret")
    assert "sesame" not in caught.value.message
    assert "secret" not in caught.value.message


def test_nobody_there_is_told_in_a_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(StoreError, match=f"cannot reach mcp.http://127.0.0.1:{port}/mcp: Connection refused"):
        KIND.open(f"mcp+http://ann:secret@127.0.0.1:{port}/mcp")


def test_our_own_server_is_followed_by_what_it_says_that_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{CLIENT}.connection._ASK_FIRST", 1_000.0)
    create_store(str(tmp_path / "q.db"))
    with closing(open_store(str(tmp_path / "q.db"))) as there, ours(str(tmp_path / "q.db")) as address:
        there.apply([command(f"t-{number}", Action.ADD, actor="x", title="t") for number in range(3)])
        with ExitStack() as stack:
            board = stack.enter_context(closing(open_store(address)))
            # From now on, who reads all again would fail.
            monkeypatch.setattr(f"{CLIENT}.connection.gather", None)
            other = stack.enter_context(closing(open_store(address)))
            for action in (Action.START, Action.SUBMIT, Action.APPROVE):
                (outcome,) = board.apply([command("t-0", action, actor="ann", note=f"to {action}")])
                assert outcome.event is not None, outcome.refusal
                assert (outcome.event.actor, outcome.event.note) == ("ann", f"to {action}")
            assert [event.actor for event in there.events("t-0")][1:] == ["mcp:taskdeck/ann"] * 3
            assert there.get("t-0").owner == "ann"  # type: ignore[union-attr]
            long = "x" * 20_000
            there.apply([command("t-9", Action.ADD, actor="x", title="t", data=long)])
            there.apply([command("t-1", Action.FAIL, actor="x", note="no")])
            for store in (board, other):
                while store.get("t-1").state is not State.FAILED:  # type: ignore[union-attr]
                    assert store.wait(PATIENCE)
                assert {task.id: task.state for task in store.tasks()} == {
                    task.id: task.state for task in there.tasks()
                }
                assert store.get("t-9").data == long  # type: ignore[union-attr]
            assert board.events() == other.events()
            assert verify(board).is_sound


def test_half_a_character_is_refused_and_the_connection_goes_on(tmp_path: Path) -> None:
    create_store(str(tmp_path / "q.db"))
    with ours(str(tmp_path / "q.db")) as address, closing(open_store(address)) as board:
        for data, code in (({"x": "half \ud800"}, Code.INVALID), ({"x": "whole"}, None)):
            (outcome,) = board.apply([command("t-1", Action.ADD, actor="ann", title="t", data=data)])
            assert (outcome.refusal.code if outcome.refusal else None) is code


@pytest.mark.parametrize("is_same", [True, False])
def test_a_child_by_fork_connects_by_itself_to_the_server_of_its_parent_or_another(
    tmp_path: Path, is_same: bool
) -> None:
    create_store(str(tmp_path / "q.db"))
    program = """if True:
        import os, sys
        from taskdeck_store import open_store
        first = open_store(sys.argv[1])
        child = os.fork()
        if child == 0:
            open_store(sys.argv[2]).close()
            first.close()
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        first.tasks()
        sys.exit(os.waitstatus_to_exitcode(status))
        """
    # Not a fork of this process: the threads of its server may hold SQLite's own locks just then.
    with ours(str(tmp_path / "q.db")) as first, ours(str(tmp_path / "q.db")) as other:
        asked = [sys.executable, "-c", program, first, first if is_same else other]
        done = subprocess.run(asked, timeout=20, check=False)
    assert done.returncode == 0
