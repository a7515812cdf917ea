"""Whether names in a folder have changed, told by one look at the folder instead of one at each file."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TypeAlias

Look: TypeAlias = tuple[int, int, int]
"""A folder at a moment: device, number, and when it last changed, in ns: when a name in it was made, removed or given
to another file, or its own mode, owner or time was set. (Its `st_ctime`: an rsync sets `st_mtime` back.)"""

_SETTLED = 3_000_000_000
"""In ns. A change that follows another one within the grain of the file system's clock (FAT: 2 s) leaves its folder's
time as it was; so a folder is relied on only when it has been still for longer than any grain."""


class Folder:
    """Remembers a folder whose names were looked at, until one of them changes. Of mounts over a file it knows nothing.

    First `look`, then look at the names, then `remember` that look; from then on `is_still` tells whether the names
    are as they were found.
    """

    def __init__(self, path: Path) -> None:
        self._name = str(path)
        self._known: Look | None = None

    def is_still(self) -> bool:
        """Tell whether surely no name was made, removed or given to another file since the look remembered."""
        return self._known is not None and self.look() == self._known

    def look(self) -> Look | None:
        """Return the folder as it is; None where that cannot be told."""
        try:
            found = os.stat(self._name)  # noqa: PTH116 - a Path takes twice the time
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_ctime_ns

    def remember(self, look: Look | None) -> None:
        """Rely on a look from now on. One that is too young is not: the next is taken then."""
        # Windows may put off the time of a folder.
        settled = os.name == "posix" and look is not None and look[2] < time.time_ns() - _SETTLED
        self._known = look if settled else None

    def forget(self) -> None:
        """Rely on no look any more."""
        self._known = None
