"""Where the memories are in a file: layouts that are understood, and read and written; and those that are refused."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from minna_files import ENTITIES, FLAT, FLAT_INSERT, LAYOUTS, TOLD, Layout, make, plain, sql
from minna_moves import do, move, task_of

from taskdeck_store import Action, Fault, State, StoreError, create_store
from taskdeck_store.machine import Code
from taskdeck_store.minna import source as minna
from taskdeck_store.minna.tasks import MinnaTasks


@pytest.fixture(params=LAYOUTS.values(), ids=LAYOUTS.keys())
def layout(request: pytest.FixtureRequest) -> Layout:
    return request.param


def test_tasks_are_found_in_a_layout_that_nobody_told(tmp_path: Path, layout: Layout) -> None:
    path = make(tmp_path / "minna.db", layout)
    assert minna.recognises(path)
    with closing(MinnaTasks(path)) as source:
        seven, eight = source.look().tasks
    assert (seven.id, seven.title, seven.state, seven.attempts) == ("proj~7", "mend the roof", State.IN_PROGRESS, 2)
    assert (eight.id, eight.title, eight.state, eight.attempts) == ("proj~8", "paint the door", State.PENDING, 0)
    since = None if layout is LAYOUTS["no times, confidence of a hundred"] else "2026-09-21T14:13:26"
    assert (seven.state_since and seven.state_since[:19]) == since


def test_what_is_written_is_recalled_and_nothing_else_is_touched(tmp_path: Path, layout: Layout) -> None:
    path = make(tmp_path / "minna.db", layout)
    before = sql(path, f"SELECT * FROM {layout.rows}")
    with closing(MinnaTasks(path)) as source:
        assert source.read_only is None
        source.look()
        done = do(source, task_of(source, "proj~7"), Action.SUBMIT, result={"roof": [1, 2.5]})
        added = do(source, "proj~10", Action.ADD, title="sweep")
    assert (done.state, done.result, done.attempts) == (State.REVIEW, {"roof": [1, 2.5]}, 2)
    assert (added.state, added.title) == (State.PENDING, "sweep")
    told = {("task:proj:7", "status"): "review", ("task:proj:10", "status"): "pending"}
    with closing(MinnaTasks(path)) as source:
        assert {task.id: task.state for task in source.look().tasks}["proj~7"] is State.REVIEW
    for (entity, attribute), word in told.items():
        assert sql(path, layout.recall, (entity, attribute))[0] == (word,)
    after = sql(path, f"SELECT * FROM {layout.rows}")
    assert after[: len(before)] == before
    assert len(after) - len(before) == 4


def test_an_index_for_search_that_triggers_keep_finds_what_was_written(tmp_path: Path) -> None:
    path = make(tmp_path / "minna.db", LAYOUTS["an index for search and rows taken back"])
    with closing(MinnaTasks(path)) as source:
        do(source, task_of(source, "proj~8"), Action.FAIL, note="the paint is gone")
        assert not any("search" in note for note in source.limits.notes)
    assert sql(path, "SELECT entity FROM memories_fts WHERE memories_fts MATCH 'gone'") == [("task:proj:8",)]


def test_an_index_for_search_that_no_trigger_keeps_is_told(tmp_path: Path) -> None:
    ddl = FLAT + "CREATE VIRTUAL TABLE memories_fts USING fts5 (value)"
    with closing(MinnaTasks(make(tmp_path / "minna.db", Layout(ddl, plain(FLAT_INSERT), "")))) as source:
        assert any("memories_fts" in note for note in source.limits.notes)


EAV = "CREATE TABLE {} (entity TEXT, attribute TEXT, value TEXT, created_at TEXT);"
UNCLEAR: dict[str, tuple[str, str]] = {
    "another program called Minna": (
        "CREATE TABLE features (id TEXT, status TEXT); CREATE TABLE work_items (id TEXT, state TEXT)",
        "another program",
    ),
    "no tables": ("PRAGMA user_version = 7", "it has no tables"),
    "no value": ("CREATE TABLE memories (entity TEXT, attribute TEXT, created_at TEXT)", "none for value"),
    "keys and values alone": ("CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT)", "settings"),
    "a kanban board": ("CREATE TABLE tasks (task_id INT, title TEXT); CREATE TABLE columns (name TEXT)", "tasks"),
    "numbers for entities that nobody names": (
        "CREATE TABLE memories (entity_id INTEGER, attribute TEXT, value TEXT)",
        "no table tells whose",
    ),
    "entities without names": (
        "CREATE TABLE entities (id INTEGER PRIMARY KEY, born TEXT);"
        "CREATE TABLE memories (entity_id INTEGER REFERENCES entities (id), attribute TEXT, value TEXT)",
        "no column for their names",
    ),
    "two tables that could be the one": (
        EAV.format("memories")
        + EAV.format("facts")
        + "INSERT INTO memories VALUES ('task:a', 'status', 'pending', '');"
        "INSERT INTO facts VALUES ('task:a', 'status', 'pending', '');",
        "facts and memories",
    ),
    "two empty tables that could be the one": (EAV.format("memories") + EAV.format("facts"), "facts and memories"),
    "two tables of names": (
        ENTITIES + "CREATE TABLE entity (id INTEGER PRIMARY KEY, name TEXT);"
        "CREATE TABLE memories (entity_id INTEGER, attribute TEXT, value TEXT)",
        "could have the names",
    ),
    "a view alone": (
        "CREATE VIEW memories AS SELECT 'task:a' AS entity, 'status' AS attribute, 'x' AS value",
        "no tables",
    ),
}


@pytest.mark.parametrize(("ddl", "why"), UNCLEAR.values(), ids=UNCLEAR.keys())
def test_what_cannot_be_told_is_refused_with_the_reason(tmp_path: Path, ddl: str, why: str) -> None:
    path = make(tmp_path / "minna.db", Layout(ddl, plain(""), ""), [])
    assert not minna.recognises(path)
    with pytest.raises(StoreError) as caught:
        minna.opened(f"minna:{path}")
    assert caught.value.fault is Fault.FOREIGN
    assert why in caught.value.message
    assert str(path) in caught.value.message


NO_FILES: dict[str, tuple[Callable[[Path], object], Fault]] = {
    "nothing": (lambda path: None, Fault.MISSING),
    "a folder": (lambda path: path.mkdir(), Fault.FOREIGN),
    "an empty file": (lambda path: path.touch(), Fault.FOREIGN),
    "JSON": (lambda path: path.write_text("[]" * 512), Fault.FOREIGN),
    "half a file": (lambda path: path.write_bytes(make(path, LAYOUTS["one table"]).read_bytes()[:5000]), Fault.DAMAGED),
    "a store of ours": (lambda path: create_store(str(path)), Fault.FOREIGN),
    "a link to itself": (lambda path: path.symlink_to(path), Fault.UNREADABLE),
    "a link to nothing": (lambda path: path.symlink_to("nowhere"), Fault.MISSING),
    "a device": (lambda path: path.symlink_to("/dev/null"), Fault.FOREIGN),
}


@pytest.mark.parametrize(("made", "fault"), NO_FILES.values(), ids=NO_FILES.keys())
def test_what_is_no_such_file_is_refused(tmp_path: Path, made: Callable[[Path], object], fault: Fault) -> None:
    path = tmp_path / "minna.db"
    made(path)
    assert not minna.recognises(path)
    with pytest.raises(StoreError) as caught, closing(MinnaTasks(path, patience=0.1)) as source:
        source.look()
    assert caught.value.fault is fault
    assert caught.value.message.isprintable()


def test_a_store_of_ours_is_none_whatever_else_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    create_store(str(path))
    sql(path, f"{FLAT} INSERT INTO memories VALUES (1, 'task:a', 'status', 'pending', '', 1, '', '', '')")
    assert not minna.recognises(path)
    with pytest.raises(StoreError, match="is a store of Taskdeck"):
        minna.opened(f"minna:{path}")


def test_a_path_that_can_be_none_is_refused() -> None:
    assert not minna.recognises(Path("a\0b"))
    with pytest.raises(StoreError):
        minna.opened("minna:a\0b")


def test_memories_without_a_task_are_opened_but_not_taken_for_a_store(tmp_path: Path) -> None:
    path = make(tmp_path / "minna.db", LAYOUTS["one table"], TOLD[2:3])
    assert not minna.recognises(path)
    with closing(MinnaTasks(path)) as source:
        assert source.look().tasks == ()
        assert do(source, "a", Action.ADD, title="the first").state is State.PENDING
    assert minna.recognises(path)


def flat(**changed: str) -> str:
    """Return the layout of one table with some of its words changed."""
    ddl = FLAT
    for old, new in changed.items():
        assert old in ddl
        ddl = ddl.replace(old, new)
    return ddl


WRITE_ONLY_BY_ITS_PROGRAM: dict[str, tuple[str, str, str]] = {
    "one row for each attribute": (
        FLAT + "CREATE UNIQUE INDEX one ON memories (entity, attribute, value)",
        FLAT_INSERT,
        "one row for each entity and attribute and value",
    ),
    "rows that hold or do not": (flat(context="is_current"), FLAT_INSERT, "is_current"),
    "a column that nobody knows": (
        flat(context="mood TEXT NOT NULL, context"),
        FLAT_INSERT.replace("?)", "?, 1)").replace("created_at", "created_at, mood"),
        "memories.mood",
    ),
    "ids made in their own way": (
        FLAT.replace("id INTEGER PRIMARY KEY AUTOINCREMENT", "id TEXT PRIMARY KEY NOT NULL"),
        FLAT_INSERT.replace("(entity", "(id, entity").replace("(?,", "('m-' || random(), ?,"),
        "memories.id",
    ),
    "rows without numbers": (
        "CREATE TABLE memories (entity TEXT, attribute TEXT, value TEXT, created_at TEXT,"
        " PRIMARY KEY (entity, attribute, created_at)) WITHOUT ROWID",
        FLAT_INSERT,
        "no number",
    ),
    "times that are none": (FLAT, FLAT_INSERT.replace("?)", "'day ' || substr(?, 9, 2))"), "spells its times"),
    "a trigger that needs its program": (
        FLAT + "CREATE TRIGGER embed AFTER INSERT ON memories WHEN new.id > 100 BEGIN SELECT embed(new.value); END",
        "",
        "no such function: embed",
    ),
}


@pytest.mark.parametrize(
    ("ddl", "insert", "why"), WRITE_ONLY_BY_ITS_PROGRAM.values(), ids=WRITE_ONLY_BY_ITS_PROGRAM.keys()
)
def test_where_a_row_cannot_be_filled_the_tasks_are_read_only(tmp_path: Path, ddl: str, insert: str, why: str) -> None:
    path = tmp_path / "minna.db"
    if insert:
        make(path, Layout(ddl, plain(insert), ""))
    else:
        table, trigger = ddl.split("CREATE TRIGGER")
        make(path, Layout(table, plain(FLAT_INSERT), ""))
        sql(path, f"CREATE TRIGGER{trigger}")
    with closing(MinnaTasks(path)) as source:
        seven, _ = source.look().tasks
        assert seven.state is State.IN_PROGRESS
        assert source.read_only is not None
        assert why in source.read_only
        refusal = source.carry_out([move(seven, Action.SUBMIT)])[0]
    assert refusal.code is Code.READ_ONLY
    assert why in refusal.message
    assert len(sql(path, "SELECT 1 FROM memories")) == len(TOLD)


def test_a_file_whose_times_cannot_be_told_yet_is_written_to_once_they_can(tmp_path: Path) -> None:
    ddl = "CREATE TABLE memories (entity TEXT, attribute TEXT, value TEXT, created_at INTEGER)"
    path = make(tmp_path / "minna.db", Layout(ddl, plain(FLAT_INSERT, int), ""), [])
    with closing(MinnaTasks(path)) as source:
        assert "spells its times" in (source.read_only or "")
        sql(path, "INSERT INTO memories VALUES ('task:a', 'status', 'pending', 1790000000)")
        source.look()
        assert source.read_only is None


def test_a_layout_that_changes_under_an_open_handle_is_read_anew(tmp_path: Path) -> None:
    path = make(tmp_path / "minna.db", LAYOUTS["one table"])
    with closing(MinnaTasks(path)) as source:
        task = task_of(source, "proj~7")
        sql(path, "ALTER TABLE memories ADD COLUMN mood TEXT NOT NULL DEFAULT 'calm'")
        assert do(source, task, Action.SUBMIT).state is State.REVIEW
        sql(path, "ALTER TABLE memories RENAME COLUMN value TO val")
        assert task_of(source, "proj~7").state is State.REVIEW
