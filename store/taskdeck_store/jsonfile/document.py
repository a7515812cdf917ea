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

from taskdeck_store import jsontext
from taskdeck_store.contract import Fault
from taskdeck_store.jsonfile.fields import NESTING, Data, check, depth, id_text
from taskdeck_store.jsonfile.flaws import Flaw, Wrong, decoded, flaw

if TYPE_CHECKING:
    from taskdeck_store.jsonfile.scan import Scanner

_BOM = b"\xef\xbb\xbf"
_LIST = "tasks"
_SHAPES = 'it holds no list of tasks; [{"id": …}, …] or {"tasks": [{"id": …}, …]} is read'

_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SORTED = msgspec.json.Encoder(order="sorted")
_SPACE = re.compile(rb"[ \t\n\r]*")
_KEY = re.compile(rb'[ \t\n\r,]*"(?:[^"\\]|\\.)*"[ \t\n\r]*:[ \t\n\r]*', re.DOTALL)

_Shapes: TypeAlias = dict[tuple[str, ...], tuple[str, ...]]
_Pieces: TypeAlias = tuple[bytes, list[bytes], list[bytes], bytes]


class Record(Struct, frozen=True, eq=False):
    """One task object: its text in the file, its id as text, its keys, and a digest of what it says.

    Two records with the same digest say the same: order, spelling and keys that hold null do not count.
    """

    text: bytes
    id: str
    keys: tuple[str, ...]
    digest: str

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


def parse(raw: bytes, before: Document | None = None) -> tuple[Document, dict[str, Data]]:
    """Take a file apart; also return, by id, the task objects that are not in the document `before`. Raises Flaw."""
    decoded(raw)
    try:
        head, gaps, texts, tail = _pieces(raw)
    except (msgspec.DecodeError, RecursionError, ValueError):
        head, gaps, texts, tail = _pieces_with_care(decoded(raw), _BOM if raw.startswith(_BOM) else b"")
    known = {record.text: record for record in before.records} if before is not None else {}
    shapes: _Shapes = {}
    ids: set[str] = set()
    records: list[Record] = []
    fresh: dict[str, Data] = {}
    position = len(head)
    for gap, text in zip(gaps, texts, strict=True):
        position += len(gap)
        try:
            record = known.get(text)
            if record is None:
                data = jsontext.decode(text)
                if text.count(b"[") + text.count(b"{") > NESTING and depth(data) > NESTING:
                    raise Wrong("", f"this task is nested more than {NESTING} levels deep")
                check(data)
                record = record_of(text, data, shapes)
                fresh[record.id] = data
            if record.id in ids:
                raise Wrong("id", f"a second task has the id {record.id}")
        except (Wrong, ValueError) as error:
            raise _located(raw, position, error) from error
        ids.add(record.id)
        records.append(record)
        position += len(text)
    return Document(raw, head, tuple(gaps), tuple(records), tail), fresh


def record_of(text: bytes, data: Data, shapes: _Shapes | None = None) -> Record:
    """Return the record of a task object, given as text and as what it says. Raises Wrong.

    `shapes` keeps one copy of each set of keys.
    """
    keys = tuple(data)
    return Record(text, id_text(data), keys if shapes is None else shapes.setdefault(keys, keys), digest(data))


def digest(data: Data) -> str:
    """Return 16 hexadecimal digits that stand for what a task object says; keys that hold null do not count.

    They tell changes apart, not forgeries: who can write the file needs none.
    """
    said = {key: value for key, value in data.items() if value is not None}
    try:
        text = _SORTED.encode(said)
    except (UnicodeEncodeError, OverflowError):
        import json

        text = json.dumps(said, sort_keys=True).encode()
    return f"{zlib.crc32(text):08x}{zlib.adler32(text):08x}"


def _pieces(raw: bytes) -> _Pieces:
    """Take a file apart by lengths; ValueError or a decoder's error wherever that does not work out."""
    start = _after(_SPACE, raw, len(_BOM) if raw.startswith(_BOM) else 0)
    end = len(raw)
    if raw[start : start + 1] == b"{":
        start, end = _list_in_object(raw, start)
    position = start + 1
    gaps: list[bytes] = []
    texts: list[bytes] = []
    for element in _ELEMENTS.decode(memoryview(raw)[start:end]):
        text = bytes(element)
        begin = raw.index(b"{", position)
        gaps.append(raw[position:begin])
        position = begin + len(text)
        if raw[begin:position] != text:
            raise ValueError("a task that is no object")
        texts.append(text)
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
