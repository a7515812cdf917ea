"""The command that checks a store against its audit log, and against hashes that were noted elsewhere."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec
from msgspec import Struct

from taskdeck_store import jsontext, open_store
from taskdeck_store.address import path_of
from taskdeck_store.clock import utc_now
from taskdeck_store.contract import Manifest
from taskdeck_store.remedies import way_back
from taskdeck_store.values import Json, Time
from taskdeck_store.verification import Differing, Verification, verify
from taskdeck_tui.cli.exits import Exit, UsageError
from taskdeck_tui.cli.exporting import contents
from taskdeck_tui.cli.output import BOLD, Output
from taskdeck_tui.safe import safe
from taskdeck_tui.telling import moment

_SHOWN = 20
_VALUE = 60


class Note(Struct, frozen=True):
    """One line of an anchor file: the hash that an event had at a moment."""

    seq: int
    hash: str
    at: Time


def verify_store(options: Namespace, output: Output) -> Exit:
    """Check a store and say what was found; where an anchor is named, check its notes, then note the head there."""
    anchor = Path(options.anchor) if options.anchor is not None else None
    notes = _notes(anchor) if anchor is not None else []
    with closing(open_store(options.store, read_only=True)) as store:
        found = verify(store, {note.seq: note.hash for note in notes})
        audited, mended, manifest = store.audited, store.mended, store.manifest
        # What others keep is none of ours to restore.
        is_ours = manifest is None and not store.limits.observed
    noted = anchor is not None and found.is_sound and found.seq > max((note.seq for note in notes), default=0)
    if anchor is not None and noted:
        _append(anchor, Note(found.seq, found.head, utc_now()))
    if output.json:
        output.document({**_told(found, len(notes)), "mended": list(mended), "manifest": manifest})
        return _exit(found)
    if manifest is not None:
        output.line(f"a bundle: {contents(manifest)}")
        output.line(f"from {safe(manifest.store)} ({safe(manifest.kind)}), made {_made(manifest)}")
    for line in (*(f"mended: {safe(sentence)}" for sentence in mended), *_about_files(found, output)):
        output.line(line)
    if is_ours and not all(one.heals for one in found.defects):
        output.line(f"  {safe(way_back(path_of(options.store)))}")
    if not audited:
        output.line("no audit log yet: it begins with the first change through Taskdeck; nothing else can be checked")
    else:
        for line in _lines(found, output):
            output.line(line)
        if anchor is not None and found.is_sound:
            agrees = f"agrees with {len(notes):,} noted in {safe(str(anchor))}" if notes else ""
            output.line("anchor: " + "; ".join(filter(None, (agrees, f"noted event {found.seq:,}" if noted else ""))))
    return _exit(found)


def _made(manifest: Manifest) -> str:
    return (
        f"{moment(manifest.made_at)} by {safe(manifest.made_by)}, with Taskdeck {safe(manifest.taskdeck)}; as it says"
    )


def _exit(found: Verification) -> Exit:
    return Exit.DONE if found.is_sound else Exit.STORE


def _told(found: Verification, notes: int) -> Json:
    broken = found.broken
    return {
        "sound": found.is_sound,
        "events": found.events,
        "left_out": found.left_out,
        "unsealed": found.unsealed,
        "head": found.head if found.seq else None,
        "broken": {"seq": broken.seq, "reason": broken.reason} if broken is not None else None,
        "differing": [
            {"task_id": one.task_id, "fields": {name: list(pair) for name, pair in one.fields.items()}}
            for one in found.differing.values()
        ],
        "unlisted": sorted(found.unlisted),
        "defects": [{"message": one.message, "heals": one.heals} for one in found.defects],
        "anchors": notes,
    }


def _about_files(found: Verification, output: Output) -> Iterator[str]:
    for one in found.defects:
        yield f"· {safe(one.message)}" if one.heals else output.paint(f"✗ {safe(one.message)}", BOLD)


def _lines(found: Verification, output: Output) -> Iterator[str]:
    unsealed = f", {found.unsealed:,} of them not sealed yet" if found.unsealed else ""
    if found.broken is not None:
        yield output.paint(f"✗ broken at event {found.broken.seq:,}: {safe(found.broken.reason)}", BOLD)
        yield f"  {found.events:,} events were read{unsealed}"
    else:
        left_out = f"; {found.left_out:,} more are left out of the bundle" if found.left_out else ""
        yield f"✓ {found.events:,} events are a whole chain{unsealed}{left_out}"
    differing = list(found.differing.values())
    if differing:
        what = "1 task is" if len(differing) == 1 else f"{len(differing):,} tasks are"
        yield output.paint(f"✗ {what} not what the events say", BOLD)
        if any(_is_unrecorded(one) for one in differing):
            yield "  what another program changed is put on record by whoever next opens the store to write to it"
        for one in differing[:_SHOWN]:
            for name, (stored, replayed) in one.fields.items():
                yield f"  {safe(one.task_id)}  {safe(name)}: stored {_value(stored)}, by its events {_value(replayed)}"
        if len(differing) > _SHOWN:
            yield f"  … and {len(differing) - _SHOWN:,} more; all of them with --json"
    else:
        yield "✓ every task is what its events say"
    for task_id in sorted(found.unlisted)[:_SHOWN]:
        yield output.paint(f"✗ {safe(task_id)} is there, and no column lists it", BOLD)
    if found.seq:
        yield f"head: event {found.seq:,} {found.head}"


def _is_unrecorded(one: Differing) -> bool:
    """Tell whether a task was changed in a JSON file by another program, and nobody has put that on record yet."""
    return "+" in str(one.fields.get("version", ("", ""))[0])


def _value(value: Json) -> str:
    text = safe(jsontext.encode(value))
    return text if len(text) <= _VALUE else text[: _VALUE - 1] + "…"


def _notes(anchor: Path) -> Sequence[Note]:
    """Return what an anchor file says; nothing where there is none. Raises UsageError."""
    try:
        lines = anchor.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(f"cannot read the anchor {anchor}: {error.strerror}") from None
    notes: list[Note] = []
    for number, line in enumerate(lines, 1):
        try:
            notes.append(msgspec.json.decode(line, type=Note))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            expected = 'it is no {"seq": …, "hash": …, "at": …}'
            raise UsageError(f"{anchor} line {number}: {expected}; name another file to begin an anchor") from None
    return notes


def _append(anchor: Path, note: Note) -> None:
    """Add a line to an anchor file, durably. Raises UsageError."""
    try:
        with anchor.open("ab") as file:
            file.write(msgspec.json.encode(note) + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UsageError(f"cannot write the anchor {anchor}: {error.strerror}") from None
