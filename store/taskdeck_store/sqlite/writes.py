"""The one write of a SQLite store: commands to outcomes, inside a write transaction of the caller."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, TypeAlias

import apsw
from msgspec.structs import replace

from taskdeck_store import dependencies, jsontext, machine
from taskdeck_store.audit import BEGINNING, sealed
from taskdeck_store.claiming import start
from taskdeck_store.clock import Clock, not_before
from taskdeck_store.contract import Claiming, Outcome, Pausing
from taskdeck_store.machine import Code, Command, Refusal, Transition, transition
from taskdeck_store.pausing import decided
from taskdeck_store.sqlite import reads, rows, sealing
from taskdeck_store.sqlite.faults import said
from taskdeck_store.sqlite.rows import Row, fetch
from taskdeck_store.values import Action, Claim, Event, Json, Task, Time

if TYPE_CHECKING:
    from apsw import Connection

_DONE_AND_LAST = "SELECT (SELECT seq FROM events WHERE operation = ?), last.seq, last.at, last.hash"
_LAST = "LEFT JOIN events AS last ON last.seq = (SELECT max(seq) FROM events)"
_BEFORE = f"{_DONE_AND_LAST} FROM (SELECT 1) {_LAST}"
"""The event of an operation that was done before, and the last event."""
_BEFORE_WITH_TASK = f"""{_DONE_AND_LAST}, {", ".join(f"tasks.{name}" for name in rows.TASK_COLUMNS)}
    FROM tasks {_LAST} WHERE tasks.id = ?"""
_EVENT_COLUMNS = (
    "task_id",
    "at",
    "actor",
    "action",
    "from_state",
    "to_state",
    "attempts",
    "note",
    "changes",
    '"group"',
    "hash",
    "operation",
)
_INSERT_EVENT = f"""
    INSERT INTO events ({", ".join(_EVENT_COLUMNS)}) VALUES ({", ".join("?" * len(_EVENT_COLUMNS))})"""
_TEXTS = ("task id", "actor", "operation", "note", "group")
_JSON = ("tags", "data", "result", "depends_on")
_TOUCHED = ("updated_at", "version")
_MOVED = ("state", "state_since", *_TOUCHED)
"""The columns that a transition writes besides those whose changes are on record."""
_INSERT_TASK = f"INSERT INTO tasks ({', '.join(rows.WRITTEN)}) VALUES ({', '.join('?' * len(rows.WRITTEN))})"


Amend: TypeAlias = Callable[[Transition], Transition]


def _as_asked(move: Transition) -> Transition:
    return move


class Unheld(Exception):
    """The database refused the values of a command; what the transaction did so far must be undone."""

    def __init__(self, number: int, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.number = number
        self.refusal = refusal


def transact(
    connection: Connection,
    commands: Sequence[Command],
    claiming: Claiming | None,
    now: Clock,
    refused: Mapping[int, Refusal],
    added: Amend = _as_asked,
) -> list[Outcome]:
    """Carry out the commands in order, then start what is claimed, and return the outcomes; nothing is committed.

    `refused` holds, by a command's number, what an earlier try found. `added` may say more of a task that is added
    than was asked for. Raises Unheld.
    """
    at = now()
    outcomes = [_tried(connection, command, number, at, refused, added) for number, command in enumerate(commands)]
    if claiming is not None:
        ids = reads.claimable(connection, claiming, at, {command.task_id for command in commands})
        outcomes += [
            _tried(connection, start(claiming, task_id, at), number, at, refused, added)
            for number, task_id in enumerate(ids, len(commands))
        ]
    return outcomes


def pause(connection: Connection, asked: Pausing, now: Clock) -> tuple[Event | Refusal, bool]:
    """Pause or resume the queue; return the event or why not, and whether it is new; nothing is committed."""
    if not all(map(rows.is_text, (asked.query, asked.actor, asked.note or "", asked.operation))):
        message = "cannot pause: a text holds a character that SQLite cannot (NUL, or half a surrogate)"
        return Refusal(code=Code.INVALID, message=message), False
    before = (asked.operation,)
    done_by, last_seq, last_at, last_hash = fetch(connection, _BEFORE, before)[0]
    if done_by is not None:
        return reads.events(connection, None, done_by - 1, None, 1, False)[0], False
    if last_seq and last_hash is None:
        sealing.backlog(connection)
        last_hash = fetch(connection, _BEFORE, before)[0][3]
    event = decided(reads.pauses(connection), asked, (last_seq or 0) + 1, not_before(now(), last_at))
    if isinstance(event, Refusal):
        return event, False
    return record(connection, event, last_hash if last_seq else BEGINNING, asked.operation), True


def renew(connection: Connection, held: Mapping[str, Claim], until: Time) -> frozenset[str]:
    """Have leases run out at a moment; return the ids of the tasks that are not held; nothing is committed."""
    lost = set()
    for task_id, claim in held.items():
        task = reads.task(connection, task_id)
        if task is not None and machine.is_held(task, claim, partial(reads.brought_by, connection)):
            # A trigger puts every other change on record.
            connection.execute("UPDATE tasks SET lease_until = ? WHERE id = ?", (until, task_id))
        else:
            lost.add(task_id)
    return frozenset(lost)


def _tried(
    connection: Connection, command: Command, number: int, at: Time, refused: Mapping[int, Refusal], added: Amend
) -> Outcome:
    if number in refused:
        return _refused(connection, command, refused[number])
    return _outcome(connection, command, number, at, added)


def undone(connection: Connection, outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """Return the outcomes of an all-or-nothing `apply` that one refusal has undone."""
    return tuple(
        outcome if outcome.repeated else _refused(connection, outcome.command, outcome.refusal) for outcome in outcomes
    )


def _refused(connection: Connection, command: Command, refusal: Refusal | None) -> Outcome:
    return Outcome(command=command, task=reads.task(connection, command.task_id), refusal=refusal)


def _outcome(connection: Connection, command: Command, number: int, at: Time, added: Amend) -> Outcome:
    held = _held(command)
    if isinstance(held, Refusal):
        return _refused(connection, command, held)
    done_by, last_seq, last_at, last_hash, *columns = _before(connection, command)
    if number == 0 and last_seq and last_hash is None:
        sealing.backlog(connection)
        last_hash = _before(connection, command)[3]
    if done_by is not None:
        (event,) = reads.events(connection, None, done_by - 1, None, 1, False)
        return Outcome(command=command, task=reads.task(connection, event.task_id), event=event, repeated=True)
    # The clock may have been set back: the log's times never run backwards.
    at = not_before(at, last_at)
    task = rows.task(columns) if columns else None
    if task is not None and command.expect not in (None, task.version) and command.action is not Action.ADD:
        return Outcome(command=command, task=task, refusal=_conflict(connection, task))
    if task is not None and command.claim is not None:
        claim = command.claim
        if not machine.is_held(task, claim, partial(reads.brought_by, connection)):
            return Outcome(command=command, task=task, refusal=machine.lost_claim(task, claim, _last(connection, task)))
    if "depends_on" in held.fields:
        find, is_needed = partial(reads.depends_on, connection), partial(reads.is_needed, connection)
        wrong = dependencies.refused(held, task, find, is_needed)
        if wrong is not None:
            return Outcome(command=command, task=task, refusal=wrong)
    try:
        move = transition(task, held, at)
        if isinstance(move, Refusal):
            return Outcome(command=command, task=task, refusal=move)
        move = added(move) if task is None else move
        return _moved(connection, command, task, move, at, (last_seq or 0, last_hash if last_seq else BEGINNING))
    except (apsw.ConstraintError, ValueError) as error:
        message = f"cannot {command.action} {command.task_id}: {said(error)}"
        raise Unheld(number, Refusal(code=Code.INVALID, message=message)) from error


def _before(connection: Connection, command: Command) -> Row:
    found = fetch(connection, _BEFORE_WITH_TASK, (command.operation, command.task_id))
    return (found or fetch(connection, _BEFORE, (command.operation,)))[0]


def _moved(
    connection: Connection,
    command: Command,
    before: Task | None,
    move: Transition,
    at: Time,
    last: tuple[int, str | None],
) -> Outcome:
    seq, previous = last
    event = Event(
        seq=seq + 1,
        task_id=command.task_id,
        at=at,
        actor=command.actor,
        action=command.action,
        from_state=move.from_state,
        to_state=move.to_state,
        attempts=move.task.attempts,
        note=command.note,
        changes=move.changes,
        group=command.group,
    )
    event = record(connection, event, previous, command.operation)
    task = replace(move.task, version=str(event.seq))
    if before is None:
        connection.execute(_INSERT_TASK, [rows.column(name, task) for name in rows.WRITTEN])
    else:
        names = (*move.changes, *(_MOVED if task.state is not before.state else _TOUCHED))
        connection.execute(_update(names), [*[rows.column(name, task) for name in names], task.id])
    if "depends_on" in move.changes:
        task = replace(task, blocked=reads.blocked(connection, task.id))
    return Outcome(command=command, task=task, event=event)


def record(connection: Connection, event: Event, previous: str | None, operation: str | None) -> Event:
    """Put an event in the log, sealed where the hash of the one before is known, and return it."""
    if previous is not None:
        event = replace(event, hash=sealed(previous, event))
    values = [
        event.task_id,
        event.at,
        event.actor,
        event.action,
        event.from_state,
        event.to_state,
        event.attempts,
        event.note,
        jsontext.written(event.changes),
        event.group,
        event.hash,
        operation,
    ]
    connection.execute(_INSERT_EVENT, values)
    return event


@cache
def _update(columns: tuple[str, ...]) -> str:
    return f"UPDATE tasks SET {', '.join(f'{name} = ?' for name in columns)} WHERE id = ?"


def _conflict(connection: Connection, task: Task) -> Refusal:
    return machine.changed_meanwhile(task, _last(connection, task))


def _last(connection: Connection, task: Task) -> str:
    (last,) = reads.events(connection, task.id, 0, None, 1, True)
    return f"{said(last.actor)} did {last.action} at {last.at}"


def _held(command: Command) -> Command | Refusal:
    """The command as a reader of the store will see it (JSON has a list for a tuple), or why SQLite cannot hold it."""
    json: dict[str, Json] = {}
    for name, value in command.fields.items():
        if name in _JSON:
            try:
                json[name] = jsontext.plain(machine.plain(value))
            except ValueError as error:
                message = f"cannot {command.action} {said(command.task_id)}: {name}: {said(error)}"
                return Refusal(code=Code.INVALID, message=message)
        elif isinstance(value, str) and not rows.is_text(value):
            return _no_text(command, name)
    texts = (command.task_id, command.actor, command.operation, command.note or "", command.group or "")
    if not rows.is_text("".join(texts)):
        wrong = (name for name, text in zip(_TEXTS, texts, strict=True) if not rows.is_text(text))
        return _no_text(command, next(wrong))
    return replace(command, fields={**command.fields, **json}) if json else command


def _no_text(command: Command, name: str) -> Refusal:
    what = "a character that SQLite cannot (NUL, or half a surrogate)"
    return Refusal(
        code=Code.INVALID, message=f"cannot {command.action} {said(command.task_id)}: its {name} holds {what}"
    )
