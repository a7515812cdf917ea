"""The user's own files of the terminal app."""

from __future__ import annotations

from pathlib import Path

from taskdeck_store.userfolders import config_folder, state_folder


def config_path() -> Path:
    """Return where the user's file lies, if there is one."""
    return config_folder() / "config.toml"


def state_path() -> Path:
    """Return where the board keeps what it remembers."""
    return state_folder() / "state.json"
