"""What went wrong in a handler, as text for the audit log: the error and where it arose, of a bounded length.

Values of variables are never in it: they may be secrets. Whatever an error is like, none of this raises.
"""

from __future__ import annotations

import importlib
import signal
from pathlib import Path
from traceback import TracebackException

LONGEST = 8_000
"""Characters of an error that are kept."""
_HEADLINE = 500
_FRAMES = 40
_OURS = (str(Path(__file__).parent), importlib.__path__[0], "<frozen importlib")
"""Where the files begin whose frames come before those of a handler, or of its module."""
_CUT = "\n  […]\n"


def told(error: BaseException) -> str:
    """Return an error with its traceback, its own line first."""
    place = error.__traceback__
    while place is not None and place.tb_frame.f_code.co_filename.startswith(_OURS):
        place = place.tb_next
    try:
        found = TracebackException(type(error), error, place, limit=-_FRAMES, capture_locals=False)
        traceback = "".join(found.format()).rstrip()
    except BaseException:
        traceback = "its traceback cannot be told"
    return bounded(f"{headline(error)}\n\n{traceback}")


def headline(error: BaseException) -> str:
    """Return what kind of error it is and what it says, in a line."""
    kind = type(error)
    name = (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    )
    said = " ".join(message(error).split())
    return f"{name}: {said}"[:_HEADLINE] if said else name


def message(error: BaseException) -> str:
    """Return what an error says of itself."""
    try:
        return bounded(str(error))
    except BaseException:
        return "it cannot say why"


def signal_name(number: int) -> str:
    """Return what a signal is called."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def bounded(text: str, longest: int = LONGEST) -> str:
    """Return a text that every store can keep: without its middle where it is too long, and without what is no text."""
    text = text.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode()
    if len(text) <= longest:
        return text
    front = longest // 4
    return text[:front] + _CUT + text[len(text) - (longest - front - len(_CUT)) :]
