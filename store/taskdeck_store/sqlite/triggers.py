"""The rules as SQLite triggers, made from the transition table, so that plain SQL from any program obeys them.

The writer of Taskdeck inserts an event first and then writes its number into the task as `version`. A change of
`tasks` that does not name the event just made is someone else's: a trigger records it, in the same transaction, as
an event of the actor `external`, and gives the task its version and times. What the table forbids is refused.

The SQL keeps to SQLite 3.37, which may be what the other program has: RAISE with literal texts, no newer functions.
SQLite's REPLACE removes rows without firing delete triggers; hence the tables' own look at their history.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from taskdeck_store import machine, validity
from taskdeck_store.values import EXTERNAL, LISTS, REMOVED, Action, State

_TEXTS = ("title", "description", "error", "not_before", "owner", "lease_until")
_WHOLES = ("priority", "attempts", "max_attempts")
_JSON = ("tags", "data", "result", "depends_on")
_GIVEN = ("version", "created_at", "state_since")

_MOMENT = "[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z"
_LAST = "(SELECT max(seq) FROM events)"
_NOW = "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')"
_AT = f"max({_NOW}, coalesce((SELECT at FROM events WHERE seq = {_LAST} AND at GLOB '{_MOMENT}'), ''))"
_UNRECORDED = "this cannot be put on record as it is, and what is on no record is not done"
"""OR IGNORE and the like hold for what a trigger does as well: what they skip there must not be missed."""
_DEEP = "its JSON lies too deep in itself to be put on record"
_OURS = f"""EXISTS (SELECT 1 FROM events WHERE seq = {_LAST} AND CAST(seq AS TEXT) = NEW.version
    AND task_id = NEW.id AND to_state = NEW.state)"""


def no_moment(name: str) -> str:
    """Return the condition that a text is no moment in Taskdeck's form."""
    # Without a step in time, SQLite takes February to have 31 days, and a day to have an hour 24.
    return f"""({name} NOT GLOB '{_MOMENT}' OR length(CAST({name} AS BLOB)) <> 27
    OR strftime('%Y-%m-%dT%H:%M:%S', substr({name}, 1, 19), '+0 days') IS NOT substr({name}, 1, 19))"""


_NO_MOMENT = f"NEW.hash IS NULL AND {no_moment('NEW.at')}"


def ddl() -> Iterator[str]:
    """Yield the CREATE TRIGGER statements."""
    yield _insert_refused()
    yield _update_refused()
    yield _deep_refused()
    yield _inserted_outside()
    yield _updated_outside()
    yield _deleted_outside()
    yield from _dependencies_kept()
    yield from _events_kept()


def _insert_refused() -> str:
    begins = f"a task begins in {machine.said(State.PENDING)}; add it there, then move it"
    forged = "leave version out: the database gives a task its version"
    exists = "EXISTS (SELECT 1 FROM tasks WHERE id = NEW.id)"
    return f"""
        CREATE TRIGGER tasks_insert_refused BEFORE INSERT ON tasks
        WHEN NEW.state <> {_text(State.PENDING)} AND NOT {exists}
          OR NEW.version <> '' AND ({exists} OR NOT {_OURS}) OR {_too_deep()} BEGIN
          SELECT CASE
            WHEN {_too_deep()} THEN {_refuse(_DEEP)}
            WHEN {_unknown()} THEN {_refuse(_no_such_state())}
            WHEN NEW.version <> '' THEN {_refuse(forged)}
            ELSE {_refuse(begins)} END;
        END"""


def _update_refused() -> str:
    # Not IN: of more than two values, SQLite makes a table each time.
    legal = " OR ".join(
        f"OLD.state = {_text(before)} AND ({' OR '.join(f'NEW.state = {_text(after)}' for after in afters)})"
        for before in State
        if (afters := [after for after in State if after is not before and machine.action_between(before, after)])
    )
    illegal = [
        f"WHEN OLD.state = {_text(before)} AND NEW.state = {_text(after)} THEN "
        + _refuse(machine.why_no_move(before, after))
        for before, after in product(State, State)
        if machine.action_between(before, after) is None
    ]
    is_blocked = f"(OLD.state = {_text(State.PENDING)} AND NEW.state = {_text(State.IN_PROGRESS)} AND NEW.blocked > 0)"
    worn_out = f"(OLD.attempts >= {validity.WHOLE_LIMIT} AND NEW.attempts = OLD.attempts AND {_again()})"
    return f"""
        CREATE TRIGGER tasks_update_refused BEFORE UPDATE OF id, state ON tasks
        WHEN NEW.id IS NOT OLD.id OR NOT (NEW.state = OLD.state OR {legal}) OR {worn_out} OR {is_blocked} BEGIN
          SELECT CASE
            WHEN {is_blocked} THEN {_refuse("it depends on tasks that are not completed")}
            WHEN {worn_out} THEN {_refuse("attempts cannot be counted any further; set it as well")}
            WHEN NEW.id IS NOT OLD.id THEN {_refuse("a task keeps its id; add a new task instead")}
            WHEN {_unknown()} THEN {_refuse(_no_such_state())}
            {" ".join(illegal)} END;
        END"""


