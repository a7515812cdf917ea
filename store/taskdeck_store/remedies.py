"""What to do about a store that does not work, said to a person."""

from __future__ import annotations

import errno
from pathlib import Path


def way_back(path: Path) -> str:
    """Return what to do about a store that is damaged."""
    return f"the way back: taskdeck restore BACKUP {path}, or: taskdeck recover {path} TARGET"


def remedy(error: OSError) -> tuple[str, str]:
    """Return what is wrong, and what to do, to be put behind a message. Both are empty where there is nothing to add.

    See errno(3).
    """
    match error.errno:
        case errno.ENOSPC:
            return "the disk is full", "; make room, then try again"
        case number if number == getattr(errno, "EDQUOT", None):
            return "the disk quota is used up", "; make room, then try again"
        case errno.EFBIG:
            return "a file may not grow that large", "; raise the limit (ulimit -f), then try again"
        case errno.EMFILE | errno.ENFILE:
            return "too many files are open", "; close some, or raise the limit (ulimit -n), then try again"
        case errno.EIO:
            return "the disk fails (Input/output error)", "; look after the disk, then try again"
    return "", ""
