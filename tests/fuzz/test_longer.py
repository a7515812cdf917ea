"""The same tests with many times as many examples."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.hostile import TIMES

MODULES = sorted(file.name for file in Path(__file__).parent.glob("test_*.py") if file.name != Path(__file__).name)


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
    done = subprocess.run(program, env={**os.environ, TIMES: times or "8"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