def _deep_refused() -> str:
    return f"""
        CREATE TRIGGER tasks_deep_refused BEFORE UPDATE OF {", ".join(_JSON)} ON tasks WHEN {_too_deep()} BEGIN
          SELECT {_refuse(_DEEP)};
        END"""


def _inserted_outside() -> str:
    replaced = "this task exists, and REPLACE would erase it unrecorded; use UPDATE, or ON CONFLICT (id) DO UPDATE"
    lived = "(SELECT to_state FROM events WHERE task_id = NEW.id ORDER BY seq DESC LIMIT 1) IS NOT NULL"
    return f"""
        CREATE TRIGGER tasks_inserted_outside AFTER INSERT ON tasks WHEN NOT {_OURS} BEGIN
          SELECT {_refuse(replaced)} WHERE {lived};
          {_event(_text(Action.ADD), "NEW", "NULL", "NEW.state", "NEW.attempts", _whole_row("NEW", added=True))};
          UPDATE tasks SET ({", ".join(_GIVEN)}, updated_at) =
            (SELECT CAST(seq AS TEXT), at, at, at FROM events WHERE seq = {_LAST}) WHERE id = NEW.id;
          SELECT {_refuse(_UNRECORDED)} WHERE NOT EXISTS (SELECT 1 FROM events e, tasks t WHERE e.seq = {_LAST}
            AND e.task_id = NEW.id AND e.from_state IS NULL AND t.id = NEW.id AND t.version = CAST(e.seq AS TEXT));
        END"""


def _updated_outside() -> str:
    after = {
        "attempts": f"CASE WHEN {_again()} AND NEW.attempts = OLD.attempts THEN OLD.attempts + 1 ELSE NEW.attempts END",
        "owner": f"CASE WHEN {_again()} AND NEW.owner IS OLD.owner THEN NULL ELSE NEW.owner END",
        "not_before": "CASE WHEN NEW.state <> OLD.state AND NEW.not_before IS OLD.not_before THEN NULL "
        "ELSE NEW.not_before END",
        "lease_until": f"CASE WHEN OLD.state = {_text(State.IN_PROGRESS)} AND NEW.state <> OLD.state THEN NULL "
        "ELSE NEW.lease_until END",
    }
    noticed = [name for name in (*_TEXTS, *_WHOLES, *_JSON, "state", *_GIVEN) if name != "lease_until"]
    changed = " OR ".join(f"NEW.{name} IS NOT OLD.{name}" for name in noticed)
    changes = [_change(name, f"OLD.{name}", after.get(name, f"NEW.{name}")) for name in (*_TEXTS, *_WHOLES, *_JSON)]
    actions = " ".join(
        f"WHEN OLD.state = {_text(before)} AND NEW.state = {_text(to)} THEN {_text(action)}"
        for before, to in product(State, State)
        if before is not to and (action := machine.action_between(before, to)) is not None
    )
    move = f"CASE {actions} ELSE {_text(Action.EDIT)} END"
    return f"""
        CREATE TRIGGER tasks_updated_outside AFTER UPDATE ON tasks
        WHEN NOT (NEW.version IS NOT OLD.version AND {_OURS}) AND ({changed}) BEGIN
          {_event(move, "NEW", "OLD.state", "NEW.state", after["attempts"], _changes(changes))};
          UPDATE tasks SET {", ".join(f"{name} = {value}" for name, value in after.items())},
            (version, updated_at, state_since, created_at) =
            (SELECT CAST(seq AS TEXT), at, CASE WHEN NEW.state = OLD.state THEN OLD.state_since ELSE at END,
              OLD.created_at FROM events WHERE seq = {_LAST})
          WHERE id = NEW.id;
          SELECT {_refuse(_UNRECORDED)} WHERE NOT EXISTS (SELECT 1 FROM events e, tasks t WHERE e.seq = {_LAST}
            AND e.task_id = NEW.id AND t.id = NEW.id AND t.version = CAST(e.seq AS TEXT)
            AND t.version IS NOT OLD.version);
        END"""


