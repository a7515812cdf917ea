"""The Textual app: themes, keymap and command palette around the board's screen."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.css.query import NoMatches
from textual.dom import DOMNode
from textual.driver import Driver
from textual.events import Event, Key, Paste
from textual.screen import Screen

from taskdeck_store.clock import Clock
from taskdeck_store.contract import Store
from taskdeck_tui.ahead import Ahead
from taskdeck_tui.board.screen import BoardScreen
from taskdeck_tui.board.widget import Board
from taskdeck_tui.config import Config, load_config
from taskdeck_tui.crash import told
from taskdeck_tui.feed import Reader
from taskdeck_tui.keys import KEYS, refusals
from taskdeck_tui.outlet import Outlet
from taskdeck_tui.remembered import Remembered, remember
from taskdeck_tui.terminal import outliving
from taskdeck_tui.themes import DEFAULT_THEME, THEMES
from taskdeck_tui.writer import Writer

if TYPE_CHECKING:
    from taskdeck_tui.debugger.held import HeldPage
    from taskdeck_tui.screens.details import Details
    from taskdeck_tui.screens.log import LogScreen
    from taskdeck_tui.screens.mine import MineScreen
    from taskdeck_tui.stepping import Stepping

FILTERS = ("state:review", "state:failed", "owner:me", "attempts>1", "age>1h", "priority<3", "owner:none")
"""The filters that the palette offers ready-made."""


_HUNG_UP = 129
"""The exit code of a program that a terminal took with it."""


class Deck(App[int]):
    """Taskdeck on one store."""

    BINDINGS: ClassVar[list[BindingType]] = [
        # Where neither board nor page takes an action's key, the past is shown. Its own keys come first.
        *refusals()
    ]
    CSS_PATH = "deck.tcss"
    TITLE = "Taskdeck"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"

    _running_in: asyncio.AbstractEventLoop | None = None

    def __init__(
        self,
        address: str,
        kind: str,
        reader: Reader,
        writer: Writer,
        outlet: Outlet,
        *,
        past: Callable[[], Store],
        stepping: Stepping | None = None,
        travels: bool = False,
        remembered: Remembered,
        read_only: bool,
        actor: str,
        now: Clock,
    ) -> None:
        """`past` opens the store once more, for time travel; a deck that `travels` begins with it. `stepping` has the
        handlers to step tasks with. `remembered` is how the board was left; the reader's first look is to be in that
        order.
        """
        super().__init__()
        self._config: Config = load_config(steps=stepping is not None)
        self._remembered = remembered
        # Textual's own themes know nothing of the colours that our styles are written with.
        for name in list(self.available_themes):
            self.unregister_theme(name)
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = self._remembered.theme if self._remembered.theme in self.available_themes else DEFAULT_THEME
        self._ahead = Ahead(self, super().on_event)
        self._board = BoardScreen(
            address,
            kind,
            reader,
            writer,
            outlet,
            past=past,
            stepping=stepping,
            travels=travels,
            read_only=read_only,
            actor=actor,
            now=now,
            lines=self._remembered.lines,
            order=self._remembered.order,
            problems=self._config.problems,
        )

    async def on_event(self, event: Event) -> None:
        """Take keys in turn, and everything else at once."""
        if isinstance(event, Key | Paste) and not event.is_forwarded:
            await self._ahead.take(event)
        else:
            await super().on_event(event)

    def get_driver_class(self) -> type[Driver]:
        """Write to a terminal that may go away."""
        return outliving(super().get_driver_class(), self._leave_without_terminal)

    def _leave_without_terminal(self) -> None:
        if self._running_in is not None:
            self._running_in.call_soon_threadsafe(partial(self.exit, return_code=_HUNG_UP))

    def get_default_screen(self) -> Screen[None]:
        """Begin with the board."""
        return self._board

    def on_mount(self) -> None:
        """Bind the keys as the user has them, and remember a theme when it is chosen."""
        self.set_keymap(self._config.keymap)
        self.theme_changed_signal.subscribe(self, lambda _: self.save())
        self._leave_when_told()

    def _leave_when_told(self) -> None:
        """Leave the terminal as it was found also when a signal ends the board."""
        loop = self._running_in = asyncio.get_running_loop()
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and threading.current_thread() is threading.main_thread():
                with suppress(NotImplementedError):  # on Windows
                    loop.add_signal_handler(number, partial(self.exit, return_code=128 + number))

    def _handle_exception(self, error: Exception) -> None:
        """Leave, unless that is under way: a page that was being opened then finds nothing of itself."""
        if not (self._exit and isinstance(error, NoMatches)):
            super()._handle_exception(error)

    def _fatal_error(self) -> None:
        """Leave with a line on stderr. Textual would print a traceback with all local variables, tasks among them."""
        if self._exception is not None and not self._exit_renderables:
            self.panic(Text(f"taskdeck: {told(self._exception)}"))

    def save(self) -> None:
        """Remember theme, card lines and order for the next time."""
        now = Remembered(theme=self.theme, lines=self._board.lines, order=self._board.order_name)
        if now != self._remembered:
            self._remembered = now
            remember(now)

    def on_board_screen_rearranged(self) -> None:
        """Remember how the board is drawn."""
        self.save()

    def on_details_action_wanted(self, message: Details.ActionWanted) -> None:
        """Act on the task whose details are open."""
        self._board.pages.act(message.name)

    def on_details_action_refused(self, message: Details.ActionRefused) -> None:
        """Say why nothing is done to the task whose details are open."""
        if self._board.past is not None:
            self._board.past.refuse()
        else:
            self._board.pages.refuse(message.name)

    def on_details_copy_wanted(self, message: Details.CopyWanted) -> None:
        """Copy the task whose details are open."""
        (self._board.past or self._board).copy(message.task_id, whole=message.whole)

    def on_details_output_wanted(self, message: Details.OutputWanted) -> None:
        """Give the details what was said in an attempt."""
        self._board.pages.read_output(message)

    def on_details_story_wanted(self, message: Details.StoryWanted) -> None:
        """Show the story of the task whose details are open."""
        (self._board.past or self._board.pages).open_story(message.task_id, only_why=message.only_why)

    def on_held_page_decided(self, message: HeldPage.Decided) -> None:
        """Do with an outcome that is held what was decided."""
        if self._board.debugger is not None:
            self._board.debugger.decide(message)

    def on_log_screen_wanted(self, message: LogScreen.Wanted) -> None:
        """Give the open log the events it asks for."""
        self._board.pages.load_log(message)

    def on_log_screen_task_wanted(self, message: LogScreen.TaskWanted) -> None:
        """Open the task of an event."""
        self._board.pages.open_details(message.task_id)

    def on_mine_screen_task_wanted(self, message: MineScreen.TaskWanted) -> None:
        """Open a task that the operator acted on."""
        self._board.pages.open_details(message.task_id)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Refuse actions on tasks only in the past."""
        return action != "refuse" or self._board.past is not None

    def action_refuse(self, _: str) -> None:
        """Say why nothing is done in the past."""
        if self._board.past is not None:
            self._board.past.refuse()

    def action_help(self) -> None:
        """Show every key as bound now."""
        from taskdeck_tui.screens.help import HelpScreen

        here = frozenset(active.binding.id or "" for active in self.screen.active_bindings.values())
        self.push_screen(HelpScreen(self._config.keymap, here, steps=self._board.debugger is not None))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Offer every action, column, theme and some filters by name."""
        past = self._board.past if screen is self._board.past else None
        if screen is self._board or past is not None:
            steps = {"stepping"} if self._board.debugger is not None else set()
            scopes = {"past"} if past is not None else {"board", "task"} | steps
            for spec in KEYS:
                if not scopes.isdisjoint(spec.scopes) and spec.id not in ("commands", "back"):
                    yield SystemCommand(
                        spec.description.capitalize(), spec.tooltip, lambda action=spec.action: self._run(action)
                    )
        if screen is self._board:
            for query in FILTERS:
                yield SystemCommand(
                    f"Filter {query}", "show only these tasks", lambda query=query: self._board.filter_by(query)
                )
        for theme in THEMES:
            yield SystemCommand(
                f"Theme {theme.name}", "change the colours", lambda name=theme.name: setattr(self, "theme", name)
            )

    def _run(self, action: str) -> None:
        board = (self._board.past or self._board).query_one(Board)
        board.focus()
        self.run_worker(self._run_as_key(board, action))

    async def _run_as_key(self, board: Board, action: str) -> None:
        """Run an action as its key would: by the first that has it and does it, from the board outwards."""
        for node in board.ancestors_with_self:
            if isinstance(node, DOMNode) and await self.run_action(action, node):
                return
