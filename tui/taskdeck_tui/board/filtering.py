"""The filter while it is typed: the board follows, and goes back to the filter before when the typing is called off."""

from __future__ import annotations

from collections.abc import Callable

from textual.screen import Screen
from textual.widget import Widget

from taskdeck_store.query.terms import EVERYTHING, Query
from taskdeck_tui.feed import Reader
from taskdeck_tui.model import reads


class Filtering:
    """The filter bar of one board. `show` is called with the filter to show; `me` is whom ``owner:me`` means."""

    def __init__(self, screen: Screen[None], reader: Reader, *, me: str, show: Callable[[Query], None]) -> None:
        self._screen = screen
        self._reader = reader
        self._me = me
        self._show = show
        self._before = EVERYTHING

    async def open(self, query: Query, above: Widget) -> None:
        """Put the bar above a widget, with the filter as it is now; nothing when it is there already."""
        from taskdeck_tui.screens.filter import FilterBar

        if self._screen.query(FilterBar):
            return
        self._before = query
        bar = FilterBar(query.text, me=self._me)
        await self._screen.mount(bar, before=above)
        self._reader.ask(reads.vocabulary, bar.know)

    async def keep(self, query: Query) -> None:
        """Take the bar away and keep what was typed."""
        self._show(query)
        await self._close()

    async def call_off(self) -> None:
        """Take the bar away and go back to the filter that was."""
        self._show(self._before)
        await self._close()

    async def _close(self) -> None:
        from taskdeck_tui.screens.filter import FilterBar

        await self._screen.query(FilterBar).remove()

    def parsed(self, text: str) -> Query:
        """Return the filter that a text means."""
        from taskdeck_store.query.parse import parse

        return parse(text, me=self._me)
