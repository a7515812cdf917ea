"""Every store: tasks are claimed by one worker each, and only who holds a task commits what was done for it."""

from __future__ import annotations

import shutil
import tempfile
import threading
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import ClassVar

import pytest
from backends import Backend, JsonFile, Minna, Sqlite
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from moving import A, B, C, D, E, do, done, put, put_all, t, until
from reaching import EMPTY

from conftest import Opener, Turned
from taskdeck_store import (
    Action,
    Claim,
    Claiming,
    Code,
    Event,
    Fault,
    Outcome,
    Pausing,
    State,
    Store,
    StoreError,
    Task,
    claim_of,
    clock,
    command,
    open_store,
)
from taskdeck_store.query.parse import parse
from taskdeck_store.recovery import overdue, release_overdue
from taskdeck_store.values import EXTERNAL
from taskdeck_store.verification import verify

LEASE = 30.0


def claiming(owner: str = "w-1", query: str = "", limit: int = 1) -> Claiming:
    return Claiming(owner=owner, actor=owner, seconds=LEASE, query=parse(query, me=""), limit=limit)


def claimed(store: Store, owner: str = "w-1", query: str = "", limit: int = 1) -> list[str]:
    """Claim, and return the ids."""
    outcomes = store.claim(claiming(owner, query, limit))
    assert all(outcome.refusal is None for outcome in outcomes)
    return [outcome.command.task_id for outcome in outcomes]


def one(store: Store, owner: str = "w-1") -> tuple[Outcome, Claim]:
    """Claim one task; return the outcome, and what it is held by."""
    (outcome,) = store.claim(claiming(owner))
    claim = claim_of(outcome)
    assert claim is not None
    return outcome, claim


@pytest.mark.needs(State.REVIEW, "priority")
def test_what_runs_first_is_claimed_first(store: Store, now: Turned) -> None:
    first, other, late = t(3), t(4), t(5)
    put(store, late)
    now.turn(1)
    put(store, B, priority=2)
    put(store, A, priority=2)
    put(store, first, priority=1)
    put(store, other, State.REVIEW, priority=1)
    assert claimed(store) == [first]
    assert claimed(store, limit=2) == [A, B]
    assert claimed(store, limit=9) == [late]
    assert claimed(store) == []


def test_a_claim_starts_the_task_with_owner_lease_and_event(store: Store, now: Turned) -> None:
    put(store, t(1))
    at = now.turn(10)
    outcome, claim = one(store)
    task = store.get(t(1))
    assert outcome.task == task
    assert task is not None
    assert (task.state, task.owner, task.lease_until) == (State.IN_PROGRESS, "w-1", clock.plus(at, LEASE))
    assert outcome.event == store.events(t(1))[-1]
    assert (outcome.event.action, outcome.event.actor) == (Action.START, "w-1")
    assert claim == Claim(owner="w-1", version=task.version)


@pytest.mark.needs("tags", "priority")
def test_a_query_chooses_what_is_claimed(store: Store) -> None:
    put(store, A, tags=["api"])
    put(store, B, tags=["web"], priority=9)
    put(store, C, tags=["web"], priority=1)
    assert claimed(store, query="tag:web priority>5") == [B]
    assert claimed(store, query="state:failed") == []
    assert claimed(store, query="tag:none") == []
    assert claimed(store, query="tag:web,api", limit=5) == [C, A]


@pytest.mark.needs(EMPTY, "not_before", "priority")
def test_a_task_is_claimed_from_its_moment_on(store: Store, now: Turned) -> None:
    first, second, third, fourth = map(t, range(4))
    put(store, first, priority=1, not_before=clock.plus(now(), 60))
    put(store, second, priority=2, not_before=clock.plus(now(), 30))
    put(store, third, priority=3, not_before=now())
    put(store, fourth, priority=4)
    assert claimed(store, limit=2) == [third, fourth]
    now.turn(29.999999)
    assert claimed(store, limit=9) == []
    now.turn(0.000001)
    assert claimed(store, limit=9) == [second]
    now.turn(30)
    assert claimed(store, limit=9) == [first]
    assert [task.not_before for task in store.tasks()] == [None] * 4


