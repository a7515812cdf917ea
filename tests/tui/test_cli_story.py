"""replay ID: one task's story for people, as Markdown, as JSON, and why the task is where it is."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import pytest
from cli_stage import EVENT_FIELDS, add, on_terminal, taskdeck
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from msgspec.structs import replace

from taskdeck_store.clock import plus
from taskdeck_store.story import Story, story
from taskdeck_store.values import Event, State, Task
from taskdeck_tui.cli.columns import width
from taskdeck_tui.markdown import story_markdown

STORY_FIELDS = [
    *(
        "task_id",
        "title",
        "state",
        "since",
        "now",
        "created",
        "ended",
        "not_before",
        "depends_on",
        "blocked",
        "owner",
        "lease_until",
        "attempt",
    ),
    *("max_attempts", "spent", "chapters", "remarks", "why"),
]
EVIL = "x\x1b[2J\x1b]0;owned\x07\u202e\u200b\x9b31m"
_COLOUR = re.compile(r"\x1b\[\d*m")


@pytest.fixture(params=["tasks.db", "tasks.json"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store with a task that was rejected once and waits for review again."""
    path = str(tmp_path / request.param)
    taskdeck("init", path)
    assert taskdeck("add", path, "Count the rows", "--id", "a", "--tag", "data", "--actor", "planner").code == 0
    for words in (
        ["start", path, "a", "--actor", "w-3"],
        ["submit", path, "a", "--actor", "w-3", "--result", '{"rows": 5120, "files": ["a.py"], "odd": "```"}'],
        ["reject", path, "a", "--actor", "ann", "--note", "the numbers\ndo not add up"],
        ["start", path, "a", "--actor", "w-7"],
        ["submit", path, "a", "--actor", "w-7", "--result", '{"rows": 5200, "files": ["a.py", "b.py"]}'],
    ):
        assert taskdeck(*words).code == 0
    return path


def test_a_story_is_one_document(store: str) -> None:
    found = taskdeck("replay", store, "a", "--json").value
    assert list(found) == STORY_FIELDS
    assert (found["task_id"], found["title"], found["state"], found["attempt"]) == ("a", "Count the rows", "review", 2)
    assert [(chapter["number"], chapter["owners"]) for chapter in found["chapters"]] == [(1, ["w-3"]), (2, ["w-7"])]
    steps = [step for chapter in found["chapters"] for step in chapter["steps"]]
    assert [step["event"] for step in steps] == taskdeck("log", store, "a", "--json").value
    assert all(list(step) == ["event", "at", "stayed", "parts", "remarks"] for step in steps)
    assert all(list(step["event"]) == EVENT_FIELDS for step in steps)
    assert steps[-1]["parts"]["result"][0] == {"path": ["rows"], "kind": "changed", "before": 5120, "after": 5200}
    assert [list(spent) for spent in found["spent"]] == [["state", "seconds", "stays", "unknown", "going_on"]] * 3
    assert found["why"] == taskdeck("replay", store, "a", "--why").out.splitlines()


def test_a_person_reads_attempts_times_and_what_changed(store: str) -> None:
    said = taskdeck("replay", store, "a").out
    assert "\x1b" not in said
    lines = [line.strip() for line in said.splitlines()]
    assert lines[0] == "◆ review  Count the rows"
    assert lines[1].startswith("a · created ")
    assert lines[1].endswith(" · owner w-7")
    assert [line.split()[0] for line in lines[3:6]] == ["○", "◐", "◆"]
    assert [line.partition(" · 0s")[0] for line in lines if line.startswith("Attempt")] == [
        "Attempt 1 of 3 · w-3",
        "Attempt 2 of 3 · w-7",
    ]
    ends = [line.partition("  ")[2] for line in lines if re.match(r"\d\d:\d\d:\d\d", line)]
    assert [end.partition("  ")[0] for end in ends] == [
        "○ planner added it",
        "◐ w-3 started attempt 1",
        "◆ w-3 submitted a result",
        "○ ann rejected it",
        "◐ w-7 started attempt 2",
        "◆ w-7 submitted a result",
    ]
    assert {"▎ the numbers", "▎ do not add up", "rows      5120 → 5200", "files[1]  + b.py", "odd       − ```"} <= {
        *lines
    }
    assert re.fullmatch(r"now +◆ in review for \d+s", lines[-1])


def test_why_is_a_sentence_a_line_in_a_pipe_and_running_text_on_a_terminal(store: str) -> None:
    said = taskdeck("replay", store, "a", "--why").out
    assert re.sub(r"on \S+ \S+ UTC|\d+ seconds?|less than a second", "T", said).splitlines() == [
        "a is in review.",
        "planner added it T.",
        "w-3 started attempt 1 at once and submitted a result at once; ann rejected it at once: “the numbers …”.",
        "w-7 started attempt 2 at once and submitted a result at once.",
        "It has been waiting for review for T.",
    ]
    code, screen = on_terminal("replay", store, "a", "--why", columns=60)
    assert code == 0
    assert max(map(len, screen.splitlines())) <= 60
    assert len(screen.splitlines()) < 8


