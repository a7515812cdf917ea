"""What is said in a task's attempts, in its details: live, harmless, and one attempt after another."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from board_stage import Stage as BoardStage
from board_stage import filled, staged
from stage import NOW, Stage, history, settled, shown, task

from taskdeck_store import Task, open_store
from taskdeck_store.clock import plus
from taskdeck_store.output import Chunk, Said, Stream, attempts, lines
from taskdeck_store.values import Event, State
from taskdeck_store.worker import Backoff, Worker
from taskdeck_tui.model.saying import SHOWN, Saying
from taskdeck_tui.screens.details import Details
from taskdeck_tui.screens.pager import Pager


@contextmanager
def working(path: Path, execute: object) -> Iterator[threading.Thread]:
    """Have a worker of another handle do all there is to do."""

    def work() -> None:
        with closing(open_store(str(path))) as store:
            Worker(store, execute, backoff=Backoff(first=0.0)).run("empty")

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(20)


def text(stage: BoardStage) -> str:
    pagers = stage.deck.screen.query(Pager)
    return "\n".join(line.plain for pager in pagers for line in pager.lines)


@pytest.mark.parametrize(("name", "size"), [("tasks.db", (160, 40)), ("tasks.json", (80, 24))])
async def test_it_is_followed_through_all_attempts(name: str, size: tuple[int, int], tmp_path: Path) -> None:
    path = filled(tmp_path / name, (1, 0, 0, 0, 0))
    turns = threading.Semaphore(0)

    def execute(task: Task) -> int:
        print(f"begins with \x1b[31mattempt {task.attempts}")
        assert turns.acquire(timeout=20)
        print("goes on", file=sys.stderr)
        assert turns.acquire(timeout=20)
        print("ends", end="")
        if not task.attempts:
            raise ValueError("no")
        return 1

    async with staged(path, size=size) as stage:
        with working(path, execute):
            try:
                await stage.until(lambda: stage.ids(1))
                await stage.press("2", "enter")
                await stage.until(lambda: "attempt 1 of 1, under way" in text(stage))
                await stage.until(lambda: "\n  begins with attempt 0" in text(stage))
                turns.release()
                await stage.until(lambda: "\n! goes on" in text(stage))
                turns.release()
                await stage.until(lambda: "attempt 2 of 2, under way" in text(stage))
                await stage.until(lambda: "\n  begins with attempt 1" in text(stage))
                await stage.press("left_square_bracket")
                await stage.until(lambda: "output  attempt 1 of 2 ─" in text(stage))
                assert text(stage).endswith("\n  begins with attempt 0\n! goes on\n  ends") is (size[0] < 110)
                assert "begins with attempt 1" not in text(stage)
                await stage.press("right_square_bracket")
                await stage.until(lambda: "attempt 2 of 2, under way" in text(stage))
                turns.release(2)
                await stage.until(lambda: "output  attempt 2 of 2 ─" in text(stage) and "\n  ends" in text(stage))
            finally:
                turns.release(9)


async def test_without_any_there_is_nothing_of_it(tmp_path: Path) -> None:
    async with staged(filled(tmp_path / "tasks.db")) as stage:
        await stage.press("2", "enter")
        await stage.until(lambda: len(stage.deck.screen_stack) == 2 and text(stage))
        await stage.press("o", "left_square_bracket")
        await settled(stage.pilot)
        assert "output" not in shown(stage.deck)


def page(chunks: Sequence[Chunk], state: State = State.REVIEW, events: Sequence[Event] = (), **fields: Any) -> Details:
    """Return details with what was said in the last attempt."""
    events = events or history()
    made = Details("task-17", task(state=state, **fields), events, NOW)
    said = lines(chunks)
    saying = Saying(
        attempt=attempts(events)[-1],
        said=Said(chunks=tuple(chunks)),
        lines=tuple(said[-SHOWN:]),
        above=max(0, len(said) - SHOWN),
    )
    made.show_output(saying)
    return made


def printed(text: str) -> Chunk:
    return Chunk(at=NOW, stream=Stream.STDOUT, text=text)


@pytest.mark.parametrize("size", [(200, 50), (80, 24), (40, 12)])
async def test_o_goes_there_and_nothing_of_it_reaches_the_terminal(size: tuple[int, int]) -> None:
    hostile = "\x1b[2J\x1b]52;c;aGk=\x07\x9b31mred \u202egnp\x00 \x1bPq\x1b\\[bold]markup[/]\n10 %\r100 %\n"
    app = Stage(lambda: page([printed(hostile)]))
    async with app.run_test(size=size) as pilot:
        await pilot.press("o")
        await settled(pilot)
        seen = shown(app)
        assert "output  attempt 2 of 2 ─" in seen
        assert "  �31mred �gnp␀ [bold]markup[/]" in seen
        assert "  100 %" in seen
        assert "10 %\n" not in seen
        assert "]52" not in seen


async def test_of_much_the_end_is_shown_and_the_rest_is_counted() -> None:
    app = Stage(lambda: page([printed("".join(f"line {number}\n" for number in range(1_000)) + "x" * 9_000)]))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        told = [line.plain for line in app.screen.query_one("#fields", Pager).lines]
        assert any(line.startswith("… 601 lines above these") for line in told)
        assert "  line 601" in told
        assert "  line 600" not in told
        assert sum(line.count("x") for line in told[-40:]) == 2_000


async def test_one_who_is_at_the_end_stays_there_as_more_is_said() -> None:
    made = page([printed("one\n")], State.IN_PROGRESS, history()[:-1], lease_until=plus(NOW, 60))
    app = Stage(lambda: made)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("o")
        await settled(pilot)
        more = [printed("".join(f"line {number}\n" for number in range(50)))]
        attempt = attempts(history())[-1]
        made.show_output(Saying(attempt=attempt, said=Said(chunks=tuple(more)), lines=tuple(lines(more))))
        await settled(pilot)
        assert "  line 49" in shown(app)
        await pilot.press("g")
        made.show_output(Saying(attempt=attempt, said=Said(), lines=tuple(lines([*more, printed("last\n")]))))
        await settled(pilot)
        assert "Fix the flaky login test" in shown(app)


class Asked(Stage):
    """Keeps the wishes for output, too."""

    def on_details_output_wanted(self, message: Details.OutputWanted) -> None:
        self.hear(message)


@pytest.mark.parametrize(
    ("state", "lease", "follows"),
    [
        (State.IN_PROGRESS, plus(NOW, 60), True),
        (State.REVIEW, plus(NOW, 60), True),
        (State.REVIEW, None, False),
        (State.COMPLETED, None, False),
    ],
)
async def test_it_is_asked_for_again_only_while_an_attempt_is_under_way(
    state: State, lease: str | None, follows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskdeck_tui.screens.details._LOOK", 0.01)
    app = Asked(lambda: page([printed("one\n")], state, lease_until=lease))
    async with app.run_test(size=(80, 24)) as pilot:
        deadline = time.monotonic() + (20 if follows else 0.2)
        while len(app.heard) < 5 and time.monotonic() < deadline:
            await pilot.pause(0.005)
        wishes = [message for message in app.heard if isinstance(message, Details.OutputWanted)]
        assert (len(wishes) > 1) is follows
        assert {wish.attempt.seq for wish in wishes} == {33}


async def test_a_board_draws_nothing_where_nothing_was_said(tmp_path: Path) -> None:
    async with staged(filled(tmp_path / "tasks.db")) as stage:
        heard: list[str] = []
        known = "what is known"
        stage.reader.ask(lambda store: known, heard.append, known=known)
        stage.reader.ask(lambda store: "something else", heard.append, known=known)
        await stage.until(lambda: heard)
        assert heard == ["something else"]