@pytest.mark.needs("not_before", "priority")
def test_many_that_wait_are_passed_over_for_the_few_that_are_due(store: Store, now: Turned) -> None:
    later = {"not_before": clock.plus(now(), 60)}
    put_all(store, ((t(n), State.PENDING, {"priority": n % 7, **(later if n % 50 else {})}) for n in range(300)))
    assert claimed(store, limit=4) == [t(0), t(50), t(100), t(150)]
    assert claimed(store, limit=4) == [t(200), t(250)]


@pytest.mark.needs("not_before")
def test_a_person_may_start_a_task_before_its_moment(store: Store, now: Turned) -> None:
    put(store, t(1), not_before=clock.plus(now(), 60))
    assert done(store, t(1), Action.START).state is State.IN_PROGRESS


@pytest.mark.needs(State.REVIEW, State.FAILED)
def test_a_task_that_goes_back_to_the_queue_can_be_left_until_later(store: Store, now: Turned) -> None:
    for task_id, state, action in (
        (A, State.IN_PROGRESS, Action.RELEASE),
        (B, State.REVIEW, Action.REJECT),
        (C, State.FAILED, Action.RETRY),
    ):
        put(store, task_id, state)
        done(store, task_id, action, note="again", not_before=clock.plus(now(), 10))
    assert claimed(store, limit=3) == []
    now.turn(10)
    assert claimed(store, limit=3) == [A, B, C]
    assert verify(store).is_sound


@pytest.mark.needs("not_before", "tags", State.REVIEW)
def test_when_the_next_task_becomes_due(store: Store, now: Turned) -> None:
    assert store.next_due(now()) is None
    moments = [clock.plus(now(), seconds) for seconds in (30, 60, 90)]
    put(store, A, not_before=moments[1], tags=["x"])
    put(store, B, not_before=moments[0])
    put(store, C, not_before=moments[2], tags=["x"])
    put(store, D)
    put(store, E, State.REVIEW)
    done(store, E, Action.EDIT, not_before=moments[0])
    assert store.next_due(now()) == moments[0]
    assert store.next_due(now(), parse("tag:x", me="")) == moments[1]
    assert store.next_due(now(), parse("state:review", me="")) is None
    assert store.next_due(moments[0]) == moments[1]
    assert store.next_due(clock.plus(moments[1], -0.000001)) == moments[1]
    assert store.next_due(moments[2]) is None
    assert store.next_due(now(), parse("due:now", me="")) is None
    now.turn(45)
    assert store.next_due("", parse("due:now", me="")) == moments[0]
    done(store, B, Action.START)
    assert store.next_due("") == moments[1]


@pytest.mark.needs(EMPTY, "not_before")
def test_what_is_due_is_found_as_time_goes_on(store: Store, now: Turned) -> None:
    ready, soon, begun = map(t, range(3))
    put(store, soon, not_before=clock.plus(now(), 10))
    put(store, ready)
    put(store, begun, State.IN_PROGRESS)

    def found(query: str) -> list[str]:
        return [task.id for task in store.tasks(parse(query, me=""))]

    assert (found("due:now"), found("due:later")) == ([ready], [soon])
    assert (found("-due:now"), found("-due:later")) == ([soon, begun], [ready, begun])
    assert store.counts(parse("due:later", me=""))[State.PENDING].count == 1
    now.turn(10)
    assert (found("due:now"), found("due:later")) == ([ready, soon], [])
    assert store.counts(parse("due:later", me=""))[State.PENDING].count == 0


@pytest.mark.needs("not_before")
def test_an_outside_program_says_until_when_a_task_is_left(
    store: Store, backend: Backend, path: Path, now: Turned
) -> None:
    put(store, t(1))
    later = clock.plus(now(), 60)
    backend.meddle(path, t(1), not_before=later)
    until(store, lambda: store.next_due(now()) == later, at_once=backend.here)
    assert claimed(store) == []
    event = store.events(t(1))[-1]
    assert (event.actor, event.changes) == (EXTERNAL, {"not_before": (None, later)})
    assert verify(store).is_sound


