"""The user's keymap of any bytes: the defaults and a sentence, never a traceback; what is bound, Textual takes."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from fuzz.hostile import TEXTS, dangerous, examples, mutated
from taskdeck_tui.config import load_config
from taskdeck_tui.folders import config_path
from taskdeck_tui.keys import BY_ID

SEED = b'# keys\n[keys]\nstep = "x"\n"approve" = ["ctrl+a", "f5"]\n[other]\nx = 1979-05-27\n'
KEYS = st.lists(
    st.sampled_from(["ctrl", "shift", "alt", "+", ",", "a", "A", "enter", "f5", "f99", "", " ", "comma", "é", "漢"])
    | TEXTS,
    max_size=4,
).map("+".join)
TABLES = st.dictionaries(
    st.sampled_from(sorted(BY_ID)) | TEXTS,
    KEYS | st.lists(KEYS | st.integers(), max_size=3) | st.integers() | st.booleans(),
    max_size=5,
)


def written(table: dict[str, object]) -> bytes:
    """Write a table as TOML: its strings are those of JSON, but for half a surrogate and DEL."""
    lines = [f"{json.dumps(name)} = {json.dumps(value)}" for name, value in table.items()]
    return "\n".join(["[keys]", *lines]).replace("\x7f", "\\u007f").encode()


@examples(300)
@given(raw=st.binary(max_size=80) | mutated(SEED, (b"[", b"=", b'"""', b"\\u202e", b"[" * 3_000)) | TABLES.map(written))
def test_any_keymap_is_read_or_told_in_lines_fit_for_a_terminal(raw: bytes) -> None:
    path = config_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)
    config = load_config()
    assert set(config.keymap) <= set(BY_ID)
    assert all(keys for keys in config.keymap.values())
    for problem in config.problems:
        assert problem
        assert not dangerous(problem)


@examples(150)
@given(keys=KEYS)
def test_a_key_that_is_taken_is_one_that_textual_takes(keys: str) -> None:
    from textual.binding import Binding, BindingsMap

    path = config_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(written({"step": keys}))
    for id, bound in load_config().keymap.items():
        assert list(BindingsMap([Binding(bound, BY_ID[id].action)]))
