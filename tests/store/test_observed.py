"""A place that others own as a store: what is seen there is put on record, and what is asked is done there first."""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from faulty import apart
from hypothesis import given, settings
from hypothesis import strategies as st
from ledgers import ALL_WORDS, NO_FAILED, NO_REVIEW, TIMED, WHOLE, Ledger, kind
from test_worker import PATIENCE, beside, wait_for

from taskdeck_store import (
    Action,
    Claiming,
    Code,
    Fault,
    State,
    Store,
    StoreError,
    Task,
    claim_of,
    clock,
    command,
    kinds,
)
from taskdeck_store.limits import Limits
from taskdeck_store.observed.store import ObservedStore
from taskdeck_store.sqlite import opening
from taskdeck_store.sqlite.mirror import MirrorStore
from taskdeck_store.values import EXTERNAL, FOUND_NOTE, OUTSIDE, REMOVED
from taskdeck_store.verification import verify
from taskdeck_store.worker import Summary, Worker

Opened = Callable[..., tuple[Ledger, Store]]


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder / "taskdeck" / "observed"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "work.ledger"
    Ledger(path).edit(a={}, b={"is": "look", "rank": 2, "result": {"x": 1}}, c={"is": "done"})
    return path


def observed(source: Ledger, *, read_only: str | None = None) -> Store:
    place = kinds.mirror_path("ledger", source.place)
    mirror = MirrorStore.open_mirror(place, address=str(source.path), now=clock.utc_now, patience=5.0)
    return ObservedStore(source, mirror, place, read_only=read_only, now=clock.utc_now)


@pytest.fixture
def opened(path: Path) -> Iterator[Opened]:
    """Open the ledger as a store; return its source, as that store has it, and the store."""
    handles: list[Store] = []

    def another(limits: Limits = WHOLE, *, read_only: bool = False) -> tuple[Ledger, Store]:
        source = Ledger(path, limits)
        handles.append(observed(source, read_only="it was asked so" if read_only else None))
        return source, handles[-1]

    yield another
    for handle in handles:
        handle.close()


def said(path: Path) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads(path.read_text(encoding="utf-8"))
    return found


def states(store: Store) -> dict[str, State]:
    return {task.id: task.state for task in store.tasks()}


def test_what_was_there_is_on_record_as_that(opened: Opened) -> None:
    _, store = opened()
    assert states(store) == {"a": State.PENDING, "b": State.REVIEW, "c": State.COMPLETED}
    events = store.events()
    assert {(event.actor, event.action, event.note) for event in events} == {(EXTERNAL, Action.ADD, FOUND_NOTE)}
    assert [(event.task_id, event.from_state, event.to_state) for event in events] == [
        ("a", None, State.PENDING),
        ("b", None, State.REVIEW),
        ("c", None, State.COMPLETED),
    ]
    assert store.get("a").state_since is None  # type: ignore[union-attr]


def test_what_others_do_is_put_on_record_as_it_happened(opened: Opened) -> None:
    ledger, store = opened()
    ledger.edit(a={"is": "doing", "who": "x"}, b={"is": "todo"}, c={"is": "doing"}, d={"rank": 1})
    seq = store.events()[-1].seq
    found = {event.task_id: event for event in store.events(after=3)}
    assert {event.actor for event in found.values()} == {EXTERNAL}
    assert {task_id: event.action for task_id, event in found.items()} == {
        "a": Action.START,
        "b": Action.REJECT,
        "c": OUTSIDE,
        "d": Action.ADD,
    }
    assert found["a"].changes == {"who": (None, "x")}
    assert found["b"].changes["attempts"] == (0, 1)
    task = store.get("d")
    assert task is not None
    assert (task.priority, task.created_at, task.state_since) == (1, found["d"].at, found["d"].at)
    ledger.edit(a=None)
    (gone,) = store.events(after=seq)
    assert (gone.action, gone.task_id, gone.to_state, gone.changes["title"]) == (REMOVED, "a", None, ("a", None))
    assert store.get("a") is None
    ledger.edit(a={})
    assert store.events("a")[-1].action == Action.ADD


