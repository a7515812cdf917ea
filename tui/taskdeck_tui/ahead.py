"""Keys typed ahead: one that comes before the last one is done waits for what that one opens.

Textual hands a key to what has the focus when the key arrives. Over a slow line many arrive at once: what is typed
into a prompt would go to the board that opens it, where letters are actions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, Protocol, TypeAlias, runtime_checkable

from textual.app import App
from textual.events import Key, Paste
from textual.message_pump import MessagePump

Typed: TypeAlias = Key | Paste


@runtime_checkable
class Answering(Protocol):
    """A page whose keys are answered by another thread."""

    def is_answered(self) -> bool:
        """Tell whether all keys are answered: until then a key would act on what is shown no more."""


_PATIENCE = 0.5
"""Seconds after which a key no longer waits: what the last one began may take longer than anyone would wait."""

_SOON = 0.005
"""Seconds between two looks whether a page that is being opened, or has not answered, can take keys."""


class Ahead:
    """Hands keys on one at a time: each when the one before has been through all that may handle it."""

    def __init__(self, app: App[Any], hand_on: Callable[[Typed], Awaitable[None]]) -> None:
        """`hand_on` is what the app does with a key."""
        self._app = app
        self._hand_on = hand_on
        self._waiting: deque[Typed] = deque()
        self._turn = 0
        self._is_busy = False

    async def take(self, typed: Typed) -> None:
        """Hand a key on, at once or in its turn."""
        if not self._is_busy and self._is_ready():
            await self._next(typed)
            return
        self._waiting.append(typed)
        if len(self._waiting) == 1:
            self._wait()
            if not self._is_busy:
                self._is_busy = True
                await self._settle(self._app.screen)

    def _is_ready(self) -> bool:
        """Tell whether the page in front is there, has answered what came before, and has its focus where keys go."""
        screen = self._app.screen
        if isinstance(screen, Answering) and not screen.is_answered():
            return False
        return screen.is_mounted and (screen.focused is not None or not screen.focus_chain or not self._app.app_focus)

    async def _next(self, typed: Typed) -> None:
        self._is_busy = True
        self._turn += 1
        path = self._path()
        if self._waiting:
            self._wait()
        await self._hand_on(typed)
        await self._follow(path, self._done, self._turn)

    def _path(self) -> Iterator[MessagePump]:
        """What may handle a key, in the order in which it does."""
        return iter((self._app.focused or self._app.screen).ancestors_with_self)

    async def _follow(self, path: Iterator[MessagePump], then: Callable[[], Awaitable[None]], turn: int) -> None:
        """Go through the queues on a path, behind what is in them, and then do something."""
        if turn != self._turn:
            return
        for pump in path:
            if pump.call_later(self._follow, path, then, turn):
                return
        await then()

    async def _done(self) -> None:
        if self._waiting:
            # What the key set off may have sent messages of its own, such as one that opens a page.
            await self._follow(self._path(), partial(self._settle, self._app.screen), self._turn)
        else:
            self._is_busy = False

    async def _settle(self, before: object) -> None:
        """Let the next key go where the focus is, once there is one."""
        screen, turn = self._app.screen, self._turn
        if screen is before and self._is_ready():
            await self._next(self._waiting.popleft())
        else:
            self._app.set_timer(_SOON, lambda: self._follow(self._path(), partial(self._settle, screen), turn))

    def _wait(self) -> None:
        self._app.set_timer(_PATIENCE, partial(self._hurry, self._turn))

    async def _hurry(self, turn: int) -> None:
        if turn != self._turn or not self._waiting:
            return
        if self._app.screen.is_mounted:
            await self._next(self._waiting.popleft())
        else:
            self._wait()
