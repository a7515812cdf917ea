"""A source on MCP servers that run as children, good ones and hostile ones, without the SDK at their end."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskdeck_store import clock, machine, open_store
from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.machine import Code, Transition, command, transition
from taskdeck_store.mcp.client.source import KIND
from taskdeck_store.source import Move, Source
from taskdeck_store.values import Action, Json, State, Task

RAW = Path(__file__).with_name("mcp_raw.py")
PATIENCE = 10.0
CLIENT = "taskdeck_store.mcp.client"

Open = Callable[..., Source]


def listed(*tasks: dict[str, Any]) -> str:
    return json.dumps(list(tasks))


def row(number: int, status: str = "pending", **more: Any) -> dict[str, Any]:
    return {"id": f"task-{number}", "description": f"do {number}", "status": status, "attempts": 0, **more}


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what takes seconds in real life take a moment."""
    monkeypatch.setattr(f"{CLIENT}.source._AGAIN_FIRST", 0.05)
    monkeypatch.setattr(f"{CLIENT}.connection._ASK_FIRST", 0.05)
    monkeypatch.setattr(f"{CLIENT}.child._GRACE", 0.2)
    monkeypatch.setattr(f"{CLIENT}.child._MESSAGES_A_SECOND", 50_000)
    monkeypatch.setattr(f"{CLIENT}.link._FIRST_PAUSE", 0.05)


@pytest.fixture
def queue(tmp_path: Path) -> Path:
    path = tmp_path / "queue.json"
    path.write_text(listed(row(1), row(2, "in_progress"), row(3, "failed")))
    return path


def address(queue: Path, *traits: str) -> str:
    return "mcp:" + shlex.join([sys.executable, "-S", "-E", str(RAW), str(queue), *traits])


@pytest.fixture
def opened(queue: Path) -> Iterator[Open]:
    made: list[Source] = []

    def open_source(*traits: str) -> Source:
        made.append(KIND.open(address(queue, *traits)))
        return made[-1]

    yield open_source
    for source in made:
        source.close()
    assert not children()


def children() -> list[psutil.Process]:
    return [one for one in psutil.Process().children(recursive=True) if str(RAW) in one.cmdline()]


def until(is_so: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.005)


def trouble(source: Source) -> StoreError:
    with pytest.raises(StoreError) as caught:
        source.look()
    assert caught.value.message.isprintable()
    return caught.value


def task(source: Source, task_id: str) -> Task:
    return next(one for one in source.look().tasks if one.id == task_id)


def do(source: Source, seen: Task, *actions: Action, **fields: Json) -> str | None:
    """Carry out actions on a task; return the refusal's message, if it is refused."""
    after = seen
    asked = []
    for action in actions:
        one = command(seen.id, action, actor="ann", note="why", **fields)
        made = transition(after, one, clock.utc_now())
        assert isinstance(made, Transition)
        after, fields = made.task, {}
        asked.append(one)
    refused = source.carry_out([Move(commands=tuple(asked), seen=seen, task=after)])
    return refused[0].message if refused else None


def test_the_tasks_of_a_server_are_read(opened: Open, queue: Path) -> None:
    source = opened()
    assert source.is_stale()
    sight = source.look()
    assert [(one.id, one.title, one.state) for one in sight.tasks] == [
        ("task-1", "do 1", State.PENDING),
        ("task-2", "do 2", State.IN_PROGRESS),
        ("task-3", "do 3", State.FAILED),
    ]
    assert sight.flaws == ()
    assert not source.is_stale()
    assert source.limits.fields == ("id", "title", "state", "attempts")
    assert list(source.limits.words) == ["pending", "in_progress", "failed"]
    assert State.REVIEW in source.limits.lacks
    assert not source.limits.whole
    assert source.read_only is None
    assert source.place == f"{address(queue)} in {Path.cwd()}"


