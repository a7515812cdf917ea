"""What a handle knows of its store: the task file and the audit log, joined into tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from msgspec.structs import replace

from taskdeck_store.dependencies import standing
from taskdeck_store.jsonfile.audit import Batch, Commit
from taskdeck_store.jsonfile.columns import Columns, Placed, placed
from taskdeck_store.jsonfile.document import NOTHING, Document, Record
from taskdeck_store.jsonfile.ends import common_elements
from taskdeck_store.jsonfile.fields import Data, moment, task_of, task_read
from taskdeck_store.jsonfile.known import Known, beside, fold, is_found
from taskdeck_store.jsonfile.leases import Lease
from taskdeck_store.jsonfile.mapping import mapping_of
from taskdeck_store.values import State, Task

Moved: TypeAlias = tuple[str, Task | None, Task | None]
"""What became of a task: its id, and the task before and after; None where there is none."""

_FEW = 100
"""Of so many tasks it takes less time to look at each than at all bytes of the file."""
_UNSAID = Task(id="", title="")


class Picture:
    """The tasks of one look.

    A task is its record in the file, with what only the log knows of it; it is made when it is first asked for.
    `drifted` holds the ids of tasks whose record is not what their last event says: someone outside changed them, and
    that is not on record.
    """

    def __init__(self) -> None:
        self.document = NOTHING
        self.mapping = mapping_of(())
        self.records: dict[str, Record] = {}
        self.known: dict[str, Known] = {}
        self.columns = Columns(self._placed, self.shown)
        self.drifted: set[str] = set()
        self.leases: Mapping[str, Lease] = {}
        self._tasks: dict[str, Task] = {}
        self._left = ""
        self._lost: dict[str, int] = {}
        self._last: Record | None = None

    @property
    def like(self) -> Data | None:
        """The task object to make new ones like: the last of the file, or the last that was there."""
        last = self.document.records[-1] if self.document.records else self._last
        return last.data() if last is not None else None

    def find(self, task_id: str) -> Task | None:
        """Return a task with its version, or None."""
        return self.shown(task_id) if task_id in self.records else None

    def shown(self, task_id: str) -> Task:
        """Return a task that is there, with its version."""
        task = self._tasks.get(task_id) or self._made(self.records[task_id])
        if not task.version:
            task = self._tasks[task_id] = replace(task, version=self._version(task_id))
        lease = self.leases.get(task_id)
        if lease is not None and lease.is_of(task):
            task = replace(task, lease_until=lease.until)
        return standing(task, self.stands)

    def stands(self, task_id: str) -> State | None:
        """Return where a task stands, or where it last stood; None where it never was there, as far as is known."""
        record = self.records.get(task_id)
        if record is not None:
            return record.state
        known = self.known.get(task_id)
        return known.state if known is not None else None

    def every(self) -> Iterator[Task]:
        """Yield all tasks; a version, which takes longest to work out, may be missing."""
        tasks = (self._tasks.get(record.id) or self._made(record) for record in self.records.values())
        return (standing(task, self.stands) for task in tasks)

    def take(self, document: Document, commits: Sequence[Commit]) -> list[Moved]:
        """Take in a look at the file and newly settled commits; return the tasks that are other than before.

        The first look returns none.
        """
        touched = {line.task_id for commit in commits for line in commit} | self.drifted
        mapping, other = self.mapping, _other(self.document, document)
        if document is not self.document:
            if document.records:
                mapping = mapping_of(_shapes(document))
            touched |= other.keys()
            if mapping.title != self.mapping.title:
                touched |= self.records.keys()
        first = self.document is NOTHING
        before = {task_id: self.shown(task_id) for task_id in touched if task_id in self.records}
        if self.document.records:
            self._last = self.document.records[-1]
        self.document, self.mapping = document, mapping
        for task_id, record in other.items():
            if record is None:
                del self.records[task_id]
            else:
                self.records[task_id] = record
        self._fold(commits)
        self.drifted = self._drifted(touched)
        if first:
            return []
        moved: list[Moved] = []
        for task_id in touched:
            self._tasks.pop(task_id, None)
            old, new = before.get(task_id), self.find(task_id)
            if old == new:
                continue
            moved.append((task_id, old, new))
            if new is None and (not self.known or task_id in self.drifted):
                self._lost[task_id] = self._lost.get(task_id, 0) + 1
        self.columns.moved([(old, new) for _, old, new in moved])
        return moved

    def _fold(self, commits: Sequence[Commit]) -> None:
        for commit in commits:
            for line in commit:
                self._lost.pop(line.task_id, None)
                known = self.known.get(line.task_id)
                self.known[line.task_id] = fold(known, line, found=is_found(line, commit[0]))
            batch = commit[0].batch
            self._left = batch.after if isinstance(batch, Batch) else ""

    def _drifted(self, touched: set[str]) -> set[str]:
        # As the last commit left it, the file says of every task what its last event says.
        if not self.known or (len(touched) > _FEW and self.document.digest == self._left):
            return set()
        return {task_id for task_id in touched if self._has_drifted(task_id)}

    def _has_drifted(self, task_id: str) -> bool:
        known, record = self.known.get(task_id), self.records.get(task_id)
        return (known.record if known is not None else None) != (record.digest if record is not None else None)

    def _made(self, record: Record) -> Task:
        known = self.known.get(record.id)
        aside: Data = known.said if known is not None else {}
        drifted = record.id in self.drifted
        task = None if drifted else task_read(record.text, record.keys, aside)
        if task is None:
            data = record.data()
            if known is not None and drifted:
                aside = beside(known, data, self.mapping)
            task = task_of(record.id, self.mapping.said(data), aside)
        self._tasks[record.id] = task
        return task

    def _placed(self) -> Iterator[Placed]:
        """Yield where each task stands: what `placed` says of it, without making it."""
        for record in self.records.values():
            if record.id in self.drifted:
                yield placed(self.shown(record.id))
                continue
            priority, since = record.priority, record.since or ""
            known = self.known.get(record.id)
            if known is not None:
                since = max(since, moment(known.said.get("state_since")) or "")
                if "priority" not in record.keys:
                    priority = known.said.get("priority")
            yield record.state, (_UNSAID.priority if priority is None else priority, since, record.id)

    def _version(self, task_id: str) -> str:
        """Return the number of the task's last event and, unless the file is as that left it, what it says instead."""
        known, lost = self.known.get(task_id), self._lost.get(task_id)
        seq = known.seq if known is not None else 0
        drift = f"+{self.records[task_id].digest}" if not self.known or task_id in self.drifted else ""
        return f"{seq}{drift}" + (f"~{lost}" if lost else "")


def _shapes(document: Document) -> Iterator[tuple[str, ...]]:
    """Yield which keys tasks have, in the order of the file, until all that there are were there."""
    left = set(document.shapes)
    for record in document.records:
        if not left:
            return
        left.discard(record.keys)
        yield record.keys


def _other(before: Document, after: Document) -> dict[str, Record | None]:
    """Return the records of a document that are not those of another, by id; None for one that is only in that."""
    if after is before:
        return {}
    front, back = common_elements(before.records, after.records)
    old = {record.id: record for record in before.records[front : len(before.records) - back]}
    new = {record.id: record for record in after.records[front : len(after.records) - back]}
    other: dict[str, Record | None] = dict.fromkeys(old.keys() - new.keys())
    other.update((task_id, record) for task_id, record in new.items() if old.get(task_id) is not record)
    return other
