"""The command line as a whole: its commands, its help, its usage errors, and what bad input gets."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
from cli_stage import PROGRAM, add, environment, on_terminal, running, taskdeck, taskdeck_process

from taskdeck_store.machine import RULES, TABLE
from taskdeck_store.values import Action
from taskdeck_tui import __version__
from taskdeck_tui.cli.main import main
from taskdeck_tui.cli.parser import FORMS, MOVES

COMMANDS = (
    *("board", "demo", "init", "add", "edit", "list", "counts", "show", "info"),
    *("start", "submit", "approve", "reject", "fail", "retry", "release", "step", "pause", "resume", "log", "output"),
    *(
        "replay",
        "stats",
        "verify",
        "metrics",
        "mcp",
        "run",
        "export",
        "backup",
        "restore",
        "recover",
        "convert",
        "completion",
    ),
)


def test_the_commands_are_those_of_the_contract() -> None:
    assert tuple(FORMS) == COMMANDS


def test_the_actions_are_those_of_the_table() -> None:
    assert tuple(MOVES) == tuple(r.action for r in TABLE if r.action not in (Action.ADD, Action.EDIT))
    for action in MOVES:
        assert RULES[action].summary in FORMS[action].summary


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_and_takes_json(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    said = capsys.readouterr()
    assert f"usage: taskdeck {command}" in said.out
    assert "--json" in said.out
    assert said.err == ""


def test_the_help_names_every_command_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    for command in COMMANDS:
        assert f"\n    {command}" in said
    for code, meaning in enumerate(
        ("done", "the store", "usage", "no such task", "the action", "it changed", "read-only")
    ):
        assert f"{code} {meaning}" in " ".join(said.split())


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"taskdeck {__version__}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["list"], "STORE"),
        (["list", "s.db", "--nope"], "--nope"),
        (["list", "s.db", "--lim", "3"], "--lim"),
        (["list", "s.db", "--limit", "-1"], "from 0 up"),
        (["list", "s.db", "--limit", "9" * 50], "whole number"),
        (["list", "s.db", "stat:x"], "did you mean state?"),
        (["counts", "s.db", "-stat:x"], "did you mean state?"),
        (["start", "s.db"], "ID"),
        (["start", "s.db", "a", "b", "--expect", "1"], "--expect"),
        (["reject", "s.db", "a"], "--note"),
        (["reject", "s.db", "a", "--note", " "], "--note"),
        (["submit", "s.db", "a", "--result", "{"], "not JSON"),
        (["submit", "s.db", "a", "--result", "NaN"], "not JSON"),
        (["start", "s.db", "a", "--result", "1"], "--result"),
        (["start", "s.db", "a", "--actor", ""], "--actor"),
        (["start", "s.db", "a", "--actor", "external"], "external"),
        (["add", "s.db", "x", "--priority", "high"], "whole number"),
        (["add", "s.db", "x", "--data", "1e999"], "too large"),
        (["add", "s.db", "-", "--tag", "x"], "TITLE"),
        (["stats", "s.db", "stat:x"], "did you mean state?"),
        (["stats", "s.db", "--from", "soon"], "--from: 'soon' is no moment; understood are 2026-01-31"),
        (["stats", "s.db", "--to", "-2y"], "--to: '-2y' is no moment"),
        (["stats", "s.db", "--from", "-1h", "--to", "-2h"], "the span is empty: --from "),
        (["completion", "nope"], "bash"),
        (["replay", "s.db", "--why"], "name a task, or a moment"),
        (["replay", "s.db", "--at", "3", "--from", "2"], "choose one of --at"),
        (["replay", "s.db", "a", "--at", "3", "--why"], "--why and --markdown tell a task's whole story"),
        (["replay", "s.db", "a", "--markdown", "--whi"], "--whi"),
        (["lits"], "did you mean list?"),
        (["lits", "s.db"], "did you mean list?"),
    ],
)
def test_a_usage_error_is_one_line_and_exit_2(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("taskdeck: ")
    assert said in shown.err
    assert main([*words, "--json"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    error = json.loads(shown.err)["error"]
    assert error["code"] == "usage"
    assert said in error["message"]
    assert "\n" not in error["message"]
    assert list(tmp_path.iterdir()) == []


def test_taskdeck_alone_says_what_to_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "name a store" in capsys.readouterr().err


def test_a_wrong_query_is_pointed_at(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "s.db", "tag:漢字", "state:nope"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[1:] == ["  tag:漢字 state:nope", "  " + " " * len("tag:xxxx state:") + "^"]
    assert main(["list", "s.db", "tag:漢字", "state:nope", "--json"]) == 2
    error = json.loads(capsys.readouterr().err)["error"]
    assert error["at"] == len("tag:漢字 state:")
    assert error["query"] == "tag:漢字 state:nope"


def test_text_that_is_no_utf_8_is_refused() -> None:
    ran = taskdeck_process(b"add", b"s.db", b"caf\xe9")
    assert ran.code == 2
    assert "UTF-8" in ran.err


def test_a_store_alone_means_the_board(tmp_path: Path) -> None:
    store = str(tmp_path / "tasks.db")
    taskdeck("init", store)
    for words in ([store], ["board", store], ["--read-only", store], [store, "--actor", "ann"]):
        ran = taskdeck(*words)
        assert ran.code == 2
        assert "needs a terminal" in ran.err


def test_a_board_with_handlers_says_what_is_wrong_with_them_before_it_opens(tmp_path: Path) -> None:
    store = str(tmp_path / "tasks.db")
    taskdeck("init", store)
    (tmp_path / "jobs.py").write_text("def execute(task):\n    return 1\n")
    for words, wrong in (
        (("--handlers", "nowhere"), f"--handlers: there is no module nowhere, neither in {tmp_path} nor installed"),
        (("--handlers", "jobs:no"), "--handlers: jobs has no no"),
        (("--handlers", "jobs", "--read-only"), "--handlers is to do work, and with --read-only nothing may change"),
    ):
        code, out = on_terminal(store, *words, columns=200, cwd=tmp_path)
        assert code == 2
        assert wrong in out


def test_a_board_with_handlers_is_not_opened_on_a_store_that_cannot_be_written(tmp_path: Path) -> None:
    store, bundle = str(tmp_path / "tasks.db"), str(tmp_path / "tasks.bundle")
    taskdeck("init", store)
    taskdeck("add", store, "a task")
    taskdeck("export", store, "--bundle", bundle)
    (tmp_path / "jobs.py").write_text("def execute(task):\n    return 1\n")
    code, out = on_terminal(bundle, "--handlers", "jobs", columns=200, cwd=tmp_path)
    assert code == 6
    assert "cannot be written to" in out


def test_a_store_named_like_a_command_is_opened_by_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    taskdeck("init", "tasks.db")
    Path("tasks.db").rename("list")
    assert "needs a terminal" in taskdeck("board", "list").err
    assert taskdeck("list", "list").code == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh", "fish"])
def test_a_completion_script_knows_every_command(shell: str) -> None:
    ran = taskdeck("completion", shell)
    assert ran.code == 0
    assert ran.err == ""
    assert all(command in ran.out for command in COMMANDS)
    assert taskdeck("completion", shell, "--json").value == {"shell": shell, "script": ran.out.rstrip()}
    program = shutil.which(shell)
    if program:
        subprocess.run([program, "-n"], input=ran.out, text=True, check=True)


def test_bash_completes_commands_and_options(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash here")
    script = tmp_path / "taskdeck.bash"
    script.write_text(taskdeck("completion", "bash").out)

    def completed(*words: str) -> list[str]:
        code = f"""
            source {script}
            COMP_WORDS=({" ".join(words)}); COMP_CWORD={len(words) - 1}
            _shtab_taskdeck
            printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        done = subprocess.run([bash, "-c", code], capture_output=True, text=True, check=False)
        return done.stdout.split()

    assert completed("taskdeck", "re") == ["reject", "retry", "release", "resume", "replay", "restore", "recover"]
    assert completed("taskdeck", "submit", "--re") == ["--result"]


