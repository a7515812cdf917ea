"""The commands that look: list, counts and show."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import closing

from taskdeck_store import clock
from taskdeck_store.contract import Fault, Store, Tally
from taskdeck_store.machine import missing
from taskdeck_store.query.terms import EVERYTHING, Query
from taskdeck_store.readable import open_readable
from taskdeck_store.values import Json, State, Task, Time
from taskdeck_tui.cli.actor import actor
from taskdeck_tui.cli.columns import cut, fill, width
from taskdeck_tui.cli.exits import OF_REFUSAL, Exit, UsageError
from taskdeck_tui.cli.output import BOLD, DIM, Output
from taskdeck_tui.glyphs import WORDS
from taskdeck_tui.safe import safe, safe_lines
from taskdeck_tui.span import ahead, held_back, span

_STATE_COLUMNS = 2 + max(map(len, WORDS.values()))
_WIDEST_ID = 36
_WIDEST_OWNER = 16
_ROOM_FOR_ALL = 60
"""Terminals with fewer columns show state, id and title alone."""

_NOTHING = "-"
_AROUND = 60


def list_tasks(options: Namespace, output: Output) -> Exit:
    """Write the tasks that match, in the board's order."""
    query = asked(options.query)
    with closing(open_readable(options.store, read_only=True)) as store:
        tasks = store.tasks(query, limit=options.limit)
    output.mended(store.mended)
    if output.json:
        output.array(tasks)
    elif tasks or output.columns is None:
        for line in rows(tasks, output, clock.utc_now()):
            output.line(line)
    else:
        output.line("no task matches" if query else "no tasks")
    return told_damage(store, output)


def counts(options: Namespace, output: Output) -> Exit:
    """Write how many tasks there are in each state, and since when the oldest of them is there."""
    query = asked(options.query)
    with closing(open_readable(options.store, read_only=True)) as store:
        tallies = store.counts(query)
    output.mended(store.mended)
    if output.json:
        output.document({state.value: _tally(tallies[state]) for state in State})
        return told_damage(store, output)
    now = clock.utc_now()
    figures = max(len(f"{tally.count:,}") for tally in tallies.values())
    for state in State:
        tally = tallies[state]
        oldest = f"oldest {_age(tally.oldest, now)}" if tally.oldest else ""
        output.line(f"{output.state(state, _STATE_COLUMNS)}  {tally.count:>{figures},}  {oldest}".rstrip())
    return told_damage(store, output)


def show(options: Namespace, output: Output) -> Exit:
    """Write all of one task."""
    with closing(open_readable(options.store, read_only=True)) as store:
        task = store.get(options.id)
    output.mended(store.mended)
    if task is None:
        if store.damage is not None:
            return told_damage(store, output)
        refusal = missing(options.id)
        output.error(refusal.code, refusal.message, {"task_id": options.id})
        return OF_REFUSAL[refusal.code]
    if output.json:
        output.document(task)
    else:
        for line in described(task, output, clock.utc_now()):
            output.line(line)
    return told_damage(store, output)


def told_damage(store: Store, output: Output) -> Exit:
    """Say on stderr what is lost of a store that is damaged, and return the exit code of a command that read it."""
    if store.damage is None:
        return Exit.DONE
    output.error(Fault.DAMAGED, store.damage)
    return Exit.STORE


def asked(words: Sequence[str]) -> Query:
    """Return the query that the words of a command line make. Raises UsageError that points at what is wrong."""
    if not words:
        return EVERYTHING
    from taskdeck_store.query.parse import QueryError, parse

    text = " ".join(words)
    try:
        return parse(text, me=actor(None) if "owner" in text.lower() else "")
    except QueryError as error:
        raise UsageError(error.message, {"query": text, "at": error.at}, below=_pointed_at(text, error.at)) from None


def _pointed_at(text: str, at: int) -> str:
    first = max(0, at - _AROUND)
    before = safe(text[first:at])
    return f"\n  {before}{safe(text[at : at + _AROUND])}\n  {' ' * width(before)}^"


