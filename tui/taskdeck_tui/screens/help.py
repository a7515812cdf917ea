"""Every key as bound now, what the glyphs mean, and the filter language; searched as one types."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import ClassVar

from msgspec import Struct
from textual.binding import BindingType
from textual.content import Content
from textual.types import CSSPathType
from textual.widget import Widget
from textual.widgets import Input

from taskdeck_store.machine import STEP, actions_from
from taskdeck_store.values import State
from taskdeck_tui.folders import config_path
from taskdeck_tui.glyphs import GLYPHS, WORDS
from taskdeck_tui.hints import key_text
from taskdeck_tui.keys import KEYS, bindings
from taskdeck_tui.safe import safe
from taskdeck_tui.screens.history import ink
from taskdeck_tui.screens.page import SHEET, Page
from taskdeck_tui.screens.pager import Pager
from taskdeck_tui.screens.pretty import Row, fitted
from taskdeck_tui.screens.typed import Line

FILTERS: Sequence[tuple[str, str]] = (
    ("state:review", "in this state; its first letters do: state:rev"),
    ("tag:x -tag:y", "has tag x and not tag y; a minus turns any term round"),
    ("owner:me owner:none", "mine; nobody's (tag:none and error:none work too)"),
    ("state:review,failed", "one or the other"),
    ("id:task-1*", "the id begins with task-1"),
    ("title:login error:timeout", "the title, the error contains it"),
    ("attempts>1 priority<=3", "numbers compare by < <= = >= >"),
    ("age>1h30m", "longer in its state than that: s m h d w y"),
    ("due:now due:later", "pending, to be started by now; waiting for its time"),
    ("blocked:yes depends:ID", "pending, and waiting for other tasks; depending on that one"),
    ('"some text" word', "id, title, description or error contains both"),
    ('tag:"two words"', "quotes take a value as it stands"),
)
"""The filter language by examples."""

_KEY = 16
_WORD = 14
_NARROW = 60
_COLUMNS = 132
"""Cells from which on the help stands in two columns."""


class _Item(Struct, frozen=True):
    """One line of help: what stands at its left, a word, a sentence; `also` is found by a search too."""

    group: str
    left: str
    word: str
    sentence: str
    also: str = ""
    style: str = "bold $hint-key"


class HelpScreen(Page[None]):
    """A page with a search field: typing narrows what is listed."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("pane")]
    CSS_PATH: ClassVar[CSSPathType | None] = [SHEET, Path(__file__).with_name("help.tcss")]
    AUTO_FOCUS = "Input"

    def __init__(self, keymap: Mapping[str, str], here: Container[str] = (), *, steps: bool = True) -> None:
        """`keymap` holds the keys that the user bound anew, by id, as `taskdeck_tui.config` reads them; `here` the ids
        of those that work where the help was asked for: what is of that place alone comes first. Without `steps`,
        tasks are not stepped here, and the keys for that are left out.
        """
        super().__init__()
        self._items = [*_keys(keymap, here, steps=steps), *_states(), *_filters(), *_rebinding()]

    def heading(self) -> Content:
        """Say what the field is for."""
        return Content.assemble(("Help", "bold $page-title"), ("  type to search", "$muted"))

    def body(self) -> Iterable[Widget]:
        """Yield the field and the list."""
        field = Line(compact=True, placeholder="search keys, states, filters", id="search")
        field.cursor_blink = False
        yield field
        yield Pager(id="help")

    def on_mount(self) -> None:
        """List everything."""
        self.query_one(Pager).show(self._lines)

    def on_input_changed(self) -> None:
        """List what matches."""
        pager = self.query_one(Pager)
        pager.show(self._lines)
        pager.action_cursor_top()

    def action_back(self) -> None:
        """Empty the field; empty, close the page."""
        field = self.query_one(Input)
        if field.value:
            field.value = ""
        else:
            self.dismiss(None)

    def action_cursor_down(self) -> None:
        """Scroll a line down."""
        self.query_one(Pager).action_cursor_down()

    def action_cursor_up(self) -> None:
        """Scroll a line up."""
        self.query_one(Pager).action_cursor_up()

    def action_page_down(self) -> None:
        """Scroll a page down."""
        self.query_one(Pager).action_page_down()

    def action_page_up(self) -> None:
        """Scroll a page up."""
        self.query_one(Pager).action_page_up()

    def action_cursor_top(self) -> None:
        """Scroll to the first line."""
        self.query_one(Pager).action_cursor_top()

    def action_cursor_bottom(self) -> None:
        """Scroll to the last line."""
        self.query_one(Pager).action_cursor_bottom()

    def _lines(self, width: int) -> list[Content]:
        words = self.query_one(Input).value.casefold().split()
        found = [item for item in self._items if all(word in _searched(item) for word in words)]
        if not found:
            return [Content.styled("nothing matches; esc empties the field", "$muted")]
        if width < _COLUMNS:
            return _joined(_groups(found, width))
        return _beside(_groups(found, width // 2 - 2), width // 2 + 2)


def _searched(item: _Item) -> str:
    return f"{item.group} {item.left} {item.word} {item.sentence} {item.also}".casefold()


def _keys(keymap: Mapping[str, str], here: Container[str], *, steps: bool) -> Iterable[_Item]:
    every = [spec for spec in KEYS if steps or {"stepping", "held"}.isdisjoint(spec.scopes)]
    elsewhere = {spec.group for spec in every if spec.id not in here or not {"board", "task"}.isdisjoint(spec.scopes)}
    groups = dict.fromkeys(spec.group for spec in every)
    for group in sorted(groups, key=lambda group: group in elsewhere):
        for spec in every:
            if spec.group == group:
                keys = keymap[spec.id].split(",") if spec.id in keymap else spec.keys
                shown = " ".join(key_text(key) for key in keys)
                name = f" [{spec.id}]" if spec.id != spec.description else ""
                yield _Item(group, shown, spec.description, f"{spec.tooltip}{name}")


def _states() -> Iterable[_Item]:
    for state in State:
        actions = ", ".join(
            f"{action} (step)" if action is STEP.get(state) else str(action) for action in actions_from(state)
        )
        yield _Item("States", GLYPHS[state], WORDS[state], actions or "final", style=f"bold {ink(state)}")


def _filters() -> Iterable[_Item]:
    for example, sentence in FILTERS:
        yield _Item("Filter language", example, "", sentence)


def _rebinding() -> Iterable[_Item]:
    how = 'under [keys], by its word here, or its name in brackets: step = "n", approve = ["f5", "a"]'
    yield _Item("Your own keys", safe(str(config_path())), "", how, also="config rebind keymap names")


def _groups(items: Sequence[_Item], width: int) -> list[list[Content]]:
    """Return the lines of each group, under its name."""
    groups: dict[str, list[Content]] = {}
    for item in items:
        if item.group not in groups:
            rule = "─" * max(width - len(item.group) - 1, 0)
            groups[item.group] = [Content.assemble((item.group, "bold $page-title"), " ", (rule, "$column-line"))]
        groups[item.group].extend(_item_lines(item, width))
    return list(groups.values())


def _item_lines(item: _Item, width: int) -> list[Content]:
    narrow = width < _NARROW
    key = _KEY // 2 if narrow else _KEY if item.word else _KEY + _WORD
    word = item.word if narrow or not item.word else item.word.ljust(_WORD - 2)
    text = Content.assemble(word, "  " if word else "", (item.sentence, "$muted"))
    left = Content.styled(item.left, item.style)
    rows = [Row(text, hang=0 if narrow else len(word) + 2 * bool(word))]
    if left.cell_length >= key:
        return [left, *fitted(rows, width, indent=2)]
    first, *rest = fitted(rows, width - key)
    return [left.pad_right(key - left.cell_length) + first, *(" " * key + line for line in rest)]


def _joined(groups: Sequence[Sequence[Content]]) -> list[Content]:
    return [line for group in groups for line in (*group, Content())][:-1]


def _beside(groups: Sequence[Sequence[Content]], column: int) -> list[Content]:
    """Return the groups in two columns, broken where these come out most alike in height."""
    breaks = range(1, len(groups) + 1)
    broken = [(_joined(groups[:at]), _joined(groups[at:])) for at in breaks]
    left, right = min(broken, key=lambda pair: max(len(pair[0]), len(pair[1])))
    return [
        line.pad_right(column - line.cell_length) + other
        for line, other in zip_longest(left, right, fillvalue=Content())
    ]
