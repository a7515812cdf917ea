"""What the operator did, newest first, with what became of every task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from taskdeck_store.contract import Outcome
from taskdeck_store.values import Time
from taskdeck_tui.model.done import Done
from taskdeck_tui.safe import safe
from taskdeck_tui.screens.page import Page
from taskdeck_tui.screens.rows import Rows
from taskdeck_tui.telling import ago, outcome_line, outcome_told

_AGE = 6


class _Entry(Struct, frozen=True):
    """A row: the `at`-th thing done (`outcome` None), or one outcome of it."""

    at: int
    outcome: Outcome | None = None


class MineScreen(Page[None]):
    """A page of what was done; what reached several tasks opens into its outcomes."""

    class TaskWanted(Message):
        """A task is to be opened."""

        def __init__(self, task_id: str) -> None:
            super().__init__()
            self.task_id = task_id

    def __init__(self, done: Sequence[Done], now: Time) -> None:
        """Begin with what was done, in the order of doing."""
        super().__init__()
        self._done = tuple(done)
        self._now = now
        self._open: set[int] = set()
        self._entries: list[_Entry] = []

    def body(self) -> Iterable[Widget]:
        """Yield the list."""
        yield Rows(self._row, id="mine")

    def on_mount(self) -> None:
        """Show what there is."""
        self._list()

    def heading(self) -> Content:
        """Say how much was done."""
        count = f"{len(self._done):,} since Taskdeck was opened, newest first" if self._done else "nothing yet"
        return Content.assemble(("What I did", "bold $page-title"), (f"  {count}", "$muted"))

    def show_done(self, done: Sequence[Done], now: Time) -> None:
        """Show what was done by now."""
        more = len(done) - len(self._done)
        self._done, self._now = tuple(done), now
        if self.in_place:
            self.retitle()
            self._list(added_on_top=more)

    def tick(self, now: Time) -> None:
        """Count ages to this moment."""
        self._now = now
        for rows in self.query(Rows):
            rows.refresh()

    def on_rows_opened(self, message: Rows.Opened) -> None:
        """Open into the outcomes, or ask for the task."""
        entry = self._entries[message.index]
        done = self._done[entry.at]
        if entry.outcome is None and len(done.commands) > 1:
            self._open ^= {entry.at}
            self._list()
        else:
            command = entry.outcome.command if entry.outcome else done.commands[0]
            self.post_message(self.TaskWanted(command.task_id))

    def _list(self, *, added_on_top: int = 0) -> None:
        self._entries = [
            entry
            for at in reversed(range(len(self._done)))
            for entry in (
                _Entry(at),
                *(_Entry(at, outcome) for outcome in self._done[at].outcomes if at in self._open),
            )
        ]
        self.query_one(Rows).show(len(self._entries), added_on_top=added_on_top)

    def _row(self, index: int, width: int) -> Content:
        entry = self._entries[index]
        line = _outcome(entry.outcome, width) if entry.outcome else self._headline(entry.at, width)
        return line.truncate(width, ellipsis=True)

    def _headline(self, at: int, width: int) -> Content:
        done = self._done[at]
        fold = "  " if len(done.commands) == 1 else "▾ " if at in self._open else "▸ "
        refused = done.failure is not None or any(outcome.refusal for outcome in done.outcomes)
        return Content.assemble(
            (f"{ago(done.at, self._now).removesuffix(' ago'):>4}  ", "$muted"),
            (fold, "$hint-key"),
            (f"{_what(done):<{_column(width)}}  ", "bold $page-title"),
            _mark(refused),
            _came_of(done),
        )


def _what(done: Done) -> str:
    actions = ", ".join(dict.fromkeys(str(command.action) for command in done.commands))
    return (
        f"{actions} {len(done.commands):,} tasks"
        if len(done.commands) > 1
        else f"{actions} {safe(done.commands[0].task_id)}"
    )


def _column(width: int) -> int:
    return min(24, width // 3)


def _mark(refused: bool) -> tuple[str, str]:
    return ("! ", "bold $mode-read-only") if refused else ("✓ ", "bold $state-completed")


def _came_of(done: Done) -> str:
    if done.failure is not None:
        return f"nothing was changed: {safe(done.failure)}"
    if len(done.outcomes) == 1:
        return outcome_told(done.outcomes[0])
    return outcome_line(done.outcomes)


def _outcome(outcome: Outcome, width: int) -> Content:
    refused = outcome.event is None
    return Content.assemble(
        " " * (_AGE + 4),
        (f"{safe(outcome.command.task_id):<{_column(width) - 2}}  ", "$page-title"),
        _mark(refused),
        outcome_told(outcome),
    )
