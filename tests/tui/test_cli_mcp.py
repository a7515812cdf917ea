"""`taskdeck mcp`: the program itself, on its standard streams and over HTTP, asked by the SDK's client and by hand."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cli_stage import PROGRAM, environment, taskdeck
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import Implementation, ResourceUpdatedNotification

from taskdeck_store import Action, State, command, open_store
from taskdeck_store.verification import verify

pytestmark = pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning")

PATIENCE = 10.0
ERAS = ("auto", "legacy")
TOKEN = "a-token-that-nobody-guesses"
_ME = Implementation(name="tester", version="1")
_META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "by-hand", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


@pytest.fixture
def store(tmp_path: Path) -> str:
    address = str(tmp_path / "q.db")
    taskdeck("init", address)
    taskdeck("add", address, "a task", "--id", "a")
    return address


def apply(address: str, task_id: str, action: Action) -> None:
    other = open_store(address)
    [outcome] = other.apply([command(task_id, action, actor="ann", note="why")])
    assert outcome.refusal is None
    other.close()


def state(address: str, task_id: str = "a") -> str:
    return str(taskdeck("show", address, task_id, "--json").value["state"])


async def follow(client: Client, era: str, told: asyncio.Queue[str], stack: AsyncExitStack) -> None:
    """Follow the queue; what is told reaches `told`."""
    if era == "legacy":
        await client.subscribe_resource("task://queue")
        return
    events = await stack.enter_async_context(client.listen(resource_subscriptions=["task://queue"]))

    async def hand_on() -> None:
        async for event in events:
            told.put_nowait(event.uri)  # type: ignore[union-attr]

    handing = asyncio.create_task(hand_on())
    stack.callback(handing.cancel)


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_starts_it_reads_moves_and_follows(era: str, store: str) -> None:
    told: asyncio.Queue[str] = asyncio.Queue()

    async def handle(message: Any) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            told.put_nowait(message.params.uri)

    child = StdioServerParameters(command=PROGRAM[0], args=[*PROGRAM[1:], "mcp", store], env=environment())
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            Client(child, mode=era, client_info=_ME, message_handler=handle, read_timeout_seconds=20)
        )
        assert client.protocol_version == ("2026-07-28" if era == "auto" else "2025-11-25")
        result = await client.call_tool("claim", {})
        assert result.structured_content["tasks"][0]["owner"] == "mcp:tester"
        await follow(client, era, told, stack)
        apply(store, "a", Action.SUBMIT)
        assert await asyncio.wait_for(told.get(), 20) == "task://queue"
    assert state(store) == "review"


class ByHand:
    """A server that is spoken to in lines of JSON-RPC, as 2026-07-28 has it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._number = 0

    def line(self, text: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text + b"\n")
        self.process.stdin.flush()

    def send(self, method: str, **params: Any) -> int:
        self._number += 1
        asked = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": {**params, "_meta": _META}}
        self.line(json.dumps(asked).encode())
        return self._number

    def answer(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def listen(self) -> None:
        self.send("subscriptions/listen", notifications={"resourceSubscriptions": ["task://queue"]})
        assert self.answer()["method"] == "notifications/subscriptions/acknowledged"


def test_opened_as_a_store_it_is_moved_and_followed(store: str) -> None:
    with closing(open_store(f"mcp:{shlex.join([*PROGRAM, 'mcp', store])}")) as board:
        [outcome] = board.apply([command("a", Action.START, actor="ann", note="mine")])
        assert outcome.refusal is None, outcome.refusal
        assert state(store) == "in_progress"
        apply(store, "a", Action.SUBMIT)
        while board.counts()[State.REVIEW].count != 1:
            assert board.wait(PATIENCE)
        assert [event.action for event in board.events("a")] == ["add", "start", "submit"]
        assert verify(board).is_sound


@contextmanager
def by_hand(*words: str, program: Sequence[str] = PROGRAM) -> Iterator[ByHand]:
    with subprocess.Popen(
        [*program, "mcp", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        try:
            yield ByHand(process)
        finally:
            process.kill()


def test_nothing_but_the_protocol_is_on_standard_output_whatever_comes(store: str) -> None:
    with by_hand(store) as server:
        for wrong in (b"hello", b"{", b"[]", b'{"jsonrpc": "2.0"}', b"\xff\xfe", b"[" * 100_000, b"\x00"):
            server.line(wrong)
            answer = server.answer()
            assert (answer["id"], answer["error"]["code"]) == (None, -32700)
        server.line(b"")
        server.send("tools/call", name="add", arguments={"title": "x", "data": float("nan")})
        result = server.answer()["result"]
        assert result["isError"]
        assert "not JSON compliant" in result["content"][0]["text"]
        server.send("tools/call", name="claim", arguments={"lease_seconds": float("nan")})
        assert server.answer()["result"]["isError"]
        server.send("tools/call", name="wait_for_review", arguments={"task_id": "a", "timeout": float("nan")})
        assert server.answer()["result"]["isError"]
        server.send("tools/call", name="edit", arguments={"task_id": "a", "data": 10**60, "note": "n" * 10_000_000})
        done = server.answer()["result"]["structuredContent"]
        assert done["task"]["data"] == 10**60
        assert done["event"]["cut"] == ["note"]
        server.send("no/such/method")
        assert server.answer()["error"]["code"] == -32601
        server.process.communicate(timeout=20)
        assert server.process.returncode == 0


LOUD = """
import sys
from taskdeck_tui.cli import main, serving
def loudly(*words, opens=serving.open_store, before=[], **more):
    if before:
        print("noise", flush=True)
    before.append(1)
    return opens(*words, **more)
serving.open_store = loudly
sys.exit(main.main(sys.argv[1:]))
"""


def test_what_is_printed_beside_it_goes_to_standard_error(store: str) -> None:
    with by_hand(store, program=(PROGRAM[0], "-c", LOUD)) as server:
        server.send("resources/read", uri="task://a")
        assert server.answer()["result"]["contents"]
        out, err = server.process.communicate(timeout=20)
    assert out == b""
    assert err.count(b"noise\n") >= 2


@pytest.mark.parametrize("how", ["stdin", "SIGTERM", "stdout"])
def test_it_ends_at_once_with_a_stream_of_changes_open(how: str, store: str) -> None:
    with by_hand(store) as server:
        server.listen()
        server.send("tools/call", name="wait_for_review", arguments={"task_id": "a", "timeout": 600})
        assert server.process.stdin is not None
        assert server.process.stdout is not None
        if how == "stdin":
            server.process.stdin.close()
        elif how == "SIGTERM":
            server.process.send_signal(signal.SIGTERM)
        else:
            server.process.stdout.close()
            apply(store, "a", Action.START)
        assert server.process.wait(20) == 0
        assert server.process.stderr is not None
        assert server.process.stderr.read() == b""


def test_a_client_that_never_reads_holds_up_no_end(store: str) -> None:
    with by_hand(store) as server:
        for _ in range(300):
            server.send("tools/list")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0


@contextmanager
def over_http(store: str, *words: str, token: str | None = None) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    env = {"TASKDECK_MCP_TOKEN": token} if token is not None else {}
    with subprocess.Popen(
        [*PROGRAM, "mcp", store, "--http", "127.0.0.1:0", "--json", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(**env),
    ) as process:
        try:
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            assert said["token"] is (token is not None)
            yield said["url"], process
        finally:
            process.kill()


async def test_over_http_clients_of_both_eras_read_move_and_follow_until_it_is_told_to_end(store: str) -> None:
    taskdeck("add", store, "another", "--id", "b")
    with over_http(store, token=TOKEN) as (url, process):
        told: asyncio.Queue[str] = asyncio.Queue()

        async def handle(message: Any) -> None:
            if isinstance(message, ResourceUpdatedNotification):
                told.put_nowait(message.params.uri)

        async with AsyncExitStack() as stack:
            for number, era in enumerate(ERAS):
                web = await stack.enter_async_context(
                    httpx2.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20)
                )
                over = streamable_http_client(url, http_client=web, terminate_on_close=False)
                client = await stack.enter_async_context(
                    Client(over, mode=era, client_info=_ME, message_handler=handle, read_timeout_seconds=20)
                )
                result = await client.call_tool("claim", {})
                [task] = result.structured_content["tasks"]
                assert task["owner"] == "mcp:tester"
                await follow(client, era, told, stack)
                apply(store, task["id"], Action.SUBMIT)
                assert [await asyncio.wait_for(told.get(), 20) for _ in range(number + 1)] == ["task://queue"] * (
                    number + 1
                )
                with pytest.raises(MCPError, match="no task nope"):
                    await client.read_resource("task://nope")
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 20) == 0
            assert process.stderr is not None
            assert process.stderr.read() == b""


def test_over_http_only_who_may_ask_is_answered(store: str) -> None:
    asked = {"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": _META}}
    right = {
        "Authorization": f"bearer {TOKEN}",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "server/discover",
    }
    with over_http(store, token=TOKEN) as (url, _), httpx2.Client(timeout=20) as web:
        port = url.rpartition(":")[2].partition("/")[0]
        for headers, status in (
            ({}, 200),
            ({"Origin": f"http://localhost:{port}"}, 200),
            ({"Origin": "http://127.0.0.1:6274"}, 200),
            ({"Host": f"localhost:{port}"}, 200),
            ({"Authorization": ""}, 401),
            ({"Authorization": "Bearer"}, 401),
            ({"Authorization": f"Bearer {TOKEN[:-1]}"}, 401),
            ({"Authorization": f"Basic {TOKEN}"}, 401),
            ({"Host": f"evil.example:{port}"}, 421),
            ({"Host": "10.0.0.7"}, 421),
            ({"Host": "["}, 421),
            ({"Origin": "http://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Origin": "http://127.0.0.1.evil.example"}, 403),
        ):
            assert web.post(url, json=asked, headers={**right, **headers}).status_code == status, headers
        assert web.post(url, content=b"x" * 40_000_000, headers=right).status_code == 413
        assert web.get(url.replace("/mcp", "/"), headers=right).status_code == 404


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--http", "0.0.0.0:0"], "so a token is needed; give one in TASKDECK_MCP_TOKEN or in a file"),
        (["--http", "192.0.2.1:0"], "so a token is needed"),
        (["--http", "127.0.0.1"], "HOST:PORT is needed"),
        (["--token-file", "t"], "--token-file goes with --http"),
        (["--http", "127.0.0.1:0", "--token-file", "missing"], "--token-file missing: cannot be read"),
        (["--http", "127.0.0.1:0", "--token-file", "short"], "a token is 16 to 4,096 ASCII characters"),
    ],
)
def test_what_cannot_be_served_so_is_a_usage_error(
    words: list[str], said: str, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TASKDECK_MCP_TOKEN", raising=False)
    Path("short").write_text("secret\n")
    ran = taskdeck("mcp", store, *words)
    assert ran.code == 2
    assert said in ran.err
    assert ran.out == ""


def test_a_port_that_is_taken_and_a_store_that_is_not_there_are_told_of(store: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = taskdeck("mcp", store, "--http", f"127.0.0.1:{taken.getsockname()[1]}")
        assert ran.code == 2
        assert "Address already in use" in ran.err
    ran = taskdeck("mcp", str(tmp_path / "nope.db"))
    assert ran.code == 1
    assert "taskdeck init" in ran.err
    assert ran.out == ""


def test_without_the_library_it_says_what_to_install(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "taskdeck_store.mcp.serving.server", None)
    ran = taskdeck("mcp", store)
    assert ran.code == 2
    assert ran.err == "taskdeck: this needs a library that is not installed; run: pip install 'taskdeck[mcp]'\n"


def test_starting_it_changes_no_file(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    path.write_text('[{"id": "a", "title": "x", "state": "pending"}]\n')
    with by_hand(str(path)) as server:
        server.send("resources/read", uri="task://a")
        assert server.answer()["result"]
        assert [one.name for one in tmp_path.iterdir()] == ["tasks.json"]
        server.process.communicate(timeout=20)
    assert [one.name for one in tmp_path.iterdir()] == ["tasks.json"]


def test_killed_and_started_again_it_serves_what_was_committed(store: str) -> None:
    for name, after in (("start", "in_progress"), ("submit", "review")):
        with by_hand(store) as server:
            server.send("tools/call", name=name, arguments={"task_id": "a"})
            assert server.answer()["result"]["structuredContent"]["task"]["state"] == after
            os.kill(server.process.pid, signal.SIGKILL)
            server.process.wait(20)
    assert taskdeck("verify", store).code == 0
