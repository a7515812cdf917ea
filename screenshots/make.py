"""Makes the pictures of README from the demo store: ``python screenshots/make.py [NAME …]``.

Seed, moment and sizes are fixed, so that a picture changes only when the board does. PNG wants the font
DejaVu Sans Mono (packaged as fonts-dejavu-core, dejavu-sans-mono-fonts).
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from pathlib import Path

from msgspec import Struct

os.environ.update(TEXTUAL_ANIMATIONS="none", COLORTERM="truecolor", TZ="UTC")
os.environ.pop("NO_COLOR", None)

from textual.app import App
from textual.pilot import Pilot

from taskdeck_store import open_store
from taskdeck_tui.deck import Deck
from taskdeck_tui.demo import history
from taskdeck_tui.feed import Reader
from taskdeck_tui.model.look import Wanted
from taskdeck_tui.outlet import Outlet
from taskdeck_tui.remembered import Remembered
from taskdeck_tui.writer import Writer

HERE = Path(__file__).resolve().parent
NOW = "2026-03-02T14:30:00.000000Z"
_SAYS_ALL = 100
"""Columns from which on the header says how far the audit log is verified."""
PIXELS_PER_COLUMN = 10


class Picture(Struct, frozen=True, kw_only=True):
    """One picture: the terminal's size, the theme, and the keys pressed before it is taken."""

    name: str
    columns: int = 200
    lines: int = 50
    theme: str = "taskdeck-dark"
    keys: tuple[str, ...] = ()


PICTURES = (
    Picture(name="board", keys=("3", "j", "j")),
    Picture(name="board-light", theme="taskdeck-light", keys=("3", "j", "j")),
    Picture(name="board-80x24", columns=80, lines=24, keys=("3",)),
    Picture(name="board-40x12", columns=40, lines=12, keys=("3",)),
    Picture(name="details", columns=120, lines=40, keys=("3", "j", "enter")),
    Picture(name="past", keys=("t", *"<" * 8, "i")),
    Picture(name="help", columns=120, lines=40, keys=("question_mark",)),
)


def main() -> None:
    """Make the pictures named on the command line, or all of them."""
    names = sys.argv[1:]
    wanted = [picture for picture in PICTURES if not names or picture.name in names]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CONFIG_HOME"] = os.environ["XDG_STATE_HOME"] = folder
        os.chdir(folder)
        history.build("demo.db", tasks=120, seed=1, now=NOW)
        for picture in wanted:
            svg = asyncio.run(_taken(picture))
            (HERE / f"{picture.name}.svg").write_text(svg, encoding="utf-8")
            (HERE / f"{picture.name}.png").write_bytes(_png(svg, picture.columns * PIXELS_PER_COLUMN))
            print(picture.name)


async def _taken(picture: Picture) -> str:
    store = open_store("demo.db", now=lambda: NOW)
    outlet = Outlet()
    reader = Reader(store, Wanted(), lambda: NOW, outlet, check_after=0)
    reader.prime()
    writer = Writer(lambda: open_store("demo.db", now=lambda: NOW), outlet)
    app = Deck(
        "demo.db",
        store.kind,
        reader,
        writer,
        outlet,
        past=lambda: open_store("demo.db", read_only=True, now=lambda: NOW),
        remembered=Remembered(),
        read_only=False,
        actor="you",
        now=lambda: NOW,
    )
    try:
        async with app.run_test(size=(picture.columns, picture.lines)) as pilot:
            app.theme = picture.theme
            while picture.columns >= _SAYS_ALL and "verified" not in app.export_screenshot(simplify=True):
                await pilot.pause(0.01)
            await _still(app, pilot)
            for key in picture.keys:
                await pilot.press(key)
                await _still(app, pilot)
            return app.export_screenshot(title="taskdeck", simplify=True)
    finally:
        writer.close(1.0)
        reader.close()


async def _still(app: App[int], pilot: Pilot[int]) -> None:
    """Wait until nothing changes on the screen any more; what is read from the store comes from another thread."""
    before = None
    while (now := app.export_screenshot(simplify=True)) != before:
        before = now
        await pilot.pause(0.1)
        await pilot.wait_for_scheduled_animations()


def _png(svg: str, width: int) -> bytes:
    import resvg_py

    # The fonts of the SVG are fetched from the web, which a renderer without one cannot.
    svg = re.sub(r"@font-face\s*{[^}]*}", "", svg)
    svg = svg.replace("Fira Code, monospace", "DejaVu Sans Mono").replace(
        "font-family: arial", "font-family: DejaVu Sans"
    )
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, width=width))


if __name__ == "__main__":
    main()
