"""Values and texts of any size as lines to read: JSON in colours, Markdown in place, all of it bounded.

Nothing here interprets markup of the texts themselves, and nothing unfit for a terminal gets through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct
from textual.content import Content

from taskdeck_store.values import Json
from taskdeck_tui.safe import safe, safe_json, safe_lines

LIMIT = 60_000
"""Characters of a value that are laid out; the rest is told by its size."""

_DEEPEST = 40
_INDENT = 2
_INLINE = 56
_BAR = ("▎ ", "$muted")


class Row(Struct, frozen=True):
    """A line before it is fitted to a width: what wraps goes on under `hang` cells."""

    content: Content
    hang: int = 0


def fitted(rows: Iterable[Row], width: int, *, indent: int = 0) -> list[Content]:
    """Return rows as lines of at most `width` cells, all of them moved right by `indent`."""
    room = max(width - indent, 8)
    margin = Content(" " * indent)
    lines: list[Content] = []
    for row in rows:
        if row.content.cell_length <= room:
            lines.append(margin + row.content)
            continue
        hang = min(row.hang, room // 2)
        first = row.content.wrap(room)[0]
        lines.append(margin + first)
        rest = row.content[len(first) :]
        rest = rest[len(rest.plain) - len(rest.plain.lstrip()) :]
        lines.extend(margin + Content(" " * hang) + line for line in rest.wrap(room - hang) if rest)
    return lines


def value_rows(value: Json) -> list[Row]:
    """Return any JSON value as rows: a text as text (Markdown, if it looks so), anything else as JSON."""
    if isinstance(value, str):
        return text_rows(value)
    budget = _Budget()
    rows = list(_bounded(_json(value, 0, (), ""), budget))
    if budget.left < 0:
        rows.append(_rest(_size(value)))
    return rows


def text_rows(text: str, *, bar: bool = False) -> list[Row]:
    """Return a text as rows, with a bar at their left where it is a quotation."""
    head = text[:LIMIT]
    if looks_like_markdown(head):
        rows = list(_markdown(head))
    else:
        rows = [Row(Content.styled(line), hang=len(line) - len(line.lstrip())) for line in safe_lines(head)]
    if len(text) > LIMIT:
        rows.append(_rest(len(text), LIMIT))
    if bar:
        return [Row(Content.assemble(_BAR, row.content), hang=row.hang + 2) for row in rows]
    return rows


def kind_of(value: Json) -> str:
    """Return what a value is, for people: text, Markdown or JSON."""
    if isinstance(value, str):
        return "Markdown" if looks_like_markdown(value[:LIMIT]) else "text"
    return "JSON"


_MARKDOWN_STRONG = re.compile(r"^(#{1,6} \S|```)", re.MULTILINE)
_MARKDOWN_WEAK = (
    re.compile(r"^\s*([-*+]|\d+\.) \S", re.MULTILINE),
    re.compile(r"\*\*[^*\n]+\*\*"),
    re.compile(r"`[^`\n]+`"),
    re.compile(r"\[[^\]\n]+\]\([^)\n]+\)"),
    re.compile(r"^> ", re.MULTILINE),
)


def looks_like_markdown(text: str) -> bool:
    """Tell whether a text reads better as Markdown: a heading or fence, or two lesser signs of it."""
    return bool(_MARKDOWN_STRONG.search(text)) or sum(bool(sign.search(text)) for sign in _MARKDOWN_WEAK) >= 2


class _Budget:
    """The characters that may still be laid out."""

    def __init__(self) -> None:
        self.left = LIMIT


def _bounded(rows: Iterator[Row], budget: _Budget) -> Iterator[Row]:
    for row in rows:
        room, budget.left = budget.left, budget.left - len(row.content) - 1
        if budget.left < 0:
            yield Row(row.content[:room], row.hang)
            return
        yield row


def _rest(size: int | None, shown: int = 0) -> Row:
    told = "more than this" if size is None else f"{_amount(size - shown)} {'more' if shown else 'in all'}"
    return Row(Content.styled(f"… {told}: not shown here; taskdeck show --json prints all of it", "$mode-read-only"))


def _amount(size: int) -> str:
    if size < 10_000:
        return f"{size:,} characters"
    return f"{size / 1e6:,.1f} MB" if size >= 1_000_000 else f"{size / 1e3:,.0f} kB"


def _size(value: Json) -> int | None:
    import msgspec

    try:
        return len(msgspec.json.encode(value))
    except (ValueError, TypeError, RecursionError, OverflowError):
        return None


def _json(value: Json, depth: int, lead: Sequence[tuple[str, str]], tail: str) -> Iterator[Row]:
    """Yield the rows of a value after what leads up to it (its key), followed by `tail` (a comma)."""
    margin = " " * (_INDENT * depth)
    hang = _INDENT * (depth + 2)
    if isinstance(value, str) and "\n" in value:
        yield Row(Content.assemble(margin, *lead, ("text", "$muted"), (tail, "$json-mark")), hang)
        for line in safe_lines(value[:LIMIT]):
            yield Row(Content.assemble(margin, " " * _INDENT, _BAR, (line, "$json-string")), hang)
        return
    flat = _flat(value)
    if flat is not None or depth >= _DEEPEST:
        shown = flat or [("…", "$muted")]
        yield Row(Content.assemble(margin, *lead, *shown, (tail, "$json-mark")), hang)
        return
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    yield Row(Content.assemble(margin, *lead, (opening, "$json-mark")), hang)
    last = len(value) - 1
    if isinstance(value, dict):
        for index, (key, inner) in enumerate(value.items()):
            named = ((_quoted(str(key)), "$json-key"), (": ", "$json-mark"))
            yield from _json(inner, depth + 1, named, "," if index < last else "")
    else:
        for index, inner in enumerate(value):
            yield from _json(inner, depth + 1, (), "," if index < last else "")
    yield Row(Content.assemble(margin, (closing + tail, "$json-mark")), hang)


def _flat(value: Json) -> list[tuple[str, str]] | None:
    """Return the pieces of a value that goes on one line; None for one that does not."""
    if not isinstance(value, dict | list):
        return [_scalar(value)]
    if not value:
        return [("{}" if isinstance(value, dict) else "[]", "$json-mark")]
    if len(value) > 12 or isinstance(value, dict):
        return None
    pieces: list[tuple[str, str]] = [("[", "$json-mark")]
    room = _INLINE
    for index, inner in enumerate(value):
        if isinstance(inner, dict | list) or (isinstance(inner, str) and ("\n" in inner or len(inner) > room)):
            return None
        pieces.extend([(", ", "$json-mark")] if index else [])
        pieces.append(_scalar(inner))
        room -= len(pieces[-1][0]) + 2
        if room < 0:
            return None
    return [*pieces, ("]", "$json-mark")]


def _scalar(value: Json) -> tuple[str, str]:
    if isinstance(value, str):
        return _quoted(value), "$json-string"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value], "$json-word"
    return _number(value), "$json-number"


def _number(value: Json) -> str:
    # Python refuses to write out integers of more than 4,300 digits (sys.set_int_max_str_digits).
    try:
        return str(value)[:LIMIT]
    except ValueError:
        return f"a number of {value.bit_length():,} bits"


def _quoted(text: str) -> str:
    import json

    return safe(safe_json(json.dumps(text[:LIMIT], ensure_ascii=False)))


_HEADING = re.compile(r"(#{1,6}) +(.*?)(?: +#+)? *")
_BULLET = re.compile(r"(\s*)(?:([-*+])|(\d{1,4}[.)])) +(.*)")
_RULE = re.compile(r" {0,3}([-*_])(?: *\1){2,} *")
_INLINE_MARK = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<bold>[^*]+)\*\*|(?<![\w*])\*(?P<italic>[^*\s][^*]*)\*(?![\w*])"
    r"|\[(?P<text>[^\]]+)\]\((?P<link>[^)\s]+)\)"
)


def _markdown(text: str) -> Iterator[Row]:
    fenced = False
    for line in safe_lines(text):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced:
            yield Row(Content.assemble(_BAR, (line, "$json-string")), hang=4)
        elif heading := _HEADING.fullmatch(line):
            style = "bold underline $page-title" if len(heading[1]) == 1 else "bold $page-title"
            yield Row(Content.styled(heading[2], style))
        elif _RULE.fullmatch(line):
            yield Row(Content.styled("─" * 24, "$column-line"))
        elif bullet := _BULLET.fullmatch(line):
            mark = "•" if bullet[2] else bullet[3]
            lead = f"{bullet[1]}{mark} "
            yield Row(Content.assemble(bullet[1], (mark, "$hint-key"), " ", _inline(bullet[4])), hang=len(lead))
        elif line.startswith(">"):
            yield Row(Content.assemble(_BAR, _inline(line[1:].lstrip())), hang=2)
        else:
            yield Row(_inline(line))


def _inline(text: str) -> Content:
    parts: list[str | tuple[str, str]] = []
    at = 0
    for mark in _INLINE_MARK.finditer(text):
        parts.append(text[at : mark.start()])
        if mark["code"]:
            parts.append((mark["code"], "$json-string"))
        elif mark["bold"]:
            parts.append((mark["bold"], "bold"))
        elif mark["italic"]:
            parts.append((mark["italic"], "italic"))
        else:
            parts.extend([(mark["text"], "underline"), (f" ({mark['link']})", "$muted")])
        at = mark.end()
    parts.append(text[at:])
    return Content.assemble(*parts)
