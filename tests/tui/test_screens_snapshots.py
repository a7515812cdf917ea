"""How every page and prompt looks, at three sizes in the dark theme, and in the light one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import pytest
from msgspec.structs import replace
from stage import NOW, Stage, below, card, event, history, outcome, task
from textual.content import Content
from textual.screen import Screen

from taskdeck_store.clock import plus
from taskdeck_store.machine import Code, command
from taskdeck_store.output import Chunk, Said, Stream, attempts, lines
from taskdeck_store.query.complete import Vocabulary
from taskdeck_store.values import Action, Event, State
from taskdeck_store.worker.held import Held, would
from taskdeck_store.worker.part import Part
from taskdeck_tui.debugger.held import HeldPage
from taskdeck_tui.debugger.output import OutputPane
from taskdeck_tui.debugger.result import ResultPrompt
from taskdeck_tui.hints import HintLine
from taskdeck_tui.model.done import Done
from taskdeck_tui.model.saying import Saying
from taskdeck_tui.model.told import tell
from taskdeck_tui.model.transcript import Transcript, Voice
from taskdeck_tui.screens.confirm import Confirm
from taskdeck_tui.screens.conflict import Conflict, ConflictCard
from taskdeck_tui.screens.details import Details
from taskdeck_tui.screens.filter import FilterBar
from taskdeck_tui.screens.help import HelpScreen
from taskdeck_tui.screens.log import LogScreen
from taskdeck_tui.screens.mine import MineScreen
from taskdeck_tui.screens.note import NotePrompt
from taskdeck_tui.screens.story import StoryPage


class Compare(Protocol):
    def __call__(self, app: Stage, *, press: Sequence[str], terminal_size: tuple[int, int]) -> bool: ...


def log_events() -> list[Event]:
    moves = [
        (Action.ADD, None, State.PENDING, None),
        (Action.START, State.PENDING, State.IN_PROGRESS, None),
        (Action.SUBMIT, State.IN_PROGRESS, State.REVIEW, None),
        (Action.REJECT, State.REVIEW, State.PENDING, "the numbers do not add up"),
        (Action.FAIL, State.PENDING, State.FAILED, "the disk is full: nothing was written"),
        (Action.APPROVE, State.REVIEW, State.COMPLETED, None),
    ]
    actors = ["ada", "worker-1", "external", "worker-2"]
    made = []
    for seq in range(1_141, 1_201):
        action, before, after, note = moves[seq % 6]
        made.append(
            event(
                seq,
                action,
                before,
                after,
                (1_200 - seq) * 47,
                task_id=f"task-{seq % 23}",
                actor=actors[seq % 4],
                note=note,
            )
        )
    return made


def done() -> list[Done]:
    many = [outcome(f"task-{number}", Action.APPROVE) for number in range(7)]
    many += [outcome("task-7", Action.APPROVE, Code.CONFLICT, "task-7 changed since you saw it: it is pending")]
    many += [outcome("task-8", Action.APPROVE, Code.ILLEGAL, "cannot approve task-8: it is pending")]
    retry = outcome("task-99", Action.RETRY).command
    return [
        Done(at=plus(NOW, -4_000), commands=(many[0].command,), outcomes=(many[0],)),
        Done(at=plus(NOW, -100), commands=tuple(each.command for each in many), outcomes=tuple(many)),
        Done(at=plus(NOW, -10), commands=(retry,), failure="tasks.db is locked by another program; try again"),
    ]


def conflicts() -> list[Conflict]:
    rejected = event(
        44,
        Action.REJECT,
        State.REVIEW,
        State.PENDING,
        8,
        actor="bo",
        attempts=2,
        note="The numbers do not add up: the second table counts retries twice.",
        changes={"attempts": (1, 2), "owner": ("worker-2", None)},
    )
    edited = event(
        45, Action.EDIT, State.REVIEW, State.REVIEW, 4, actor="external", changes={"data": (None, {"branch": "next"})}
    )
    return [
        Conflict(
            seen=card(task()),
            now=task(title="Fix the flaky login and logout tests", priority=1),
            command=command("task-17", Action.REJECT, actor="ada", note="tests are missing"),
            events=[edited],
        ),
        Conflict(
            seen=card(task()),
            now=task(state=State.PENDING, owner=None, attempts=2),
            command=command("task-17", Action.APPROVE, actor="ada"),
            events=[rejected],
        ),
    ]


def said() -> Details:
    """Return the details of a task whose worker says something."""
    under_way = task(state=State.IN_PROGRESS, result=None, lease_until=plus(NOW, 40))
    page = Details("task-17", under_way, history()[:-1], NOW)
    colours, title = "\x1b[32m212 passed\x1b[0m, 1 failed", "\x1b]0;a title\x07"
    pieces = [
        (Stream.STDOUT, f"{title}collecting … 10 %\rcollecting … 100 %\n{colours}\n"),
        (Stream.LOG, "INFO jobs.tests: the session test leaves a cookie behind\n"),
        (Stream.STDERR, "warning: tests/test_login.py:14: the fixture is never closed, so that its server goes on\n"),
        (Stream.STDOUT, "trying again with a fixture that is\x07"),
    ]
    chunks = [Chunk(at=NOW, stream=stream, text=text) for stream, text in pieces]
    chunks.insert(1, Chunk(at=NOW, stream=Stream.STDOUT, text="", left_out=48_211))
    attempt = attempts(history())[-1]
    page.show_output(Saying(attempt=attempt, said=Said(chunks=tuple(chunks)), lines=tuple(lines(chunks)), above=1_240))
    return page


_ERROR = """KeyError: 'ISK'

