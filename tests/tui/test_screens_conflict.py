"""The card of a conflict: nothing is done silently, nothing is skipped silently."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from stage import NOW, Stage, card, event, settled, shown, task

from taskdeck_store.machine import command
from taskdeck_store.values import Action, Event, State
from taskdeck_tui.screens.conflict import Conflict, ConflictCard, Decision
from taskdeck_tui.screens.differences import differences

MOVED = Conflict(
    seen=card(task()),
    now=task(state=State.PENDING, owner=None, attempts=2),
    command=command("task-17", Action.APPROVE, actor="ada"),
    events=[
        event(
            44, Action.REJECT, State.REVIEW, State.PENDING, 8, actor="bo", note="numbers", changes={"attempts": (1, 2)}
        )
    ],
)
EDITED = Conflict(
    seen=card(task("task-18")),
    now=task("task-18", title="About logout too", data={"a": 1}),
    command=command("task-18", Action.REJECT, actor="ada", note="tests are missing"),
    events=[
        event(
            45,
            Action.EDIT,
            State.REVIEW,
            State.REVIEW,
            4,
            actor="external",
            task_id="task-18",
            changes={"title": ("Fix", "About logout too"), "data": (None, {"a": 1})},
        )
    ],
)
OTHER = replace(EDITED, seen=card(task("task-20")), now=task("task-20", priority=9))
GONE = Conflict(seen=card(task("task-19")), now=None, command=command("task-19", Action.APPROVE, actor="ada"))


def stage(*conflicts: Conflict) -> Stage:
    return Stage(lambda: ConflictCard(conflicts, NOW))


async def test_the_card_shows_what_was_seen_what_is_now_and_who_changed_it() -> None:
    app = stage(MOVED)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        text = shown(app)
        assert "Changed meanwhile  task-17" in text
        assert "You wanted to approve it as you saw it, ◆ review. Nothing was done." in text
        cells = [line.strip(" │").split() for line in text.splitlines()]
        rows = {row[0]: row[1:] for row in cells if len(row) > 2}
        assert rows["you"] == ["saw", "it", "is", "now"]
        assert rows["state"] == ["◆", "review", "○", "pending"]
        assert rows["owner"] == ["worker-2", "–"]
        assert rows["attempts"] == ["1", "2"]
        assert "bo rejected it: numbers" in text
        assert "8s ago" in text


async def test_what_is_no_longer_legal_cannot_be_done_again_and_the_card_says_why() -> None:
    app = stage(MOVED)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        text = " ".join(shown(app).replace("│", " ").split())
        assert "cannot approve task-17: it is pending, and approve takes a task in review" in text
        assert "do it again" not in text
        await pilot.press("enter", "a", "A")
        await settled(pilot)
        assert app.results == []
        await pilot.press("d")
        await settled(pilot)
        assert app.results == [(Decision(MOVED, again=False),)]


@pytest.mark.parametrize(("key", "again"), [("enter", True), ("a", True), ("d", False), ("escape", False)])
async def test_keys_decide(key: str, again: bool) -> None:
    app = stage(EDITED)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(key)
        await settled(pilot)
        assert app.results == [(Decision(EDITED, again=again),)]


async def test_several_are_gone_through_one_by_one() -> None:
    app = stage(EDITED, GONE, OTHER)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "task-18  1 of 3" in shown(app)
        await pilot.press("a")
        await settled(pilot)
        assert "task-19  2 of 3" in shown(app)
        assert "no task task-19 in this store" in shown(app)
        await pilot.press("d", "escape")
        await settled(pilot)
        assert app.results == [(Decision(EDITED, True), Decision(GONE, False), Decision(OTHER, False))]


async def test_one_can_look_back_and_change_a_decision() -> None:
    app = stage(EDITED, OTHER)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("a", "p")
        await settled(pilot)
        assert "task-18  1 of 2  decided: again" in shown(app)
        await pilot.press("d", "a")
        await settled(pilot)
        assert app.results == [(Decision(EDITED, False), Decision(OTHER, True))]


@pytest.mark.parametrize(("forth", "back"), [("n", "p"), ("right", "left")])
async def test_next_and_previous_go_round(forth: str, back: str) -> None:
    app = stage(EDITED, GONE, OTHER)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(forth)
        await settled(pilot)
        assert "2 of 3" in shown(app)
        await pilot.press(back, back)
        await settled(pilot)
        assert "3 of 3" in shown(app)


async def test_all_again_leaves_those_that_are_not_legal_to_be_looked_at() -> None:
    app = stage(MOVED, EDITED, OTHER)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("A")
        await settled(pilot)
        assert app.results == []
        assert "task-17  1 of 3" in shown(app)
        await pilot.press("d")
        await settled(pilot)
        assert app.results == [(Decision(MOVED, False), Decision(EDITED, True), Decision(OTHER, True))]


async def test_drop_all_drops_the_rest() -> None:
    app = stage(EDITED, MOVED, OTHER)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("a", "D")
        await settled(pilot)
        assert app.results == [(Decision(EDITED, True), Decision(MOVED, False), Decision(OTHER, False))]


async def test_at_40_columns_the_differences_come_first() -> None:
    app = stage(MOVED)
    async with app.run_test(size=(40, 12)) as pilot:
        await settled(pilot)
        assert "state  ◆ review → ○ pending" in shown(app)
        assert "d drop" in shown(app)
        await pilot.press("G")
        await settled(pilot)
        assert "Nothing was" in shown(app)


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([], "the audit log here begins with the first action done with Taskdeck"),
        (
            [
                event(
                    1, Action.ADD, None, State.REVIEW, 0, actor="external", changes={"description": (None, "as found")}
                )
            ],
            "the audit log here began later, with event 1",
        ),
    ],
)
async def test_where_nothing_is_on_record_the_card_says_so(events: list[Event], told: str) -> None:
    app = stage(replace(MOVED, events=events))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        text = " ".join(shown(app).replace("│", " ").split())
        assert f"An outside program did this, and there is no record of who: {told}" in text
        assert "as found" not in text
        assert "added it" not in text


async def test_what_could_not_be_read_is_not_taken_for_no_record() -> None:
    app = stage(replace(MOVED, events=None))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "outside" not in shown(app)
        assert "Who changed it could not be read" in shown(app)


async def test_hostile_text_is_harmless() -> None:
    bad = "\x1b[2J [/foo] \u202e"
    conflict = replace(
        EDITED,
        seen=card(task(title=bad)),
        now=task(title=f"{bad}!", owner=bad),
        command=command("task-17", Action.REJECT, actor="ada", note=bad),
    )
    app = stage(conflict)
    async with app.run_test(size=(80, 30)) as pilot:
        await settled(pilot)
        assert "[/foo]" in shown(app)
        assert not set(shown(app)) & set("\x1b\u202e")


def test_differences_are_those_of_the_card_and_of_the_last_event() -> None:
    assert MOVED.now is not None
    found = differences(MOVED.seen, MOVED.now, MOVED.events)
    assert [each.field for each in found] == ["state", "owner", "attempts"]
    assert EDITED.now is not None
    assert [each.field for each in differences(EDITED.seen, EDITED.now, EDITED.events)] == ["title", "data"]
    assert differences(card(task()), task(), []) == []


def test_a_long_title_differs_only_where_a_card_shows_it() -> None:
    long: Any = task(title="x" * 1_000)
    assert differences(card(long), long, []) == []
