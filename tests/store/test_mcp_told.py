"""Who did what and why on a served store, as a board on it has it on record: what the server's own log says, where that
leads to what is seen, and nothing that it could say to be somebody here.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp_http import ours, until

from taskdeck_store import Action, Fault, State, Store, StoreError, command, create_store, open_store
from taskdeck_store.machine import Refusal
from taskdeck_store.mcp.client import feed
from taskdeck_store.mcp.serving.pages import news
from taskdeck_store.source import Move, Sight
from taskdeck_store.values import EXTERNAL, FOUND_NOTE, OUTSIDE, REMOVED, Event
from taskdeck_store.verification import verify

RAW = Path(__file__).with_name("mcp_raw.py")
CLIENT = "taskdeck_store.mcp.client"
HERE = ("ann", "bob")

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ask for nothing but what is told; keep logs apart."""
    monkeypatch.setattr(f"{CLIENT}.connection._HEARTBEAT", 1_000.0)
    monkeypatch.setattr(f"{CLIENT}.connection._ASK_FIRST", 1_000.0)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(params=["q.db", "q.json"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    path = str(tmp_path / request.param)
    create_store(path)
    with closing(open_store(path)) as there:
        # The log of a file begins with what is done first.
        there.apply([command("first", Action.ADD, actor="alice", title="first")])
    return path


def told(event: Event) -> tuple[Any, ...]:
    """Return what two logs of one event have in common."""
    own = {"lease_until", "state_since", "created_at", "updated_at"}
    changes = {name: pair for name, pair in event.changes.items() if name not in own}
    return event.action, event.from_state, event.to_state, event.note, event.attempts, changes


def at_home(event: Event) -> tuple[Any, ...]:
    """Return an event of the server's log as it is to be on record at a board of this machine."""
    _, is_ours, name = event.actor.partition("mcp:taskdeck/")
    actor = name if is_ours else EXTERNAL if event.actor == EXTERNAL else f"external:{event.actor}"
    return actor, *told(event)


def has_all(board: Store, there: Store, task_ids: Iterator[str] | list[str]) -> None:
    """Wait until a board's log of tasks is the server's."""
    for task_id in task_ids:
        until(lambda one=task_id: len(board.events(one)) >= len(there.events(one)))  # type: ignore[misc]
        found = [(event.actor, *told(event)) for event in board.events(task_id)]
        assert found == [at_home(event) for event in there.events(task_id)]


def test_a_board_tells_who_did_what_and_why(place: str) -> None:
    with closing(open_store(place)) as there, ours(place) as address, closing(open_store(address)) as board:
        there.apply([command("t-1", Action.ADD, actor="alice", title="one", tags=["x"], data={"n": [1, 2.5]})])
        there.apply(
            [command("t-1", Action.START, actor="carl", note="mine", lease_until="2999-01-01T00:00:00.000000Z")]
        )
        there.apply([command("t-1", Action.SUBMIT, actor="carl", result="x" * 20_000)])
        there.apply([command("t-1", Action.REJECT, actor="ann", note="no:\nnot so")])
        has_all(board, there, ["t-1"])
        (_, _, submit, reject) = board.events("t-1")
        assert submit.changes["result"] == (None, "x" * 20_000)
        assert (reject.actor, reject.note) == ("external:ann", "no:\nnot so")
        (outcome,) = board.apply([command("t-1", Action.START, actor="ann", note="now I do")])
        assert outcome.event is not None
        assert outcome.event.actor == "ann"
        has_all(board, there, ["t-1"])
        assert [event.at for event in board.events()] == sorted(event.at for event in board.events())
        assert verify(board).is_sound
        assert any("external:alice is a claim" in note for note in board.limits.notes)


def test_what_was_done_while_nobody_looked_is_told_later(place: str) -> None:
    with closing(open_store(place)) as there, ours(place) as address:
        there.apply([command(f"t-{number}", Action.ADD, actor="alice", title="t") for number in range(3)])
        with closing(open_store(address)) as board:
            assert {event.note for event in board.events()} == {FOUND_NOTE}
        there.apply([command("t-0", Action.EDIT, actor="carl", title="u", note="better")])
        there.apply([command("t-0", Action.EDIT, actor="dora", title="t", note="worse")])
        there.apply([command("t-1", Action.FAIL, actor="alice", note="no")])
        there.apply([command("t-9", Action.ADD, actor="alice", title="new")])
        with closing(open_store(address)) as board:
            found = [(event.task_id, event.actor, event.note) for event in board.events(after=4)]
            assert found == [
                ("t-0", "external:carl", "better"),
                ("t-0", "external:dora", "worse"),
                ("t-1", "external:alice", "no"),
                ("t-9", "external:alice", None),
            ]
            assert verify(board).is_sound


def test_what_was_taken_away_and_put_back_by_other_programs_is_nobodys(tmp_path: Path) -> None:
    path = str(tmp_path / "q.db")
    create_store(path)
    with closing(open_store(path)) as there, ours(path) as address, closing(open_store(address)) as board:
        there.apply([command("t-1", Action.ADD, actor="alice", title="one")])
        until(lambda: board.events("t-1"))
        with closing(apsw.Connection(path)) as connection:
            connection.execute(
                "BEGIN; DELETE FROM tasks; INSERT INTO tasks (id, title) VALUES ('t-1', 'A'), ('t-2', 'B'); COMMIT"
            )
        has_all(board, there, ["t-1", "t-2"])
        assert [event.action for event in board.events("t-1")] == [Action.ADD, REMOVED, Action.ADD]
        assert {event.actor for event in board.events(after=1)} == {EXTERNAL}
        assert verify(board).is_sound


def test_a_move_that_was_not_known_to_be_done_comes_once(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(since: str = "") -> Sight:
        raise StoreError(Fault.BUSY, "the line broke")

    with closing(open_store(place)) as there, ours(place) as address:
        with closing(open_store(address)) as board, monkeypatch.context() as broken:
            broken.setattr(board._source, "look", breaks)  # type: ignore[attr-defined]
            with pytest.raises(StoreError, match="the line broke"):
                board.apply([command("first", Action.START, actor="ann", note="mine")])
        there.apply([command("first", Action.SUBMIT, actor="alice", note="done")])
        there.apply([command("first", Action.REJECT, actor="carl", note="not so")])
        there.apply([command("first", Action.START, actor="carl")])
        with closing(open_store(address)) as board:
            found = [(event.actor, *told(event)) for event in board.events("first")]
            assert found[1:] == [at_home(event) for event in there.events("first")[1:]]
            assert [actor for actor, *_ in found[1:]] == ["ann", "external:alice", "external:carl", "external:carl"]


def test_what_others_do_in_the_moment_of_a_move_is_theirs(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(open_store(place)) as there, ours(place) as address, closing(open_store(address)) as board:
        source = board._source  # type: ignore[attr-defined]
        carry_out = source.carry_out

        def then_others(moves: Sequence[Move]) -> Mapping[int, Refusal]:
            there.apply([command("other", Action.ADD, actor="alice", title="other", note="me too")])
            found: Mapping[int, Refusal] = carry_out(moves)
            there.apply([command("first", Action.FAIL, actor="alice", note="right after")])
            return found

        def then_an_edit(moves: Sequence[Move]) -> Mapping[int, Refusal]:
            found: Mapping[int, Refusal] = carry_out(moves)
            there.apply([command("new", Action.EDIT, actor="alice", priority=1, note="at once")])
            return found

        with monkeypatch.context() as meddled:
            meddled.setattr(source, "carry_out", then_others)
            (outcome,) = board.apply([command("first", Action.START, actor="ann")])
            assert outcome.event is not None
            meddled.setattr(source, "carry_out", then_an_edit)
            board.apply([command("new", Action.ADD, actor="ann", title="new")])
        with board.reading(latest=False):
            found = [(event.task_id, event.actor, event.note) for event in board.events(after=1)]
        assert found == [
            ("first", "ann", None),
            ("other", "external:alice", "me too"),
            ("first", "external:alice", "right after"),
            ("new", "ann", None),
            ("new", "external:alice", "at once"),
        ]


def test_an_edit_that_changed_nothing_is_on_record_once(place: str) -> None:
    with closing(open_store(place)) as there, ours(place) as address, closing(open_store(address)) as board:
        board.apply([command("first", Action.EDIT, actor="ann", title="first", note="as it is")])
        there.apply([command("first", Action.EDIT, actor="alice", title="first", note="I agree")])
        until(lambda: len(board.events("first")) > 2)
        found = [(event.actor, event.note) for event in board.events("first")]
        assert found[1:] == [("ann", "as it is"), ("external:alice", "I agree")]


def test_a_long_task_that_changes_while_it_is_read_is_not_in_doubt(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read_alone = feed.read_alone
    edits = [command("first", Action.EDIT, actor="carl", priority=1)]

    async def after_an_edit(client: Any, ids: Iterable[str]) -> list[tuple[str, str]]:
        if edits:
            with closing(open_store(place)) as other:
                other.apply([edits.pop()])
        return await read_alone(client, ids)

    with closing(open_store(place)) as there, ours(place) as address, closing(open_store(address)) as board:
        monkeypatch.setattr(feed, "read_alone", after_an_edit)
        there.apply([command("first", Action.EDIT, actor="alice", data="x" * 20_000)])
        until(lambda: board.get("first").priority == 1)  # type: ignore[union-attr]
        there.apply([command("first", Action.START, actor="alice", note="mine")])
        until(lambda: board.get("first").state is State.IN_PROGRESS)  # type: ignore[union-attr]
        found = [(event.actor, event.action) for event in board.events("first")]
        assert found[1:] == [(EXTERNAL, Action.EDIT), ("external:alice", Action.START)]
        assert board.flaws == ()  # type: ignore[attr-defined]


def test_a_file_that_others_write_is_theirs(tmp_path: Path) -> None:
    path = tmp_path / "q.json"
    path.write_text('[{"id": "a", "title": "A", "state": "pending", "weather": "bad"}]')
    with closing(open_store(str(path))) as there, ours(str(path)) as address:
        there.apply([command("a", Action.START, actor="alice")])
        with closing(open_store(address)) as board:
            changed = {"id": "a", "title": "B", "state": "review", "weather": "f" * 20_000, "owner": "x"}
            path.write_text(json.dumps([changed, {"id": "b", "state": "pending"}]))
            there.counts()
            there.apply([command("a", Action.APPROVE, actor="alice", note="good")])
            until(lambda: board.get("a").state is State.COMPLETED)  # type: ignore[union-attr]
            found = [(event.actor, event.action) for event in board.events("a")]
            assert found[1:] == [(EXTERNAL, Action.SUBMIT), ("external:alice", Action.APPROVE)]
            assert board.flaws == ()  # type: ignore[attr-defined]
            assert verify(board).is_sound


_TURN = st.tuples(
    st.sampled_from(["alice", "carl", *HERE]),
    st.integers(0, 2),
    st.sampled_from([action for action in Action if action is not Action.ADD]),
    st.booleans(),
)


@pytest.mark.parametrize(("place", "is_alone"), [("q.db", False), ("q.db", True), ("q.json", True)], indirect=["place"])
def test_whoever_moves_what_a_board_has_the_log_of_the_server(
    place: str, is_alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_alone:
        # As two processes: neither knows what the other read.
        nothing = property(lambda link: None, lambda link, latest: None)
        monkeypatch.setattr(f"{CLIENT}.link.Link.latest", nothing, raising=False)
    with ExitStack() as stack:
        there = stack.enter_context(closing(open_store(place)))
        address = stack.enter_context(ours(place))
        boards = {name: stack.enter_context(closing(open_store(address))) for name in HERE}
        rounds = iter(range(1_000))

        @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
        @given(st.lists(_TURN, min_size=4, max_size=14))
        def run(turns: list[tuple[str, int, Action, bool]]) -> None:
            this = next(rounds)
            ids = [f"t-{this}-{number}" for number in range(3)]
            there.apply([command(task_id, Action.ADD, actor="alice", title="t") for task_id in ids])
            for turn, (who, number, action, looks) in enumerate(turns):
                fields: dict[str, Any] = {}
                if action is Action.EDIT:
                    fields = {"title": f"t{turn % 2}", "tags": ["a", "b"][: turn % 3]}
                if action is Action.SUBMIT:
                    fields = {"result": {"turn": turn}}
                store = boards.get(who, there)
                store.apply([command(ids[number], action, actor=who, note=f"{turn}", **fields)])
                if looks:
                    boards[HERE[turn % 2]].counts()
            for board in boards.values():
                has_all(board, there, ids)

        run()
        for board in boards.values():
            assert verify(board).is_sound
            assert board.flaws == ()  # type: ignore[attr-defined]


def test_of_a_task_all_events_are_told_or_none_within_the_room_of_a_page(place: str) -> None:
    with closing(open_store(place)) as there:
        cursor = news(there).next
        there.apply([command("first", Action.START, actor="alice", note="small")])
        there.apply([command("big", Action.ADD, actor="alice", title="big")])
        edits = [command("big", Action.EDIT, actor="alice", note="x" * 7_900, title=f"{n}") for n in range(60)]
        there.apply(edits)
        there.apply([command("first", Action.SUBMIT, actor="alice", note="small too")])
        seen = news(there, cursor)
        assert seen.complete
        assert len(msgspec.json.encode(seen)) < 320_000
        assert [(one.task_id, one.note) for one in seen.events] == [("first", "small"), ("first", "small too")]
        begun = news(there).next
        there.apply([command("big", Action.EDIT, actor="alice", note="x" * 9_000, title="last")])
        (only,) = news(there, begun).events
        assert (only.task_id, only.cut) == ("big", ("note",))


def event(seq: int, **more: Any) -> dict[str, Any]:
    """Return an event that is true of the change of the test below, but for what is given."""
    moment = "2026-01-01T00:00:00.000000Z"
    said = {"seq": seq, "task_id": "a", "at": moment, "actor": "alice", "action": "start", "from_state": "pending"}
    return {**said, "to_state": "in_progress", "attempts": 0, "note": "mine", "changes": {"owner": [None, "x"]}, **more}


TRUE = [event(7)]
NO_EVENTS: list[Any] = [
    {},
    "none",
    [1],
    [event(7), event(7)],
    [event(8), event(7)],
    [event(seq) for seq in range(1, 2_100)],
    [event("7")],
    [event(0)],
    [event(1 << 60)],
    [event(7, actor=None)],
    [event(7, actor="x" * 1_000)],
    [event(7, note=5)],
    [event(7, note="x" * 100_000)],
    [event(7, to_state="done")],
    [event(7, attempts=-1)],
    [event(7, changes={"owner": [None, "x", "y"]})],
    [event(7, changes={"owner": "x"})],
    [event(7, changes={"data": [None, json.loads("[" * 300 + "]" * 300)]})],
]
LIES: list[Any] = [
    [event(7, action="approve")],
    [event(7, action="add", from_state=None)],
    [event(7, action="\x1b[31m")],
    [event(7, action=OUTSIDE, from_state="review")],
    [event(7, from_state="review", action="start")],
    [event(7, to_state="review", action="submit")],
    [event(7, to_state=None, action="removed")],
    [event(7, changes={})],
    [event(7, changes={"owner": ["z", "x"]})],
    [event(7, changes={"owner": [None, "z"]})],
    [event(7, changes={"owner": [None, 5]})],
    [event(7, changes={"owner": [None, "x"], "title": ["do a", "do b"]})],
    [event(7, changes={"owner": [None, "x"], "title": ["do a", 5]})],
    [event(7, changes={"owner": [None, "x"], "weather": [None, "fine"]})],
    [event(7, changes={"owner": [None, "x"], "weather": ["bad", None]})],
    [event(7, attempts=3)],
    [event(7, at="yesterday")],
    [event(7), event(8, action="edit", from_state="in_progress", changes={"title": ["do a", "\0"]})],
    [
        event(7),
        event(8, action="edit", from_state="in_progress", changes={"title": ["do a", "\0"]}),
        event(9, action="edit", from_state="in_progress", changes={"title": ["\0", "do a"]}),
    ],
    [event(7), event(8, action="release", from_state="in_progress", to_state="pending", changes={})],
]
OTHERS = [[event(7, task_id="b")], [event(7, task_id="")], [event(7, task_id="../x")], []]


class Teller:
    """A server of which the test says what its tasks are, and what its feed tells of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.write("pending", [])

    @property
    def address(self) -> str:
        return "mcp:" + shlex.join(
            [sys.executable, "-S", "-E", str(RAW), str(self._path), "feed", "tells", "subscribe"]
        )

    def write(self, status: str, events: Any) -> None:
        begun = {"id": "a", "title": "do a", "status": status, "owner": "x" if status == "in_progress" else None}
        rows = [{**begun, "attempts": 0}, {"id": "b", "title": "do b", "status": "pending", "attempts": 0}]
        self._path.with_suffix(".events").write_text(json.dumps(events))
        partial = self._path.with_suffix(".new")
        partial.write_text(json.dumps(rows))
        partial.replace(self._path)

    def told(self, board: Store, events: Any) -> list[Event]:
        """Return what a board has on record of one change, of which some events are told."""
        self.write("pending", [])
        until(lambda: board.get("a").state is State.PENDING)  # type: ignore[union-attr]
        last = board.events()[-1].seq
        self.write("in_progress", events)
        until(lambda: board.get("a").state is State.IN_PROGRESS)  # type: ignore[union-attr]
        return list(board.events(after=last))


@pytest.fixture
def teller(tmp_path: Path) -> Teller:
    return Teller(tmp_path / "queue.json")


def test_a_server_that_lies_is_not_believed(teller: Teller) -> None:
    with closing(open_store(teller.address)) as board:
        for events in (*OTHERS, *LIES):
            (only,) = teller.told(board, events)
            assert (only.actor, only.action, only.note) == (EXTERNAL, Action.START, None), events
            if events in OTHERS:
                assert board.flaws == ()  # type: ignore[attr-defined]
        assert board.flaws == (  # type: ignore[attr-defined]
            "the log of MCP does not lead to a as it is shown; of such a task, only what was seen is on record",
        )
        (true,) = teller.told(board, TRUE)
        assert (true.actor, true.note) == ("external:alice", "mine")


def test_what_are_no_events_are_told_as_that_once(teller: Teller) -> None:
    with closing(open_store(teller.address)) as board:
        assert [one.actor for one in teller.told(board, TRUE)] == ["external:alice"]
        assert board.flaws == ()  # type: ignore[attr-defined]
        for events in NO_EVENTS:
            (only,) = teller.told(board, events)
            assert (only.actor, only.action, only.note) == (EXTERNAL, Action.START, None), events
            (flaw,) = board.flaws  # type: ignore[attr-defined]
            assert "tells events that are none" in flaw


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("ann", "external:ann"),
        ("external", EXTERNAL),
        (" \t", "external:\ufffd"),
        ("", EXTERNAL),
        ("\x1b[2J", "external:\ufffd[2J"),
        ("external:ann", "external:external:ann"),
        ("mcp:taskdeck/ann", "external:mcp:taskdeck/ann"),
    ],
)
def test_nobody_is_made_one_of_this_machine(teller: Teller, said: str, shown: str) -> None:
    with closing(open_store(teller.address)) as board:
        (only,) = teller.told(board, [event(7, actor=said)])
        assert only.actor == shown


def test_no_moment_to_come_is_on_record(teller: Teller) -> None:
    with closing(open_store(teller.address)) as board:
        (late,) = teller.told(board, [event(7, at="2999-01-01T00:00:00Z")])
        assert late.actor == "external:alice"
        (after,) = teller.told(board, [])
        assert late.at <= after.at < "2999"
        assert board.get("a").state_since < "2999"  # type: ignore[union-attr, operator]
