"""stats: what it says of a log to people and programs, at any width, and of a store with nothing to tell."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cli_stage import add, on_terminal, taskdeck, taskdeck_process

from taskdeck_store import Action, clock, command, create_store, open_store
from taskdeck_tui.cli import charts
from taskdeck_tui.cli.columns import width
from taskdeck_tui.demo import history

NOW = "2026-01-31T14:00:00.000000Z"
SECTIONS = (
    *("Throughput", "Time in each state", "From add to completed", "Attempts of completed tasks"),
    *("Failures by error", "Failures by worker", "Actions by actor"),
)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The demo's store, its past of five hours up to NOW."""
    path = str(tmp_path_factory.mktemp("demo") / "demo.db")
    history.build(path, tasks=120, seed=1, now=NOW)
    return path


@pytest.fixture(params=["tasks.db", "tasks.json"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store in which, at known times, a was done and b failed, and c waits."""
    path = str(tmp_path / request.param)
    create_store(path)
    moment = ["2026-01-30T09:00:00.000000Z"]
    with closing(open_store(path, now=lambda: moment[0])) as handle:

        def move(seconds: float, task_id: str, action: Action, actor: str, **fields: Any) -> None:
            moment[0] = clock.plus(moment[0], seconds)
            (outcome,) = handle.apply([command(task_id, action, actor=actor, **fields)])
            assert outcome.event is not None, outcome.refusal

        for task_id in ("a", "b", "c"):
            move(0, task_id, Action.ADD, "planner", title=f"Task {task_id}", tags=["x"] if task_id != "b" else [])
        move(600, "a", Action.START, "w-1")
        move(0, "b", Action.START, "w-2")
        move(1200, "a", Action.SUBMIT, "w-1", result=1)
        move(600, "b", Action.FAIL, "ann", note="no route to host 7\nat all")
        move(4800, "a", Action.APPROVE, "ann")
    return path


def lines_of(text: str, title: str) -> list[str]:
    """The lines of a section."""
    lines = text.splitlines()
    first = lines.index(title) + 1
    return lines[first : lines.index("", first) if "" in lines[first:] else None]


def test_programs_get_one_document(store: str) -> None:
    found = taskdeck("stats", store, "--json").value
    assert (found["from"], found["to"]) == ("2026-01-30T09:00:00.000000Z", "2026-01-30T11:00:00.000000Z")
    assert (found["events"], found["tasks"], found["matching"]) == (8, 3, None)
    assert found["throughput"]["completed"] == {"count": 1, "per_hour": 0.5}
    assert found["stays"]["review"] == {
        "count": 1,
        "median": 5400.0,
        "p95": 5400.0,
        "longest": 5400.0,
        "began_before": 0,
        "unknown": 0,
        "still_there": 0,
    }
    assert found["stays"]["pending"]["still_there"] == 1
    assert found["cycle"]["median"] == 7200.0
    assert found["attempts"] == {"counts": {"0": 1}, "mean": 0.0, "unknown": 0}
    assert found["failures"]["errors"]["top"] == [{"name": "no route to host #", "count": 1}]
    assert found["failures"]["workers"]["top"] == [{"name": "w-2", "count": 1}]
    assert found["actors"][0] == {"name": "planner", "events": 3, "actions": {"add": 3}}


def test_people_get_every_figure(store: str) -> None:
    said = taskdeck("stats", store)
    assert (said.code, said.err) == (0, "")
    first, second, *_ = said.out.splitlines()
    assert first == "2026-01-30 09:00:00 to 2026-01-30 11:00:00 UTC, 2h00m"
    assert second == "8 events of 3 tasks"
    assert [line for line in said.out.splitlines() if line in SECTIONS] == list(SECTIONS)
    throughput = lines_of(said.out, "Throughput")
    assert throughput[2].split()[0] == "completed"
    assert throughput[2].split()[-3:] == ["1", "0.5", "1"]
    states = {line.split()[0]: line.split()[2:] for line in lines_of(said.out, "Time in each state")[1:6]}
    assert states["◆"][:5] == ["1", "1h30m", "1h30m", "1h30m", "0"]
    assert states["✓"] == ["0", "–", "–", "–", "1"]
    assert lines_of(said.out, "From add to completed") == ["  1 task: median 2h00m, p95 2h00m, longest 2h00m"]
    assert lines_of(said.out, "Failures by error")[0].endswith("  no route to host #")
    assert "w-1" in said.out
    assert "Not on record" not in said.out


def test_of_a_query_only_the_tasks_that_match_now(store: str) -> None:
    found = taskdeck("stats", store, "-tag:x", "--json").value
    assert (found["matching"], found["events"], found["failures"]["count"]) == (1, 3, 1)
    said = taskdeck("stats", store, "tag:x", "state:completed").out
    assert "4 events of 1 task; counted are only those of the 1 task that matches now" in said


@pytest.mark.parametrize(
    ("span", "events"),
    [
        (["--from", "2026-01-30 09:10", "--to", "2026-01-30 09:40"], 3),
        (["--to", "2026-01-30T09:10Z"], 3),
        (["--from=2026-01-30 12:10+02:00"], 1),
        (["--from", "-4000w"], 8),
        (["--to", "-0s"], 8),
    ],
)
def test_a_span_is_asked_for_by_moments(store: str, span: list[str], events: int) -> None:
    assert taskdeck("stats", store, "--json", *span).value["events"] == events


def test_a_span_that_begins_at_a_moment_ends_now(tmp_path: Path) -> None:
    path = str(tmp_path / "tasks.db")
    taskdeck("init", path)
    add(path, "a")
    before = clock.utc_now()
    found = taskdeck("stats", path, "--from", "-2h", "--json").value
    assert found["events"] == 1
    assert before <= found["to"] <= clock.utc_now()
    assert found["throughput"]["added"]["per_hour"] == pytest.approx(0.5)


def test_a_span_in_which_nothing_happened_is_said(store: str) -> None:
    said = taskdeck("stats", store, "--from", "2026-01-30 09:20", "--to", "2026-01-30 09:25")
    assert (said.code, said.out.splitlines()) == (
        0,
        [
            "no event from 2026-01-30 09:20:00 to 2026-01-30 09:25:00 UTC; "
            "on record is 2026-01-30 09:00:00 to 2026-01-30 11:00:00 UTC"
        ],
    )
    early = taskdeck("stats", store, "--to", "2020-01-01").out
    assert early.startswith("no event from – to 2020-01-01 00:00:00 UTC; on record is 2026")


def test_a_store_with_nothing_to_tell_says_why(tmp_path: Path) -> None:
    for name, why in (("tasks.db", "nothing is on record"), ("tasks.json", "no audit log yet")):
        path = str(tmp_path / name)
        taskdeck("init", path)
        said = taskdeck("stats", path)
        assert (said.code, said.err, said.out.count("\n")) == (0, "", 1)
        assert said.out.startswith(why)
        assert taskdeck("stats", path, "--json").value["events"] == 0


def test_a_query_that_no_task_matches_is_said(store: str) -> None:
    assert taskdeck("stats", store, "tag:nope").out == "no task matches now, so there is nothing to measure\n"


def test_looking_makes_no_file(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    path.write_text('[{"id": "a", "title": "x", "state": "pending"}]')
    assert "no audit log yet" in taskdeck("stats", str(path)).out
    assert list(tmp_path.iterdir()) == [path]


def test_looking_puts_nothing_on_record(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    taskdeck("init", str(path))
    add(str(path), "a")
    path.write_text(path.read_text().replace("pending", "failed"))
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert taskdeck("stats", str(path), "--json").value["failures"]["count"] == 0
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_what_was_there_before_the_log_is_said_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    path.write_text('[{"id": "a", "title": "x", "state": "review"}, {"id": "b", "title": "y", "state": "pending"}]')
    assert taskdeck("approve", str(path), "a").code == 0
    said = taskdeck("stats", str(path)).out
    assert lines_of(said, "From add to completed") == ["  1 more completed, and when they were added is not on record"]
    assert lines_of(said, "Not on record") == [
        "  2 tasks that the log found already there, with nothing on what was before"
    ]
    assert "2 of the events are by outside programs, and count when they were noticed" in said
    assert taskdeck("stats", str(path), "--json").value["unknown"]["midway"] == 2


@pytest.mark.parametrize("columns", [None, 40, 80, 100, 160, 300])
def test_no_line_is_wider_than_the_terminal(demo: str, columns: int | None) -> None:
    if columns is None:
        said = taskdeck_process("stats", demo).out
    else:
        _, said = on_terminal("stats", demo, columns=columns, NO_COLOR="1")
    widths = [width(line) for line in said.splitlines()]
    assert max(widths) <= (columns or 80)
    if columns is None or columns >= 80:
        assert max(widths) >= (columns or 80) - 2
        assert [line for line in said.splitlines() if line in SECTIONS] == list(SECTIONS)


def test_colour_says_nothing_that_is_not_said_without(demo: str) -> None:
    _, coloured = on_terminal("stats", demo, columns=80)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[\d*m", "", coloured) == taskdeck_process("stats", demo).out


def test_the_figures_of_people_are_those_of_programs(demo: str) -> None:
    found, said = taskdeck("stats", demo, "--json").value, taskdeck("stats", demo).out
    for number, name in enumerate(("added", "completed", "rejected", "failed"), start=1):
        line = lines_of(said, "Throughput")[number]
        assert line.split()[0] == name
        assert line.split()[-3] == str(found["throughput"][name]["count"])
        assert sum(bucket[name] for bucket in found["throughput"]["buckets"]) == found["throughput"][name]["count"]
    table = lines_of(said, "Actions by actor")
    assert {line.split()[0]: int(line.split()[1]) for line in table[1:]} == {
        actor["name"]: actor["events"] for actor in found["actors"]
    }
    for line in table[1:]:
        _, whole, *parts = line.split()
        assert int(whole) == sum(int(part) for part in parts if part != "·")


def test_a_log_edited_by_hand_is_told_as_far_as_it_goes(demo: str, tmp_path: Path) -> None:
    path = tmp_path / "edited.db"
    assert taskdeck("backup", demo, str(path)).code == 0
    script = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as connection:
    rules = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for name, in rules:
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute("DELETE FROM events WHERE seq BETWEEN 40 AND 49")
    connection.execute("UPDATE events SET at = '0007-01-01T00:00:00Z', actor = ? WHERE seq = 60", ["\\x1b[2J" * 99])
    connection.execute("UPDATE events SET at = '9999-12-31T23:59:59.999999Z' WHERE seq = 61")
    connection.execute("UPDATE events SET at = 'never' WHERE seq = 62")
    connection.execute("UPDATE events SET action = ? WHERE seq > 70 AND seq < 80", ["bless\\n" * 50])
    error = '{"error": [null, "\\\\u001b[2J\\\\u202eboom"]}'
    connection.execute("UPDATE events SET changes = ? WHERE action = 'fail'", [error])
connection.close()
"""
    subprocess.run([sys.executable, "-c", script, str(path)], check=True)
    said = taskdeck("stats", str(path))
    assert (said.code, said.err) == (0, "")
    assert not {"\x1b", "\u202e"} & set(said.out)
    assert lines_of(said.out, "Failures by error")[0].endswith("  ␛[#J\ufffdboom")
    assert max(map(width, said.out.splitlines())) <= 80
    missing, *rest = lines_of(said.out, "Not on record")
    assert missing == "  10 events missing in 1 gap of the log"
    assert "  2 events without a moment that can be right, in none of these figures" in rest
    assert rest[-1].startswith("  9 events of an action that Taskdeck does not know: bless bless")
    found = taskdeck("stats", str(path), "--json").value
    assert found["from"] == "0007-01-01T00:00:00.000000Z"
    assert found["to"] < "9999"
    assert len(found["throughput"]["buckets"]) <= 61


def test_what_is_lost_of_a_damaged_store_is_said(store: str) -> None:
    path = Path(store)
    if store.endswith(".json"):
        with path.with_suffix(".audit.jsonl").open("ab") as log:
            log.write(b"{}\n{}\n")
    else:
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        raw = bytearray(path.read_bytes())
        raw[100:4096] = b"\xff" * 3996
        path.write_bytes(raw)
    ran = taskdeck("stats", store, "--json")
    assert ran.code == 1
    assert ran.error["code"] == "damaged"
    assert ran.out == "" or "events" in json.loads(ran.out)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        *((0, "0s"), (0.00001, "1ms"), (0.04, "40ms"), (4.29, "4.2s"), (42.9, "42s"), (130, "2m10s"), (3720, "1h02m")),
        *((86_399, "23h59m"), (3 * 86_400 + 4 * 3600, "3d04h"), (100 * 86_400, "100d"), (3e11, "3472222d")),
    ],
)
def test_a_length_of_time_is_told_by_its_two_greatest_units(seconds: float, told: str) -> None:
    assert charts.length(seconds) == told


