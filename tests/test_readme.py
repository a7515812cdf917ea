"""README: every block is run as a reader would run it, in order, in one empty folder; its tables are the code's own."""

from __future__ import annotations

import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from e2e.terminal import Terminal
from taskdeck_store import TABLE, State, open_store
from taskdeck_store.query.parse import parse
from taskdeck_tui.cli.exits import Exit
from taskdeck_tui.cli.parser import FORMS
from taskdeck_tui.config import load_config
from taskdeck_tui.keys import KEYS

_PATH = Path(__file__).parents[1] / "README.md"
README = _PATH.read_text(encoding="utf-8")
_BLOCK = re.compile(r"^(?:<!-- (?P<mark>\S+) -->\n)?```(?P<kind>\w+) ?(?P<file>\S*)\n(?P<text>.*?)^```$", re.M | re.S)
_CLIENT = {"protocolVersion": "2026-07-28", "clientInfo": {"name": "reader", "version": "1"}, "clientCapabilities": {}}
_TASKDECK = [sys.executable, "-m", "taskdeck_tui"]


def test_every_block_runs_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TASKDECK_ACTOR", "reader")
    blocks = [block for block in _BLOCK.finditer(README) if block["mark"] is None]
    assert {block["kind"] for block in blocks} == {"json", "sh", "python", "sql", "toml"}
    assert len(blocks) == README.count("\n```") // 2 - 2
    for block in blocks:
        match block["kind"]:
            case "json":
                Path(block["file"]).write_text(block["text"])
            case "sh":
                for line in block["text"].splitlines():
                    _run(shlex.split(line)[1:])
            case "python" if block["file"]:
                Path(block["file"]).write_text(block["text"])
            case "python":
                subprocess.run([sys.executable, "-c", block["text"]], check=True)
            case "sql":
                with sqlite3.connect("queue.db") as database:
                    database.executescript(block["text"])
                database.close()
            case "toml":
                folder = Path(os.environ["XDG_CONFIG_HOME"]) / "taskdeck"
                folder.mkdir(parents=True)
                (folder / block["file"]).write_text(block["text"])
                assert load_config().problems == ()
                assert set(load_config().keymap) == {"approve", "freeze"}

    [server] = json.loads(Path(".mcp.json").read_text())["mcpServers"].values()
    assert server["command"] == "taskdeck"
    assert _asked(server["args"], "resources/read", uri="task://t-2")["contents"][0]["uri"] == "task://t-2"
    queue = open_store("queue.db", read_only=True)
    states = {task.id: (task.state, task.owner) for task in queue.tasks()}
    state, worker = states.pop("t-2")
    assert state is State.COMPLETED
    assert str(worker).count(":") == 2
    assert states == {"t-1": (State.REVIEW, "importer-1"), "t-3": (State.IN_PROGRESS, "restorer-1")}
    assert [event.actor for event in queue.events("t-3")] == ["external", "external"]
    queue.close()
    tasks = open_store("tasks.json", read_only=True)
    assert {task.id: task.state for task in tasks.tasks()} == {
        "t-1": State.PENDING,
        "t-2": State.COMPLETED,
        "t-3": State.PENDING,
    }
    assert [event.actor for event in tasks.events("t-2")][-1] == "reader"
    tasks.close()


def _run(words: list[str]) -> None:
    if words[0] not in FORMS:
        with Terminal([*_TASKDECK, *words], columns=120, lines=30) as terminal:
            terminal.wait_for(r"(?i)pending.*review")
            terminal.wait_for("t-1")
            terminal.send("q")
            assert terminal.exit_code() == 0
        return
    done = subprocess.run([*_TASKDECK, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    assert done.stdout


def _asked(words: list[str], method: str, **params: object) -> dict[str, Any]:
    """Return what an MCP server answers that is started with words of the command line."""
    about = {f"io.modelcontextprotocol/{name}": value for name, value in _CLIENT.items()}
    asked = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": about}}
    with subprocess.Popen([*_TASKDECK, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps(asked) + "\n")
        server.stdin.flush()
        answer: dict[str, Any] = json.loads(server.stdout.readline())["result"]
        server.stdin.close()
        assert server.wait(20) == 0
    return answer


def _actions() -> list[str]:
    rows = ["| action | from | to | what it does |", "|---|---|---|---|"]
    for rule in TABLE:
        sources = "any" if len(rule.sources) == len(State) else ", ".join(f"`{state}`" for state in rule.sources)
        target = f"`{rule.target}`" if rule.target else "the same"
        more = "; attempts + 1" if rule.again else ""
        rows.append(f"| `{rule.action}` | {sources or '–'} | {target} | {rule.summary}{more} |")
    return rows


def _exits() -> list[str]:
    said = {
        Exit.DONE: "done",
        Exit.STORE: "the store could not be read or written, or is damaged",
        Exit.USAGE: "usage",
        Exit.NOT_FOUND: "no such task",
        Exit.ILLEGAL: "the action is illegal in the task's state",
        Exit.CONFLICT: "conflict: it changed since the version given",
        Exit.READ_ONLY: "read-only",
    }
    return ["| exit code | |", "|---|---|", *(f"| {code.value} | {text} |" for code, text in said.items())]


def _keys() -> list[str]:
    rows = ["| key | name | what it does |", "|---|---|---|"]
    for spec in KEYS:
        if {"board", "task"} & set(spec.scopes):
            keys = " ".join(f"`{key}`" for key in spec.keys)
            rows.append(f"| {keys} | {spec.id} | {spec.tooltip} |")
    return rows


def _stepping() -> list[str]:
    rows = ["| key | name | what it does |", "|---|---|---|"]
    for spec in KEYS:
        if {"stepping", "held"} & set(spec.scopes):
            where = "of what is held: " if "held" in spec.scopes else ""
            rows.append(f"| {' '.join(f'`{key}`' for key in spec.keys)} | {spec.id} | {where}{spec.tooltip} |")
    return rows


_TABLES = {"actions": _actions, "exits": _exits, "keys": _keys, "stepping": _stepping}


@pytest.mark.parametrize("name", _TABLES)
def test_the_tables_are_those_of_the_code(name: str) -> None:
    found = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", README, re.S)
    assert found
    assert found[1].splitlines() == _TABLES[name](), (
        "README has an old table; run: PYTHONPATH=tests python tests/test_readme.py"
    )


def test_the_filters_shown_are_filters() -> None:
    section = README.split("## Filters")[1].split("\n## ")[0]
    shown = [text for row in section.splitlines() if row.startswith("| `") for text in re.findall(r"`([^`]+)`", row)]
    assert len(shown) >= 8
    assert all(parse(text, me="reader").terms for text in shown)


def _write_tables() -> None:
    text = README
    for name, rows in _TABLES.items():
        table = "\n".join([f"<!-- {name} -->", *rows(), f"<!-- /{name} -->"])
        text = re.sub(rf"<!-- {name} -->.*?<!-- /{name} -->", lambda _, table=table: table, text, flags=re.S)
    _PATH.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    _write_tables()
