"""The keys that select: one by one, as a range up to the cursor, or exactly those that match."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from taskdeck_store.contract import key
from taskdeck_store.query.terms import Query
from taskdeck_store.values import Card
from taskdeck_tui.feed import Reader
from taskdeck_tui.model import reads
from taskdeck_tui.model.selection import Range, Selection
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
        self._range: Range | None = None
        self._reading: object | None = None
        self._waiting: deque[Callable[[], None]] = deque()

    def targets(self, held: Card | None) -> list[Card]:
        """Return the selected cards, or else the one under the cursor."""
        return list(self.selection.cards.values()) or ([held] if held is not None else [])

    def when_known(self, run: Callable[[], None]) -> None:
        """Run something once the selection is what the keys before asked for: at once, or when it has been read."""
        self._waiting.append(run)
        self._go_on()

    def toggle(self, held: Card | None) -> None:
        """Select the card under the cursor, or let it go; a range ends, and stays selected."""

        def toggle() -> None:
            if self._range is not None:
                self.end_range()
                self._tell(f"{len(self.selection.cards):,} selected")
            elif held is not None:
                self._choose(self.selection.toggled(held))

        self.when_known(toggle)

    def range(self, view: View) -> None:
        """Begin a range at the cursor; again, end it."""

        def begin() -> None:
            if self._range is not None or view.held is None:
                self.end_range()
                return
            self._range = Range.begun(view, view.held, self.selection)
            self._tell("range: move to where it ends, then act, or v to end it")
            self._choose(self.selection.joined([view.held]))

        self.when_known(begin)

    def end_range(self) -> None:
        """Keep what the range has selected, and follow the cursor no more."""
        self._range = None

    def extend(self, view: View) -> None:
        """Have the range reach to where the operator moved the cursor, if there is a range and it is in its column."""

        def extend() -> None:
            current, end, column = self._range, view.held, view.column
            if current is None or end is None or not current.runs_in(view):
                return
            place = key(end, column.order)
            stretch = current.stretch(place)
            # What is loaded is what the operator sees: the store may hold more by now.
            passed = column.between(*stretch)
            if passed is not None:
                self._reach(current.reaching(place, passed), passed)
                return
            self._ask(
                lambda store: reads.between(store, current.state, current.order, current.query, *stretch),
                lambda cards: self._reach(current.reaching(place, cards), cards),
            )

        self.when_known(extend)

    def exactly(self, query: Query) -> None:
        """Select exactly the tasks that match at this moment; what comes later is not of them."""

        def select(cards: Sequence[Card]) -> None:
            self.end_range()
            self._choose(Selection().joined(cards))
            self._tell(f"{len(cards):,} selected: exactly those that matched just now")

        self.when_known(lambda: self._ask(lambda store: reads.matching(store, query), select))

    def back(self) -> bool:
        """Let go of the range, or else of the selection; False when there is neither."""
        asked, self._reading = self._reading, None
        self._waiting.clear()
        if self._range is not None:
            self._reach(None)
        elif self.selection:
            self._choose(Selection())
        else:
            return asked is not None
        return True

    def seen(self, view: View) -> None:
        """Take over how the selected tasks are shown by now, and where the cursor went with its task."""
        self.selection = self.selection.seen(card for column in view.columns for card in column.cards)
        if self._range is not None and view.held is not None and self._range.runs_in(view):
            self._range = self._range.following(view.held)

    def told(self, cards: Iterable[Card]) -> None:
        """Take over how selected tasks are by now, of which the operator was told one by one."""
        self.selection = self.selection.told(cards)

    def drop(self, ids: Iterable[str]) -> None:
        """Let go of tasks that are done with."""
        self.selection = self.selection.without(ids)

    def _reach(self, after: Range | None, passed: Iterable[Card] = ()) -> None:
        before, self._range = self._range, after
        gone = before.left_behind(after) if before is not None else ()
        self._choose(self.selection.without(gone).joined(passed))

    def _choose(self, selection: Selection) -> None:
        self.selection = selection
        self._changed()

    def _ask(self, read: reads.Read, select: Callable[[Sequence[Card]], None]) -> None:
        """Read what a key asks for; the keys after it wait for the answer, unless all is let go of meanwhile."""
        asked = self._reading = object()

        def answered(cards: Sequence[Card]) -> None:
            if self._reading is asked:
                self._reading = None
                select(cards)
                self._go_on()

        def failed(message: str) -> None:
            if self._reading is asked:
                self._reading = None
                self._waiting.clear()
                self._refuse(message)

        self._reader.ask(read, answered, failed)

    def _go_on(self) -> None:
        while self._waiting and self._reading is None:
            self._waiting.popleft()()