def test_the_moments_that_a_source_tells_are_those_of_its_tasks(opened: Opened) -> None:
    begun, moved = "2026-01-01T00:00:00.000000Z", "2026-01-02T00:00:00.000000Z"
    Ledger(opened()[0].path).edit(a={"created_at": begun, "state_since": begun})
    ledger, store = opened(TIMED)
    ledger.edit(
        a={"is": "doing", "state_since": moved},
        b={"is": "done"},
        d={"created_at": begun, "state_since": moved},
    )
    found = {task.id: (task.created_at, task.state_since) for task in store.tasks()}
    assert (found["a"][1], found["d"]) == (moved, (begun, moved))
    assert found["b"][1] == store.events("b")[-1].at
    store.apply([command("a", Action.SUBMIT, actor="me"), command("d", Action.START, actor="me")])
    ledger.edit(d={"is": "todo", "state_since": begun})
    assert store.get("d").state_since == begun  # type: ignore[union-attr]
    assert verify(store).is_sound


def test_what_did_not_change_is_no_event(opened: Opened, path: Path) -> None:
    ledger, store = opened()
    ledger.save(said(path))
    os.utime(path)
    assert len(store.events()) == 3
    _, again = opened()
    assert len(again.events()) == 3


def test_what_was_done_is_written_there_before_it_is_on_record(opened: Opened, path: Path) -> None:
    _, store = opened()
    seen = store.get("a")
    assert seen is not None
    (outcome,) = store.apply([command("a", Action.START, actor="me", note="now", expect=seen.version)])
    assert outcome.event is not None
    assert (outcome.event.actor, outcome.event.note) == ("me", "now")
    assert said(path)["a"] == {"is": "doing", "what": "a", "rank": 5}
    assert store.get("a") == outcome.task
    assert [event.seq for event in store.events()] == [1, 2, 3, 4]
    (again,) = store.apply([outcome.command])
    assert again.repeated
    (late,) = store.apply([command("a", Action.SUBMIT, actor="me", expect=seen.version)])
    assert late.refusal is not None
    assert late.refusal.code is Code.CONFLICT


def test_a_change_in_the_last_moment_is_a_conflict(opened: Opened) -> None:
    ledger, store = opened()
    seen = store.get("a")
    assert seen is not None
    ledger.edit(a={"is": "doing"})
    (outcome,) = store.apply([command("a", Action.FAIL, actor="me", expect=seen.version)])
    assert outcome.refusal is not None
    assert outcome.refusal.code is Code.CONFLICT
    assert outcome.task is not None
    assert outcome.task.state is State.IN_PROGRESS


def test_a_tool_that_lies_is_found_out(opened: Opened) -> None:
    ledger, store = opened()
    ledger.lies = True
    (outcome,) = store.apply([command("a", Action.START, actor="me")])
    assert outcome.refusal is not None
    assert "ledger was asked to start a, and it is pending there all the same" in outcome.refusal.message
    assert len(store.events()) == 3
    assert states(store)["a"] is State.PENDING


def test_several_are_done_at_once_and_each_is_judged(opened: Opened, path: Path) -> None:
    _, store = opened()
    asked = [command(task_id, Action.START, actor="me") for task_id in ("a", "b", "zz")]
    done, illegal, missing = store.apply(asked)
    assert done.event is not None
    assert illegal.refusal is not None
    assert missing.refusal is not None
    assert (illegal.refusal.code, missing.refusal.code) == (Code.ILLEGAL, Code.NOT_FOUND)
    assert said(path)["a"]["is"] == "doing"
    asked = [command("a", Action.SUBMIT, actor="me"), command("c", Action.START, actor="me")]
    undone, refused = store.apply(asked, whole=True)
    assert undone.event is None
    assert refused.refusal is not None
    assert said(path)["a"]["is"] == "doing"


