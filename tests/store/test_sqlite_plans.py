"""What a board reads from a SQLite store is found by an index: no statement scans or sorts the tasks or the events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from backends import Sqlite
from moving import do, put, put_all
from msgspec.structs import replace

from taskdeck_store import Action, Claiming, Order, State, Store, open_store
from taskdeck_store.contract import key
from taskdeck_store.query.parse import parse


class Told:
    """A store whose statements are written down."""

    def __init__(self, path: Path) -> None:
        self.statements: list[tuple[str, Any]] = []
        self.path = path
        apsw.connection_hooks.append(self._hook)
        try:
            self.store: Store = open_store(str(path))
        finally:
            apsw.connection_hooks.remove(self._hook)

    def _hook(self, connection: apsw.Connection) -> None:
        connection.exec_trace = self._told

    def _told(self, _: apsw.Cursor, sql: str, values: Any) -> bool:
        self.statements.append((sql, values))
        return True

    def plans(self, read: Callable[[Store], object]) -> list[str]:
        """Return the steps that SQLite takes for what `read` asks."""
        self.statements.clear()
        read(self.store)
        asked = [(sql, values) for sql, values in self.statements if "SELECT" in sql]
        assert asked
        looking = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READONLY)
        steps = [row[3] for sql, values in asked for row in looking.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
        looking.close()
        return steps


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    path = Sqlite().make(tmp_path_factory.mktemp("plans"))
    made = Told(path)
    states = list(State)
    put_all(made.store, ((f"t-{n:03}", states[n % 5], {"priority": n % 3}) for n in range(200)))
    made.store.counts()
    put(made.store, "one-more", State.REVIEW)
    yield made
    made.store.close()


def place(store: Store, order: Order) -> tuple[int | str, ...]:
    return key(store.window(State.REVIEW, order, start=20, limit=1).cards[0], order)


def window(order: Order, kind: str) -> Callable[[Store], object]:
    def read(store: Store) -> object:
        options: dict[str, Any] = {
            "from the top": {},
            "from a rank": {"start": 20, "before": 10, "limit": 10},
            "from a place": {"start": place(store, order), "before": 10, "limit": 10},
            "past the end": {"start": 10**6, "before": 10},
        }[kind]
        return store.window(State.REVIEW, order, **options)

    return read


CLAIMING = Claiming(owner="w", actor="w", seconds=60)
KINDS = ("from the top", "from a rank", "from a place", "past the end")
WINDOWS = {f"{order} {kind}": window(order, kind) for order in Order for kind in KINDS}
READS: dict[str, Callable[[Store], object]] = {
    **WINDOWS,
    "counts": lambda store: store.counts(),
    "one task": lambda store: store.get("t-007"),
    "next due": lambda store: store.next_due("2026-01-01"),
    "a claim": lambda store: store.claim(CLAIMING),
    "first tasks": lambda store: store.tasks(limit=10),
    "events of a task": lambda store: store.events("t-007", after=3, limit=5),
    "last events of a task": lambda store: store.events("t-007", limit=5, newest=True),
    "events from a seq": lambda store: store.events(after=100, limit=5),
    "last events": lambda store: store.events(limit=5, newest=True),
    "changes": lambda store: store.changes(store.changes().cursor.rpartition(":")[0] + ":100"),
    "a command": lambda store: do(store, "t-000", Action.EDIT, title="x"),
    "a conflict": lambda store: do(store, "t-000", Action.EDIT, title="x", expect="0"),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_read_of_the_board_uses_an_index(told: Told, read: Callable[[Store], object]) -> None:
    steps = told.plans(read)
    assert any("USING" in step or "SEARCH" in step for step in steps)
    # What is ready is an index of its own, which is read from its beginning.
    read_in_order = "SCAN tasks USING COVERING INDEX tasks_ready"
    steps = [step for step in steps if step != read_in_order]
    assert [step for step in steps if "TEMP B-TREE" in step or "SCAN tasks" in step or "SCAN events" in step] == []


def test_what_is_due_is_told_by_an_index_and_no_task(told: Told) -> None:
    step, *_ = told.plans(lambda store: store.claim(replace(CLAIMING, query=parse("priority>99", me=""))))
    assert step == "SEARCH tasks USING COVERING INDEX tasks_ready (priority>?)"
    (step,) = told.plans(lambda store: store.next_due("2026-01-01"))
    assert step == "SEARCH tasks USING COVERING INDEX tasks_by_due (not_before>?)"


def test_the_first_count_reads_an_index_and_no_task(told: Told) -> None:
    first = Told(told.path)
    steps = first.plans(lambda store: store.counts())
    first.store.close()
    assert [step for step in steps if "SCAN tasks" in step] == ["SCAN tasks USING COVERING INDEX tasks_by_time"]


def test_the_check_sees_a_scan_and_a_sort(told: Told) -> None:
    from taskdeck_store.query.terms import Field, Pattern, Query, TextTerm

    looking = apsw.Connection(str(told.path), flags=apsw.SQLITE_OPEN_READONLY)
    plan = [row[3] for row in looking.execute("EXPLAIN QUERY PLAN SELECT * FROM tasks ORDER BY title")]
    looking.close()
    assert plan == ["SCAN tasks", "USE TEMP B-TREE FOR ORDER BY"]
    query = Query((TextTerm(field=Field.TITLE, choices=(Pattern("contains", "7"),)),))
    assert told.plans(lambda store: store.counts(query))


def test_the_cost_of_a_page_does_not_grow_with_what_lies_before_it(told: Told) -> None:
    """A place far down is reached by the index, not by counting the rows before it."""
    steps = told.plans(lambda store: store.window(State.REVIEW, Order.PRIORITY, start=(1, "2", "x"), limit=10))
    assert any("(priority,state_since,id)>" in step for step in steps)
