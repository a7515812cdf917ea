"""The log that one stands in: read on as it grows, and anew where it turns out to be another one, which is said."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from taskdeck_store.contract import Store
from taskdeck_store.past import Outdated, Past
from taskdeck_store.values import Event

_ANEW = 2
"""How often in a row a log that changes under the eyes is read anew at once."""


class Record:
    """Follows the log of a store. `past` stands in it, `number` counts the logs that were there before.

    `arrived` counts the events that have come since it was opened, and `notice` says what became of it.
    """

    def __init__(self) -> None:
        self.past: Past | None = None
        self.number = 0
        self.notice = ""
        self._opened_at: int | None = None
        self._origin: Event | None = None
        self._tip: Event | None = None
        self._place = self._last = 0
        self._is_gone = self._is_cut = False
        self._in_a_row = 0

    @property
    def arrived(self) -> int:
        """How many events have come since the log was opened, or came back."""
        return 0 if self.past is None or self._opened_at is None else self.past.end - self._opened_at

    @property
    def damage(self) -> str | None:
        """What is lost of the store, without where; None while nothing is damaged."""
        told = self.past.damage if self.past is not None else None
        return None if told is None else told.partition("; ")[2] or told

    @property
    def is_restless(self) -> bool:
        """Whether it was read anew again and again, and never came to be shown."""
        return self._in_a_row >= _ANEW

    def come_to_rest(self) -> None:
        """Take note that it was shown."""
        self._in_a_row = 0

    def leave(self) -> None:
        """Have the log read from its beginning at the next look."""
        if self.past is not None and self.past.end:
            seqs = self.past.timeline.seqs
            self._place, self._last = seqs[self.past.position], max(seqs[self.past.end], self._last)
        self.past = self._opened_at = self._tip = None
        self._in_a_row += 1
        self.number += 1

    def look(self, store: Store, told: Callable[[int, int], None], is_over: Callable[[], bool]) -> bool:
        """Take in all that is in the log by now; tell whether one stands elsewhere, or there is more of it.

        The first time this takes as long as the log is: `told` hears how many events are read, of how many, until
        `is_over`. Raises StoreError, and Outdated where the log is another one.
        """
        past = self.past = self.past or Past(store)
        if past.end and _unsealed(past.event(past.end)) != self._tip:
            raise Outdated(store.address)
        before, total = past.end, past.last_seq()
        while past.read_on() and not is_over():
            if self._opened_at is None:
                told(past.end, max(total, past.end))
        is_back = self._is_cut and past.timeline.seqs[past.end] >= self._last
        if self._opened_at is None or is_back:
            self._arrive(past)
        self._tip = _unsealed(past.event(past.end))
        return past.end != before or is_back

    def _arrive(self, past: Past) -> None:
        """Stand at the end of the log, or where one stood in it before it was read anew."""
        origin, place, last = _unsealed(past.event(1)), past.end, past.timeline.seqs[past.end]
        if self.number and origin is None:
            # Who puts the log back adds no events to it: they are counted from then on.
            if self._origin is not None and not self._is_gone:
                self.notice = "the log is gone: nothing is on record here"
            self._is_gone = True
            return
        if self.number and origin == self._origin:
            was_away, self._is_cut = self._is_gone or self._is_cut, last < self._last
            if self._is_cut:
                self.notice = f"the log was cut: it ends with #{last:,} now, and had ended with #{self._last:,}"
            else:
                self.notice = "the log is back" if was_away else "the log was changed: it was read anew"
            place = past.timeline.position_of(self._place)
        elif self.number:
            self.notice = "the store was replaced by another one: this is its past"
            self._last, self._is_cut = 0, False
        if self.damage is not None:
            self.notice = self.damage
        self._opened_at, self._origin, self._is_gone = past.end, origin, False
        past.go(place)


def _unsealed(event: Event | None) -> Event | None:
    """An event without its hash, which it may get later."""
    return None if event is None else replace(event, hash=None)
