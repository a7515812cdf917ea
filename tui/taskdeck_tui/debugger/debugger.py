"""From a key on a task to its next real step, and from what the step tells to cards, pages and words."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from typing import TYPE_CHECKING

from textual.content import Content
from textual.screen import Screen

from taskdeck_store.clock import Clock, to_seconds
from taskdeck_store.machine import STEP
from taskdeck_store.values import Action, Card, State
from taskdeck_store.worker.breakpoints import Breakpoint, parse_breakpoint
from taskdeck_store.worker.held import Held
from taskdeck_store.worker.part import Part
from taskdeck_store.worker.stepped import Goal, News, Phase
from taskdeck_tui.debugger.held import HeldPage
from taskdeck_tui.debugger.output import OutputPane
from taskdeck_tui.keys import BY_ID
from taskdeck_tui.safe import safe
from taskdeck_tui.screens.details import Details
from taskdeck_tui.span import span
from taskdeck_tui.status import Tone
from taskdeck_tui.stepping import Stepping

if TYPE_CHECKING:
    from taskdeck_tui.debugger.result import Result

_WORDS = {Part.WORK: "▶ at work", Part.VERIFY: "▶ verifying"}
_DECIDE = f" · {BY_ID[Action.APPROVE].keys[0]} or {BY_ID[Action.REJECT].keys[0]}"
_PACE = 0.05
"""Seconds between two looks at what is said."""
_HELD = "‖ held"
_CLAIMED = "▷ claimed"
_HOW = "next · action:fail · state:review · task:t-1 tag:x …, as it would be"


class Debugger:
    """Steps the tasks of one board, and knows how each stands.

    `open_details` shows a task, `tell` says a sentence to the operator, `marked` is called when other tasks are under
    way than before, or other breakpoints are set.
    """

    def __init__(
        self,
        screen: Screen[None],
        stepping: Stepping,
        *,
        me: str,
        now: Clock,
        open_details: Callable[[str], None],
        tell: Callable[[str, Tone], None],
        marked: Callable[[], None],
    ) -> None:
        self.handlers = stepping.handlers
        self._screen = screen
        self._stepping = stepping
        self._stepper = stepping.stepper
        self._me = me
        self._now = now
        self._open_details = open_details
        self._tell = tell
        self._marked = marked
        self._has: dict[str, News] = {}
        self._since: dict[str, tuple[Part, float]] = {}
        self._pane: tuple[str, OutputPane] | None = None
        self._page: HeldPage | None = None
        stepping.news = self._take
        stepping.heard = self._hear

    @property
    def marks(self) -> Mapping[str, str]:
        """How the tasks stand that are stepped, in a word each, by their ids."""
        return {task_id: self._word(task_id, news) for task_id, news in self._has.items()}

    @property
    def stops(self) -> Sequence[str]:
        """The breakpoints that are set."""
        return self._stepper.breakpoints.texts

    def legal(self, targets: Sequence[Card]) -> frozenset[str]:
        """Return the names of the keys that would do something to these tasks."""
        if len(targets) != 1:
            return frozenset({"hold_at"})
        card, news = targets[0], self._has.get(targets[0].id)
        phase = news.phase if news is not None else None
        names = {"hold_at"}
        if card.state in STEP:
            names |= {"step", "run_out"}
        if card.state in (State.PENDING, State.IN_PROGRESS):
            names.add("run_on")
        if phase is Phase.RUNNING:
            names.add("kill")
        elif phase is not None and card.state is State.IN_PROGRESS:
            names.add("give_back")
        return frozenset(names)

    def act(self, name: str, targets: Sequence[Card]) -> None:
        """Do what a key of this name means to a task as the operator saw it."""
        if name == "hold_at":
            self._ask_where()
        elif len(targets) != 1:
            none = "there is no task here"
            self._tell("one task is stepped at a time; esc lets the selection go" if targets else none, Tone.REFUSED)
        else:
            self._stepping.start()
            self._act(name, targets[0])

    def _act(self, name: str, card: Card) -> None:
        news = self._has.get(card.id)
        if name == "kill":
            self._stepper.kill(card.id)
        elif name == "give_back":
            self._stepper.give_back(card.id)
        elif news is not None and news.held is not None:
            self.open_held(card.id)
        elif news is not None and name != "step" and news.goal is not Goal.STEP:
            self._stepper.halt(card.id)
        else:
            goal = {"run_on": Goal.REVIEW, "run_out": Goal.END}.get(name, Goal.STEP)
            self._stepper.step(card.id, goal, expect=card.version if card.state is State.PENDING else None)
            if name in self.legal([card]):
                self._open_details(card.id)

    def open_held(self, task_id: str) -> bool:
        """Open the page of the outcome that is held of a task; tell whether there is one."""
        news = self._has.get(task_id)
        if news is None or news.held is None:
            return False
        if self._page is None:
            page = self._page = HeldPage(news.held)

            def closed(_: None) -> None:
                self._page = None

            self._screen.app.push_screen(page, closed)
        return True

    def pane(self, task_id: str) -> OutputPane:
        """Return a pane for what is said while a task is stepped; it is kept up to date."""
        pane = OutputPane(self._stepping.transcript(task_id))
        self._pane = (task_id, pane)
        self._stand()
        return pane

    def changed(self, task_ids: Container[str]) -> None:
        """Have the stepper look at what it has, where others, or other keys of this board, may have changed it."""
        if any(task_id in task_ids for task_id in self._has):
            self._stepper.look()

    def tick(self) -> None:
        """Count to this moment for how long a step has been under way."""
        self._stand()

    def decide(self, message: HeldPage.Decided) -> None:
        """Do with an outcome what was decided on its page."""
        task_id, held = message.page.task_id, message.page.held
        match message.choice:
            case "commit":
                self._stepper.commit(task_id)
            case "throw_away":
                self._stepper.throw_away(task_id)
            case "give_back":
                self._stepper.give_back(task_id)
            case "change":
                self._ask_result(task_id, held)
            case _:
                self._ask_note(task_id, held)

    def _take(self, news: News) -> None:
        """Show what has become of a task."""
        task_id = news.task_id
        if news.phase is None:
            self._has.pop(task_id, None)
        else:
            self._has[task_id] = news
        if news.phase is not Phase.RUNNING:
            self._since.pop(task_id, None)
        elif news.part is not None:
            self._since[task_id] = (news.part, to_seconds(self._now()))
        is_shown = self._show_held(news)
        is_bad = news.refused or news.error is not None
        more = " · s looks at it" if news.phase is Phase.HELD and not is_shown else _DECIDE if news.waits else ""
        under_way = news.phase is Phase.RUNNING
        self._tell(
            f"{news.said}{more}", Tone.REFUSED if is_bad else Tone.TOLD if more or under_way or is_shown else Tone.DONE
        )
        self._marked()
        self._stand()
        self._screen.app.screen.refresh_bindings()

    def _show_held(self, news: News) -> bool:
        """Bring the page of a held outcome up to date, or open it over the task's details; tell whether it is open."""
        page = self._page
        if page is not None and page.task_id == news.task_id:
            if news.held is None:
                page.end()
                return False
            page.update(news.held)
            page.tell(news.said, refused=news.refused)
            return True
        # Not over the board, where the next key may be on its way to something else.
        front = self._screen.app.screen
        is_watched = isinstance(front, Details) and front.task_id == news.task_id
        return news.held is not None and is_watched and self.open_held(news.task_id)

    def _hear(self) -> None:
        """Show what was said, in a moment: who says much says more meanwhile, and keys come first."""
        self._screen.set_timer(_PACE, self._follow)

    def _follow(self) -> None:
        self._stepping.listen()
        if self._pane is not None:
            self._pane[1].follow()

    def _stand(self) -> None:
        if self._pane is None:
            return
        task_id, pane = self._pane
        news = self._has.get(task_id)
        stand = Content()
        if news is not None:
            begun = self._since.get(task_id)
            lasts = f" for {span(to_seconds(self._now()) - begun[1])}" if begun is not None else ""
            stand = Content.styled(f"{self._word(task_id, news)}{lasts}", "$mode-frozen")
        pane.tell(stand)

    def _word(self, task_id: str, news: News) -> str:
        if news.phase is Phase.RUNNING:
            return _WORDS[self._since[task_id][0]] if task_id in self._since else _WORDS[Part.WORK]
        return _HELD if news.phase is Phase.HELD else _CLAIMED

    def _ask_where(self) -> None:
        from taskdeck_tui.screens.ask import Ask

        def answered(meant: Breakpoint | None) -> None:
            if meant is None:
                return
            is_set = self._stepper.breakpoints.turn(meant)
            self._tell(f"outcomes are held at {meant.text}" if is_set else f"{meant.text} is let go", Tone.TOLD)
            self._marked()

        set_now = f"; typed again, it goes: {safe(' · '.join(self.stops))}" if self.stops else ""
        ask = Ask("Hold which outcomes?", f"{_HOW}{set_now}", read=lambda text: parse_breakpoint(text, me=self._me))
        self._screen.app.push_screen(ask, answered)

    def _ask_result(self, task_id: str, held: Held) -> None:
        from taskdeck_tui.debugger.result import ResultPrompt

        def answered(result: Result | None) -> None:
            if result is not None:
                self._stepper.change(task_id, result.value)

        self._screen.app.push_screen(ResultPrompt(task_id, held.after.result), answered)

    def _ask_note(self, task_id: str, held: Held) -> None:
        from taskdeck_tui.screens.note import NotePrompt

        def answered(note: str | None) -> None:
            if note is not None:
                self._stepper.reject(task_id, note)

        prompt = NotePrompt("reject", [(task_id, held.before.title)], required=True)
        self._screen.app.push_screen(prompt, answered)
