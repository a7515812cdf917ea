"""A task file as text in pieces: what stands before, between and after its task objects, byte for byte.

Two shapes are read: a list of task objects, and an object whose key ``tasks`` holds such a list. Writing replaces
pieces; every byte that belongs to no changed task stays.
"""

from __future__ import annotations

import re
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import force_setattr

from taskdeck_store import jsontext
from taskdeck_store.contract import Fault
from taskdeck_store.jsonfile.fields import NESTING, Data, check, depth, head_of, heads_of
from taskdeck_store.jsonfile.flaws import Flaw, Wrong, decoded, flaw
from taskdeck_store.values import State, Time

if TYPE_CHECKING:
    from taskdeck_store.jsonfile.scan import Scanner

_BOM = b"\xef\xbb\xbf"
_LIST = "tasks"
_SHAPES = 'it holds no list of tasks; [{"id": …}, …] or {"tasks": [{"id": …}, …]} is read'

_AT_ONCE = 1_000
"""How many task objects are decoded at a time: all those of a big file would fill the memory."""

_OBJECT = msgspec.json.Decoder(Data)
_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SORTED = msgspec.json.Encoder(order="sorted")
_SPACE = re.compile(rb"[ \t\n\r]*")
_KEY = re.compile(rb'[ \t\n\r,]*"(?:[^"\\]|\\.)*"[ \t\n\r]*:[ \t\n\r]*', re.DOTALL)

_Pieces: TypeAlias = tuple[bytes, list[bytes], list[bytes], bytes]


class Record(Struct, frozen=True, eq=False, gc=False):
    """One task object: its text in the file, its keys, and its head."""

    text: bytes
    keys: tuple[str, ...]
    id: str
    state: State
    priority: int | None
    since: Time | None
    _digest: str = ""

    @property
    def digest(self) -> str:
        """The digest of what it says, worked out when it is first asked for."""
        if not self._digest:
            force_setattr(self, "_digest", digest(self.data()))
        return self._digest

    def data(self) -> Data:
        """Return the object."""
        data: Data = jsontext.decode(self.text)
        return data


class Document(Struct, frozen=True, eq=False):
    """A whole file. `gaps[i]` stands before `records[i]`; `raw` is all of it."""

    raw: bytes
    head: bytes
    gaps: tuple[bytes, ...]
    records: tuple[Record, ...]
    tail: bytes


def joined(head: bytes, gaps: tuple[bytes, ...], records: tuple[Record, ...], tail: bytes) -> Document:
    """Return the document that these pieces make."""
    pieces = [head]
    for gap, record in zip(gaps, records, strict=True):
        pieces += (gap, record.text)
    return Document(b"".join((*pieces, tail)), head, gaps, records, tail)


def parse(raw: bytes, before: Document | None = None) -> Document:
    """Take a file apart; a task object that is in the document `before` too keeps its record. Raises Flaw."""
    if not raw.isascii():
        decoded(raw)
    try:
        head, gaps, texts, tail = _pieces(raw)
    except (msgspec.DecodeError, RecursionError, ValueError):
        head, gaps, texts, tail = _pieces_with_care(decoded(raw), _BOM if raw.startswith(_BOM) else b"")
    kept = {record.text: record for record in before.records} if before is not None else {}
    try:
        records = _records(texts, kept)
    except (msgspec.DecodeError, RecursionError, ValueError):
        records = _records_with_care(raw, len(head), gaps, texts, kept)
    return Document(raw, head, tuple(gaps), records, tail)


def record_of(text: bytes, data: Data) -> Record:
    """Return the record of a task object, given as text and as what it says. Raises Wrong."""
    return Record(text, tuple(data), *head_of(data))


def digest(data: Data) -> str:
    """Return 16 hexadecimal digits that stand for what a task object says.

    Order, spelling and keys that hold null do not count. They tell changes apart, not forgeries: who can write the
    file needs none.
    """
    said = {key: value for key, value in data.items() if value is not None}
    try:
        text = _SORTED.encode(said)
    except (UnicodeEncodeError, OverflowError):
        import json

        text = json.dumps(said, sort_keys=True).encode()
    return f"{zlib.crc32(text):08x}{zlib.adler32(text):08x}"


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
    records = tuple([record or next(rest) for record in found])
    if len({record.id for record in records}) < len(records):
        raise ValueError("an id that is there twice")
    return records


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
    position = start + 1
    gaps: list[bytes] = []
    texts = list(map(bytes, _ELEMENTS.decode(memoryview(raw)[start:end])))
    gap = b""
    for text in texts:
        begin = raw.index(b"{", position)
        if not raw.startswith(gap, position) or len(gap) != begin - position:
            gap = raw[position:begin]
        if not raw.startswith(text, begin):
            raise ValueError("a task that is no object")
        gaps.append(gap)
        position = begin + len(text)
    return raw[: start + 1], gaps, texts, raw[position:]


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
    from taskdeck_store.jsonfile.scan import Scanner

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
    from taskdeck_store.jsonfile.scan import members

    text = decoded(raw)
    begin = len(decoded(raw[:position]))
    if isinstance(error, Wrong):
        places = {member.key: member.start for member in members(text[begin:])}
        return flaw(text, begin + places.get(error.key, 0), error.message)
    _pieces_with_care(text, b"")
    return flaw(text, begin, str(error))