BAD_STORES = {
    "folder": "is a folder",
    "missing.db": "taskdeck init",
    "missing.json": "taskdeck init",
    "empty.db": "is empty",
    "empty.json": "is empty",
    "foreign.db": "foreign.db",
    "newer.db": "newer",
    "named.db": "named like a SQLite file",
    "broken.json": "line 2 column",
    "scalar.json": "scalar.json",
    "double.json": "a second task has the id a",
    "state.json": "paused",
    "nan.json": "NaN",
    "latin.json": "latin.json",
    "redis:x": "redis:",
}


@pytest.fixture(scope="module")
def bad_stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    (folder / "folder").mkdir()
    (folder / "empty.db").touch()
    (folder / "empty.json").touch()
    foreign = sqlite3.connect(folder / "foreign.db")
    foreign.execute("CREATE TABLE notes (body TEXT)")
    foreign.close()
    assert taskdeck("init", str(folder / "newer.db")).code == 0
    newer = sqlite3.connect(folder / "newer.db")
    newer.execute("PRAGMA user_version = 999")
    newer.close()
    (folder / "named.db").write_text("[]")
    (folder / "broken.json").write_text('[\n  {"id": "a" "title": "b"}\n]\n')
    (folder / "scalar.json").write_text("42\n")
    twice = '{"id": "a", "title": "x", "state": "pending"}'
    (folder / "double.json").write_text(f"[{twice}, {twice}]")
    (folder / "state.json").write_text('[{"id": "a", "title": "x", "state": "paused"}]')
    (folder / "nan.json").write_text('[{"id": "a", "title": "x", "result": NaN}]')
    (folder / "latin.json").write_bytes('[{"id": "a", "title": "é", "state": "failed"}]'.encode("latin-1"))
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("name", BAD_STORES)
@pytest.mark.parametrize(
    "words",
    [
        ["list"],
        ["counts"],
        ["show", "a"],
        ["log"],
        ["log", "--follow"],
        ["replay", "a"],
        ["replay", "--at", "1"],
        ["replay", "--from", "1"],
        ["stats"],
        ["start", "a"],
        ["add", "x"],
    ],
    ids=" ".join,
)
def test_a_bad_store_gets_one_clear_line(
    name: str, words: list[str], bad_stores: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bad_stores)
    before = content(bad_stores)
    line = [words[0], name, *words[1:]]
    assert main(line) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("taskdeck: ")
    assert shown.err.count("\n") == 1
    assert BAD_STORES[name] in shown.err
    assert main([*line, "--json"]) == 1
    error = json.loads(capsys.readouterr().err)["error"]
    assert error["code"] not in ("internal", "usage")
    assert name.partition(":")[0] in error["message"]
    assert content(bad_stores) == before


