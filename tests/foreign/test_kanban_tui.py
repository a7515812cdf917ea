"""We read what kanban-tui itself wrote, and leave its file as it is.

Installs: pip install kanban-tui (program: ktui), into an environment of its own.
"""

from __future__ import annotations

from pathlib import Path

from foreign.tools import Tool
from taskdeck_store.sources.kanbantui import KIND
from taskdeck_store.values import State


def test_what_it_writes_is_read(tmp_path: Path) -> None:
    tool = Tool("ktui", "kanban-tui", tmp_path)
    tool.run("board", "create", "Home", "--set-active")
    (path,) = tmp_path.rglob("kanban_tui.db")
    source = KIND.open(str(path))
    assert not source.look().tasks
    tool.run("task", "create", "First", "--description", "about it")
    tool.run("task", "create", "Second", "--depends-on", "1")
    tool.run("task", "move", "1", "2")
    before = path.read_bytes()
    assert KIND.recognises(path)
    assert source.is_stale()
    one, two = source.look().tasks
    assert (one.title, one.description, one.state) == ("First", "about it", State.IN_PROGRESS)
    assert (two.state, two.depends_on) == (State.PENDING, ("1",))
    assert path.read_bytes() == before
