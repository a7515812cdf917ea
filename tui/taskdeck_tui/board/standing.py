"""How the board stands to its store: live, frozen, read-only or lost, and whether its audit log is to be trusted."""

from __future__ import annotations

from collections.abc import Callable

from taskdeck_tui.checking import Checked
from taskdeck_tui.feed import News, Reader, Trouble
from taskdeck_tui.header import Mode
from taskdeck_tui.status import Tone

_MORE = "; taskdeck verify tells more"


class Standing:
    """The standing of one board.

    `tell` says a sentence to the operator. `trouble` is called with what is wrong with the store, to be said as long as
    it is, and with nothing when it is over.
    """

    def __init__(
        self,
        reader: Reader,
        *,
        read_only: bool,
        tell: Callable[[str, Tone], None],
        trouble: Callable[[str], None],
    ) -> None:
        self._hold = 0
        self._held = 0
        self.newer = False
        self._reader = reader
        self._read_only = read_only
        self._tell = tell
        self._say = trouble
        self._trouble: Trouble | None = None
        self._checked = Checked()
        self._damage: str | None = None
        self._mended = 0

    @property
    def frozen(self) -> bool:
        """Whether the board holds still: not yet while the commit to hold is still to be read."""
        return self._hold != 0 and self._held == self._hold

    @property
    def badge(self) -> str:
        """How far the audit log has been verified."""
        checked = self._checked
        if not checked.events or not checked.is_sound:
            return ""
        unsealed = f", {checked.unsealed:,} unsealed" if checked.unsealed else ""
        return f"✓ verified to {checked.events:,}{unsealed}" if checked.done else f"verifying {checked.events:,} …"

    @property
    def alarm(self) -> str:
        """What is wrong with the store or its audit log, in a few words."""
        if self._damage is not None:
            return "✗ damaged: shown is what can be read"
        if self._checked.broken is not None:
            return f"✗ log broken at {self._checked.broken.seq:,}"
        differing, unlisted = self._checked.differing, self._checked.unlisted
        if differing:
            return f"✗ {differing:,} {'task differs' if differing == 1 else 'tasks differ'} from the log"
        return f"✗ {unlisted:,} {'task is' if unlisted == 1 else 'tasks are'} in no column" if unlisted else ""

    @property
    def mode(self) -> Mode:
        """The mode that the header shows; what keeps the operator from more comes first."""
        if self._trouble is not None:
            return Mode.LOST
        if self.frozen:
            return Mode.FROZEN
        return Mode.READ_ONLY if self._read_only or self._damage is not None else Mode.LIVE

    def freeze(self) -> None:
        """Hold the board still, or let it go on."""
        self.newer = False
        if self._hold:
            self._hold = 0
            self._reader.thaw()
            self._tell("live again", Tone.TOLD)
        else:
            self._hold = self._reader.freeze()
            if self._trouble is not None:
                self._tell("the board will hold still when the store is back; p goes on", Tone.TOLD)

    def check(self, checked: Checked) -> None:
        """Take over how far the check of the audit log has come, and say what is wrong when that is found."""
        before, self._checked = self._checked, checked
        if self._damage is not None:
            return
        if checked.broken is not None and before.broken is None:
            self._tell(f"event {checked.broken.seq:,} of the audit log: {checked.broken.reason}{_MORE}", Tone.REFUSED)
        elif checked.differing and not (before.differing or checked.broken):
            self._tell(f"a task is not what the audit log says of it{_MORE}", Tone.REFUSED)
        elif checked.unlisted and before.is_sound:
            self._tell(f"a task is there, and no column lists it{_MORE}", Tone.REFUSED)

    def take(self, news: News) -> None:
        """Take over whether there is anything newer than a frozen board shows, and what is wrong with the store."""
        was_frozen, self._held = self.frozen, news.hold
        self.newer = self.frozen and (self.newer or news.newer)
        if self.frozen and not was_frozen:
            self._tell("frozen: the board holds still; p goes on", Tone.TOLD)
        was_damaged, before = self._damage, self._trouble
        if news.look is not None:
            self._damage = news.look.damage
        self._trouble = trouble = news.trouble
        if (trouble, self._damage) != (before, was_damaged):
            since = f" · last good look {trouble.last_good[11:19]}Z" if trouble and trouble.last_good else ""
            self._say(f"{trouble.message}{since}" if trouble else self._damage or "")
            if trouble is None and not self._damage:
                self._tell("the store is back", Tone.DONE)
        if news.look is not None and len(news.look.mended) > self._mended:
            self._tell(f"mended: {' · '.join(news.look.mended[self._mended :])}", Tone.TOLD)
            self._mended = len(news.look.mended)
