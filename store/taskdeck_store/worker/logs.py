"""What handlers log, as text: heard beside where it goes anyway, whatever the loggers and their handlers are like.

It is heard where loggers call their handlers, and not by a handler of the root's: one that is there keeps
`logging.basicConfig` from doing anything, and is gone after `logging.config.dictConfig`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_FORMAT = logging.Formatter("%(levelname)s %(name)s: %(message)s")


@contextmanager
def heard(hearer: Callable[[], Callable[[str], object] | None], is_kept: Callable[[object], bool]) -> Iterator[None]:
    """Have told in the body, as text, what is logged in this process.

    `hearer` says for each record, in the thread that logs it, whom to tell; None, nobody. What one of its handlers
    writes to a stream that `is_kept` is not told.
    """
    call, is_over = logging.Logger.callHandlers, False

    def call_and_tell(logger: logging.Logger, record: logging.LogRecord) -> None:
        # First, as a formatter of theirs may leave its work in the record for the next.
        call(logger, record)
        tell = None if is_over else hearer()
        if tell is not None and not _is_written(logger, record, is_kept):
            tell(_text(record))

    logging.Logger.callHandlers = call_and_tell  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        is_over = True
        # Somebody else may have put theirs around it meanwhile.
        if logging.Logger.callHandlers is call_and_tell:
            logging.Logger.callHandlers = call  # type: ignore[method-assign]


def _is_written(logger: logging.Logger, record: logging.LogRecord, is_kept: Callable[[object], bool]) -> bool:
    place: logging.Logger | None = logger
    is_alone = True
    while place is not None:
        for handler in place.handlers:
            is_alone = False
            stream = handler.stream if isinstance(handler, logging.StreamHandler) else None
            if record.levelno >= handler.level and is_kept(stream):
                return True
        place = place.parent if place.propagate else None
    last = logging.lastResort
    return is_alone and last is not None and record.levelno >= last.level and is_kept(sys.stderr)


def _text(record: logging.LogRecord) -> str:
    try:
        return _FORMAT.format(record) + "\n"
    except Exception:
        # Its arguments do not fit its message, or cannot be told.
        return f"{record.levelname} {record.name}: {record.msg!r}\n"
