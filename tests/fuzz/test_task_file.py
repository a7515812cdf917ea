"""A task file of any bytes: it opens, or its flaw is told with the place; and an action leaves the rest as it was."""

from __future__ import annotations

import json
import os
import re
import tempfile
from contextlib import closing
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from fuzz.hostile import examples, mutated
from taskdeck_store import Action, StoreError, command, open_store
from taskdeck_store.contract import Fault
from taskdeck_store.values import State

SEEDS = (
    b'[\n  {"id": "a", "title": "A", "state": "pending", "tags": ["x"]},\n  {"id": "b", "status": "review"}\n]\n',
    '\ufeff{"v": 1, "tasks": [{"id": 7, "state": "failed", "error": "ü😀\\ud800"}], "z": {"tasks": [1]}}'.encode(),
    b'[{"id": "a", "\\udfff": {"\\ud800": 1}, "state": "pending"}, {"id": "b", "x": "\\ud800", "state": "failed"}]',
    b'{"tasks":[{"id":"a","state":"in_progress","owner":null,"lease_until":"2026-01-01T00:00:00Z","n":1e3}]}',
)
PIECES = (
    *(b'"id": "a",', b'"state": "review",', b'"tasks": [],', b"{", b"}", b"[", b"]", b",", b'"', b"\\", b"\\ud800"),
    *(b"NaN", b"-Infinity", b"1e999", b"9" * 5_000, b"-0", b"1e-999", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80"),
    *(b"[" * 5_000, b'{"a":' * 5_000, b"[" * 150 + b"]" * 150, b"null", b"\0", b"\r\n", b"\xc2\x85", b" " * 5_000),
)
FILES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(SEEDS).flatmap(lambda seed: mutated(seed, PIECES)),
    st.sampled_from(SEEDS).flatmap(lambda seed: mutated(seed, PIECES)).flatmap(lambda raw: mutated(raw, PIECES)),
    st.builds(
        lambda seed, encoding: seed.decode().encode(encoding, "surrogatepass"),
        st.sampled_from(SEEDS),
        st.sampled_from(["utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7"]),
    ),
)
NEXT = {
    State.PENDING: Action.START,
    State.IN_PROGRESS: Action.SUBMIT,
    State.REVIEW: Action.APPROVE,
    State.FAILED: Action.RETRY,
}


@examples(350)
@example(raw=SEEDS[2])
@example(raw=b"1e999-[]")
@given(raw=FILES)
def test_any_bytes_are_a_store_or_a_flaw_with_its_place(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tasks.json"
        path.write_bytes(raw)
        # Of a file that was written just now the store waits for the other half.
        os.utime(path, (1_700_000_000, 1_700_000_000))
        try:
            store = open_store(str(path))
        except StoreError as error:
            check_message(error, raw)
            assert path.read_bytes() == raw
            return
        with closing(store):
            check_one_action(path, raw)


def check_message(error: StoreError, raw: bytes) -> None:
    assert error.message.isprintable()
    assert len(error.message) < 1_000
    assert error.fault in (Fault.DAMAGED, Fault.FOREIGN)
    if error.fault is Fault.DAMAGED and not raw.startswith(b"SQLite format 3\0"):
        place = re.search(r" line (\d+) column (\d+):", error.message)
        assert place is not None, error.message
        lines = raw.decode("utf-8", "replace").split("\n")
        line, column = map(int, place.groups())
        assert 1 <= line <= len(lines)
        assert 1 <= column <= len(lines[line - 1]) + 1


def check_one_action(path: Path, raw: bytes) -> None:
    """Move one task: the bytes of the others, and all around them, stay, and it alone says something else."""
    with closing(open_store(str(path))) as store:
        tasks = store.tasks()
        assert sum(tally.count for tally in store.counts().values()) == len(tasks)
        moved = next((task for task in tasks if task.state in NEXT), None)
        if moved is None:
            return
        (outcome,) = store.apply([command(moved.id, NEXT[moved.state], actor="me")])
        assert outcome.event is not None
    after = path.read_bytes()
    one, other = objects(raw), objects(after)
    assert len(one) == len(other)
    others = [number for number, (_, task_id) in enumerate(one) if task_id != moved.id]
    assert [one[number] for number in others] == [other[number] for number in others]
    around_before, around_after = raw, after
    for (before, _), (later, _) in zip(one, other, strict=True):
        around_before, around_after = around_before.replace(before, b"?", 1), around_after.replace(later, b"?", 1)
    assert around_before == around_after
    with closing(open_store(str(path))) as store:
        now = {task.id: replace(task, version="") for task in store.tasks()}
    before = {task.id: replace(task, version="") for task in tasks}
    assert now.pop(moved.id) != before.pop(moved.id)
    assert now == before


def objects(raw: bytes) -> list[tuple[bytes, str]]:
    """Return the text and id of each task object, by Python's own decoder."""
    text = raw.decode("utf-8-sig")
    begin = text.index("[") if text.lstrip().startswith("[") else list_in(text)
    decoder = json.JSONDecoder()
    found = []
    position = begin + 1
    while text[(position := position + len(text[position:]) - len(text[position:].lstrip(" \t\r\n,")))] != "]":
        value, end = decoder.raw_decode(text, position)
        found.append((text[position:end].encode(), str(value["id"])))
        position = end
    return found


def list_in(text: str) -> int:
    """Return where the list under the outermost key ``tasks`` begins."""
    decoder = json.JSONDecoder()
    position = text.index("{") + 1
    while True:
        position += len(text[position:]) - len(text[position:].lstrip(" \t\r\n,"))
        key, position = decoder.raw_decode(text, position)
        position = text.index(":", position) + 1
        position += len(text[position:]) - len(text[position:].lstrip())
        if key == "tasks" and text[position] == "[":
            return position
        _, position = decoder.raw_decode(text, position)
