"""Bundles: the tasks and events of a store in one file, to be looked at, replayed and verified anywhere.

A bundle shows that nothing in it was changed by accident, or by who does not know how. Who holds it can make all of its
hashes anew; what such a one cannot change is a hash that was noted elsewhere. See `taskdeck_store.audit`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from taskdeck_store import clock
from taskdeck_store.address import open_store, own_path
from taskdeck_store.audit import BEGINNING, sealed
from taskdeck_store.backup import checked, new_store
from taskdeck_store.contract import LeftOut, Manifest, Store
from taskdeck_store.paging import every_event
from taskdeck_store.query.terms import EVERYTHING, Query
from taskdeck_store.values import Event


class Exported(Struct, frozen=True):
    """The manifest of a bundle that was made; `problem` says why what it holds is not sound (None: it is)."""

    manifest: Manifest
    problem: str | None


def export(
    address: str,
    target: str,
    *,
    actor: str,
    version: str,
    query: Query = EVERYTHING,
    asked: str = "",
    now: clock.Clock = clock.utc_now,
) -> Exported:
    """Make a bundle of the tasks of a store that match a query now, and of all their events; others may go on writing.

    Without a query it holds all events, also of tasks that were removed. `asked` is the query's text, `actor` who makes
    the bundle and `version` Taskdeck's. What outside programs did is put on record first. The bundle gets its name when
    it is whole, and has been verified. Raises StoreError; then there is no bundle.
    """
    path = own_path(target)
    with new_store(path, "sqlite") as draft:
        from taskdeck_store.sqlite import bundling

        with closing(open_store(address, now=now)) as store, store.reading():
            tasks = store.tasks(query)
            chain = _Chain(store, {task.id for task in tasks} if query else None)

            def ending() -> tuple[list[LeftOut], Manifest]:
                return chain.runs, Manifest(
                    taskdeck=version,
                    store=Path(address).name,
                    kind=store.kind,
                    origin=chain.origin if store.manifest is None else store.manifest.origin,
                    made_at=now(),
                    made_by=actor,
                    query=asked,
                    tasks=len(tasks),
                    events=chain.kept,
                    left_out=sum(run.last - run.first + 1 for run in chain.runs),
                    store_tasks=sum(tally.count for tally in store.counts().values()),
                    store_events=chain.events,
                    first_seq=chain.first,
                    last_seq=chain.last,
                    head_seq=chain.seq,
                    head=chain.head if chain.events else None,
                )

            manifest = bundling.write(draft, tasks, chain.walk(), ending)
        with closing(open_store(str(draft), read_only=True)) as made:
            problem = checked(made).problem
    return Exported(manifest, problem)


class _Chain:
    """The events of a store, of which some tasks' are kept (None: all), and what is left of the others.

    `runs` are those left out; `events` counts all of them and `kept` those kept, of which `first` and `last` are the
    seqs. `seq` and `head` are the seq and hash of the last event come to, `origin` is the hash of the first.
    """

    def __init__(self, store: Store, only: Collection[str] | None) -> None:
        self.runs: list[LeftOut] = []
        self.events = self.kept = self.seq = 0
        self.head = BEGINNING
        self.origin: str | None = None
        self.first: int | None = None
        self.last: int | None = None
        self._store = store
        self._only = only

    def walk(self) -> Iterator[Event]:
        """Yield the events that are kept, in order of seq. Raises StoreError."""
        for event in every_event(self._store):
            if event.seq != self.seq + 1:
                self._pass_over()
            seal = event.hash or sealed(self.head, event)
            if self._only is None or event.task_id in self._only:
                self.kept += 1
                self.first = self.first or event.seq
                self.last = event.seq
                yield event
            else:
                self._leave_out(LeftOut(event.seq, event.seq, seal))
            self.origin = seal if event.seq == 1 else self.origin
            self.events += 1
            self.head = seal
            self.seq = event.seq
        self._pass_over()

    def _pass_over(self) -> None:
        """Go on behind the events that the store, itself a bundle, leaves out."""
        run = self._store.left_out(self.seq)
        if run is not None:
            self._leave_out(run)
            self.events += run.last - run.first + 1
            self.seq, self.head = run.last, run.hash

    def _leave_out(self, run: LeftOut) -> None:
        """Add a run to those left out, or to the last of them: what is missing between two is in none."""
        if self.runs and self.runs[-1].last == run.first - 1:
            run = LeftOut(self.runs.pop().first, run.last, run.hash)
        self.runs.append(run)
