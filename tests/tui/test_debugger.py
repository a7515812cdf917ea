"""Tasks stepped from the board: every key, what is shown meanwhile, and the outcome that is held."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from board_stage import Stage, act, add, staged
from textual.widgets import Input, TextArea

from taskdeck_store import Action, State, create_store, open_store
from taskdeck_tui.debugger.held import HeldPage
from taskdeck_tui.debugger.output import OutputPane
from taskdeck_tui.folders import config_path
from taskdeck_tui.screens.ask import Ask
from taskdeck_tui.screens.details import Details
from taskdeck_tui.screens.pager import Pager
from taskdeck_tui.screens.prompt import Prompt

if sys.platform == "win32":
    pytest.skip("there, what a process writes is not heard", allow_module_level=True)

JOBS = """
import time
from pathlib import Path

def execute(task):
    print("reading", task.title)
    if "bad" in task.tags:
        raise ValueError("no such rate: \\x1b[31m")
    while "slow" in task.tags and not Path("go").exists():
        time.sleep(0.005)
    return {"rows": 5}
"""
VERIFY = """
def verify(task):
    return task.result == {"rows": 5} or (False, "rows are missing")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs.py").write_text(JOBS + VERIFY)
    return tmp_path


@asynccontextmanager
async def bench(folder: Path, *tags: str, state: State = State.PENDING) -> AsyncIterator[Stage]:
    """Open the board, with handlers, on a store of one task."""
    path = folder / "queue.db"
    create_store(str(path))
    store = open_store(str(path))
    add(store, "t-1", state, tags=tags)
    store.close()
    async with staged(path, handlers="jobs") as stage:
        await stage.press(str(list(State).index(state) + 1))
        yield stage


def front(stage: Stage) -> object:
    return stage.deck.screen


def said(stage: Stage) -> str:
    """Return what the pane of the output shows."""
    pane = stage.deck.screen.query_one(OutputPane)
    return "\n".join(line.plain for line in pane.query_one(Pager).lines) if pane.display else ""


def stands(stage: Stage) -> str:
    return str(stage.deck.screen.query_one("#stand").render())


def told(stage: Stage) -> str:
    return str(stage.deck.screen.query_one(".told").render())


def events(stage: Stage) -> list[str]:
    stage.other.changes()
    return [event.action for event in stage.other.events("t-1")]


async def opened(stage: Stage) -> None:
    await stage.until(lambda: isinstance(front(stage), Details))


async def held(stage: Stage, stop: str = "next") -> HeldPage:
    """Have the work on the task done, and its outcome held."""
    await hold_at(stage, stop)
    await stage.press("c")
    await stage.until(lambda: isinstance(front(stage), HeldPage))
    page = front(stage)
    assert isinstance(page, HeldPage)
    return page


async def typed(stage: Stage, text: str) -> None:
    """Put a text in the place of what a prompt has, and send it."""
    field = stage.deck.screen.query_one("#line, #note, #result")
    if isinstance(field, TextArea):
        field.text = text
    elif isinstance(field, Input):
        field.value = text
    await stage.press("enter")


async def hold_at(stage: Stage, stop: str) -> None:
    await stage.press("b")
    await stage.until(lambda: isinstance(front(stage), Ask))
    await typed(stage, stop)
    await stage.until(lambda: not isinstance(front(stage), Ask))


async def test_s_runs_one_real_step_after_another_and_streams_what_is_said(folder: Path) -> None:
    async with bench(folder, "slow") as stage:
        assert "jobs" in stage.header
        await stage.press("s")
        await opened(stage)
        await stage.until(lambda: "claimed" in stands(stage))
        assert events(stage) == ["add", "start"]
        await stage.press("s")
        await stage.until(lambda: "reading Title of t-1" in said(stage))
        assert "at work for 0s" in stands(stage)
        assert events(stage) == ["add", "start"]
        await stage.press("s")
        await stage.until(lambda: "under way" in told(stage))
        await stage.press("escape", "2")
        await stage.until(lambda: stage.view.focus == 1)
        assert "at work" in "".join(strip.text for strip in stage.deck.screen._compositor.render_strips())
        (folder / "go").touch()
        await stage.until(lambda: stage.state("t-1") is State.REVIEW)
        await stage.until(lambda: "in review" in stage.status)
        await stage.press("3", "s")
        await opened(stage)
        await stage.until(lambda: stage.state("t-1") is State.COMPLETED)
        await stage.until(lambda: "verify" in said(stage))
        assert {event.actor for event in stage.other.events("t-1")} == {"seed", "ada"}