@pytest.mark.needs(State.REVIEW)
def test_with_nothing_to_claim_nothing_is_written(store: Store, path: Path) -> None:
    put(store, t(1), State.REVIEW)
    before = {file.name: file.stat().st_mtime_ns for file in path.parent.iterdir()}
    assert store.claim(claiming()) == ()
    assert {file.name: file.stat().st_mtime_ns for file in path.parent.iterdir()} == before


@pytest.mark.needs(State.REVIEW)
def test_what_was_done_is_handed_in_and_the_next_claimed_in_one_commit(store: Store) -> None:
    for task_id in (A, B, C):
        put(store, task_id)
    _, claim = one(store)
    cursor = store.changes().cursor
    hand_in = command(A, Action.SUBMIT, actor="w-1", claim=claim, result={"ok": True})
    wrong = command(B, Action.SUBMIT, actor="w-1")
    outcomes = store.claim(claiming(limit=2), after=[hand_in, wrong])
    assert [outcome.command for outcome in outcomes[:2]] == [hand_in, wrong]
    assert [outcome.refusal.code if outcome.refusal else None for outcome in outcomes[:2]] == [None, Code.ILLEGAL]
    # One for which there was a command is not claimed with it.
    assert [outcome.command.task_id for outcome in outcomes[2:]] == [C]
    assert [change.task_id for change in store.changes(cursor).changes] == [A, C]
    assert claimed(store, limit=2) == [B]


@pytest.mark.needs(State.REVIEW)
def test_who_does_not_hold_the_task_any_more_commits_nothing(store: Store, now: Turned) -> None:
    put(store, t(1))
    _, late = one(store)
    now.turn(LEASE + 1)
    release_overdue(store, actor="ann", now=now())
    outcome, claim = one(store, "w-2")
    before = store.events()
    for action, fields in ((Action.SUBMIT, {"result": 1}), (Action.FAIL, {"error": "x"}), (Action.RELEASE, {})):
        refused = do(store, t(1), action, claim=late, **fields)
        assert refused.refusal is not None
        assert refused.refusal.code is Code.CONFLICT
        assert f"w-1 does not hold {t(1)} any more: it is in progress now; w-2 did start at" in refused.refusal.message
        assert refused.task == outcome.task
    assert store.events() == before
    assert done(store, t(1), Action.SUBMIT, claim=claim, result=2).result == 2


@pytest.mark.needs(State.REVIEW, "priority")
def test_an_edit_does_not_take_the_task_away(store: Store) -> None:
    put(store, t(1))
    _, claim = one(store)
    done(store, t(1), Action.EDIT, priority=1)
    assert done(store, t(1), Action.SUBMIT, claim=claim, result=2).priority == 1


@pytest.mark.needs(State.REVIEW)
def test_the_same_worker_holds_the_task_anew_though_the_clock_stood_still(store: Store) -> None:
    put(store, t(1))
    _, before = one(store)
    done(store, t(1), Action.RELEASE)
    _, claim = one(store)
    refused = do(store, t(1), Action.SUBMIT, claim=before)
    assert refused.refusal is not None
    assert refused.refusal.code is Code.CONFLICT
    done(store, t(1), Action.SUBMIT, claim=claim)


@pytest.mark.needs(State.REVIEW)
def test_what_was_handed_in_is_held_until_somebody_else_moves_it(store: Store) -> None:
    put(store, t(1))
    _, claim = one(store)
    handed_in = claim_of(do(store, t(1), Action.SUBMIT, claim=claim, result=1))
    assert handed_in is not None
    assert do(store, t(1), Action.APPROVE, claim=claim).refusal is not None
    done(store, t(1), Action.REJECT, note="by hand")
    assert do(store, t(1), Action.APPROVE, claim=handed_in).refusal is not None
    _, claim = one(store)
    handed_in = claim_of(do(store, t(1), Action.SUBMIT, claim=claim, result=1))
    assert done(store, t(1), Action.APPROVE, claim=handed_in).state is State.COMPLETED


