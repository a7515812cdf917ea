"""The header's badge: how far the audit log is verified, and what is wrong with it or with the tasks."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest
from board_stage import Stage, act, add, filled, plain_sql, staged

from taskdeck_store import Action

_WRITABLE = "PRAGMA writable_schema = 1"


def forge(path: Path, statement: str) -> None:
    """Write to a store that nobody has open past all its rules."""
    connection = apsw.Connection(str(path))
    rules = list(connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"))
    for name, _ in rules:
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute(statement)
    for _, rule in rules:
        connection.execute(rule)
    connection.close()


def shown(stage: Stage) -> str:
    """All that the screen says."""
    return stage.deck.export_screenshot(simplify=True).replace("&#160;", " ")


@pytest.mark.parametrize("name", ["tasks.db", "tasks.json"])
async def test_a_sound_log_is_verified_to_its_end_and_beyond(tmp_path: Path, name: str) -> None:
    async with staged(filled(tmp_path / name), check_after=0) as stage:
        events = len(stage.other.events())
        await stage.until(lambda: f"✓ verified to {events}" in stage.header)
        act(stage.other, "pending-1", Action.START)
        await stage.until(lambda: f"✓ verified to {events + 1}" in stage.header)


async def test_what_is_not_sealed_yet_is_told(tmp_path: Path) -> None:
    path = filled(tmp_path / "tasks.db")
    async with staged(path, check_after=0) as stage:
        plain_sql(path, "UPDATE tasks SET title = 'by hand' WHERE id = 'pending-1'")
        await stage.until(lambda: ", 1 unsealed" in stage.header)
        await stage.press("L")
        await stage.until(lambda: "not sealed yet" in shown(stage))
        act(stage.other, "pending-2", Action.START)
        await stage.until(lambda: "not sealed yet" not in shown(stage))
        await stage.press("escape")


async def test_a_broken_event_is_named_at_any_width(tmp_path: Path) -> None:
    path = filled(tmp_path / "tasks.db")
    forge(path, "UPDATE events SET actor = 'mallory' WHERE seq = 7")
    for size in ((160, 40), (40, 12)):
        async with staged(path, size=size, check_after=0) as stage:
            await stage.until(lambda stage=stage: "✗ log broken at 7" in stage.header)
            assert "event 7 of the audit log" in stage.status
            assert "verified" not in stage.header


async def test_a_task_that_is_not_what_its_events_say_is_told(tmp_path: Path) -> None:
    path = filled(tmp_path / "tasks.db")
    forge(path, "UPDATE tasks SET title = 'forged' WHERE id = 'review-1'")
    async with staged(path, check_after=0) as stage:
        await stage.until(lambda: "✗ 1 task differs from the log" in stage.header)
        assert "not what the audit log says" in stage.status


async def test_a_task_that_no_column_lists_is_told(tmp_path: Path) -> None:
    path = filled(tmp_path / "tasks.db")
    for index in ("tasks_by_priority", "tasks_by_time"):
        rename = f"UPDATE sqlite_schema SET sql = %s WHERE name = '{index}'"
        hiding = rename % "sql || ' WHERE id <> ''review-1'''"
        restored = rename % "substr(sql, 1, instr(sql, ' WHERE') - 1)"
        for statements in ((_WRITABLE, hiding), (f"REINDEX {index}", _WRITABLE, restored)):
            connection = apsw.Connection(str(path))
            for statement in statements:
                connection.execute(statement)
            connection.close()
    async with staged(path, check_after=0) as stage:
        await stage.until(lambda: "✗ 1 task is in no column" in stage.header)
        assert "a task is there, and no column lists it" in stage.status
        assert "taskdeck verify" in stage.status


async def test_another_store_in_its_place_is_verified_from_its_beginning(tmp_path: Path) -> None:
    path = filled(tmp_path / "tasks.json", (1, 1, 1, 1, 1))
    other = filled(tmp_path / "other.json", (2, 0, 0, 0, 0))
    async with staged(path, check_after=0) as stage:
        await stage.until(lambda: "✓ verified to" in stage.header)
        (tmp_path / "other.audit.jsonl").replace(tmp_path / "tasks.audit.jsonl")
        other.replace(path)
        await stage.until(lambda: "✓ verified to 2" in stage.header and "unsealed" not in stage.header)


async def test_the_check_leaves_the_board_quick_to_answer(tmp_path: Path) -> None:
    """A key and an outside change are shown while thousands of events are still being checked."""
    path = filled(tmp_path / "tasks.db")
    many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
    plain_sql(path, f"{many} INSERT INTO tasks (id, title, priority) SELECT 'o-' || i, 'outside', 9 FROM n")
    async with staged(path, check_after=0) as stage:
        await stage.until(lambda: "verifying" in stage.header)
        held = stage.held
        await stage.press("j")
        await stage.until(lambda: stage.held != held)
        add(stage.other, "new-1", priority=-5)
        await stage.until(lambda: stage.ids(0)[:1] == ["new-1"])
        assert "verifying" in stage.header


async def test_a_damaged_store_is_shown_read_only_and_says_what_is_lost(tmp_path: Path) -> None:
    path = filled(tmp_path / "tasks.db", (60, 0, 0, 0, 0))
    connection = apsw.Connection(str(path))
    connection.pragma("wal_checkpoint(TRUNCATE)")
    (page,) = next(connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'tasks_by_priority'"))
    connection.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: (page - 1) * 4096] + b"\xff" * 4096 + whole[page * 4096 :])
    async with staged(path) as stage:
        await stage.until(lambda: "✗ damaged" in stage.header)
        assert "read-only" in stage.header
        assert "taskdeck recover" in stage.text("#status")
        assert len(stage.ids(0)) == 60
        await stage.press("s")
        assert stage.state("pending-1") is None or stage.state("pending-1") == "pending"
        path.write_bytes(whole)
        await stage.until(lambda: "✗ damaged" not in stage.header and "live" in stage.header)