async def test_a_handler_that_raises_is_seen_with_its_traceback_and_mended_without_leaving(folder: Path) -> None:
    async with bench(folder, "bad") as stage:
        await stage.press("c")
        await opened(stage)
        await stage.until(lambda: "raise ValueError" in said(stage))
        await stage.until(lambda: "attempts 1 of 3" in told(stage))
        assert "\x1b" not in said(stage)
        assert events(stage) == ["add", "start", "release"]
        (folder / "jobs.py").write_text("def execute(task):\n    return 'mended'\n")
        await stage.until(lambda: "pending" in str(stage.deck.screen.query_one(".heading").render()))
        await stage.press("c")
        await stage.until(lambda: stage.state("t-1") is State.REVIEW)


async def test_c_goes_on_to_review_and_C_to_the_end(folder: Path) -> None:
    async with bench(folder) as stage:
        await stage.press("c")
        await stage.until(lambda: stage.state("t-1") is State.REVIEW)
        await stage.until(lambda: "in review" in told(stage))
        await stage.press("C")
        await stage.until(lambda: stage.state("t-1") is State.COMPLETED)
        assert events(stage) == ["add", "start", "submit", "approve"]
        await stage.until(lambda: "completed" in told(stage))
        await stage.press("s")
        await stage.until(lambda: "no step forward" in told(stage))


async def test_c_again_stops_after_what_is_under_way(folder: Path) -> None:
    async with bench(folder, "slow") as stage:
        await stage.press("C")
        await stage.until(lambda: "reading" in said(stage) if isinstance(front(stage), Details) else False)
        await stage.press("C")
        await stage.until(lambda: "not stepped on" in told(stage))
        (folder / "go").touch()
        await stage.until(lambda: stage.state("t-1") is State.REVIEW)
        await stage.until(lambda: "in review" in told(stage))
        assert events(stage) == ["add", "start", "submit"]


async def test_without_verify_a_person_decides(folder: Path) -> None:
    (folder / "jobs.py").write_text(JOBS)
    async with bench(folder, state=State.REVIEW) as stage:
        await stage.press("s")
        await opened(stage)
        await stage.until(lambda: "a person" in told(stage))
        assert "a or X" in told(stage)
        await stage.press("a")
        await stage.until(lambda: stage.state("t-1") is State.COMPLETED)


async def test_K_kills_the_step_and_D_gives_the_task_back(folder: Path) -> None:
    async with bench(folder, "slow") as stage:
        await stage.press("c")
        await opened(stage)
        await stage.until(lambda: "reading" in said(stage))
        await stage.press("K")
        await stage.until(lambda: "killed" in told(stage))
        assert "claimed" in stands(stage)
        await stage.press("D")
        await stage.until(lambda: stage.state("t-1") is State.PENDING)
        assert events(stage) == ["add", "start", "release"]
        await stage.press("K")
        assert events(stage) == ["add", "start", "release"]


async def test_b_sets_a_breakpoint_shows_it_and_takes_it_away(folder: Path) -> None:
    async with bench(folder) as stage:
        await hold_at(stage, "action:fail")
        await stage.until(lambda: "◉ action:fail" in stage.header)
        await stage.press("b")
        await stage.until(lambda: isinstance(front(stage), Ask))
        await typed(stage, "action:retry")
        assert "no step ends with retry" in str(stage.deck.screen.query_one("#refusal").render())
        await typed(stage, "state:review")
        await stage.until(lambda: "state:review" in stage.header)
        await hold_at(stage, "action:fail")
        await stage.until(lambda: "action:fail" not in stage.header)
        await stage.press("b")
        await stage.until(lambda: isinstance(front(stage), Ask))
        assert "state:review" in str(stage.deck.screen.query_one(".below").render())
        await stage.press("escape")
        await stage.until(lambda: front(stage) is stage.screen)


async def test_a_held_outcome_is_seen_left_opened_again_and_committed(folder: Path) -> None:
    async with bench(folder) as stage:
        page = await held(stage, "action:submit")
        text = "\n".join(line.plain for line in page.query_one(Pager).lines)
        assert "submit" in page.heading().plain
        assert "in progress → ◆ review" in page.heading().plain
        assert '"rows": 5' in text
        assert 'result  – → {"rows": 5}' in text
        await stage.press("escape", "escape", "2")
        await stage.until(lambda: stage.held == "t-1")
        assert "‖ held" in "".join(strip.text for strip in stage.deck.screen._compositor.render_strips())
        await stage.press("s")
        await stage.until(lambda: isinstance(front(stage), HeldPage))
        await stage.press("escape")
        await stage.until(lambda: front(stage) is stage.screen)
        assert events(stage) == ["add", "start"]
        await stage.press("enter")
        await stage.until(lambda: isinstance(front(stage), HeldPage))
        await stage.press("enter")
        await stage.until(lambda: stage.state("t-1") is State.REVIEW)
        await stage.until(lambda: front(stage) is stage.screen)


