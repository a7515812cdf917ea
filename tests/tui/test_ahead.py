"""Keys that come before the last one is done."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Event, Key, Paste
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input

from taskdeck_tui.ahead import Ahead


class Asked(ModalScreen[str]):
    def compose(self) -> ComposeResult:
        yield Input()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        self.dismiss(message.value)


class Slow(Widget, can_focus=True):
    """Opens a prompt only after a while; and on `z` takes no more keys until it is let go on."""

    BINDINGS: ClassVar[list[BindingType]] = [("x", "ask"), ("y", "note")]

    async def on_key(self, event: Key) -> None:
        if event.key == "z":
            await self.app.gate.wait()  # type: ignore[attr-defined]

    async def action_ask(self) -> None:
        await asyncio.sleep(0.05)
        self.post_message(self.app.Wanted())  # type: ignore[attr-defined]

    def action_note(self) -> None:
        self.app.heard.append("y")  # type: ignore[attr-defined]


class Small(App[None]):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("q", "leave", priority=True)]

    class Wanted(Event):
        bubble = True

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []
        self.gate = asyncio.Event()
        self._ahead = Ahead(self, super().on_event)

    def compose(self) -> ComposeResult:
        yield Slow()

    async def on_event(self, event: Event) -> None:
        if isinstance(event, Key | Paste) and not event.is_forwarded:
            await self._ahead.take(event)
        else:
            await super().on_event(event)

    def on_small_wanted(self) -> None:
        self.push_screen(Asked(), lambda text: self.heard.append(text or ""))

    def action_leave(self) -> None:
        self.heard.append("q")


def typed(app: App[None], *keys: str) -> None:
    """Have all of the keys arrive at once."""
    for key in keys:
        app.post_message(Key(key, "\r" if key == "enter" else key))


async def heard(app: Small, wanted: list[str]) -> None:
    async with asyncio.timeout(10):
        while app.heard != wanted:
            await asyncio.sleep(0.005)


async def test_letters_behind_the_key_that_asks_for_them_are_typed_into_the_prompt() -> None:
    app = Small()
    async with app.run_test():
        typed(app, "x", *"yxy", "enter", "y")
        await heard(app, ["yxy", "y"])


async def test_what_is_pasted_waits_for_the_keys_ahead_of_it() -> None:
    app = Small()
    async with app.run_test():
        typed(app, "x", "a")
        app.post_message(Paste("bc"))
        typed(app, "enter")
        await heard(app, ["abc"])


async def test_a_key_does_not_wait_for_ever() -> None:
    app = Small()
    async with app.run_test():
        typed(app, "z", "q", "q")
        await heard(app, ["q", "q"])
        app.gate.set()
