"""Every store against a model: random commands from two handles at once, and an outside program that edits between.

The model is the transition function folded over the commands. Where an outside program wrote, the model takes over
what the store says of the task, after a look at whether that is what was written.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import pytest
from backends import Backend, JsonFile, Refused, Sqlite
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace
from pasts import check

from conftest import Turned
from taskdeck_store import Action, Code, Command, Event, Order, Outcome, State, Store, Task, command, open_store
from taskdeck_store.contract import key
from taskdeck_store.machine import Refusal, Transition, action_between, transition
from taskdeck_store.past import Past
from taskdeck_store.replay import differences
from taskdeck_store.timeline import Timeline
from taskdeck_store.values import EXTERNAL, REMOVED
from taskdeck_store.verification import verify

IDS = ("t-0", "t-1", "t-2", "t-3")
HANDLES = st.integers(0, 1)
FIELDS: dict[Action, st.SearchStrategy[dict[str, Any]]] = {
    Action.ADD: st.fixed_dictionaries(
        {"title": st.sampled_from(["a", "b"])},
        optional={"priority": st.integers(-1, 1), "depends_on": st.lists(st.sampled_from(IDS), max_size=2)},
    ),
    Action.EDIT: st.fixed_dictionaries(
        {},
        optional={
            "title": st.sampled_from(["a", "b", "ü"]),
            "tags": st.lists(st.sampled_from("xy"), max_size=2),
            "data": st.sampled_from([None, 10**40, {"k": [1.5, "v"]}]),
            "max_attempts": st.integers(-1, 4),
            "depends_on": st.lists(st.sampled_from(IDS), max_size=2),
        },
    ),
    Action.START: st.fixed_dictionaries({}, optional={"owner": st.sampled_from(["w-1", "w-2"])}),
    Action.SUBMIT: st.fixed_dictionaries({}, optional={"result": st.sampled_from([1, {"r": None}])}),
}
EXPECTS = st.sampled_from(["none", "now", "stale", "never"])


Asked: TypeAlias = tuple[str, Action, str | None, dict[str, Any], str]
"""A task, an action, a note, the fields, and which version was seen."""
EDITS = st.dictionaries(st.sampled_from(["title", "description"]), st.sampled_from(["o", "p"]))


@st.composite
def asked(draw: st.DrawFn) -> Asked:
    action = draw(st.sampled_from(Action))
    fields = draw(FIELDS.get(action, st.just({})))
    note = draw(st.sampled_from([None, "because", "because"]))
    return draw(st.sampled_from(IDS)), action, note, fields, draw(EXPECTS)


class Machine(RuleBasedStateMachine):
    """Two handles of one store."""

    kind: ClassVar[type[Backend]]

    @initialize()
    def open(self) -> None:
        self.backend = self.kind()
        self.folder = Path(tempfile.mkdtemp(prefix="taskdeck-test-"))
        self.path = self.backend.make(self.folder)
        self.now = Turned()
        self.handles: list[Store] = [open_store(str(self.path), now=self.now) for _ in range(2)]
        self.unread: list[list[str]] = [[], []]
        self.model: dict[str, Task] = {}
        self.stood: dict[str, State] = {}
        self.versions: dict[str, list[str]] = {task_id: [] for task_id in IDS}
        self.log: list[tuple[str, str, str, State | None, State | None]] = []
        self.done: list[tuple[Command, Outcome]] = []
        # A store that we never wrote to may have no audit log yet.
        self.check(self.handles[0].apply([command("t-0", Action.ADD, actor="ann", title="first")]))
        self.cursors = [handle.changes().cursor for handle in self.handles]
        self.unread = [[], []]

    @rule(handle=HANDLES, one=asked(), seconds=st.sampled_from([-5, 0, 1, 60]))
    def command(self, handle: int, one: Asked, seconds: int) -> None:
        self.now.turn(seconds)
        self.check(self.handles[handle].apply([self.made(one)]))

    @rule(handle=HANDLES, several=st.lists(asked(), min_size=2, max_size=4), whole=st.booleans())
    def commands(self, handle: int, several: list[Asked], whole: bool) -> None:
        before = (dict(self.model), len(self.log), {name: list(known) for name, known in self.versions.items()})
        outcomes = self.handles[handle].apply([self.made(one) for one in several], whole=whole)
        if not (whole and any(outcome.refusal for outcome in outcomes)):
            self.check(outcomes)
            return
        self.model, count, self.versions = before
        assert len(self.handles[handle].events()) == count
        for outcome in outcomes:
            assert outcome.event is None
            assert outcome.task == self.model.get(outcome.command.task_id)

    @precondition(lambda self: self.done)
    @rule(handle=HANDLES, chosen=st.randoms(use_true_random=False))
    def repeat(self, handle: int, chosen: Any) -> None:
        again, first = chosen.choice(self.done)
        (outcome,) = self.handles[handle].apply([again])
        assert outcome.repeated
        assert outcome.event == first.event
        assert outcome.task == self.model.get(again.task_id)

    @rule(task_id=st.sampled_from(IDS), fields=EDITS)
    def edit_outside(self, task_id: str, fields: dict[str, str]) -> None:
        if task_id in self.model and any(getattr(self.model[task_id], name) != value for name, value in fields.items()):
            self.backend.meddle(self.path, task_id, **fields)
            state = self.model[task_id].state
            self.take_over(task_id, Action.EDIT, state, state, **fields)

    @rule(task_id=st.sampled_from(IDS), state=st.sampled_from(State))
    def move_outside(self, task_id: str, state: State) -> None:
        task = self.model.get(task_id)
        if task is None or task.state is state:
            return
        action = action_between(task.state, state)
        if action is Action.START and task.blocked and self.backend.guards:
            action = None
        if action is not None:
            self.backend.meddle(self.path, task_id, state=str(state))
            self.take_over(task_id, action, task.state, state, state=state)
        elif self.backend.guards:
            try:
                self.backend.meddle(self.path, task_id, state=str(state))
            except Refused:
                return
            raise AssertionError(f"{task.state} to {state} was not refused")

    @rule(task_id=st.sampled_from(IDS))
    def add_outside(self, task_id: str) -> None:
        if task_id not in self.model:
            self.backend.meddle(self.path, task_id, title="outside")
            self.take_over(task_id, Action.ADD, None, State.PENDING, title="outside", state=State.PENDING)

    @rule(task_id=st.sampled_from(IDS))
    def remove_outside(self, task_id: str) -> None:
        if task_id in self.model:
            self.backend.remove(self.path, task_id)
            self.record(task_id, EXTERNAL, REMOVED, self.model.pop(task_id).state, None)
            assert self.handles[0].get(task_id) is None

    @rule(handle=HANDLES)
    def reopen(self, handle: int) -> None:
        self.handles[handle].close()
        self.handles[handle] = open_store(str(self.path), now=self.now)
        self.cursors[handle] = self.handles[handle].changes().cursor
        self.unread[handle] = []

    @rule(ago=st.integers(0, 30))
    def travel(self, ago: int) -> None:
        past = Past(self.handles[1], Timeline(every=8))
        past.read_all()
        assert past.end == len(self.log)
        past.go(past.end - ago)
        check(past, self.handles[1].events())
        past.go(past.end)
        replayed = {task.id: task for task in past.tasks()}
        assert {task_id for task_id in self.model if differences(self.model[task_id], replayed.get(task_id))} == set()
        assert {task.id: task.blocked for task in replayed.values()} == {
            task.id: task.blocked for task in self.model.values()
        }

    @rule(handle=HANDLES)
    def read_feed(self, handle: int) -> None:
        found = self.handles[handle].changes(self.cursors[handle])
        assert found.complete
        assert [change.task_id for change in found.changes] == self.unread[handle]
        self.cursors[handle], self.unread[handle] = found.cursor, []

    @invariant()
    def each_handle_shows_the_model(self) -> None:
        if not hasattr(self, "handles"):
            return
        for handle in self.handles:
            assert {task.id: task for task in handle.tasks()} == self.model
            assert [self.told(event) for event in handle.events()] == self.log
            times = [event.at for event in handle.events()]
            assert times == sorted(times)
            for state, tally in handle.counts().items():
                column = [task for task in self.model.values() if task.state is state]
                assert tally.count == len(column)
                cards = handle.window(state, Order.PRIORITY).cards
                assert [card.id for card in cards] == [
                    task.id for task in sorted(column, key=lambda task: key(task, Order.PRIORITY))
                ]

    @invariant()
    def the_log_tells_of_every_task_as_it_is(self) -> None:
        if hasattr(self, "handles"):
            found = verify(self.handles[1])
            assert found.broken is None
            assert found.differing == {}
            assert found.defects == ()
            assert found.is_sound
            assert found.events == len(self.log)

    def made(self, one: Asked) -> Command:
        task_id, action, note, fields, expect = one
        known = self.versions[task_id]
        versions = {"now": known[-1:], "stale": known[-2:-1], "never": ["?"], "none": []}[expect]
        return command(task_id, action, actor="ann", note=note, expect=next(iter(versions), None), **fields)

    def check(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            asked, before = outcome.command, self.model.get(outcome.command.task_id)
            move = transition(before, asked, self.now())
            overtaken = before is not None and asked.expect not in (None, before.version)
            if overtaken and asked.action is not Action.ADD:
                assert outcome.refusal is not None
                assert outcome.refusal.code is Code.CONFLICT
            elif self.cannot_depend(asked):
                assert outcome.refusal is not None
                assert outcome.refusal.code is Code.INVALID
            elif isinstance(move, Refusal):
                assert outcome.refusal == move
            else:
                assert outcome.event is not None, outcome.refusal
                assert outcome.task is not None
                assert outcome.event.at >= self.now()
                move = transition(before, asked, outcome.event.at)
                assert isinstance(move, Transition)
                made = replace(move.task, version=outcome.task.version)
                assert outcome.task == replace(made, blocked=self.blocked(made))
                assert outcome.task.version not in self.versions[asked.task_id]
                self.model[asked.task_id] = outcome.task
                self.record(asked.task_id, "ann", asked.action, move.from_state, move.to_state)
                self.done.append((asked, outcome))
            assert outcome.task == self.model.get(asked.task_id)

    def blocked(self, task: Task) -> int:
        """Count, in the plainest way, the tasks that a task depends on and that are not completed."""
        return sum(self.stood.get(other) is not State.COMPLETED for other in task.depends_on)

    def cannot_depend(self, asked: Command) -> bool:
        given = set(asked.fields.get("depends_on", ()))
        before = self.model.get(asked.task_id)
        known = {*self.model, *(before.depends_on if before is not None else ()), asked.task_id}
        reached: set[str] = set()
        while more := given - reached:
            reached |= more
            given = {other for task_id in more if task_id in self.model for other in self.model[task_id].depends_on}
        return not set(asked.fields.get("depends_on", ())) <= known or asked.task_id in reached

    def take_over(self, task_id: str, action: Action, before: State | None, after: State, **written: Any) -> None:
        task = self.handles[1].get(task_id)
        assert task is not None
        assert {name: getattr(task, name) for name in written} == written
        assert task.version not in self.versions[task_id]
        self.model[task_id] = task
        self.record(task_id, EXTERNAL, action, before, after)

    def record(self, task_id: str, actor: str, action: str, before: State | None, after: State | None) -> None:
        self.log.append((task_id, actor, str(action), before, after))
        self.stood[task_id] = after or before or self.stood[task_id]
        self.model = {name: replace(task, blocked=self.blocked(task)) for name, task in self.model.items()}
        for unread in self.unread:
            unread.append(task_id)
        if task_id in self.model:
            self.versions[task_id].append(self.model[task_id].version)

    @staticmethod
    def told(event: Event) -> tuple[str, str, str, State | None, State | None]:
        return event.task_id, event.actor, event.action, event.from_state, event.to_state

    def teardown(self) -> None:
        if hasattr(self, "handles"):
            for handle in self.handles:
                handle.close()
            self.backend.close()
            shutil.rmtree(self.folder)


class SqliteMachine(Machine):
    kind = Sqlite


class JsonMachine(Machine):
    kind = JsonFile


FEW = settings(max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
TestSqliteAgainstTheModel = SqliteMachine.TestCase
TestSqliteAgainstTheModel.settings = FEW
TestJsonAgainstTheModel = JsonMachine.TestCase
TestJsonAgainstTheModel.settings = FEW


@pytest.mark.soak
@pytest.mark.parametrize("machine", [SqliteMachine, JsonMachine])
def test_many_more_and_longer_runs(machine: type[Machine]) -> None:
    run_state_machine_as_test(machine, settings=settings(FEW, max_examples=300, stateful_step_count=60))
