"""A task file as text in pieces: what stands before, between and after its task objects, byte for byte.

Writing replaces pieces; every byte that belongs to no changed task stays.
"""

from __future__ import annotations

import zlib
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import compress
from operator import add, attrgetter

import msgspec
from msgspec import Struct
from msgspec.structs import force_setattr

from taskdeck_store import jsontext
from taskdeck_store.jsonfile.fields import Data, head_of
from taskdeck_store.values import State, Time

_SORTED = msgspec.json.Encoder(order="sorted")


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
    """A whole file. `gaps[i]` stands before `records[i]`; `raw` is all of it.

    No two records have one id. `shapes` has how many of them have which keys, in any order.
    """

    raw: bytes
    head: bytes
    gaps: tuple[bytes, ...]
    records: tuple[Record, ...]
    tail: bytes
    shapes: Mapping[tuple[str, ...], int]
    _digest: str = ""
    _sizes: array[int] | None = None

    @property
    def digest(self) -> str:
        """What stands for the content of the whole file, worked out when it is first asked for."""
        if not self._digest:
            force_setattr(self, "_digest", file_digest(self.raw))
        return self._digest

    @property
    def sizes(self) -> array[int]:
        """How many bytes each record takes, with the gap before it; worked out when it is first asked for."""
        if self._sizes is None:
            texts = map(attrgetter("text"), self.records)
            force_setattr(self, "_sizes", array("Q", map(add, map(len, self.gaps), map(len, texts))))
        assert self._sizes is not None
        return self._sizes


NOTHING = Document(b"", b"", (), (), b"", {})
"""What is known of a file before it was read."""


def document_of(raw: bytes, head: bytes, gaps: tuple[bytes, ...], records: tuple[Record, ...], tail: bytes) -> Document:
    """Return the document that these pieces make. Raises ValueError where two records have one id."""
    if len({record.id for record in records}) < len(records):
        raise ValueError("an id that is there twice")
    return Document(raw, head, gaps, records, tail, Counter([record.keys for record in records]))


def spliced(
    before: Document,
    place: slice,
    gaps: Sequence[bytes],
    records: Sequence[Record],
    *,
    tail: bytes | None = None,
    raw: bytes | None = None,
) -> Document:
    """Return a document with other records in a place, and perhaps another tail; `raw` is its text, where it is known.

    Raises ValueError where two records have one id.
    """
    first, last, _ = place.indices(len(before.records))
    replaced = before.records[first:last]
    tail = before.tail if tail is None else tail
    if raw is None:
        begin = len(before.head) + sum(before.sizes[:first])
        end = begin + sum(before.sizes[first:last])
        pieces = [piece for gap, record in zip(gaps, records, strict=True) for piece in (gap, record.text)]
        raw = b"".join((before.raw[:begin], *pieces, before.raw[end : len(before.raw) - len(before.tail)], tail))
    ids = {record.id for record in records}
    added = ids.difference(record.id for record in replaced)
    if len(ids) < len(records) or (added and not added.isdisjoint(record.id for record in before.records)):
        raise ValueError("an id that is there twice")
    every = list(before.records)
    every[first:last] = records
    sizes = array("Q", (len(gap) + len(record.text) for gap, record in zip(gaps, records, strict=True)))
    return Document(
        raw,
        before.head,
        before.gaps if tuple(gaps) == before.gaps[first:last] else (*before.gaps[:first], *gaps, *before.gaps[last:]),
        tuple(every),
        tail,
        _shapes(before, replaced, records),
        _sizes=before.sizes[:first] + sizes + before.sizes[last:],
    )


def changed(before: Document, changes: Mapping[str, Record]) -> Document:
    """Return a document with other records for some ids that it has."""
    records, sizes = list(before.records), before.sizes[:]
    replaced: list[Record] = []
    pieces: list[bytes] = []
    done, begin, last = 0, len(before.head), 0
    is_changed = map(changes.__contains__, map(attrgetter("id"), before.records))
    for number in compress(range(len(records)), is_changed):
        old, gap = records[number], before.gaps[number]
        begin += sum(before.sizes[last:number])
        pieces += (before.raw[done : begin + len(gap)], changes[old.id].text)
        done, last = begin + len(gap) + len(old.text), number
        replaced.append(old)
        records[number] = changes[old.id]
        sizes[number] = len(gap) + len(records[number].text)
    raw = b"".join((*pieces, before.raw[done:]))
    shapes = _shapes(before, replaced, changes.values())
    return Document(raw, before.head, before.gaps, tuple(records), before.tail, shapes, _sizes=sizes)


def _shapes(before: Document, gone: Iterable[Record], new: Iterable[Record]) -> Mapping[tuple[str, ...], int]:
    shapes = Counter(before.shapes)
    shapes.subtract(record.keys for record in gone)
    shapes.update(record.keys for record in new)
    return +shapes


def file_digest(raw: bytes) -> str:
    """Return what stands for the content of a whole file in a batch of the audit log."""
    return f"{len(raw)}-{zlib.crc32(raw):08x}"


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
