"""list, counts and show: for programs, for people, and for a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_stage import TASK_FIELDS, add, on_terminal, taskdeck, taskdeck_process

from taskdeck_store.clock import normalised
from taskdeck_store.values import State
from taskdeck_tui.cli.columns import cut, fill, width
from taskdeck_tui.glyphs import GLYPHS, WORDS

HOSTILE = "bad \x1b]0;owned\x07 \u202etxt\x9b31m\nnext\u2028line \u200b"


@pytest.fixture(params=["tasks.db", "tasks.json"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store with a task in each state."""
    path = str(tmp_path / request.param)
    taskdeck("init", path)
    add(path, "a", "b", "c", "d", "e")
    steps = [["start", path, "b", "c", "d"], ["submit", path, "c", "d", "--result", '{"ok": true}']]
    steps += [["approve", path, "d"], ["fail", path, "e", "--note", "no disk left"]]
    for words in steps:
        assert taskdeck(*words, "--actor", "ann").code == 0
    return path


def listed(store: str, *query: str) -> list[str]:
    return [task["id"] for task in taskdeck("list", store, *query, "--json").value]


def test_list_gives_whole_tasks_in_the_board_s_order(store: str) -> None:
    tasks = taskdeck("list", store, "--json").value
    assert [task["state"] for task in tasks] == list(State)
    assert all(list(task) == TASK_FIELDS for task in tasks)
    assert [task["id"] for task in tasks] == ["a", "b", "c", "d", "e"]
    review = tasks[2]
    assert review["title"] == "Task c"
    assert review["result"] == {"ok": True}
    assert review["owner"] == "ann"
    assert review["priority"] == 5
    assert review["tags"] == []
    assert review["version"]
    assert tasks[4]["error"] == "no disk left"
    for name in ("created_at", "updated_at", "state_since"):
        assert review[name] is None or normalised(review[name]) == review[name]


def test_list_takes_a_query_in_any_number_of_words(store: str) -> None:
    assert listed(store, "state:review") == ["c"]
    assert listed(store, "state:review,failed") == ["c", "e"]
    assert listed(store, "owner:*", "state:in-progress") == ["b"]
    assert listed(store, "owner:* state:in-progress") == ["b"]
    assert listed(store, '"no disk"') == ["e"]
    assert listed(store, "nothing like this") == []


def test_list_takes_a_term_turned_round_anywhere(store: str) -> None:
    assert listed(store, "-state:review", "-state:failed") == ["a", "b", "d"]
    assert listed(store, "--limit", "1", "-state:pending") == ["b"]
    assert listed(store, "-b", "-owner:none") == ["c", "d"]


def test_owner_me_is_the_actor(store: str) -> None:
    for me, found in (("ann", ["b", "c", "d"]), ("bob", [])):
        ran = taskdeck("list", store, "owner:me", "--json", env={"TASKDECK_ACTOR": me})
        assert [task["id"] for task in ran.value] == found


def test_a_list_is_whole_unless_a_limit_is_given(store: str) -> None:
    assert len(taskdeck("list", store, "--json").value) == 5
    assert len(taskdeck("list", store, "--json", "--limit", "2").value) == 2
    assert taskdeck("list", store, "--json", "--limit", "0").value == []


def test_a_list_in_a_pipe_is_one_plain_line_a_task(store: str) -> None:
    ran = taskdeck("list", store)
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert len(lines) == 5
    assert "\x1b" not in ran.out
    for line, state, task_id in zip(lines, State, "abcde", strict=True):
        assert line.startswith(f"{GLYPHS[state]} {WORDS[state]}")
        assert line.endswith(f"Task {task_id}")
        assert line.index(f" {task_id} ") == lines[0].index(" a ")
    assert taskdeck("list", store, "nothing like this").out == ""


def test_a_list_on_a_terminal_has_colours_and_a_heading_and_fits(store: str) -> None:
    long = "漢字 " * 100
    taskdeck("add", store, long, "--id", "long", "--tag", "x")
    for columns in (40, 80, 120):
        code, screen = on_terminal("list", store, columns=columns)
        assert code == 0
        assert "\x1b[31m✗ failed\x1b[0m" in screen
        lines = [plain(line) for line in screen.splitlines()]
        assert lines[0].split()[:2] == ["STATE", "ID"]
        assert max(map(width, lines)) <= columns
        assert any(line.endswith("…") for line in lines)
    assert on_terminal("list", store, "nothing like this")[1] == "no task matches\n"


def test_a_task_that_waits_for_others_says_so(store: str) -> None:
    assert taskdeck("add", store, "Then", "--id", "then", "--depends-on", "a").code == 0
    (line,) = [line for line in taskdeck("list", store).out.splitlines() if " then " in line]
    assert " blocked  " in line
    assert (listed(store, "blocked:yes"), listed(store, "depends:a")) == (["then"], ["then"])
    said = taskdeck("show", store, "then").out
    (told,) = [line for line in said.splitlines() if line.startswith("depends on")]
    assert told.endswith("  a (1 to be completed)")
    why = taskdeck("replay", store, "then", "--why").out
    assert "; it depends on a, to be completed first." in why


