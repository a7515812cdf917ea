"""Runs all tests of this folder at length and writes tests/RELIABILITY.md from what they took down.

`python tests/reliability/table.py SECONDS`: how long each soak runs.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import apsw

_HERE = Path(__file__).parent
_TARGET = _HERE.parent / "RELIABILITY.md"
_COLUMNS = ("rounds", "faults", "acknowledged", "lost", "doubled", "healed", "fairness")
_RACING = {
    "racing": "",
    "writers": "rounds",
    "outside changes": "outside",
    "undone by us": "undone",
    "frames seen": "frames",
    "of a state that never was": "never_were",
}
"""The columns of the second table, and what each is called where it was taken down."""

_HEAD = """# What was tried to lose a transition, and what came of it

Made by `python tests/reliability/table.py {seconds:g}`; do not edit.

{machine}

*Rounds*: runs whose store was checked afterwards (in a power loss: disks; among racing writers: writers). *Faults*:
kill -9 of a writer, or a power loss. *Acknowledged*: transitions that a writer was told of. *Lost*, *doubled*: how many
of these were not in the store afterwards, or twice. *Healed*: rounds after which something half done was there, which
the next who opened the store carried on or cut off. *Fairness*: commits of the slowest writer for each commit of the
fastest. After every round, `verify` found the log whole and the tasks as their events say.
"""

_TAIL = """
The commands are run in the folder of `pyproject.toml`, here with TASKDECK_SOAK_SECONDS={seconds:g}.

## What this does not show
A kill is of the process, not of the machine, and goes to files in memory where the system has such a folder. A power
loss is simulated: by the least that POSIX promises of a disk, not by a disk that lies about a sync. SQLite's shared
memory (`-shm`) is written without calls, so no writer is killed at a chosen moment within it, only at random ones.
"""


def main() -> int:
    """Run the tests and write the table, of tests that failed too; return the exit code of the tests."""
    seconds = float(sys.argv[1])
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        setting = {"TASKDECK_SOAK_SECONDS": f"{seconds:g}", "TASKDECK_SOAK_REPORT": file.name}
        program = [sys.executable, "-m", "pytest", str(_HERE), "-m", "soak or not soak", "-n", "0"]
        failed = subprocess.run(program, check=False, env={**os.environ, **setting}, cwd=_HERE.parents[1]).returncode
        found = [json.loads(line) for line in Path(file.name).read_text().splitlines()]
    text = _HEAD.format(seconds=seconds, machine=_machine()) + _tables(found) + _TAIL.format(seconds=seconds)
    _TARGET.write_text(text)
    return failed


def _machine() -> str:
    system = f"{platform.system()} {platform.release().split('-')[0]} ({platform.machine()}), {os.cpu_count()} cores"
    return f"{system}, Python {platform.python_version()}, SQLite {apsw.sqlite_lib_version()}."


def _tables(found: list[dict[str, Any]]) -> str:
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in found:
        name = one["test"].split("::")[1].split("[")[0]
        rows.setdefault((name, _store(one["test"])), []).append(one)
    lines = ["", f"| test | store | {' | '.join(_COLUMNS)} | command |", "|---" * (len(_COLUMNS) + 3) + "|"]
    for (name, store), some in rows.items():
        if "found" not in some[0]:
            figures = " | ".join(_figure([one.get(column) for one in some]) for column in _COLUMNS)
            lines.append(f"| {_sentence(name)} | {store} | {figures} | `{_command(name)}` |")
    lines += ["", f"| {' | '.join(_RACING)} |", "|---" * len(_RACING) + "|"]
    for some in rows.values():
        for one in some:
            if "outside" in one:
                figures = [f"{one[name]:,}" if name in one else "–" for name in list(_RACING.values())[1:]]
                lines.append(f"| {_sentence(one['test'].split('::')[1])} | {' | '.join(figures)} |")
    lines += ["", "| syncs left out | store | syncs | something is lost | nothing is, and why |", "|---" * 5 + "|"]
    for (name, store), some in rows.items():
        if "found" in some[0]:
            syncs, lost = (sum(one[key] for one in some) for key in ("rounds", "found"))
            why = "–" if syncs == lost else f"{syncs - lost}: of a log that was synced before, or a new log's header"
            lines.append(f"| one at a time: `{_command(name)}` | {store} | {syncs} | {lost} | {why} |")
    return "\n".join([*lines, ""])


def _store(test: str) -> str:
    return "JSON" if ".json" in test else "SQLite"


def _figure(values: list[Any]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    return f"{min(known)}" if isinstance(known[0], float) else f"{sum(known):,}"


def _sentence(name: str) -> str:
    return name.removeprefix("test_").replace("_", " ")


def _command(name: str) -> str:
    return f"pytest tests/reliability -m 'soak or not soak' -k {name.removeprefix('test_')}"


if __name__ == "__main__":
    sys.exit(main())