def _deleted_outside() -> str:
    return f"""
        CREATE TRIGGER tasks_deleted_outside AFTER DELETE ON tasks BEGIN
          {_event(_text(REMOVED), "OLD", "OLD.state", "NULL", "OLD.attempts", _whole_row("OLD", added=False))};
          SELECT {_refuse(_UNRECORDED)} WHERE NOT EXISTS (SELECT 1 FROM events WHERE seq = {_LAST}
            AND task_id = OLD.id AND to_state IS NULL);
        END"""


def unmet(row: str) -> str:
    """Return the number of tasks that the task in a row depends on and that are not completed, as SQL."""
    return f"""(SELECT count(DISTINCT value) FROM json_each({row}.depends_on) WHERE coalesce(
            (SELECT state FROM tasks WHERE id = value),
            (SELECT from_state FROM events WHERE task_id = value ORDER BY seq DESC LIMIT 1), '')
          <> {_text(State.COMPLETED)})"""


def _dependencies_kept() -> Iterator[str]:
    given = "depends_on is an array of task ids"
    missing = "a task depends on tasks that are there; add those first"
    circle = "it would wait for itself: what it depends on depends on it"
    no_ids = """EXISTS (SELECT 1 FROM json_each(NEW.depends_on) WHERE type <> 'text' OR value = ''
            OR value GLOB '*[^A-Za-z0-9._~-]*')"""
    new = "SELECT value FROM json_each(NEW.depends_on)"
    unknown = f"EXISTS ({new} WHERE value <> NEW.id AND NOT EXISTS (SELECT 1 FROM tasks WHERE id = value)%s)"
    in_circle = f"""NEW.id IN (WITH RECURSIVE ahead (id) AS ({new} UNION
            SELECT value FROM ahead JOIN tasks USING (id), json_each(depends_on)) SELECT id FROM ahead)"""
    # Nobody depends on most new tasks, and then only the task itself can close a circle.
    is_needed = "EXISTS (SELECT 1 FROM dependencies WHERE depends_on = NEW.id)"
    refused = f"""SELECT CASE
            WHEN {no_ids} THEN {_refuse(given)}
            WHEN {unknown} THEN {_refuse(missing)}
            WHEN NEW.id IN ({new}) OR {is_needed} AND {in_circle} THEN {_refuse(circle)} END"""
    had = " AND value NOT IN (SELECT value FROM json_each(OLD.depends_on))"
    dependent = "id IN (SELECT task_id FROM dependencies WHERE depends_on = NEW.id)"
    forget = """DELETE FROM dependencies
            WHERE task_id = OLD.id AND depends_on IN (SELECT value FROM json_each(OLD.depends_on))"""
    # Not OR IGNORE: a conflict clause of the other program's statement would hold here in its place.
    keep = f"""INSERT INTO dependencies SELECT DISTINCT value, NEW.id FROM ({new}) WHERE NOT EXISTS
            (SELECT 1 FROM dependencies WHERE depends_on = value AND task_id = NEW.id)"""
    count = f"UPDATE tasks SET blocked = {unmet('tasks')} WHERE"
    yield f"""
        CREATE TRIGGER tasks_dependent_refused BEFORE INSERT ON tasks
        WHEN NEW.depends_on <> '[]' AND json_valid(NEW.depends_on) BEGIN {refused % ""}; END"""
    yield f"""
        CREATE TRIGGER tasks_depends_refused BEFORE UPDATE OF depends_on ON tasks
        WHEN NEW.depends_on IS NOT OLD.depends_on AND json_valid(NEW.depends_on) BEGIN {refused % had}; END"""
    yield f"""
        CREATE TRIGGER tasks_blocked_refused BEFORE UPDATE OF blocked ON tasks
        WHEN NEW.blocked IS NOT {unmet("NEW")} BEGIN
          SELECT {_refuse("blocked is counted by the database; change depends_on instead")};
        END"""
    yield f"""
        CREATE TRIGGER tasks_dependent_inserted AFTER INSERT ON tasks
        WHEN NEW.depends_on <> '[]' OR NEW.blocked <> 0
          OR EXISTS (SELECT 1 FROM dependencies WHERE depends_on = NEW.id) BEGIN
          {keep};
          {count} id = NEW.id OR {dependent};
        END"""
    yield f"""
        CREATE TRIGGER tasks_depends_updated AFTER UPDATE OF depends_on ON tasks
        WHEN NEW.depends_on IS NOT OLD.depends_on BEGIN
          {forget};
          {keep};
          {count} id = NEW.id;
        END"""
    yield f"""
        CREATE TRIGGER tasks_completed_frees AFTER UPDATE OF state ON tasks
        WHEN NEW.state <> OLD.state AND {_text(State.COMPLETED)} IN (OLD.state, NEW.state)
          AND EXISTS (SELECT 1 FROM dependencies WHERE depends_on = NEW.id) BEGIN
          {count} {dependent};
        END"""
    yield f"""
        CREATE TRIGGER tasks_dependent_deleted AFTER DELETE ON tasks WHEN OLD.depends_on <> '[]' BEGIN
          {forget};
        END"""


