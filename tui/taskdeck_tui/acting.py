"""From a key on some tasks to commits and their outcomes: asks what must be asked, tells what came of it.

Nothing here changes what the board shows: that comes from the store, once it is committed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace
from textual.screen import Screen

from taskdeck_store.cards import card_of
from taskdeck_store.clock import Clock
from taskdeck_store.contract import Outcome
from taskdeck_store.limits import NONE, Limits
from taskdeck_store.machine import RULES, Code, Command, new_operation
from taskdeck_store.values import Card, Event
from taskdeck_tui.feed import Reader
from taskdeck_tui.keys import ASKS_NOTE, DEBUGGING
from taskdeck_tui.model.done import Done
from taskdeck_tui.model.intent import action_for, commands, legal, why_not
from taskdeck_tui.status import Tone
from taskdeck_tui.telling import outcome_line, outcome_told
from taskdeck_tui.writer import Committed, Writer

if TYPE_CHECKING:
    from taskdeck_tui.debugger.debugger import Debugger

CONFIRM_OVER = 10
"""An action on more tasks than this is confirmed once."""


class Acting:
    """What one operator does with one board, and did.

    `tell` says a sentence to the operator, `marked` is called when other tasks are being committed than before. Where
    there is a `debugger`, it does what its keys mean. `limits` are those of the store's format, as of the last look.
    """

    debugger: Debugger | None = None
    limits: Limits = NONE

    def __init__(
        self,
        screen: Screen[None],
        reader: Reader,
        writer: Writer,
        *,
        read_only: bool,
        actor: str,
        now: Clock,
        tell: Callable[[str, Tone], None],
        marked: Callable[[], None],
    ) -> None:
        self.actor = actor
        self.done: list[Done] = []
        self._screen = screen
        self._reader = reader
        self._writer = writer
        self._read_only = read_only
        self._now = now
        self._tell = tell
        self._marked = marked
        self._busy: Counter[str] = Counter()
        self._seen: dict[str, Card] = {}

    @property
    def busy(self) -> Collection[str]:
        """The ids of the tasks that are being committed."""
        return self._busy.keys()

    def legal(self, targets: Sequence[Card]) -> frozenset[str]:
        """Return the names of the keys that would do something to these tasks."""
        found = frozenset() if self._read_only else legal(targets, self.limits)
        return found if self.debugger is None else found - DEBUGGING | self.debugger.legal(targets)

    def act(self, name: str, targets: Sequence[Card], *, unseen: bool = False) -> None:
        """Do what a key of this name means to the tasks as the operator saw them; `unseen`: some are out of sight."""
        if self.debugger is not None and name in DEBUGGING:
            self.debugger.act(name, targets)
            return
        refusal = self._refusal(name, targets)
        if refusal is not None:
            self._tell(refusal, Tone.REFUSED)
        elif unseen or len(targets) > CONFIRM_OVER:
            self._confirm(name, targets)
        else:
            self._ask_note(name, targets)

    def refuse(self, name: str, targets: Sequence[Card]) -> None:
        """Say why a key of this name does nothing to the tasks, if so it is."""
        if self.debugger is not None and name in DEBUGGING:
            self.debugger.act(name, targets)
            return
        refusal = self._refusal(name, targets)
        if refusal is not None:
            self._tell(refusal, Tone.REFUSED)

    def committed(self, committed: Committed) -> None:
        """Take what became of the commands: tell it, keep it, and open what was not done for a decision."""
        self._busy.subtract(command.task_id for command in committed.commands)
        self._busy = +self._busy
        self._marked()
        self._reader.refresh()
        self.done.append(Done(at=self._now(), commands=committed.commands, outcomes=committed.outcomes))
        if committed.failure is not None:
            self.done[-1] = Done(at=self._now(), commands=committed.commands, failure=committed.failure)
            untouched = "" if "nothing was changed" in committed.failure else "nothing was changed: "
            self._tell(f"{untouched}{committed.failure}", Tone.REFUSED)
            return
        refused = [outcome for outcome in committed.outcomes if outcome.refusal is not None]
        if len({outcome.command.task_id for outcome in committed.outcomes}) == 1:
            told = refused[0] if refused else committed.outcomes[-1]
            self._tell(outcome_told(told), Tone.REFUSED if refused else Tone.DONE)
        else:
            more = " · @ shows each" if refused else ""
            self._tell(f"{outcome_line(committed.outcomes)}{more}", Tone.REFUSED if refused else Tone.DONE)
        conflicts = [outcome for outcome in refused if outcome.refusal and outcome.refusal.code is Code.CONFLICT]
        if conflicts:
            self._open_conflicts(conflicts, committed.events)

    def _refusal(self, name: str, targets: Sequence[Card]) -> str | None:
        if not targets:
            return "there is no task here"
        if self._read_only:
            why = f": {self.limits.read_only}" if self.limits.read_only else ""
            return f"the board is read-only{why}; nothing was changed"
        if name not in legal(targets, self.limits):
            return why_not(name, targets[0], self.limits)
        return None

    def _confirm(self, name: str, targets: Sequence[Card]) -> None:
        from taskdeck_tui.screens.confirm import Confirm

        def go_on(agreed: bool | None) -> None:
            if agreed:
                self._ask_note(name, targets)

        self._screen.app.push_screen(Confirm(name, [(each.id, each.title) for each in targets]), go_on)

    def _ask_note(self, name: str, targets: Sequence[Card]) -> None:
        action = action_for(name, targets[0].state) if len(targets) == 1 or name != "step" else None
        if action not in ASKS_NOTE:
            self._commit(name, targets, None)
            return
        from taskdeck_tui.screens.note import NotePrompt

        def go_on(note: str | None) -> None:
            if note is not None:
                self._commit(name, targets, note or None)

        required = RULES[action].note_required if action is not None else False
        prompt = NotePrompt(name, [(each.id, each.title) for each in targets], required=required)
        self._screen.app.push_screen(prompt, go_on)

    def _commit(self, name: str, targets: Sequence[Card], note: str | None) -> None:
        self._give(commands(name, targets, actor=self.actor, note=note, limits=self.limits), targets)

    def _give(self, intended: Sequence[Command], seen: Sequence[Card]) -> None:
        self._seen.update({card.id: card for card in seen})
        self._busy.update(command.task_id for command in intended)
        self._marked()
        self._writer.commit(intended)

    def _open_conflicts(self, outcomes: Sequence[Outcome], events: Mapping[str, Sequence[Event]]) -> None:
        from taskdeck_tui.screens.conflict import Conflict, ConflictCard, Decisions

        conflicts = [
            Conflict(
                seen=self._seen[outcome.command.task_id],
                now=outcome.task,
                command=outcome.command,
                events=events.get(outcome.command.task_id),
            )
            for outcome in outcomes
        ]

        def decided(decisions: Decisions | None) -> None:
            again = [
                (each.conflict.command, each.conflict.now)
                for each in decisions or ()
                if each.again and each.conflict.now is not None
            ]
            if again:
                intended = [replace(command, expect=task.version, operation=new_operation()) for command, task in again]
                self._give(intended, [card_of(task) for _, task in again])

        self._screen.app.push_screen(ConflictCard(conflicts, self._now()), decided)
