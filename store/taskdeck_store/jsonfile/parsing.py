"""Take a task file apart into its pieces, and say what is wrong with one that cannot be.

Two shapes are read: a list of task objects, and an object whose key ``tasks`` holds such a list.
"""

from __future__ import annotations

import re
from array import array
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from taskdeck_store import jsontext
from taskdeck_store.contract import Fault
from taskdeck_store.jsonfile.document import NOTHING, Document, Record, document_of, record_of, spliced
from taskdeck_store.jsonfile.ends import common_bytes
from taskdeck_store.jsonfile.fields import Data, check, heads_of
from taskdeck_store.jsonflaws import Flaw, Wrong, decoded, flaw
from taskdeck_store.jsontext import NESTING, depth

if TYPE_CHECKING:
    from taskdeck_store.jsonscan import Scanner

_BOM = b"\xef\xbb\xbf"
_LIST = "tasks"
_SHAPES = 'it holds no list of tasks; [{"id": …}, …] or {"tasks": [{"id": …}, …]} is read'

_AT_ONCE = 1_000
"""How many task objects are decoded at a time: all those of a big file would fill the memory."""

_OBJECT = msgspec.json.Decoder(Data)
_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SPACE = re.compile(rb"[ \t\n\r]*")
_KEY = re.compile(rb'[ \t\n\r,]*"(?:[^"\\]|\\.)*"[ \t\n\r]*:[ \t\n\r]*', re.DOTALL)

_Pieces: TypeAlias = tuple[bytes, list[bytes], list[bytes], bytes]


def parse(raw: bytes, before: Document = NOTHING) -> Document:
    """Take a file apart; a task object that is in the document `before` too keeps its record. Raises Flaw."""
    try:
        return _patched(raw, before)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return _parsed(raw, before)


def _parsed(raw: bytes, before: Document) -> Document:
    if not raw.isascii():
        decoded(raw)
    try:
        head, gaps, texts, tail = _pieces(raw)
    except (msgspec.DecodeError, RecursionError, ValueError):
        head, gaps, texts, tail = _pieces_with_care(decoded(raw), _BOM if raw.startswith(_BOM) else b"")
    kept = {record.text: record for record in before.records}
    try:
        return document_of(raw, head, tuple(gaps), _records(texts, kept), tail)
    except (msgspec.DecodeError, RecursionError, ValueError):
        records = _records_with_care(raw, len(head), gaps, texts, kept)
    return document_of(raw, head, tuple(gaps), records, tail)


def _patched(raw: bytes, before: Document) -> Document:
    """Return the document of a file that begins and ends like `before`: only what lies between is taken apart.

    ValueError or a decoder's error where that does not begin and end with whole task objects, or is wrong itself.
    """
    front, back = common_bytes(before.raw, raw)
    if front < len(before.head) or back < len(before.tail):
        raise ValueError("not the same around the tasks")
    first, start = _within(before.sizes, front, 0, len(before.head))
    bound = len(before.raw) - back
    last, end = _within(before.sizes, bound, first, start)
    if end < bound:
        last, end = last + 1, end + before.sizes[last]
    stop = end + len(raw) - len(before.raw)
    between = raw[start:stop]
    if first:
        comma, _, between = between.partition(b",") if between else (b"", b"", b"")
        if comma.strip(b" \t\n\r"):
            raise ValueError("no comma where one should be")
    elif not last:
        raise ValueError("nothing, or something ahead of the first task")
    texts = list(map(bytes, _ELEMENTS.decode(b"[%b]" % between)))
    gaps, position = _gaps(raw, start, texts)
    if position != stop or not (first or texts or last == len(before.records)):
        raise ValueError("not only whole task objects")
    between.decode()
    records = _records(texts, {record.text: record for record in before.records[first:last]})
    return spliced(before, slice(first, last), gaps, records, raw=raw)


def _within(sizes: array[int], bound: int, number: int, place: int) -> tuple[int, int]:
    """Return the last record that begins within a bound, and where; looked for from a record on that begins so.

    One past the last record begins where that ends.
    """
    while number < len(sizes):
        some = sum(sizes[number : number + _AT_ONCE])
        if place + some > bound:
            break
        number, place = min(number + _AT_ONCE, len(sizes)), place + some
    while number < len(sizes) and place + sizes[number] <= bound:
        number, place = number + 1, place + sizes[number]
    return number, place


def _records(texts: list[bytes], kept: dict[bytes, Record]) -> tuple[Record, ...]:
    """Return the records of task objects, many at a time; ValueError or a decoder's error where any may be wrong."""
    found = list(map(kept.get, texts))
    new = [text for text, record in zip(texts, found, strict=True) if record is None]
    made: list[Record] = []
    shapes: dict[tuple[str, ...], tuple[str, ...]] = {}
    for start in range(0, len(new), _AT_ONCE):
        some = new[start : start + _AT_ONCE]
        objects = list(map(_OBJECT.decode, some))
        parts = zip(some, map(tuple, objects), heads_of(objects), strict=True)
        made += [Record(text, shapes.setdefault(keys, keys), *head) for text, keys, head in parts]
    if any(_brackets(text) > NESTING for text in new if len(text) > 2 * NESTING):
        raise ValueError("a task that may be nested too deeply")
    rest = iter(made)
    return tuple([record or next(rest) for record in found])


