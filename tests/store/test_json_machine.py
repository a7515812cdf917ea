"""A foreign task file under random hands: ours, programs that take no lock, and kills between log and file."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from conftest import Turned
from taskdeck_store import Action, State, Store, command, open_store

IDS = st.sampled_from(["1", "2", "3", "4"])
HANDLES = st.integers(0, 1)
OURS = st.sampled_from([Action.START, Action.SUBMIT, Action.REJECT, Action.FAIL, Action.RETRY, Action.RELEASE])
SHAPES = st.sampled_from(
    [
        {"keys": ["id", "description", "status", "due"], "wrapped": True, "indent": 2},
        {"keys": ["id", "state", "attempts", "due"], "wrapped": False, "indent": None},
        {"keys": ["id", "title", "status", "owner", "updated_at", "due"], "wrapped": True, "indent": "\t"},
    ]
)
BLANK: dict[str, Any] = {"description": "d", "title": "t", "status": "pending", "state": "pending", "attempts": 0}

UNSAID = {"priority": 5, "max_attempts": 3, "attempts": 0}


class ForeignFile(RuleBasedStateMachine):
    """`due` is a key that we do not know: what the others put there last must be there, whatever we do."""

    @initialize(shape=SHAPES)
    def open(self, shape: dict[str, Any]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="taskdeck-test-"))
        self.path = self.folder / "tasks.json"
        self.keys, self.wrapped, self.indent = shape["keys"], shape["wrapped"], shape["indent"]
        self.status = "status" if "status" in self.keys else "state"
        self.due: dict[str, Any] = {}
        self.write([self.blank(task_id) for task_id in ("1", "2", "3")])
        self.now = Turned()
        self.handles: list[Store] = [open_store(str(self.path), now=self.now) for _ in range(2)]
        self.acknowledged: list[str] = []
        self.commit(0, "3", Action.START)

    def blank(self, task_id: str) -> dict[str, Any]:
        return {key: int(task_id) if key == "id" else BLANK.get(key) for key in self.keys}

    def read(self) -> list[dict[str, Any]]:
        document = json.loads(self.path.read_bytes())
        tasks: list[dict[str, Any]] = document["tasks"] if self.wrapped else document
        return tasks

    def write(self, tasks: list[dict[str, Any]]) -> None:
        document = {"version": 3, "tasks": tasks, "saved_at": None} if self.wrapped else tasks
        self.path.write_text(json.dumps(document, indent=self.indent))
        self.due = {str(task["id"]): task["due"] for task in tasks}

    def commit(self, handle: int, task_id: str, action: Action) -> None:
        self.now.turn(1)
        (outcome,) = self.handles[handle].apply([command(task_id, action, actor="me", note="so")])
        assert outcome.task == self.handles[1 - handle].get(task_id)
        if outcome.event is not None:
            self.acknowledged.append(outcome.command.operation)

    @rule(handle=HANDLES, task_id=IDS, action=OURS)
    def move(self, handle: int, task_id: str, action: Action) -> None:
        self.commit(handle, task_id, action)

    @rule(handle=HANDLES, task_id=IDS, priority=st.integers(0, 2), title=st.sampled_from(["a", "ü"]))
    def edit(self, handle: int, task_id: str, priority: int, title: str) -> None:
        fields = {"title": title, "priority": priority}
        (outcome,) = self.handles[handle].apply([command(task_id, Action.EDIT, actor="me", **fields)])
        if outcome.event is not None:
            assert outcome.task is not None
            assert (outcome.task.title, outcome.task.priority) == (title, priority)
            self.acknowledged.append(outcome.command.operation)

    @rule(handle=HANDLES, task_id=IDS)
    def add(self, handle: int, task_id: str) -> None:
        (outcome,) = self.handles[handle].apply([command(task_id, Action.ADD, actor="me", title="new")])
        if outcome.event is not None:
            self.due[task_id] = None
            self.acknowledged.append(outcome.command.operation)

    @rule(task_id=IDS, state=st.sampled_from(State), due=st.integers())
    def change_outside(self, task_id: str, state: State, due: int) -> None:
        tasks = self.read()
        for task in tasks:
            if str(task["id"]) == task_id:
                task.update({self.status: state, "due": due})
        self.write(tasks)

    @rule(task_id=IDS)
    def add_or_remove_outside(self, task_id: str) -> None:
        tasks = self.read()
        left = [task for task in tasks if str(task["id"]) != task_id]
        # One task stays, for others to be like it.
        self.write((left or tasks) if len(left) < len(tasks) else [*tasks, self.blank(task_id)])

    @rule(task_id=IDS, action=OURS, other=IDS, due=st.integers(), meddled=st.booleans())
    def kill_between_log_and_file(self, task_id: str, action: Action, other: str, due: int, meddled: bool) -> None:
        lock = self.path.with_name("tasks.json.taskdeck-lock")
        self.handles[0].counts()
        file, mark = self.path.read_bytes(), lock.read_bytes()
        self.commit(0, task_id, action)
        self.path.write_bytes(file)
        lock.write_bytes(mark)
        self.reopen()
        if meddled and other != task_id:
            tasks = self.read()
            for task in tasks:
                if str(task["id"]) == other:
                    task["due"] = due
            self.write(tasks)

    @rule()
    def reopen(self) -> None:
        for handle in self.handles:
            handle.close()
        self.handles = [open_store(str(self.path), now=self.now) for _ in range(2)]

    @invariant()
    def the_file_has_what_the_others_wrote_and_no_new_keys(self) -> None:
        if not hasattr(self, "handles"):
            return
        self.handles[0].counts()
        tasks = self.read()
        assert {str(task["id"]): task["due"] for task in tasks} == self.due
        assert all(type(task["id"]) is int and set(task) == set(self.keys) for task in tasks)

    @invariant()
    def the_log_replays_to_the_tasks(self) -> None:
        if not hasattr(self, "handles"):
            return
        events = self.handles[0].events()
        fields: dict[str, dict[str, Any]] = {}
        for event in events:
            if event.to_state is None:
                del fields[event.task_id]
                continue
            task = fields.setdefault(event.task_id, {})
            assert task.get("state") == event.from_state
            for name, (before, after) in event.changes.items():
                known = task.get(name, UNSAID.get(name)) if event.from_state is not None else None
                # A task without a title is shown by its id.
                assert known == before or (name, before) == ("title", event.task_id)
                task[name] = after
            task |= {"state": event.to_state, "attempts": event.attempts}
        shown = {task.id: task for task in self.handles[0].tasks()}
        assert fields.keys() == shown.keys()
        for task_id, task in fields.items():
            now = shown[task_id]
            assert (now.state, now.attempts) == (task["state"], task["attempts"])
            assert now.title == (task.get("title") or now.description or task_id)
            assert (now.owner, now.priority) == (
                task.get("owner"),
                task.get("priority") or 5 * (task.get("priority") is None),
            )
            assert now.extra.get("due") == task.get("due")

    @invariant()
    def every_handle_sees_the_same(self) -> None:
        if not hasattr(self, "handles"):
            return
        one, two = self.handles
        fresh = open_store(str(self.path), read_only=True)
        assert one.tasks() == two.tasks() == fresh.tasks()
        assert one.events() == two.events() == fresh.events()
        fresh.close()
        lines = self.path.with_name("tasks.audit.jsonl").read_text().splitlines()
        logged = [json.loads(line).get("operation") for line in lines]
        assert [operation for operation in logged if operation] == self.acknowledged

    def teardown(self) -> None:
        if hasattr(self, "handles"):
            for handle in self.handles:
                handle.close()
            shutil.rmtree(self.folder)


TestForeignFile = ForeignFile.TestCase
TestForeignFile.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
