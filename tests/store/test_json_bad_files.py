"""What a task file cannot be: each flaw is told with its place, nothing is lost, and the last good look stays."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from conftest import Turned
from taskdeck_store import Store, open_store
from taskdeck_store.contract import Fault, Order, StoreError
from taskdeck_store.machine import Code, command
from taskdeck_store.values import Action, State

GOOD = '[\n  {"id": "a", "title": "A", "state": "pending"}\n]\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tasks.json"
    path.write_text(GOOD)
    return path


@pytest.fixture
def store(path: Path, now: Turned) -> Iterator[Store]:
    with closing(open_store(str(path), now=now)) as store:
        yield store


def task(**fields: object) -> str:
    return json.dumps({"id": "b", "state": "pending", **fields})


def listed(second: str) -> bytes:
    """A list whose second task begins at line 3, column 3."""
    return f"[\n  {task(id='a')},\n  {second}\n]".encode("utf-8", "surrogateescape")


FLAWS: dict[str, tuple[bytes, int, int | str, str]] = {
    "cut off in the list": (b'[\n  {"id": "a", "state": "pending"},', 2, 35, "the text ends here"),
    "cut off in a task": (b'[\n  {"id": "a", "sta', 2, '"sta', "unterminated string"),
    "cut off in a number": (b'[{"id": "a", "state": "pending", "priority": 1', 1, 47, "the text ends here, in the mid"),
    "empty": (b"", 1, 1, "it is empty (0 bytes)"),
    "blank": (b" \n ", 2, 2, "there is nothing in it"),
    "a comma too many": (listed(task() + ","), 4, 1, "something else begins here"),
    "a comma too few": (b'[{"id": "a" "state": "pending"}]', 1, '"state"', "expecting ',' delimiter"),
    "text after the end": (GOOD.encode() + b"]", 4, 1, "the end of the file is expected here"),
    "a comment": (b"[\n  // none\n]", 2, "//", "something else begins here"),
    "not UTF-8": (b'[\n  {"id": "a", "title": "\xe4", "state": "pending"}\n]', 2, 25, "the byte 0xe4 is not UTF-8"),
    "UTF-16": ("[]".encode("utf-16"), 1, 1, "the byte 0xff is not UTF-8"),
    "a control character": (listed('{"id": "b", "title": "\x01"}'), 3, "\x01", "invalid control character"),
    "NaN": (listed(task(x=float("nan"))), 3, "NaN", "NaN is not JSON"),
    "an infinity after texts that say NaN": (
        listed('{"NaN": "NaN", "x": [-Infinity]}'),
        3,
        "-I",
        "-Infinity is not JSON",
    ),
    "half a surrogate where a number belongs": (listed(task(priority="much\ud800")), 3, '"much', "priority must be"),
    "a number too large, and no number": (b"1e999-[]", 1, "1e999-", "the number 1e999 is too large"),
    "a number too large": (listed(task()[:-1] + ', "x": 1e999}'), 3, "1e999", "the number 1e999 is too large"),
    "a number too long": (listed(task()[:-1] + ', "x": ' + "9" * 5000 + "}"), 3, "999", "a number has 5,000 digits"),
    "nested too deeply": (listed('{"id": "b", "x": ' + "[" * 99_999), 3, "{", "nested too deeply"),
    "nested deeply": (listed('{"id": "b", "x": ' + "[" * 250 + "]" * 250 + "}"), 3, "{", "nested more than 200 levels"),
    "a task that is a number": (listed("7"), 3, "7", "a task is an object"),
    "no id": (listed('{"state": "pending"}'), 3, "{", "this task has no id"),
    "an id that is null": (listed('{"state": "pending", "id": null}'), 3, "null", "this task has no id"),
    "an id that is true": (listed(task(id=True)), 3, "true", "a task id must be text"),
    "an id no URI can hold": (listed(task(id="a/b")), 3, '"a/b', "'a/b' has '/'"),
    "an id of control characters": (listed(task(id="\x1b[2J")), 3, '"\\u001b', "has '\\x1b'"),
    "an id that is there twice": (listed(task(id="a")), 3, '"a"', "a second task has the id a"),
    "an id as number and as text": (
        f"[{task(id=1)},\n{task(id='1')}]".encode(),
        2,
        '"1"',
        "a second task has the id 1",
    ),
    "no state": (listed('{"id": "b"}'), 3, '"b"', "this task has no state"),
    "an unknown state": (listed(task(state="done")), 3, '"done', "'done' is no state; the states are pending, in_prog"),
    "an unknown status": (listed('{"id": "b", "status": 5}'), 3, "5", "5 is no state"),
    "a title that is no text": (listed(task(title=["x"])), 3, "[", "a title must be text, not ['x']"),
    "a priority in words": (listed(task(priority="high")), 3, '"high', "priority must be a whole number, not 'high'"),
    "a priority of 50 digits": (listed(task(priority=10**49)), 3, "1000", "priority must lie between"),
    "a priority that is a fraction": (listed(task(priority=1.5)), 3, "1.5", "priority must be a whole number, not 1.5"),
    "attempts below zero": (listed(task(attempts=-1)), 3, "-1", "attempts must lie between 0 and"),
    "tags that are a text": (listed(task(tags="x, y")), 3, '"x, y', "tags must be a list of texts"),
    "an error that is no text": (listed(task(error={"x": 1})), 3, '{"x', "error must be text"),
    "a wrong value after a byte order mark": (b"\xef\xbb\xbf" + listed(task(priority="p")), 3, '"p"', "not 'p'"),
    "a wrong value after wide characters": (listed('{"x": "ü😀", "id": "b", "state": 1}'), 3, "1}", "1 is no state"),
}


def write(path: Path, raw: bytes) -> None:
    """Write a file that nobody is in the middle of writing: the store would wait a moment for that one."""
    path.write_bytes(raw)
    os.utime(path, (1_700_000_000, 1_700_000_000))


def expected(path: Path, name: str) -> tuple[bytes, str, str]:
    """Return a flawed file, how the message begins, and what it says."""
    raw, line, column, why = FLAWS[name]
    if isinstance(column, str):
        column = raw.decode("utf-8-sig").split("\n")[line - 1].index(column) + 1
    return raw, f"{path} line {line} column {column}: ", why


@pytest.mark.parametrize("name", FLAWS)
def test_a_flaw_is_told_with_its_place(store: Store, path: Path, name: str) -> None:
    raw, place, why = expected(path, name)
    before = store.tasks()
    write(path, raw)
    with pytest.raises(StoreError) as caught:
        store.counts()
    assert caught.value.fault is Fault.DAMAGED
    message = caught.value.message
    assert message.startswith(place)
    assert why in message
    assert message.isprintable()
    assert "the last good look stays, and it is read again when it changes" in message
    with store.reading(latest=False):
        assert store.tasks() == before
    with pytest.raises(StoreError) as refused:
        store.apply([command("a", Action.START, actor="me")])
    assert refused.value.message == message
    assert path.read_bytes() == raw
    path.write_text(GOOD)
    assert [task.id for task in store.tasks()] == ["a"]
    assert store.apply([command("a", Action.START, actor="me")])[0].event is not None


def test_a_flaw_that_was_written_just_now_is_told_too(store: Store, path: Path) -> None:
    path.write_text("[")
    with pytest.raises(StoreError, match="line 1 column 2: the text ends here"):
        store.counts()


@pytest.mark.parametrize("name", [name for name in FLAWS if name != "empty"])
def test_a_flawed_file_is_not_opened(path: Path, name: str) -> None:
    raw, place, why = expected(path, name)
    write(path, raw)
    with pytest.raises(StoreError) as caught:
        open_store(str(path))
    assert caught.value.message.startswith(place)
    assert why in caught.value.message
    assert "nothing was changed" in caught.value.message
    assert [entry.name for entry in path.parent.iterdir()] == ["tasks.json"]


@pytest.mark.parametrize(
    "text",
    ["{}", "7", "null", '"tasks"', '{"task": []}', '{"tasks": {}}', '{"tasks": null}', '{"main": {"jobs": []}}'],
)
def test_json_without_a_list_of_tasks_is_foreign(path: Path, text: str) -> None:
    write(path, text.encode())
    with pytest.raises(StoreError) as caught:
        open_store(str(path))
    assert caught.value.fault is Fault.FOREIGN
    assert 'it holds no list of tasks; [{"id": …}, …] or {"tasks": [{"id": …}, …]} is read' in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        '[{"id": "a", "status": "pending", "state": "review", "title": null, "priority": null, "tags": null}]',
        '[{"id": 7, "status": "review", "x": ' + "9" * 50 + ', "y": 1.7976931348623157e308, "z": -0.0}]',
        '[{"id": "a", "state": "review", "owner": "\\u202e\\u0000\\u001b[2J", "error": "\\ud800"}]',
        '[{"id": "a", "state": "review", "created_at": 1700000000, "updated_at": "yesterday"}]',
        '[{"id": "a", "state": "pending", "id": "b", "state": "review"}]',
        '\ufeff{"x": "\\ud800", "tasks": [{"id": "a", "state": "review"}], "y": "tasks", "z": [[[]]]}',
    ],
)
def test_what_is_strange_but_sound_is_read(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    with closing(open_store(str(path))) as store:
        assert store.counts()[State.REVIEW].count == 1
        (card,) = store.window(State.REVIEW, Order.PRIORITY).cards
        assert store.apply([command(card.id, Action.APPROVE, actor="me")])[0].event is not None
        assert store.counts()[State.COMPLETED].count == 1


def test_a_moment_that_is_none_is_left_as_it_is(path: Path, now: Turned) -> None:
    path.write_text('[{"id": "a", "state": "pending", "created_at": 1700000000, "updated_at": 5}]')
    with closing(open_store(str(path), now=now)) as store:
        (outcome,) = store.apply([command("a", Action.START, actor="me")])
    assert outcome.task is not None
    assert outcome.task.created_at is None
    assert outcome.task.updated_at == now.moment
    assert outcome.task.extra == {"created_at": 1700000000, "updated_at": 5}
    assert path.read_text() == '[{"id": "a", "state": "in_progress", "created_at": 1700000000, "updated_at": 5}]'


def test_a_deleted_file_is_missing_until_it_is_back(store: Store, path: Path) -> None:
    version = store.get("a").version  # type: ignore[union-attr]
    path.unlink()
    with pytest.raises(StoreError) as caught:
        store.counts()
    assert caught.value.fault is Fault.MISSING
    assert f"taskdeck init {path}" in caught.value.message
    with pytest.raises(StoreError) as refused:
        store.apply([command("a", Action.START, actor="me")])
    assert refused.value.fault is Fault.MISSING
    with store.reading(latest=False):
        assert store.get("a") is not None
    path.write_text(GOOD)
    assert store.apply([command("a", Action.START, actor="me", expect=version)])[0].event is not None


def test_a_folder_in_the_place_of_the_file_is_said(store: Store, path: Path) -> None:
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreError) as caught:
        store.counts()
    assert caught.value.fault in (Fault.FOREIGN, Fault.UNREADABLE)


@pytest.mark.parametrize(
    "value",
    [float("nan"), [float("inf")], {1, 2}, object(), {"k": {("t",): 1}}],
    ids=["NaN", "inf", "set", "object", "key"],
)
def test_values_that_are_no_json_are_refused(store: Store, path: Path, value: object) -> None:
    before = path.read_bytes()
    (outcome,) = store.apply([command("a", Action.EDIT, actor="me", data=value)])
    assert outcome.refusal is not None
    assert outcome.refusal.code is Code.INVALID
    assert "data" in outcome.refusal.message
    assert path.read_bytes() == before


def test_values_nested_too_deeply_to_be_read_again_are_refused(store: Store, path: Path) -> None:
    deep: list[object] = []
    for _ in range(300):
        deep = [deep]
    (outcome,) = store.apply([command("a", Action.EDIT, actor="me", data=deep)])
    assert outcome.refusal is not None
    assert "nested more than 100 levels deep" in outcome.refusal.message
    assert path.read_text() == GOOD
