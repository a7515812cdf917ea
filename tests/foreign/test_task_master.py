"""Task Master itself reads what we wrote, and we what it wrote.

Installs: npm install task-master-ai (program: task-master).
"""

from __future__ import annotations

import json
from pathlib import Path

from foreign.files import move, moved, subtask, tagged, task, task_master
from foreign.tools import Tool
from taskdeck_store import create_store
from taskdeck_store.sources.taskmaster import TaskMaster
from taskdeck_store.values import Action, State


def states(source: TaskMaster) -> dict[str, State]:
    return {task.id: task.state for task in source.look().tasks}


def test_what_was_made_anew_is_taken(tmp_path: Path) -> None:
    tool = Tool("task-master", "task-master-ai", tmp_path)
    path = tmp_path / ".taskmaster" / "tasks" / "tasks.json"
    path.parent.mkdir(parents=True)
    create_store(str(path))
    source = TaskMaster(str(path))
    assert not source.carry_out([moved(None, "1", Action.ADD, title="Ours")])
    tool.run("add-task", "--title=Theirs", "--description=added there")
    assert states(source) == {"1": State.PENDING, "2": State.PENDING}


def test_each_reads_what_the_other_wrote(tmp_path: Path) -> None:
    tool = Tool("task-master", "task-master-ai", tmp_path)
    first = task(1, priority="high", subtasks=[subtask(1), subtask(2)])
    path = task_master(tmp_path, tagged(first, task(2, dependencies=[1]), task(3)))
    source = TaskMaster(str(path))

    assert not source.carry_out([move(source, "3", Action.START), move(source, "1.2", Action.START)])
    tool.run("set-status", "--id=1.1", "--status=review")
    assert states(source) == {
        "1": State.IN_PROGRESS,
        "1.1": State.REVIEW,
        "1.2": State.IN_PROGRESS,
        "2": State.PENDING,
        "3": State.IN_PROGRESS,
    }
    text = path.read_text()
    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False)

    moves = [
        move(source, "1.1", Action.APPROVE),
        move(source, "3", Action.SUBMIT, Action.APPROVE),
        moved(None, "4", Action.ADD, title="Ours", depends_on=["3"]),
    ]
    assert not source.carry_out(moves)
    text = path.read_text()
    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    told = json.loads(tool.run("list", "--json", "--with-subtasks"))
    assert told["metadata"]["total"] == 4
    shown = {str(found["id"]): found for found in told["tasks"]}
    assert {number: found["status"] for number, found in shown.items()} == {
        "1": "in-progress",
        "2": "pending",
        "3": "done",
        "4": "pending",
    }
    assert [found["status"] for found in shown["1"]["subtasks"]] == ["done", "in-progress"]
    assert (shown["4"]["title"], shown["4"]["dependencies"]) == ("Ours", ["3"])
