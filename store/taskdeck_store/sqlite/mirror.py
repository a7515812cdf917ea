"""A SQLite store as the mirror of a place that others own: its tasks as they were last seen there, and the log of it.

A mirror is written to by Taskdeck alone, so it does without the rules that hold other programs to the transition
table: what happened elsewhere is put on record as it happened.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from taskdeck_store import clock, jsontext
from taskdeck_store.audit import BEGINNING
from taskdeck_store.contract import Claiming, Defect, Fault, Outcome, StoreError
from taskdeck_store.machine import Command, Refusal, Transition
from taskdeck_store.query.terms import EVERYTHING, Query
from taskdeck_store.sqlite import opening, rows, soundness, writes
from taskdeck_store.sqlite.faults import explained
from taskdeck_store.sqlite.rows import fetch
from taskdeck_store.sqlite.store import SqliteStore, writing
from taskdeck_store.sqlite.writes import Amend
from taskdeck_store.values import Event, Task

_RULES = (
    "tasks_insert_refused",
    "tasks_update_refused",
    "tasks_dependent_refused",
    "tasks_depends_refused",
    "tasks_inserted_outside",
    "tasks_updated_outside",
    "tasks_deleted_outside",
)
"""The triggers that judge what other programs write to a store, or put it on record."""
_THERE = f"SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name IN ({', '.join('?' * len(_RULES))})"
_EXTRA = "SELECT 1 FROM pragma_table_info('tasks') WHERE name = 'extra'"
_SEEN = "SELECT 1 FROM sqlite_schema WHERE name = 'seen'"
_LAST = "SELECT seq, at, hash FROM events ORDER BY seq DESC LIMIT 1"
_INSERT = f"INSERT INTO tasks ({', '.join(rows.WRITTEN)}, extra) VALUES ({', '.join('?' * (len(rows.WRITTEN) + 1))})"
_SAY = "UPDATE tasks SET extra = ? WHERE id = ?"
_UPDATE = f"UPDATE tasks SET {', '.join(f'{name} = ?' for name in rows.WRITTEN)}, extra = ? WHERE id = ?"


class MirrorStore(SqliteStore):
    """The mirror in a file of its own; make one with `open_mirror`. `extra` of its tasks is kept as well, and how far
    what the source's own log tells is on record.
    """

    @classmethod
    def open_mirror(cls, path: Path, *, address: str, now: clock.Clock, patience: float) -> MirrorStore:
        """Open the mirror at a path; make it, and its folder, where there is none. Raises StoreError."""
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            message = f"cannot make {path.parent}, where what is seen of {address} is kept: {error.strerror}"
            raise StoreError(Fault.UNWRITABLE, f"{message}; name another folder in XDG_STATE_HOME") from error
        if not path.exists():
            try:
                opening.create(path)
            except StoreError as error:
                # Another one may have made it since.
                if error.fault is not Fault.EXISTS or not path.exists():
                    raise
        mirror = cls(path, address=address, read_only=False, now=now, patience=patience)
        try:
            mirror._drop_rules()
        except BaseException:
            mirror.close()
            raise
        return mirror

    @contextmanager
    def writing(self) -> Iterator[Pen]:
        """Hold the write lock of the mirror, so that what is seen of its source is put on record in order."""
        opened = self._current(latest=False)
        with self._lock.hold(self._patience), explained(self._path, "write"):
            if not opened.is_current():
                opened = self._current()
            opened.log_ahead()
            yield Pen(opened, self._now)

    def extras(self, ids: Collection[str]) -> Mapping[str, dict[str, object]]:
        """Return what the source says of some tasks beyond the fields of Taskdeck, by their ids."""
        with self.reading():
            found = fetch(self._connection, _EXTRAS, (jsontext.encode(list(ids)),))
        return {task_id: jsontext.decode(text) for task_id, text in found}

    def get(self, task_id: str) -> Task | None:
        """Return a task, or None."""
        task = super().get(task_id)
        return None if task is None else self._whole([task])[0]

    def tasks(self, query: Query = EVERYTHING, *, limit: int | None = None) -> Sequence[Task]:
        """Return whole tasks; see the contract."""
        with self.reading():
            return self._whole(super().tasks(query, limit=limit))

    def defects(self) -> Sequence[Defect]:
        """Return what is wrong with the file; it lacks the rules on purpose."""
        with self.reading():
            return (*soundness.damage(self._connection), *soundness.doubled(self._connection))

    def _whole(self, tasks: Sequence[Task]) -> list[Task]:
        extras = self.extras([task.id for task in tasks])
        return [replace(task, extra=extras[task.id]) if task.id in extras else task for task in tasks]

    def _drop_rules(self) -> None:
        opened = self._current(latest=False)
        with explained(self._path, "write"):
            has_all = fetch(opened.connection, _EXTRA) and fetch(opened.connection, _SEEN)
            if has_all and not fetch(opened.connection, _THERE, _RULES):
                return
            with self._lock.hold(self._patience), writing(opened):
                for (name,) in fetch(opened.connection, _THERE, _RULES):
                    opened.connection.execute(f"DROP TRIGGER {name}")
                if not fetch(opened.connection, _EXTRA):
                    opened.connection.execute("ALTER TABLE tasks ADD COLUMN extra TEXT")
                if not fetch(opened.connection, _SEEN):
                    opened.connection.execute("CREATE TABLE seen (mark TEXT NOT NULL) STRICT")
                opened.connection.execute("COMMIT")


_EXTRAS = "SELECT id, extra FROM tasks WHERE id IN (SELECT value FROM json_each(?)) AND extra IS NOT NULL"


class Pen:
    """Writes to a mirror while its lock is held, in one transaction after another."""

    def __init__(self, opened: opening.Opened, now: clock.Clock) -> None:
        self._opened = opened
        self._connection = opened.connection
        self._now = now
        self._last: tuple[int, str, str | None] = (0, "", BEGINNING)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the body writes, or nothing of it where it raises."""
        with writing(self._opened):
            self._read_last()
            yield
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")

    def undo(self) -> None:
        """Take back what was written in this transaction, and begin it anew."""
        self._connection.execute("ROLLBACK")
        self._connection.execute("BEGIN IMMEDIATE")
        self._read_last()

    @property
    def seq(self) -> int:
        """The seq of the last event, as of the transaction; 0 where there is none."""
        return self._last[0]

    @property
    def mark(self) -> str:
        """How far the source's own log goes that led to what is on record; see `keep_mark`. '' where nobody said."""
        found = fetch(self._connection, "SELECT mark FROM seen")
        return found[0][0] if found else ""

    def keep_mark(self, mark: str) -> None:
        """Keep how far the source's own log goes that led to what is on record now."""
        if mark != self.mark:
            self._connection.execute("DELETE FROM seen")
            self._connection.execute("INSERT INTO seen VALUES (?)", (mark,))

    def touched_since(self, seq: int) -> set[str]:
        """Return the ids of the tasks that events after a seq tell of."""
        return {task_id for (task_id,) in fetch(self._connection, "SELECT task_id FROM events WHERE seq > ?", (seq,))}

    def tasks(self, ids: Collection[str] | None) -> dict[str, Task]:
        """Return tasks by their ids, those that are there; all of them for None."""
        which = "" if ids is None else " WHERE id IN (SELECT value FROM json_each(?))"
        parameters = () if ids is None else (jsontext.encode(list(ids)),)
        found = {}
        for *row, extra in fetch(self._connection, f"SELECT {rows.TASK}, extra FROM tasks{which}", parameters):
            task = rows.task(row)
            found[task.id] = task if extra is None else replace(task, extra=jsontext.decode(extra))
        return found

    def record(self, event: Event, task: Task | None, *, is_new: bool) -> None:
        """Put an event on record, with the task after it; None: it is gone. The event gets its seq, and its place in
        time after the one before.
        """
        seq, at, previous = self._last
        event = replace(event, seq=seq + 1, at=clock.not_before(event.at, at or None))
        event = writes.record(self._connection, event, previous, None)
        self._last = (event.seq, event.at, event.hash)
        if task is None:
            self._connection.execute("DELETE FROM tasks WHERE id = ?", (event.task_id,))
            return
        task = replace(task, version=str(event.seq))
        values = [rows.column(name, task) for name in rows.WRITTEN]
        values.append(jsontext.written(task.extra) if task.extra else None)
        if is_new:
            self._connection.execute(_INSERT, values)
        else:
            self._connection.execute(_UPDATE, [*values, task.id])

    def carry_out(
        self,
        commands: Sequence[Command],
        claiming: Claiming | None,
        refused: Mapping[int, Refusal],
        added: Amend | None = None,
    ) -> list[Outcome]:
        """Judge commands, and what is claimed, by the machine, and write what is legal; the outcomes, in order.

        `refused` holds, by a command's number, what is refused for another reason. `added` says more of a task that
        is added: what its source said of it by itself.
        """
        refused = dict(refused)
        extras: dict[str, str] = {}

        def amended(move: Transition) -> Transition:
            move = move if added is None else added(move)
            if move.task.extra:
                extras[move.task.id] = jsontext.written(move.task.extra)
            return move

        while True:
            try:
                outcomes = writes.transact(self._connection, commands, claiming, self._now, refused, amended)
                break
            except writes.Unheld as unheld:
                refused[unheld.number] = unheld.refusal
                self.undo()
        self._connection.executemany(_SAY, [(text, task_id) for task_id, text in extras.items()])
        return outcomes

    def told(self, outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
        """Return outcomes with what the source says of their tasks beyond the fields of Taskdeck; those that have a
        task as it was left in the end have it as it is on record now.
        """
        latest = {outcome.command.task_id: outcome.task for outcome in outcomes}
        there = self.tasks([task_id for task_id, task in latest.items() if task is not None])

        def whole(task: Task | None) -> Task | None:
            found = None if task is None else there.get(task.id)
            if task is None or found is None:
                return task
            left = latest[task.id]
            is_last = left is not None and left.version == task.version
            return found if is_last else replace(task, extra=found.extra)

        return tuple(replace(outcome, task=whole(outcome.task)) for outcome in outcomes)

    def undone(self, outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
        """Take everything back, and return the outcomes of an all-or-nothing `apply` that one refusal has undone."""
        self.undo()
        return self.told(writes.undone(self._connection, outcomes))

    def _read_last(self) -> None:
        found = fetch(self._connection, _LAST)
        self._last = found[0] if found else (0, "", BEGINNING)
