"""Every screen on tasks of strangers: no character that moves the cursor, hides or turns text reaches a line."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.hostile import TEXTS, WHOLE_TEXTS, dangerous, examples
from taskdeck_store import Action, command, create_store, open_store
from taskdeck_store.values import Json
from tui.board_stage import Stage, staged

EVIL = "e\x1b[31m\x1b]0;t\x07\u202ev\x9b2J\u2066\u200b\x08i\r\n\tl\u2028"
SIZES = st.sampled_from([(160, 40), (80, 24), (40, 12)])


def values(texts: st.SearchStrategy[str]) -> st.SearchStrategy[Json]:
    return st.recursive(
        texts | st.none() | st.integers(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=5,
    )


@st.composite
def foreign(draw: st.DrawFn) -> bytes:
    """Draw a task file as another program wrote it, with a task in every state."""
    field, value = TEXTS, values(TEXTS)
    tasks = []
    for number, state in enumerate(("pending", "in_progress", "review", "completed", "failed")):
        known = {
            "title": draw(field),
            "description": draw(field),
            "owner": draw(field),
            "error": draw(field),
            "tags": draw(st.lists(field, max_size=3)),
            "data": draw(value),
            "result": draw(value),
            "not_before": draw(field),
            "depends_on": draw(st.lists(field, max_size=3) | st.lists(st.sampled_from(["t-0", "t-2", 3]), max_size=2)),
            "lease_until": draw(field),
            "created_at": draw(field),
        }
        beside = draw(st.dictionaries(field, value, max_size=2))
        tasks.append({**beside, **known, "id": f"t-{number}", "state": state})
    return json.dumps(tasks, ensure_ascii=draw(st.booleans())).encode("utf-8", "replace")


def shown(stage: Stage) -> str:
    return "\n".join(strip.text for strip in stage.deck.screen._compositor.render_strips())


def check(stage: Stage) -> None:
    assert dangerous(shown(stage), allowed="\n") == set(), shown(stage)


async def tour(stage: Stage, hostile: str) -> None:
    """Open every page there is, and look at each; `hostile` is typed and pasted where text can be."""
    from textual.events import Paste

    check(stage)
    for column in "12345":
        await stage.press(column)
        check(stage)
    for keys in (["z"], ["z"], ["3", "enter"], ["end", "tab", "end"], ["escape", "L"], ["enter"], ["escape", "escape"]):
        await stage.press(*keys)
        await stage.pilot.pause()
        check(stage)
    # Another program takes the task away under the operator's hands: a conflict.
    await stage.press("3", "X")
    # A note with NUL is refused, as a text that SQLite cannot hold.
    said = hostile.replace("\0", "")[:999]
    stage.deck.screen.post_message(Paste(said + "x"))
    await stage.pilot.pause()
    check(stage)
    stage.other.apply([command("t-2", Action.EDIT, actor=said, title=said + "new")])
    await stage.press("enter")
    await stage.until(lambda: len(stage.deck.screen_stack) > 1 and "hanged" in shown(stage))
    check(stage)
    await stage.press("d")
    await stage.until(lambda: len(stage.deck.screen_stack) == 1)
    await stage.press("1", "s")
    await stage.until(lambda: "is now" in stage.status or "cannot start" in stage.status)
    check(stage)
    await stage.press("@")
    await stage.pilot.pause()
    check(stage)
    await stage.press("?")
    await stage.pilot.pause()
    check(stage)
    await stage.press("escape", "escape", "/")
    for start in ("title:", "tag:", "owner:"):
        stage.deck.screen.post_message(Paste(start + hostile))
        await stage.pilot.pause()
        check(stage)
        await stage.press("ctrl+u", *start)
        await stage.pilot.pause()
        check(stage)
        await stage.press("ctrl+u")
    await stage.press("escape")


@examples(1, shrink=False)
@given(raw=foreign(), size=SIZES, hostile=TEXTS, actor=TEXTS)
async def test_a_task_file_of_strangers_is_harmless_on_every_screen(
    raw: bytes, size: tuple[int, int], hostile: str, actor: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tasks.json"
        path.write_bytes(raw)
        async with staged(path, size=size, actor=actor or "ada") as stage:
            await tour(stage, hostile)


BYTES = WHOLE_TEXTS.map(lambda text: text.replace("\0", "").encode()) | st.sampled_from(
    [b"\xff\xfe", b"\x9b31m", b"a\xc3", b"\xed\xa0\x80", b"\xc0\x9b", b"\x1b[31m\xf0\x9f"]
)
_PLAIN_SQL = """
import json, sqlite3, sys
path, rows = sys.argv[1], json.load(sys.stdin)
with sqlite3.connect(path) as connection:
    for task_id, fields in rows:
        for name, octets in fields.items():
            value = bytes.fromhex(octets)
            connection.execute(f"UPDATE tasks SET {name} = CAST(? AS TEXT) WHERE id = ?", (value, task_id))
