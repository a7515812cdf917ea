"""What is said while something takes long before there is a screen."""

from __future__ import annotations

import io
import sys
import time

import pytest

from taskdeck_tui.waiting import told_if_slow


def test_what_takes_long_is_named_and_the_rest_passes_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    with told_if_slow("opening a", after=3600):
        pass
    assert said.getvalue() == ""
    end = time.monotonic() + 10
    with told_if_slow("opening b\x1b[31m", after=0):
        while not said.getvalue().endswith("\n"):
            assert time.monotonic() < end
            time.sleep(0.001)
    assert said.getvalue() == "taskdeck: opening b␛[31m … (ctrl+c leaves)\n"
