"""Writers that never end by themselves, and the audit of what they were told against what the store has."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from reliability.doomed import Nursery
from taskdeck_store import Action, Store, command, open_store
from taskdeck_store.verification import verify

_PATIENCE = 60.0
_AT_ONCE = 500


class Writer:
    """A process that moves tasks at random, and tells of each commit after `apply` has returned."""

    def __init__(self, nursery: Nursery, path: Path, name: str) -> None:
        self.name = name
        self._nursery = nursery
        self._told = path.with_name(f"told-{name}")
        self._pid: int | None = nursery.writer(path, name, self._told)

    def told(self) -> list[tuple[str, str, int]]:
        """Return what it was told so far: task, operation and seq of each commit."""
        text = self._told.read_text() if self._told.exists() else ""
        lines = text.splitlines()[: text.count("\n")]
        return [(task_id, operation, int(seq)) for task_id, operation, seq in map(str.split, lines)]

    def wait_for(self, commits: int) -> None:
        """Wait until it was told of so many commits."""
        deadline = time.monotonic() + _PATIENCE
        while len(self.told()) < commits:
            assert time.monotonic() < deadline, f"{self.name} does not get on: {self.errors()}"
            time.sleep(0.002)

    def kill(self) -> None:
        """Kill it, with signal 9. Fails when it had ended by itself."""
        if self._pid is not None:
            pid, self._pid = self._pid, None
            assert self._nursery.end(pid) == -9, self.errors()

    def errors(self) -> str:
        """Return what it said of its end."""
        file = self._told.with_name(self._told.name + ".errors")
        return file.read_text() if file.exists() else ""


class Audit:
    """What all writers of a store were told. Use it as a context: writers that still run are killed at its end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writers: list[Writer] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for writer in self._writers:
            with contextlib.suppress(AssertionError):
                writer.kill()

    @property
    def writers(self) -> int:
        """How many writers there were and are."""
        return len(self._writers)

    def add(self, writer: Writer) -> Writer:
        """Take in a writer."""
        self._writers.append(writer)
        return writer

    def check(self) -> dict[str, Any]:
        """Return the figures, when all writers are dead. Fails unless the store is what its events say.

        A commit is lost that a writer was told of and the log does not have; doubled is one that is there twice: told
        twice, or in the log more often than the writer was told of, and one that it died too early to tell.
        """
        store = open_store(str(self._path), patience=_PATIENCE)
        events = {event.seq: event for event in store.events()}
        assert sorted(events) == list(range(1, len(events) + 1))
        by_actor = Counter(event.actor for event in events.values())
        lost = doubled = 0
        told = {writer.name: writer.told() for writer in self._writers}
        for name, lines in told.items():
            there = [
                seq in events and (events[seq].task_id, events[seq].actor) == (task, name) for task, _, seq in lines
            ]
            lost += there.count(False)
            doubled += len(lines) - len({seq for _, _, seq in lines})
            doubled += max(0, by_actor[name] - len(lines) - 1)
            lost += _unrepeated(store, lines)
        assert len(store.events()) == len(events)
        found = verify(store)
        assert found.is_sound, (found.broken, found.differing)
        store.close()
        return {
            "rounds": len(told),
            "faults": len(told),
            "acknowledged": sum(map(len, told.values())),
            "lost": lost,
            "doubled": doubled,
            "events": len(events),
            "per_writer": sorted(map(len, told.values())),
        }


def _unrepeated(store: Store, lines: list[tuple[str, str, int]]) -> int:
    """Ask for operations once more; return for how many of them the store does not say that they are done."""
    wrong = 0
    for at in range(0, len(lines), _AT_ONCE):
        some = lines[at : at + _AT_ONCE]
        again = [
            command(task, Action.EDIT, actor="again", title="twice", operation=operation) for task, operation, _ in some
        ]
        for outcome, (_, _, seq) in zip(store.apply(again), some, strict=True):
            wrong += not (outcome.repeated and outcome.event is not None and outcome.event.seq == seq)
    return wrong
