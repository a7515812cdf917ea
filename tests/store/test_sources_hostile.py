"""Foreign files that somebody made to do harm, or that went wrong: a clear word or a flaw, never a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foreign.files import database
from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.source import Kind, Sight
from taskdeck_store.sources import backlog, beads, claude, kanbantui, ralph, taskmaster, taskwarrior
from taskdeck_store.validity import wrong_id
from taskdeck_store.values import Json

KINDS = [module.KIND for module in (backlog, beads, claude, kanbantui, ralph, taskmaster, taskwarrior)]


def written(path: Path, raw: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)
    return path


JSON: dict[str, tuple[Kind, Callable[[Path, bytes], Path], Callable[[Json], Json]]] = {
    "Task Master": (
        taskmaster.KIND,
        lambda folder, raw: written(folder / ".taskmaster" / "tasks" / "tasks.json", raw),
        lambda task: {"master": {"tasks": [task]}},
    ),
    "beads": (beads.KIND, lambda folder, raw: written(folder / ".beads" / "issues.jsonl", raw), lambda task: task),
    "Ralph": (ralph.KIND, lambda folder, raw: written(folder / "prd.json", raw), lambda task: {"userStories": [task]}),
    "Claude Code": (
        claude.KIND,
        lambda folder, raw: written(folder / "1.json", raw).parent,
        lambda task: task,
    ),
}


@pytest.fixture(autouse=True)
def nobody_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskdeck_store.sources.folders.STILL", -1.0)


def sound(sight: Sight) -> Sight:
    """Check what every sight promises, and that the mirror's file could keep it."""
    assert len({task.id for task in sight.tasks}) == len(sight.tasks)
    for task in sight.tasks:
        assert wrong_id(task.id) is None
        assert task.title.strip()
        json.dumps(task.extra, allow_nan=False).encode()
        "".join((task.title, task.description, *task.tags)).encode()
    assert all(flaw.isprintable() for flaw in sight.flaws)
    return sight


def looked(kind: Kind, path: Path) -> Sight:
    """Look; trouble that is told as it should be is a flaw."""
    try:
        return sound(kind.open(str(path)).look())
    except StoreError as error:
        trouble = error
    assert trouble.fault in (Fault.DAMAGED, Fault.FOREIGN)
    assert trouble.message.isprintable()
    assert len(trouble.message) < 500
    return Sight(tasks=(), flaws=(trouble.message,))


BROKEN = {
    "nothing": b"",
    "half": b'{"master": {"tasks": [{"id": 1, "ti',
    "nan": b'{"id": NaN, "userStories": [], "master": {"tasks": []}}',
    "too large a number": b'{"id": 1e999, "userStories": [], "master": {"tasks": []}}',
    "too long a number": b'{"id": ' + b"9" * 5_000 + b', "userStories": [], "master": {"tasks": []}}',
    "nested": b'{"master": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "no text": b"\xff\xfe\x00",
    "a list": b"[]",
    "a text": b'"x"',
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("name", JSON.keys())
def test_a_broken_file_is_trouble_or_a_flaw(tmp_path: Path, name: str, raw: bytes) -> None:
    kind, make, _ = JSON[name]
    path = make(tmp_path, raw)
    sight = looked(kind, path)
    assert not sight.tasks
    assert sight.flaws or (name == "beads" and not raw)


VALUES: dict[str, Json] = {
    "a long number": int("9" * 50),
    "a long text": "x" * 500_000,
    "control and bidi": "\x00\x1b[2J\u202eevil\r\n\x7f",
    "half a surrogate": "a\ud800b",
    "nested": json.loads("[" * 150 + "]" * 150),
    "nothing": None,
    "empty": "",
    "wrong": {"a": [True, 1.5]},
    "above": "../../etc/passwd",
    "long list": ["x"] * 2_000,
}
_KEYS = (
    "title",
    "subject",
    "description",
    "status",
    "priority",
    "dependencies",
    "blockedBy",
    "labels",
    "passes",
    "own",
)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
@pytest.mark.parametrize("name", JSON.keys())
def test_any_value_anywhere_is_shown_or_a_flaw(tmp_path: Path, name: str, value: Json) -> None:
    kind, make, around = JSON[name]
    task = {"id": "1", "title": "One", "subject": "One", "status": "pending", "subtasks": [], "_type": "issue"}
    raw = json.dumps(around({**task, **dict.fromkeys(_KEYS, value)})).encode()
    sight = sound(kind.open(str(make(tmp_path, raw))).look())
    assert [found.id for found in sight.tasks] == ["1"]


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
@pytest.mark.parametrize("name", ["Task Master", "beads", "Ralph"])
def test_any_id_is_shown_or_a_flaw(tmp_path: Path, name: str, value: Json) -> None:
    kind, make, around = JSON[name]
    raw = json.dumps(around({"id": value, "title": "One", "subtasks": [{"id": value}]})).encode()
    sight = sound(kind.open(str(make(tmp_path, raw))).look())
    assert sight.tasks or sight.flaws


_ANY = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=6,
)
_NAMES = ("id", "_type", "tasks", "subtasks", "depends_on_id", "type", "userStories", "metadata", *_KEYS)


@given(task=st.dictionaries(st.sampled_from(_NAMES), _ANY), name=st.sampled_from(sorted(JSON)))
@settings(max_examples=40)
def test_any_json_is_shown_or_a_flaw(tmp_path_factory: pytest.TempPathFactory, task: Json, name: str) -> None:
    kind, make, around = JSON[name]
    path = make(tmp_path_factory.mktemp("any"), json.dumps(around(task)).encode())
    kind.recognises(path)
    looked(kind, path)


def test_many_flaws_are_a_few_lines(tmp_path: Path) -> None:
    path = written(tmp_path / "issues.jsonl", b'{"title": "x"}\n' * 1_000)
    flaws = beads.KIND.open(str(path)).look().flaws
    assert len(flaws) == 51
    assert flaws[-1] == "and 950 more of this kind"


ROWS = {
    "no json": "'{'",
    "a list": "'[]'",
    "a blob": "x'ff00'",
    "a number": "1e999",
    "nothing": "NULL",
    "nested": "'" + '{"a": ' * 300 + "1" + "}" * 300 + "'",
}


@pytest.mark.parametrize("value", ROWS.values(), ids=ROWS.keys())
def test_any_row_of_a_database_is_shown_or_a_flaw(tmp_path: Path, value: str) -> None:
    from foreign.files import KANBAN, TASKWARRIOR

    path = database(tmp_path / "tw.db", f"{TASKWARRIOR}INSERT INTO tasks VALUES ('a', {value}), ({value}, '{{}}');")
    sound(taskwarrior.KIND.open(str(path)).look())
    ours = "INSERT INTO columns VALUES (1, 'Ready', 1, 0, 1)"
    row = "INSERT INTO tasks (title, column, category, description, creation_date, metadata) VALUES ('x', 1, 1, "
    path = database(tmp_path / "k.db", f"{KANBAN}{ours};{row}{value}, 'x', {value});")
    sound(kanbantui.KIND.open(str(path)).look())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_is_no_file_or_no_folder_is_trouble(tmp_path: Path, kind: Kind) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "loop").symlink_to("loop")
    is_folder = kind in (backlog.KIND, claude.KIND)
    for name in ("loop", "none", "file" if is_folder else "folder", "folder/\udcff", "x" * 300):
        path = tmp_path / name
        assert not kind.recognises(path)
        with pytest.raises(StoreError) as caught:
            kind.open(str(path)).look()
        assert caught.value.message.isprintable()
