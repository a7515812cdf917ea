"""Tasks in a file of memories: what is read, what a move writes, and what others do meanwhile."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from killing import killed
from minna_files import BEGAN, FLAT, FLAT_INSERT, FLAT_RECALL, LAYOUTS, Layout, iso, make, plain, sql
from minna_moves import do, move, task_of
from unprivileged import open_folder, unprivileged

from taskdeck_store import Action, Fault, Refusal, State, StoreError, Task, clock, command, create_store, open_store
from taskdeck_store.machine import Code, actions_from, transition
from taskdeck_store.minna import source as minna
from taskdeck_store.minna.memory import MinnaMemory
from taskdeck_store.minna.tasks import MinnaTasks
from taskdeck_store.source import Kind

PATIENCE = 10.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make(tmp_path / "minna.db", LAYOUTS["one table"])


@pytest.fixture
def source(path: Path) -> Iterator[MinnaTasks]:
    with closing(MinnaTasks(path)) as source:
        yield source


@pytest.fixture
def memory(path: Path) -> Iterator[MinnaMemory]:
    with MinnaMemory(path) as memory:
        yield memory


def values(path: Path, attribute: str, entity: str = "task:proj:7") -> list[str]:
    return [value for (value,) in sql(path, FLAT_RECALL, (entity, attribute))]


def stored(path: Path, *told: tuple[str, str, object, object]) -> None:
    for row in told:
        sql(path, FLAT_INSERT, row)


def test_the_kind_is_found_by_its_scheme_and_in_a_projects_folder(tmp_path: Path) -> None:
    assert isinstance(minna.KIND, Kind)
    assert list(minna.KIND.nearby(tmp_path)) == []
    address = f"minna:{tmp_path / '.spine' / 'minna.db'}"
    (tmp_path / ".spine").mkdir()
    create_store(address)
    assert list(minna.KIND.nearby(tmp_path)) == [address]
    with closing(minna.KIND.open(address)) as source:
        assert (source.kind, source.place) == ("Minna Memory", str(tmp_path / ".spine" / "minna.db"))
        assert source.look().tasks == ()
    with closing(open_store(str(tmp_path / ".spine" / "minna.db"))) as store:
        assert store.kind == "Minna Memory"


def test_a_task_tells_when_it_was_said(source: MinnaTasks) -> None:
    task = task_of(source, "proj~7")
    assert (task.created_at, task.updated_at) == ("2026-09-21T14:13:20.000000Z", "2026-09-21T14:13:26.000000Z")
    assert task.state_since == "2026-09-21T14:13:26.000000Z"
    assert task.extra == {}


def test_a_state_that_is_said_again_lasts_since_it_was_said_first(path: Path, source: MinnaTasks) -> None:
    stored(path, ("task:proj:7", "status", "in_progress", iso(BEGAN + 100)))
    task = task_of(source, "proj~7")
    assert (task.state_since, task.updated_at) == ("2026-09-21T14:13:26.000000Z", "2026-09-21T14:15:00.000000Z")


def test_the_newest_row_counts_and_of_two_of_a_moment_the_later(path: Path, source: MinnaTasks) -> None:
    at = iso(BEGAN + 50)
    stored(path, ("task:proj:7", "status", "failed", at), ("task:proj:7", "status", "review", at))
    stored(path, ("task:proj:7", "status", "pending", iso(BEGAN - 50)))
    assert task_of(source, "proj~7").state is State.REVIEW


def test_of_status_and_state_the_one_that_was_said_last_counts_and_is_written(path: Path, source: MinnaTasks) -> None:
    stored(path, ("task:proj:7", "state", "review", iso(BEGAN + 50)))
    task = task_of(source, "proj~7")
    assert task.state is State.REVIEW
    assert do(source, task, Action.APPROVE).state is State.COMPLETED
    assert values(path, "state") == ["completed", "review"]
    assert values(path, "status") == ["in_progress", "pending"]


def test_what_taskdeck_has_no_field_for_is_told_beside(path: Path, source: MinnaTasks) -> None:
    stored(
        path, ("task:proj:7", "progress", "half", iso(BEGAN + 9)), ("task:proj:7", "attempts", "many", iso(BEGAN + 9))
    )
    task = task_of(source, "proj~7")
    assert task.attempts == 0
    assert {"progress": "half", "attempts": "many"}.items() <= task.extra.items()


def test_a_word_that_nobody_knows_is_a_flaw_and_shown_in_review(path: Path, source: MinnaTasks) -> None:
    stored(path, ("task:proj:7", "status", "par\x1bked", iso(BEGAN + 9)))
    sight = source.look()
    assert sight.tasks[0].state is State.REVIEW
    assert sight.tasks[0].extra["status"] == "par\x1bked"
    assert len(sight.flaws) == 1
    assert "task:proj:7" in sight.flaws[0]
    assert sight.flaws[0].isprintable()


def test_a_word_that_says_more_is_told_with_its_state(path: Path, source: MinnaTasks) -> None:
    stored(path, ("task:proj:7", "status", "cancelled", iso(BEGAN + 9)))
    task = task_of(source, "proj~7")
    assert (task.state, task.extra["status"]) == (State.FAILED, "cancelled")
    assert source.limits.words["cancelled"] is State.FAILED
    assert source.look().flaws == ()


def test_a_move_is_written_in_the_words_of_the_file(path: Path, source: MinnaTasks) -> None:
    stored(path, ("task:proj:7", "status", "in-progress", iso(BEGAN + 9)))
    stored(path, ("task:proj:6", "status", "done", iso(BEGAN + 9)))
    for action in (Action.SUBMIT, Action.APPROVE):
        do(source, task_of(source, "proj~7"), action)
    do(source, task_of(source, "proj~8"), Action.START)
    assert values(path, "status")[:2] == ["done", "review"]
    assert values(path, "status", "task:proj:8") == ["in-progress", "pending"]
    assert [word for word, state in source.limits.words.items() if state is State.COMPLETED] == ["done"]


def test_confidence_is_told_and_what_is_left_of_it(tmp_path: Path) -> None:
    path = tmp_path / "minna.db"
    began = "2026-01-01T00:00:00.000000Z"
    with MinnaMemory(path, now=lambda: began) as memory:
        number = memory.store("task:a", "status", "pending", confidence=0.9)
        memory.store("task:a", "title", "sure", confidence=0.5)
        memory.store("task:a", "owner", "ada", confidence=0.2)
        memory.store("task:b", "status", "pending")

    def told(now: str) -> tuple[dict[str, Any], str]:
        with closing(MinnaTasks(path, now=lambda: now)) as source:
            assert task_of(source, "b").extra == {}
            return task_of(source, "a").extra, source.limits.notes[-1]

    extra = {"confidence": 0.9, "least_sure": {"attribute": "owner", "confidence": 0.2}}
    assert told("2026-03-31T00:00:00.000000Z") == (
        extra,
        "confidence is told where it is not whole; it halves every 90 days that a memory is not verified",
    )
    faded = "2 tasks have half of the state's confidence left, or less: a (0.23), b (0.25)"
    assert told("2026-06-30T00:00:00.000000Z")[0] == extra
    assert told("2026-06-30T00:00:00.000000Z")[1].startswith(faded)
    with MinnaMemory(path, now=lambda: "2026-06-29T00:00:00.000000Z") as memory:
        memory.verify(number)
    again, note = told("2026-06-30T00:00:00.000000Z")
    assert again == {**extra, "verified_at": "2026-06-29T00:00:00.000000Z"}
    assert note.startswith("1 task has half of the state's confidence left, or less: b (0.25);")


def test_a_move_tells_who_and_why_and_recall_finds_it(path: Path, source: MinnaTasks, memory: MinnaMemory) -> None:
    done = do(source, task_of(source, "proj~7"), Action.FAIL, note="no nails", error="none left")
    assert (done.state, done.error) == (State.FAILED, "none left")
    newest, *older = memory.recall("task:proj:7", "status")
    assert (newest["value"], newest["source"], newest["context"]) == ("failed", "ada", "fail: no nails")
    assert newest["confidence"] == 1.0
    assert [row["value"] for row in older] == ["in_progress", "pending"]
    assert memory.recall("task:proj:7", "error")[0]["created_at"] == newest["created_at"]


@pytest.mark.parametrize(
    "fields",
    [
        {"title": "mend it well"},
        {"description": "both sides"},
        {"title": "mend it well", "description": "both sides"},
        {"priority": 1, "tags": ["a b", "c"], "max_attempts": 9},
        {"data": {"a": [1, None, "\ud800"]}, "depends_on": ["proj~8", "x"]},
        {"not_before": "2027-01-31T09:00:00.000000Z"},
        {"priority": 10**9, "tags": [], "data": 0},
        {"description": "", "title": "x" * 2000},
        {"title": "\u202eabc\x07", "description": "a\0b"},
    ],
)
def test_every_field_is_read_as_it_was_written(source: MinnaTasks, fields: dict[str, Any]) -> None:
    before = task_of(source, "proj~7")
    asked = move(before, Action.EDIT, **fields)
    assert source.carry_out([asked]) == {}
    after = task_of(source, "proj~7")
    told = (
        "id",
        "title",
        "description",
        "state",
        "priority",
        "tags",
        "data",
        "max_attempts",
        "depends_on",
        "not_before",
    )
    assert [getattr(after, name) for name in told] == [getattr(asked.task, name) for name in told]
    added = move("new", Action.ADD, **{"title": "t", **fields})
    assert source.carry_out([added]) == {}
    new = task_of(source, "new")
    assert [getattr(new, name) for name in told] == [getattr(added.task, name) for name in told]


def test_only_what_changed_is_written(path: Path, source: MinnaTasks) -> None:
    do(source, task_of(source, "proj~7"), Action.EDIT, priority=1)
    do(source, "proj~10", Action.ADD, title="sweep")
    rows = sql(path, "SELECT entity, attribute, value FROM memories WHERE id > 7")
    assert rows == [
        ("task:proj:7", "priority", "1"),
        ("task:proj:10", "description", "sweep"),
        ("task:proj:10", "status", "pending"),
    ]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (move("a~.zz", Action.ADD, title="t"), Code.INVALID),
        (move("proj~7", Action.ADD, title="t"), Code.CONFLICT),
        (move("b", Action.ADD, title="half \ud800"), Code.INVALID),
    ],
)
def test_what_no_memory_can_say_is_refused_and_the_rest_is_done(source: MinnaTasks, asked: Any, code: Code) -> None:
    source.look()
    refused = source.carry_out([asked, move("c", Action.ADD, title="t")])
    assert {number: refusal.code for number, refusal in refused.items()} == {0: code}
    assert [task.id for task in source.look().tasks] == ["proj~7", "proj~8", "c"]


def test_a_task_that_changed_meanwhile_is_not_moved(path: Path, source: MinnaTasks) -> None:
    seen, other = source.look().tasks
    stored(path, ("task:proj:7", "status", "failed", iso(BEGAN + 9)))
    refused = source.carry_out([move(seen, Action.SUBMIT), move(other, Action.START)])
    assert refused[0].code is Code.CONFLICT
    assert "failed" in refused[0].message
    assert len(refused) == 1
    assert [task.state for task in source.look().tasks] == [State.FAILED, State.IN_PROGRESS]
    assert values(path, "status") == ["failed", "in_progress", "pending"]


def test_a_task_that_left_and_came_back_is_not_moved(path: Path, source: MinnaTasks) -> None:
    seen = task_of(source, "proj~7")
    stored(path, ("task:proj:7", "status", "pending", iso(BEGAN + 8)))
    stored(path, ("task:proj:7", "status", "in_progress", iso(BEGAN + 9)))
    assert source.carry_out([move(seen, Action.SUBMIT)])[0].code is Code.CONFLICT


def test_a_task_whose_memories_were_changed_in_place_is_not_moved(path: Path, source: MinnaTasks) -> None:
    seen = task_of(source, "proj~7")
    sql(path, "UPDATE memories SET value = 'mend the wall' WHERE value = 'mend the roof'")
    assert source.carry_out([move(seen, Action.SUBMIT)])[0].code is Code.CONFLICT


def test_a_task_that_was_taken_away_is_not_moved(path: Path, source: MinnaTasks) -> None:
    seen = task_of(source, "proj~7")
    sql(path, "DELETE FROM memories WHERE entity = 'task:proj:7'")
    assert source.carry_out([move(seen, Action.SUBMIT)])[0].code is Code.CONFLICT
    assert [task.id for task in source.look().tasks] == ["proj~8"]


def test_what_others_remember_beside_does_not_stop_a_move(path: Path, source: MinnaTasks) -> None:
    seen = task_of(source, "proj~7")
    stored(path, ("task:proj:7", "progress", "half", iso(BEGAN + 9)))
    assert do(source, seen, Action.SUBMIT).extra["progress"] == "half"


def test_several_moves_of_a_task_are_written_in_their_order(path: Path, source: MinnaTasks) -> None:
    first = move(task_of(source, "proj~7"), Action.SUBMIT, result="r")
    second = move(first.task, Action.APPROVE)
    assert source.carry_out([first, second]) == {}
    assert task_of(source, "proj~7").state is State.COMPLETED
    assert values(path, "status")[:2] == ["completed", "review"]


def test_a_row_comes_after_one_that_is_ahead_of_its_time(path: Path, source: MinnaTasks) -> None:
    stored(path, ("task:proj:7", "status", "review", "2099-01-01T00:00:00+00:00"))
    done = do(source, task_of(source, "proj~7"), Action.APPROVE, at="2026-12-01T00:00:00.000000Z")
    assert (done.state, done.state_since) == (State.COMPLETED, "2099-01-01T00:00:00.000001Z")
    assert values(path, "status")[0] == "completed"


def test_a_row_that_could_not_be_the_newest_is_not_written(path: Path, source: MinnaTasks) -> None:
    stored(path, ("task:proj:7", "status", "review", "zzz"))
    stored(path, ("task:proj:8", "status", "pending", iso(BEGAN + 9)))
    refusal = source.carry_out([move(task_of(source, "proj~7"), Action.APPROVE)])[0]
    assert refusal.code is Code.READ_ONLY
    assert "'zzz'" in refusal.message


SECONDS = LAYOUTS["keys in milliseconds"]._replace(
    insert=plain("INSERT INTO memory VALUES (?, ?, ?, ?4, ?4)", int),
)


def test_two_moves_within_a_second_of_whole_seconds_are_told_apart(tmp_path: Path) -> None:
    path = make(tmp_path / "minna.db", SECONDS)
    now = f"{iso(BEGAN + 6)[:19]}.990000Z"
    with closing(MinnaTasks(path, now=lambda: now)) as source:
        assert do(source, task_of(source, "proj~7"), Action.SUBMIT, at=now).state is State.REVIEW
        assert do(source, task_of(source, "proj~8"), Action.START, at=now).state is State.IN_PROGRESS
    recalled = sql(path, "SELECT created FROM memory WHERE key = 'status' ORDER BY rowid DESC LIMIT 2")
    assert recalled == [(BEGAN + 6,), (BEGAN + 7,)]


def test_a_row_that_its_table_refuses_leaves_nothing_of_its_move(tmp_path: Path) -> None:
    ddl = FLAT.replace("value TEXT NOT NULL", "value TEXT NOT NULL CHECK (value <> 'failed')")
    path = make(tmp_path / "minna.db", Layout(ddl, plain(FLAT_INSERT), ""))
    with closing(MinnaTasks(path)) as source:
        seven, eight = source.look().tasks
        refused = source.carry_out([move(seven, Action.FAIL, note="why"), move(eight, Action.START)])
        assert {number: refusal.code for number, refusal in refused.items()} == {0: Code.READ_ONLY}
        assert [task.state for task in source.look().tasks] == [State.IN_PROGRESS, State.IN_PROGRESS]
    assert values(path, "error") == []


def test_it_is_stale_by_a_commit_alone(path: Path, source: MinnaTasks) -> None:
    assert source.is_stale()
    first = source.look()
    assert not source.is_stale()
    assert source.look() is first
    sql(path, "SELECT count(*) FROM memories")
    path.touch()
    assert not source.is_stale()
    stored(path, ("user", "likes", "tea", iso(BEGAN)))
    assert source.is_stale()
    again = source.look()
    assert not source.is_stale()
    assert all(one is other for one, other in zip(first.tasks, again.tasks, strict=True))
    assert source.carry_out([move(again.tasks[0], Action.SUBMIT)]) == {}
    assert source.is_stale()


def test_a_look_after_a_move_of_our_own_sees_what_others_did_too(path: Path, source: MinnaTasks) -> None:
    seen, other = source.look().tasks
    stored(path, ("task:proj:9", "status", "pending", iso(BEGAN)))
    assert source.carry_out([move(seen, Action.SUBMIT)]) == {}
    stored(path, ("task:proj:8", "status", "completed", iso(BEGAN + 9)))
    states = {task.id: task.state for task in source.look().tasks}
    assert states == {"proj~7": State.REVIEW, "proj~8": State.COMPLETED, "proj~9": State.PENDING}
    assert other.state is State.PENDING


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_wait_ends_with_the_commit_of_another_program(path: Path, source: MinnaTasks, mode: str) -> None:
    sql(path, f"PRAGMA journal_mode = {mode}")
    while source.wait(0.01):
        source.look()
    timer = threading.Timer(0.02, stored, [path, ("task:proj:8", "status", "completed", iso(BEGAN + 9))])
    timer.start()
    assert source.wait(PATIENCE)
    timer.join()
    assert task_of(source, "proj~8").state is State.COMPLETED
    assert sql(path, "PRAGMA journal_mode") == [(mode,)]


def test_a_wait_ends_when_it_is_closed_or_stopped(path: Path) -> None:
    source = MinnaTasks(path)
    stop = threading.Event()
    while source.wait(0.01):
        pass
    threading.Timer(0.02, stop.set).start()
    assert not source.wait(PATIENCE, stop)
    threading.Timer(0.02, source.close).start()
    assert not source.wait(PATIENCE)


def test_another_file_in_its_place_is_read_anew(tmp_path: Path, path: Path, source: MinnaTasks) -> None:
    seen = task_of(source, "proj~7")
    other = make(tmp_path / "other.db", LAYOUTS["entities by number, times by default"], [("task:x", "status", "done")])
    other.replace(path)
    assert source.is_stale()
    assert source.carry_out([move(seen, Action.SUBMIT)])[0].code is Code.CONFLICT
    assert [task.id for task in source.look().tasks] == ["x"]
    path.unlink()
    assert source.is_stale()
    with pytest.raises(StoreError) as caught:
        source.look()
    assert caught.value.fault is Fault.MISSING


def test_a_lock_that_is_never_let_go_is_told(path: Path) -> None:
    with closing(MinnaTasks(path, patience=0.02)) as source, closing(apsw.Connection(str(path))) as other:
        seen = task_of(source, "proj~7")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError) as caught:
            source.carry_out([move(seen, Action.SUBMIT)])
        assert caught.value.fault is Fault.BUSY
        assert "nothing was changed" in caught.value.message
        assert source.look().tasks
        other.execute("ROLLBACK")
        assert do(source, seen, Action.SUBMIT).state is State.REVIEW


def test_who_is_writing_keeps_nobody_from_telling_that_nothing_is_new(path: Path, source: MinnaTasks) -> None:
    source.look()
    with closing(apsw.Connection(str(path))) as other:
        other.execute("BEGIN EXCLUSIVE; UPDATE memories SET confidence = 0.5")
        assert not source.is_stale()
        other.execute("COMMIT")
    assert source.is_stale()


def test_of_two_who_write_at_once_one_wins(path: Path) -> None:
    start = threading.Barrier(4)
    refused: list[int] = []

    def race() -> None:
        with closing(MinnaTasks(path)) as source:
            moves = [move(task, Action.FAIL, note="why") for task in source.look().tasks]
            start.wait()
            refused.append(len(source.carry_out(moves)))

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(refused) == [0, 2, 2, 2]
    assert values(path, "status") == ["failed", "in_progress", "pending"]
    assert values(path, "error") == ["why"]


def test_of_a_move_that_is_killed_all_rows_are_there_or_none(tmp_path: Path) -> None:
    whole = make(tmp_path / "whole.db", LAYOUTS["one table"]).read_bytes()
    path = tmp_path / "minna.db"

    def work() -> None:
        with closing(MinnaTasks(path)) as source:
            source.carry_out([move(task_of(source, "proj~7"), Action.FAIL, note="why")])

    ends = set()
    for step in range(1, 100):
        for left in tmp_path.glob("minna.db*"):
            left.unlink()
        path.write_bytes(whole)
        was_killed = killed(work, step)
        ends.add((values(path, "status")[0], tuple(values(path, "error"))))
        if not was_killed:
            break
    assert ends == {("in_progress", ()), ("failed", ("why",))}
    assert step > 5


@pytest.mark.parametrize(
    "told",
    [
        b"\xff\xfe",
        "x" * 500_000,
        "[" * 100_000,
        "9" * 50,
        9_223_372_036_854_775_807,
        float("inf"),
        "\0",
        "\u202e\x1b[2J\r\n",
        None,
        "",
    ],
    ids=lambda told: repr(told)[:12],
)
def test_whatever_a_memory_holds_is_shown_or_told(path: Path, source: MinnaTasks, told: object) -> None:
    sql(path, "CREATE TABLE loose AS SELECT * FROM memories; DROP TABLE memories; ALTER TABLE loose RENAME TO memories")
    attributes = ("title", "status", "description", "result", "attempts", "priority", "tags", "not_before", "mood")
    for attribute in attributes:
        sql(path, FLAT_INSERT, ("task:proj:7", attribute, told, iso(BEGAN + 20)))
    sql(path, FLAT_INSERT, ("task:proj:8", told, told, told))
    sql(path, FLAT_INSERT, (told, told, told, iso(BEGAN + 20)))
    sql(path, "UPDATE memories SET confidence = 9e999, verified_at = x'00'")
    sight = source.look()
    tasks = {task.id: task for task in sight.tasks}
    assert tasks.keys() == {"proj~7", "proj~8"}
    assert all(flaw.isprintable() and len(flaw) < 1000 for flaw in sight.flaws)
    seven = tasks["proj~7"]
    assert seven.title.strip()
    assert not isinstance(
        transition(seven, command("proj~7", Action.EDIT, actor="a", priority=1), clock.utc_now()), Refusal
    )


def test_a_text_that_is_no_utf8_is_told(path: Path, source: MinnaTasks) -> None:
    sql(path, "UPDATE memories SET value = CAST(x'ff' AS TEXT) WHERE attribute = 'description'")
    with pytest.raises(StoreError) as caught:
        source.look()
    assert caught.value.fault is Fault.DAMAGED
    assert "UTF-8" in caught.value.message


@pytest.mark.parametrize("name", ["task:", "task:" + "x" * 300, "task:" + "é" * 60])
def test_an_entity_whose_name_is_no_id_is_told(path: Path, source: MinnaTasks, name: str) -> None:
    stored(path, (name, "status", "pending", iso(BEGAN)))
    sight = source.look()
    assert len(sight.tasks) == 2
    assert "cannot be shown" in sight.flaws[0]
    assert len(sight.flaws[0]) < 400


def test_a_name_that_looks_like_a_path_leads_nowhere(path: Path, source: MinnaTasks) -> None:
    stored(path, ("task:../../etc/passwd", "status", "pending", iso(BEGAN)))
    task = task_of(source, "..~.2F..~.2Fetc~.2Fpasswd")
    assert do(source, task, Action.START).state is State.IN_PROGRESS
    assert values(path, "status", "task:../../etc/passwd") == ["in_progress", "pending"]


def test_a_damaged_file_is_told(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    with pytest.raises(StoreError) as caught:
        MinnaTasks(path)
    assert caught.value.fault is Fault.DAMAGED


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_file_that_may_not_be_written_to_is_shown(mode: str) -> None:
    with open_folder() as folder:
        path = make(folder / "minna.db", LAYOUTS["one table"])
        sql(path, f"PRAGMA journal_mode = {mode}")
        path.chmod(0o444)
        folder.chmod(0o555)

        def check() -> None:
            with closing(MinnaTasks(path)) as source:
                seven, _ = source.look().tasks
                assert source.read_only == "the file or its folder cannot be written to"
                assert source.carry_out([move(seven, Action.SUBMIT)])[0].code is Code.READ_ONLY
                assert not source.is_stale()

        unprivileged(check)


def test_it_is_a_store_like_any_other(path: Path, memory: MinnaMemory) -> None:
    with closing(open_store(f"minna:{path}")) as store:
        outcomes = store.apply([command("proj~7", Action.SUBMIT, actor="ada", result={"a": 1})])
        assert outcomes[0].refusal is None
        assert memory.recall("task:proj:7", "status")[0]["value"] == "review"
        memory.store("task:proj:7", "status", "completed")
        task = store.get("proj~7")
        assert task is not None
        assert (task.state, task.result) == (State.COMPLETED, {"a": 1})
        told = [(event.actor, event.action) for event in store.events("proj~7")]
    assert told == [("external", "add"), ("ada", "submit"), ("external", "approve")]
    with closing(open_store(str(path))) as store:
        assert store.kind == "Minna Memory"


names = st.sampled_from(["a", "b~c", "d"])


class Moves(RuleBasedStateMachine):
    """Whatever is moved, by us and by others, tasks are what was said last, and no memory is lost or changed."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "minna.db"
        self.memory = MinnaMemory(self.path)
        self.source = MinnaTasks(self.path)
        self.seen: dict[str, Task] = {}
        self.stands: dict[str, State] = {}
        self.touched: set[str] = set()
        self.rows: list[Any] = []

    def teardown(self) -> None:
        self.source.close()
        self.memory.close()
        self.folder.cleanup()

    @rule(name=names, state=st.sampled_from(State))
    def theirs(self, name: str, state: State) -> None:
        self.memory.store(f"task:{name.replace('~', ':')}", "status", state)
        self.stands[name] = state
        self.touched.add(name)

    @rule(name=names)
    def noted(self, name: str) -> None:
        if name in self.stands:
            self.memory.store(f"task:{name.replace('~', ':')}", "progress", "half")

    @rule()
    def look(self) -> None:
        self.seen = {task.id: task for task in self.source.look().tasks}
        self.touched = set()
        assert {task.id: task.state for task in self.seen.values()} == self.stands

    @rule(name=names, choice=st.integers(0, 9))
    def ours(self, name: str, choice: int) -> None:
        task = self.seen.get(name)
        if task is None:
            asked = move(name, Action.ADD, title=name)
        else:
            actions = [*actions_from(task.state), Action.EDIT]
            action = actions[choice % len(actions)]
            asked = move(task, action, note="why", **({"priority": choice} if action is Action.EDIT else {}))
        refused = self.source.carry_out([asked])
        is_late = name in self.touched or (task is None and name in self.stands)
        assert ([refusal.code for refusal in refused.values()] == [Code.CONFLICT]) is is_late
        assert is_late or not refused
        if not is_late:
            self.stands[name] = asked.task.state
        self.look()

    @invariant()
    def nothing_is_lost(self) -> None:
        rows = self.memory.recall()[::-1]
        assert rows[: len(self.rows)] == self.rows
        self.rows = rows
        for name, state in self.stands.items():
            assert self.memory.recall(f"task:{name.replace('~', ':')}", "status")[0]["value"] == state


TestMoves = Moves.TestCase
TestMoves.settings = settings(max_examples=8, stateful_step_count=12, deadline=None)