def _events_kept() -> Iterator[str]:
    kept = "the audit log only grows: an event is never changed or deleted"
    fields = ("seq", "task_id", "at", "actor", "action", "from_state", "to_state", "attempts", "note", "changes")
    same = " AND ".join(f'NEW."{name}" IS OLD."{name}"' for name in (*fields, "group", "undoes", "operation"))
    yield f"""
        CREATE TRIGGER events_delete_refused BEFORE DELETE ON events BEGIN SELECT {_refuse(kept)}; END"""
    yield f"""
        CREATE TRIGGER events_update_refused BEFORE UPDATE ON events
        WHEN NOT (OLD.hash IS NULL AND NEW.hash IS NOT NULL AND {same}) BEGIN SELECT {_refuse(kept)}; END"""
    yield f"""
        CREATE TRIGGER events_insert_refused BEFORE INSERT ON events
        WHEN NEW.seq > 0 OR EXISTS (SELECT 1 FROM events WHERE operation = NEW.operation)
          OR {_NO_MOMENT} BEGIN
          SELECT CASE WHEN {_NO_MOMENT}
            THEN {_refuse("at is a moment in UTC, like 2026-01-31T09:00:00.000000Z")}
            ELSE {_refuse("an event gets its seq from the database, and its operation must be new")} END;
        END"""
    yield f"""
        CREATE TRIGGER events_seq_refused AFTER INSERT ON events WHEN NEW.seq < 1 BEGIN
          SELECT {_refuse("an event gets its seq from the database")};
        END"""


def _event(action: str, row: str, before: str, after: str, attempts: str, changes: str) -> str:
    return f"""INSERT INTO events (task_id, at, actor, action, from_state, to_state, attempts, changes)
            SELECT {row}.id, {_AT}, {_text(EXTERNAL)}, {action},
              {before}, {after}, {attempts}, {changes}"""


def _whole_row(row: str, *, added: bool) -> str:
    rows = []
    for name in (*_TEXTS, *_WHOLES, *_JSON):
        nothing = _text("[]" if name in LISTS else "")
        value = f"CASE WHEN {row}.{name} <> {nothing} THEN {row}.{name} END"
        rows.append(_change(name, "NULL", value) if added else _change(name, value, "NULL"))
    return _changes(rows)


def _changes(rows: list[str]) -> str:
    union = " UNION ALL ".join(rows)
    return f"(SELECT json_group_object(field, json_array(json(before), json(after))) FROM ({union}))"


def _change(name: str, before: str, after: str) -> str:
    quote = "coalesce(json({}), 'null')" if name in _JSON else "json_quote({})"
    old, new = quote.format(before), quote.format(after)
    really = f"({before}) IS NOT ({after})" + (f" AND {old} IS NOT {new}" if name in _JSON else "")
    return f"SELECT {_text(name)} AS field, {old} AS before, {new} AS after WHERE {really}"


def _again() -> str:
    pairs = " OR ".join(
        f"OLD.state = {_text(before)} AND NEW.state = {_text(after)}"
        for before, after in product(State, State)
        if (action := machine.action_between(before, after)) is not None and machine.RULES[action].again
    )
    return f"({pairs})"


def _too_deep() -> str:
    """The event of a change holds its values two levels deeper, which SQLite must be able to read as well."""
    return " OR ".join(f"(json_valid(NEW.{name}) AND NOT json_valid('[[' || NEW.{name} || ']]'))" for name in _JSON)


def _unknown() -> str:
    return f"NEW.state NOT IN ({', '.join(map(_text, State))})"


def _no_such_state() -> str:
    return f"there is no such state; the states are {', '.join(State)}"


def _refuse(reason: str) -> str:
    return f"RAISE(ABORT, {_text(reason)})"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