def test_what_the_format_has_no_word_for_is_refused(opened: Opened, path: Path) -> None:
    _, store = opened(NO_FAILED)
    (outcome,) = store.apply([command("a", Action.FAIL, actor="me")])
    assert outcome.refusal is not None
    assert outcome.refusal.code is Code.ILLEGAL
    assert outcome.refusal.message == "cannot fail a: it would be failed then, and a ledger has no word for it"
    (edit,) = store.apply([command("a", Action.EDIT, actor="me", tags=["x"])])
    assert edit.refusal is not None
    assert "ledger keeps no tags" in edit.refusal.message
    assert said(path)["a"]["is"] == "todo"


def test_without_a_review_submit_and_approve_go_together(opened: Opened, path: Path) -> None:
    Ledger(path).edit(b=None, a={"is": "doing"})
    _, store = opened(NO_REVIEW)
    (alone,) = store.apply([command("a", Action.SUBMIT, actor="me")])
    assert alone.refusal is not None
    assert "step, or complete_task of MCP, takes it to completed at once" in alone.refusal.message
    both = store.apply([command("a", Action.SUBMIT, actor="me", result=7), command("a", Action.APPROVE, actor="me")])
    assert [outcome.event.action for outcome in both if outcome.event] == [Action.SUBMIT, Action.APPROVE]
    assert said(path)["a"] == {"is": "done", "what": "a", "rank": 5, "result": 7}


def test_a_task_is_added_and_claimed(opened: Opened, path: Path) -> None:
    _, store = opened()
    store.apply([command("n", Action.ADD, actor="me", title="new", priority=1)])
    (claimed,) = store.claim(Claiming(owner="w", actor="w", seconds=30))
    assert claimed.task is not None
    assert (claimed.task.id, claimed.task.owner) == ("n", "w")
    assert said(path)["n"]["is"] == "doing"
    held = claim_of(claimed)
    assert held is not None
    assert store.renew({"n": held}, 60) == frozenset()
    assert states(store)["n"] is State.IN_PROGRESS
    Ledger(path).edit(n={"is": "todo"})
    assert store.renew({"n": held}, 60) == {"n"}


def test_two_handles_put_one_change_on_record_once(opened: Opened) -> None:
    ledger, one = opened()
    _, other = opened()
    for number in range(6):
        ledger.edit(a={"is": ("doing", "todo")[number % 2]})
        first, second = (one, other) if number % 3 else (other, one)
        first.counts()
        second.counts()
    assert [event.action for event in one.events("a")[1:]] == [Action.START, Action.RELEASE] * 3
    one.apply([command("a", Action.START, actor="me")])
    assert other.get("a") == one.get("a")
    assert other.events() == one.events()
    assert verify(one).is_sound


def test_a_mirror_of_before_there_were_marks_is_taken_over(opened: Opened, path: Path) -> None:
    _, store = opened()
    with closing(apsw.Connection(str(kinds.mirror_path("ledger", Ledger(path).place)))) as connection:
        connection.execute("DROP TABLE seen")
    store.close()
    Ledger(path).edit(a={"is": "doing"})
    _, again = opened()
    assert [event.action for event in again.events("a")] == [Action.ADD, Action.START]


