"""Task Master: what its file says, and what a move leaves of it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foreign.files import AT, move, moved, stringified, subtask, tagged, task, task_master
from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.machine import Code
from taskdeck_store.source import Sight
from taskdeck_store.sources.taskmaster import KIND, TaskMaster
from taskdeck_store.sources.taskmasterfile import LIMITS
from taskdeck_store.values import Action, State, Task

WORDS = list(LIMITS.words)


def opened(path: Path, **options: Any) -> TaskMaster:
    return TaskMaster(str(path), now=lambda: AT, **options)


def by_id(sight: Sight) -> dict[str, Task]:
    return {task.id: task for task in sight.tasks}


def test_tasks_and_subtasks_of_all_tags_are_shown(tmp_path: Path) -> None:
    first = task(1, priority="high", subtasks=[subtask(1), subtask(2, dependencies=[1], status="done")])
    document = tagged(first, task(2, dependencies=[1, "1.2"], status="in-progress"), other=[task(1, status="review")])
    sight = opened(task_master(tmp_path, document)).look()
    assert not sight.flaws
    tasks = by_id(sight)
    assert list(tasks) == ["1", "1.1", "1.2", "2", "other~1"]
    assert [task.state for task in sight.tasks] == [
        State.PENDING,
        State.PENDING,
        State.COMPLETED,
        State.IN_PROGRESS,
        State.REVIEW,
    ]
    assert tasks["1.1"].priority == tasks["1"].priority == 2
    assert tasks["1.2"].depends_on == ("1.1",)
    assert tasks["2"].depends_on == ("1", "1.2")
    assert tasks["other~1"].tags == ("other",)
    assert tasks["other~1"].extra["tag"] == "other"


def test_a_file_from_before_there_were_tags_has_the_tasks_of_one(tmp_path: Path) -> None:
    path = task_master(tmp_path, {"tasks": [task(1)], "metadata": {"projectName": "x"}})
    source = opened(path)
    assert by_id(source.look())["1"].tags == ("master",)
    assert not source.carry_out([move(source, "1", Action.START)])
    assert json.loads(path.read_text())["tasks"][0]["status"] == "in-progress"


@pytest.mark.parametrize(("word", "state"), LIMITS.words.items())
def test_every_state_is_shown_and_its_word_kept(tmp_path: Path, word: str, state: State) -> None:
    (shown,) = opened(task_master(tmp_path, tagged(task(1, status=word)))).look().tasks
    assert shown.state is state
    says_more = word in ("deferred", "blocked", "cancelled")
    assert (word in shown.tags) == says_more
    assert ("status" in shown.extra) == (says_more or word == "completed")


def test_what_is_unknown_is_shown_with_a_flaw(tmp_path: Path) -> None:
    document = tagged(
        task(1, status="paused", priority="urgent"),
        task(1),
        task(2, dependencies=[9]),
        task(3, dependencies=[4]),
        task(4, dependencies=[3]),
        {"title": "none"},
        "none",  # type: ignore[arg-type]
    )
    sight = opened(task_master(tmp_path, document)).look()
    tasks = by_id(sight)
    assert list(tasks) == ["1", "2", "3", "4"]
    assert tasks["1"].extra | {"status": "paused", "priority": "urgent"} == tasks["1"].extra
    assert [tasks[task_id].depends_on for task_id in "234"] == [(), (), ()]
    assert tasks["3"].extra["dependencies"] == [4]
    told = "\n".join(sight.flaws)
    for part in ("paused", "second task", "there is no 9", "3 says", "4 says", "task 6 has no id", "task 7 has no id"):
        assert part in told


def test_ids_that_no_uri_can_hold_are_spelled_so_that_one_can(tmp_path: Path) -> None:
    document = tagged(task("../../etc"), task("a b~c"), **{"feature/x y": [task(1)]})  # type: ignore[arg-type]
    path = task_master(tmp_path, document)
    source = opened(path)
    assert list(by_id(source.look())) == ["..~~2F..~~2Fetc", "a~~20b~~7Ec", "feature~~2Fx~~20y~1"]
    assert not source.carry_out([move(source, "feature~~2Fx~~20y~1", Action.START)])
    assert json.loads(path.read_text())["feature/x y"]["tasks"][0]["status"] == "in-progress"


def test_a_move_changes_the_bytes_of_what_it_moves_and_no_others(tmp_path: Path) -> None:
    odd = task(1, title="Grüße \u2028 \x7f", subtasks=[subtask(1, status="done")], own={"z": 1, "a": [1.50, 1e3]})
    path = task_master(tmp_path, tagged(odd, task(2)))
    path.write_text(path.read_text().replace("1000.0", "1E3") + "\n\n")
    before = path.read_text()
    source = opened(path)
    assert not source.carry_out([move(source, "2", Action.START), move(source, "1.1", Action.EDIT, title='"New"')])
    after = path.read_text()
    expected = before.replace('"title": "Sub 1"', '"title": "\\"New\\""')
    head, mark, tail = expected.rpartition('"status": "pending"')
    expected = head + mark.replace("pending", "in-progress") + tail
    assert after == expected.replace('"updated": "2026-01-01T00:00:00.000Z"', '"updated": "2026-01-31T09:05:00.123Z"')


def test_what_task_master_keeps_anew_with_a_change_is_kept_anew_where_it_is_there(tmp_path: Path) -> None:
    document = tagged(task(1, status="review", updatedAt="2026-01-01T00:00:00.000Z"), task(2, status="done"))
    document["master"]["metadata"] = {"version": "1.0.0", "lastModified": "x", "taskCount": 7, "completedCount": 1}
    path = task_master(tmp_path, document)
    source = opened(path)
    assert not source.carry_out([move(source, "1", Action.APPROVE)])
    after = json.loads(path.read_text())["master"]
    assert after["tasks"][0] == document["master"]["tasks"][0] | {
        "status": "done",
        "updatedAt": "2026-01-31T09:05:00.123Z",
    }
    assert after["metadata"] == {
        "version": "1.0.0",
        "lastModified": "2026-01-31T09:05:00.123Z",
        "taskCount": 2,
        "completedCount": 2,
    }


def test_a_task_is_added_as_its_neighbours_are(tmp_path: Path) -> None:
    path = task_master(tmp_path, tagged(task(1), empty=[]))
    source = opened(path)
    moves = [
        moved(None, "7", Action.ADD, title="Seven", depends_on=["1"]),
        moved(None, "empty~1", Action.ADD, title="One", priority=2),
    ]
    assert not source.carry_out(moves)
    after = json.loads(path.read_text())
    assert after["master"]["tasks"][1] == task(7, title="Seven", description="Seven", dependencies=[1])
    one = task("1", title="One", description="One", priority="high")  # type: ignore[arg-type]
    assert after["empty"]["tasks"] == [one]
    assert path.read_text() == stringified(after)
    assert by_id(source.look())["7"].depends_on == ("1",)


def test_a_task_is_added_where_it_is_to_stand(tmp_path: Path) -> None:
    document = tagged(task(1, status="done"))
    document["master"]["metadata"] = {"taskCount": 1, "completedCount": 1}
    path = task_master(tmp_path, document)
    source = opened(path)
    done = moved(None, "2", Action.ADD, Action.START, Action.SUBMIT, Action.APPROVE, title="Two")
    begun = moved(None, "3", Action.ADD, Action.START, title="Three", depends_on=["2"])
    assert not source.carry_out([done, begun])
    after = json.loads(path.read_text())["master"]
    assert [found["status"] for found in after["tasks"]] == ["done", "done", "in-progress"]
    assert after["tasks"][2]["dependencies"] == [2]
    assert after["metadata"] == {"taskCount": 3, "completedCount": 2}


def test_the_id_that_is_offered_is_free_after_what_is_added_beside_it(tmp_path: Path) -> None:
    source = opened(task_master(tmp_path, tagged(task(1))))
    refused = source.carry_out([moved(None, "2", Action.ADD, title="Two"), moved(None, "t-1", Action.ADD, title="x")])
    assert "take 3" in refused[1].message


REFUSED: dict[str, tuple[str, tuple[Action, ...], dict[str, Any], str]] = {
    "a failure": ("1", (Action.FAIL,), {"error": "x"}, "no state for a task that failed"),
    "a priority without a word": ("1", (Action.EDIT,), {"priority": 3}, "critical (1), high (2)"),
    "tags": ("1", (Action.EDIT,), {"tags": ["x"]}, "its tags say where it lies"),
    "a key that is not there": ("1.1", (Action.EDIT,), {"priority": 5}, "no priority"),
    "a task of another tag to wait for": ("1", (Action.EDIT,), {"depends_on": ["other~1"]}, "its own tag"),
    "a subtask that waits for a task": ("1.1", (Action.EDIT,), {"depends_on": ["2"]}, "subtask on subtasks"),
    "an id that is no number": ("t-1", (Action.ADD,), {"title": "x"}, "take 3"),
    "a tag that is not there": ("none~1", (Action.ADD,), {"title": "x"}, "take 3"),
    "no description": ("1", (Action.EDIT,), {"description": " "}, "reads no file in which a task has no description"),
    "a task without one": ("9", (Action.ADD,), {"title": "x", "description": ""}, "has no description"),
    "a number without a word": ("9", (Action.ADD,), {"title": "x", "priority": 4}, "critical (1), high (2)"),
}


@pytest.mark.parametrize(("task_id", "actions", "fields", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_the_format_cannot_say_is_refused(
    tmp_path: Path, task_id: str, actions: tuple[Action, ...], fields: dict[str, Any], reason: str
) -> None:
    path = task_master(tmp_path, tagged(task(1, priority="high", subtasks=[subtask(1)]), task(2), other=[task(1)]))
    before = path.read_bytes()
    source = opened(path)
    refused = source.carry_out([move(source, task_id, *actions, **fields)])
    assert reason in refused[0].message
    assert path.read_bytes() == before


def test_what_it_depends_on_is_written_as_its_tag_says_it(tmp_path: Path) -> None:
    path = task_master(tmp_path, tagged(task(1, subtasks=[subtask(1), subtask(2)]), task(2), task(3)))
    source = opened(path)
    moves = [
        move(source, "3", Action.EDIT, depends_on=["2", "1.1"]),
        move(source, "1.2", Action.EDIT, depends_on=["1.1"]),
    ]
    assert not source.carry_out(moves)
    tasks = json.loads(path.read_text())["master"]["tasks"]
    assert tasks[2]["dependencies"] == [2, "1.1"]
    assert tasks[0]["subtasks"][1]["dependencies"] == [1]
    assert by_id(source.look())["3"].depends_on == ("2", "1.1")


def test_a_task_that_changed_is_a_conflict_and_others_are_merged(tmp_path: Path) -> None:
    path = task_master(tmp_path, tagged(task(1), task(2), task(3)))
    source = opened(path)
    moves = [move(source, task_id, Action.START) for task_id in "123"]
    document = json.loads(path.read_text())
    document["master"]["tasks"][0]["status"] = "deferred"
    document["master"]["tasks"][1]["title"] = "Another"
    document["master"]["tasks"][2]["details"] = "more"
    path.write_text(stringified(document))
    refused = source.carry_out(moves)
    assert {number: refusal.code for number, refusal in refused.items()} == {0: Code.CONFLICT, 1: Code.CONFLICT}
    tasks = json.loads(path.read_text())["master"]["tasks"]
    assert [task["status"] for task in tasks] == ["deferred", "pending", "in-progress"]
    assert tasks[2]["details"] == "more"


def test_a_task_that_depends_on_one_that_is_gone_still_waits_for_the_others(tmp_path: Path) -> None:
    path = task_master(tmp_path, tagged(task(1), task(2, dependencies=[9, 1])))
    sight = opened(path).look()
    assert [each.depends_on for each in sight.tasks] == [(), ("1",)]
    assert sight.flaws == ("2 says dependencies, but there is no 9; so it waits for the others here",)


def test_submit_and_approve_in_one_commit(tmp_path: Path) -> None:
    path = task_master(tmp_path, tagged(task(1, status="in-progress")))
    source = opened(path)
    assert not source.carry_out([move(source, "1", Action.SUBMIT, Action.APPROVE)])
    assert json.loads(path.read_text())["master"]["tasks"][0]["status"] == "done"


@pytest.mark.parametrize("as_file", [False, True])
def test_its_lock_is_waited_for_and_a_stale_one_taken_over(tmp_path: Path, as_file: bool) -> None:
    path = task_master(tmp_path, tagged(task(1)))
    lock = path.with_name("tasks.json.lock")
    lock.touch() if as_file else lock.mkdir()
    source = opened(path, patience=0.03)
    with pytest.raises(StoreError, match=r"tasks\.json\.lock") as caught:
        source.carry_out([move(source, "1", Action.START)])
    assert caught.value.fault is Fault.BUSY
    os.utime(lock, (time.time() - 11, time.time() - 11))
    assert not source.carry_out([move(source, "1", Action.START)])
    assert not lock.exists()
    assert sorted(found.name for found in path.parent.iterdir()) == ["tasks.json"]


@pytest.mark.soak
def test_who_was_killed_with_its_lock_makes_others_wait_and_no_more(tmp_path: Path) -> None:
    path = task_master(tmp_path, tagged(task(1)))
    lock = path.with_name("tasks.json.lock")
    lock.mkdir()
    os.utime(lock, (time.time() - 4, time.time() - 4))
    source = TaskMaster(str(path))
    assert not source.carry_out([move(source, "1", Action.START)])


def test_who_lost_the_lock_meanwhile_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from taskdeck_store.replacement import Replacement

    path = task_master(tmp_path, tagged(task(1)))
    before = path.read_bytes()
    source = opened(path)
    seen = move(source, "1", Action.START)
    lock = path.with_name("tasks.json.lock")
    write = Replacement.write

    def taken_over(self: Replacement, content: bytes) -> None:
        lock.rmdir()
        lock.mkdir()
        write(self, content)

    monkeypatch.setattr(Replacement, "write", taken_over)
    with pytest.raises(StoreError, match="taken over"):
        source.carry_out([seen])
    assert path.read_bytes() == before
    assert lock.is_dir()


def test_a_link_to_the_file_stays_one(tmp_path: Path) -> None:
    path = task_master(tmp_path / "real", tagged(task(1)))
    link = tmp_path / "tasks.json"
    link.symlink_to(path)
    source = opened(link)
    assert source.place == str(path.resolve())
    assert not source.carry_out([move(source, "1", Action.START)])
    assert link.is_symlink()
    assert json.loads(path.read_text())["master"]["tasks"][0]["status"] == "in-progress"


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    texts = st.text(max_size=8)
    value = st.one_of(texts, st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.none(), st.booleans())

    def one(number: int, make: Any) -> dict[str, Any]:
        made: dict[str, Any] = make(
            number,
            title=draw(texts),
            status=draw(st.sampled_from([*WORDS, "odd"])),
            priority=draw(st.sampled_from(["high", "medium", "low", "odd"])),
            dependencies=draw(st.lists(st.sampled_from([1, 2, "1", "1.1", "x"]), max_size=2)),
        )
        return made | draw(st.dictionaries(st.text(min_size=1, max_size=4), value, max_size=2))

    def some() -> list[dict[str, Any]]:
        return [
            one(number, task) | {"subtasks": [one(sub, subtask) for sub in range(1, draw(st.integers(1, 3)))]}
            for number in range(1, draw(st.integers(2, 4)))
        ]

    return tagged(*some(), **{draw(st.sampled_from(["other", "a b", "ä"])): some()})


@given(data=st.data(), document=documents(), indent=st.sampled_from([2, 4, None]))
@settings(max_examples=40)
def test_any_moves_leave_everything_else_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, document: dict[str, Any], indent: int | None
) -> None:
    path = task_master(tmp_path_factory.mktemp("any"), document)
    text = json.dumps(document, indent=indent, ensure_ascii=data.draw(st.booleans()))
    path.write_text(text, encoding="utf-8")
    source = opened(path)
    model = by_id(source.look())
    for _ in range(2):
        task_id = data.draw(st.sampled_from(sorted(model)))
        action = {State.PENDING: Action.START, State.IN_PROGRESS: Action.SUBMIT, State.REVIEW: Action.APPROVE}.get(
            model[task_id].state, Action.EDIT
        )
        if action is Action.START and model[task_id].blocked:
            continue
        fields = {"title": "ein Titel"} if action is Action.EDIT else {}
        asked = moved(model[task_id], task_id, action, **fields)
        before = json.loads(path.read_text(encoding="utf-8"))
        assert not source.carry_out([asked])
        after = by_id(source.look())
        assert after[task_id].state is asked.task.state
        assert after[task_id].title == asked.task.title
        for other in model.keys() - {task_id}:
            assert after[other] == model[other]
        model = after
        lines = _differing(before, json.loads(path.read_text(encoding="utf-8")))
        assert lines <= {"status", "title", "updatedAt", "updated"}


def _differing(before: Any, after: Any, key: str = "") -> set[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        assert list(before) == list(after)
        return {found for name in before for found in _differing(before[name], after[name], name)}
    if isinstance(before, list) and isinstance(after, list):
        assert len(before) == len(after)
        return {found for one, other in zip(before, after, strict=True) for found in _differing(one, other, key)}
    return set() if before == after else {key}


def test_it_is_known_by_what_is_in_it(tmp_path: Path) -> None:
    path = task_master(tmp_path, tagged(task(1)))
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_bytes(path.read_bytes())
    assert KIND.recognises(path)
    assert KIND.recognises(elsewhere)
    assert list(KIND.nearby(tmp_path)) == [str(path)]
    for text in ('{"tasks": [{"id": 1, "status": "pending"}], "metadata": {}}', "[]", "{}", '{"a": {"b": 1}}'):
        elsewhere.write_text(text)
        assert not KIND.recognises(elsewhere)
    assert not list(KIND.nearby(tmp_path / "none"))


def test_it_is_stale_after_any_change_and_only_then(tmp_path: Path) -> None:
    path = task_master(tmp_path, tagged(task(1)))
    source = opened(path)
    assert source.is_stale()
    while source.is_stale():
        source.look()
    path.write_text(path.read_text().replace("Task 1", "Task 2"))
    assert source.is_stale()
    assert source.look().tasks[0].title == "Task 2"


def test_a_change_ends_a_wait(tmp_path: Path) -> None:
    path = task_master(tmp_path, tagged(task(1)))
    source = opened(path)
    source.look()
    assert not source.wait(0)
    path.write_text(stringified(tagged(task(2))))
    assert source.wait(5)
    source.close()


def test_what_another_program_writes_without_the_lock_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from taskdeck_store.replacement import Replacement

    path = task_master(tmp_path, tagged(task(1), task(2)))
    source = opened(path)
    moves = [move(source, "1", Action.START), move(source, "2", Action.FAIL)]
    theirs = stringified(tagged(task(1, status="deferred")))
    write = Replacement.write

    def beside(self: Replacement, content: bytes) -> None:
        write(self, content)
        path.write_text(theirs)

    monkeypatch.setattr(Replacement, "write", beside)
    refused = source.carry_out(moves)
    assert {number: refusal.code for number, refusal in refused.items()} == {0: Code.CONFLICT, 1: Code.ILLEGAL}
    assert path.read_text() == theirs
    assert sorted(found.name for found in path.parent.iterdir()) == ["tasks.json"]
