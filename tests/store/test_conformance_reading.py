"""Every store: windows, counts, lists and events, against a plain reading of all its tasks."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count, product
from pathlib import Path
from typing import Any

import pytest
from backends import BACKENDS, Backend
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moving import WAY, do, done, put, put_all, t
from reaching import EMPTY, WHOLE, kept, states

from conftest import Opener, Turned
from taskdeck_store import Action, Card, Order, State, Store, Task, clock, command, open_store
from taskdeck_store.contract import key
from taskdeck_store.query.match import matches
from taskdeck_store.query.terms import EVERYTHING, BlockedTerm, DueTerm, Field, NumberTerm, Pattern, Query, TextTerm
from taskdeck_store.values import CARD_PREVIEW, CARD_TITLE

BOARD = list(State)
TAGS: list[list[str]] = [[], ["a"], ["a", "b"], ["ab"]]
TAGGED = Query((TextTerm(field=Field.TAG, choices=(Pattern("exact", "a"),)),))


@pytest.fixture
def many(store: Store, now: Turned) -> list[Task]:
    """Sixty tasks with few distinct priorities and times; in the order of `tasks`."""
    chance = random.Random(7)
    found = states(store.limits)
    ascending = count()

    def task_id(batch: int) -> str:
        # Where ids must grow, their order is that of the times.
        return t(chance.randrange(10**6) * 10 + batch if store.limits.ids is None else next(ascending))

    for batch in range(6):
        now.turn(chance.randrange(3))
        put_all(
            store,
            (
                (
                    task_id(batch),
                    chance.choice(found),
                    kept(store, {"priority": chance.choice([1, 5, 5, 8]), "tags": chance.choice(TAGS)}),
                )
                for _ in range(10)
            ),
        )
    return list(store.tasks())


def column(tasks: list[Task], state: State, order: Order, query: Query = EVERYTHING, now: str = "") -> list[Task]:
    found = [task for task in tasks if task.state is state and matches(query, task, now)]
    return sorted(found, key=lambda task: key(task, order), reverse=order is Order.NEWEST)


@pytest.mark.needs(EMPTY)
def test_tasks_come_by_state_priority_time_and_id(store: Store, many: list[Task]) -> None:
    assert many == sorted(many, key=lambda task: (BOARD.index(task.state), *key(task, Order.PRIORITY)))
    assert len(many) == 60
    assert {task.state for task in many} == set(states(store.limits))


@pytest.mark.parametrize("query", [EVERYTHING, TAGGED], ids=["all", "filtered"])
@pytest.mark.parametrize("order", Order)
def test_a_window_is_a_slice_of_its_column_from_a_rank_or_a_place(
    store: Store, many: list[Task], now: Turned, order: Order, query: Query
) -> None:
    for state in State:
        cards = column(many, state, order, query, now())
        for start, before, limit in product((0, 1, 3, len(cards) - 1, len(cards)), (0, 2, 100), (0, 1, 4, 100)):
            if not 0 <= start <= len(cards):
                continue
            ahead = min(before, start)
            expected = [task.id for task in cards[start - ahead : start + limit]]
            by_rank = store.window(state, order, start=start, before=before, limit=limit, query=query)
            assert by_rank.state is state
            assert [card.id for card in by_rank.cards] == expected
            assert by_rank.first == start - ahead
            if start < len(cards):
                place = key(cards[start], order)
                by_place = store.window(state, order, start=place, before=before, limit=limit, query=query)
                assert by_place == by_rank


@pytest.mark.parametrize("order", Order)
def test_a_window_may_begin_at_a_place_where_no_card_is(store: Store, many: list[Task], order: Order) -> None:
    cards = column(many, State.PENDING, order)
    for place_of in (cards[0], cards[4], cards[-1]):
        *times, task_id = key(place_of, order)
        place = (*times, f"{task_id}~")
        rank = sum(key(task, order) > place if order is Order.NEWEST else key(task, order) < place for task in cards)
        window = store.window(State.PENDING, order, start=place, before=1, limit=3)
        assert window.first == max(0, rank - 1)
        assert [card.id for card in window.cards] == [task.id for task in cards[max(0, rank - 1) : rank + 3]]


def test_a_rank_past_the_end_is_the_end(store: Store, many: list[Task]) -> None:
    cards = column(many, State.COMPLETED, Order.PRIORITY)
    assert store.window(State.COMPLETED, Order.PRIORITY, start=10_000).first == len(cards)
    window = store.window(State.COMPLETED, Order.PRIORITY, start=10_000, before=2)
    assert [card.id for card in window.cards] == [task.id for task in cards[-2:]]
    assert window.first == len(cards) - 2


def test_an_empty_column_is_an_empty_window(store: Store) -> None:
    for start in (0, 5, (5, "2026-01-31T09:00:00.000000Z", t(1))):
        window = store.window(State.FAILED, Order.PRIORITY, start=start, before=3)
        assert (window.first, window.cards) == (0, ())


def test_a_card_shows_its_task(store: Store, many: list[Task]) -> None:
    by_id = {task.id: task for task in many}
    for state in State:
        for card in store.window(state, Order.PRIORITY).cards:
            task = by_id[card.id]
            shared = ("id", "title", "state", "priority", "tags", "attempts", "max_attempts", "owner", "state_since")
            assert [getattr(card, name) for name in shared] == [getattr(task, name) for name in shared]
            assert card.version == task.version


@pytest.mark.needs(State.REVIEW, State.FAILED, "result", "error")
def test_a_card_is_small_whatever_its_task_holds(store: Store) -> None:
    text = "ä€𝄞" * 300_000
    put(store, t(1), title="x" * 2_000, description=text)
    put(store, t(2), State.REVIEW, description="d")
    done(store, t(2), Action.APPROVE)
    put(store, t(3), State.IN_PROGRESS)
    done(store, t(3), Action.SUBMIT, result={"r": text})
    put(store, t(4))
    done(store, t(4), Action.FAIL, error=text)
    pending, review, completed, failed = (
        card_of(store, state) for state in (State.PENDING, State.REVIEW, State.COMPLETED, State.FAILED)
    )
    assert pending.title == "x" * CARD_TITLE
    assert pending.preview == text[:CARD_PREVIEW]
    assert completed.preview == ""
    assert failed.preview == text[:CARD_PREVIEW]
    assert len(review.preview) <= CARD_PREVIEW
    assert review.preview.startswith('{"r":')


def card_of(store: Store, state: State) -> Card:
    (card,) = store.window(state, Order.PRIORITY).cards
    return card


@pytest.mark.needs(EMPTY)
def test_counts_say_how_many_and_since_when(store: Store, many: list[Task], now: Turned) -> None:
    for query in (EVERYTHING, TAGGED):
        tallies = store.counts(query)
        assert list(tallies) == BOARD
        for state in State:
            tasks = column(many, state, Order.OLDEST, query, now())
            assert tallies[state].count == len(tasks)
            assert tallies[state].oldest == (tasks[0].state_since if tasks else None)


@pytest.mark.needs(EMPTY, State.FAILED)
def test_counts_follow_every_move(store: Store) -> None:
    put(store, t(1), State.COMPLETED)
    put(store, t(2), State.FAILED)
    done(store, t(2), Action.RETRY)
    assert {state: tally.count for state, tally in store.counts().items()} == {
        State.PENDING: 1,
        State.IN_PROGRESS: 0,
        State.REVIEW: 0,
        State.COMPLETED: 1,
        State.FAILED: 0,
    }


def test_limits_agree_with_the_whole_list(store: Store, many: list[Task]) -> None:
    for limit in (0, 1, 17, 60, 100):
        assert list(store.tasks(limit=limit)) == many[:limit]
    assert list(store.tasks(TAGGED, limit=5)) == [task for task in many if "a" in task.tags][:5]


@pytest.mark.needs(EMPTY, State.FAILED)
def test_events_can_be_read_by_task_from_a_seq_on_and_from_the_end(store: Store) -> None:
    put(store, t(1), State.COMPLETED)
    put(store, t(2), State.FAILED)
    every = list(store.events())
    assert [event.seq for event in every] == sorted(event.seq for event in every)
    assert [e.action for e in store.events(t(1))] == [Action.ADD, Action.START, Action.SUBMIT, Action.APPROVE]
    assert list(store.events(limit=2)) == every[:2]
    assert list(store.events(after=every[1].seq, limit=2)) == every[2:4]
    assert list(store.events(newest=True, limit=2)) == every[-2:]
    assert list(store.events(t(1), newest=True, limit=1)) == [store.events(t(1))[-1]]
    assert list(store.events(after=every[-2].seq, newest=True, limit=5)) == every[-1:]
    assert list(store.events(newest=True)) == every
    assert list(store.events(t(9))) == []
    assert list(store.events(limit=0)) == []
    assert list(store.events(until=every[3].seq)) == every[:4]
    assert list(store.events(after=every[1].seq, until=every[3].seq, limit=1)) == every[2:3]
    assert list(store.events(until=every[3].seq, newest=True, limit=2)) == every[2:4]
    assert list(store.events(t(1), until=every[1].seq)) == every[:2]
    assert list(store.events(t(2), until=every[1].seq)) == []
    assert list(store.events(until=10**30)) == every
    assert list(store.events(until=0)) == []


TEXTS = st.one_of(
    st.sampled_from(["", "a", "A", "ab", "%", "_", "!", "\\", "'", "ß", "SS", "Größe", "ᴋ", "K", "k", t(1), "task 1"]),
    st.text(max_size=3),
)
PATTERNS = st.builds(Pattern, st.sampled_from(["exact", "prefix", "contains", "none"]), TEXTS)
CHOICES = st.lists(PATTERNS, min_size=1, max_size=2).map(tuple)
TEXT_FIELDS = [Field.TAG, Field.OWNER, Field.ID, Field.TITLE, Field.ERROR, Field.TEXT, Field.DEPENDS]
TERMS = st.one_of(
    st.builds(TextTerm, field=st.sampled_from(TEXT_FIELDS), choices=CHOICES, negated=st.booleans()),
    st.builds(
        TextTerm,
        field=st.just(Field.STATE),
        choices=st.lists(
            st.builds(Pattern, st.sampled_from(["exact", "prefix", "contains"]), st.sampled_from([*State, "re", "P"])),
            min_size=1,
            max_size=2,
        ).map(tuple),
        negated=st.booleans(),
    ),
    st.builds(
        NumberTerm,
        field=st.sampled_from([Field.ATTEMPTS, Field.PRIORITY]),
        op=st.sampled_from(["<", "<=", "=", ">=", ">"]),
        value=st.sampled_from([-1.0, 0.0, 0.5, 1.0, 5.0, 1e300]),
        negated=st.booleans(),
    ),
    st.builds(
        NumberTerm,
        field=st.just(Field.AGE),
        op=st.sampled_from(["<", "<=", "=", ">=", ">"]),
        value=st.sampled_from([0.0, 60.0, 61.0, 3_600.0, 1e15, -5.0]),
        negated=st.booleans(),
    ),
    st.builds(DueTerm, later=st.booleans(), negated=st.booleans()),
    st.builds(BlockedTerm, blocked=st.booleans(), negated=st.booleans()),
)
LOOKED = "2026-01-31T09:01:01.000000Z"
WORDS = ["a", "A", "ab%", "100_x", "b!c", "back\\slash", "it's"]
WORDS += ["Straße", "STRASSE", "GRÖSSE", "\u212a(kelvin)", "k", "Größe"]


@pytest.fixture(scope="module")
def wordy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, ...]]:
    """One store of each kind with the same wordy tasks, made once."""
    made = []
    for kind in BACKENDS:
        now = Turned()
        store = open_store(str(kind().make(tmp_path_factory.mktemp("wordy"))), now=now)
        for number, word in enumerate(WORDS):
            tags = [word, "x"] if number % 3 else []
            fields: dict[str, Any] = {"title": word, "description": WORDS[-number - 1], "tags": tags}
            fields["depends_on"] = [t(other) for other in range(max(0, number - 4), number, 3)]
            put(store, t(number), priority=number % 3 - 1, **fields)
            for action in WAY[BOARD[number % 5]]:
                do(store, t(number), action)
            if number % 4:
                done(store, t(number), Action.EDIT, not_before=clock.plus(LOOKED, number - 6))
            if number % 2:
                done(store, t(number), Action.EDIT, title=word + " x", priority=5)
        do(store, t(2), Action.REJECT, note="again")
        do(store, t(2), Action.START, owner=WORDS[7])
        now.turn(60)
        put(store, t(len(WORDS)))
        now.turn(1)
        made.append(store)
    yield tuple(made)
    for store in made:
        store.close()


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(terms=st.lists(TERMS, min_size=1, max_size=3).map(tuple))
def test_a_query_finds_what_its_meaning_says(wordy: tuple[Store, ...], terms: tuple[Any, ...]) -> None:
    query = Query(terms)
    now = LOOKED
    for store in wordy:
        expected = [task for task in store.tasks() if matches(query, task, now)]
        assert list(store.tasks(query)) == expected
        assert {state: tally.count for state, tally in store.counts(query).items()} == {
            state: sum(task.state is state for task in expected) for state in State
        }
        for state in State:
            cards = store.window(state, Order.PRIORITY, query=query).cards
            assert [card.id for card in cards] == [task.id for task in expected if task.state is state]


def test_a_very_long_search_text_finds_nothing_and_breaks_nothing(store: Store) -> None:
    put(store, t(1))
    for text in ("x" * 200_000, "ä" * 200_000, "half \ud800"):
        query = Query((TextTerm(field=Field.TEXT, choices=(Pattern("contains", text),)),))
        assert list(store.tasks(query)) == []


def test_reads_in_one_look_see_one_commit(store: Store, opened: Opener) -> None:
    put(store, t(1))
    other = opened()
    with store.reading():
        before = (store.get(t(1)), store.counts(), store.changes().cursor)
        done(other, t(1), Action.START)
        put(other, t(2))
        with store.reading():
            assert (store.get(t(1)), store.counts(), store.changes().cursor) == before
        assert store.get(t(2)) is None
        assert len(store.events(t(1))) == 1
    assert store.get(t(2)) is not None
    assert store.counts()[State.IN_PROGRESS].count == 1


def test_a_look_ends_when_its_body_fails(store: Store, opened: Opener) -> None:
    with pytest.raises(ZeroDivisionError), store.reading():
        raise ZeroDivisionError
    put(opened(), t(1))
    assert store.get(t(1)) is not None


def test_what_was_committed_is_there_after_reopening(store: Store, opened: Opener, many: list[Task]) -> None:
    events = list(store.events())
    store.close()
    again = opened()
    assert list(again.tasks()) == many
    assert list(again.events()) == events
    assert again.counts()[State.PENDING].count == len(column(many, State.PENDING, Order.PRIORITY))


def test_looking_makes_no_file_and_changes_none(store: Store, opened: Opener, path: Path) -> None:
    put(store, t(1))
    store.close()
    before = {file.name: file.stat().st_mtime_ns for file in path.parent.iterdir()}
    for read_only in (False, True):
        looking = opened(read_only=read_only)
        looking.counts()
        looking.window(State.PENDING, Order.PRIORITY)
        looking.events()
        looking.wait(0.01)
        looking.close()
        assert {file.name: file.stat().st_mtime_ns for file in path.parent.iterdir()} == before


def test_a_handle_says_what_it_is(store: Store, backend: Backend, path: Path, address: str) -> None:
    assert store.address == address
    assert store.kind == backend.kind
    assert store.audited in (True, False)
    assert store.output_folder is not None
    if not store.limits.observed:
        assert store.output_folder == path.with_name(f".{path.name}.taskdeck-output")
    put(store, t(1))
    assert store.audited


@pytest.mark.needs(WHOLE)
def test_a_big_store_is_added_in_one_commit_and_paged(store: Store) -> None:
    store.apply([command(t(n), Action.ADD, actor="ann", title="x") for n in range(2_000)], whole=True)
    seen: list[str] = []
    window = store.window(State.PENDING, Order.PRIORITY, limit=300)
    while window.cards:
        assert window.first == len(seen)
        seen += [card.id for card in window.cards]
        last = key(window.cards[-1], Order.PRIORITY)
        window = store.window(State.PENDING, Order.PRIORITY, start=(*last[:-1], f"{last[-1]}~"), limit=300)
    assert seen == [t(n) for n in range(2_000)]