@pytest.mark.parametrize("columns", [24, 40, 80, 120])
def test_a_story_keeps_to_the_width_of_the_terminal(store: str, columns: int) -> None:
    wide = "漢字 " * 30 + "x" * 300
    assert taskdeck("reject", store, "a", "--note", wide, "--actor", "ann").code == 0
    code, screen = on_terminal("replay", store, "a", columns=columns)
    assert code == 0
    assert "\x1b[1m" in screen
    lines = [_COLOUR.sub("", line) for line in screen.splitlines()]
    assert max(map(width, lines)) <= columns
    # Nothing of a sentence is lost.
    assert "".join(["w-3", "submitted", "a", "result"]) in "".join("".join(lines).split())


def test_long_notes_and_values_end_where_it_says_so(store: str) -> None:
    lines = "\n".join(f"line {number}" for number in range(50))
    assert taskdeck("fail", store, "a", "--note", lines, "--actor", "ann").code == 0
    said = taskdeck("replay", store, "a").out
    assert "line 7\n" in said
    assert "line 8\n" not in said
    assert "… 42 more lines; --markdown has them" in said
    assert "line 49\n" in taskdeck("replay", store, "a", "--markdown").out


def blocks(text: str) -> list[tuple[str, str]]:
    """Return the blocks of a Markdown text: their kind, and their text where they have one."""
    return [(token.type, token.content) for token in MarkdownIt("commonmark").enable("table").parse(text)]


def test_a_story_as_markdown_has_its_parts_in_their_places(store: str) -> None:
    said = taskdeck("replay", store, "a", "--markdown").out
    found = blocks(said)
    headings = [found[at + 1][1] for at, (kind, _) in enumerate(found) if kind == "heading_open"]
    assert headings == [
        *("a: Count the rows", "Why it is here", "Time in each state"),
        *("Attempt 1 of 3: w-3", "Attempt 2 of 3: w-7"),
    ]
    assert [kind for kind, _ in found].count("tr_open") == 4
    fences = [text for kind, text in found if kind == "fence"]
    assert json.loads(fences[0]) == {"rows": 5120, "files": ["a.py"], "odd": "```"}
    assert fences[1] == '- rows: 5120\n+ rows: 5200\n+ files[1]: "b.py"\n- odd: "```"\n'
    assert json.loads(fences[2]) == {"rows": 5200, "files": ["a.py", "b.py"]}
    at = found.index(("blockquote_open", ""))
    assert found[at + 2] == ("inline", "the numbers\ndo not add up")
    why = taskdeck("replay", store, "a", "--markdown", "--why").out
    assert why.startswith("a is in review. planner added it on ")
    assert why.count("\n") == 1


PIECES = [
    "#",
    "```",
    "~~~",
    "- ",
    "1. ",
    "> ",
    "|",
    "---",
    "===",
    "<b>",
    "<!--",
    "[a](b)",
    "\\",
    "`",
    "*x*",
    "_",
    "&lt;",
]
PIECES += ["\n", "\n\n", "\r", "\u2028", "\x85", "    ", "\t", EVIL, "a", "é", "漢", "+ ", "1) ", "!", "***"]
TEXTS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=7).map("".join)


def made(text: str, value: object, name: str) -> Story:
    """Return a story with one text in all its places, one value, and one name of a field."""
    now = "2026-01-31T09:05:00.000000Z"
    first = Event(
        seq=1, task_id=text, at=now, actor=text, action="add", from_state=None, to_state=State.PENDING, attempts=0
    )
    submitted = replace(
        first, seq=2, action=text, from_state=State.PENDING, to_state=State.REVIEW, note=f"a{text}\n\nb"
    )
    submitted = replace(submitted, changes={"result": (None, value), "owner": (None, text + "w"), name: (None, text)})
    task = Task(id=text, title=f"a{text}", state=State.REVIEW, owner=text)
    return story(text, [first, submitted], task, plus(now, 5))


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(text=TEXTS, value=TEXTS)
def test_no_text_breaks_out_of_its_place(text: str, value: str) -> None:
    found = blocks("\n".join(story_markdown(made(text, {"a": value}, "x" + text))))
    plain = blocks("\n".join(story_markdown(made("a", {"a": "a"}, "xa"))))
    kinds = [kind for kind, _ in found if not kind.startswith(("paragraph", "inline", "fence"))]
    assert kinds == [kind for kind, _ in plain if not kind.startswith(("paragraph", "inline", "fence"))]
    assert not [kind for kind, _ in found if "html" in kind or kind in ("hr", "code_block")]
    inline = [
        child.type
        for token in MarkdownIt("commonmark").parse("\n".join(story_markdown(made(text, value, text))))
        for child in token.children or ()
    ]
    assert {*inline} <= {"text", "text_special", "softbreak", "strong_open", "strong_close", "em_open", "em_close"}
    assert (inline.count("strong_open"), inline.count("em_open")) == (3, 1)
    document = "\n".join(story_markdown(made(text, value, text)))
    assert all(character.isprintable() or character == "\n" for character in document)


