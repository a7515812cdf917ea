"""A task file keeps its author's shape: what a commit does not change stays byte for byte."""

from __future__ import annotations

import json
import os
import stat
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import Turned
from taskdeck_store import open_store
from taskdeck_store.contract import Outcome
from taskdeck_store.machine import Command, command
from taskdeck_store.values import FIELDS, Action, State, Task

AT = "2026-01-31T09:00:00.000000Z"


def apply(path: Path, now: Turned, *commands: Command) -> tuple[Outcome, ...]:
    with closing(open_store(str(path), now=now)) as store:
        outcomes = store.apply(commands)
    assert [outcome.refusal for outcome in outcomes] == [None] * len(commands)
    return outcomes


def get(path: Path, task_id: str) -> Task:
    with closing(open_store(str(path), read_only=True)) as store:
        task = store.get(task_id)
    assert task is not None
    return task


SEED = """[
  {
    "id": "t-1",
    "state": "pending",
    "result": null,
    "attempts": 0
  },
  {
    "id": "t-2",
    "state": "completed",
    "result": {
      "ok": true
    },
    "attempts": 1
  }
]"""

LAB_2 = """{
  "tasks": [
    {"id": 1, "description": "Write a parser", "status": "pending", "result": null},
    {"id": 2, "description": "Test it",        "status": "pending", "result": null}
  ]
}
"""

LAB_4 = """{
  "tasks": [
    {
      "id": "task-1a2b3c4d",
      "description": "Schreibe \\u00fcber Z\\u00fcrich",
      "status": "in_progress",
      "priority": 5,
      "created_at": "2026-01-30T10:00:00.123456",
      "started_at": null,
      "completed_at": null,
      "attempts": 0,
      "max_attempts": 3,
      "result": null,
      "criteria": {},
      "metadata": {},
      "history": [
        {
          "timestamp": "2026-01-30T10:00:00.123456",
          "event": "created",
          "details": null
        }
      ],
      "failure_reason": null
    }
  ],
  "saved_at": "2026-01-30T10:00:00.123456"
}"""

TIER_1 = """{
    "tasks": [
        {
            "id": "1",
            "description": "Läuft schon",
            "status": "failed",
            "attempts": 0,
            "max_attempts": 3,
            "result": null,
            "error": "boom",
            "created_at": "2026-01-30T10:00:00",
            "completed_at": null
        }
    ],
    "metadata": {"created": "2026-01-30T10:00:00", "last_updated": "2026-01-30T10:00:00"}
}
"""

COMPACT = '[{"id":"a","state":"pending","owner":null,"n":1.50},{"id":"b","state":"review","owner":null,"n":1e3}]'


@pytest.mark.parametrize(
    ("text", "move", "expected"),
    [
        (SEED, command("t-1", Action.START, actor="me"), SEED.replace('"pending"', '"in_progress"')),
        (
            LAB_2,
            command("2", Action.START, actor="me"),
            LAB_2.replace('       "status": "pending"', '       "status": "in_progress"'),
        ),
        (
            LAB_4,
            command("task-1a2b3c4d", Action.SUBMIT, actor="me", result={"words": [1, 2], "ü": "ö"}),
            LAB_4.replace("in_progress", "review").replace(
                '"result": null',
                '"result": {\n        "words": [\n          1,\n          2\n        ],\n'
                '        "\\u00fc": "\\u00f6"\n      }',
            ),
        ),
        (
            TIER_1,
            command("1", Action.RETRY, actor="me"),
            TIER_1.replace('"failed"', '"pending"').replace('"attempts": 0', '"attempts": 1'),
        ),
        (
            COMPACT,
            command("a", Action.START, actor="mé"),
            COMPACT.replace('"pending","owner":null', '"in_progress","owner":"m\\u00e9"'),
        ),
        (
            "\ufeff" + SEED.replace("\n", "\r\n") + "\r\n",
            command("t-1", Action.FAIL, actor="me"),
            "\ufeff" + SEED.replace('"pending"', '"failed"').replace("\n", "\r\n") + "\r\n",
        ),
    ],
    ids=["seed", "lab 2", "lab 4", "tier 1", "compact", "Windows"],
)
def test_a_commit_changes_the_changed_values_alone(
    tmp_path: Path, now: Turned, text: str, move: Command, expected: str
) -> None:
    path = tmp_path / "tasks.json"
    path.write_bytes(text.encode())
    (outcome,) = apply(path, now, move)
    assert path.read_bytes().decode() == expected
    assert outcome.task == get(path, move.task_id)


