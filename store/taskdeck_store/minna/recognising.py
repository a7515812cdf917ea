"""A quick look into a SQLite file: whether it is for memories of tasks."""

from __future__ import annotations

from pathlib import Path

import apsw

from taskdeck_store.contract import StoreError
from taskdeck_store.marks import MEMORIES_ID
from taskdeck_store.minna.layout import layout_of
from taskdeck_store.minna.opening import connected

_PATIENCE = 0.2


def holds_tasks(path: Path, *, steps: int) -> bool:
    """Tell whether a file holds memories of tasks, or was made for them by Taskdeck; no where that cannot be told in so
    many of SQLite's steps.
    """
    try:
        connection = connected(path, patience=_PATIENCE)
    except (apsw.Error, StoreError, OSError):
        return False
    try:
        connection.set_progress_handler(lambda: True, steps)
        layout = layout_of(connection, path)
        is_ours = connection.pragma("application_id") == MEMORIES_ID
        return is_ours or bool(connection.execute(layout.has_tasks()).fetchall())
    except (apsw.Error, StoreError, UnicodeDecodeError):
        return False
    finally:
        connection.close(True)
