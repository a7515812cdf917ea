"""The command that tells what a store is, what its words for states mean, and what it cannot hold."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import closing

from taskdeck_store.address import foreign_kind, path_of
from taskdeck_store.contract import Store, Tally
from taskdeck_store.machine import RULES, said
from taskdeck_store.readable import open_readable
from taskdeck_store.values import Json, State
from taskdeck_tui.cli.columns import fill, width
from taskdeck_tui.cli.exits import Exit
from taskdeck_tui.cli.output import Output
from taskdeck_tui.cli.reading import told_damage
from taskdeck_tui.safe import safe

_NAMES = 9


def info(options: Namespace, output: Output) -> Exit:
    """Write what kind of store there is at an address, and its limits."""
    # To open one of ours for writing would bring an older layout up to date.
    with closing(open_readable(options.store, read_only=foreign_kind(options.store) is None)) as store:
        tallies = store.counts()
        defects = [defect.message for defect in store.defects()] if store.limits.observed else []
        if output.json:
            output.document(_document(store, tallies, defects))
        else:
            for name, line in _told(store, tallies, defects):
                output.line(f"{fill(name, _NAMES)} {safe(line)}".rstrip())
    output.mended(store.mended)
    return told_damage(store, output)


def _document(store: Store, tallies: Mapping[State, Tally], defects: list[str]) -> dict[str, object]:
    limits = store.limits
    return {
        "address": store.address,
        "kind": store.kind,
        "read_only": _is_read_only(store),
        "why_read_only": limits.read_only,
        "log": "observed" if limits.observed else "own" if store.audited else None,
        "log_path": limits.log or None,
        "words": limits.words,
        "lacks": limits.lacks,
        "refuses": limits.refuses,
        "fields": limits.fields,
        "fixed": limits.fixed,
        "only": limits.only,
        "ids": limits.ids,
        "whole": limits.whole,
        "notes": limits.notes,
        "flaws": defects,
        "counts": {state.value: tallies[state].count for state in State},
    }


def _told(store: Store, tallies: Mapping[State, Tally], defects: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the lines, each with the name that stands before it."""
    limits = store.limits
    yield "store", store.address
    yield "kind", store.kind
    yield "access", _access(store)
    yield "log", _log(store)
    yield from _below("states", _words(limits.words))
    cannot = [f"be left {said(state)}: {why}" for state, why in limits.lacks.items()]
    cannot += [f"{action} ({RULES[action].summary}): {why}" for action, why in limits.refuses.items()]
    cannot += [f"change {name}: {why}" for name, why in limits.fixed.items()]
    yield from _below("cannot", cannot)
    yield "keeps", ", ".join(limits.fields)
    yield from _below("only", [f"{name}: {_known(words)}" for name, words in limits.only.items()])
    if limits.ids is not None:
        yield "ids", limits.ids
    yield from _below("notes", limits.notes)
    yield from _below("flaws", defects)
    counted = [f"{tallies[state].count:,} {said(state)}" for state in State if tallies[state].count]
    yield "tasks", ", ".join(counted) or "none"


def _known(words: Mapping[str, Json]) -> str:
    return ", ".join(f"{word} ({value})" for word, value in words.items())


def _access(store: Store) -> str:
    why = store.limits.read_only
    if not _is_read_only(store):
        return "read and write" if store.limits.whole else "read and write, one task at a time"
    return "read only" if why is None else f"read only: {why}"


def _is_read_only(store: Store) -> bool:
    if store.limits.observed:
        return store.read_only
    return store.damage is not None or store.manifest is not None or not os.access(path_of(store.address), os.W_OK)


def _log(store: Store) -> str:
    if store.limits.observed:
        return f"observed: what was seen and done from this machine, in {store.limits.log}"
    return "its own: every change of every program" if store.audited else "its own; it begins with the first commit"


def _words(words: Mapping[str, State]) -> list[str]:
    widest = max((width(safe(word)) for word in words), default=0)
    return [
        safe(word) if word == state else f"{fill(safe(word), widest)}  shown as {said(state)}"
        for word, state in words.items()
    ]


def _below(name: str, lines: list[str] | tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines):
        yield "" if number else name, line