def test_a_task_is_moved_by_the_tools(opened: Open) -> None:
    source = opened()
    assert do(source, task(source, "task-1"), Action.START) is None
    assert do(source, task(source, "task-1"), Action.SUBMIT, Action.APPROVE, result={"lines": 3}) is None
    assert task(source, "task-1").state is State.COMPLETED
    assert task(source, "task-1").result == '{"lines":3}'
    assert do(source, task(source, "task-2"), Action.FAIL) is None
    assert do(source, task(source, "task-3"), Action.RETRY) is None
    assert [one.state for one in source.look().tasks] == [State.COMPLETED, State.FAILED, State.PENDING]


def test_what_the_tools_cannot_do_is_refused_with_the_reason(opened: Open) -> None:
    source = opened("secret")
    refuses = source.limits.refuses
    assert refuses[Action.START] == "the server's start_task requires secret, which is not known here"
    assert refuses[Action.ADD] == "the server's add_task takes no id: it gives ids itself"
    assert do(source, task(source, "task-1"), Action.START) == (
        "cannot start task-1: the server's start_task requires secret, which is not known here"
    )
    assert "no review" in str(do(source, task(source, "task-2"), Action.SUBMIT))
    assert task(source, "task-2").state is State.IN_PROGRESS


def test_a_task_is_added_where_the_tool_takes_its_id(opened: Open) -> None:
    source = opened("takes-id")
    assert Action.ADD not in source.limits.refuses
    one = command("mine", Action.ADD, actor="ann", title="draw")
    made = transition(None, one, clock.utc_now())
    assert isinstance(made, Transition)
    move = Move(commands=(one,), seen=None, task=made.task)
    assert source.carry_out([move]) == {}
    assert task(source, "mine").title == "draw"
    assert source.carry_out([move])[0].code is Code.INVALID


def test_a_server_without_tools_is_read_only(opened: Open) -> None:
    source = opened("no-tools")
    assert source.read_only == "the server has no tools"
    assert len(source.look().tasks) == 3


def test_a_task_that_changed_meanwhile_is_refused_and_others_are_not(opened: Open, queue: Path) -> None:
    source = opened()
    first, second, third = source.look().tasks
    queue.write_text(listed(row(1, attempts=2), row(2, "in_progress")))
    moves = []
    for seen, action in ((first, Action.START), (second, Action.FAIL), (third, Action.RETRY)):
        one = command(seen.id, action, actor="ann", note="why")
        made = transition(seen, one, clock.utc_now())
        assert isinstance(made, Transition)
        moves.append(Move(commands=(one,), seen=seen, task=made.task))
    refused = source.carry_out(moves)
    assert {number: refusal.code for number, refusal in refused.items()} == {0: Code.CONFLICT, 2: Code.NOT_FOUND}
    assert [one.state for one in source.look().tasks] == [State.PENDING, State.FAILED]


def test_a_tool_that_compares_versions_is_told_what_was_seen(opened: Open, queue: Path) -> None:
    queue.write_text(listed(row(1, version="v1")))
    source = opened("versions")
    seen = task(source, "task-1")
    assert seen.version == "v1"
    queue.write_text(listed(row(1, version="v2")))
    assert do(source, seen, Action.START) == "cannot start task-1: the server answers: it changed meanwhile"
    assert task(source, "task-1").state is State.PENDING
    assert do(source, task(source, "task-1"), Action.START) is None
    assert task(source, "task-1").state is State.IN_PROGRESS


def test_what_a_tool_refuses_is_told_in_its_words(opened: Open) -> None:
    source = opened("refuses")
    said = do(source, task(source, "task-1"), Action.START)
    assert said == "cannot start task-1: the server answers: the queue is closed on Mondays"


def test_what_a_liar_says_is_not_what_is_read_back(opened: Open) -> None:
    source = opened("liar")
    assert do(source, task(source, "task-1"), Action.START) is None
    assert task(source, "task-1").state is State.PENDING


