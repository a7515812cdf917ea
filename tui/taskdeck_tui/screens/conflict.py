"""The card of a conflict: what you saw, what it is now, who changed it, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar, TypeAlias

from msgspec import Struct
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.types import CSSPathType
from textual.widgets import Static

from taskdeck_store.machine import RULES, Command, missing, why_illegal
from taskdeck_store.values import EXTERNAL, Action, Card, Event, Task, Time
from taskdeck_tui.glyphs import GLYPHS, WORDS
from taskdeck_tui.hints import HintLine
from taskdeck_tui.keys import bindings
from taskdeck_tui.safe import safe
from taskdeck_tui.screens.differences import Difference, differences
from taskdeck_tui.screens.history import change_lines, ink
from taskdeck_tui.screens.page import SHEET
from taskdeck_tui.screens.pager import Pager
from taskdeck_tui.screens.pretty import Row, fitted
from taskdeck_tui.telling import ago, moment, told

_BESIDE = 60
"""Cells from which on the two values of a field stand beside each other."""

_NAME = 13


class Conflict(Struct, frozen=True, kw_only=True):
    """A command that was refused because its task had changed.

    `seen` is the card that was on screen, `now` the task as it stands (None: there is none), `events` its newest ones
    in order of `seq`; none where the store has no record of who changed it, None where the record could not be read.
    """

    seen: Card
    now: Task | None
    command: Command
    events: Sequence[Event] | None = ()

    @property
    def record(self) -> Event | None:
        """The event that changed the task, if it is on record.

        The log of a JSON file begins with the tasks as they were found: that event of a task is no change of it.
        """
        last = self.events[-1] if self.events else None
        return None if last is None or self._found_by(last) else last

    @property
    def began(self) -> int:
        """The event of the task with which the audit log began after the change; 0 when it has not begun."""
        return next((event.seq for event in self.events or () if self._found_by(event)), 0)

    def _found_by(self, event: Event) -> bool:
        # Once a task was seen, only what it was found as can be its first event.
        return len(self.events or ()) == 1 and (event.action, event.actor) == (Action.ADD, EXTERNAL)

    @property
    def refusal(self) -> str | None:
        """Why the command cannot be done to the task as it is now; None when it can."""
        if self.now is None:
            return missing(self.seen.id).message
        if self.now.state not in RULES[self.command.action].sources:
            return why_illegal(self.now.id, self.command.action, self.now.state)
        return None


class Decision(Struct, frozen=True):
    """What the operator wants of a conflict: the command again, on the task as it is now, or nothing."""

    conflict: Conflict
    again: bool


Decisions: TypeAlias = tuple[Decision, ...]


class ConflictCard(ModalScreen[Decisions]):
    """Goes through conflicts one by one; returns a decision for each, in their order."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("conflict")]
    CSS_PATH: ClassVar[CSSPathType | None] = [SHEET, Path(__file__).with_name("conflict.tcss")]
    AUTO_FOCUS = "Pager"

    def __init__(self, conflicts: Sequence[Conflict], now: Time) -> None:
        """Take at least one conflict, and the moment that ages are counted to."""
        super().__init__()
        self._conflicts = conflicts
        self._now = now
        self._decided: dict[int, bool] = {}
        self._at = 0

    @property
    def conflicts(self) -> Sequence[Conflict]:
        """The conflicts to decide, in their order."""
        return self._conflicts

    def compose(self) -> ComposeResult:
        """Put the card between its title and the hints."""
        with Vertical(id="card"):
            yield Static(id="conflict-title", markup=False)
            yield Pager(id="conflict-body")
            yield HintLine()

    def on_mount(self) -> None:
        """Show the first conflict."""
        self._draw()

    def on_resize(self) -> None:
        """Give the card the height it needs, or what there is."""
        self._fit()

    def on_pager_laid_out(self) -> None:
        """Give the card the height of the lines, known only when the pane has its width."""
        self._fit()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer to do it again only where that is legal now, and to turn only where there are several."""
        several = len(self._conflicts) > 1
        if action == "again":
            return self._here.refusal is None
        if action == "again_all":
            return several and any(self._conflicts[index].refusal is None for index in self._open())
        if action in ("turn", "drop_all"):
            return several
        return True

    def action_again(self) -> None:
        """Do it again on this one, then go to the next that is not decided."""
        self._decide({self._at: True})

    def action_drop(self) -> None:
        """Leave this one as it is now, then go to the next that is not decided."""
        self._decide({self._at: False})

    def action_again_all(self) -> None:
        """Do it again on all that are not decided and where it is legal; the others are still to be looked at."""
        self._decide({index: True for index in self._open() if self._conflicts[index].refusal is None})

    def action_drop_all(self) -> None:
        """Leave all that are not decided as they are now."""
        self._decide(dict.fromkeys(self._open(), False))

    def action_turn(self, step: int) -> None:
        """Look at the next conflict, or the one before, round and round."""
        self._at = (self._at + step) % len(self._conflicts)
        self._draw()

    @property
    def _here(self) -> Conflict:
        return self._conflicts[self._at]

    def _open(self) -> list[int]:
        return [index for index in range(len(self._conflicts)) if index not in self._decided]

    def _decide(self, decisions: dict[int, bool]) -> None:
        self._decided.update(decisions)
        left = self._open()
        if not left:
            self.dismiss(
                tuple(Decision(conflict, self._decided[index]) for index, conflict in enumerate(self._conflicts))
            )
            return
        self._at = next((index for index in left if index > self._at), left[0])
        self._draw()

    def _draw(self) -> None:
        self.query_one("#conflict-title", Static).update(self._title())
        pager = self.query_one(Pager)
        pager.show(self._lines)
        pager.action_cursor_top()
        self._fit()
        self.refresh_bindings()

    def _fit(self) -> None:
        pager = self.query_one(Pager)
        pager.styles.height = max(min(len(pager.lines), self.size.height - 6), 1)

    def _title(self) -> Content:
        count = f"  {self._at + 1} of {len(self._conflicts)}" if len(self._conflicts) > 1 else ""
        choice = self._decided.get(self._at)
        decided = "" if choice is None else f"  decided: {'again' if choice else 'drop'}"
        return Content.assemble(
            ("Changed meanwhile", "bold $mode-read-only"),
            (f"  {safe(self._here.seen.id)}", "bold $page-title"),
            (count + decided, "$muted"),
        )

    def _lines(self, width: int) -> list[Content]:
        here = self._here
        title, wanted = Content.styled(safe(here.seen.title), "$muted"), fitted([Row(_wanted(here))], width)
        known = [_table(here, width), fitted(_last(here, self._now), width), fitted(_refusal(here), width)]
        if width < _BESIDE:
            return [title.truncate(width, ellipsis=True), *(line for block in known for line in block), *wanted]
        blocks = [fitted([Row(title)], width), wanted, *filter(None, known)]
        return [line for block in blocks for line in (*block, Content())][:-1]


def _refusal(conflict: Conflict) -> list[Row]:
    return [Row(Content.styled(safe(conflict.refusal), "bold $state-failed"))] if conflict.refusal else []


def _wanted(conflict: Conflict) -> Content:
    saw = conflict.seen.state
    note = conflict.command.note
    return Content.assemble(
        f"You wanted to {conflict.command.action} it as you saw it, ",
        (f"{GLYPHS[saw]} {WORDS[saw]}", ink(saw)),
        ". Nothing was done.",
        (f" Your note: {safe(note)}" if note else "", "$muted"),
    )


def _table(conflict: Conflict, width: int) -> list[Content]:
    if conflict.now is None:
        return []
    found = differences(conflict.seen, conflict.now, [conflict.record] if conflict.record else [])
    if not found:
        return fitted(
            [Row(Content("Nothing that a card shows is different; something else of it was changed."))], width
        )
    if width < _BESIDE:
        return [line for each in found for line in change_lines(each.field, each.seen, each.now, width)]
    column = (width - _NAME) // 2
    head = Content.styled(f"{'':<{_NAME}}{'you saw':<{column}}it is now", "$label")
    return [head, *(line for difference in found for line in _beside(difference, column))]


def _beside(difference: Difference, column: int) -> Iterable[Content]:
    left = fitted([Row(Content.styled(difference.seen, "$before"))], column - 2)
    right = fitted([Row(Content.styled(difference.now, "$after"))], column)
    for index in range(max(len(left), len(right))):
        old = left[index] if index < len(left) else Content()
        new = right[index] if index < len(right) else Content()
        name = difference.field if index == 0 else ""
        yield Content.styled(f"{name:<{_NAME}}", "$label") + old + " " * (column - old.cell_length) + new


def _last(conflict: Conflict, now: Time) -> list[Row]:
    event = conflict.record
    if event is not None:
        when = f"{ago(event.at, now)}  {moment(event.at)}  event {event.seq}"
        return [Row(Content.styled(told(event), "bold")), Row(Content.styled(when, "$muted"))]
    if conflict.events is None:
        return [Row(Content.styled("Who changed it could not be read.", "bold"))]
    log = (
        f"began later, with event {conflict.began}"
        if conflict.began
        else "begins with the first action done with Taskdeck"
    )
    return [
        Row(
            Content.assemble(
                ("An outside program did this", "bold"),
                f", and there is no record of who: the audit log here {log}.",
            )
        )
    ]
