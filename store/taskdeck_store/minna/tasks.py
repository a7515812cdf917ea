"""The tasks in a file of memories, as a `taskdeck_store.source.Source`."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import apsw

from taskdeck_store import clock
from taskdeck_store.contract import Stop
from taskdeck_store.limits import Limits
from taskdeck_store.machine import Code, Refusal
from taskdeck_store.minna import decay, names
from taskdeck_store.minna.faults import explained
from taskdeck_store.minna.layout import layout_of
from taskdeck_store.minna.opening import Identity, connected, identity
from taskdeck_store.minna.reading import Entity, Reader, Row, entities_of
from taskdeck_store.minna.rows import Forms, Unfillable, forms_of
from taskdeck_store.minna.times import local_offset, microseconds
from taskdeck_store.minna.waiting import Waiter
from taskdeck_store.minna.writing import FIELDS, NotWritten, Writer
from taskdeck_store.printable import one_line
from taskdeck_store.source import Move, Sight
from taskdeck_store.values import Action, Task

_PATIENCE = 10.0
_LONGEST_WAIT = 1.1
"""Seconds for which a row waits at most, in a file that tells no fractions of a second, to be the newest."""


class MinnaTasks:
    """The tasks that are remembered in a file. See `taskdeck_store.source.Source`.

    `patience` is for how many seconds another program's lock is waited for.
    """

    kind = "Minna Memory"

    def __init__(self, path: Path, *, now: clock.Clock = clock.utc_now, patience: float = _PATIENCE) -> None:
        """Raises StoreError where there is no such file, or none whose layout can be told."""
        self._path = path
        self._now = now
        self._patience = patience
        self._reader = Reader()
        self._tasks: dict[str, Task | None] = {}
        self._flaws: dict[str, str] = {}
        self._marks: dict[str, int] = {}
        self._sureness: dict[str, tuple[float, int]] = {}
        self._faded: str | None = None
        self._sight: Sight | None = None
        self._number: int | None = None
        self._moved: set[str] = set()
        self._forms: Forms | None = None
        self._why_not: str | None = None
        self._connection: apsw.Connection | None = None
        self._file: Identity | None = None
        try:
            with self._reading() as connection:
                self._recognise(connection)
        except BaseException:
            self._let_go()
            raise
        self._limits = self._told_limits()
        self._waiter = Waiter(path)

    @property
    def place(self) -> str:
        """The file's real path."""
        return os.path.realpath(self._path)

    @property
    def limits(self) -> Limits:
        """What the memories can say: all of a task but its lease, in the words of the file."""
        return self._limits

    @property
    def read_only(self) -> str | None:
        """Why nothing can be written; None where it can."""
        return self._why_not

    def is_stale(self) -> bool:
        """Tell whether there was a commit since the last look, or another file took this one's place."""
        if self._sight is None or self._moved or self._connection is None or identity(self._path) != self._file:
            return True
        self._connection.set_busy_timeout(0)
        try:
            return bool(self._connection.pragma("data_version") != self._number)
        except apsw.BusyError:
            # Who is writing at this moment has not committed yet.
            return False
        except apsw.Error:
            return True
        finally:
            self._connection.set_busy_timeout(int(self._patience * 1000))

    def look(self, since: str = "") -> Sight:
        """Read the tasks: all of them, or after writes of our own alone those that were written."""
        with self._reading() as connection:
            number = connection.pragma("data_version")
            if self._sight is None or number != self._number:
                self._recognise(connection)
                self._reader = Reader()
                self._take(connection.execute(self._layout.selected()), anew=True)
            elif self._moved:
                self._take(connection.execute(*self._of(self._moved)), anew=False)
            else:
                return self._sight
            self._number = number
            self._moved = set()
        tasks = tuple(task for task in self._tasks.values() if task is not None)
        self._sight = Sight(tasks=tasks, flaws=tuple(self._flaws.values()))
        self._limits = self._told_limits()
        return self._sight

    def carry_out(self, moves: Sequence[Move]) -> Mapping[int, Refusal]:
        """Write moves as new rows, in one transaction; see the protocol."""
        refused, early = self._attempt(moves, waits=True)
        if early:
            time.sleep(early)
            refused, _ = self._attempt(moves, waits=False)
        return refused

    def wait(self, timeout: float, stop: Stop | None = None) -> bool:
        """Sleep until something may have changed; see the protocol."""
        return self._waiter.wait(timeout, stop)

    def close(self) -> None:
        """Let go of the file; ends a wait."""
        self._waiter.close()
        self._let_go()

    def _attempt(self, moves: Sequence[Move], *, waits: bool) -> tuple[dict[int, Refusal], float]:
        """Write moves; return which were refused, and by how many seconds it was too early, if so, to write any."""
        with self._writing() as connection:
            self._recognise(connection)
            if self._forms is None:
                refusal = Refusal(code=Code.READ_ONLY, message=one_line(f"{self._path}: {self._why_not}"))
                return dict.fromkeys(range(len(moves)), refusal), 0.0
            now = self._moment()
            entities = {entity for move in moves if (entity := names.entity_of(move.task.id)) is not None}
            writer = Writer(
                connection,
                self._layout,
                self._forms,
                self._reader,
                _entities(connection, self._of(entities)),
                ahead=self._ahead(connection, self._forms, now),
                now=now,
            )
            refused = {}
            for number, move in enumerate(moves):
                try:
                    writer.write(move)
                except NotWritten as why:
                    refused[number] = why.refusal
            early = (writer.latest - self._moment()) / 1_000_000
            if waits and 0 < early < _LONGEST_WAIT:
                connection.execute("ROLLBACK")
                return {}, early
            self._moved |= entities
            connection.execute("COMMIT")
        return refused, 0.0

    @contextmanager
    def _reading(self) -> Iterator[apsw.Connection]:
        with explained(self._path, "read"):
            connection = self._current()
            connection.execute("BEGIN")
            try:
                # The first read fixes which commit the rest of them see.
                connection.execute("SELECT 1 FROM sqlite_schema").fetchall()
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def _writing(self) -> Iterator[apsw.Connection]:
        with explained(self._path, "write"):
            connection = self._current()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _current(self) -> apsw.Connection:
        """Return a connection to the file that is at the path now."""
        found = identity(self._path)
        if self._connection is not None and found is not None and found == self._file:
            return self._connection
        self._let_go()
        self._connection, self._file, self._sight = connected(self._path, patience=self._patience), found, None
        return self._connection

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close(True)
            self._connection = None

    def _recognise(self, connection: apsw.Connection) -> None:
        """Read the layout, which may have changed, and how rows are written in it."""
        self._layout = layout_of(connection, self._path)
        self._forms, self._why_not = None, None
        if connection.readonly("main"):
            self._why_not = "the file or its folder cannot be written to"
            return
        try:
            self._forms = forms_of(connection, self._layout)
        except Unfillable as why:
            self._why_not = one_line(str(why))

    def _told_limits(self) -> Limits:
        refuses = {}
        if self._forms is not None and isinstance(self._forms.entities, str):
            refuses[Action.ADD] = f"no entity can be added here: {self._forms.entities}"
        half_life = f"{decay.HALF_LIFE_DAYS:g} days"
        notes = [
            "the entity task:proj:7 has the id proj~7; every move is some memories more, and none is changed",
            f"confidence is told where it is not whole; it halves every {half_life} that a memory is not verified",
        ]
        if self._faded is not None:
            notes.append(self._faded)
        if self._layout.search is not None:
            text = f"the search index {self._layout.search} is kept by the program that made it"
            notes.append(one_line(f"{text}: its search may find rows of Taskdeck only once it has indexed them"))
        return Limits(
            words=self._reader.vocabulary.shown(), refuses=refuses, fields=FIELDS, observed=True, notes=tuple(notes)
        )

    def _take(self, rows: Iterable[Row], *, anew: bool) -> None:
        """Make tasks of rows: all that there are now, or, not `anew`, those that were written alone."""
        found = entities_of(rows)
        gone = self._tasks.keys() if anew else self._moved
        for name in [name for name in gone if name not in found]:
            for kept in (self._tasks, self._flaws, self._marks, self._sureness):
                kept.pop(name, None)
        for name, entity in found.items():
            self._reader.learn(entity)
            mark = entity.mark
            if self._marks.get(name) != mark:
                self._flaws.pop(name, None)
                self._sureness.pop(name, None)
                self._marks[name] = mark
                self._tasks[name], flaw = self._reader.task_of(name, entity)
                if flaw is not None:
                    self._flaws[name] = flaw
                sureness = entity.sureness
                if sureness is not None:
                    self._sureness[name] = sureness
        if anew:
            self._faded = decay.faded(self._sureness, self._moment())

    def _of(self, entities: set[str]) -> tuple[str, tuple[str]]:
        return self._layout.selected("IN (SELECT value FROM json_each(?))"), (json.dumps(sorted(entities)),)

    def _ahead(self, connection: apsw.Connection, forms: Forms, now: int) -> int:
        if forms.spelling is None or self._layout.time is None or not forms.spelling.is_doubtful:
            return 0 if forms.spelling is None else local_offset(forms.spelling, None, 0, now)
        newest = connection.execute(self._layout.newest_time()).fetchall()[0][0]
        changed = max(_changed(Path(self.place + suffix)) for suffix in ("", "-wal"))
        return local_offset(forms.spelling, microseconds(newest), changed, now)

    def _moment(self) -> int:
        return clock.to_microseconds(self._now())


def _entities(connection: apsw.Connection, query: tuple[str, tuple[str]]) -> dict[str, Entity]:
    return entities_of(connection.execute(*query))


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns // 1000
    except OSError:
        return 0
