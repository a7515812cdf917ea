"""The same tests with many times as many examples, in bounded time and memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.hostile import TIMES

MODULES = sorted(file.name for file in Path(__file__).parent.glob("test_*.py") if file.name != Path(__file__).name)


SECONDS = 280
BYTES = 3 << 30
"""Of addresses; the test itself takes some 600 MB of them."""


def bounded() -> None:
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))


@pytest.mark.soak
@pytest.mark.parametrize("module", MODULES)
def test_many_more_examples(module: str) -> None:
    program = [
        sys.executable,
        "-m",
        "pytest",
        "-n",
        "0",
        "-p",
        "no:cacheprovider",
        str(Path(__file__).with_name(module)),
    ]
    times = os.environ.get(TIMES)
    if times is None:
        program.append("--hypothesis-seed=1")
    done = subprocess.run(
        program,
        env={**os.environ, TIMES: times or "8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS * max(1, int(times or "8") // 8),
        preexec_fn=bounded,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
