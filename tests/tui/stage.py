"""A bare app to show one page or prompt of Taskdeck on, and tasks, events and outcomes to fill it with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace
from textual.app import App, ComposeResult
from textual.message import Message
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from taskdeck_store.cards import card_of
from taskdeck_store.clock import plus
from taskdeck_store.contract import Outcome
from taskdeck_store.machine import RULES, Code, Refusal, command
from taskdeck_store.values import Action, Card, Event, State, Task, Time
from taskdeck_tui.themes import DEFAULT_THEME, THEMES

NOW: Time = "2026-01-31T09:05:00.000000Z"


class Stage(App[None]):
    """Shows a screen over some text, and keeps what it returned and the messages it sent."""

    CSS = "#under { color: $card-meta; padding: 1 2; }"

    def __init__(self, make: Callable[[], Screen[Any]], *, theme: str = DEFAULT_THEME) -> None:
        super().__init__()
        for each in THEMES:
            self.register_theme(each)
        self.theme = theme
        self.make = make
        self.results: list[object] = []
        self.heard: list[Any] = []
        self.helped = 0

    def compose(self) -> ComposeResult:
        yield Static("the board is under here", id="under", markup=False)

    def on_mount(self) -> None:
        self.push_screen(self.make(), self.results.append)

    def action_help(self) -> None:
        self.helped += 1

    def hear(self, message: Message) -> None:
        self.heard.append(message)

    on_details_action_wanted = on_details_action_refused = on_details_copy_wanted = hear
    on_log_screen_wanted = on_log_screen_task_wanted = on_mine_screen_task_wanted = hear
    on_filter_bar_changed = on_filter_bar_submitted = on_filter_bar_cancelled = hear


async def settled(pilot: Pilot[Any]) -> None:
    """Let the app handle all that is under way, and draw it."""
    await pilot.pause()
    await pilot.wait_for_scheduled_animations()
    await pilot.pause()


def shown(app: App[Any]) -> str:
    """Return the text on screen, row by row."""
    rows = app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in rows)


def task(task_id: str = "task-17", **fields: Any) -> Task:
    """Return a task in review with every field filled, but for the fields given."""
    plain: dict[str, Any] = {
        "id": task_id,
        "title": "Fix the flaky login test: it passes alone and fails after the session test",
        "description": "The test fails one time in five on the slow runner.\n\nFind out why; do not just retry it.",
        "state": State.REVIEW,
        "priority": 2,
        "tags": ("flaky", "ci", "login"),
        "data": {"repository": "shop/web", "branch": "main", "files": ["tests/test_login.py"]},
        "result": {
            "summary": "The session cookie outlived the test; it is now closed in a fixture.",
            "tests": {"passed": 212, "failed": 0, "seconds": 48.2},
            "reviewed": False,
            "patch": "--- a/tests/test_login.py\n+++ b/tests/test_login.py\n@@ -3,6 +3,9 @@\n+@pytest.fixture\n",
        },
        "attempts": 1,
        "owner": "worker-2",
        "created_at": plus(NOW, -7_500),
        "updated_at": plus(NOW, -190),
        "state_since": plus(NOW, -190),
        "version": "41",
        "extra": {"ticket": "SHOP-2210"},
    }
    return Task(**{**plain, **fields})


def event(seq: int, action: str, before: State | None, after: State | None, ago: float, **fields: Any) -> Event:
    """Return an event so many seconds before NOW."""
    plain: dict[str, Any] = {
        "seq": seq,
        "task_id": "task-17",
        "at": plus(NOW, -ago),
        "actor": "worker-2",
        "action": action,
        "from_state": before,
        "to_state": after,
        "attempts": 0,
        "hash": f"{seq:064x}",
    }
    return Event(**{**plain, **fields})


def history() -> Sequence[Event]:
    """Return the events that led to `task()`."""
    pending, running, review = State.PENDING, State.IN_PROGRESS, State.REVIEW
    title = "Fix the flaky login test: it passes alone and fails after the session test"
    return [
        event(12, Action.ADD, None, pending, 7_500, actor="ada", changes={"title": (None, title)}),
        event(15, Action.START, pending, running, 6_000, actor="worker-1", changes={"owner": (None, "worker-1")}),
        event(
            21,
            Action.SUBMIT,
            running,
            review,
            4_100,
            actor="worker-1",
            changes={"result": (None, {"summary": "added a retry", "tests": {"passed": 212, "failed": 0}})},
        ),
        event(
            28,
            Action.REJECT,
            review,
            pending,
            2_000,
            actor="ada",
            attempts=1,
            note="A retry hides the cause.\nFind what the session test leaves behind.",
            changes={"attempts": (0, 1), "owner": ("worker-1", None)},
        ),
        event(30, Action.EDIT, pending, pending, 1_900, actor="external", attempts=1, changes={"priority": (5, 2)}),
        event(33, Action.START, pending, running, 1_500, attempts=1, changes={"owner": (None, "worker-2")}),
        event(
            41,
            Action.SUBMIT,
            running,
            review,
            190,
            attempts=1,
            changes={
                "result": (
                    {"summary": "added a retry", "tests": {"passed": 212, "failed": 0}},
                    {"summary": "The session cookie outlived the test; it is now closed in a fixture."},
                )
            },
        ),
    ]


def card(shown: Task, **fields: Any) -> Card:
    """Return the card of a task, but for the fields given."""
    return replace(card_of(shown), **fields)


def outcome(task_id: str, action: Action, code: Code | None = None, message: str = "") -> Outcome:
    """Return what became of a command: applied, or refused with a code."""
    sent = command(task_id, action, actor="ada")
    if code is not None:
        return Outcome(command=sent, task=None, refusal=Refusal(code=code, message=message))
    after = RULES[action].target
    return Outcome(
        command=sent,
        task=task(task_id, state=after or State.REVIEW),
        event=event(50, action, State.REVIEW, after, 5, task_id=task_id),
    )


def below(*widgets: Callable[[], Widget]) -> Callable[[], Screen[None]]:
    """Return what makes a screen with these widgets at its bottom, as the board has its filter."""

    class Below(Screen[None]):
        CSS = ".filler { height: 1fr; }"

        def compose(self) -> ComposeResult:
            yield Static("", classes="filler")
            yield from (make() for make in widgets)

    return Below
