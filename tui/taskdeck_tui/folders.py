"""Where the user's own files lie: where the XDG Base Directory Specification says
(https://specifications.freedesktop.org/basedir-spec/), on Windows in the folders of APPDATA and LOCALAPPDATA.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def config_path() -> Path:
    """Return where the user's file lies, if there is one."""
    return _folder("XDG_CONFIG_HOME", ".config", "APPDATA") / "taskdeck" / "config.toml"


def state_path() -> Path:
    """Return where the board keeps what it remembers."""
    return _folder("XDG_STATE_HOME", ".local/state", "LOCALAPPDATA") / "taskdeck" / "state.json"


def _folder(variable: str, at_home: str, on_windows: str) -> Path:
    if sys.platform == "win32":
        variable, at_home = on_windows, f"AppData/{'Roaming' if on_windows == 'APPDATA' else 'Local'}"
    named = Path(os.environ.get(variable, ""))
    # The specification has relative paths ignored.
    return named if named.is_absolute() else Path.home() / at_home
