"""Where new task objects go in a task file, and how they are laid out there."""

from __future__ import annotations

from msgspec import Struct

from taskdeck_store.jsonfile.document import Document
from taskdeck_store.jsonstyle import Style, style_of


class End(Struct, frozen=True, kw_only=True):
    """The end of a list: the text ahead of the first new object and of the next ones, their style, and what follows."""

    gap: bytes
    next_gap: bytes
    style: Style
    tail: bytes


def end_of(document: Document, *, escaped: bool) -> End:
    """Return the end of a document's list, in the style of the last object or, where there is none, of the file."""
    if not document.records:
        return _empty_list(document, escaped)
    style = style_of(document.records[-1].text.decode(), escaped=escaped)
    gap = document.gaps[-1] if len(document.gaps) > 1 else _between(document.gaps[0], style)
    return End(gap=gap, next_gap=gap, style=style, tail=document.tail)


def _empty_list(document: Document, escaped: bool) -> End:
    newline = "\r\n" if b"\r\n" in document.raw else "\n"
    opening = document.head.decode("utf-8-sig")[:-1]
    if opening.strip() and "\n" not in opening:
        wide = opening[-1:].isspace()
        style = Style(newline="", comma=", " if wide else ",", colon=": " if wide else ":", escaped=escaped)
        return End(gap=b"", next_gap=_between(b"", style), style=style, tail=document.tail.lstrip())
    line = opening.rpartition("\n")[2]
    base = line[: len(line) - len(line.lstrip())]
    unit = base or "  "
    indent = base + unit
    style = Style(newline=newline, indent=indent + unit, closing=indent, unit=unit, escaped=escaped)
    gap = (newline + indent).encode()
    tail = (newline + base).encode() + document.tail.lstrip()
    return End(gap=gap, next_gap=_between(gap, style), style=style, tail=tail)


def _between(first: bytes, style: Style) -> bytes:
    return b"," + first if first else style.comma.encode()