def test_a_claim_is_lost_when_an_outside_program_moves_the_task(store: Store, backend: Backend, path: Path) -> None:
    put(store, t(1))
    _, claim = one(store)
    backend.meddle(path, t(1), state="pending")
    until(store, lambda: store.counts()[State.PENDING].count == 1, at_once=backend.here)
    refused = do(store, t(1), Action.SUBMIT, claim=claim)
    assert refused.refusal is not None
    assert refused.refusal.code is Code.CONFLICT
    assert "it is pending now; external did release at" in refused.refusal.message


def test_nothing_is_claimed_of_a_store_that_takes_no_commands(store: Store, opened: Opener) -> None:
    put(store, t(1))
    with pytest.raises(StoreError, match="read-only") as raised:
        opened(read_only=True).claim(claiming())
    assert raised.value.fault is Fault.READ_ONLY
    with store.reading(), pytest.raises(RuntimeError):
        store.claim(claiming())


def test_of_many_that_claim_at_once_each_gets_other_tasks(address: str, store: Store) -> None:
    store.apply([command(t(number), Action.ADD, actor="ann", title="x") for number in range(60)])
    got: dict[str, list[str]] = {f"w-{number}": [] for number in range(4)}
    start = threading.Barrier(len(got))

    def work(owner: str) -> None:
        with closing(open_store(address)) as handle:
            start.wait()
            while found := claimed(handle, owner, limit=2):
                got[owner] += found

    workers = [threading.Thread(target=work, args=(owner,)) for owner in got]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(chain.from_iterable(got.values())) == sorted(t(number) for number in range(60))
    for owner, ids in got.items():
        assert all((task := store.get(id)) is not None and task.owner == owner for id in ids)


def test_a_renewed_lease_runs_out_later_and_leaves_no_event(store: Store, opened: Opener, now: Turned) -> None:
    for task_id in (t(1), t(2)):
        put(store, task_id)
    _, claim = one(store)
    one(store, "w-2")
    before, cursor = store.events(), store.changes().cursor
    at = now.turn(LEASE - 1)
    assert store.renew({t(1): claim}, LEASE) == frozenset()
    now.turn(2)
    for handle in (store, opened(), opened(read_only=True)):
        task = handle.get(t(1))
        assert task is not None
        assert (task.lease_until, task.version) == (clock.plus(at, LEASE), claim.version)
        assert [one.lease_until for one in handle.tasks() if one.id == t(1)] == [clock.plus(at, LEASE)]
        assert handle.events() == before
        assert handle.changes(cursor).changes == ()
        assert [task.id for task in overdue(handle, now())] == [t(2)]
    assert [outcome.command.task_id for outcome in release_overdue(store, actor="ann", now=now())] == [t(2)]
    now.turn(LEASE)
    assert [outcome.command.task_id for outcome in release_overdue(store, actor="ann", now=now())] == [t(1)]
    assert verify(store).is_sound


@pytest.mark.needs(State.FAILED)
def test_only_who_holds_a_task_renews_its_lease(store: Store, now: Turned) -> None:
    for task_id in (t(1), t(2), t(3)):
        put(store, task_id)
    held = {}
    for _ in range(3):
        outcome, claim = one(store)
        held[outcome.command.task_id] = claim
    done(store, t(2), Action.RELEASE)
    one(store)
    done(store, t(3), Action.FAIL)
    before = store.get(t(2))
    at = now.turn(5)
    assert store.renew({**held, t(9): held[t(1)]}, LEASE) == {t(2), t(3), t(9)}
    assert store.get(t(2)) == before
    task = store.get(t(1))
    assert task is not None
    assert task.lease_until == clock.plus(at, LEASE)
    assert store.renew({}, LEASE) == frozenset()


@pytest.mark.needs(State.REVIEW)
def test_a_renewed_lease_ends_with_the_claim(store: Store, opened: Opener, now: Turned) -> None:
    put(store, t(1))
    _, claim = one(store)
    now.turn(1)
    store.renew({t(1): claim}, 1000)
    handed_in = do(store, t(1), Action.SUBMIT, claim=claim, result=1)
    for handle in (store, opened()):
        task = handle.get(t(1))
        assert task is not None
        assert task.lease_until is None
    done(store, t(1), Action.REJECT, note="why")
    now.turn(1)
    _, claim = one(store)
    for handle in (store, opened()):
        task = handle.get(t(1))
        assert task is not None
        assert task.lease_until == clock.plus(now(), LEASE)
    assert handed_in.refusal is None


