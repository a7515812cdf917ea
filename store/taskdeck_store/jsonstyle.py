"""How a file's author writes JSON, so that what is written into it looks like the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from taskdeck_store.jsonscan import Member, members
from taskdeck_store.values import Json


class Style(Struct, frozen=True, kw_only=True):
    """How an object is laid out: as `json.dump(…, indent=2)` does in a list, unless told otherwise.

    `newline` is '' for an object on one line; `indent` is the white space before its members, `closing` that before
    its closing brace, `unit` one level of indentation. `escaped` says that all but ASCII is written as escapes.
    """

    newline: str = "\n"
    indent: str = "    "
    closing: str = "  "
    unit: str = "  "
    comma: str = ", "
    colon: str = ": "
    escaped: bool = True


def style_of(text: str, *, escaped: bool) -> Style:
    """Return the style of an object that has members, given as text."""
    found = members(text)
    opening, first = text[1 : found[0].key_start], found[0]
    colon = text[first.key_end : first.start]
    colon = ": " if "\n" in colon else colon
    if "\n" not in opening:
        comma = text[first.end : found[1].key_start] if len(found) > 1 else ", "
        return Style(newline="", comma=", " if "\n" in comma else comma, colon=colon, escaped=escaped)
    indent = opening.rpartition("\n")[2]
    closing = text[found[-1].end : -1].rpartition("\n")[2]
    unit = indent.removeprefix(closing) if indent.startswith(closing) else ""
    newline = "\r\n" if "\r\n" in opening else "\n"
    return Style(newline=newline, indent=indent, closing=closing, unit=unit or "  ", colon=colon, escaped=escaped)


def edited(text: str, values: Mapping[str, Json], *, escaped: bool) -> str:
    """Return an object's text with other values under some keys; keys that it does not have are added at its end."""
    style = style_of(text, escaped=escaped)
    found = members(text)
    pieces: list[str] = []
    done = 0
    for start, end, new in _replaced(text, found, values, style):
        pieces += (text[done:start], new)
        done = end
    end = found[-1].end
    pieces.append(text[done:end])
    had = {member.key for member in found}
    for key in (key for key in values if key not in had):
        pieces += (_between(style), _text(key, style), style.colon, _text(values[key], style))
    return "".join((*pieces, text[end:]))


def replaced(text: str, values: Mapping[str, Json], *, escaped: bool) -> list[tuple[int, int, str]]:
    """Return where in an object's text other values go, and their texts, in order; keys it does not have are left."""
    return _replaced(text, members(text), values, style_of(text, escaped=escaped))


def _replaced(text: str, found: list[Member], values: Mapping[str, Json], style: Style) -> list[tuple[int, int, str]]:
    last = {member.key: member for member in found}
    return [
        (member.start, member.end, _anew(values[member.key], style, text, member))
        for member in found
        if member.key in values and member is last[member.key]
    ]


def written(data: Mapping[str, Json], style: Style) -> str:
    """Return the text of a new object."""
    return _text(data, replace(style, indent=style.closing))


def _between(style: Style) -> str:
    return "," + style.newline + style.indent if style.newline else style.comma


def _anew(value: Json, style: Style, text: str, member: Member) -> str:
    old = text[member.start : member.end]
    on_one_line = old[0] in "[{" and len(old) > 2 and "\n" not in old
    return _text(value, replace(style, newline="") if on_one_line else style)


def _text(value: Json, style: Style) -> str:
    if style.newline:
        text = json.dumps(value, indent=style.unit, ensure_ascii=style.escaped, separators=(",", style.colon))
        text = text.replace("\n", style.newline + style.indent)
    else:
        text = json.dumps(value, ensure_ascii=style.escaped, separators=(style.comma, style.colon))
    try:
        text.encode()
    except UnicodeEncodeError:
        return _text(value, replace(style, escaped=True))
    return text
