"""The user's keymap and what is remembered: read where they lie, and never in the way when they are broken."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest

from taskdeck_tui.config import Config, load_config
from taskdeck_tui.folders import config_path, state_path
from taskdeck_tui.keys import BY_ID, KEYS, SCREENS
from taskdeck_tui.remembered import Remembered, load_remembered, remember


def write(text: str | bytes) -> None:
    path = config_path()
    path.parent.mkdir(parents=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def test_without_a_file_the_defaults_hold_and_the_toml_parser_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tomllib", raising=False)
    assert load_config() == Config()
    assert "tomllib" not in sys.modules


def test_keys_are_bound_anew_one_or_several() -> None:
    write('[keys]\nstep = "n"\napprove = ["F5", "ctrl+a", ","]\nselect = " "\n')
    assert load_config() == Config(keymap={"step": "n", "approve": "f5,ctrl+a,comma", "select": "space"})


def test_two_keys_may_change_places() -> None:
    write('[keys]\nstep = "a"\napprove = "s"\n')
    assert load_config() == Config(keymap={"step": "a", "approve": "s"})


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ('stepp = "n"', "there is no key named stepp; did you mean step?"),
        ('qqqqqqqq = "n"', "there is no key named qqqqqqqq; press ? for their names"),
        ("step = 5", 'step must be a key or a list of keys, as in step = "s"'),
        ("step = []", 'step must be a key or a list of keys, as in step = "s"'),
        ('step = "ctrl-r"', "step: 'ctrl-r' is no key; write one character, or a name such as enter, f5"),
        ('step = ""', "step: '' is no key"),
        ('step = "shift+a"', "step: write 'A' for 'shift+a'"),
        ('step = "a"', "'a' cannot be step, it is approve; step stays on s"),
        ('send = "x"', "send works while text is typed, so 'x' cannot be its key; add ctrl+ or alt+"),
    ],
)
def test_a_wrong_entry_is_told_with_its_line_and_leaves_the_others(entry: str, problem: str) -> None:
    write(f'# mine\n[keys]\nfreeze = "f9"\n{entry}\n')
    config = load_config()
    assert config.keymap == {"freeze": "f9"}
    assert len(config.problems) == 1
    assert config.problems[0].startswith(f"config.toml line 4: {problem}")


def test_of_two_entries_on_one_key_the_first_stays() -> None:
    write('[keys]\nstep = "n"\nfreeze = "n"\n')
    config = load_config()
    assert config.keymap == {"step": "n"}
    assert config.problems == ("config.toml line 3: 'n' cannot be freeze, it is step; freeze stays on p",)


def test_the_keys_that_step_tasks_are_free_where_none_is_stepped() -> None:
    write('[keys]\nfreeze = "c"\n')
    assert load_config() == Config(keymap={"freeze": "c"})
    assert load_config(steps=True).problems == (
        "config.toml line 2: 'c' cannot be freeze, it is run_on; freeze stays on p",
    )


def test_taking_one_entry_out_does_not_leave_another_on_its_key() -> None:
    write('[keys]\nstep = "a"\napprove = "R"\n')
    config = load_config()
    assert config.keymap == {}
    assert len(config.problems) == 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[keys]\nstep = n\n", "is not TOML"),
        ("[keys]\nstep = n\n", "line 2"),
        ("keys = 3\n", "has keys that are no table; begin it with [keys]"),
        (b"[keys]\n\xff", "is not UTF-8 (byte 7)"),
    ],
)
def test_a_broken_file_is_told_with_its_path_and_the_defaults_hold(text: str | bytes, problem: str) -> None:
    write(text)
    config = load_config()
    assert config.keymap == {}
    assert len(config.problems) == 1
    assert config.problems[0].startswith(str(config_path()))
    assert problem in config.problems[0]


def test_an_unknown_table_is_told() -> None:
    write("[colours]\nx = 1\n")
    assert load_config().problems == ("config.toml line 1: there is no [colours]; the one table is [keys]",)


def test_a_folder_in_place_of_the_file_is_told() -> None:
    config_path().mkdir(parents=True)
    assert "cannot be read" in load_config().problems[0]


def test_a_problem_is_one_line_fit_for_a_terminal() -> None:
    write('[keys]\n"\\u001b[2J\\n" = "n"\n')
    assert load_config().problems[0].isprintable()


def test_a_relative_xdg_folder_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "here")
    monkeypatch.setenv("XDG_STATE_HOME", "")
    assert config_path() == Path.home() / ".config" / "taskdeck" / "config.toml"
    assert state_path() == Path.home() / ".local" / "state" / "taskdeck" / "state.json"


def test_what_is_remembered_comes_back() -> None:
    assert load_remembered() == Remembered()
    remember(Remembered(theme="taskdeck-light", lines=1, order="newest"))
    remember(Remembered(theme="taskdeck-dark", lines=3, order="oldest"))
    assert load_remembered() == Remembered(theme="taskdeck-dark", lines=3, order="oldest")
    assert [path.name for path in state_path().parent.iterdir()] == ["state.json"]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"lines": 9}', b'{"theme": 4}', b"\xff", b"[" * 100_000])
def test_damaged_memory_is_no_memory(damage: bytes) -> None:
    state_path().parent.mkdir(parents=True)
    state_path().write_bytes(damage)
    assert load_remembered() == Remembered()


def test_where_nothing_can_be_written_nothing_is_said() -> None:
    state_path().parent.parent.mkdir(parents=True)
    state_path().parent.write_text("a file where the folder should be")
    remember(Remembered(lines=1))
    assert load_remembered() == Remembered()


def test_no_key_does_two_things_on_one_screen() -> None:
    for screen, scopes in SCREENS.items():
        owners: dict[str, str] = {}
        for spec in KEYS:
            if not set(spec.scopes).isdisjoint(scopes):
                for key in spec.keys:
                    assert owners.setdefault(key, spec.id) == spec.id, f"{key} on {screen}"


def test_every_key_belongs_to_a_screen_and_has_an_id_of_its_own() -> None:
    assert len(BY_ID) == len(KEYS)
    known = set(itertools.chain.from_iterable(SCREENS.values()))
    for spec in KEYS:
        assert set(spec.scopes) <= known
        assert spec.keys
        assert spec.tooltip


def test_a_file_that_is_nested_too_deeply_is_said() -> None:
    write("x = " + "[" * 100_000)
    (problem,) = load_config().problems
    assert "is not TOML" in problem


def test_what_was_remembered_and_is_nested_too_deeply_was_never_remembered() -> None:
    state_path().parent.mkdir(parents=True, exist_ok=True)
    state_path().write_bytes(b'{"other": ' + b"[" * 100_000)
    assert load_remembered() == Remembered()
