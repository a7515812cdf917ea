"""The harness itself, against programs so small that what they paint is known."""

from __future__ import annotations

import signal
import sys

import pytest

from e2e import tmux
from e2e.terminal import Terminal
from e2e.tmux import Tmux

_ECHO = r"""
import os, signal, sys, tty
def size(*_):
    columns, lines = os.get_terminal_size()
    sys.stdout.write(f"\x1b[2;1Hsize {columns}x{lines}\x1b[K"); sys.stdout.flush()
signal.signal(signal.SIGWINCH, size)
tty.setraw(0)
sys.stdout.write("\x1b[2J\x1b[1;1H\x1b[38;2;255;0;16mready\x1b[0m"); sys.stdout.flush()
size()
while True:
    data = os.read(0, 100)
    if data == b"q":
        sys.exit(7)
    sys.stdout.write(f"\x1b[3;1Hgot {data!r}\x1b[K"); sys.stdout.flush()
"""
ECHO = [sys.executable, "-c", _ECHO]


def test_a_program_paints_answers_keys_and_ends() -> None:
    with Terminal(ECHO, columns=60, lines=10) as terminal:
        terminal.wait_for("^ready$")
        terminal.wait_for("^size 60x10$")
        terminal.send("x")
        terminal.wait_for("got b'x'")
        terminal.send("up")
        terminal.wait_for(r"got b'\\x1b\[A'")
        terminal.send("q")
        assert terminal.exit_code() == 7
        assert b"\x1b[38;2;255;0;16m" in terminal.raw


def test_colours_and_places_can_be_asked() -> None:
    with Terminal(ECHO, columns=60, lines=10) as terminal:
        terminal.wait_for("size")
        assert terminal.find("ready") == (0, 0)
        assert terminal.colour_at(0, 0) == ("ff0010", "default")
        assert terminal.colour_at(1, 0) == ("default", "default")
        assert terminal.cursor == (1, len("size 60x10"))


def test_the_program_hears_of_a_resize() -> None:
    with Terminal(ECHO, columns=60, lines=10) as terminal:
        terminal.wait_for("size 60x10")
        terminal.resize(44, 12)
        terminal.wait_for("size 44x12")


def test_a_missing_word_fails_and_shows_the_screen() -> None:
    with Terminal(ECHO, columns=60, lines=10) as terminal:
        terminal.wait_for("ready")
        with pytest.raises(AssertionError, match=r"(?s)'nowhere'.*ready"):
            terminal.wait_for("nowhere", timeout=0.2)


def test_a_program_that_ends_is_not_waited_for() -> None:
    with Terminal([sys.executable, "-c", "print('bye')"]) as terminal:
        with pytest.raises(AssertionError, match=r"(?s)its program ended.*bye"):
            terminal.wait_for("nowhere")
        assert terminal.exit_code() == 0


def test_a_killed_program_tells_its_signal() -> None:
    with Terminal(ECHO) as terminal:
        terminal.wait_for("ready")
        terminal.kill(signal.SIGTERM)
        assert terminal.exit_code() == -signal.SIGTERM


def test_the_same_in_tmux() -> None:
    tmux.required()
    with Tmux(ECHO, columns=60, lines=10) as terminal:
        terminal.wait_for("^ready$")
        terminal.wait_for("^size 60x10$")
        terminal.send("x")
        terminal.wait_for("got b'x'")
        terminal.resize(44, 12)
        terminal.wait_for("size 44x12")
        terminal.wait_gone("size 60x10")
        terminal.send("q")
        assert terminal.exit_code() == 7
