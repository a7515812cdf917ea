"""Checking a store against its audit log: is the chain whole, and are the tasks what their events say?"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from msgspec import Struct

from taskdeck_store import machine, replay
from taskdeck_store.audit import BEGINNING, sealed
from taskdeck_store.contract import Defect, Store
from taskdeck_store.values import EXTERNAL, Event, Json, State, Task


class Broken(Struct, frozen=True):
    """The first event that cannot be what was written: its number, and why."""

    seq: int
    reason: str


class Differing(Struct, frozen=True):
    """A task that is not what its events say: field → what is stored, and what the events lead to."""

    task_id: str
    fields: dict[str, tuple[Json, Json]]


class Verification:
    """A check of a store, done a piece at a time, while others may go on changing it.

    `anchors` are hashes that were noted elsewhere, by the number of their event. `events` counts those checked,
    `unsealed` those of them without a hash, and `head` is the hash of the last of them, given or implied. `differing`
    holds the tasks found so far that are not what their events say, and `unlisted` those that are there and in no
    column. `left_out` counts the events that a bundle leaves out on purpose, `seq` is the last come to, in the store
    or left out. `defects` are those of the store's files, where they were looked through.
    """

    def __init__(self, store: Store, anchors: Mapping[int, str] | None = None) -> None:
        """Raises StoreError where the store is a bundle whose manifest cannot be read."""
        self.events = 0
        self.left_out = 0
        self.seq = 0
        self.unsealed = 0
        self.head = BEGINNING
        self.broken: Broken | None = None
        self.differing: dict[str, Differing] = {}
        self.unlisted: set[str] = set()
        self.defects: tuple[Defect, ...] = ()
        self._store = store
        self._anchors = anchors or {}
        manifest = store.manifest
        if manifest is not None and manifest.head is not None:
            self._anchors = {manifest.head_seq: manifest.head, **self._anchors}
        self._sealed = False
        self._states: dict[str, State] = {}
        self._unread: dict[str, None] = {}
        self._counted = False

    @property
    def is_sound(self) -> bool:
        """Whether nothing wrong was found so far."""
        return not (self.broken or self.differing or self.unlisted or any(not one.heals for one in self.defects))

    def advance(self, limit: int) -> bool:
        """Check up to `limit` more events or tasks; tell whether there may be more to do. Raises StoreError."""
        with self._store.reading():
            events = self._store.events(after=self.seq, limit=limit)
            for event in events:
                self._link(event)
            if events:
                return True
            tasks = list(islice(self._unread, limit))
            for task_id in tasks:
                self._compare(task_id)
            if not tasks and not self._counted:
                self._look_for_more()
                return True
            return bool(tasks)

    def _link(self, event: Event) -> None:
        before = self._states.get(event.task_id)
        if event.seq != self.seq + 1:
            self._pass_over()
        if event.seq != self.seq + 1:
            self._break(self.seq + 1, f"it is missing: event {event.seq} follows event {self.seq}")
        elif event.from_state is not before:
            found, known = (machine.said(state) if state else "not there" for state in (event.from_state, before))
            self._break(event.seq, f"it says {event.task_id} was {found}, and the events before it say {known}")
        seal = sealed(self.head, event)
        if event.hash is None:
            self.unsealed += 1
            if event.actor != EXTERNAL and self._sealed:
                self._break(event.seq, "it has no hash, though the event before it has one")
        elif event.hash != seal:
            self._break(event.seq, "its hash does not fit what it says and the event before it")
        self._sealed = event.hash is not None
        self.head = event.hash or seal
        self._hold_against_anchor(event.seq)
        self.events += 1
        self.seq = event.seq
        self._unread[event.task_id] = None
        self._counted = False
        if event.to_state is None:
            self._states.pop(event.task_id, None)
        else:
            self._states[event.task_id] = event.to_state

    def _pass_over(self) -> None:
        """Go on behind the events that a bundle leaves out here: the hash of the last of them is all that is left."""
        run = self._store.left_out(self.seq)
        if run is not None:
            self.left_out += run.last - run.first + 1
            self.seq, self.head, self._sealed = run.last, run.hash, False
            self._hold_against_anchor(run.last)

    def _hold_against_anchor(self, seq: int) -> None:
        if self._anchors.get(seq, self.head) != self.head:
            self._break(seq, "the anchor has another hash for it: it, or one before it, was written anew")

    def _break(self, seq: int, reason: str) -> None:
        if self.broken is None:
            self.broken = Broken(seq, reason)

    def _compare(self, task_id: str) -> None:
        del self._unread[task_id]
        self.differing.pop(task_id, None)
        replayed: Task | None = None
        for event in self._store.events(task_id):
            replayed = replay.after(replayed, event)
        fields = replay.differences(self._store.get(task_id), replayed)
        if fields:
            self.differing[task_id] = Differing(task_id, fields)

    def _look_for_more(self) -> None:
        """Look for tasks that no event tells of, and for events that are gone from the end of the log."""
        self._counted = True
        self.unlisted = set()
        self._pass_over()
        known = max(self._anchors, default=0)
        if known > self.seq:
            self._break(self.seq + 1, f"it is missing: the anchor knows event {known}, and the log ends before")
        missing = sum(task_id in self._states and self._store.get(task_id) is None for task_id in self.differing)
        stored = sum(tally.count for tally in self._store.counts().values())
        if not self._store.audited or stored + missing == len(self._states):
            return
        listed = {task.id for task in self._store.tasks()}
        self._unread.update(dict.fromkeys(listed - self._states.keys()))
        self.unlisted = self._states.keys() - listed - self.differing.keys()


def verify(store: Store, anchors: Mapping[int, str] | None = None) -> Verification:
    """Check all of a store, as it is in one and the same commit. Raises StoreError."""
    verification = Verification(store, anchors)
    with store.reading():
        while verification.advance(1_000):
            pass
        verification.defects = tuple(store.defects())
    return verification