def test_what_the_file_has_no_key_for_is_kept_in_the_log(tmp_path: Path, now: Turned) -> None:
    path = tmp_path / "tasks.json"
    path.write_text(LAB_2)
    apply(path, now, command("1", Action.EDIT, actor="me", priority=2, tags=["x"], description="more"))
    now.turn(60)
    apply(path, now, command("1", Action.START, actor="worker", lease_until=AT))
    assert path.read_text() == LAB_2.replace('parser", "status": "pending"', 'parser", "status": "in_progress"')
    task = get(path, "1")
    assert (task.priority, task.tags, task.owner, task.lease_until) == (2, ("x",), "worker", AT)
    assert (task.title, task.description) == ("Write a parser", "more")
    assert (task.state_since, task.updated_at) == (now.moment, now.moment)
    apply(path, now, command("1", Action.RELEASE, actor="worker", not_before=AT))
    assert path.read_text() == LAB_2
    assert get(path, "1").not_before == AT


class Lab4Task:
    """As Lab 04 reads a task, with `cls(**data)`: a key too many makes it fail, and one too few."""

    def __init__(
        self,
        *,
        id: str,
        description: str,
        status: str,
        priority: int,
        created_at: str,
        started_at: str | None,
        completed_at: str | None,
        attempts: int,
        max_attempts: int,
        result: Any,
        criteria: dict[str, Any],
        metadata: dict[str, Any],
        history: list[dict[str, Any]],
        failure_reason: str | None,
    ) -> None:
        assert status in ("pending", "in_progress", "review", "completed", "failed")
        history.append({"event": "read"})
        criteria["read"] = metadata["read"] = True
        self.id, self.title, self.attempts = id, description, attempts


def test_the_programs_that_own_a_file_still_read_it(tmp_path: Path, now: Turned) -> None:
    path = tmp_path / "tasks.json"
    path.write_text(LAB_4)
    task_id = "task-1a2b3c4d"
    apply(path, now, command(task_id, Action.FAIL, actor="me", note="no"))
    apply(path, now, command(task_id, Action.RETRY, actor="me"))
    apply(path, now, command("task-new", Action.ADD, actor="me", title="Neu", tags=["x"]))
    document = json.loads(path.read_text())
    assert list(document) == ["tasks", "saved_at"]
    first, second = (Lab4Task(**data) for data in document["tasks"])
    assert (first.id, first.attempts, second.id, second.title) == (task_id, 1, "task-new", "Neu")
    assert document["tasks"][1]["created_at"] == now.moment.removesuffix("Z")
    assert get(path, "task-new").tags == ("x",)


def test_a_number_stays_a_number_and_is_text_for_people(tmp_path: Path, now: Turned) -> None:
    path = tmp_path / "state.json"
    path.write_text(LAB_2)
    apply(path, now, command("3", Action.ADD, actor="me", title="Third"))
    expected = LAB_2.replace(
        '"result": null}\n  ]',
        '"result": null},\n    {"id": 3, "description": "Third", "status": "pending", "result": null}\n  ]',
    )
    assert path.read_text() == expected
    with closing(open_store(str(path))) as store:
        assert [task.id for task in store.tasks()] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("empty", "filled"),
    [
        ("[]\n", '[\n  {\n    "id": "a",\n    "title": "A",\n'),
        ("[\r\n]", '[\r\n  {\r\n    "id": "a",\r\n    "title": "A",\r\n'),
        ('{"tasks":[]}', '{"tasks":[{"id":"a","title":"A",'),
        ('{\n\t"tasks": [],\n\t"x": 1\n}\n', '{\n\t"tasks": [\n\t\t{\n\t\t\t"id": "a",\n\t\t\t"title": "A",\n'),
    ],
)
def test_the_first_task_gets_the_style_of_the_file(tmp_path: Path, now: Turned, empty: str, filled: str) -> None:
    path = tmp_path / "tasks.json"
    path.write_bytes(empty.encode())
    apply(path, now, command("a", Action.ADD, actor="me", title="A"))
    text = path.read_bytes().decode()
    assert text.startswith(filled)
    document = json.loads(text)
    (task,) = document if isinstance(document, list) else document["tasks"]
    assert list(task) == list(FIELDS)
    apply(path, now, command("b", Action.ADD, actor="me", title="B"))
    again = path.read_bytes().decode()
    if empty == "[]\n":
        assert again == json.dumps(json.loads(again), indent=2) + "\n"
    assert again.startswith(text[: text.rindex("}", 0, text.rindex("]"))])
    assert again.endswith(text[text.rindex("]") :])
    assert again.count("\r\n") == again.count("\n") or "\r" not in again


