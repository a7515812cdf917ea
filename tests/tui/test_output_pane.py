"""The pane of what handlers say: it follows the end, stays where one reads, and bears any text and any amount."""

from __future__ import annotations

from stage import NOW, Stage, history, settled, shown, task
from textual.content import Content

from taskdeck_tui.debugger.output import OutputPane
from taskdeck_tui.model.transcript import LINES, WIDEST, Transcript, Voice
from taskdeck_tui.screens.details import Details
from taskdeck_tui.screens.pager import Pager


def stage(transcript: Transcript) -> tuple[Stage, OutputPane]:
    pane = OutputPane(transcript)
    return Stage(lambda: Details("task-17", task(), history(), NOW, output=pane)), pane


def lines(pane: OutputPane) -> list[str]:
    return [line.plain for line in pane.query_one(Pager).lines]


async def test_it_is_there_once_something_is_said_and_follows_the_end() -> None:
    said = Transcript()
    app, pane = stage(said)
    async with app.run_test(size=(100, 26)) as pilot:
        await settled(pilot)
        assert not pane.display
        pager = pane.query_one(Pager)
        for number in range(12):
            said.add(Voice.OUT, f"row {number}\n")
            pane.follow()
            await settled(pilot)
            assert f"row {number}" in shown(app)
        app.screen.query_one(".told").display = True
        await settled(pilot)
        said.add(Voice.OUT, "row 12")
        pane.follow()
        await settled(pilot)
        assert "row 12" in shown(app)
        await pilot.press("tab", "k", "k")
        await settled(pilot)
        place = pager.scroll_offset.y
        said.add(Voice.OUT, " and more\nrow 13\n")
        pane.follow()
        await settled(pilot)
        assert pager.scroll_offset.y == place
        assert lines(pane)[-2:] == ["row 12 and more", "row 13"]


async def test_what_is_said_is_harmless_and_of_much_the_newest_is_kept() -> None:
    said = Transcript()
    said.add(Voice.ERR, "\x1b[31mred\x07 and \u202eturned\r\n")
    said.add(Voice.OUT, "x" * (WIDEST + 10))
    app, pane = stage(said)
    async with app.run_test(size=(100, 26)) as pilot:
        pane.tell(Content("at work"))
        await settled(pilot)
        assert lines(pane)[0] == "red␇ and �turned"
        assert "".join(lines(pane)[1:]) == "x" * WIDEST
        said.add(Voice.LOG, "".join(f"row {number}\n" for number in range(LINES + 5)))
        pane.follow()
        await settled(pilot)
        assert (lines(pane)[0], lines(pane)[-1], len(lines(pane))) == ("row 5", f"row {LINES + 4}", LINES)


def test_what_is_written_over_itself_is_one_line() -> None:
    said = Transcript()
    for piece in ("start\n10 %\r", "55 %\r100", " %\r", "\nend\r\n", "x\ry", "z\n"):
        said.add(Voice.OUT, piece)
    assert [line.text.rstrip("\r") for line in said.since(0)[1]] == ["start", "100 %", "end", "yz"]
