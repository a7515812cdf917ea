"""What a handle knows of its store: the task file and the audit log, joined into tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from taskdeck_store.jsonfile.audit import Commit
from taskdeck_store.jsonfile.columns import Columns
from taskdeck_store.jsonfile.document import Document, Record
from taskdeck_store.jsonfile.fields import Data, task_of
from taskdeck_store.jsonfile.known import Known, beside, fold, is_found
from taskdeck_store.jsonfile.mapping import mapping_of
from taskdeck_store.values import Task

Moved: TypeAlias = tuple[str, Task | None, Task | None]
"""What became of a task: its id, and the task before and after; None where there is none."""

_NOTHING = Document(b"", b"", (), (), b"")


class Picture:
    """The tasks of one look.

    A task is its record in the file, with what only the log knows of it. `drifted` holds the ids of tasks whose record
    is not what their last event says: someone outside changed them, and that is not on record.
    """

    def __init__(self) -> None:
        self.document = _NOTHING
        self.mapping = mapping_of(())
        self.records: dict[str, Record] = {}
        self.known: dict[str, Known] = {}
        self.tasks: dict[str, Task] = {}
        self.columns = Columns(self.tasks)
        self.drifted: set[str] = set()
        self._lost: dict[str, int] = {}
        self._last: Record | None = None

    @property
    def like(self) -> Data | None:
        """The task object to make new ones like: the last of the file, or the last that was there."""
        last = self.document.records[-1] if self.document.records else self._last
        return last.data() if last is not None else None

    def take(self, document: Document, fresh: Mapping[str, Data], commits: Iterable[Commit]) -> list[Moved]:
        """Take in a look at the file and newly settled commits; return the tasks that are other than before.

        `fresh` may hold task objects of the document by id, to save reading them again.
        """
        touched = self._fold(commits) | self.drifted
        if document is not self.document:
            touched |= self._open(document)
        self.drifted = {task_id for task_id in touched if self._has_drifted(task_id)}
        moved: list[Moved] = []
        for task_id in touched:
            before, after = self.tasks.get(task_id), self._task(task_id, fresh)
            if before == after:
                continue
            moved.append((task_id, before, after))
            if after is not None:
                self.tasks[task_id] = after
            else:
                del self.tasks[task_id]
                if not self.known or task_id in self.drifted:
                    self._lost[task_id] = self._lost.get(task_id, 0) + 1
        self.columns.moved([(before, after) for _, before, after in moved])
        return moved

    def _fold(self, commits: Iterable[Commit]) -> set[str]:
        touched: set[str] = set()
        for commit in commits:
            for line in commit:
                touched.add(line.task_id)
                self._lost.pop(line.task_id, None)
                known = self.known.get(line.task_id)
                self.known[line.task_id] = fold(known, line, found=is_found(line, commit[0]))
        return touched

    def _open(self, document: Document) -> set[str]:
        before, title = self.records, self.mapping.title
        if self.document.records:
            self._last = self.document.records[-1]
        self.document = document
        if document.records:
            self.mapping = mapping_of(record.keys for record in document.records)
        self.records = {record.id: record for record in document.records}
        touched = {task_id for task_id, record in self.records.items() if before.get(task_id) is not record}
        touched |= before.keys() - self.records.keys()
        return touched | self.records.keys() if self.mapping.title != title else touched

    def _has_drifted(self, task_id: str) -> bool:
        if not self.known:
            return False
        known, record = self.known.get(task_id), self.records.get(task_id)
        return (known.record if known is not None else None) != (record.digest if record is not None else None)

    def _task(self, task_id: str, fresh: Mapping[str, Data]) -> Task | None:
        record, known = self.records.get(task_id), self.known.get(task_id)
        if record is None:
            return None
        data = fresh.get(task_id) or record.data()
        aside: Data = {}
        if known is not None and known.record is not None:
            aside = beside(known, data, self.mapping) if task_id in self.drifted else known.said
        return task_of(task_id, self.mapping.said(data), aside, self._version(record, known))

    def _version(self, record: Record, known: Known | None) -> str:
        """Return the number of the task's last event and, unless the file is as that left it, what it says instead."""
        seq = known.seq if known is not None else 0
        drift = "" if known is not None and known.record == record.digest else f"+{record.digest}"
        lost = self._lost.get(record.id)
        return f"{seq}{drift}" + (f"~{lost}" if lost else "")
