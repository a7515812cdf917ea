"""Rows out of a damaged SQLite file, page by page, whatever has become of the pages that lead to them.

The format is at https://www.sqlite.org/fileformat.html: pages (1.2), the header (1.3), b-tree pages and their cells
(1.6), records (2.1), and the write-ahead log (4). Every read is bounded: a damaged length or page number is a row less,
never a loop.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import apsw

_HEADER = 100
_DEFAULT_SIZE = 4096
_SIZES = tuple(1 << power for power in range(9, 17))
_TABLE_LEAF, _INDEX_LEAF, _INDEX_INTERIOR = 13, 10, 2
_WAL_HEADER, _FRAME_HEADER = 32, 24
_WAL_MAGICS = {0x377F0682: "<", 0x377F0683: ">"}
_WHOLE_SIZES = (0, 1, 2, 3, 4, 6, 8)

Row: TypeAlias = tuple[int | None, list[Any]]
"""The rowid of a row (None in a table without rowids) and its columns."""


def rows(path: Path, columns: Container[int]) -> Iterator[Row]:
    """Yield every row with such a number of columns that can be found in a file and its log.

    Raises apsw.Error and OSError.

    Rows that are no more may be among them, and rows of other tables, and texts with a flipped bit.
    """
    pages = _Pages(path)
    try:
        for number in range(1, pages.count + 1):
            yield from _rows_of_page(pages, number, columns)
    finally:
        pages.close()


class _Pages:
    """The pages of a file, each as the last commit in its log leaves it."""

    def __init__(self, path: Path) -> None:
        # SQLite opens and closes the file: who closed it otherwise would take the locks that others here have on it
        # (https://www.sqlite.org/howtocorrupt.html, 2.2).
        self._file = apsw.VFSFile("", str(path.absolute()), [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READONLY, 0])
        self._length = self._file.xFileSize()
        head = self._file.xRead(_HEADER, 0) if self._length >= _HEADER else bytes(_HEADER)
        claimed = struct.unpack_from(">H", head, 16)[0]
        self.size = 65_536 if claimed == 1 else claimed if claimed in _SIZES else _DEFAULT_SIZE
        self._logged = dict(_log_pages(path.with_name(path.name + "-wal"), self.size))
        self.count = max([-(-self._length // self.size), *self._logged])

    def page(self, number: int) -> bytes:
        """Return a page; what is missing of it is zeros."""
        logged = self._logged.get(number)
        if logged is not None:
            return logged
        start = (number - 1) * self.size
        there = min(self.size, self._length - start)
        if number < 1 or there <= 0:
            return bytes(self.size)
        return self._file.xRead(there, start).ljust(self.size, b"\0")

    def close(self) -> None:
        self._file.xClose()


def _log_pages(path: Path, size: int) -> Iterator[tuple[int, bytes]]:
    """Yield the pages that were committed in a log, in the order in which they were written."""
    try:
        log = path.read_bytes()
    except FileNotFoundError:
        return
    if len(log) < _WAL_HEADER:
        return
    magic, _, page_size, _ = struct.unpack_from(">4I", log)
    if magic not in _WAL_MAGICS or page_size != size:
        return
    order, salts = _WAL_MAGICS[magic], log[16:24]
    check = _checksum(order, log[:24], (0, 0))
    waiting: list[tuple[int, bytes]] = []
    for start in range(_WAL_HEADER, len(log) - _FRAME_HEADER - size + 1, _FRAME_HEADER + size):
        number, commit = struct.unpack_from(">2I", log, start)
        page = log[start + _FRAME_HEADER : start + _FRAME_HEADER + size]
        check = _checksum(order, page, _checksum(order, log[start : start + 8], check))
        if log[start + 8 : start + 16] != salts or struct.unpack_from(">2I", log, start + 16) != check:
            return
        waiting.append((number, page))
        if commit:
            yield from waiting
            waiting.clear()


def _checksum(order: str, data: bytes, start: tuple[int, int]) -> tuple[int, int]:
    one, other = start
    for first, second in struct.iter_unpack(f"{order}2I", data):
        one = (one + first + other) & 0xFFFFFFFF
        other = (other + second + one) & 0xFFFFFFFF
    return one, other


def _rows_of_page(pages: _Pages, number: int, columns: Container[int]) -> Iterator[Row]:
    page = pages.page(number)
    begin = _HEADER if number == 1 else 0
    kind = page[begin]
    if kind not in (_TABLE_LEAF, _INDEX_LEAF, _INDEX_INTERIOR):
        return
    cells = struct.unpack_from(">H", page, begin + 3)[0]
    pointers = begin + (12 if kind == _INDEX_INTERIOR else 8)
    for index in range(min(cells, (pages.size - pointers) // 2)):
        start = struct.unpack_from(">H", page, pointers + 2 * index)[0]
        try:
            row = _row(pages, page, start + (4 if kind == _INDEX_INTERIOR else 0), kind == _TABLE_LEAF, columns)
        except (IndexError, ValueError, struct.error):
            continue
        if row is not None:
            yield row


def _row(pages: _Pages, page: bytes, position: int, has_rowid: bool, columns: Container[int]) -> Row | None:
    length, position = _varint(page, position)
    rowid = None
    if has_rowid:
        rowid, position = _varint(page, position)
    payload = _payload(pages, page, position, length, has_rowid, columns)
    return None if payload is None else (rowid, payload)


def _payload(
    pages: _Pages, page: bytes, position: int, length: int, has_rowid: bool, columns: Container[int]
) -> list[Any] | None:
    """Return the columns of the record at a position, and in the pages that it flows over to; None: another number."""
    if length > pages.count * pages.size:
        raise ValueError("longer than the file")
    usable = pages.size
    most = usable - 35 if has_rowid else (usable - 12) * 64 // 255 - 23
    local = length
    if length > most:
        least = (usable - 12) * 32 // 255 - 23
        local = least + (length - least) % (usable - 4)
        local = local if local <= most else least
    content = page[position : position + local]
    if len(content) < local:
        raise ValueError("past the end of its page")
    head, first = _varint(content, 0)
    if head > local or not _has_columns(content, first, head, columns):
        return None
    if length > local:
        content += _overflow(pages, page[position + local : position + local + 4], length - local)
    return _columns(content, first, head)


def _overflow(pages: _Pages, pointer: bytes, length: int) -> bytes:
    found: list[bytes] = []
    while length > 0:
        number = int.from_bytes(pointer, "big")
        if not 1 <= number <= pages.count:
            raise ValueError("no such page")
        page = pages.page(number)
        pointer = page[:4]
        found.append(page[4 : 4 + length])
        length -= len(found[-1])
    return b"".join(found)


def _has_columns(content: bytes, position: int, end: int, columns: Container[int]) -> bool:
    count = 0
    while position < end:
        _, position = _varint(content, position)
        count += 1
    return count in columns


def _columns(content: bytes, position: int, end: int) -> list[Any]:
    values: list[Any] = []
    at = end
    while position < end:
        kind, position = _varint(content, position)
        if kind >= 12:
            length = (kind - 12) // 2
            piece = content[at : at + length]
            if len(piece) < length:
                raise ValueError("past the end of its record")
            values.append(piece if kind % 2 == 0 else piece.decode())
        elif kind in (8, 9):
            length = 0
            values.append(kind - 8)
        elif kind < len(_WHOLE_SIZES):
            length = _WHOLE_SIZES[kind]
            values.append(int.from_bytes(content[at : at + length], "big", signed=True) if kind else None)
        else:
            raise ValueError("a number that no column of ours holds")
        at += length
    return values


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for step in range(8):
        byte = data[position + step]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, position + step + 1
    return value << 8 | data[position + 8], position + 9