@pytest.mark.needs(State.REVIEW)
def test_a_result_is_held_by_who_looks_at_it(store: Store, now: Turned) -> None:
    put(store, t(1))
    _, claim = one(store)
    until = clock.plus(now(), LEASE)
    handed_in = claim_of(do(store, t(1), Action.SUBMIT, claim=claim, result=1, lease_until=until))
    assert handed_in is not None
    task = store.get(t(1))
    assert task is not None
    assert task.lease_until == until
    assert overdue(store, clock.plus(now(), 9 * LEASE)) == []
    at = now.turn(1)
    assert store.renew({t(1): handed_in}, LEASE) == frozenset()
    task = store.get(t(1))
    assert task is not None
    assert task.lease_until == clock.plus(at, LEASE)
    assert done(store, t(1), Action.APPROVE, claim=handed_in).lease_until is None


def test_no_lease_is_renewed_of_a_store_that_takes_no_commands(store: Store, opened: Opener) -> None:
    put(store, t(1))
    _, claim = one(store)
    with pytest.raises(StoreError, match="read-only") as raised:
        opened(read_only=True).renew({t(1): claim}, LEASE)
    assert raised.value.fault is Fault.READ_ONLY
    with store.reading(), pytest.raises(RuntimeError):
        store.renew({t(1): claim}, LEASE)


OWNERS = st.sampled_from(["w-1", "w-2", "w-3"])
IDS = st.sampled_from([t(1), t(2), t(3)])


