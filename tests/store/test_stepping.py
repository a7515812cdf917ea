"""Work done by hand: each step is one real one, may be held before its commit, and changes nothing of another's."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from backends import Sqlite
from moving import done, put

from conftest import Opener, Turned
from taskdeck_store import Action, State, Store, Task, clock
from taskdeck_store.output import attempts, read
from taskdeck_store.values import Claim
from taskdeck_store.worker.breakpoints import parse_breakpoint
from taskdeck_store.worker.stepped import Goal, News, Phase
from taskdeck_store.worker.stepping import Stepper

if sys.platform == "win32":
    pytest.skip("there, what a process writes is not heard", allow_module_level=True)

PATIENCE = 30.0

sqlite_alone = pytest.mark.parametrize("backend", [Sqlite], indirect=True, ids=["sqlite"])
"""What is the same whatever the store is."""

JOBS = """
import os, sys, time
from pathlib import Path

def execute(task):
    match task.data:
        case "raises":
            raise ValueError("no such rate")
        case "deep":
            deep = 1
            for _ in range(300):
                deep = [deep]
            return deep
        case "waits":
            Path("pid").write_text(str(os.getpid()))
            print("waiting", flush=True)
            while not Path("go").exists():
                time.sleep(0.005)
    print("counted", task.id)
    return {"words": 3}
"""

VERIFY = """
def verify(task):
    if Path("no").exists():
        return False, "too short"
    print("looked at", task.result)
    return True
