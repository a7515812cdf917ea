"""One task: all its fields, its history, and what is said in its attempts, following it live."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import Container as Panes
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.types import CSSPathType
from textual.widget import Widget
from textual.widgets import Static

from taskdeck_store.cards import card_of
from taskdeck_store.limits import NONE, Limits
from taskdeck_store.machine import LEASED
from taskdeck_store.output import Attempt, attempts
from taskdeck_store.values import Card, Event, State, Task, Time
from taskdeck_tui.glyphs import GLYPHS, WORDS
from taskdeck_tui.keys import bindings, refusals
from taskdeck_tui.model.intent import legal
from taskdeck_tui.model.saying import Saying
from taskdeck_tui.safe import safe
from taskdeck_tui.screens.fields import Fields
from taskdeck_tui.screens.history import CLAIMED, OBSERVED, Timeline, ink
from taskdeck_tui.screens.output import OutputLines
from taskdeck_tui.screens.page import SHEET, WIDE, Page
from taskdeck_tui.screens.pager import Pager
from taskdeck_tui.screens.pretty import Row, fitted
from taskdeck_tui.telling import ago

_LOOK = 0.25
"""Seconds between two looks at what is said in an attempt that is under way."""
_NOTHING_KNOWN: Mapping[str, State | None] = {}


class Details(Page[None]):
    """A page on one task. `update_task` gives it the task as it is now; it asks for actions by message."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("task", "stepping", "details"), *refusals("refuse")]
    CSS_PATH: ClassVar[CSSPathType | None] = [SHEET, Path(__file__).with_name("details.tcss")]

    class ActionRefused(Message):
        """A key of the board was pressed that does nothing to this task; `name` is that of an action, or step."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    class ActionWanted(Message):
        """A key of the board was pressed for this task; `name` is that of an action, or step."""

        def __init__(self, name: str, task_id: str) -> None:
            super().__init__()
            self.name = name
            self.task_id = task_id

    class CopyWanted(Message):
        """The task's id is to be copied, or the whole task as JSON."""

        def __init__(self, task_id: str, *, whole: bool) -> None:
            super().__init__()
            self.task_id = task_id
            self.whole = whole

    class OutputWanted(Message):
        """What was said in an attempt is to be read; `before` is what is known of it."""

        def __init__(self, attempt: Attempt, before: Saying | None) -> None:
            super().__init__()
            self.attempt = attempt
            self.before = before

    class StoryWanted(Message):
        """The task's story is to be shown, or only why it is where it is."""

        def __init__(self, task_id: str, *, only_why: bool) -> None:
            super().__init__()
            self.task_id = task_id
            self.only_why = only_why

    def __init__(
        self,
        task_id: str,
        task: Task | None,
        events: Sequence[Event],
        now: Time,
        *,
        read_only: bool = False,
        audited: bool = True,
        limits: Limits = NONE,
        limit: int = 500,
        stands: Mapping[str, State | None] = _NOTHING_KNOWN,
        output: Widget | None = None,
        legal: Callable[[Sequence[Card]], Container[str]] = legal,
    ) -> None:
        """Show a task and its events, in order of `seq`: at most the newest `limit` of them.

        `stands` tells where tasks are that it depends on.

        With `read_only`, no action is offered. `audited` is False for a store that keeps no audit log yet; `limits`
        are those of its format. `output` is a pane to have below; `legal` tells which
        keys do something to the task: by its state alone, unless more is known.
        """
        super().__init__()
        self._task_id = task_id
        self._seen = task
        self._gone = task is None
        self._events = events
        self._now = now
        self._read_only = read_only
        self._audited = audited
        self._claims = OBSERVED if limits.observed else CLAIMED
        self._limit = limit
        self._stands = stands
        self._pane = output
        self._names = legal
        self._fields = Fields(limits.fields)
        self._timeline = Timeline()
        self._attempts: Sequence[Attempt] = attempts(events)
        self._chosen: Attempt | None = None
        self._saying: Saying | None = None
        self._output = OutputLines()
        self._output_line = 0
        self._is_sought = False

    @property
    def task_id(self) -> str:
        """The id of the task."""
        return self._task_id

    @property
    def in_place(self) -> bool:
        """Whether the panes are built and not yet taken away."""
        return self.is_mounted and super().in_place and bool(self.query("#fields"))

    @property
    def _wide(self) -> bool:
        """Whether the panes stand side by side: the class that says so to the styles may come after the size."""
        return self.app.size.width >= WIDE

    def body(self) -> Iterable[Widget]:
        """Yield the fields, and the history beside or below them."""
        with Panes(id="panes"):
            yield Pager(id="fields")
            with Vertical(id="past"):
                yield Static(id="past-heading", markup=False)
                yield Pager(id="history")
        if self._pane is not None:
            yield self._pane

    def on_mount(self) -> None:
        """Lay out what is known."""
        self._draw()
        self._ask_output()
        # Nobody is told of what is said.
        self.set_interval(_LOOK, self._follow_output)

    def show_output(self, saying: Saying | None) -> None:
        """Show what was said in an attempt; None: nothing is kept here."""
        if saying is self._saying or (saying is not None and saying.attempt != self._attempt):
            return
        is_first, self._saying = self._saying is None, saying
        if self.in_place:
            self._draw()
            if is_first or saying is None:
                self.refresh_bindings()
            if self._is_sought:
                self.action_output()

    def update_task(
        self,
        task: Task | None,
        events: Sequence[Event],
        now: Time,
        *,
        audited: bool = True,
        stands: Mapping[str, State | None] = _NOTHING_KNOWN,
    ) -> None:
        """Show the task as it is now; None: it is no longer in the store, and what it last was stays in sight."""
        state = self._seen.state if self._seen and not self._gone else None
        self._gone = task is None
        self._seen = task or self._seen
        self._events = events
        self._attempts = attempts(events)
        self._now = now
        self._audited = audited
        self._stands = stands
        if self.in_place:
            self._ask_output()
            self._draw()
            if state is not (task.state if task else None):
                self.refresh_bindings()

    def tick(self, now: Time) -> None:
        """Count ages to this moment."""
        self._now = now
        if self.in_place:
            self._draw()

    def heading(self) -> Content:
        """Say which task, and where it stands."""
        task = self._seen
        if task is None or self._gone:
            told = "is no longer in the store" if task else "is not in the store"
            last = "; below is what it last was" if task else ""
            return Content.assemble(("× ", "$state-failed"), safe(self._task_id), (f"  {told}{last}", "$state-failed"))
        since = ago(task.state_since, self._now) if task.state_since else ""
        since = f" · for {since.removesuffix(' ago')}" if since.endswith("ago") else f" · {since}" if since else ""
        return Content.assemble(
            (f"{GLYPHS[task.state]} {WORDS[task.state]}", f"bold {ink(task.state)}"),
            (f"  {safe(task.id)}", "bold $page-title"),
            (since, "$muted"),
        )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what is legal for the task as it is now, and the other pane where there are two."""
        if action in ("act", "step"):
            return self._legal(str(parameters[0]) if parameters else action)
        if action == "next_pane":
            return self._wide or self._is_stepped
        if action == "output":
            return self._saying is not None and not self._is_stepped
        if action == "attempt":
            return self._saying is not None and self._neighbour(int(str(parameters[0]))) is not None
        return True

    def action_act(self, name: str) -> None:
        """Ask for an action on the task."""
        self.post_message(self.ActionWanted(name, self._task_id))

    def action_step(self) -> None:
        """Ask for the next forward action of the task."""
        self.post_message(self.ActionWanted("step", self._task_id))

    def action_refuse(self, name: str) -> None:
        """Have it said why the action does nothing here."""
        self.post_message(self.ActionRefused(name))

    def action_copy(self) -> None:
        """Ask for the task's id to be copied."""
        self.post_message(self.CopyWanted(self._task_id, whole=False))

    def action_copy_json(self) -> None:
        """Ask for the task to be copied as JSON."""
        self.post_message(self.CopyWanted(self._task_id, whole=True))

    def action_story(self) -> None:
        """Ask for the task's story."""
        self.post_message(self.StoryWanted(self._task_id, only_why=False))

    def action_why(self) -> None:
        """Ask why the task is where it is."""
        self.post_message(self.StoryWanted(self._task_id, only_why=True))

    def action_output(self) -> None:
        """Go to what was said, and to its end where more is to come."""
        self._is_sought = False
        pager = self.query_one("#fields", Pager)
        pager.focus()
        if self._is_under_way:
            pager.action_cursor_bottom()
        else:
            pager.scroll_to(y=self._output_line, animate=False)

    def action_attempt(self, by: int) -> None:
        """Show what was said in another attempt."""
        found = self._neighbour(by)
        if found is not None:
            self._chosen = found if found != self._attempts[-1] else None
            self._is_sought = True
            self._ask_output()

    def action_next_pane(self) -> None:
        """Go to the other pane."""
        self.screen.focus_next()

    def on_resize(self) -> None:
        """Put the history where there is room for it."""
        if self.in_place:
            self._draw()

    @property
    def _attempt(self) -> Attempt | None:
        """The attempt whose output is shown: the last, unless another was chosen."""
        if self._chosen in self._attempts:
            return self._chosen
        return self._attempts[-1] if self._attempts else None

    @property
    def _is_under_way(self) -> bool:
        """Whether more may be said in the attempt that is shown."""
        task = self._seen
        is_held = task is not None and task.state in LEASED and task.lease_until is not None
        return is_held and not self._gone and bool(self._attempts) and self._attempt == self._attempts[-1]

    @property
    def _is_stepped(self) -> bool:
        """Whether what is said is in a pane of its own, since the task is stepped from here."""
        return self._pane is not None and self._pane.display

    def _neighbour(self, by: int) -> Attempt | None:
        if self._attempt is None:
            return None
        place = self._attempts.index(self._attempt) + by
        return self._attempts[place] if 0 <= place < len(self._attempts) else None

    def _ask_output(self) -> None:
        attempt = self._attempt
        if attempt is not None:
            self.post_message(self.OutputWanted(attempt, self._saying))

    def _follow_output(self) -> None:
        if self._is_under_way:
            self._ask_output()

    def _legal(self, name: str) -> bool:
        if self._read_only or self._gone or self._seen is None:
            return False
        return name in self._names([card_of(self._seen)])

    def _draw(self) -> None:
        wide = self._wide
        self.retitle()
        fields = self.query_one("#fields", Pager)
        is_at_end = 0 < fields.max_scroll_y <= fields.scroll_offset.y
        fields.show(self._all_lines if not wide else self._left_lines)
        if is_at_end and self._output_line:
            fields.action_cursor_bottom()
        if wide:
            self.query_one("#past-heading", Static).update(self._past())
            self.query_one("#history", Pager).show(self._history_lines, grows_on_top=True)

    def _field_lines(self, width: int) -> list[Content]:
        return self._fields.lines(self._seen, self._now, width, self._stands) if self._seen else []

    def _left_lines(self, width: int) -> list[Content]:
        return self._with_output(self._field_lines(width), width)

    def _with_output(self, lines: list[Content], width: int) -> list[Content]:
        """Return lines with what was said below them: there, it may grow."""
        self._output_line = 0
        if self._saying is None or self._saying.attempt not in self._attempts:
            return lines
        if self._is_stepped and self._chosen is None:
            return lines
        self._output_line = len(lines) + 1
        place = self._attempts.index(self._saying.attempt) + 1, len(self._attempts)
        said = self._output.lines(self._saying, place, width, is_under_way=self._is_under_way)
        return [*lines, Content(), *said]

    def _history_lines(self, width: int) -> list[Content]:
        return self._timeline.lines(self._events, self._now, width)

    def _all_lines(self, width: int) -> list[Content]:
        past = fitted([Row(self._past())], width)
        lines = [*self._field_lines(width), Content(), *past, Content(), *self._history_lines(width)]
        return self._with_output(lines, width)

    def _past(self) -> Content:
        if not self._events:
            why = "no events yet" if self._audited else "no audit log here until something is done"
            return Content.assemble(("history", "bold $hint-key"), (f"  {why}", "$muted"))
        count = f"the newest {self._limit:,} events" if len(self._events) >= self._limit else _counted(self._events)
        return Content.assemble(("history", "bold $hint-key"), (f"  {count} · {self._claims}", "$muted"))


def _counted(events: Sequence[Event]) -> str:
    return "1 event" if len(events) == 1 else f"{len(events):,} events"
