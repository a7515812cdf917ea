"""The command that puts the tasks of one store into another."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from taskdeck_store.contract import Fault
from taskdeck_tui.cli.actor import actor
from taskdeck_tui.cli.exits import Exit
from taskdeck_tui.cli.output import Output
from taskdeck_tui.safe import safe

if TYPE_CHECKING:
    from taskdeck_store import convert as converting

_NAMED = 5


def convert(options: Namespace, output: Output) -> Exit:
    """Convert a store, and tell what did not fit."""
    from taskdeck_store import convert as converting

    found = converting.convert(
        options.source, options.target, actor=actor(options.actor), into=options.into, dry=options.dry_run
    )
    if output.json:
        output.document(found)
    else:
        for line in _told(found):
            output.line(safe(line))
    if found.problem is None:
        return Exit.DONE if not found.refused else Exit.ILLEGAL
    output.error(Fault.DAMAGED, f"what was made of it is not sound: {found.problem}")
    return Exit.STORE


def _told(found: converting.Converted) -> list[str]:
    did = "would put" if found.dry else "put"
    history = f" and {found.events:,} events" if found.events else ""
    lines = [f"{did} {found.tasks:,} tasks{history} into {found.target} ({found.kind})"]
    if found.renumbered:
        lines.append("the events got new numbers and hashes: not all of the source's log is there")
    if found.renamed:
        lines.append(f"{found.kind} knows {len(found.renamed):,} of them by other ids:")
        lines += [f"  {old} is {new}" for old, new in list(found.renamed.items())[:_NAMED]]
        if len(found.renamed) > _NAMED:
            lines.append(f"  … and {len(found.renamed) - _NAMED:,} more; all of them: --json")
    if found.unkept:
        lines.append(f"{found.kind} does not hold all that they said:")
        lines += [f"  {name}: of {count:,} tasks" for name, count in sorted(found.unkept.items())]
    if found.refused:
        lines.append(f"not done, or not to the end, for {len(found.refused):,} tasks:")
        lines += [f"  {reason}" for reason in list(found.refused.values())[:_NAMED]]
        if len(found.refused) > _NAMED:
            lines.append(f"  … and {len(found.refused) - _NAMED:,} more; all of them: --json")
    return lines