def test_a_task_is_added_in_the_style_of_its_neighbours(tmp_path: Path, now: Turned) -> None:
    path = tmp_path / "tasks.json"
    path.write_text(SEED)
    apply(path, now, command("t-3", Action.ADD, actor="me", title="Third"))
    added = ',\n  {\n    "id": "t-3",\n    "state": "pending",\n    "result": null,\n    "attempts": 0\n  }\n]'
    assert path.read_text() == SEED.removesuffix("\n]") + added
    assert get(path, "t-3").title == "Third"


def test_a_file_that_ran_empty_keeps_its_keys(tmp_path: Path, now: Turned) -> None:
    path = tmp_path / "tasks.json"
    path.write_text(LAB_4)
    with closing(open_store(str(path), now=now)) as store:
        path.write_text('{\n  "tasks": [],\n  "saved_at": null\n}')
        assert store.tasks() == []
        assert store.apply([command("new", Action.ADD, actor="me", title="New")])[0].event is not None
    (data,) = json.loads(path.read_text())["tasks"]
    assert Lab4Task(**data).title == "New"


RAW = st.sampled_from(
    [
        "1e3",
        "0.10",
        '"\\u00e9"',
        '"\\/"',
        "-0",
        "[1 ,2]",
        "{ }",
        "9" * 50,
        '"\\ud800"',
        '{"b": [], "a" :null}',
        '"]},{["',
    ]
)
KNOWN = {
    "title": ['"T"', '"\\u0054 \\n x"'],
    "description": ['""', '"d"'],
    "priority": ["5", "-1", "7"],
    "tags": ["[]", '["a","b"]'],
    "error": ["null", '"old"'],
    "attempts": ["0", "3"],
    "owner": ["null", '"someone"'],
    "updated_at": ["null", '"2026-01-01T00:00:00Z"', '"2026-01-01 00:00:00"'],
}


@st.composite
def files(draw: st.DrawFn) -> tuple[str, str]:
    """Draw a task file, and what it must be after the task ``t-1`` was started."""
    known = draw(st.lists(st.sampled_from(sorted(KNOWN)), unique=True))
    unknown = draw(st.lists(st.sampled_from(["x", "y y", "\\u00fc", "due"]), unique=True))
    state = draw(st.sampled_from(["state", "status"]))
    space = st.sampled_from(["", " ", "\n", "\r\n  ", "\t"])
    comma, colon, opening, closing = draw(space), draw(space), draw(space), draw(space)
    count = draw(st.integers(1, 4))
    chosen = draw(st.integers(0, count - 1))
    before, after = [], []
    for index in range(count):
        values = {name: draw(st.sampled_from(KNOWN[name])) for name in known} | {name: draw(RAW) for name in unknown}
        values |= {"id": f'"t-{1 if index == chosen else index + 10}"', state: '"pending"'}
        order = draw(st.permutations(sorted(values)))
        changed = {state: '"in_progress"', "owner": '"me"', "error": "null"}
        like = values.get("updated_at", "null")
        changed["updated_at"] = {"null": f'"{AT}"', KNOWN["updated_at"][1]: f'"{AT}"'}.get(
            like, f'"{AT.replace("T", " ").removesuffix("Z")}"'
        )
        for texts, edits in ((before, {}), (after, changed if index == chosen else {})):
            members = [f'"{name}"{opening}:{colon}{edits.get(name, values[name])}' for name in order]
            texts.append("{" + opening + f"{closing},{comma}".join(members) + closing + "}")
    head, tail = draw(
        st.sampled_from(
            [
                ("[", "]"),
                ("\ufeff [\n", "]\n\n"),
                ('{"a": [1, {"id": 5}], "tasks" : [', '] , "saved_at": 1.0}'),
                ("[\r\n\t", " ]"),
            ]
        )
    )
    gap = draw(st.sampled_from([",", ", ", "\n,\n  ", ",\r\n"]))
    return head + gap.join(before) + tail, head + gap.join(after) + tail


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files())
def test_any_layout_survives(tmp_path: Path, files: tuple[str, str]) -> None:
    before, after = files
    for name in tmp_path.iterdir():
        name.unlink()
    path = tmp_path / "tasks.json"
    path.write_bytes(before.encode())
    (outcome,) = apply(path, Turned(), command("t-1", Action.START, actor="me"))
    assert path.read_bytes().decode() == after
    with closing(open_store(str(path))) as store:
        assert store.get("t-1") == outcome.task
        assert [event.actor for event in store.events("t-1")] == ["external", "me"]


