"""The page on one task: everything about it, live, whatever it holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from stage import NOW, Stage, event, history, settled, shown, task
from textual.pilot import Pilot

from taskdeck_store.clock import plus
from taskdeck_store.machine import STEP, actions_from
from taskdeck_store.values import Action, Event, State, Task
from taskdeck_tui.screens.details import Details
from taskdeck_tui.screens.pager import Pager

ACTION_KEYS = {"s": "step", "a": "approve", "X": "reject", "R": "retry", "F": "fail"}


def stage(shown: Task | None = None, events: Sequence[Event] = (), **options: Any) -> Stage:
    return Stage(lambda: Details("task-17", shown or task(), events or history(), NOW, **options))


async def everything(pilot: Pilot[Any]) -> str:
    """Return the text of all lines of the page, in sight or not."""
    await settled(pilot)
    pagers = pilot.app.screen.query(Pager)
    return "\n".join([shown(pilot.app), *(line.plain for pager in pagers for line in pager.lines)])


@pytest.mark.parametrize("size", [(200, 50), (80, 24), (40, 12)])
async def test_all_fields_and_the_history_are_there_at_every_size(size: tuple[int, int]) -> None:
    app = stage()
    async with app.run_test(size=size) as pilot:
        text = " ".join((await everything(pilot)).split())
        for part in (
            "◆ review",
            "task-17",
            "1 of 3",
            "worker-2",
            "#flaky",
            "#login",
            "3m ago",
            "2026-01-31",
            "SHOP-2210",
        ):
            assert part in text, part
        for part in ('"passed": 212', "+@pytest.fixture", "do not just retry it", '"branch": "main"', "7 events"):
            assert part in text, part
        for part in ("worker-2 submitted a result", "ada rejected it", "A retry hides the cause.", "5 → 2"):
            assert part in text, part


async def test_the_history_tells_who_when_why_and_what_newest_first() -> None:
    app = stage()
    async with app.run_test(size=(200, 50)) as pilot:
        await settled(pilot)
        lines = [line.plain for line in app.screen.query_one("#history", Pager).lines]
        heads = [line for line in lines if " ago" in line]
        assert [line.split()[1] for line in heads] == [
            "worker-2",
            "worker-2",
            "an",
            "ada",
            "worker-1",
            "worker-1",
            "ada",
        ]
        rejected = next(at for at, line in enumerate(lines) if "ada rejected it" in line)
        told = "\n".join(lines[rejected : rejected + 7])
        for part in ("33m ago", "2026-01-31 08:31:40Z", "event 28", "Find what the session test leaves", "0 → 1"):
            assert part in told, part


def wanted(app: Stage) -> list[str]:
    """Return the actions that the page asked for."""
    asked = [message for message in app.heard if isinstance(message, Details.ActionWanted)]
    assert all(message.task_id == "task-17" for message in asked)
    return [message.name for message in asked]


@pytest.mark.parametrize("state", State)
async def test_keys_ask_for_what_is_legal_and_do_nothing_else(state: State) -> None:
    app = stage(task(state=state))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*ACTION_KEYS)
        await settled(pilot)
        legal = {str(action) for action in actions_from(state)} | ({"step"} if state in STEP else set())
        assert wanted(app) == [name for name in ACTION_KEYS.values() if name in legal]
        refused = [message.name for message in app.heard if isinstance(message, Details.ActionRefused)]
        assert refused == [name for name in ACTION_KEYS.values() if name not in legal]


async def test_a_read_only_board_offers_no_action() -> None:
    app = stage(read_only=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*ACTION_KEYS)
        await settled(pilot)
        assert not wanted(app)
        assert "approve" not in shown(app).splitlines()[-2]


async def test_y_and_capital_y_ask_for_copies() -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("y", "Y")
        await settled(pilot)
        assert [(message.task_id, message.whole) for message in app.heard] == [("task-17", False), ("task-17", True)]


@pytest.mark.parametrize("key", ["escape", "q"])
async def test_escape_and_q_close_the_page(key: str) -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(key)
        await settled(pilot)
        assert app.results == [None]
        assert app.is_running


async def test_the_question_mark_asks_for_help() -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("question_mark")
        await settled(pilot)
        assert app.helped == 1


@pytest.mark.parametrize(
    "keys", [("j", "k"), ("down", "up"), ("pagedown", "pageup"), ("ctrl+f", "ctrl+b"), ("G", "g"), ("end", "home")]
)
async def test_keys_scroll_forth_and_back(keys: tuple[str, str]) -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        pane = app.screen.query_one("#fields", Pager)
        await pilot.press(keys[0])
        assert pane.scroll_offset.y > 0
        await pilot.press(keys[1])
        assert pane.scroll_offset.y == 0


async def test_tab_goes_to_the_history_and_back_where_it_stands_beside() -> None:
    app = stage()
    async with app.run_test(size=(160, 24)) as pilot:
        await settled(pilot)
        assert app.screen.focused is app.screen.query_one("#fields")
        await pilot.press("tab", "j")
        assert app.screen.focused is app.screen.query_one("#history")
        assert app.screen.query_one("#history", Pager).scroll_offset.y == 1
        await pilot.press("tab")
        assert app.screen.focused is app.screen.query_one("#fields")


async def test_the_page_follows_its_task_and_the_reader_stays_on_his_line() -> None:
    app = stage()
    async with app.run_test(size=(160, 24)) as pilot:
        await settled(pilot)
        page = app.screen
        assert isinstance(page, Details)
        past = page.query_one("#history", Pager)
        await pilot.press("tab", *("j" * 9))
        reading = past.lines[past.scroll_offset.y].plain
        approved = event(50, Action.APPROVE, State.REVIEW, State.COMPLETED, 0, actor="ada")
        page.update_task(task(state=State.COMPLETED), [*history(), approved], plus(NOW, 5))
        await settled(pilot)
        assert "✓ completed" in shown(app)
        assert "ada approved it" in past.lines[0].plain
        assert past.lines[past.scroll_offset.y].plain == reading
        assert "approve" not in shown(app).splitlines()[-3]


async def test_at_the_top_of_the_history_new_events_come_into_sight() -> None:
    app = stage()
    async with app.run_test(size=(160, 24)) as pilot:
        await settled(pilot)
        page = app.screen
        assert isinstance(page, Details)
        approved = event(50, Action.APPROVE, State.REVIEW, State.COMPLETED, 0, actor="ada")
        page.update_task(task(state=State.COMPLETED), [*history(), approved], plus(NOW, 5))
        await settled(pilot)
        assert "ada approved it" in shown(app)


async def test_ages_are_counted_on() -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        page = app.screen
        assert isinstance(page, Details)
        page.tick(plus(NOW, 600))
        await settled(pilot)
        assert "· for 13m" in shown(app)


async def test_a_task_that_was_removed_is_said_to_be_gone_and_stays_readable() -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        page = app.screen
        assert isinstance(page, Details)
        page.update_task(None, history(), NOW)
        await pilot.press(*ACTION_KEYS)
        await settled(pilot)
        assert "task-17  is no longer in the store" in shown(app)
        assert "Fix the flaky login test" in shown(app)
        assert not wanted(app)
        page.update_task(task(), history(), NOW)
        await settled(pilot)
        assert "◆ review" in shown(app)


async def test_an_update_after_the_page_was_closed_does_no_harm() -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        page = app.screen
        assert isinstance(page, Details)
        await pilot.press("escape")
        await settled(pilot)
        page.update_task(None, (), NOW)
        page.tick(NOW)
        page.tell("late")
        await settled(pilot)


async def test_a_notice_is_shown_on_the_page() -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        page = app.screen
        assert isinstance(page, Details)
        page.tell("task-17: the store is locked\x1b[2J", refused=True)
        await settled(pilot)
        assert "! task-17: the store is locked" in shown(app)


async def test_a_store_without_an_audit_log_is_said_to_have_none() -> None:
    app = Stage(lambda: Details("task-17", task(), (), NOW, audited=False))
    async with app.run_test(size=(160, 40)) as pilot:
        assert "no audit log here until something is done" in await everything(pilot)


async def test_a_cut_history_says_that_it_is_cut() -> None:
    app = stage(limit=7)
    async with app.run_test(size=(160, 40)) as pilot:
        assert "the newest 7 events" in await everything(pilot)


@pytest.mark.parametrize(
    "result",
    ["line of text\n" * 800_000, "x" * 10_000_000, {"log": "x" * 10_000_000}, [{"row": n} for n in range(600_000)]],
    ids=["lines", "one line", "in JSON", "many rows"],
)
async def test_a_huge_result_is_cut_and_says_how_much_is_not_shown(result: object) -> None:
    app = stage(task(result=result, data=None, description=""))
    async with app.run_test(size=(80, 24)) as pilot:
        text = await everything(pilot)
        assert " MB " in text
        assert "not shown here; taskdeck show --json prints all of it" in text
        assert len(text) < 400_000


HOSTILE = "\x1b[2J\x1b]0;owned\x07 [/foo] [b]no[/b] [@click=app.quit]x[/] \u202egnp.exe \x9b1m \ud800 \x00"


async def test_nothing_in_a_task_is_acted_on_as_markup_or_escape() -> None:
    hostile = task(
        title=HOSTILE,
        description=f"# {HOSTILE}\n- {HOSTILE}\n```\n{HOSTILE}\n```\n> {HOSTILE}",
        error=HOSTILE,
        owner=HOSTILE,
        tags=(HOSTILE,),
        data={HOSTILE: [HOSTILE, f"{HOSTILE}\n{HOSTILE}"]},
        result=HOSTILE,
        extra={"\x1b": HOSTILE},
        lease_until="\x1b[31mnever",
    )
    events = [
        event(1, "\x1b[2J", None, State.REVIEW, 5, actor=HOSTILE, note=HOSTILE, changes={HOSTILE: (HOSTILE, [HOSTILE])})
    ]
    for size in ((160, 50), (40, 12)):
        app = stage(hostile, events)
        async with app.run_test(size=size) as pilot:
            text = await everything(pilot)
            assert "[/foo]" in text
            assert "[@click=app.quit]" in "".join(text.split("\n"))
            assert not set(text) & set("\x1b\x07\x9b\x00\u202e\ud800")


async def test_markdown_is_set_and_what_only_looks_a_bit_like_it_is_left() -> None:
    prose = "# Result\n\nIt *works*, see `login.py` and **both** [runs](http://ci/1):\n"
    text = f"{prose}\n- one\n2. two\n> said\n---\n```py\nx = 1\n```"
    app = stage(task(result=text, description="a - b * c # d"))
    async with app.run_test(size=(200, 60)) as pilot:
        shown_text = await everything(pilot)
        assert "result  Markdown" in shown_text
        assert "It works, see login.py and both runs (http://ci/1):" in shown_text
        assert "• one" in shown_text
        assert "```" not in shown_text
        assert "description  text" in shown_text
        assert "a - b * c # d" in shown_text


async def test_how_long_a_task_is_left_is_told() -> None:
    for seconds, told in ((40, "in 40s"), (-120, "2m ago")):
        app = stage(task(state=State.PENDING, not_before=plus(NOW, seconds)))
        async with app.run_test(size=(200, 50)) as pilot:
            (line,) = [line for line in (await everything(pilot)).splitlines() if line.startswith("not before")]
            assert line.split(maxsplit=2)[2].startswith(told)
            assert "2026-01-31" in line


async def test_what_a_task_depends_on_is_told_with_where_it_stands() -> None:
    others = ("a", "b", "c", "d")
    stands = {"a": State.COMPLETED, "b": State.FAILED, "c": None}
    for size in ((200, 50), (40, 12)):
        app = stage(task(state=State.PENDING, depends_on=others, blocked=3), stands=stands)
        async with app.run_test(size=size) as pilot:
            lines = (await everything(pilot)).splitlines()
            at = next(number for number, line in enumerate(lines) if line.startswith("depends on"))
            told = " ".join(" ".join(lines[at : at + 2]).split())
            assert told.startswith("depends on ✗ b c is not in the store d ✓ a"), told


async def test_many_that_a_task_depends_on_are_counted() -> None:
    app = stage(task(state=State.PENDING, depends_on=tuple(f"t-{n}" for n in range(1_000)), blocked=1_000))
    async with app.run_test(size=(200, 50)) as pilot:
        text = await everything(pilot)
        assert "t-11   and 988 more" in text
        assert "t-12" not in text


async def test_values_of_every_kind_are_json() -> None:
    value = {"n": None, "t": True, "i": 10**50, "f": 1.5, "e": {}, "l": [], "s": [1, "two"], "d": {"x": [{"y": 1}]}}
    app = stage(task(result=value))
    async with app.run_test(size=(200, 60)) as pilot:
        text = await everything(pilot)
        for part in ('"n": null,', '"t": true,', f'"i": {10**50},', '"f": 1.5,', '"e": {},', '"l": [],', '[1, "two"],'):
            assert part in text, part


async def test_a_number_too_long_to_write_out_is_told() -> None:
    app = stage(task(result={"n": 10**9_999}))
    async with app.run_test(size=(200, 60)) as pilot:
        assert "a number of 33,216 bits" in await everything(pilot)


async def test_a_selection_with_the_mouse_can_be_copied() -> None:
    app = stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        pane = app.screen.query_one("#fields", Pager)
        await pilot.mouse_down(pane, offset=(4, 0))
        await pilot.hover(pane, offset=(12, 0))
        await pilot.mouse_up(pane, offset=(12, 0))
        await settled(pilot)
        assert app.screen.get_selected_text() == "the flaky"


async def test_a_page_that_is_left_before_it_is_there_goes_when_it_is() -> None:
    """As when its keys come in one piece with the one that opens it, and the machine is slow."""
    app = stage()
    async with app.run_test(size=(160, 40)) as pilot:
        await settled(pilot)
        below, page = app.screen, Details("task-17", task(), history(), NOW)
        app.push_screen(page)
        assert not page.is_mounted
        page.action_back()
        await settled(pilot)
        assert app.screen is below
