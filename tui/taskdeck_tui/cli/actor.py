"""Who acts: a claim, that nobody checks, and that the audit log records as such."""

from __future__ import annotations

import os

from taskdeck_store.values import EXTERNAL, TOLD
from taskdeck_tui.cli.exits import UsageError
from taskdeck_tui.safe import safe

VARIABLE = "TASKDECK_ACTOR"
_LONGEST = 100


def actor(given: str | None) -> str:
    """Return the actor's name: the one given, else of TASKDECK_ACTOR, else the login name.

    Raises UsageError for a name that no actor can have.
    """
    if given is not None:
        return _checked(given, "--actor")
    named = os.environ.get(VARIABLE)
    return _checked(named, VARIABLE) if named else _checked(_login(), "the login name")


def _checked(name: str, source: str) -> str:
    clean = safe(name).strip()
    if not clean:
        raise UsageError(f"{source} is empty; give the name of who acts")
    if len(clean) > _LONGEST:
        raise UsageError(f"{source} has {len(clean)} characters; an actor's name has at most {_LONGEST}")
    if clean == EXTERNAL:
        raise UsageError(f"{source} is '{EXTERNAL}', which stands for programs that know nothing of Taskdeck")
    if clean.startswith(TOLD):
        raise UsageError(f"{source} begins with '{TOLD}', which stands for those whom another place tells of")
    return clean


def _login() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "somebody"