"""


class Bench:
    """A stepper at work in a thread of its own, and what it told."""

    def __init__(self, opened: Opener, module: str, **options: Any) -> None:
        self._news: SimpleQueue[News] = SimpleQueue()
        self.heard: list[tuple[str, str, str]] = []
        self.stepper = Stepper(
            lambda: opened(),
            module,
            actor="ann",
            tell=self._news.put,
            hear=lambda task_id, stream, text: self.heard.append((task_id, str(stream), text)),
            **options,
        )
        self._thread = threading.Thread(target=self.stepper.run)
        self._thread.start()

    def news(self) -> News:
        return self._news.get(timeout=PATIENCE)

    def rest(self, task_id: str = "t-1") -> News:
        """Return the news of a task after which nothing is under way of it, or stepped on to."""
        while True:
            news = self.news()
            still = news.phase is Phase.RUNNING or (news.phase is Phase.CLAIMED and news.goal is not Goal.STEP)
            if news.task_id == task_id and not still:
                return news

    def step(self, task_id: str = "t-1", goal: Goal = Goal.STEP) -> News:
        self.stepper.step(task_id, goal)
        return self.rest(task_id)

    def stop_at(self, text: str) -> None:
        self.stepper.breakpoints.turn(parse_breakpoint(text, me="ann"))

    def close(self) -> None:
        self.stepper.stop()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where handlers run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def module(folder: Path) -> str:
    (folder / "jobs.py").write_text(JOBS)
    return "jobs"


@pytest.fixture
def bench(opened: Opener, module: str, now: Turned) -> Iterator[Bench]:
    made = Bench(opened, module, now=now)
    yield made
    made.close()


def with_verify(folder: Path) -> None:
    (folder / "jobs.py").write_text(JOBS + VERIFY)


def now_is(store: Store, task_id: str = "t-1") -> Task:
    store.changes()
    task = store.get(task_id)
    assert task is not None
    return task


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def began(folder: Path) -> int:
    """Wait for work that waits; return the number of its process."""
    wait_for(lambda: (folder / "pid").exists() and (folder / "pid").read_text())
    return int((folder / "pid").read_text())


def is_renewed(store: Store, now: Turned) -> bool:
    """Turn the clock, and tell whether the lease of the task is renewed."""
    moment = now.turn(60.0)
    wait_for(lambda: (now_is(store).lease_until or "") > moment)
    return True


def actions(store: Store, task_id: str = "t-1") -> list[str]:
    return [event.action for event in store.events(task_id)]


def test_each_step_is_one_commit_and_the_work_runs_in_a_process(store: Store, bench: Bench, folder: Path) -> None:
    with_verify(folder)
    put(store, "t-1")
    assert bench.step().phase is Phase.CLAIMED
    task = now_is(store)
    assert (task.state, task.owner, task.lease_until is not None) == (State.IN_PROGRESS, bench.stepper.owner, True)
    assert bench.step().phase is None
    task = now_is(store)
    # Nobody is at it now: a lease would have it taken for abandoned.
    assert (task.state, task.result, task.lease_until) == (State.REVIEW, {"words": 3}, None)
    assert "completed" in bench.step().said
    assert now_is(store).state is State.COMPLETED
    assert actions(store) == ["add", "start", "submit", "approve"]
    assert {event.actor for event in store.events("t-1")} == {"ann"}
    assert {(task_id, stream) for task_id, stream, _ in bench.heard} == {("t-1", "stdout")}
    assert "".join(text for *_, text in bench.heard) == "counted t-1\nlooked at {'words': 3}\n"
    assert "no step forward" in bench.step().said


def test_what_is_said_in_a_step_is_kept_with_its_attempt(store: Store, bench: Bench, folder: Path) -> None:
    (folder / "jobs.py").write_text(JOBS + VERIFY)
    put(store, "t-1")
    for _ in range(3):
        bench.stepper.step("t-1")
        bench.rest()
    (attempt,) = attempts(store.events("t-1"))
    said = read(store.output_folder, attempt)
    assert [(chunk.part, chunk.text) for chunk in said.chunks] == [
        ("work", "counted t-1\n"),
        ("verify", "looked at {'words': 3}\n"),
    ]


def test_what_raises_goes_back_with_its_traceback_and_the_next_step_runs_the_handlers_as_they_are_then(
    store: Store, bench: Bench, folder: Path
) -> None:
    put(store, "t-1", data="raises")
    bench.step()
    news = bench.step()
    assert news.error is not None
    assert 'raise ValueError("no such rate")' in news.error
    assert "pending" in news.said
    assert "ValueError: no such rate" in news.said
    task = now_is(store)
    assert (task.state, task.attempts, task.owner, task.not_before) == (State.PENDING, 1, None, None)
    assert store.events("t-1")[-1].note == news.error
    (folder / "jobs.py").write_text("def execute(task):\n    return 'mended'\n")
    bench.step()
    bench.step()
    assert now_is(store).result == "mended"


@sqlite_alone
def test_the_last_attempt_fails(store: Store, bench: Bench) -> None:
    put(store, "t-1", data="raises", max_attempts=1)
    bench.step()
    assert "failed" in bench.step().said
    assert now_is(store).state is State.FAILED


def test_a_review_without_verify_is_for_a_person(store: Store, bench: Bench) -> None:
    put(store, "t-1", State.REVIEW)
    news = bench.step()
    assert news.phase is None
    assert "a person" in news.said
    assert actions(store) == ["add", "start", "submit"]


@sqlite_alone
def test_a_verify_that_says_no_rejects_and_an_error_in_it_too(store: Store, bench: Bench, folder: Path) -> None:
    with_verify(folder)
    (folder / "no").touch()
    put(store, "t-1", State.REVIEW)
    assert "too short" in bench.step().said
    assert (now_is(store).state, now_is(store).attempts) == (State.PENDING, 1)
    put(store, "t-2", State.REVIEW)
    (folder / "jobs.py").write_text("def execute(task): return 1\ndef verify(task): return task.nothing\n")
    assert "AttributeError" in bench.step("t-2").said


@sqlite_alone
def test_on_to_review_and_on_to_the_end(store: Store, bench: Bench, folder: Path) -> None:
    with_verify(folder)
    put(store, "t-1")
    assert "review" in bench.step(goal=Goal.REVIEW).said
    assert "already" in bench.step(goal=Goal.REVIEW).said
    assert now_is(store).state is State.REVIEW
    put(store, "t-2")
    bench.step("t-2", Goal.END)
    assert actions(store, "t-2") == ["add", "start", "submit", "approve"]
    put(store, "t-3", data="raises")
    assert "ValueError" in bench.step("t-3", Goal.END).said
    assert actions(store, "t-3") == ["add", "start", "release"]


@sqlite_alone
def test_on_to_the_end_says_that_a_person_is_needed(store: Store, bench: Bench) -> None:
    put(store, "t-1")
    bench.stepper.step("t-1", Goal.END)
    while "a person" not in bench.news().said:
        pass
    assert now_is(store).state is State.REVIEW


@sqlite_alone
def test_what_is_stepped_on_may_be_halted(store: Store, bench: Bench, folder: Path) -> None:
    with_verify(folder)
    put(store, "t-1", data="waits")
    bench.stepper.step("t-1", Goal.END)
    began(folder)
    bench.stepper.halt("t-1")
    (folder / "go").touch()
    bench.rest()
    assert now_is(store).state is State.REVIEW
    bench.stepper.halt("t-1")
    assert bench.news().refused


@sqlite_alone
@pytest.mark.parametrize("text", ["state:review", "action:submit", "task:t-1 -state:in_progress", "next"])
def test_a_breakpoint_holds_the_outcome_before_it_is_committed(store: Store, bench: Bench, text: str) -> None:
    put(store, "t-1")
    bench.step()
    bench.stop_at(text)
    news = bench.step()
    assert news.phase is Phase.HELD
    assert news.held is not None
    assert (news.held.command.action, news.held.why) == (Action.SUBMIT, text)
    assert (news.held.before.state, news.held.after.state) == (State.IN_PROGRESS, State.REVIEW)
    assert news.held.changes["result"] == (None, {"words": 3})
    assert actions(store) == ["add", "start"]
    assert bench.stepper.breakpoints.texts == (() if text == "next" else (text,))
    assert "decide" in bench.step().said
    bench.stepper.commit("t-1")
    assert "review" in bench.rest().said
    assert now_is(store).result == {"words": 3}


def test_a_held_outcome_is_changed_rejected_thrown_away_or_given_back(store: Store, bench: Bench) -> None:
    bench.stop_at("-state:in_progress")
    for task_id in ("changed", "rejected", "thrown", "given"):
        put(store, task_id, data="raises" if task_id == "changed" else None)
        bench.step(task_id)
        assert bench.step(task_id).phase is Phase.HELD

    bench.stepper.change("changed", {"words": [float("nan")]})
    refused = bench.news()
    assert (refused.refused, refused.phase) == (True, Phase.HELD)
    bench.stepper.change("changed", {"by": "hand"})
    held = bench.news().held
    assert held is not None
    assert (held.command.action, held.after.result) == (Action.SUBMIT, {"by": "hand"})
    assert now_is(store, "changed").state is State.IN_PROGRESS
    bench.stepper.commit("changed")
    bench.rest("changed")
    assert (now_is(store, "changed").state, now_is(store, "changed").result) == (State.REVIEW, {"by": "hand"})

    bench.stepper.reject("rejected", "count them all")
    bench.rest("rejected")
    last = store.events("rejected")[-1]
    assert (last.action, last.note, last.attempts) == (Action.RELEASE, "count them all", 1)

    bench.stepper.throw_away("thrown")
    assert bench.rest("thrown").phase is Phase.CLAIMED
    assert actions(store, "thrown") == ["add", "start"]
    assert bench.step("thrown").phase is Phase.HELD

    bench.stepper.give_back("given")
    bench.rest("given")
    assert (now_is(store, "given").state, now_is(store, "given").attempts) == (State.PENDING, 1)
    for ask in (bench.stepper.commit, bench.stepper.throw_away, bench.stepper.give_back, bench.stepper.kill):
        ask("given")
        assert bench.news().refused


def test_an_outcome_of_what_changed_while_it_was_held_is_looked_at_anew(
    store: Store, bench: Bench, folder: Path
) -> None:
    with_verify(folder)
    put(store, "t-1")
    bench.stop_at("action:submit")
    bench.step()
    assert bench.step().phase is Phase.HELD
    done(store, "t-1", Action.EDIT, title="another", actor="eve")
    bench.stepper.commit("t-1")
    news = bench.rest()
    assert news.phase is Phase.HELD
    assert news.held is not None
    assert "eve changed title meanwhile" in news.held.why
    assert news.held.before.title == "another"
    assert actions(store) == ["add", "start", "edit"]
    bench.stepper.commit("t-1")
    assert "review" in bench.rest().said
    assert (now_is(store).title, now_is(store).result) == ("another", {"words": 3})


def test_what_was_taken_away_is_ended_when_it_is_looked_at(store: Store, bench: Bench, folder: Path) -> None:
    put(store, "t-1", data="waits")
    bench.step()
    bench.stepper.step("t-1")
    wait_for(lambda: (folder / "pid").exists() and (folder / "pid").read_text())
    done(store, "t-1", Action.FAIL, note="not wanted", actor="eve")
    bench.stepper.look()
    news = bench.rest()
    assert (news.phase, news.refused) == (None, True)
    with pytest.raises(ProcessLookupError):
        os.kill(int((folder / "pid").read_text()), 0)


@sqlite_alone
def test_a_held_approval_is_rejected_with_a_note(store: Store, bench: Bench, folder: Path) -> None:
    with_verify(folder)
    put(store, "t-1", State.REVIEW)
    bench.stop_at("action:approve")
    held = bench.step().held
    assert held is not None
    assert held.after.state is State.COMPLETED
    bench.stepper.change("t-1", 1)
    assert "no result to change" in bench.news().said
    bench.stepper.reject("t-1", "")
    assert bench.news().refused
    bench.stepper.reject("t-1", "not yet")
    bench.rest()
    assert (actions(store)[-1], store.events("t-1")[-1].note) == (Action.REJECT, "not yet")


def test_a_verdict_on_what_was_edited_meanwhile_is_lost(store: Store, bench: Bench, folder: Path) -> None:
    with_verify(folder)
    put(store, "t-1", State.REVIEW)
    bench.stop_at("next")
    assert bench.step().phase is Phase.HELD
    done(store, "t-1", Action.EDIT, actor="bo", title="another")
    bench.stepper.commit("t-1")
    news = bench.rest()
    assert (news.phase, news.refused) == (None, True)
    assert "changed meanwhile" in news.said
    assert now_is(store).state is State.REVIEW


def test_a_held_claim_is_committed_or_thrown_away(store: Store, bench: Bench) -> None:
    put(store, "t-1")
    bench.stop_at("action:start")
    assert bench.step().phase is Phase.HELD
    bench.stepper.reject("t-1", "no")
    assert bench.news().refused
    bench.stepper.throw_away("t-1")
    assert bench.news().phase is None
    assert now_is(store).state is State.PENDING
    bench.step()
    bench.stepper.commit("t-1")
    assert bench.news().phase is Phase.CLAIMED
    assert now_is(store).owner == bench.stepper.owner


def test_what_another_has_is_not_stepped(store: Store, bench: Bench, now: Turned) -> None:
    put(store, "t-1")
    done(store, "t-1", Action.START, owner="alder", lease_until=clock.plus(now(), 60.0))
    assert f"alder holds it until {now_is(store).lease_until}" in bench.step().said
    now.turn(120.0)
    assert "give it back to the queue first" in bench.step().said
    put(store, "t-2", State.IN_PROGRESS)
    assert "ann holds it" in bench.step("t-2").said
    assert "no task t-9" in bench.step("t-9").said
    bench.stepper.step("t-2", expect="1")
    assert bench.news().refused


@sqlite_alone
def test_a_task_that_waits_for_others_is_not_claimed(store: Store, bench: Bench) -> None:
    put(store, "t-0")
    put(store, "t-1", depends_on=["t-0"])
    news = bench.step()
    assert (news.phase, news.refused) == (None, True)
    assert "depends on t-0" in news.said


def test_a_task_that_changed_since_it_was_seen_is_not_claimed(store: Store, bench: Bench) -> None:
    seen = put(store, "t-1")
    done(store, "t-1", Action.EDIT, title="another")
    bench.stepper.step("t-1", expect=seen.version)
    assert "changed meanwhile" in bench.rest().said
    assert now_is(store).state is State.PENDING


def test_an_outcome_that_is_held_too_long_for_others_is_lost_and_never_written_over(store: Store, bench: Bench) -> None:
    bench.stop_at("action:submit")
    put(store, "t-1")
    bench.step()
    done(store, "t-1", Action.EDIT, title="edited meanwhile")
    held = bench.step().held
    assert held is not None
    assert held.before.title == "edited meanwhile"
    done(store, "t-1", Action.FAIL, actor="bo", note="enough")
    bench.stepper.commit("t-1")
    news = bench.rest()
    assert (news.phase, news.refused) == (None, True)
    assert "does not hold t-1 any more" in news.said
    assert "bo" in news.said
    assert actions(store)[-1] == Action.FAIL


def test_leases_are_renewed_while_a_step_runs_and_while_it_is_held(
    store: Store, opened: Opener, module: str, folder: Path, now: Turned
) -> None:
    bench = Bench(opened, module, now=now, lease=0.15)
    try:
        put(store, "t-1", data="waits")
        bench.step()
        bench.stop_at("next")
        bench.stepper.step("t-1")
        assert bench.news().phase is Phase.RUNNING
        assert is_renewed(store, now)
        (folder / "go").touch()
        assert bench.rest().phase is Phase.HELD
        assert is_renewed(store, now)
        done(store, "t-1", Action.RELEASE, actor="bo", note="mine")
        news = bench.news()
        assert (news.phase, news.refused) == (None, True)
        assert "bo gave it back" in news.said
    finally:
        bench.close()


@sqlite_alone
def test_a_step_under_way_is_killed_and_the_task_stays_claimed(store: Store, bench: Bench, folder: Path) -> None:
    put(store, "t-1", data="waits")
    bench.step()
    bench.stepper.step("t-1")
    pid = began(folder)
    bench.news()
    bench.stepper.step("t-1")
    assert "under way" in bench.news().said
    bench.stepper.give_back("t-1")
    assert "kill it first" in bench.news().said
    bench.stepper.kill("t-1")
    news = bench.news()
    assert (news.phase, "killed" in news.said) == (Phase.CLAIMED, True)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    (folder / "go").touch()
    bench.step()
    assert now_is(store).state is State.REVIEW


@sqlite_alone
def test_several_tasks_are_stepped_beside_each_other(store: Store, bench: Bench, folder: Path) -> None:
    put(store, "slow", data="waits")
    put(store, "fast")
    bench.step("slow")
    bench.stepper.step("slow")
    bench.step("fast")
    bench.step("fast")
    assert (now_is(store, "slow").state, now_is(store, "fast").state) == (State.IN_PROGRESS, State.REVIEW)
    (folder / "go").touch()
    bench.rest("slow")
    assert now_is(store, "slow").state is State.REVIEW


def test_when_it_ends_it_gives_back_what_it_claimed(
    store: Store, opened: Opener, module: str, folder: Path, now: Turned
) -> None:
    bench = Bench(opened, module, now=now)
    for task_id, data in (("idle", None), ("under-way", "waits")):
        put(store, task_id, data=data)
        bench.step(task_id)
    bench.stepper.step("under-way")
    pid = began(folder)
    bench.close()
    for task_id in ("idle", "under-way"):
        assert (now_is(store, task_id).state, now_is(store, task_id).attempts) == (State.PENDING, 1)
        assert "stepped by hand" in (store.events(task_id)[-1].note or "")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@sqlite_alone
def test_a_result_that_no_store_can_keep_is_an_error_of_the_work(store: Store, bench: Bench) -> None:
    put(store, "t-1", data="deep")
    bench.step()
    assert "deep" in bench.step().said
    assert (now_is(store).state, now_is(store).attempts) == (State.PENDING, 1)


@sqlite_alone
def test_what_the_store_cannot_keep_is_held_on_and_nothing_is_lost(store: Store, bench: Bench) -> None:
    put(store, "t-1")
    bench.step()
    bench.stop_at("action:submit")
    bench.step()
    bench.stepper.reject("t-1", "half \0 a note")
    held = bench.rest().held
    assert held is not None
    assert held.after.result == {"words": 3}
    assert "NUL" in held.why
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    bench.stepper.change("t-1", deep)
    assert bench.news().refused
    bench.stepper.commit("t-1")
    bench.rest()
    assert now_is(store).result == {"words": 3}


def test_a_module_that_cannot_be_imported_is_an_error_of_the_step(store: Store, bench: Bench, folder: Path) -> None:
    put(store, "t-1")
    bench.step()
    (folder / "jobs.py").write_text("def execute(task:\n")
    assert "SyntaxError" in bench.step().said
    assert now_is(store).state is State.PENDING


def test_while_the_store_cannot_be_written_the_outcome_is_held(
    store: Store, opened: Opener, module: str, path: Path, now: Turned
) -> None:
    from taskdeck_store.lock import SUFFIX, WriteLock

    bench = Bench(lambda: opened(patience=0.05), module, now=now)
    try:
        put(store, "t-1")
        bench.step()
        with WriteLock(path.with_name(path.name + SUFFIX), path).hold(PATIENCE):
            news = bench.step()
            assert news.phase is Phase.HELD
            assert news.held is not None
            assert "another" in news.held.why
        bench.stepper.commit("t-1")
        bench.rest()
        assert now_is(store).result == {"words": 3}
    finally:
        bench.close()


def test_the_claim_is_of_this_stepper_alone(
    store: Store, bench: Bench, opened: Opener, module: str, now: Turned
) -> None:
    put(store, "t-1")
    bench.step()
    other = Bench(opened, module, now=now)
    try:
        assert f"{bench.stepper.owner} holds it until" in other.step().said
    finally:
        other.close()
    claim = Claim(owner=bench.stepper.owner, version=now_is(store).version)
    assert store.renew({"t-1": claim}, 60.0) == frozenset()