def test_a_tool_that_never_answers_leaves_it_open_whether_it_did_it(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{CLIENT}.asking.ANSWER", 0.1)
    source = opened("silent-tools")
    with pytest.raises(
        StoreError, match=r"cannot start task-1: no answer in 0\.1 s; it is not known whether"
    ) as caught:
        do(source, task(source, "task-1"), Action.START)
    assert caught.value.fault is Fault.BUSY
    assert len(source.look().tasks) == 3


def test_a_server_that_ends_during_a_call_leaves_it_open_whether_it_did_it(opened: Open) -> None:
    source = opened("deadly-tools")
    with pytest.raises(StoreError, match=r"exit code 3.*not known whether the server did start task-1"):
        do(source, task(source, "task-1"), Action.START)


_ASKED = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([*Action])), max_size=12)


def test_a_sequence_of_moves_leads_where_the_table_says(opened: Open, queue: Path) -> None:
    source = opened()

    @given(_ASKED)
    @settings(max_examples=15, deadline=None)
    def run(asked: list[tuple[int, Action]]) -> None:
        queue.write_text(listed(row(0), row(1, "in_progress"), row(2, "failed"), row(3, "completed")))
        states = {one.id: one.state for one in source.look().tasks}
        for number, action in asked:
            seen = task(source, f"task-{number}")
            assert seen.state is states[seen.id]
            both = [Action.SUBMIT, Action.APPROVE] if action is Action.SUBMIT else [action]
            if action not in machine.actions_from(seen.state) or action in (Action.ADD, Action.EDIT):
                continue
            refused = do(source, seen, *both)
            assert (refused is not None) == (action in source.limits.refuses)
            if refused is None:
                target = machine.RULES[both[-1]].target
                assert target is not None
                states[seen.id] = target
        assert {one.id: one.state for one in source.look().tasks} == states

    run()


def test_a_server_is_a_store_with_a_log_of_what_was_seen(queue: Path) -> None:
    with closing(open_store(address(queue, "subscribe"))) as store:
        handed_in = command("task-2", Action.SUBMIT, actor="ann", result="done")
        outcomes = store.apply([handed_in, command("task-2", Action.APPROVE, actor="ann")])
        assert all(outcome.event is not None for outcome in outcomes)
        queue.write_text(listed(row(1, "failed"), row(2, "completed", result="done")))
        until(lambda: store.wait(1) and len(store.events()) == 7)
        assert [(event.actor, event.action, event.task_id) for event in store.events()][3:] == [
            ("ann", "submit", "task-2"),
            ("ann", "approve", "task-2"),
            ("external", "removed", "task-3"),
            ("external", "fail", "task-1"),
        ]
        (refused,) = store.apply([command("task-1", Action.EDIT, actor="ann", title="x")])
        assert refused.refusal is not None
        assert "the server has no tool for it" in refused.refusal.message


@pytest.mark.parametrize("way", ["subscribe", "poll"])
def test_a_change_is_heard_of(opened: Open, queue: Path, way: str) -> None:
    source = opened(*(["subscribe"] if way == "subscribe" else []))
    source.look()
    assert not source.wait(0)
    queue.write_text(listed(row(1, "in_progress")))
    assert source.wait(PATIENCE)
    assert source.is_stale()
    assert task(source, "task-1").state is State.IN_PROGRESS
    # The server may tell of one change more than once.
    assert len(list(islice(iter(lambda: source.is_stale() and source.look(), False), 5))) < 5
    told = any("does not tell of changes" in note for note in source.limits.notes)
    assert told == (way == "poll")


def test_a_server_that_promises_to_tell_and_does_not_is_asked(opened: Open, queue: Path) -> None:
    source = opened("mute")
    source.look()
    queue.write_text(listed(row(1, "in_progress")))
    assert source.wait(PATIENCE)
    assert task(source, "task-1").state is State.IN_PROGRESS