"""


@examples(1, shrink=False)
@given(data=st.data(), size=SIZES, hostile=WHOLE_TEXTS)
async def test_a_database_that_strangers_write_to_is_harmless_on_every_screen(
    data: st.DataObject, size: tuple[int, int], hostile: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tasks.db"
        create_store(str(path))
        with closing(open_store(str(path))) as store:
            text = WHOLE_TEXTS.map(lambda text: text.replace("\0", ""))
            fill(store, lambda: data.draw(text), lambda: data.draw(values(text)))
        names = ("title", "description", "owner", "error", "lease_until", "created_at", "state_since")
        rows: list[Any] = []
        for number in range(5):
            given = data.draw(st.dictionaries(st.sampled_from(names), BYTES, max_size=4))
            if "title" in given:
                given["title"] += b"title"
            rows.append((f"t-{number}", {name: value.hex() for name, value in given.items()}))
        subprocess.run([sys.executable, "-S", "-c", _PLAIN_SQL, str(path)], input=json.dumps(rows).encode(), check=True)
        async with staged(path, size=size, actor="ada") as stage:
            await tour(stage, hostile)


@pytest.mark.parametrize(
    "size",
    [pytest.param((160, 40), marks=pytest.mark.soak), (80, 24), pytest.param((40, 12), marks=pytest.mark.soak)],
    ids=lambda size: f"{size[0]}x{size[1]}",
)
async def test_a_store_that_is_hostile_in_every_field_is_harmless_on_every_screen(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    """Whatever the examples above are: here each field colours, hides and turns text, and moves the cursor."""
    path = tmp_path / "e\x1b[31m\u202ev\x07.json"
    create_store(str(path))
    with closing(open_store(str(path))) as store:
        fill(store, lambda: EVIL, lambda: {EVIL: [EVIL, {EVIL: EVIL}]})
        more = [command(f"m-{number}", Action.ADD, actor=EVIL, title=f"{EVIL}title") for number in range(12)]
        assert all(outcome.event for outcome in store.apply(more))
    async with staged(path, size=size, actor=EVIL) as stage:
        await tour(stage, EVIL)
        # So many at once have to be confirmed.
        await stage.press("1", "*", "s")
        await stage.until(lambda: len(stage.deck.screen_stack) > 1)
        check(stage)
        await stage.press("escape")


_MADE_UP = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("DROP TRIGGER events_insert_refused")
connection.execute(*eval(sys.argv[2]))
connection.commit()
"""


async def test_events_that_strangers_made_up_are_harmless_on_every_screen(tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    create_store(str(path))
    with closing(open_store(str(path))) as store:
        fill(store, lambda: "x", lambda: "x")
    changes = json.dumps({EVIL: [EVIL, {EVIL: EVIL}]})
    made_up = (
        "INSERT INTO events (task_id, at, actor, action, from_state, to_state, attempts, note, changes) "
        "SELECT id, ?1, ?1, ?1, state, state, 0, ?1, ?2 FROM tasks"
    )
    words = [sys.executable, "-S", "-c", _MADE_UP, str(path), repr((made_up, (EVIL, changes)))]
    subprocess.run(words, check=True)
    async with staged(path, size=(160, 40), actor="ada") as stage:
        await stage.press("3", "enter", "end")
        await stage.until(lambda: "e␛[31m" in shown(stage))
        await stage.press("escape")
        await tour(stage, EVIL)


def fill(store: Any, text: Callable[[], str], value: Callable[[], Json]) -> None:
    """A task in every state, by Taskdeck's own ways."""
    way = (Action.START, Action.SUBMIT, Action.APPROVE)
    for number in range(5):
        added = {
            "title": f"{text()[:1_900]}title",
            "description": text() if number else "",
            "tags": [text(), text()],
            "data": value(),
        }
        actions = way[:number] if number < 4 else (Action.FAIL,)
        for action in (Action.ADD, *actions):
            fields = {Action.ADD: added, Action.SUBMIT: {"result": value()}}.get(action, {})
            if action is Action.FAIL:
                fields = {"error": text() + "x"}
            (outcome,) = store.apply([command(f"t-{number}", action, actor=text(), note=text(), group="g", **fields)])
            assert outcome.refusal is None, outcome.refusal
