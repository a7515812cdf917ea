"""The hint line: the keys that do something here and now, in one row made from the live bindings."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct
from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.keys import format_key
from textual.screen import Screen
from textual.widget import Widget

from taskdeck_tui.keys import KEYS

_RANK = {spec.id: rank for rank, spec in enumerate(KEYS)}
_PINNED = ("close", "now", "help")
_GAP = "  "


def key_text(key: str) -> str:
    """Return a key, in Textual's name for it, as people write it: ``?`` for ``question_mark``, ``esc``, ``ctrl+p``."""
    *modifiers, base = key.split("+")
    return "+".join([*modifiers, "enter" if base == "enter" else format_key(base)])


class _Hint(Struct, frozen=True):
    key: str
    shown: str
    word: str

    @property
    def width(self) -> int:
        return len(self.shown) + 1 + len(self.word)


class HintLine(Widget):
    """One row of keys and what they do: the shown, enabled bindings, as many as fit; last, the way back and help.

    A click on a hint presses its key.
    """

    DEFAULT_CSS = """
    HintLine {
        height: 1;
        padding: 0 1;
        background: $hint-bg;
        color: $hint-word;
        pointer: pointer;
    }
    """
    ALLOW_SELECT: ClassVar[bool] = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._hints: tuple[_Hint, ...] = ()
        self._pinned: tuple[_Hint, ...] = ()
        self._spots: list[tuple[range, str]] = []

    def on_mount(self) -> None:
        """Follow Textual's own notice that bindings changed: focus, screen, or `refresh_bindings`."""
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_updated)

    def refresh_hints(self) -> None:
        """Read the live bindings, and paint if they differ from what is shown."""
        shown: dict[str, tuple[int, _Hint]] = {}
        pinned: dict[str, _Hint] = {}
        for _node, binding, enabled, _tooltip in self.screen.active_bindings.values():
            if not (binding.show and enabled) or binding.action in shown or binding.id in pinned:
                continue
            if self._typed(binding):
                continue
            hint = _Hint(binding.key, key_text(binding.key), binding.description)
            if binding.id in _PINNED:
                pinned[binding.id] = hint
            else:
                shown[binding.action] = (_RANK.get(binding.id or "", len(_RANK)), hint)
        first = tuple(hint for _rank, hint in sorted(shown.values(), key=lambda ranked: ranked[0]))
        last = tuple(pinned[id] for id in _PINNED if id in pinned)
        if (first, last) != (self._hints, self._pinned):
            self._hints, self._pinned = first, last
            self.refresh()

    def render(self) -> Content:
        """Lay out what fits the width."""
        width = self.content_size.width
        pinned = sum(hint.width + len(_GAP) for hint in self._pinned)
        room = width - pinned
        content = Content()
        self._spots.clear()
        for hint in self._hints:
            gap = _GAP if content else ""
            more = 0 if hint is self._hints[-1] else len(_GAP) + 1
            if content.cell_length + len(gap) + hint.width + more > room:
                content = content + Content.styled(f"{gap}…", "$hint-word")
                break
            content = self._with(content + gap, hint)
        content = content + " " * max(room - content.cell_length, 0)
        for hint in self._pinned:
            content = self._with(content + _GAP, hint)
        return content

    def on_click(self, event: events.Click) -> None:
        """Press the key of the hint under the mouse."""
        offset = event.get_content_offset(self)
        for columns, key in self._spots:
            if offset is not None and offset.x in columns:
                event.stop()
                self.app.simulate_key(key)
                return

    def _typed(self, binding: Binding) -> bool:
        """Tell whether the key is text where the focus is; Textual misses those whose name is not Unicode's (slash)."""
        focused, text = self.screen.focused, key_text(binding.key)
        return focused is not None and len(text) == 1 and focused.check_consume_key(binding.key, text)

    def _with(self, content: Content, hint: _Hint) -> Content:
        start = content.cell_length
        self._spots.append((range(start, start + hint.width), hint.key))
        return content + Content.assemble((hint.shown, "$hint-key bold"), " ", (hint.word, "$hint-word"))

    def _bindings_updated(self, _screen: Screen[object]) -> None:
        self.refresh_hints()