class Claims(RuleBasedStateMachine):
    """Workers that die, stall past their lease, and come back late: at most one holds a task.

    The last task depends on the first, and the second is paused now and then.
    """

    kind: ClassVar[type[Backend]]

    @initialize()
    def open(self) -> None:
        self.backend = self.kind()
        self.folder = Path(tempfile.mkdtemp(prefix="taskdeck-test-"))
        self.path = self.backend.make(self.folder)
        self.now = Turned()
        self.handles = [open_store(str(self.path), now=self.now) for _ in range(2)]
        for task_id, fields in ((t(1), {}), (t(2), {"tags": ["x"]}), (t(3), {"depends_on": [t(1)]})):
            put(self.handles[0], task_id, **fields)
        self.paused: set[str] = set()
        self.holders: dict[str, Claim] = {}
        self.lost: list[tuple[str, Claim]] = []
        self.until: dict[str, str] = {}

    @rule(handle=st.integers(0, 1), owner=OWNERS, limit=st.integers(1, 2), seconds=st.sampled_from([-5, 0, 1, 20]))
    def claim(self, handle: int, owner: str, limit: int, seconds: int) -> None:
        self.now.turn(seconds)
        free = sum(task.state is State.PENDING and self.may_run(task) for task in self.handles[1 - handle].tasks())
        outcomes = self.handles[handle].claim(claiming(owner, limit=limit))
        assert len(outcomes) == min(free, limit)
        for outcome in outcomes:
            claim = claim_of(outcome)
            assert claim is not None
            assert outcome.command.task_id not in self.holders
            assert outcome.task is not None
            assert self.may_run(outcome.task)
            self.holders[outcome.command.task_id] = claim
            self.until[outcome.command.task_id] = clock.plus(self.now(), LEASE)

    def may_run(self, task: Task) -> bool:
        if "" in self.paused or (task.id == t(2) and "tag:x" in self.paused):
            return False
        first = self.handles[0].get(t(1))
        return task.id != t(3) or (first is not None and first.state is State.COMPLETED)

    @rule(handle=st.integers(0, 1), query=st.sampled_from(["", "tag:x", "tag:x"]))
    def pause_or_resume(self, handle: int, query: str) -> None:
        resumes, operation = query in self.paused, f"op-{len(self.handles[0].events())}"
        asked = Pausing(query=query, actor="ann", operation=operation, note="why", resumes=resumes)
        assert isinstance(self.handles[handle].pause(asked), Event)
        self.paused ^= {query}
        for each in self.handles:
            assert {pause.query for pause in each.pauses()} == self.paused

    @rule(handle=st.integers(0, 1), ids=st.sets(IDS), seconds=st.sampled_from([0, 1, 20]))
    def renew(self, handle: int, ids: set[str], seconds: int) -> None:
        self.now.turn(seconds)
        held = {task_id: self.holders[task_id] for task_id in ids & self.holders.keys()}
        late = dict(self.lost[-1:])
        lost = self.handles[handle].renew({**held, **{one: late[one] for one in late if one not in held}}, LEASE)
        assert lost == late.keys() - held.keys()
        self.until |= dict.fromkeys(held, clock.plus(self.now(), LEASE))

    @rule(handle=st.integers(0, 1), task_id=IDS, action=st.sampled_from([Action.SUBMIT, Action.FAIL, Action.RELEASE]))
    def finish(self, handle: int, task_id: str, action: Action) -> None:
        if task_id in self.holders:
            claim = self.holders.pop(task_id)
            done(self.handles[handle], task_id, action, claim=claim)
            self.lost.append((task_id, claim))

    @rule(handle=st.integers(0, 1), number=st.integers(0, 50), action=st.sampled_from([Action.SUBMIT, Action.FAIL]))
    def come_late(self, handle: int, number: int, action: Action) -> None:
        if self.lost:
            task_id, claim = self.lost[number % len(self.lost)]
            before = self.handles[handle].events()
            refusal = do(self.handles[handle], task_id, action, claim=claim).refusal
            assert refusal is not None
            assert self.handles[handle].events() == before

    @rule(handle=st.integers(0, 1), seconds=st.sampled_from([1, 31]))
    def release(self, handle: int, seconds: int) -> None:
        self.now.turn(seconds)
        due = {task_id for task_id in self.holders if self.until[task_id] < self.now()}
        outcomes = release_overdue(self.handles[handle], actor="ann", now=self.now())
        assert {outcome.command.task_id for outcome in outcomes} == due
        for outcome in outcomes:
            assert outcome.refusal is None
            self.lost.append((outcome.command.task_id, self.holders.pop(outcome.command.task_id)))

    @rule(handle=st.integers(0, 1), task_id=IDS, back=st.booleans())
    def by_hand(self, handle: int, task_id: str, back: bool) -> None:
        task = self.handles[handle].get(task_id)
        assert task is not None
        if task.state is State.REVIEW:
            if back:
                done(self.handles[handle], task_id, Action.REJECT, note="why")
            elif task_id == t(1):
                done(self.handles[handle], task_id, Action.APPROVE)
        elif task.state is State.COMPLETED:
            return
        elif task.state is State.FAILED:
            done(self.handles[handle], task_id, Action.RETRY)
        else:
            done(self.handles[handle], task_id, Action.EDIT, title=f"a title after {task.version}")

    @invariant()
    def each_is_held_by_its_holder(self) -> None:
        for handle in self.handles:
            running = {task.id: task.owner for task in handle.tasks() if task.state is State.IN_PROGRESS}
            assert running == {task_id: claim.owner for task_id, claim in self.holders.items()}

    def teardown(self) -> None:
        if hasattr(self, "handles"):
            assert verify(self.handles[0]).is_sound
            for handle in self.handles:
                handle.close()
            self.backend.close()
            shutil.rmtree(self.folder)


class SqliteClaims(Claims):
    kind = Sqlite


class JsonClaims(Claims):
    kind = JsonFile


class MinnaClaims(Claims):
    kind = Minna


FEW = settings(max_examples=20, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
TestSqliteClaims = SqliteClaims.TestCase
TestSqliteClaims.settings = FEW
TestJsonClaims = JsonClaims.TestCase
TestJsonClaims.settings = FEW


@pytest.mark.soak
@pytest.mark.parametrize(("machine", "runs"), [(SqliteClaims, 200), (JsonClaims, 200), (MinnaClaims, 50)])
def test_many_more_and_longer_runs(machine: type[Claims], runs: int) -> None:
    run_state_machine_as_test(machine, settings=settings(FEW, max_examples=runs, stateful_step_count=60))
