"""Where the tools of others are that the tests in this folder run.

They are looked for in the folders of TASKDECK_FOREIGN_TOOLS, then in PATH. What each test installs stands at the top
of its file. In an empty folder, ``npm install --prefix TOOLS task-master-ai backlog.md`` and ``npm install --prefix
TOOLS @modelcontextprotocol/server-everything`` make ``TOOLS/node_modules/.bin``, and ``python -m venv TOOLS/venv &&
TOOLS/venv/bin/pip install kanban-tui`` ``TOOLS/venv/bin``. A Node that lies beside a program is the one that runs it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def program(name: str, package: str) -> str:
    """Return where a program is that another package installs. Skips the test where it is not installed."""
    places = (os.environ.get("TASKDECK_FOREIGN_TOOLS", ""), os.environ.get("PATH", ""))
    found = shutil.which(name, path=os.pathsep.join(filter(None, places)))
    if found is None:
        pytest.skip(f"NOT RUN: {name} of the package {package} is not installed; see tests/foreign/tools.py")
    return found


class Tool:
    """A program that another package installs, run in a folder with nobody's settings."""

    def __init__(self, name: str, package: str, folder: Path) -> None:
        """Skips the test where it is not installed."""
        self._program = program(name, package)
        self._folder = folder
        self._home = folder / "home"
        self._home.mkdir()

    def run(self, *words: str) -> str:
        """Run it to its end, which must be a good one, and return what it printed."""
        done = self.ran(*words)
        assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def ran(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end, whatever that is."""
        home = str(self._home)
        ours = {
            "HOME": home,
            "XDG_DATA_HOME": home,
            "XDG_CONFIG_HOME": home,
            "PATH": os.pathsep.join((str(Path(self._program).parent), os.environ["PATH"])),
            "NO_COLOR": "1",
            "CI": "1",
            "TASKMASTER_SKIP_AUTO_UPDATE": "1",
        }
        return subprocess.run(
            [self._program, *words],
            cwd=self._folder,
            env={**os.environ, **ours},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
