"""The check of the audit log that runs beside the board, a piece at a time, whenever the reading thread has no work."""

from __future__ import annotations

from time import monotonic

from msgspec import Struct

from taskdeck_store import audit
from taskdeck_store.contract import Store, StoreError
from taskdeck_store.verification import Broken, Verification

PIECE = 100
"""Events or tasks a piece: some 2 ms, for which a look may have to wait."""
PAUSE = 0.01
BEGIN = 1.0
"""Seconds after which the check begins, so that it does not meddle with the first looks."""
_TELL = 0.25
_NOTHING_TO_DO = 1.0


class Checked(Struct, frozen=True):
    """How far the check has come: events checked, and how many of them are not sealed; what was found.

    `done` says that no event or task was left to check. `differing` counts the tasks that are not what their events
    say, `unlisted` those that are in no column.
    """

    events: int = 0
    unsealed: int = 0
    done: bool = False
    broken: Broken | None = None
    differing: int = 0
    unlisted: int = 0

    @property
    def is_sound(self) -> bool:
        """Whether nothing wrong was found so far."""
        return not (self.broken or self.differing or self.unlisted)


class Checking:
    """One check of one store, which goes on for as long as the store grows. For the thread that reads the store.

    It begins so many seconds from now on.
    """

    def __init__(self, begin: float) -> None:
        # By the time it begins, the board may have run out of descriptors, and is to live.
        audit.load()
        self._verification: Verification | None = None
        self._due = monotonic() + begin
        self._done = False
        self._told = Checked()
        self._tell_after = 0.0

    @property
    def rest(self) -> float:
        """Seconds until the next piece is due; 0 or less: it is."""
        return _NOTHING_TO_DO if self._done else min(self._due - monotonic(), _NOTHING_TO_DO)

    def go_on(self, *, anew: bool) -> None:
        """There is more to check; `anew`: from the first event, for it may be another store."""
        self._done = False
        if anew:
            self._verification = None

    def piece(self, store: Store) -> Checked | None:
        """Check a piece; return how things stand where that is worth telling."""
        try:
            if self._verification is None:
                self._verification = Verification(store)
            self._done = not self._verification.advance(PIECE)
        except StoreError:
            self._done = True
            return None
        now = monotonic()
        self._due = now + PAUSE
        found = self._verification
        wrong = (found.broken, len(found.differing), len(found.unlisted))
        checked = Checked(found.events, found.unsealed, self._done, *wrong)
        is_worse = wrong != (self._told.broken, self._told.differing, self._told.unlisted)
        if checked == self._told or not (self._done or is_worse or now >= self._tell_after):
            return None
        self._told, self._tell_after = checked, now + _TELL
        return checked
