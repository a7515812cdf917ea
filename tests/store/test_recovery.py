"""Every store after a death: what a dead worker held goes back to the queue once, and no dead program's lock blocks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from backends import Backend
from moving import done, put

from conftest import Opener, Turned
from taskdeck_store import Action, Code, Command, Outcome, State, Store, Task, clock, command, open_store
from taskdeck_store.machine import Refusal, is_overdue, transition
from taskdeck_store.recovery import overdue, release_overdue
from taskdeck_store.verification import verify

LEASE = 30.0


def held(store: Store, now: Turned, task_id: str, owner: str = "worker-1", lease: float = LEASE) -> Task:
    """Add a task that a worker holds for so many seconds."""
    put(store, task_id)
    return done(store, task_id, Action.START, actor=owner, lease_until=clock.plus(now(), lease))


def owned(store: Store, task_id: str) -> tuple[State, str | None, str | None]:
    """Return state, owner and lease of a task that is there."""
    task = store.get(task_id)
    assert task is not None
    return task.state, task.owner, task.lease_until


def test_only_what_is_in_progress_under_a_lease_that_ran_out_is_overdue(store: Store, now: Turned) -> None:
    held(store, now, "dead")
    held(store, now, "alive", lease=90)
    put(store, "by-hand", State.IN_PROGRESS)
    held(store, now, "handed-in")
    done(store, "handed-in", Action.SUBMIT)
    put(store, "waiting")
    assert overdue(store, now()) == []
    now.turn(LEASE)
    assert overdue(store, now()) == []
    now.turn(0.000_001)
    assert [task.id for task in overdue(store, now())] == ["dead"]


def test_what_is_overdue_is_released_as_one_group_with_the_reason(store: Store, now: Turned) -> None:
    ends = held(store, now, "t-1").lease_until
    held(store, now, "t-2", owner="worker-2")
    held(store, now, "t-3", lease=900)
    before = len(store.events())
    now.turn(60)
    outcomes = release_overdue(store, actor="ann", now=now())
    assert [outcome.refusal for outcome in outcomes] == [None, None]
    for task_id, owner in (("t-1", "worker-1"), ("t-2", "worker-2")):
        task = store.get(task_id)
        assert task is not None
        assert (task.state, task.attempts, task.owner, task.lease_until) == (State.PENDING, 1, None, None)
        (event,) = store.events(task_id, limit=1, newest=True)
        assert (event.action, event.actor) == ("release", "ann")
        assert event.note == f"its lease ran out at {ends}; {owner} held it"
    events = store.events(after=before)
    assert len(events) == 2
    assert len({event.group for event in events}) == 1
    assert events[0].group
    assert owned(store, "t-3")[0] is State.IN_PROGRESS
    assert release_overdue(store, actor="ann", now=now()) == ()
    assert verify(store).is_sound


def test_what_is_overdue_is_released_in_one_commit(store: Store, now: Turned, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        held(store, now, f"t-{number}")
    now.turn(60)
    commits, apply = [], store.apply

    def applied(commands: Sequence[Command], *, whole: bool = False) -> tuple[Outcome, ...]:
        commits.append(len(commands))
        return apply(commands, whole=whole)

    monkeypatch.setattr(store, "apply", applied)
    assert len(release_overdue(store, actor="ann", now=now())) == 3
    assert commits == [3]


def test_a_note_of_the_operator_follows_the_reason(store: Store, now: Turned) -> None:
    held(store, now, "t-1")
    now.turn(60)
    release_overdue(store, actor="ann", now=now(), note="host was rebooted")
    (event,) = store.events("t-1", limit=1, newest=True)
    assert event.note is not None
    assert event.note.endswith("worker-1 held it; host was rebooted")


def test_a_hostile_owner_does_not_keep_its_task(store: Store, backend: Backend, path: Path, now: Turned) -> None:
    held(store, now, "t-1")
    backend.meddle(path, "t-1", owner="\x1b[2J\u202e" + "x" * 5_000, lease_until="2026-01-31 09:00:30")
    now.turn(3_600)
    (outcome,) = release_overdue(store, actor="ann", now=now())
    assert outcome.event is not None
    assert outcome.event.note is not None
    assert outcome.event.note.isprintable()
    assert "2026-01-31T09:00:30.000000Z" in outcome.event.note
    assert len(outcome.event.note) < 300


class Beaten:
    """A store whose worker's heartbeat comes between the look and the commit."""

    def __init__(self, store: Store, backend: Backend, path: Path, until: str) -> None:
        self._store, self._backend, self._path, self._until = store, backend, path, until
        self.tasks = store.tasks

    def apply(self, commands: Sequence[object]) -> tuple[Outcome, ...]:
        self._backend.meddle(self._path, "t-1", lease_until=self._until)
        return self._store.apply(commands)  # type: ignore[arg-type]


