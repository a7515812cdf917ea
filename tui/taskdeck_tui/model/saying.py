"""What was said in an attempt, as far as a page shows it."""

from __future__ import annotations

from msgspec import Struct

from taskdeck_store import output
from taskdeck_store.contract import Store
from taskdeck_store.output import Attempt, Line, Said

SHOWN = 400
"""How many lines of an attempt are shown: the last."""


class Saying(Struct, frozen=True, kw_only=True):
    """The last lines of what was said in an attempt, and how many are above them; `said` is all of it."""

    attempt: Attempt
    said: Said
    lines: tuple[Line, ...] = ()
    above: int = 0


def saying(store: Store, attempt: Attempt, before: Saying | None) -> Saying | None:
    """Read what was said in an attempt: `before` itself while that is all; None where nothing is kept of any."""
    folder = store.output_folder
    if folder is None or not folder.is_dir():
        return None
    if before is not None and before.attempt != attempt:
        before = None
    said = output.read(folder, attempt, before.said if before is not None else None)
    if before is not None and said is before.said:
        return before
    lines = output.lines(said.chunks)
    return Saying(attempt=attempt, said=said, lines=tuple(lines[-SHOWN:]), above=max(0, len(lines) - SHOWN))
