"""What the command line says of strangers' tasks, on a terminal and as JSON."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from hypothesis import given

from fuzz.hostile import dangerous, examples
from fuzz.test_screens import foreign
from tui.cli_stage import on_terminal, taskdeck

_COLOUR = re.compile(r"\x1b\[\d*m")
"""The only sequences that Taskdeck itself writes."""
_WORDS = (["list"], ["show", "t-2"], ["show", "t-4"], ["log"], ["counts"], ["stats"], ["verify"], ["replay", "t-0"])
_PEOPLE = (["replay", "t-2", "--markdown"], ["replay", "t-4", "--why"])
"""What takes options of its own in the place of --json."""


@examples(15)
@given(raw=foreign())
def test_nothing_of_a_strangers_file_reaches_who_reads_the_output(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tasks.json"
        path.write_bytes(raw)
        taskdeck("start", str(path), "t-0", "--actor", "\x1b[2J\u202e", "--note", "\x9b31m")
        for command, *rest in _WORDS:
            ran = taskdeck(command, str(path), *rest)
            assert dangerous(ran.out + ran.err, allowed="\n") == set()
            ran = taskdeck(command, str(path), *rest, "--json")
            assert dangerous(ran.out + ran.err, allowed="\n\u00ad\u200c\u200d") == set()
        for command, *rest in _PEOPLE:
            ran = taskdeck(command, str(path), *rest)
            assert dangerous(ran.out + ran.err, allowed="\n") == set()


@examples(1, shrink=False)
@given(raw=foreign())
def test_nothing_of_a_strangers_file_reaches_a_terminal(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tasks.json"
        path.write_bytes(raw)
        for command, *rest in _WORDS[:3]:
            _, written = on_terminal(command, str(path), *rest)
            assert dangerous(_COLOUR.sub("", written), allowed="\n") == set()
