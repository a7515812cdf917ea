"""The commands that keep a store from loss: a backup of it, and the way back."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sized
from typing import TYPE_CHECKING

from taskdeck_store import backup as copies
from taskdeck_store.contract import Fault
from taskdeck_store.values import Json
from taskdeck_tui.cli.exits import Exit
from taskdeck_tui.cli.output import Output
from taskdeck_tui.safe import safe

if TYPE_CHECKING:
    from taskdeck_store.salvage import Recovered


def backup(options: Namespace, output: Output) -> Exit:
    """Copy a store and say what the copy holds. One that is not sound is copied too, and told as an error."""
    content = copies.backup(options.store, options.target)
    if output.json:
        output.document({"address": options.target, **_told(content)})
    else:
        output.line(f"copied {safe(options.store)} to {safe(options.target)}: {_counted(content)}")
        _tell_head(content, output)
    if content.problem is None:
        return Exit.DONE
    output.error(Fault.DAMAGED, f"the copy is made, but it is as damaged as the store: {content.problem}")
    return Exit.STORE


def restore(options: Namespace, output: Output) -> Exit:
    """Put a backup in the place of a store, and say what the store holds now."""
    restored = copies.restore(options.backup, options.store)
    kept = str(restored.kept) if restored.kept is not None else None
    if output.json:
        output.document({"address": options.store, **_told(restored.content), "kept": kept})
        return Exit.DONE
    output.line(f"restored {safe(options.store)} from {safe(options.backup)}: {_counted(restored.content)}")
    _tell_head(restored.content, output)
    if kept is not None:
        output.line(f"what was there before: {safe(kept)}")
    return Exit.DONE


def recover(options: Namespace, output: Output) -> Exit:
    """Make a new store of what can be read of a damaged one, and say what is missing in it."""
    from taskdeck_store import salvage

    recovered = salvage.recover(options.store, options.target)
    found = recovered.salvage
    if output.json:
        told: dict[str, Json] = {
            "address": options.target,
            "kind": recovered.kind,
            "problem": recovered.problem,
            "tasks": len(found.tasks),
            "events": len(found.events),
            "rebuilt": list(found.rebuilt),
            "outdated": list(found.outdated),
            "lost": list(found.lost),
            "lost_events": [list(gap) for gap in found.gaps],
        }
        output.document(told)
    else:
        for line in _saved(options, recovered):
            output.line(safe(line))
    return Exit.DONE if found.is_whole else Exit.STORE


def _saved(options: Namespace, recovered: Recovered) -> Iterator[str]:
    found = recovered.salvage
    saved = f"{_number(found.tasks, 'task')}, {_number(found.events, 'event')}"
    yield f"recovered {options.store} into {options.target}: {saved}"
    if found.events:
        yield f"the last event known: {found.events[-1].seq:,}, at {found.events[-1].at}"
    if recovered.problem is not None:
        yield f"what was wrong: {recovered.problem}"
    for names, meaning in (
        (found.rebuilt, "not stored any more, and made anew from all of their events"),
        (found.outdated, "made from what is left of them: they may be older than they were"),
        (found.lost, "lost: nothing but later events of them is left"),
    ):
        if names:
            yield f"{_number(names, 'task')} {meaning}:"
            yield from (f"  {name}" for name in names)
    if found.gaps:
        runs = ", ".join(f"{first:,}" if first == last else f"{first:,}–{last:,}" for first, last in found.gaps)
        yield f"events that are lost: {runs}; tasks that only they told of are lost with them"
    if found.is_whole:
        yield "nothing is missing up to the last event"


def _told(content: copies.Content) -> dict[str, Json]:
    return {
        "kind": content.kind,
        "tasks": content.tasks,
        "events": content.events,
        "head": content.head,
        "sound": content.problem is None,
        "problem": content.problem,
    }


def _counted(content: copies.Content) -> str:
    if content.problem is not None and not content.events:
        return "the files as they are"
    events = _number(content.events, "event") if content.events else "no audit log yet"
    return f"{_number(content.tasks, 'task')}, {events}"


def _number(what: int | Sized, name: str) -> str:
    count = what if isinstance(what, int) else len(what)
    return f"1 {name}" if count == 1 else f"{count:,} {name}s"


def _tell_head(content: copies.Content, output: Output) -> None:
    if content.head is not None:
        output.line(f"head: event {content.seq:,} {content.head}")
