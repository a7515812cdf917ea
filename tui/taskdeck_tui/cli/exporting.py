"""The command that makes a bundle: tasks, their events and hashes in one file, to be looked at anywhere."""

from __future__ import annotations

from argparse import Namespace

from taskdeck_store.contract import Fault, Manifest
from taskdeck_tui import __version__
from taskdeck_tui.cli.actor import actor
from taskdeck_tui.cli.exits import Exit
from taskdeck_tui.cli.output import Output
from taskdeck_tui.cli.reading import asked
from taskdeck_tui.safe import safe


def export(options: Namespace, output: Output) -> Exit:
    """Make a bundle and say what it holds. One of a store that is not sound is made too, and told as an error."""
    from taskdeck_store import bundle

    exported = bundle.export(
        options.store,
        options.bundle,
        query=asked(options.query),
        asked=" ".join(options.query),
        actor=actor(options.actor),
        version=__version__,
    )
    manifest = exported.manifest
    if output.json:
        output.document(manifest)
    else:
        output.line(f"wrote {safe(options.bundle)}: {contents(manifest)}")
        if manifest.head is not None:
            output.line(f"head of the log: event {manifest.head_seq:,} {manifest.head}")
    if exported.problem is None:
        return Exit.DONE
    output.error(Fault.DAMAGED, f"the bundle is made, but what it holds is not sound: {exported.problem}")
    return Exit.STORE


def contents(manifest: Manifest) -> str:
    """Return how much of its store a bundle holds, and by which query."""
    chosen = f", those that matched {safe(manifest.query)}" if manifest.query else ""
    tasks = _of(manifest.tasks, manifest.store_tasks, "task")
    events = _of(manifest.events, manifest.store_events, "event") if manifest.store_events else "no audit log yet"
    return f"{tasks}{chosen}; {events}"


def _of(count: int, all_of_them: int, name: str) -> str:
    told = f"{count:,}" if count == all_of_them else f"{count:,} of {all_of_them:,}"
    return f"{told} {name}{'' if all_of_them == 1 else 's'}"
