"""The commands that make: an empty store, one task, or many from JSON lines."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing

from taskdeck_store import clock, create_store, jsontext, open_store
from taskdeck_store.machine import EDITABLE, command, new_operation
from taskdeck_store.moments import parse_moment
from taskdeck_store.reach import new_ids
from taskdeck_store.validity import wrong_field, wrong_id
from taskdeck_store.values import Action, Json, Time
from taskdeck_tui.cli.acting import told
from taskdeck_tui.cli.actor import actor
from taskdeck_tui.cli.exits import OF_REFUSAL, Exit, UsageError
from taskdeck_tui.cli.outcomes import tell
from taskdeck_tui.cli.output import Output

STDIN = "-"


def init(options: Namespace, output: Output) -> Exit:
    """Make an empty store."""
    create_store(options.store)
    with closing(open_store(options.store, read_only=True)) as store:
        if output.json:
            output.document({"address": store.address, "kind": store.kind})
        else:
            output.line(f"made {store.kind} store {options.store}")
    return Exit.DONE


def add(options: Namespace, output: Output) -> Exit:
    """Put one task in the queue, or with ``-`` as title one for each line of stdin: all of them, or none."""
    given = {
        "priority": options.priority,
        "tags": options.tag,
        "data": options.data,
        "not_before": moment_given(options.not_before),
        "depends_on": options.depends_on,
    }
    fields = {name: value for name, value in given.items() if value is not None}
    sender = actor(options.actor)
    if options.title == STDIN:
        if fields or options.id is not None:
            needs = "--id, --priority, --tag, --data, --not-before and --depends-on go with a TITLE"
            raise UsageError(f"{needs}; lines from stdin bring their own")
        return _add_lines(options, sender, output)
    title = {"title": options.title}
    with closing(open_store(options.store)) as store:
        task_id = options.id if options.id is not None else next(new_ids(store.limits))
        outcomes = store.apply([command(task_id, Action.ADD, actor=sender, **title, **fields)])
        output.mended(store.mended)
        return tell([told(outcome) for outcome in outcomes], output)


def moment_given(text: str | None) -> Time | None:
    """Return the moment that --not-before names, None where it was not given. Raises UsageError."""
    if text is None:
        return None
    try:
        return parse_moment(text, clock.utc_now(), ahead=True)
    except ValueError as error:
        raise UsageError(f"--not-before: {error}") from None


def _add_lines(options: Namespace, sender: str, output: Output) -> Exit:
    asked = list(_read(_stdin()))
    seen: dict[str, int] = {}
    for line, task_id, _ in asked:
        if task_id is not None and task_id in seen:
            message = f"line {line}: the id {task_id} is that of line {seen[task_id]} too; nothing was added"
            raise UsageError(message, {"line": line, "task_id": task_id})
        seen |= {} if task_id is None else {task_id: line}
    lines = [line for line, _, _ in asked]
    group = new_operation()
    with closing(open_store(options.store)) as store:
        free = (task_id for task_id in new_ids(store.limits) if task_id not in seen)
        commands = [
            command(task_id or next(free), Action.ADD, actor=sender, group=group, **fields)
            for _, task_id, fields in asked
        ]
        outcomes = store.apply(commands, whole=True)
    output.mended(store.mended)
    refused = next((at for at, outcome in enumerate(outcomes) if outcome.refusal is not None), None)
    if refused is None:
        return tell([told(outcome) for outcome in outcomes], output)
    refusal = outcomes[refused].refusal
    assert refusal is not None
    message = f"line {lines[refused]}: {refusal.message}; nothing was added"
    output.error(refusal.code, message, {"line": lines[refused], "task_id": commands[refused].task_id})
    return OF_REFUSAL[refusal.code]


def _stdin() -> Iterable[bytes]:
    if sys.stdin is None:
        raise UsageError("stdin is closed, so there are no lines to add")
    return sys.stdin.buffer


def _read(lines: Iterable[bytes]) -> Iterator[tuple[int, str | None, Mapping[str, Json]]]:
    """Yield number, id (None: it names none) and fields of each line that is not blank. Raises UsageError at the first
    wrong one.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            fields = _fields(line)
        except ValueError as error:
            raise UsageError(f"line {number}: {error}; nothing was added", {"line": number}) from None
        task_id = fields.pop("id", None)
        yield number, task_id, fields


def _fields(line: bytes) -> dict[str, Json]:
    value = jsontext.decode(line)
    fields = {"title": value} if isinstance(value, str) else value
    if not isinstance(fields, dict):
        raise ValueError("a task is an object with a title, or a title alone")
    known = ("id", *EDITABLE)
    unknown = next((name for name in fields if name not in known), None)
    if unknown is not None:
        raise ValueError(f"there is no field {unknown[:40]!r} to add; the fields are {', '.join(known)}")
    if "title" not in fields:
        raise ValueError("a title is required")
    for name, field in fields.items():
        problem = _wrong_id(field) if name == "id" else wrong_field(name, field)
        if problem is not None:
            raise ValueError(problem)
    return fields


def _wrong_id(value: Json) -> str | None:
    if not isinstance(value, str):
        return f"an id must be text, not {str(value)[:40]}"
    return wrong_id(value)
