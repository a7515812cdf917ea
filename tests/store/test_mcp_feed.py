"""A server of which not all is read again when something changed, good ones and hostile ones: no change is hidden."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskdeck_store import Action, State, Store, clock, command, open_store
from taskdeck_store.contract import StoreError
from taskdeck_store.mcp.client.source import KIND
from taskdeck_store.source import Source
from taskdeck_store.values import EXTERNAL

RAW = Path(__file__).with_name("mcp_raw.py")
CLIENT = "taskdeck_store.mcp.client"
PATIENCE = 10.0

Open = Callable[..., Source]


def row(number: int, status: str = "pending", **more: Any) -> dict[str, Any]:
    return {"id": f"task-{number}", "description": f"do {number}", "status": status, "attempts": 0, **more}


class Queue:
    """The file of a server, and what was read of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write(*(row(number) for number in range(7)))

    def write(self, *rows: dict[str, Any]) -> None:
        partial = self.path.with_suffix(".new")
        partial.write_text(json.dumps(rows))
        partial.replace(self.path)

    def states(self) -> dict[str, str]:
        return {task["id"]: task["status"] for task in json.loads(self.path.read_text())}

    def read(self) -> list[str]:
        """Return the URIs that were read since this was last asked."""
        diary = self.path.with_suffix(".diary")
        found = diary.read_text().split()
        diary.write_text("")
        return found

    def address(self, *traits: str) -> str:
        return "mcp:" + shlex.join([sys.executable, "-S", "-E", str(RAW), str(self.path), "diary", *traits])


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(tmp_path / "queue.json")


@pytest.fixture
def opened(queue: Queue) -> Iterator[Open]:
    made: list[Source] = []

    def open_source(*traits: str) -> Source:
        made.append(KIND.open(queue.address(*traits)))
        return made[-1]

    yield open_source
    for source in made:
        source.close()


@pytest.fixture
def asks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{CLIENT}.connection._HEARTBEAT", 0.05)
    monkeypatch.setattr(f"{CLIENT}.connection._ASK_FIRST", 0.05)
    monkeypatch.setattr(f"{CLIENT}.connection._WORD_OF_IT", 0.01)
    monkeypatch.setattr(f"{CLIENT}.connection._SHARE", 1)


@pytest.fixture
def asks_never(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{CLIENT}.connection._HEARTBEAT", 1_000.0)
    monkeypatch.setattr(f"{CLIENT}.connection._ASK_FIRST", 1_000.0)


def states(source: Source) -> dict[str, str]:
    return {task.id: task.state.value for task in source.look().tasks}


def shows(source: Source, queue: Queue) -> None:
    """Wait until a source, asked only when it says that it is to be, shows what is there."""
    end = time.monotonic() + PATIENCE
    seen: dict[str, str] | None = None
    while seen != queue.states():
        assert time.monotonic() < end, f"{seen} is not {queue.states()}"
        source.wait(0.05)
        if source.is_stale():
            seen = states(source)


@pytest.mark.usefixtures("asks_never")
def test_only_what_the_feed_tells_is_read_again(opened: Open, queue: Queue) -> None:
    source = opened("feed", "subscribe")
    assert states(source) == queue.states()
    queue.read()
    queue.write(row(9), *(row(number, "failed" if number == 3 else "pending") for number in range(6)))
    shows(source, queue)
    assert {uri.partition("=")[0] for uri in queue.read()} == {"task://changes?after"}
    assert not source.is_stale()


_TASKS = st.dictionaries(st.integers(0, 9), st.sampled_from(["pending", "in_progress", "completed", "failed"]))


@pytest.mark.usefixtures("asks_never")
def test_whatever_changes_a_look_shows_what_is_there(opened: Open, queue: Queue) -> None:
    source = opened("feed")

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.tuples(_TASKS, st.booleans()), max_size=5))
    def run(turns: list[tuple[dict[int, str], bool]]) -> None:
        for tasks, more in turns:
            rows = [row(number, word, **({"owner": "x"} if more else {})) for number, word in tasks.items()]
            queue.write(*rows)
            seen = {task.id: (task.state.value, task.owner) for task in source.look().tasks}
            assert seen == {one["id"]: (one["status"], one.get("owner")) for one in rows}

    run()


@pytest.mark.usefixtures("asks_never")
def test_what_changes_while_it_is_read_is_not_missed(opened: Open, queue: Queue) -> None:
    source = opened("feed", "moving")
    assert states(source) == queue.states()
    assert queue.states()["task-0"] == "completed"


@pytest.mark.usefixtures("asks_often")
@pytest.mark.parametrize("traits", [("feed", "half"), ("feed", "mute"), ("feed",), ("half-feed", "subscribe")])
def test_a_change_of_which_no_word_came_is_found(opened: Open, queue: Queue, traits: tuple[str, ...]) -> None:
    source = opened(*traits)
    states(source)
    words = ("in_progress", "completed", "pending", "failed")
    for turn, word in enumerate(words):
        queue.write(*(row(number, word if number == 1 else "pending") for number in range(7)))
        shows(source, queue)
        rows = [row(number, word if number in (turn, turn + 1) else "pending") for number in range(turn, 8)]
        queue.write(*rows, row(90 + turn))
        shows(source, queue)