def test_a_new_key_of_the_neighbours_is_added_at_the_end(tmp_path: Path, now: Turned) -> None:
    path = tmp_path / "tasks.json"
    path.write_text('[\n  {"id": "a", "state": "pending"},\n  {"id": "b", "state": "failed", "error": "x"}\n]')
    apply(path, now, command("a", Action.FAIL, actor="me", note="why"))
    first = '{"id": "a", "state": "failed", "error": "why"}'
    assert path.read_text() == f'[\n  {first},\n  {{"id": "b", "state": "failed", "error": "x"}}\n]'


def test_other_characters_are_written_as_the_file_writes_them(tmp_path: Path, now: Turned) -> None:
    path = tmp_path / "tasks.json"
    for title, expected in (("Grüße", '"ö 😀"'), ("plain", '"\\u00f6 \\ud83d\\ude00"')):
        path.write_text(
            json.dumps([{"id": "a", "title": title, "state": "pending"}], ensure_ascii=False), encoding="utf-8"
        )
        apply(path, now, command("a", Action.EDIT, actor="me", title="ö 😀"))
        assert expected in path.read_text(encoding="utf-8")
        path.with_name("tasks.audit.jsonl").unlink()


def test_half_a_surrogate_goes_through(tmp_path: Path, now: Turned) -> None:
    path = tmp_path / "tasks.json"
    path.write_text('[{"id": "a", "title": "\\ud800 ü", "state": "pending"}]', encoding="utf-8")
    assert get(path, "a").title == "\ud800 ü"
    apply(path, now, command("a", Action.EDIT, actor="me", title="\udfff", data={"k": "\ud801"}, description="d" * 10))
    assert get(path, "a").title == "\udfff"
    with closing(open_store(str(path))) as store:
        assert store.events("a")[-1].changes["title"] == ("\ud800 ü", "\udfff")


def test_a_title_of_ten_megabytes_is_read_and_kept(tmp_path: Path, now: Turned) -> None:
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps([{"id": "a", "title": "x" * 10_000_000, "state": "pending"}]))
    apply(path, now, command("a", Action.START, actor="me"))
    assert len(json.loads(path.read_text())[0]["title"]) == 10_000_000
    with closing(open_store(str(path))) as store:
        assert len(store.get("a").title) == 10_000_000  # type: ignore[union-attr]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes and links")
def test_mode_and_links_are_kept(tmp_path: Path, now: Turned) -> None:
    (tmp_path / "far").mkdir()
    real, link = tmp_path / "far" / "real.json", tmp_path / "tasks.json"
    real.write_text(SEED)
    real.chmod(0o640)
    link.symlink_to(real)
    apply(link, now, command("t-1", Action.START, actor="me"))
    assert link.is_symlink()
    assert not real.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert '"in_progress"' in real.read_text()
    names = sorted(entry.name for entry in real.parent.iterdir())
    assert names == ["real.audit.jsonl", "real.json", "real.json.taskdeck-lock"]
    assert stat.S_IMODE((real.parent / "real.audit.jsonl").stat().st_mode) == 0o640
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["far", "tasks.json"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give a file away")
def test_the_owner_is_kept(tmp_path: Path, now: Turned) -> None:
    path = tmp_path / "tasks.json"
    path.write_text(SEED)
    os.chown(path, 65534, 65534)
    apply(path, now, command("t-1", Action.START, actor="me"))
    for name in ("tasks.json", "tasks.audit.jsonl", "tasks.json.taskdeck-lock"):
        assert ((tmp_path / name).stat().st_uid, (tmp_path / name).stat().st_gid) == (65534, 65534)


def test_states_of_every_spelling_move(tmp_path: Path, now: Turned) -> None:
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps([{"id": state, "status": state} for state in State]))
    with closing(open_store(str(path), now=now)) as store:
        assert {state: tally.count for state, tally in store.counts().items()} == dict.fromkeys(State, 1)
        assert all(
            store.window(state, order).cards[0].id == state for state in State for order in ("priority", "newest")
        )  # type: ignore[arg-type]