def test_a_wait_ends_when_it_is_stopped_or_closed(opened: Open) -> None:
    source = opened()
    source.look()
    stop = threading.Event()
    stop.set()
    assert not source.wait(PATIENCE, stop)
    ended: list[bool] = []
    waiting = threading.Thread(target=lambda: ended.append(source.wait(PATIENCE)))
    waiting.start()
    source.close()
    waiting.join(PATIENCE)
    assert ended == [False]


def test_all_handles_on_one_address_share_one_child(opened: Open, queue: Path) -> None:
    one, other = opened("subscribe"), opened("subscribe")
    assert len(children()) == 1
    one.look()
    other.look()
    queue.write_text(listed(row(1, "in_progress")))
    assert one.wait(PATIENCE)
    assert other.wait(PATIENCE)
    one.close()
    assert len(children()) == 1
    assert other.look().tasks[0].state is State.IN_PROGRESS
    other.close()
    assert not children()


def test_a_server_that_was_killed_is_started_again(opened: Open) -> None:
    source = opened()
    source.look()
    (running,) = children()
    running.send_signal(signal.SIGKILL)
    assert source.wait(PATIENCE)
    said = trouble(source).message
    assert "was ended by signal 9 (SIGKILL)" in said
    assert "trying again" in said
    assert source.is_stale()

    def is_back() -> bool:
        source.wait(1)
        try:
            return len(source.look().tasks) == 3
        except StoreError:
            return False

    until(is_back)
    assert children() != [running]


@pytest.mark.parametrize("trait", ["paged", "linked"])
def test_a_large_queue_is_read_in_pages(opened: Open, queue: Path, trait: str) -> None:
    queue.write_text(listed(*(row(number) for number in range(25))))
    assert len(opened(trait).look().tasks) == 25


def test_other_resources_say_more_than_the_queue(opened: Open, queue: Path) -> None:
    queue.with_suffix(".pending").write_text(listed({"id": "task-1"}))
    queue.with_suffix(".current").write_text("null")
    queue.with_suffix(".completed").write_text('{"tasks": [{"id": "old", "description": "x"}]}')
    source = opened("lists")
    assert [(one.id, one.state) for one in source.look().tasks][-1] == ("old", State.COMPLETED)


def test_a_token_in_our_environment_is_not_given_to_a_child(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("TASKDECK_MCP_TOKEN", "x")
    given = task(opened("tells-environment"), "1").title.split()
    assert "PATH" in given
    assert not {"AWS_SECRET_ACCESS_KEY", "TASKDECK_MCP_TOKEN"} & set(given)


@pytest.mark.parametrize(
    ("trait", "said"),
    [
        ("exits", "ended with exit code 1; it said: no such database: /nowhere\ufffd[31m"),
        ("terminal", "it said: OSError: [Errno 6] No such device or address: '/dev/tty'"),
        ("garbage", "prints what is no MCP message; it said: xxx"),
        ("one-line", "sent a message of more than 1 MiB"),
        ("silent", "has not answered in 0.3 s"),
    ],
)
def test_a_server_that_is_none_is_told_in_a_line(
    opened: Open, monkeypatch: pytest.MonkeyPatch, trait: str, said: str
) -> None:
    monkeypatch.setattr(f"{CLIENT}.child.MESSAGE_MOST", 1 << 20)
    monkeypatch.setattr(f"{CLIENT}.child._STRAY_MOST", 1 << 18)
    if trait == "silent":
        monkeypatch.setattr(f"{CLIENT}.link.CONNECT", 0.3)
    with pytest.raises(StoreError) as caught:
        opened(trait)
    assert said in caught.value.message
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    ("trait", "said"),
    [
        ("huge", "sent a message of more than 1 MiB, which is not read; trying again"),
        ("circle", "its pages go in a circle"),
        ("endless-pages", "more than 20 pages"),
        ("silent-reads", "no answer in 0.1 s"),
        ("strange", "it answers what MCP does not have (contents)"),
        ("fails", "it answers: the\ufffdqueue is on fire"),
        ("blob", "has 0 texts"),
        ("dies", "ended with exit code 7; it said: out of memory, or so; trying again"),
    ],
)
def test_a_queue_that_cannot_be_read_is_told_in_a_line(
    opened: Open, monkeypatch: pytest.MonkeyPatch, trait: str, said: str
) -> None:
    monkeypatch.setattr(f"{CLIENT}.child.MESSAGE_MOST", 1 << 20)
    monkeypatch.setattr(f"{CLIENT}.gathering.PAGES_MOST", 20)
    if trait == "silent-reads":
        monkeypatch.setattr(f"{CLIENT}.asking.ANSWER", 0.1)
    source = opened(trait)
    assert said in trouble(source).message
    assert source.is_stale()
    assert source.wait(PATIENCE), "it is to be asked again"


