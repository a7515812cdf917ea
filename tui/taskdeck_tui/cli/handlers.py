"""The handlers that a command line names: loaded, or what is wrong with them told as people can mend it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from taskdeck_tui.cli.exits import UsageError
from taskdeck_tui.safe import safe_lines

if TYPE_CHECKING:
    from taskdeck_store.worker import Handlers


def loaded(reference: str) -> Handlers:
    """Return the handlers that ``module:object`` names. Raises UsageError."""
    from taskdeck_store.worker import WrongHandlers, failure
    from taskdeck_store.worker.handlers import load

    try:
        return load(reference, Path.cwd())
    except WrongHandlers as error:
        raise UsageError(f"--handlers: {error}") from None
    except Exception as error:
        # The first frame is this one.
        theirs = error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)
        below = "".join(f"\n  {line}" for line in safe_lines(failure.told(theirs))[2:])
        raise UsageError(f"--handlers: {reference}: {failure.headline(error)}", below=below) from None
