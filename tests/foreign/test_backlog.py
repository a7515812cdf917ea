"""We read what Backlog.md itself wrote.

Installs: npm install backlog.md (program: backlog).
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from foreign.tools import Tool
from taskdeck_store.sources.backlog import KIND
from taskdeck_store.values import State


def test_what_it_writes_is_read(tmp_path: Path) -> None:
    tool = Tool("backlog", "backlog.md", tmp_path)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    tool.run("init", "Demo", "--defaults", "--agent-instructions", "none")
    tool.run(
        "task", "create", "First: a 'thing' #1", "-d", "Describe *it*", "--priority", "high", "-l", "one", "-a", "@ada"
    )
    tool.run("task", "create", "Second", "--dep", "task-1", "-s", "In Progress")
    (address,) = KIND.nearby(tmp_path)
    source = KIND.open(address)
    sight = source.look()
    assert not sight.flaws
    one, two = sight.tasks
    assert (one.id, one.title, one.description) == ("TASK-1", "First: a 'thing' #1", "Describe *it*")
    assert (one.state, one.priority, one.tags, one.owner) == (State.PENDING, 2, ("one",), "@ada")
    assert (two.state, two.depends_on) == (State.IN_PROGRESS, ("TASK-1",))
    tool.run("task", "edit", "2", "-s", "Done")
    assert source.is_stale()
    assert source.look().tasks[1].state is State.COMPLETED