def test_two_may_open_it_for_the_first_time_at_once(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    make = opening.create

    def made_by_another_before(path: Path) -> None:
        make(path)
        make(path)

    monkeypatch.setattr(opening, "create", made_by_another_before)
    _, store = opened()
    assert store.get("a") is not None


def test_who_waits_wakes_for_the_source_and_for_another_handle(opened: Opened) -> None:
    ledger, store = opened()
    _, other = opened()
    cursor = store.changes().cursor
    for change in (lambda: ledger.edit(a={"rank": 1}), lambda: other.apply([command("a", Action.START, actor="me")])):
        waiter = threading.Thread(target=lambda done=change: done())
        waiter.start()
        while not store.changes(cursor).changes:
            store.wait(5.0)
        waiter.join()
        cursor = store.changes(cursor).cursor
    assert not store.wait(0.0)


def test_a_lost_source_is_told_and_the_last_look_stays(opened: Opened, path: Path) -> None:
    _, store = opened()
    path.write_text("{", encoding="utf-8")
    with pytest.raises(StoreError, match="cannot read"):
        store.counts()
    with store.reading(latest=False):
        assert len(store.tasks()) == 3
    with pytest.raises(StoreError, match="cannot read"):
        store.apply([command("a", Action.START, actor="me")])
    Ledger(path).save({"a": {"is": "doing", "what": "a", "rank": 5}})
    assert states(store) == {"a": State.IN_PROGRESS}


def test_what_only_reads_refuses(opened: Opened) -> None:
    ledger, store = opened(read_only=True)
    assert store.read_only
    ledger.edit(a={"is": "doing"})
    (outcome,) = store.apply([command("a", Action.FAIL, actor="me")])
    assert outcome.refusal is not None
    assert outcome.refusal.code is Code.READ_ONLY
    assert store.events("a")[-1].action == Action.START
    free, other = opened()
    free.read_only = "the ledger is chained to the desk"
    (outcome,) = other.apply([command("a", Action.FAIL, actor="me")])
    assert outcome.refusal is not None
    assert "chained to the desk" in outcome.refusal.message


def test_a_failure_after_the_write_is_on_record_as_ours(opened: Opened, path: Path) -> None:
    ledger, store = opened()
    ledger.dies = StoreError(Fault.UNREADABLE, "the line went dead")
    with pytest.raises(StoreError, match="went dead"):
        store.apply([command("a", Action.START, actor="me", note="mine")])
    assert said(path)["a"]["is"] == "doing"
    event = store.events("a")[-1]
    assert (event.actor, event.action, event.note) == ("me", Action.START, "mine")


_DOOMED = """
import os, signal, sys
sys.path[:0] = [sys.argv[2]]
from ledgers import Ledger, kind
from taskdeck_store import Action, clock, command, kinds

class Doomed(Ledger):
    def carry_out(self, moves):
        if sys.argv[3] == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        super().carry_out(moves)
        os.kill(os.getpid(), signal.SIGKILL)

import ledgers
ledgers.Ledger = Doomed
store = kinds.open_observed(kind(), sys.argv[1], read_only=False, now=clock.utc_now, patience=5.0)
store.apply([command("a", Action.START, actor="doomed"), command("b", Action.REJECT, actor="doomed", note="no")])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_in_the_middle_leaves_nothing_half_done(opened: Opened, path: Path, when: str) -> None:
    done = subprocess.run([sys.executable, "-c", _DOOMED, str(path), str(Path(__file__).parent), when], check=False)
    assert done.returncode == -signal.SIGKILL
    _, store = opened()
    actors = [event.actor for event in store.events(after=3)]
    assert actors == (["doomed", "doomed"] if when == "after" else [])
    assert states(store)["a"] is (State.IN_PROGRESS if when == "after" else State.PENDING)
    assert verify(store).is_sound


def test_no_file_is_made_beside_the_source(opened: Opened, path: Path, state_folder: Path) -> None:
    before = {path.name, "state"}
    _, store = opened()
    store.apply([command("a", Action.START, actor="me")])
    assert {entry.name for entry in path.parent.iterdir()} == before
    assert store.limits.observed
    assert Path(store.limits.log).parent == state_folder


def test_where_no_log_can_be_kept_one_can_look_and_nothing_more(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").write_text("no folder")
    with closing(kinds.open_observed(kind(), str(path), read_only=False, now=clock.utc_now, patience=5.0)) as store:
        assert len(store.tasks()) == 3
        (outcome,) = store.apply([command("a", Action.START, actor="me")])
        assert outcome.refusal is not None
        assert outcome.refusal.code is Code.READ_ONLY
        assert "its log cannot be kept" in outcome.refusal.message
        log = Path(store.limits.log)
        assert log.exists()
    assert not log.parent.exists()
    assert said(path)["a"]["is"] == "todo"


def test_what_a_mirror_cannot_keep_is_told_otherwise(opened: Opened, path: Path) -> None:
    ledger, store = opened()
    deep: object = 1
    for _ in range(150):
        deep = [deep]
    ledger.edit(
        long={"what": "x" * 5000},
        blank={"what": " \n"},
        odd={"what": "a\0b\ud800", "rank": 10**50, "note": deep, "title": "its own"},
        sum={"result": [1e300, 10**50, "\0"]},
    )
    found = {task.id: task for task in store.tasks()}
    assert len(found["long"].title) == 2000
    assert found["blank"].title == "(no title)"
    assert found["odd"].title == "a\N{REPLACEMENT CHARACTER}b?"
    assert found["odd"].priority == 10**9
    assert isinstance(found["odd"].extra["note"], str)
    assert found["odd"].extra["extra.title"] == "its own"
    assert store.events("odd")[-1].changes["extra.title"] == (None, "its own")
    assert len(store.events()) == 7
    store.counts()
    assert len(store.events()) == 7


_LEDGERS = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d"]),
    st.fixed_dictionaries(
        {
            "is": st.sampled_from(sorted(ALL_WORDS)),
            "what": st.text("abc", min_size=1, max_size=5),
            "rank": st.integers(-3, 3),
            "result": st.none() | st.integers() | st.text("xyz", max_size=3),
        },
        optional={"who": st.text("ab", max_size=2)},
    ),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(_LEDGERS, st.sampled_from(list(Action)), st.sampled_from(["a", "b", "c", "zz"])), max_size=8))
def test_whatever_happens_there_the_log_leads_to_what_is_there(
    tmp_path_factory: pytest.TempPathFactory, turns: list[tuple[dict[str, dict[str, object]], Action, str]]
) -> None:
    path = tmp_path_factory.mktemp("ledgers") / "work.ledger"
    ledger = Ledger(path)
    ledger.save({})
    os.environ["XDG_STATE_HOME"] = str(path.parent)
    store = kinds.open_observed(kind(), str(path), read_only=False, now=clock.utc_now, patience=5.0)
    try:
        for data, action, task_id in turns:
            ledger.save(data)
            fields = {"title": "t"} if action in (Action.ADD, Action.EDIT) else {}
            store.apply([command(task_id, action, actor="me", note="n", **fields)])
            there = {task.id: task for task in ledger.look().tasks}
            assert states(store) == {task_id: task.state for task_id, task in there.items()}
            for task in store.tasks():
                assert task.extra == there[task.id].extra
                assert (task.priority, task.result) == (there[task.id].priority, there[task.id].result)
        assert verify(store).is_sound
    finally:
        store.close()


def test_a_worker_keeps_all_it_has_done_until_it_can_be_written(
    opened: Opened, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Ledger(path).edit(d={})
    ledger, store = opened()
    begun, go_on = threading.Event(), threading.Event()

    def execute(task: Task) -> int:
        begun.set()
        assert go_on.wait(PATIENCE)
        return 1

    worker = Worker(store, execute, prefetch=2)
    with caplog.at_level(logging.WARNING), beside(worker):
        assert begun.wait(PATIENCE)
        # It claims nothing more, so that all it asks for is refused, and no error is raised.
        worker.stop()
        ledger.read_only = "it is being moved"
        go_on.set()
        wait_for(lambda: "trying again" in caplog.text)
        ledger.read_only = None
    assert worker.summary == Summary(started=2, submitted=2)


BREAKS = "CREATE TRIGGER broken BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'broken'); END"


def test_what_could_not_be_put_on_record_is_once_it_can(opened: Opened, state_folder: Path) -> None:
    ledger, store = opened()
    with closing(apsw.Connection(str(next(state_folder.glob("*.db"))))) as mirror:
        mirror.execute(BREAKS)
        ledger.edit(a={"is": "doing"})
        with pytest.raises(StoreError):
            states(store)
        mirror.execute("DROP TRIGGER broken")
    assert states(store)["a"] is State.IN_PROGRESS


def test_what_the_disk_had_no_room_for_is_on_record_once_it_has(path: Path) -> None:
    def check() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        ledger = Ledger(path)
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        with closing(observed(ledger)) as store:
            ledger.edit(a={"is": "doing", "result": "r" * 900_000})
            resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
            with pytest.raises(StoreError):
                states(store)
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            assert states(store)["a"] is State.IN_PROGRESS

    apart(check)
