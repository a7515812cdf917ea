"""How a state is told without colour: one glyph of one column, and one word or two."""

from __future__ import annotations

from collections.abc import Mapping

from taskdeck_store.machine import said
from taskdeck_store.values import State

GLYPHS: Mapping[State, str] = {
    State.PENDING: "○",
    State.IN_PROGRESS: "◐",
    State.REVIEW: "◆",
    State.COMPLETED: "✓",
    State.FAILED: "✗",
}

WORDS: Mapping[State, str] = {state: said(state) for state in State}
