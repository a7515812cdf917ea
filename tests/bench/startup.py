"""How fast plain commands start, each as a ratio to the bare interpreter and to what the store alone needs.

Run by hand: ``python tests/bench/startup.py [--runs N]``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TASKS = 1_000
FLOOR = "python -c pass"
DRIVERS = "import apsw, msgspec"


PROGRAM = ["-c", "import sys; from taskdeck_tui.cli.main import main; sys.exit(main())"]
"""What the installed console script does."""


def keep_bytecode(folder: Path) -> None:
    """Let the programs measured load compiled modules, as installed ones do, from a folder of their own."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder)


def median_ms(words: list[str], runs: int) -> float:
    """Return the median milliseconds of a program, after one run that warms the caches."""
    taken = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
        taken.append((time.perf_counter() - began) * 1_000)
    return statistics.median(taken[1:])


def make_stores(folder: Path) -> dict[str, str]:
    """Make a SQLite and a JSON store of 1,000 tasks; return their paths by kind."""
    rows = [
        {"id": f"t-{number}", "title": f"Task number {number}", "priority": number % 9, "tags": ["bench"]}
        for number in range(TASKS)
    ]
    stores = {}
    for kind, name in (("SQLite", "tasks.db"), ("JSON", "tasks.json")):
        stores[kind] = str(folder / name)
        taskdeck = [sys.executable, *PROGRAM]
        subprocess.run([*taskdeck, "init", stores[kind]], check=True, stdout=subprocess.DEVNULL)
        lines = "\n".join(map(json.dumps, rows))
        subprocess.run([*taskdeck, "add", stores[kind], "-"], input=lines, text=True, check=True, capture_output=True)
    return stores


COMMANDS = {
    ("counts",): "counts()",
    ("show", "t-7"): "get('t-7')",
    ("list", "--limit", "20"): "tasks(limit=20)",
    ("list",): "tasks()",
}
"""Each command, without its STORE, and the call by which it gets its answer from the store."""


def compare(store: str, floor: float, runs: int) -> None:
    """Print for each command what the store alone needs, the goal, and what the command takes."""
    for words, call in COMMANDS.items():
        alone = f"from taskdeck_store import open_store; open_store({store!r}, read_only=True).{call}"
        needed = median_ms(["-c", alone], runs)
        goal = floor + needed
        ms = median_ms([*PROGRAM, words[0], store, *words[1:]], runs)
        said = " ".join(["taskdeck", words[0], "STORE", *words[1:]])
        print(f"{said:<34} {ms:7.1f} ms  store alone {needed:6.1f}, goal {goal:6.1f}: {ms / goal:.2f} x goal")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=21, help="runs of each, of which the median is told (%(default)s)")
    runs = parser.parse_args().runs
    print(f"{platform.machine()}, {platform.system()} {platform.release()}, Python {platform.python_version()}")
    print(f"median of {runs} runs, {TASKS:,} tasks\n")
    with tempfile.TemporaryDirectory() as folder:
        keep_bytecode(Path(folder) / "bytecode")
        floor = median_ms(["-c", "pass"], runs)
        print(f"{FLOOR:<34} {floor:7.1f} ms")
        print(f"{DRIVERS:<34} {median_ms(['-c', DRIVERS], runs):7.1f} ms")
        print(f"{'taskdeck --version':<34} {median_ms([*PROGRAM, '--version'], runs):7.1f} ms")
        for kind, store in make_stores(Path(folder)).items():
            print(f"\n{kind}; the goal is twice the floor, and what the store needs beyond it")
            compare(store, floor, runs)


if __name__ == "__main__":
    main()