Traceback (most recent call last):
  File "/srv/shop/rates.py", line 12, in execute
    return task.data["amount"] * RATES[task.data["currency"]]
                                 ~~~~~^^^^^^^^^^^^^^^^^^^^^^^^
KeyError: 'ISK'"""


def outcome_held(action: Action, why: str, **fields: Any) -> Held:
    before = task(state=State.IN_PROGRESS, result=None)
    found = would(Part.WORK, before, command("task-17", action, actor="ada", **fields), NOW)
    assert isinstance(found, Held)
    return replace(found, why=why)


def stepped() -> Details:
    said = Transcript()
    said.add(Voice.HEAD, "execute\n")
    said.add(Voice.OUT, "reading rates of 2026-01-30\n\t214 rates, 3 of them estimated\n")
    said.add(Voice.LOG, "INFO rates: the cache is cold\n")
    said.add(Voice.ERR, "no rate for ISK\n")
    said.add(Voice.ERROR, _ERROR)
    pane = OutputPane(said)
    pane.tell(Content.styled("▶ at work for 12s", "$mode-frozen"))
    return Details("task-17", task(state=State.IN_PROGRESS, result=None), history()[:-1], NOW, output=pane)


MANY = [(f"task-{number}", f"Bring the report of week {number} up to date and check its sums") for number in range(24)]
WORDS = Vocabulary(tags=("flaky", "ci", "login", "docs"), owners=("ada", "worker-1"))

Made = tuple[Callable[[], Screen[Any]], Sequence[str]]
SCREENS: dict[str, Made] = {
    "note": (lambda: NotePrompt("reject", [("task-17", task().title)], required=True), ["enter"]),
    "confirm": (lambda: Confirm("approve", MANY), []),
    "details": (lambda: Details("task-17", task(), history(), NOW), []),
    "output": (said, ["o"]),
    "story": (lambda: StoryPage(tell("task-17", history(), task(), NOW)), []),
    "story-end": (lambda: StoryPage(tell("task-17", history(), task(), NOW)), ["G"]),
    "story-past": (lambda: StoryPage(tell("task-17", history(), task(), NOW), live=False), ["G"]),
    "story-why": (lambda: StoryPage(tell("task-17", history(), task(), NOW), only_why=True), []),
    "conflict": (lambda: ConflictCard(conflicts(), NOW), []),
    "conflict-illegal": (lambda: ConflictCard(conflicts(), NOW), ["n"]),
    "held": (lambda: HeldPage(outcome_held(Action.SUBMIT, "state:review", result=task().result)), []),
    "held-error": (lambda: HeldPage(outcome_held(Action.RELEASE, "next", note=_ERROR)), []),
    "result": (lambda: ResultPrompt("task-17", task().result), [",", "enter"]),
    "stepped": (stepped, []),
    "log": (lambda: LogScreen(log_events(), NOW), ["j", "j"]),
    "mine": (lambda: MineScreen(done(), NOW), ["j", "enter"]),
    "help": (lambda: HelpScreen({"step": "n,f5"}), []),
    "filter": (
        below(lambda: FilterBar("state:review ", me="ada", vocabulary=WORDS), lambda: HintLine()),
        [*"tag:", "down"],
    ),
    "filter-wrong": (
        below(lambda: FilterBar("tag:ci own:me", me="ada", vocabulary=WORDS), lambda: HintLine()),
        ["enter"],
    ),
}


@pytest.fixture(autouse=True)
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the help name one and the same file everywhere."""
    monkeypatch.setenv("XDG_CONFIG_HOME", "/home/ada/.config")


@pytest.mark.parametrize("size", [(200, 50), (80, 24), (40, 12)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", SCREENS)
def test_looks_in_the_dark(snap_compare: Compare, name: str, size: tuple[int, int]) -> None:
    make, keys = SCREENS[name]
    assert snap_compare(Stage(make), press=keys, terminal_size=size)


@pytest.mark.parametrize("name", SCREENS)
def test_looks_in_the_light(snap_compare: Compare, name: str) -> None:
    make, keys = SCREENS[name]
    assert snap_compare(Stage(make, theme="taskdeck-light"), press=keys, terminal_size=(80, 24))