@pytest.mark.parametrize("trait", ["stray", "chatty", "loud"])
def test_a_server_that_talks_beside_its_messages_is_read(opened: Open, trait: str) -> None:
    assert len(opened(trait).look().tasks) == 3


def test_a_server_that_does_not_end_is_ended(opened: Open) -> None:
    source = opened("deaf")
    source.look()
    source.close()
    assert not children()


def test_a_half_written_queue_is_no_empty_one(opened: Open, queue: Path) -> None:
    source = opened()
    source.look()
    queue.write_text('[{"id": "task-1", "desc')
    assert "task://queue is no list of tasks" in trouble(source).message
    assert source.is_stale()
    queue.write_text(listed(row(1)))
    assert source.wait(PATIENCE)
    assert len(source.look().tasks) == 1


def test_two_ids_that_look_alike_are_moved_as_the_server_knows_them(opened: Open, queue: Path) -> None:
    queue.write_text(
        listed({"id": 7, "title": "a", "state": "pending"}, {"id": "../x", "title": "b", "state": "pending"})
    )
    source = opened()
    assert [one.id for one in source.look().tasks] == ["7", "..~2Fx"]
    assert do(source, task(source, "..~2Fx"), Action.START) is None
    assert do(source, task(source, "7"), Action.START) is None
    assert {one.state for one in source.look().tasks} == {State.IN_PROGRESS}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mcp:", "the command is missing"),
        ("mcp:a 'b", "its quotes do not match"),
        ("mcp+http://", "it has no host"),
        ("mcp+http://a:b/", "is no address"),
        ("mcp+https://ho st/", "it has no host"),
        ("mcp:/no/such/command --x", "cannot start mcp:/no/such/command --x: No such file or directory"),
    ],
)
def test_an_address_that_means_no_server_is_told_in_a_line(text: str, said: str) -> None:
    with pytest.raises(StoreError) as caught:
        KIND.open(text)
    assert said in caught.value.message
    assert caught.value.message.isprintable()


def test_a_server_ends_when_we_are_killed(queue: Path) -> None:
    code = f"import time\nfrom taskdeck_store.mcp.client.source import KIND\ns = KIND.open({address(queue)!r})\n"
    ours = subprocess.Popen(
        [sys.executable, "-c", f"{code}print(len(s.look().tasks), flush=True)\ntime.sleep(100)"], stdout=subprocess.PIPE
    )
    assert ours.stdout is not None
    assert ours.stdout.readline() == b"3\n"
    (server,) = psutil.Process(ours.pid).children()
    ours.kill()
    ours.wait()
    ours.stdout.close()
    until(lambda: not psutil.pid_exists(server.pid) or server.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.soak
def test_a_server_ends_when_the_program_does_without_a_word(queue: Path) -> None:
    code = f"from taskdeck_store.mcp.client.source import KIND\ns = KIND.open({address(queue, 'deaf')!r})\n"
    code += "from taskdeck_store.mcp.client import child\nchild._GRACE = 0.1\nprint(len(s.look().tasks))"
    ours = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (ours.returncode, ours.stdout, ours.stderr) == (0, "3\n", "")
    assert not [one for one in psutil.process_iter(["cmdline"]) if str(queue) in (one.info["cmdline"] or ())]
