"""The themes are legible, and the five states can be told apart by everybody who sees colours at all or not."""

from __future__ import annotations

import itertools
import math

import pytest
from stage import Stage, settled, shown, task
from textual.color import Color
from textual.theme import Theme

from taskdeck_store.values import State
from taskdeck_tui.screens.details import Details
from taskdeck_tui.themes import DEFAULT_THEME, THEMES

TRUE_COLOUR = [theme for theme in THEMES if not theme.ansi]
STATES = [f"state-{state.replace('_', '-')}" for state in State]
ON_CARDS = [*STATES, "card-title", "card-meta", "card-tag", "card-preview"]
ON_PAGES = [*STATES, "page-title", "label", "before", "after", "json-key", "json-string", "json-number", "json-word"]
ON_PAGES += ["json-mark", "hint-key", "hint-word", "mode-live", "mode-frozen", "mode-read-only", "mode-lost"]

# Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency" (2009),
# severity 1.0, on linear RGB.
SIGHTS = {
    "all colours": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039)),
}
APART = 15
"""Least distance (CIE 1976) of two state hues; 2.3 is just noticeable, 10 is seen at a glance."""


def linear(colour: str) -> list[float]:
    parts = [part / 255 for part in Color.parse(colour).rgb]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def luminance(colour: str) -> float:
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2.2."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def lab(colour: str, sight: str) -> tuple[float, float, float]:
    rgb = linear(colour)
    seen = [min(1.0, max(0.0, sum(a * b for a, b in zip(row, rgb, strict=True)))) for row in SIGHTS[sight]]
    x = (0.4124 * seen[0] + 0.3576 * seen[1] + 0.1805 * seen[2]) / 0.95047
    y = 0.2126 * seen[0] + 0.7152 * seen[1] + 0.0722 * seen[2]
    z = (0.0193 * seen[0] + 0.1192 * seen[1] + 0.9505 * seen[2]) / 1.08883
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def test_there_are_a_dark_a_light_a_contrast_and_a_terminal_theme() -> None:
    assert [theme.name for theme in THEMES] == [
        "taskdeck-dark",
        "taskdeck-light",
        "taskdeck-contrast",
        "taskdeck-terminal",
    ]
    assert DEFAULT_THEME == "taskdeck-dark"


def test_all_themes_name_the_same_colours() -> None:
    names = set(THEMES[0].variables)
    for theme in THEMES:
        assert names <= set(theme.variables), theme.name


@pytest.mark.parametrize("theme", TRUE_COLOUR, ids=lambda theme: theme.name)
def test_text_stands_out_from_what_it_is_on(theme: Theme) -> None:
    least = 7.0 if theme.name == "taskdeck-contrast" else 4.5
    values = theme.variables
    assert theme.background is not None
    grounds = [theme.background, values["card-cursor-bg"], values["card-selected-bg"]]
    pairs = [(name, ground) for name in ON_CARDS for ground in grounds]
    pairs += [(name, values["page-bg"]) for name in ON_PAGES]
    pairs += [
        (name, values["head-bg"]) for name in (*STATES, "head-text", "head-muted", "hint-key", "hint-word", "spark")
    ]
    pale = {(name, ground): round(contrast(values[name], ground), 2) for name, ground in pairs}
    assert not {pair: ratio for pair, ratio in pale.items() if ratio < least}


@pytest.mark.parametrize("theme", TRUE_COLOUR, ids=lambda theme: theme.name)
@pytest.mark.parametrize("sight", SIGHTS)
def test_the_states_differ_in_every_kind_of_sight(theme: Theme, sight: str) -> None:
    hues = {name: lab(theme.variables[name], sight) for name in STATES}
    near = {(a, b): round(math.dist(hues[a], hues[b]), 1) for a, b in itertools.combinations(STATES, 2)}
    assert not {pair: distance for pair, distance in near.items() if distance < APART}


def test_the_terminal_theme_takes_every_colour_from_the_terminal() -> None:
    theme = THEMES[-1]
    assert theme.ansi
    own = {name: value for name, value in theme.variables.items() if "#" in value or "rgb" in value}
    assert not own


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
async def test_a_page_is_drawn_in_each_theme_and_after_a_change_of_theme(theme: Theme) -> None:
    app = Stage(lambda: Details("task-17", task(), (), task().created_at or ""), theme=theme.name)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "Fix the flaky login test" in shown(app)
        app.theme = DEFAULT_THEME
        await settled(pilot)
        assert "Fix the flaky login test" in shown(app)
