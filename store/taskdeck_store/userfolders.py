"""Where the user's own files lie: where the XDG Base Directory Specification says
(https://specifications.freedesktop.org/basedir-spec/), on Windows in the folders of APPDATA and LOCALAPPDATA.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def config_folder() -> Path:
    """Return the folder of what the user sets."""
    return _folder("XDG_CONFIG_HOME", ".config", "APPDATA")


def state_folder() -> Path:
    """Return the folder of what Taskdeck remembers."""
    return _folder("XDG_STATE_HOME", ".local/state", "LOCALAPPDATA")


def _folder(variable: str, at_home: str, on_windows: str) -> Path:
    if sys.platform == "win32":
        variable, at_home = on_windows, f"AppData/{'Roaming' if on_windows == 'APPDATA' else 'Local'}"
    named = Path(os.environ.get(variable, ""))
    # The specification has relative paths ignored.
    return (named if named.is_absolute() else Path.home() / at_home) / "taskdeck"
