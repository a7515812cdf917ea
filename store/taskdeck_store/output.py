"""What is said during an attempt at a task, beside its result."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias


class Stream(StrEnum):
    """Where something was said."""

    STDOUT = "stdout"
    STDERR = "stderr"
    LOG = "log"


Hear: TypeAlias = Callable[[Stream, str], object]
"""What is called with each piece as it is said; whole lines, or what there is of one. It raises nothing."""
