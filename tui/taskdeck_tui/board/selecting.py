"""Which tasks are selected: one by one, as a range up to the cursor, or exactly those that match."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from taskdeck_store.query.terms import Query
from taskdeck_store.values import Card
from taskdeck_tui.feed import Reader
from taskdeck_tui.model import reads
from taskdeck_tui.model.intent import Selection
from taskdeck_tui.model.view import View


class Selecting:
    """The selection of one board.

    `changed` is called when other tasks are selected than before, `tell` and `refuse` with a sentence for the operator.
    """

    def __init__(
        self,
        reader: Reader,
        *,
        changed: Callable[[], None],
        tell: Callable[[str], None],
        refuse: Callable[[str], None],
    ) -> None:
        self.selection = Selection()
        self._reader = reader
        self._changed = changed
        self._tell = tell
        self._refuse = refuse
        self._start: Card | None = None
        self._before = Selection()
        self._asked = 0
        self._waiting: list[Callable[[], None]] = []

    def targets(self, held: Card | None) -> list[Card]:
        """Return the selected cards, or else the one under the cursor."""
        return list(self.selection.cards.values()) or ([held] if held is not None else [])

    def when_known(self, run: Callable[[], None]) -> None:
        """Run something once the selection is what the keys before asked for: at once, or when it has been read."""
        if self._asked:
            self._waiting.append(run)
        else:
            run()

    def toggle(self, held: Card | None) -> None:
        """Select the card under the cursor, or let it go; a range ends, and stays selected."""
        if self._start is not None:
            self.end_range()
            self._tell(f"{len(self.selection.cards):,} selected")
        elif held is not None:
            self._choose(self.selection.toggled(held))

    def range(self, view: View) -> None:
        """Begin a range at the cursor; again, end it."""
        if self._start is not None or view.held is None:
            self.end_range()
            return
        self._start, self._before = view.held, self.selection
        self._tell("range: move to where it ends, then act, or v to end it")
        self.extend(view)

    def end_range(self) -> None:
        """Keep what the range has selected, and follow the cursor no more."""
        self._start = None

    def extend(self, view: View) -> None:
        """Have the range reach to the cursor, if there is a range and the cursor is in its column."""
        start, end, column, query = self._start, view.held, view.column, view.query
        if start is None or end is None or start.state is not column.state:
            return

        def select(cards: Sequence[Card]) -> None:
            if self._start is start:
                self._choose(self._before.joined(cards))

        self._ask(lambda store: reads.between(store, column.state, column.order, query, start, end), select)

    def exactly(self, query: Query) -> None:
        """Select exactly the tasks that match at this moment; what comes later is not of them."""

        def select(cards: Sequence[Card]) -> None:
            self._choose(Selection().joined(cards))
            self._tell(f"{len(cards):,} selected: exactly those that matched just now")

        self._ask(lambda store: reads.matching(store, query), select)

    def back(self) -> bool:
        """Let go of the range, or else of the selection; False when there is neither."""
        self._waiting.clear()
        if self._start is not None:
            self._start = None
            self._choose(self._before)
        elif self.selection:
            self._choose(Selection())
        else:
            return False
        return True

    def seen(self, cards: Iterable[Card]) -> None:
        """Take over how the selected tasks are shown by now."""
        self.selection = self.selection.seen(cards)

    def drop(self, ids: Iterable[str]) -> None:
        """Let go of tasks that are done with."""
        self.selection = self.selection.without(ids)

    def _choose(self, selection: Selection) -> None:
        self.selection = selection
        self._changed()

    def _ask(self, read: reads.Read, select: Callable[[Sequence[Card]], None]) -> None:
        def answered(cards: Sequence[Card]) -> None:
            select(cards)
            self._known()

        def failed(message: str) -> None:
            self._waiting.clear()
            self._refuse(message)
            self._known()

        self._asked += 1
        self._reader.ask(read, answered, failed)

    def _known(self) -> None:
        self._asked -= 1
        if not self._asked:
            waiting, self._waiting = self._waiting, []
            for run in waiting:
                run()
