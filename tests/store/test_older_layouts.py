"""Files that earlier versions made: read as they are, brought up to date by who writes, and salvaged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from moving import done, put

from taskdeck_store import Action, Claiming, Order, State, Store, open_store
from taskdeck_store.query.parse import parse
from taskdeck_store.salvage import recover
from taskdeck_store.sqlite import schema
from taskdeck_store.verification import verify

LAYOUTS = (1, 2, 3, 4, 5)
BUNDLES = (3, 4, 5)
FROZEN = Path(__file__).parent / "layouts"
NOW = "2027-01-01T00:00:00.000000Z"
LATER = "2027-01-01T01:00:00.000000Z"


def thawed(name: str, path: Path, *more: str) -> Path:
    """Make a file as an earlier version left it; `more` is what another program did to it since."""
    with closing(apsw.Connection(str(path))) as connection:
        for statement in ((FROZEN / f"{name}.sql").read_text(), *more):
            connection.execute(statement)
    return path


@pytest.fixture(params=LAYOUTS)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return thawed(f"layout-{request.param}", tmp_path / "old.db")


@pytest.fixture
def looking(old: Path) -> Iterator[Store]:
    with closing(open_store(str(old), read_only=True, now=lambda: NOW)) as store:
        yield store


def ids(store: Store, query: str) -> list[str]:
    return [task.id for task in store.tasks(parse(query, me=""))]


def test_an_older_layout_is_read_as_it_is(old: Path, looking: Store) -> None:
    before = old.read_bytes()
    assert [(task.id, task.not_before) for task in looking.tasks()] == [("t-2", None), ("t-3", None), ("t-1", None)]
    assert {(task.depends_on, task.blocked) for task in looking.tasks()} == {((), 0)}
    for order in Order:
        assert {card.id for card in looking.window(State.PENDING, order).cards} == {"t-2", "t-3"}
    assert (ids(looking, "due:now"), ids(looking, "due:later")) == (["t-2", "t-3"], [])
    assert (ids(looking, "blocked:no"), ids(looking, "blocked:yes"), ids(looking, "depends:t-1")) == (
        ["t-2", "t-3"],
        [],
        [],
    )
    assert looking.next_due("") is None
    assert verify(looking).is_sound
    assert old.read_bytes() == before


def test_an_older_layout_is_read_on_while_another_program_brings_it_up_to_date(old: Path, looking: Store) -> None:
    assert ids(looking, "due:later") == []
    with closing(open_store(str(old), now=lambda: NOW)) as store:
        done(store, "t-2", Action.EDIT, not_before=LATER, depends_on=["t-1"])
        assert (ids(looking, "due:now"), ids(looking, "due:later")) == (["t-3"], ["t-2"])
        assert (ids(looking, "blocked:no"), ids(looking, "blocked:yes")) == (["t-3"], ["t-2"])
        assert looking.next_due(NOW) == LATER
        assert looking.get("t-2") == store.get("t-2")
        assert looking.tasks() == store.tasks()
        assert verify(looking).is_sound


def test_an_older_layout_is_found_by_its_indexes(old: Path) -> None:
    statements: list[str] = []

    def trace(_: apsw.Cursor, sql: str, __: object) -> bool:
        statements.append(sql)
        return True

    def hook(connection: apsw.Connection) -> None:
        connections.append(connection)
        connection.exec_trace = trace

    connections: list[apsw.Connection] = []
    apsw.connection_hooks.append(hook)
    try:
        store = open_store(str(old), read_only=True)
    finally:
        apsw.connection_hooks.remove(hook)
    with closing(store):
        statements.clear()
        store.window(State.PENDING, Order.PRIORITY, start=1, query=parse("due:now", me=""))
        store.window(State.PENDING, Order.OLDEST)
        store.tasks(limit=2)
        store.counts()
        asked = [sql for sql in statements if "FROM tasks" in sql]
        steps = [row[3] for sql in asked for row in connections[-1].execute(f"EXPLAIN QUERY PLAN {sql}", _any(sql))]
    assert any("USING INDEX tasks_by_priority (state=?)" in step for step in steps)
    assert [step for step in steps if step == "SCAN tasks" or "TEMP B-TREE" in step] == []


def _any(sql: str) -> tuple[None, ...]:
    return (None,) * sql.count("?")


def test_a_task_of_an_older_layout_can_be_left_until_later(old: Path) -> None:
    with closing(open_store(str(old), now=lambda: NOW)) as store:
        done(store, "t-2", Action.EDIT, not_before=LATER)
        claimed = store.claim(Claiming(owner="w", actor="w", seconds=9, limit=9))
        assert [outcome.command.task_id for outcome in claimed] == ["t-3"]
        assert verify(store).is_sound


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_column_that_another_program_added_to_an_older_layout_is_no_defect(tmp_path: Path, layout: int) -> None:
    path = thawed(
        f"layout-{layout}", tmp_path / "old.db", "ALTER TABLE tasks ADD COLUMN sprint TEXT CHECK (sprint > 0)"
    )
    with closing(open_store(str(path))) as store:
        put(store, "t-4")
        assert verify(store).is_sound
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("ALTER TABLE tasks ADD COLUMN mood TEXT")
        connection.execute("ALTER TABLE events ADD COLUMN mood TEXT")
    with closing(open_store(str(path))) as store:
        assert verify(store).is_sound


def test_rows_that_no_rule_would_let_pass_hold_nobody_up(tmp_path: Path) -> None:
    """A store that an earlier version recovered may have them."""
    wrong = ("PRAGMA ignore_check_constraints = ON", "UPDATE tasks SET attempts = -1 WHERE id = 't-3'")
    path = thawed("layout-3", tmp_path / "old.db", *wrong)
    with closing(open_store(str(path))) as store:
        assert done(store, "t-2", Action.EDIT, not_before=LATER).not_before == LATER
        assert [task.attempts for task in store.tasks() if task.id == "t-3"] == [-1]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_an_older_layout_held_is_recovered(tmp_path: Path, layout: int) -> None:
    path = thawed(f"layout-{layout}", tmp_path / "old.db")
    with closing(open_store(str(path), read_only=True)) as store:
        tasks, events = store.tasks(), store.events()
    with path.open("r+b") as file:
        file.write(b"\xff" * 100)
    recover(str(path), str(tmp_path / "new.db"))
    with closing(open_store(str(tmp_path / "new.db"))) as store:
        assert (store.tasks(), store.events()) == (tasks, events)


def test_rows_from_before_and_after_the_change_of_layout_are_recovered(tmp_path: Path) -> None:
    path = thawed("layout-3", tmp_path / "old.db")
    with closing(open_store(str(path), now=lambda: NOW)) as store:
        done(store, "t-2", Action.EDIT, not_before=LATER)
        put(store, "t-4", not_before=LATER, depends_on=["t-1"])
        tasks, events = store.tasks(), store.events()
    with path.open("r+b") as file:
        file.write(b"\xff" * 100)
    recover(str(path), str(tmp_path / "new.db"))
    with closing(open_store(str(tmp_path / "new.db"))) as store:
        assert (store.tasks(), store.events()) == (tasks, events)
        assert {task.id for task in store.tasks() if task.not_before == LATER} == {"t-2", "t-4"}


@pytest.mark.parametrize("layout", BUNDLES)
def test_a_bundle_of_an_earlier_version_is_read_and_verified(tmp_path: Path, layout: int) -> None:
    path = thawed(f"bundle-{layout}", tmp_path / "old.bundle")
    before = path.read_bytes()
    with closing(open_store(str(path), now=lambda: NOW)) as store:
        assert store.kind == "bundle"
        assert [task.id for task in store.tasks()] == ["t-2", "t-3", "t-1"]
        assert (ids(store, "due:now"), ids(store, "due:later"), store.next_due("")) == (["t-2", "t-3"], [], None)
        assert store.defects() == []
        assert verify(store).is_sound
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("layout", "change"),
    [
        *((layout, "UPDATE tasks SET title = 'x' WHERE id = 't-1'") for layout in BUNDLES),
        *((layout, "ALTER TABLE tasks ADD COLUMN mood INTEGER") for layout in BUNDLES),
        *((layout, "ALTER TABLE tasks ADD COLUMN blocked INTEGER") for layout in BUNDLES if layout < schema.DEPENDENT),
    ],
)
def test_a_change_of_a_bundle_of_an_earlier_version_is_found(tmp_path: Path, layout: int, change: str) -> None:
    path = thawed(f"bundle-{layout}", tmp_path / "old.bundle", change)
    with closing(open_store(str(path))) as store:
        assert store.defects()
