"""What a card says in the room it has: pure text laid out in cells, each piece with the name of its style."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from rich.cells import cell_len, set_cell_size

from taskdeck_store.values import Card, State
from taskdeck_tui.safe import safe

Piece: TypeAlias = tuple[str, str]
"""A text and the name of its style: title, meta, urgent, tag, error, busy."""

Line: TypeAlias = tuple[Piece, ...]

URGENT = 2
"""Priorities up to this one stand out."""

_GAP = 2
_TITLE_SHARE = 0.6
"""What a title keeps at least of a line that it shares with the rest."""

BUSY = "… committing"


def rows_of(lines: int) -> int:
    """Return the screen rows a card of one, two or three lines takes; but for single lines, a row sets cards apart."""
    return 1 if lines == 1 else lines + 1


def card_lines(
    card: Card, width: int, lines: int, age: str, *, busy: str = "", ranked: bool = True
) -> tuple[Line, ...]:
    """Lay a card out in `lines` lines (1 to 3) of exactly `width` cells.

    What does not fit is left out in this order: tags, priority, age, owner, attempts, id; the title is cut last.
    `busy` says what is under way with the task; that it is being committed stands for all else. Without `ranked`, the
    store's format knows no priority, and none is shown.
    """
    title = safe(card.title)
    facts = _facts(card, age, ranked) if busy != BUSY else []
    if busy:
        facts.insert(0, (busy, "busy"))
    if lines == 1:
        return (_shared(title, facts, width),)
    if lines == 2:
        return _title(title, width), _facts_line(facts, width, age)
    first, rest = _wrapped(title, width)
    if rest:
        return _title(first, width), _title(rest, width), _facts_line(facts, width, age)
    return _title(first, width), _facts_line(facts, width, age), _below(card, width)


def cut(text: str, width: int) -> str:
    """Return a text in exactly `width` cells, with an ellipsis where it was cut."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + "…"


def _facts(card: Card, age: str, ranked: bool) -> list[Piece]:
    facts = [(safe(card.id), "meta")]
    if card.attempts:
        spent = card.attempts >= card.max_attempts
        facts.append((f"↻{card.attempts}/{card.max_attempts}", "error" if spent else "meta"))
    if card.owner:
        # Some tools write the sign before the name themselves.
        facts.append((f"@{safe(card.owner.removeprefix('@'))}", "owner"))
    if age:
        facts.append((age, "meta"))
    if ranked:
        facts.append((f"P{card.priority}", "urgent" if card.priority <= URGENT else "meta"))
    facts.extend((f"#{safe(tag)}", "tag") for tag in card.tags)
    return facts


def _fitting(facts: Iterable[Piece], width: int) -> list[Piece]:
    """Keep the facts that fit, in their order of need; a fact too wide leaves room for those after it."""
    kept: list[Piece] = []
    for text, style in facts:
        need = cell_len(text) + (_GAP if kept else 0)
        if need <= width:
            kept.append((text, style))
            width -= need
    return kept


def _shared(title: str, facts: list[Piece], width: int) -> Line:
    room = width - min(cell_len(title), max(int(width * _TITLE_SHARE), min(width, 16))) - _GAP
    kept = _fitting(facts, room)
    used = sum(cell_len(text) + _GAP for text, _ in kept)
    spaced = [piece for fact in kept for piece in ((" " * _GAP, "meta"), fact)]
    return ((cut(title, width - used), "title"), *spaced)


def _title(text: str, width: int) -> Line:
    return ((cut(text, width), "title"),)


def _facts_line(facts: list[Piece], width: int, age: str) -> Line:
    kept = _fitting(facts, width)
    if not kept and facts:
        return ((cut(facts[0][0], width), facts[0][1]),)
    right = [fact for fact in kept if fact[0] == age and fact[1] == "meta"][:1]
    left = [fact for fact in kept if fact not in right]
    pieces: list[Piece] = []
    for text, style in left:
        if pieces:
            pieces.append((" " * _GAP, "meta"))
        pieces.append((text, style))
    used = sum(cell_len(text) for text, _ in (*pieces, *right))
    return (*pieces, (" " * (width - used), "meta"), *right)


def _wrapped(title: str, width: int) -> tuple[str, str]:
    if cell_len(title) <= width:
        return title, ""
    head = set_cell_size(title, width)
    space = head.rfind(" ") if title[len(head.rstrip()) : len(head.rstrip()) + 1] != " " else len(head.rstrip())
    if space <= len(head) // 3:
        return head, title[len(head) :].lstrip()
    return title[:space].rstrip(), title[space:].lstrip()


def _below(card: Card, width: int) -> Line:
    if card.preview:
        style = "error" if card.state is State.FAILED else "preview"
        return ((cut(safe(_unquoted(card.preview)), width), style),)
    if card.tags:
        return ((cut("  ".join(f"#{safe(tag)}" for tag in card.tags), width), "tag"),)
    return ((" " * width, "meta"),)


def _unquoted(preview: str) -> str:
    """Return a preview without the marks of JSON where it is one text: it may be cut, so no decoder takes it."""
    if not preview.startswith('"'):
        return preview
    words = preview.removeprefix('"').removesuffix('"').replace("\\n", " ").replace("\\t", " ")
    return words.replace('\\"', '"').lstrip("# ")