def _records_with_care(
    raw: bytes, position: int, gaps: list[bytes], texts: list[bytes], kept: dict[bytes, Record]
) -> tuple[Record, ...]:
    """Return the records of task objects one by one: slower, but it raises the Flaw that tells what is wrong."""
    records: dict[str, Record] = {}
    for gap, text in zip(gaps, texts, strict=True):
        position += len(gap)
        try:
            record = kept.get(text)
            if record is None:
                data = jsontext.decode(text)
                if _brackets(text) > NESTING and depth(data) > NESTING:
                    raise Wrong("", f"this task is nested more than {NESTING} levels deep")
                check(data)
                record = record_of(text, data)
            if record.id in records:
                raise Wrong("id", f"a second task has the id {record.id}")
        except (Wrong, ValueError) as error:
            raise _located(raw, position, error) from error
        records[record.id] = record
        position += len(text)
    return tuple(records.values())


def _brackets(text: bytes) -> int:
    return text.count(b"[") + text.count(b"{")


def _pieces(raw: bytes) -> _Pieces:
    """Take a file apart by lengths; ValueError or a decoder's error wherever that does not work out."""
    start = _after(_SPACE, raw, len(_BOM) if raw.startswith(_BOM) else 0)
    end = len(raw)
    if raw[start : start + 1] == b"{":
        start, end = _list_in_object(raw, start)
    texts = list(map(bytes, _ELEMENTS.decode(memoryview(raw)[start:end])))
    gaps, position = _gaps(raw, start + 1, texts)
    return raw[: start + 1], gaps, texts, raw[position:]


def _gaps(raw: bytes, position: int, texts: list[bytes]) -> tuple[list[bytes], int]:
    """Return what stands before each of these task objects, from a position on, and where the last of them ends."""
    gaps: list[bytes] = []
    gap = b""
    for text in texts:
        begin = raw.index(b"{", position)
        if not raw.startswith(gap, position) or len(gap) != begin - position:
            gap = raw[position:begin]
        if not raw.startswith(text, begin):
            raise ValueError("a task that is no object")
        gaps.append(gap)
        position = begin + len(text)
    return gaps, position


def _list_in_object(raw: bytes, start: int) -> tuple[int, int]:
    position = start + 1
    found = None
    for key, value in _MEMBERS.decode(memoryview(raw)[start:]).items():
        position = _after(_KEY, raw, position)
        text = bytes(value)
        if not raw.startswith(text, position):
            raise ValueError("a key that is there twice")
        if key == _LIST:
            found = position, position + len(text)
        else:
            jsontext.decode(text)
        position += len(text)
    if found is None or raw[position:].strip(b" \t\n\r") != b"}":
        raise ValueError("no list of tasks, or a key that is there twice")
    return found


def _after(pattern: re.Pattern[bytes], raw: bytes, position: int) -> int:
    match = pattern.match(raw, position)
    if match is None:
        raise ValueError("no key where one should be")
    return match.end()


def _pieces_with_care(text: str, mark: bytes) -> _Pieces:
    """Take a file apart value by value: slower, but it takes all JSON, and raises the Flaw that tells what is wrong."""
    from taskdeck_store.jsonscan import Scanner

    scanner = Scanner(text)
    first = scanner.peek()
    if not first:
        raise flaw(text, scanner.position, "there is nothing in it" if text else "it is empty (0 bytes)")
    spans = None
    if first == "[":
        spans = _elements(scanner)
    elif first == "{":
        spans = _elements_in_object(scanner)
    else:
        scanner.value()
    if scanner.peek():
        scanner.fail("the end of the file is expected here")
    if spans is None:
        raise Flaw(1, 1, _SHAPES, Fault.FOREIGN)
    gaps = [text[before[1] : start].encode() for before, (start, _) in pairwise(spans)]
    texts = [text[start:end].encode() for start, end in spans[1:]]
    return mark + text[: spans[0][1]].encode(), gaps, texts, text[spans[-1][1] :].encode()


def _elements_in_object(scanner: Scanner) -> list[tuple[int, int]] | None:
    spans = None
    scanner.take("{")
    if scanner.peek() == "}":
        scanner.take("}")
        return None
    while True:
        begin = scanner.position
        key = scanner.member()
        if key == _LIST and spans is not None:
            raise flaw(scanner.text, begin, f"the key {_LIST} is there twice")
        if key == _LIST and scanner.peek() == "[":
            spans = _elements(scanner)
        else:
            scanner.value()
        if scanner.take(",}") == "}":
            return spans
        scanner.peek()


def _elements(scanner: Scanner) -> list[tuple[int, int]]:
    """Return where each element of a list begins and ends; ahead of them, the place behind the opening bracket."""
    scanner.take("[")
    spans = [(scanner.position, scanner.position)]
    if scanner.peek() == "]":
        scanner.take("]")
        return spans
    while True:
        if scanner.peek() not in ("{", ""):
            scanner.fail("a task is an object, {…}; something else begins here")
        start = scanner.position
        scanner.value()
        spans.append((start, scanner.position))
        if scanner.take(",]") == "]":
            return spans


def _located(raw: bytes, position: int, error: Wrong | ValueError) -> Flaw:
    """Return the flaw of the task object at a position of the file."""
    from taskdeck_store.jsonscan import members

    text = decoded(raw)
    begin = len(decoded(raw[:position]))
    if isinstance(error, Wrong):
        places = {member.key: member.start for member in members(text[begin:])}
        return flaw(text, begin + places.get(error.key, 0), error.message)
    _pieces_with_care(text, b"")
    return flaw(text, begin, str(error))
