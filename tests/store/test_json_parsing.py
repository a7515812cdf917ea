"""A task file that was read before is taken apart only where it is new; what comes out is as if it were all new."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from taskdeck_store.jsonfile.document import Document, changed, record_of, spliced
from taskdeck_store.jsonfile.ends import common_bytes, common_elements
from taskdeck_store.jsonfile.parsing import parse
from taskdeck_store.jsonflaws import Flaw

IDS = st.text("ab", min_size=1, max_size=3)
TASKS = st.builds(
    lambda task_id, state, more: {"id": task_id, "title": "t", "state": state, **more},
    IDS,
    st.sampled_from(["pending", "review"]),
    st.sampled_from(
        [{}, {"priority": 3}, {"data": {"x": [{}, []]}}, {"note": 'ü"}, {"id": "b"'}, {"state_since": "?"}]
    ),
)
A, B = b'{"id": "a", "state": "review"}', b'{"id": "b", "state": "review"}'
LISTS = st.lists(TASKS, max_size=7, unique_by=lambda task: task["id"])
STYLES = st.tuples(st.sampled_from([None, 2]), st.booleans(), st.sampled_from(["", "\n"]))
EDITS = st.tuples(
    st.integers(0, 400),
    st.integers(0, 60),
    st.one_of(
        st.sampled_from([b"", b",", b"[", b"]", b"{", b"}", b'"', b" ", b"\n", b"\xc3", "ü".encode(), b"1", b"null"]),
        st.sampled_from([A, B + b",", b", " + A, b"%b %b" % (A, B)]),
    ),
)


def written(tasks: list[Any], style: tuple[int | None, bool, str]) -> bytes:
    indent, wrapped, end = style
    whole = {"a": 1, "tasks": tasks, "z": []} if wrapped else tasks
    return (json.dumps(whole, indent=indent, ensure_ascii=False) + end).encode()


def outcome(raw: bytes, before: Document | None) -> Any:
    """Return all that a document holds, or what is wrong."""
    try:
        found = parse(raw, before) if before is not None else parse(raw)
    except Flaw as flaw:
        return (flaw.line, flaw.column, flaw.message, flaw.fault)
    assert found.raw == raw
    return told(found)


def told(document: Document) -> Any:
    records = [(record.text, record.keys, record.id, record.state, record.digest) for record in document.records]
    return (
        (document.head, document.gaps, records, document.tail, list(document.sizes), document.digest),
        dict(document.shapes),
    )


def edited(raw: bytes, edit: tuple[int, int, bytes]) -> bytes:
    place, length, new = edit
    return raw[:place] + new + raw[place + length :]


@given(LISTS, STYLES, st.data())
def test_what_is_read_again_is_as_if_read_for_the_first_time(
    tasks: list[Any], style: tuple[int | None, bool, str], data: st.DataObject
) -> None:
    before = parse(written(tasks, style))
    for _ in range(3):
        first, last = sorted(data.draw(st.tuples(st.integers(0, len(tasks)), st.integers(0, len(tasks)))))
        tasks = [*tasks[:first], *data.draw(st.lists(TASKS, max_size=2)), *tasks[last:]]
        raw = written(tasks, style)
        for edit in data.draw(st.lists(EDITS, max_size=1)):
            raw = edited(raw, edit)
        assert outcome(raw, before) == outcome(raw, None)
        with suppress(Flaw):
            before = parse(raw, before)


@given(st.lists(EDITS, min_size=1, max_size=3))
@example([(1, 0, B + b", ")])
@example([(1, len(A), b"")])
@example([(1, len(A) + 2, b"")])
@example([(1 + len(A), len(B) + 2, b"")])
@example([(1 + len(A), 1, b"")])
def test_any_edit_is_as_if_read_for_the_first_time(edits: list[tuple[int, int, bytes]]) -> None:
    raw = b"[%b, %b]" % (A, B)
    before = parse(raw)
    for edit in edits:
        raw = edited(raw, edit)
        assert outcome(raw, before) == outcome(raw, None)
        with suppress(Flaw):
            before = parse(raw, before)


@given(LISTS, STYLES, st.data())
def test_what_is_written_is_as_if_it_were_read(
    tasks: list[Any], style: tuple[int | None, bool, str], data: st.DataObject
) -> None:
    document = parse(written(tasks, style))
    for _ in range(2):
        chosen = data.draw(st.lists(st.sampled_from(document.records), max_size=3)) if document.records else []
        new = {record.id: {**record.data(), "note": data.draw(st.text(max_size=3))} for record in chosen}
        document = changed(document, {task_id: record_of(text_of(task), task) for task_id, task in new.items()})
        assert told(document) == outcome(document.raw, None)
        drawn = data.draw(st.lists(TASKS, max_size=2, unique_by=lambda task: task["id"]))
        ids = {record.id for record in document.records}
        added = [task for task in drawn if task["id"] not in ids]
        count = len(document.records)
        gaps = [b", " if count + number else b"" for number in range(len(added))]
        records = [record_of(text_of(task), task) for task in added]
        document = spliced(document, slice(count, count), gaps, records, tail=b"\n" + document.tail)
        assert told(document) == outcome(document.raw, None)


def text_of(task: dict[str, Any]) -> bytes:
    return json.dumps(task).encode()


@given(st.lists(TASKS, min_size=2, max_size=9, unique_by=lambda task: task["id"]), st.data())
def test_a_task_that_did_not_change_keeps_its_record(tasks: list[dict[str, Any]], data: st.DataObject) -> None:
    before = parse(json.dumps(tasks, indent=2).encode())
    changed = data.draw(st.sampled_from(tasks))
    changed["title"] = "other"
    after = parse(json.dumps(tasks, indent=2).encode(), before)
    assert [one is other for one, other in zip(before.records, after.records, strict=True)] == [
        task is not changed for task in tasks
    ]


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        (b"", b"", (0, 0)),
        (b"abc", b"abc", (3, 0)),
        (b"aaa", b"aa", (2, 0)),
        (b"abcab", b"abab", (2, 2)),
        (b"xabc", b"abc", (0, 3)),
        (b"a" * 200_000 + b"x" + b"b" * 70_000, b"a" * 200_000 + b"yy" + b"b" * 70_000, (200_000, 70_000)),
    ],
)
def test_what_two_texts_begin_and_end_with(one: bytes, other: bytes, found: tuple[int, int]) -> None:
    assert common_bytes(one, other) == found
    assert common_elements(tuple(one), tuple(other)) == found