async def test_a_held_outcome_is_thrown_away_rejected_changed_or_given_back(folder: Path) -> None:
    async with bench(folder) as stage:
        await held(stage, "action:submit")
        await stage.press("d")
        await stage.until(lambda: isinstance(front(stage), Details))
        assert events(stage) == ["add", "start"]
        await stage.press("s")
        await stage.until(lambda: isinstance(front(stage), HeldPage))
        await stage.press("X")
        await stage.until(lambda: isinstance(front(stage), Prompt))
        await typed(stage, "count again")
        await stage.until(lambda: stage.state("t-1") is State.PENDING)
        assert stage.other.events("t-1")[-1].note == "count again"
        await stage.until(lambda: isinstance(front(stage), Details) and "pending" in told(stage))
        await stage.press("c")
        await stage.until(lambda: isinstance(front(stage), HeldPage))
        await stage.press("D")
        await stage.until(lambda: stage.state("t-1") is State.PENDING)
        await stage.until(lambda: isinstance(front(stage), Details) and "given back" in told(stage))
        await stage.press("c")
        await stage.until(lambda: isinstance(front(stage), HeldPage))
        page = front(stage)
        assert isinstance(page, HeldPage)
        await stage.press("e")
        await stage.until(lambda: isinstance(front(stage), Prompt))
        await typed(stage, "[1,")
        await stage.until(lambda: "line 1" in str(stage.deck.screen.query_one("#refusal").render()))
        await stage.press("end", "2", "]", "ctrl+j", "enter")
        await stage.until(lambda: front(stage) is page and page.held.after.result == [1, 2])
        assert "changed by hand" in "\n".join(line.plain for line in page.query_one(Pager).lines)
        await stage.press("enter")
        await stage.until(lambda: stage.state("t-1") is State.REVIEW)
        task = stage.other.get("t-1")
        assert task is not None
        assert task.result == [1, 2]


async def test_an_outcome_whose_task_was_taken_away_is_lost_and_its_page_goes(folder: Path) -> None:
    async with bench(folder) as stage:
        page = await held(stage, "action:submit")
        act(stage.other, "t-1", Action.FAIL, actor="bo")
        await stage.press("X")
        await stage.until(lambda: isinstance(front(stage), Prompt))
        assert stage.screen.debugger is not None
        stage.screen.debugger.decide(HeldPage.Decided(page, "commit"))
        await stage.until(lambda: "does not hold t-1 any more" in stage.status)
        # What is being typed is not taken away from under one's hands.
        assert isinstance(front(stage), Prompt)
        await stage.press("escape")
        await stage.until(lambda: isinstance(front(stage), Details))
        assert events(stage)[-1] == Action.FAIL


async def test_several_tasks_are_not_stepped_at_once(folder: Path) -> None:
    async with bench(folder) as stage:
        add(stage.other, "t-2")
        await stage.until(lambda: len(stage.ids(0)) == 2)
        await stage.press("*")
        await stage.until(lambda: "2 selected" in stage.header)
        await stage.press("s")
        await stage.until(lambda: "one task is stepped at a time" in stage.status)
        assert events(stage) == ["add"]


async def test_without_handlers_s_is_what_it_was_and_the_other_keys_are_not_there(folder: Path) -> None:
    path = folder / "queue.db"
    create_store(str(path))
    store = open_store(str(path))
    add(store, "t-1")
    store.close()
    config_path().parent.mkdir(parents=True)
    config_path().write_text('[keys]\nfreeze = "c"\n')
    async with staged(path) as stage:
        await stage.press("c")
        await stage.until(lambda: "frozen" in stage.header)
        await stage.press("c", "C", "K", "D", "b")
        assert front(stage) is stage.screen
        assert "live again" in stage.status
        await stage.press("?")
        await stage.until(lambda: front(stage) is not stage.screen)
        text = "\n".join(line.plain for line in stage.deck.screen.query_one("#help", Pager).lines)
        assert "on to review" not in text
        assert "throw away" not in text
        await stage.press("escape", "s")
        await stage.until(lambda: stage.state("t-1") is State.IN_PROGRESS)


async def test_closing_the_board_gives_back_what_was_claimed(folder: Path) -> None:
    async with bench(folder, "slow") as stage:
        await stage.press("c")
        await stage.until(lambda: isinstance(front(stage), Details) and "reading" in said(stage))
    store = open_store(str(folder / "queue.db"))
    task = store.get("t-1")
    assert task is not None
    assert (task.state, task.attempts) == (State.PENDING, 1)
    store.close()
