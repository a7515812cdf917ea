"""The line in which a filter is typed: parsed at every key, completed, and with errors that point at the character."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from taskdeck_store.query.complete import Suggestion, Vocabulary, complete
from taskdeck_store.query.parse import QueryError, parse
from taskdeck_store.query.terms import Query
from taskdeck_tui.keys import bindings
from taskdeck_tui.safe import safe
from taskdeck_tui.screens.typed import Line

_OFFERED = 8
_OFFERED_LOW = 3
_LOW = 20


class FilterBar(Vertical):
    """A filter being typed. It says by messages what it means; whoever mounted it takes it away again."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("filter")]
    DEFAULT_CSS = """
    FilterBar {
        height: auto;
        background: $head-bg;
        padding: 0 1;
        #typed { height: 1; }
        #slash { width: 2; color: $hint-key; text-style: bold; }
        #text { width: 1fr; background: $head-bg; background-tint: $head-bg 0%; }
        #wrong { height: auto; max-height: 3; color: $mode-read-only; display: none; }
        #wrong.-refused { color: $state-failed; text-style: bold; }
    }
    """

    class Changed(Message):
        """What is typed by now is a filter, and this is what it means."""

        def __init__(self, query: Query) -> None:
            super().__init__()
            self.query = query

    class Submitted(Message):
        """The filter is to be kept."""

        def __init__(self, query: Query) -> None:
            super().__init__()
            self.query = query

    class Cancelled(Message):
        """The filter is to be what it was before."""

    def __init__(self, text: str = "", *, me: str, vocabulary: Vocabulary | None = None) -> None:
        """Begin with a text. `me` is the actor that ``owner:me`` stands for; `vocabulary` is what to complete with."""
        super().__init__()
        self._begun = text
        self._me = me
        self._vocabulary = vocabulary or Vocabulary()
        self._offers: Sequence[Suggestion] = ()
        self._error: QueryError | None = None
        self._last: str | None = None

    @property
    def text(self) -> str:
        """What is typed by now."""
        return self.query_one(Input).value

    def compose(self) -> ComposeResult:
        """Put what is offered above the line, and what is wrong below it."""
        yield Offers()
        with Horizontal(id="typed"):
            yield Static("/", id="slash")
            field = Line(self._begun, compact=True, select_on_focus=False, id="text")
            field.cursor_blink = False
            yield field
        yield Static(id="wrong", markup=False)

    def on_mount(self) -> None:
        """Let typing begin."""
        self._last = self._begun
        field = self.query_one(Input)
        self.watch(field, "selection", self._offer)
        field.focus()

    def know(self, vocabulary: Vocabulary) -> None:
        """Complete with these values from now on."""
        self._vocabulary = vocabulary
        if self.query(Input):
            self._offer()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Say what is typed, if it means something new."""
        event.stop()
        query = self._parsed()
        self._tell_wrong(refused=False)
        if query is not None and event.value != self._last:
            self._last = event.value
            self.post_message(self.Changed(query))

    def action_complete(self) -> None:
        """Take the suggestion that is marked."""
        offers = self.query_one(Offers)
        if offers.marked is not None:
            self._take(offers.marked)

    def action_offer(self, step: int) -> None:
        """Mark the next suggestion, or the one before."""
        self.query_one(Offers).mark(step)

    def action_submit(self) -> None:
        """Have the filter kept, or say what is wrong with it."""
        query = self._parsed()
        if query is None:
            self._tell_wrong(refused=True)
        else:
            self.post_message(self.Submitted(query))

    def action_cancel(self) -> None:
        """Go back to the filter as it was before."""
        self.post_message(self.Cancelled())

    def on_offers_taken(self, message: Offers.Taken) -> None:
        """Take the suggestion that was clicked."""
        message.stop()
        self._take(message.suggestion)

    def _take(self, suggestion: Suggestion) -> None:
        field = self.query_one(Input)
        field.value = field.value[: suggestion.start] + suggestion.text + field.value[suggestion.end :]
        field.cursor_position = suggestion.start + len(suggestion.text)

    def _offer(self) -> None:
        field = self.query_one(Input)
        self.query_one(Offers).offer(complete(field.value, field.cursor_position, self._vocabulary))

    def _parsed(self) -> Query | None:
        try:
            query = parse(self.text, me=self._me)
        except QueryError as error:
            self._error = error
            return None
        self._error = None
        return query

    def _tell_wrong(self, *, refused: bool) -> None:
        wrong = self.query_one("#wrong", Static)
        # What is only not finished yet is no mistake: the suggestions say how it may go on.
        unfinished = not refused and self.query_one(Offers).marked is not None
        wrong.display = self._error is not None and not unfinished
        wrong.set_class(refused, "-refused")
        if self._error is not None:
            wrong.update(self._pointed(self._error, self.content_size.width))

    def _pointed(self, error: QueryError, width: int) -> Content:
        """Return the message with a caret under the character it is about, beside it where there is room."""
        field = self.query_one(Input)
        column = 2 + Content(safe(self.text[: error.at])).cell_length - round(field.scroll_x)
        message = safe(error.message)
        if column < 2 or column >= width:
            return Content(message)
        if column + 2 + len(message) <= width:
            return Content(f"{' ' * column}^ {message}")
        if len(message) + 1 < column:
            return Content(f"{message.rjust(column - 1)} ^")
        return Content(f"{' ' * column}^\n{message}")


class Offers(Widget):
    """The suggestions, one of them marked; a click takes one."""

    DEFAULT_CSS = """
    Offers { height: auto; color: $head-text; pointer: pointer; }
    """
    ALLOW_SELECT = False

    class Taken(Message):
        """A suggestion was clicked."""

        def __init__(self, suggestion: Suggestion) -> None:
            super().__init__()
            self.suggestion = suggestion

    def __init__(self) -> None:
        super().__init__()
        self._offers: Sequence[Suggestion] = ()
        self._at = 0

    @property
    def marked(self) -> Suggestion | None:
        """The suggestion that tab takes."""
        return self._offers[self._at] if self._offers else None

    def offer(self, offers: Sequence[Suggestion]) -> None:
        """Show other suggestions, the first of them marked."""
        if list(offers) != list(self._offers):
            self._offers, self._at = offers, 0
            self.display = bool(offers)
            self.refresh(layout=True)

    def mark(self, step: int) -> None:
        """Mark the next suggestion, or the one before, round and round."""
        if self._offers:
            self._at = (self._at + step) % len(self._offers)
            self.refresh()

    def render(self) -> Content:
        """Draw as many as there is room for, the marked one among them."""
        shown = self._shown()
        wide = max(Content(safe(offer.text)).cell_length for offer in shown) if shown else 0
        lines = [self._line(offer, wide) for offer in shown]
        return Content("\n").join(lines)

    def on_click(self, event: events.Click) -> None:
        """Take the suggestion under the mouse."""
        shown = self._shown()
        if 0 <= event.y < len(shown):
            self.post_message(self.Taken(shown[event.y]))

    def _shown(self) -> Sequence[Suggestion]:
        room = _OFFERED if self.app.size.height >= _LOW else _OFFERED_LOW
        first = min(max(self._at - room + 1, 0), max(len(self._offers) - room, 0))
        return self._offers[first : first + room]

    def _line(self, offer: Suggestion, wide: int) -> Content:
        here = offer is self.marked
        text = Content(safe(offer.text))
        line = Content.assemble(
            ("› " if here else "  ", "bold $hint-key"),
            text.stylize("bold $hint-key") if here else text,
            " " * (wide - text.cell_length + 2),
            (safe(offer.hint), "$muted"),
        )
        return line.truncate(max(self.content_size.width, 1), ellipsis=True) if self.content_size.width else line
