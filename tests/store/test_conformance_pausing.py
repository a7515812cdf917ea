"""Every store: what is paused is claimed by no worker, until it is resumed; who did it and why is on record."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest
from backends import Backend
from moving import A, B, C, D, do, done, put
from reaching import EMPTY

from conftest import Opener, Turned
from taskdeck_store import Action, Claiming, Code, Event, Pause, Pausing, Refusal, State, Store
from taskdeck_store.past import Past
from taskdeck_store.query.parse import parse
from taskdeck_store.statistics import gathered
from taskdeck_store.values import QUEUE
from taskdeck_store.verification import verify

NUMBERS = count()


def pause(store: Store, query: str = "", note: str | None = "deploy", **given: object) -> Event:
    found = store.pause(asked(query, note, **given))
    assert isinstance(found, Event), found
    return found


def resume(store: Store, query: str = "", note: str | None = None) -> Event:
    return pause(store, query, note, resumes=True)


def asked(query: str, note: str | None, **given: object) -> Pausing:
    options = {"actor": "ann", "operation": f"op-{next(NUMBERS)}", **given}
    return Pausing(query=query, note=note, **options)  # type: ignore[arg-type]


def refused(store: Store, query: str = "", note: str | None = "deploy", **given: object) -> Refusal:
    before = list(store.events())
    found = store.pause(asked(query, note, **given))
    assert isinstance(found, Refusal), found
    assert list(store.events()) == before
    return found


def claimed(store: Store, query: str = "", limit: int = 9) -> list[str]:
    outcomes = store.claim(Claiming(owner="w", actor="w", seconds=30, query=parse(query, me=""), limit=limit))
    return [outcome.command.task_id for outcome in outcomes]


@pytest.mark.needs(State.REVIEW)
def test_a_paused_queue_gives_nothing_until_it_is_resumed(store: Store, now: Turned) -> None:
    put(store, A)
    put(store, B, State.IN_PROGRESS)
    at = now.turn(5)
    event = pause(store)
    assert (event.task_id, event.action, event.actor, event.note, event.at) == (QUEUE, "pause", "ann", "deploy", at)
    paused = Pause(query="", by="ann", at=at, note="deploy")
    assert list(store.pauses()) == [paused]
    assert claimed(store) == []
    # Only claims stop: a person goes on, and what is under way comes to its end.
    assert done(store, B, Action.SUBMIT).state is State.REVIEW
    assert done(store, B, Action.REJECT, note="again").state is State.PENDING
    assert done(store, B, Action.START).state is State.IN_PROGRESS
    event = resume(store, note="done")
    assert (event.action, event.note) == ("resume", "done")
    assert [event.action for event in store.events(QUEUE)] == ["pause", "resume"]
    assert list(store.pauses()) == []
    assert claimed(store) == [A]
    assert verify(store).is_sound


@pytest.mark.needs("tags")
def test_only_what_matches_is_paused(store: Store) -> None:
    put(store, A, tags=["api"])
    put(store, B, tags=["api", "web"], priority=1)
    put(store, C, tags=["web"])
    put(store, D)
    pause(store, "tag:api -tag:web")
    pause(store, "tag:none", "no tags")
    assert [each.query for each in store.pauses()] == ["tag:api -tag:web", "tag:none"]
    assert claimed(store, limit=1) == [B]
    resume(store, "tag:api -tag:web")
    assert [(each.query, each.note) for each in store.pauses()] == [("tag:none", "no tags")]
    assert claimed(store) == [A, C]


def test_a_pause_follows_the_clock(store: Store, now: Turned) -> None:
    put(store, A)
    put(store, B)
    do(store, B, Action.START, owner="ann")
    done(store, B, Action.RELEASE)
    pause(store, "age<60s", "fresh ones rest")
    pause(store, "-owner:none owner:eve", "hers")
    assert claimed(store) == []
    now.turn(61)
    assert claimed(store) == [A, B]


def test_what_is_asked_in_vain_is_refused(store: Store) -> None:
    put(store, A)
    for found in (refused(store, note=None), refused(store, note=" ")):
        assert (found.code, found.message) == (Code.INVALID, "cannot pause: a note that says why is required")
    assert refused(store, "tag:").message == "cannot pause 'tag:': that is no filter"
    assert "no pending task matches" in refused(store, "state:review").message
    assert "name the owner" in refused(store, "owner:me").message
    assert refused(store, resumes=True).message == "the queue as a whole is not paused; nothing is"
    pause(store, "tag:x")
    found = refused(store, "tag:x", "again")
    assert (found.code, found.message) == (Code.ILLEGAL, "tag:x is paused already, by ann: deploy")
    assert refused(store, resumes=True).message == "the queue as a whole is not paused; paused is: tag:x"
    assert refused(store, "tag:y", resumes=True).message == "tag:y is not paused; paused is: tag:x"


def test_a_blank_filter_is_none(store: Store) -> None:
    pause(store, "  ")
    assert [each.query for each in store.pauses()] == [""]
    resume(store)
    assert list(store.pauses()) == []


def test_an_operation_is_done_once(store: Store) -> None:
    once = asked("", "deploy")
    first = store.pause(once)
    resume(store)
    assert store.pause(once) == first
    assert list(store.pauses()) == []


def test_a_pause_is_seen_by_all_handles_and_survives_them(store: Store, opened: Opener) -> None:
    put(store, A)
    other = opened()
    cursor = other.changes().cursor
    pause(store, "tag:x")
    found = other.changes(cursor)
    assert [(change.task_id, change.action, change.note) for change in found.changes] == [(QUEUE, "pause", "deploy")]
    assert list(other.pauses()) == list(opened().pauses()) == list(store.pauses())


def test_a_pause_that_cannot_be_written_is_refused(store: Store, opened: Opener) -> None:
    put(store, A)
    looking = opened(read_only=True)
    found = looking.pause(asked("", "deploy"))
    assert isinstance(found, Refusal)
    assert found.code is Code.READ_ONLY


@pytest.mark.needs(EMPTY)
def test_events_of_the_queue_are_no_task(store: Store) -> None:
    put(store, A)
    pause(store)
    put(store, B)
    assert store.get(QUEUE) is None
    assert [task.id for task in store.tasks()] == [A, B]
    assert sum(tally.count for tally in store.counts().values()) == 2
    past = Past(store)
    past.read_all()
    for position, there in ((1, [A]), (2, [A]), (3, [A, B]), (2, [A])):
        past.go(position)
        assert [task.id for task in past.tasks()] == there
        assert sum(tally.count for tally in past.counts().values()) == len(there)
        assert [each.note for each in past.pauses()] == (["deploy"] if position > 1 else [])
        assert not past.doubts()
    found = gathered(store)
    assert (found.tasks, found.unknown.actions, found.unknown.headless) == (2, {}, 0)


@pytest.mark.needs(EMPTY)
def test_a_pause_begins_the_log_of_a_store_that_has_none(backend: Backend, path: Path, opened: Opener) -> None:
    backend.meddle(path, A, title="theirs")
    store = opened()
    pause(store)
    assert claimed(store) == []
    assert verify(store).is_sound
    assert [event.task_id for event in store.events()] == [A, QUEUE]