@pytest.mark.usefixtures("asks_never")
def test_a_feed_that_counts_otherwise_is_not_believed(opened: Open, queue: Queue) -> None:
    source = opened("wrong-total", "half-feed")
    states(source)
    queue.write(row(1, "completed"))
    assert states(source) == queue.states()


@pytest.mark.usefixtures("asks_never")
def test_where_the_list_of_resources_is_another_all_is_read_anew(opened: Open, queue: Queue) -> None:
    source = opened("half-feed", "relists")
    states(source)
    queue.write(*(row(number, "completed") for number in range(7)))
    shows(source, queue)


@pytest.mark.usefixtures("asks_never")
def test_a_server_that_came_back_is_read_anew(opened: Open, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{CLIENT}.link._FIRST_PAUSE", 0.05)
    source = opened("feed")
    states(source)
    queue.write(*(row(number, "failed") for number in range(7)))
    (running,) = (one for one in psutil.Process().children() if str(queue.path) in one.cmdline())
    running.kill()
    end = time.monotonic() + PATIENCE
    while True:
        try:
            source.wait(1.0)
            # Its feed begins anew, and says under the old cursor that nothing changed.
            assert states(source) == queue.states()
            return
        except StoreError:
            assert time.monotonic() < end


def start(store: Store, task_id: str = "task-1") -> None:
    (outcome,) = store.apply([command(task_id, Action.START, actor="ann")])
    assert outcome.refusal is None, outcome.refusal
    assert outcome.event is not None
    assert (outcome.event.actor, outcome.task and outcome.task.state) == ("ann", State.IN_PROGRESS)


@pytest.mark.usefixtures("asks_never")
@pytest.mark.parametrize(
    ("traits", "read"),
    [
        (("each",), ["task://task-1", "task://task-1"]),
        (("each-more",), ["task://task-1", "task://queue", "task://queue"]),
        (("each-later",), ["task://task-1", "task://task-1", "task://queue"]),
        (("each-owner",), ["task://task-1", "task://task-1", "task://queue"]),
        (("each-late",), ["task://task-1", "task://task-1", "task://queue"]),
        (("each-other",), ["task://task-1", "task://queue", "task://queue"]),
        ((), ["task://queue", "task://queue"]),
    ],
)
def test_a_move_is_verified_by_the_task_alone_where_that_tells_the_same(
    queue: Queue, traits: tuple[str, ...], read: list[str]
) -> None:
    with closing(open_store(queue.address(*traits))) as store:
        queue.read()
        start(store)
        assert queue.read() == read
        queue.write(row(1, "completed"), row(2))
        with closing(open_store(queue.address(*traits))) as other:
            assert {task.id for task in other.tasks()} == {"task-1", "task-2"}
        assert [event.actor for event in store.events("task-1")] == [EXTERNAL, "ann", EXTERNAL]


@pytest.mark.usefixtures("asks_never")
@pytest.mark.parametrize("traits", [("each",), ("feed",)])
def test_a_task_that_changed_before_it_is_moved_is_a_conflict(queue: Queue, traits: tuple[str, ...]) -> None:
    with closing(open_store(queue.address(*traits))) as store:
        queue.write(*(row(number, attempts=int(number == 1)) for number in range(7)))
        (outcome,) = store.apply([command("task-1", Action.START, actor="ann")])
        assert outcome.refusal is not None
        assert "changed" in outcome.refusal.message
        start(store)


@pytest.mark.usefixtures("asks_never")
@pytest.mark.parametrize("traits", [("each", "liar"), ("feed", "liar")])
def test_a_liar_is_found_out(queue: Queue, traits: tuple[str, ...]) -> None:
    with closing(open_store(queue.address(*traits))) as store:
        (outcome,) = store.apply([command("task-1", Action.START, actor="ann")])
        assert outcome.refusal is not None
        assert "it is pending there all the same" in outcome.refusal.message


def test_the_log_is_the_same_whatever_is_read_again(
    queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = []
    for traits in ((), ("each",), ("paged",), ("feed",)):
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / f"machine-{len(logs)}"))
        queue.write(*(row(number) for number in range(7)))
        with closing(open_store(queue.address("subscribe", *traits), now=clock.utc_now)) as store:
            start(store, "task-3")
            queue.write(row(8), *(row(number, "in_progress" if number in (3, 5) else "pending") for number in range(6)))
            while store.get("task-8") is None:
                store.wait(PATIENCE)
            asked = [command("task-3", action, actor="ann", result="r") for action in (Action.SUBMIT, Action.APPROVE)]
            asked[1] = command("task-3", Action.APPROVE, actor="ann")
            assert all(outcome.event for outcome in store.apply(asked))
            start(store, "task-8")
            told = [(one.task_id, one.actor, one.action, one.note, one.changes.keys()) for one in store.events()]
            logs.append((told[:7], sorted(told[7:], key=str)))
    assert logs[1:] == logs[:1] * 3