@pytest.mark.parametrize("text", ["a\n```\n# b", "````\n~~~\n`````\nx", "    a\n  ```", "one\n\n\n- two"])
def test_a_text_is_whole_behind_its_fence(text: str) -> None:
    document = "\n".join(story_markdown(made("a", text, "other")))
    assert [content for kind, content in blocks(document) if kind == "fence"] == [f"{text}\n"]


def test_hostile_content_reaches_no_terminal(tmp_path: Path) -> None:
    path = str(tmp_path / "tasks.db")
    taskdeck("init", path)
    line = json.dumps({"id": "bad", "title": EVIL, "description": EVIL, "tags": [EVIL], "data": {EVIL: [EVIL]}})
    assert taskdeck("add", path, "-", stdin=line).code == 0
    assert taskdeck("fail", path, "bad", "--note", EVIL, "--actor", EVIL).code == 0
    for words in ([], ["--why"], ["--markdown"], ["--markdown", "--why"], ["--json"]):
        ran = taskdeck("replay", path, "bad", *words)
        assert ran.code == 0
        assert "bad" in ran.out
        assert all(character.isprintable() or character == "\n" for character in ran.out)
    code, screen = on_terminal("replay", path, "bad")
    assert code == 0
    assert all(character.isprintable() or character == "\n" for character in _COLOUR.sub("", screen))


def test_a_log_edited_by_hand_is_told_with_what_it_lacks(tmp_path: Path) -> None:
    path = str(tmp_path / "tasks.db")
    taskdeck("init", path)
    add(path, "a")
    with sqlite3.connect(path) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        insert = (
            "INSERT INTO events (task_id, at, actor, action, from_state, to_state, attempts) VALUES (?,?,?,?,?,?,?)"
        )
        database.execute(insert, ("a", "", "bob", "split", "review", "failed", 0))
        database.execute(insert, ("late", "2026-01-31T09:05:00.000000Z", "bob", "approve", "review", "completed", 4))
    database.close()
    lines = [" ".join(line.split()) for line in taskdeck("replay", path, "a").out.splitlines()]
    for line in (
        "┄┄ between these two events something is missing: the first left it pending, the second found it in review",
        "? ✗ bob did split from review to failed after an unknown time in review",
        "┄┄ the log does not say when this was",
        "┄┄ this version does not know that action",
        "┄┄ after the last event something is missing: it left it failed, and now it is pending",
        "◆ review not known",
    ):
        assert line in lines
    lines = [" ".join(line.split()) for line in taskdeck("replay", path, "late").out.splitlines()]
    assert lines[0] == "× gone"
    assert "Attempt 5" in lines
    assert "┄┄ before this, the log knows nothing of it" in lines
    assert lines[-1] == "now × gone; the log does not say since when"
    document = taskdeck("replay", path, "late", "--json").value
    assert (document["state"], document["created"]) == (None, None)
    assert "*Before this, the log knows nothing of it.*" in taskdeck("replay", path, "late", "--markdown").out


def test_the_story_of_no_task_is_exit_3(store: str) -> None:
    for words in ([], ["--why"], ["--markdown"]):
        ran = taskdeck("replay", store, "zz", *words)
        assert (ran.code, ran.out) == (3, "")
        assert ran.err.startswith("taskdeck: no task zz")
    ran = taskdeck("replay", store, "zz", "--json")
    assert (ran.code, ran.out, ran.error["code"], ran.error["task_id"]) == (3, "", "not_found", "zz")


def test_a_document_is_either_markdown_or_json(store: str) -> None:
    ran = taskdeck("replay", store, "a", "--markdown", "--json")
    assert (ran.code, ran.error["code"]) == (2, "usage")


def test_what_another_program_did_is_told(store: str) -> None:
    if store.endswith(".db"):
        with sqlite3.connect(store) as database:
            database.execute("UPDATE tasks SET state = 'completed' WHERE id = 'a'")
        database.close()
    else:
        path = Path(store)
        path.write_text(path.read_text().replace('"review"', '"completed"'))
    assert "an outside program approved it" in taskdeck("replay", store, "a").out