@pytest.mark.parametrize(("seconds", "told"), [(1, "1s"), (30, "30s"), (5400, "90m"), (43_200, "12h"), (604_800, "7d")])
def test_a_round_length_is_told_by_one_unit(seconds: int, told: str) -> None:
    assert charts.round_length(seconds) == told


def test_what_is_not_nothing_is_seen_in_a_chart() -> None:
    assert charts.row([0, 1, 500, 1000], 2) == "··▁▁▄▄██"
    assert charts.row([0, 0], 1) == "··"
    assert [charts.bar(share, 4) for share in (0, 0.0001, 0.5, 1)] == ["", "▏", "██", "████"]
    assert charts.spread(1, 10, 1000, 10) == "█"
    assert charts.spread(250, 1000, 1000, 8) == "██░░░░░░"
    assert charts.spread(0, 0, 0, 8) == ""


def test_the_axis_has_round_times_below_their_bars() -> None:
    begins = "2026-01-31T09:07:00.000000Z"
    moments = [begins, *(clock.plus("2026-01-31T09:10:00Z", 600 * number) for number in range(20))]
    line = charts.axis(moments, 600, 2)
    assert line == "└09:07      └10:00      └11:00      └12:00"
    overnight = [clock.plus("2026-01-31T22:00:00Z", 3600 * number) for number in range(24)]
    assert charts.axis(overnight, 3600, 1) == "  └02-01 00:00"
    assert charts.axis(overnight, 3600, 2) == "    └02-01 00:00            └02-01 12:00"
    assert charts.axis([begins], 86_400, 1) == "└2026-01-31"