def test_a_heartbeat_between_look_and_commit_keeps_its_task(
    store: Store, backend: Backend, path: Path, now: Turned
) -> None:
    ends = held(store, now, "t-1").lease_until
    held(store, now, "t-2")
    now.turn(60)
    if backend.name == "json":
        # In a file, a heartbeat is a key; a file whose tasks have none takes no heartbeats.
        backend.meddle(path, "t-1", lease_until=ends)
        store.counts()
    beaten = Beaten(store, backend, path, clock.plus(now(), LEASE))
    first, second = release_overdue(beaten, actor="ann", now=now())  # type: ignore[arg-type]
    assert first.refusal is not None
    assert first.refusal.code is Code.CONFLICT
    assert second.event is not None
    assert owned(store, "t-1") == (State.IN_PROGRESS, "worker-1", clock.plus(now(), LEASE))


def test_the_rule_sees_a_renewed_lease_though_the_version_is_the_same() -> None:
    task = Task(id="t", title="T", state=State.IN_PROGRESS, lease_until="2026-01-31T09:00:00.000000Z", version="2")
    early, late = "2026-01-31T09:00:00.000000Z", "2026-01-31T09:00:00.000001Z"
    assert (is_overdue(task, early), is_overdue(task, late)) == (False, True)
    asked = command("t", Action.RELEASE, actor="ann", expect="2", overdue_at=early)
    refused = transition(task, asked, late)
    assert isinstance(refused, Refusal)
    assert refused.code is Code.CONFLICT
    # Whose lease it is does not matter to an operator who names the task.
    assert not isinstance(transition(task, command("t", Action.RELEASE, actor="ann"), early), Refusal)


RELEASER = """
import sys
from taskdeck_store import open_store
from taskdeck_store.recovery import release_overdue
store = open_store(sys.argv[1], patience=60)
print("ready", flush=True)
sys.stdin.readline()
released = [one for one in release_overdue(store, actor=sys.argv[2], now=sys.argv[3]) if one.event]
print(len(released), flush=True)
"""


def test_two_who_release_at_the_same_time_release_each_task_once(store: Store, path: Path, now: Turned) -> None:
    names = [f"t-{number:02}" for number in range(20)]
    for name in names:
        held(store, now, name)
    now.turn(60)
    program = [sys.executable, "-c", RELEASER, str(path)]
    both = [
        subprocess.Popen([*program, actor, now()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for actor in ("one", "two")
    ]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    counts = [int(process.communicate(timeout=60)[0]) for process in both]
    assert sum(counts) == len(names)
    releases = [event.task_id for event in store.events() if event.action == "release"]
    assert sorted(releases) == names
    assert {task.attempts for task in store.tasks()} == {1}
    assert verify(store).is_sound


HOLDER = """
import os, sys
from taskdeck_store.lock import SUFFIX, WriteLock
from pathlib import Path
path = Path(sys.argv[1])
first, second = (WriteLock(path.with_name(path.name + SUFFIX), like=path) for _ in range(2))
with first.hold(10):
    if path.suffix == ".db":
        import apsw
        connection = apsw.Connection(sys.argv[1])
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE tasks SET title = 'half done'")
    import threading
    def queue():
        with second.hold(60):
            pass
    threading.Thread(target=queue, daemon=True).start()
    while not path.with_name(path.name + SUFFIX + ".queue").exists():
        pass
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("when", ["open before", "open after"])
def test_what_a_killed_program_held_blocks_nobody(store: Store, opened: Opener, path: Path, when: str) -> None:
    put(store, "t-1")
    before = store.tasks()
    handle = opened(patience=5) if when == "open before" else None
    program = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    handle = handle or opened(patience=5)
    assert handle.tasks() == before
    assert done(handle, "t-1", Action.START).state is State.IN_PROGRESS
    assert os.path.lexists(path.with_name(path.name + ".taskdeck-lock"))
    again = open_store(str(path))
    assert verify(again).is_sound
    again.close()