@pytest.mark.parametrize("name", BAD_STORES)
def test_a_board_is_not_opened_on_a_bad_store(name: str, bad_stores: Path) -> None:
    before = content(bad_stores)
    code, screen = on_terminal(name, cwd=bad_stores)
    assert code == 1
    assert BAD_STORES[name] in " ".join(screen.split())
    assert "Traceback" not in screen
    assert content(bad_stores) == before


def test_init_changes_nothing_that_is_there(tmp_path: Path) -> None:
    for name in ("tasks.db", "tasks.json"):
        store = tmp_path / name
        made = taskdeck("init", str(store), "--json")
        assert made.value == {"address": str(store), "kind": "SQLite" if name == "tasks.db" else "JSON"}
        add(str(store), "a")
        before = store.read_bytes()
        again = taskdeck("init", str(store), "--json")
        assert (again.code, again.error["code"]) == (1, "exists")
        assert store.read_bytes() == before
    assert taskdeck("init", str(tmp_path / "no" / "such" / "folder.db")).code == 1


def test_an_error_nobody_foresaw_is_one_line_that_asks_for_a_report(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("odd\x1b")

    monkeypatch.setattr("taskdeck_tui.cli.reading.open_readable", fails)
    assert main(["list", "s.db"]) == 1
    shown = capsys.readouterr().err
    assert "please report" in shown
    assert "RuntimeError at test_cli_surface.py" in shown
    assert "odd" not in shown
    assert shown.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    store = str(tmp_path / "tasks.db")
    taskdeck("init", store)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*PROGRAM, "add", store, "x"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith("taskdeck: cannot write the output: ")
    assert done.stderr.count("\n") == 1
    assert len(taskdeck("list", store, "--json").value) == 1


@pytest.mark.parametrize("json_words", [[], ["--json"]])
def test_a_reader_that_goes_away_is_no_error(json_words: list[str], tmp_path: Path) -> None:
    store = str(tmp_path / "tasks.db")
    taskdeck("init", store)
    add(store, *(f"t-{number}" for number in range(3_000)))
    with running("list", store, *json_words) as listing:
        assert listing.stdout is not None
        assert listing.stderr is not None
        listing.stdout.read(10)
        listing.stdout.close()
        assert listing.stderr.read() == b""
        assert listing.wait(60) == 0


def test_an_action_is_done_though_nobody_reads_what_it_says(tmp_path: Path) -> None:
    store = str(tmp_path / "tasks.db")
    taskdeck("init", store)
    add(store, "a")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*PROGRAM, "start", store, "a"], stdout=writing, stderr=subprocess.PIPE, env=environment(), check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
    assert taskdeck("show", store, "a", "--json").value["state"] == "in_progress"


@pytest.mark.skipif(os.name == "nt", reason="closes descriptors as a POSIX shell does")
def test_closed_streams_are_no_error(tmp_path: Path) -> None:
    store = str(tmp_path / "tasks.db")
    taskdeck("init", store)
    line = " ".join(PROGRAM)
    for closed in (">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"):
        assert (
            subprocess.run(["sh", "-c", f"{line} add {store} x {closed}"], env=environment(), check=False).returncode
            == 0
        )
    assert len(taskdeck("list", store, "--json").value) == 4
    assert subprocess.run(["sh", "-c", f"{line} add {store} - <&-"], capture_output=True, check=False).returncode == 2
