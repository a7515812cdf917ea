"""What every test runs under: a known terminal and time zone, no animations, and no settings of the person at home."""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings

for _name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TASKDECK_ACTOR", "TMUX", "COLUMNS", "LINES"):
    os.environ.pop(_name, None)
# The tests start Python by the hundred: what one of them compiled, the next need not.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", TEXTUAL_ANIMATIONS="none", TZ="UTC")
if hasattr(time, "tzset"):
    time.tzset()
if "textual.constants" in sys.modules:
    # The snapshot plugin imports Textual before any conftest is read; Textual read the variable then.
    sys.modules["textual.constants"].TEXTUAL_ANIMATIONS = "none"  # type: ignore[attr-defined]

# The same examples in every run: what a change broke is told from what was never right. With the variable, others.
settings.register_profile("same examples", derandomize=True, database=None)
if "TASKDECK_FUZZ_TIMES" not in os.environ:
    settings.load_profile("same examples")


def pytest_collection_finish() -> None:
    """Keep what is there for good, thousands of tests and all that they import, out of each later collection of
    garbage: searching it took a sixth of the suite's time.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Have no worker work out which pictures nobody compared: it saw a part of the tests, and nobody hears its answer.

    It took each of them seconds, after which the controller ended them by an interrupt.
    """
    if hasattr(session.config, "workerinput"):
        session.config.pluginmanager.unregister(name="syrupy")


# A pseudo-terminal is what Windows does not have.
collect_ignore_glob = ["e2e/*", "test_readme.py"] if sys.platform == "win32" else []

_HOMES = Path(tempfile.mkdtemp(prefix="taskdeck-tests-"))
_MEMORY = "/dev/shm"
_numbers = itertools.count()
_Report = TypeVar("_Report", pytest.TestReport, pytest.CollectReport)


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test configuration and state folders of its own, none of them made yet."""
    home = _HOMES / str(next(_numbers))
    for kind in ("CONFIG", "STATE", "DATA", "CACHE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(home / kind.lower()))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: what a killed process wrote is kept there too, and no disk fails but by
    order."""
    if not os.access(_MEMORY, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="taskdeck-", dir=_MEMORY) as made:
        yield Path(made)


def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes test at once: a test of a screen waits for most of its time."""
    return 2 * (os.cpu_count() or 1)


def pytest_unconfigure() -> None:
    shutil.rmtree(_HOMES, ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _no_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _no_skip((yield))


def _no_skip(report: _Report) -> _Report:
    """With TASKDECK_NO_SKIPS=1, make a failure of a skip: what was not run has shown nothing."""
    if os.environ.get("TASKDECK_NO_SKIPS") == "1" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: skipped, where nothing may be: {report.longrepr}"
    return report