def _tally(tally: Tally) -> Json:
    return {"count": tally.count, "oldest": tally.oldest}


def rows(tasks: Sequence[Task], output: Output, now: Time) -> Iterator[str]:
    """Yield a line for each task, with ages up to a moment: whole in a pipe, under a heading and cut on a terminal."""
    columns = output.columns
    ids = min(_WIDEST_ID, max((width(safe(task.id)) for task in tasks), default=0))
    owners = min(_WIDEST_OWNER, max((width(_owner(task)) for task in tasks), default=0))
    ages = [held_back(task, clock.to_seconds(now)) or _age(task.state_since, now) for task in tasks]
    oldest = max(map(len, ("AGE", *ages)))
    narrow = columns is not None and columns < _ROOM_FOR_ALL
    if columns is not None:
        more = "" if narrow else f"PRI  TRY  {'AGE':>{oldest}}  {fill('OWNER', owners)}  "
        yield output.paint(cut(f"{fill('STATE', _STATE_COLUMNS)}  {fill('ID', ids)}  {more}TITLE", columns), BOLD)
    for task, age in zip(tasks, ages, strict=True):
        text = f"  {fill(safe(task.id), ids)}  "
        if not narrow:
            figures = f"{task.priority:>3}  {_tries(task):>3}  {age:>{oldest}}"
            owner = _owner(task) if columns is None else cut(_owner(task), owners)
            text += f"{figures}  {fill(owner, owners)}  "
        text += safe(task.title)
        tags = " ".join(f"#{safe(tag)}" for tag in task.tags)
        if columns is not None:
            text = cut(text, columns - _STATE_COLUMNS)
            tags = cut(tags, columns - _STATE_COLUMNS - width(text) - 1)
        yield f"{output.state(task.state, _STATE_COLUMNS)}{text} {output.paint(tags, DIM)}".rstrip()


def _tries(task: Task) -> str:
    return f"{task.attempts}/{task.max_attempts}"


def _owner(task: Task) -> str:
    return safe(task.owner) if task.owner else _NOTHING


def _age(since: Time | None, now: Time) -> str:
    if since is None:
        return _NOTHING
    try:
        return span(clock.to_seconds(now) - clock.to_seconds(since))
    except ValueError:
        return _NOTHING


def _depends_on(task: Task) -> str:
    named = ", ".join(task.depends_on)
    return f"{named} ({task.blocked} to be completed)" if task.blocked else named


def described(task: Task, output: Output, now: Time) -> Iterator[str]:
    """Yield all of a task, with its age up to a moment."""
    yield f"{output.state(task.state)}  {output.paint(safe(task.title), BOLD)}"
    since = f"{safe(task.state_since)} ({_age(task.state_since, now)})" if task.state_since else ""
    left = ahead(task.not_before, clock.to_seconds(now))
    short = {
        "id": task.id,
        "priority": str(task.priority),
        "tags": ", ".join(task.tags),
        "attempts": f"{task.attempts} of {task.max_attempts}",
        "not before": f"{task.not_before} (in {left})" if left else task.not_before,
        "depends on": _depends_on(task),
        "owner": task.owner,
        "lease until": task.lease_until,
        "in this state since": since,
        "created": task.created_at,
        "updated": task.updated_at,
        "version": task.version,
    }
    for name, value in short.items():
        if value:
            yield f"{output.paint(f'{name:<19}', DIM)}  {safe(value)}"
    long = {
        "description": task.description,
        "data": _pretty(task.data),
        "result": _pretty(task.result),
        "error": task.error,
        "other fields": _pretty(task.extra or None),
    }
    for name, value in long.items():
        if value:
            yield ""
            yield output.paint(name, DIM)
            yield from (f"  {line}" for line in safe_lines(value))


def _pretty(value: Json) -> str | None:
    if value is None or isinstance(value, str):
        return value
    import json

    return json.dumps(value, indent=2, ensure_ascii=False)
