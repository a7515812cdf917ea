"""The process whose children are killed, and the soak's length and report."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from reliability.doomed import Nursery

# No fork, no SIGKILL, no pseudo-terminal.
collect_ignore_glob = ["*"] if sys.platform == "win32" else []


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    from reliability.doomed import Nursery

    made = Nursery()
    yield made
    made.close()


@pytest.fixture
def soak_seconds() -> float:
    """How long a soak runs: TASKDECK_SOAK_SECONDS, or a few seconds."""
    return float(os.environ.get("TASKDECK_SOAK_SECONDS", "8"))


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Take down figures of this test, for the table; see `reliability.table`."""

    def take_down(**figures: Any) -> None:
        place = os.environ.get("TASKDECK_SOAK_REPORT")
        if place:
            with Path(place).open("a") as file:
                file.write(json.dumps({"test": request.node.nodeid, **figures}) + "\n")

    return take_down