def test_a_task_that_is_left_until_later_says_when_it_is_due(store: str) -> None:
    assert taskdeck("add", store, "Later", "--id", "later", "--not-before", "+2h").code == 0
    lines = taskdeck("list", store).out.splitlines()
    (line,) = [line for line in lines if " later " in line]
    assert " due 2h  " in line
    assert len({line.rindex("  ") for line in lines}) == 1
    _, screen = on_terminal("list", store, columns=100)
    heading, *_ = (plain(line) for line in screen.splitlines())
    assert heading.index("AGE") + 3 == line.index("due 2h") + 6
    assert (listed(store, "due:later"), listed(store, "due:now")) == (["later"], ["a"])
    said = taskdeck("show", store, "later").out
    (told,) = [line for line in said.splitlines() if line.startswith("not before")]
    assert told.endswith("(in 2h)")
    assert taskdeck("show", store, "later", "--json").value["not_before"] in told
    assert taskdeck("start", store, "later").code == 0
    assert "not before" not in taskdeck("show", store, "later").out


def test_colours_can_be_turned_off(store: str) -> None:
    assert "\x1b" not in on_terminal("list", store, NO_COLOR="1")[1]
    assert "\x1b" not in on_terminal("list", store, TERM="dumb")[1]
    assert "\x1b" in on_terminal("list", store, NO_COLOR="")[1]


def test_counts_tell_every_state(store: str) -> None:
    counts = taskdeck("counts", store, "--json").value
    assert list(counts) == list(State)
    for state, tally in counts.items():
        assert list(tally) == ["count", "oldest"]
        assert tally["count"] == 1
        (task,) = taskdeck("list", store, f"state:{state}", "--json").value
        assert tally["oldest"] == task["state_since"]
    assert taskdeck("counts", store, "state:review", "--json").value["failed"] == {"count": 0, "oldest": None}
    lines = taskdeck("counts", store).out.splitlines()
    assert [line.split()[0] for line in lines] == [GLYPHS[state] for state in State]


def test_show_gives_one_task(store: str) -> None:
    task = taskdeck("show", store, "c", "--json").value
    assert list(task) == TASK_FIELDS
    assert task == taskdeck("list", store, "id:c", "--json").value[0]
    said = taskdeck("show", store, "c").out
    for part in ("◆ review", "Task c", "ann", '"ok": true', "0 of 3"):
        assert part in said
    assert "\x1b" not in said


def test_show_of_no_task_is_exit_3(store: str) -> None:
    ran = taskdeck("show", store, "zz")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith("taskdeck: no task zz")
    ran = taskdeck("show", store, "zz", "--json")
    assert (ran.code, ran.out) == (3, "")
    assert ran.error["code"] == "not_found"
    assert ran.error["task_id"] == "zz"


def test_hostile_content_never_reaches_a_terminal(store: str) -> None:
    line = json.dumps({"id": "bad", "title": HOSTILE, "description": HOSTILE, "tags": [HOSTILE], "data": {HOSTILE: 1}})
    assert taskdeck("add", store, "-", stdin=line).code == 0
    assert taskdeck("fail", store, "bad", "--note", HOSTILE, "--actor", HOSTILE).code == 0
    for words in (["list"], ["show", "bad"], ["log"], ["log", "bad"]):
        said = taskdeck(words[0], store, *words[1:]).out
        assert "bad" in said
        assert all(character.isprintable() or character == "\n" for character in said)
        encoded = taskdeck(words[0], store, *words[1:], "--json").out
        assert all(character.isprintable() or character == "\n" for character in encoded)
    assert taskdeck("show", store, "bad", "--json").value["title"] == HOSTILE


def test_what_a_foreign_file_holds_is_shown_safely(tmp_path: Path) -> None:
    path = tmp_path / "foreign.json"
    task = {"id": "t-1", "title": "x", "state": "failed", "error": "\ud800\x1b", "made by": "others", "n": 10**50}
    path.write_text(json.dumps([task]))
    (found,) = taskdeck("list", str(path), "--json").value
    assert found["id"] == task["id"]
    assert found["error"] == task["error"]
    assert found["extra"] == {"made by": "others", "n": 10**50}
    said = taskdeck("show", str(path), "t-1").out
    assert all(character.isprintable() or character == "\n" for character in said)
    assert "others" in said


def test_a_huge_text_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    path.write_text(json.dumps([{"id": "a", "title": "x" * 10_000_000, "state": "pending"}]))
    code, screen = on_terminal("list", str(path), columns=80)
    assert code == 0
    assert max(map(len, map(plain, screen.splitlines()))) <= 80
    assert len(taskdeck("list", str(path), "--json").value[0]["title"]) == 10_000_000


def test_a_terminal_that_is_not_utf_8_still_gets_every_answer(store: str) -> None:
    taskdeck("add", store, "Größe", "--id", "g")
    ascii_only = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    ran = taskdeck_process("list", store, "id:g", env=ascii_only)
    assert ran.code == 0
    assert "Gr??e" in ran.out
    ran = taskdeck_process("list", store, "id:g", "--json", env=ascii_only)
    assert ran.out.isascii()
    assert ran.value[0]["title"] == "Größe"


def test_columns_are_counted_as_a_terminal_counts_them() -> None:
    assert [width(text) for text in ("", "abc", "é", "e\u0301", "漢字", "🎉", "ｱ", "Ａ", "\u1100\u1161")] == [
        *(0, 3, 1, 1, 4, 2, 1, 2, 2)
    ]
    assert fill("漢", 4) == "漢  "
    assert fill("abc", 2) == "abc"
    assert cut("漢字漢字", 8) == "漢字漢字"
    assert cut("漢字漢字", 7) == "漢字漢…"
    assert cut("漢字漢字", 6) == "漢字…"
    assert cut("abc", 0) == ""
    assert cut("abc", -3) == ""


def plain(line: str) -> str:
    """Return a line without its colours."""
    head, *rest = line.split("\x1b[")
    return head + "".join(piece.partition("m")[2] for piece in rest)
