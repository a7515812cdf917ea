"""The command that tells of the past: the board or a task as it was, the events between two moments, or a story."""

from __future__ import annotations

from argparse import Namespace
from contextlib import closing, suppress

from taskdeck_store import clock
from taskdeck_store.contract import Fault, Store
from taskdeck_store.machine import Code
from taskdeck_store.moments import parse_moment
from taskdeck_store.past import Past
from taskdeck_store.readable import open_readable
from taskdeck_tui.cli.columns import cut
from taskdeck_tui.cli.exits import OF_REFUSAL, Exit, UsageError
from taskdeck_tui.cli.log import is_known, tell_events, tell_gaps
from taskdeck_tui.cli.output import DIM, Output
from taskdeck_tui.cli.reading import described, rows, told_damage
from taskdeck_tui.safe import safe
from taskdeck_tui.telling import moment

_NAMED = 5


def replay(options: Namespace, output: Output) -> int:
    """Write what was, as the options ask; without any of them, open the past on a screen."""
    between = options.begins is not None or options.ends is not None
    if options.at is not None and between:
        raise UsageError("choose one of --at, for the board then, and --from and --to, for the events between")
    if (options.why or options.markdown) and (options.at is not None or between):
        raise UsageError("--why and --markdown tell a task's whole story; leave out --at, --from and --to")
    if options.at is not None:
        return _at(options, output)
    if between:
        return _between(options, output)
    if options.id is not None:
        from taskdeck_tui.cli.story import tell

        return tell(options, output)
    if output.json or options.why or options.markdown:
        raise UsageError("name a task, or a moment with --at, as in: taskdeck replay tasks.db t-1 --why")
    with closing(open_readable(options.store, read_only=True)) as store:
        if not store.audited:
            return _without_a_log(store, output)
    from taskdeck_tui.cli.screens import past

    return past(options)


def _at(options: Namespace, output: Output) -> Exit:
    with closing(open_readable(options.store, read_only=True)) as store:
        if not store.audited:
            return _without_a_log(store, output)
        with store.reading():
            past = Past(store)
            past.read_all()
            past.go(_position(past, "--at", options.at, is_there=True))
            tasks = past.tasks() if options.id is None else [task for task in [past.get(options.id)] if task]
        output.mended(store.mended)
        at = past.now or clock.utc_now()
        if not tasks and options.id is not None:
            message = f"there was no task {options.id} in this store {_standing(past)}"
            output.error(Code.NOT_FOUND, message, {"task_id": options.id})
            return OF_REFUSAL[Code.NOT_FOUND]
        if output.json:
            if options.id is None:
                output.array(tasks)
            else:
                output.document(tasks[0])
            _tell_doubts(past, options.id, output)
            return told_damage(store, output)
        if output.columns is not None:
            output.line(output.paint(cut(f"as it was {_standing(past)}", output.columns), DIM))
        lines = rows(tasks, output, at) if options.id is None else described(tasks[0], output, at)
        for line in lines:
            output.line(line)
        if not tasks and output.columns is not None:
            output.line("no tasks")
        _tell_doubts(past, options.id, output)
        return told_damage(store, output)


def _tell_doubts(past: Past, task_id: str | None, output: Output) -> None:
    """Say on stderr what the log does not tell of a position."""
    timeline, position = past.timeline, past.position
    tell_gaps(timeline.missing(position), output)
    unrecorded = timeline.unrecorded(position) if task_id is None else 0
    if unrecorded:
        tasks_were = "1 task was" if unrecorded == 1 else f"{unrecorded:,} tasks were"
        output.in_doubt(f"{tasks_were} there too, of which nothing is on record yet")
    headless = [task for task in past.headless() if task_id in (None, task)]
    if headless:
        shown = ", ".join(map(safe, headless[:_NAMED])) + (", …" if len(headless) > _NAMED else "")
        output.in_doubt(f"of these tasks the beginning is not on record, nor what no later event tells: {shown}")


def _without_a_log(store: Store, output: Output) -> Exit:
    if store.damage is not None:
        return told_damage(store, output)
    message = f"there is no past to go to: {store.address} has no audit log until something is done to it"
    output.error(Fault.MISSING, message)
    return Exit.STORE


def _between(options: Namespace, output: Output) -> Exit:
    # Not opened read-only, as `log` is not: what changed outside is put on record first.
    with closing(open_readable(options.store)) as store:
        with store.reading():
            if options.id is not None and not is_known(store, options.id, output):
                return OF_REFUSAL[Code.NOT_FOUND]
            past = Past(store)
            past.read_all()
            first = 0 if options.begins is None else _position(past, "--from", options.begins, begins=True)
            last = past.end if options.ends is None else _position(past, "--to", options.ends)
            if options.begins is not None and options.ends is not None and _is_backwards(options, first, last):
                raise UsageError(f"the span is empty: --from {options.begins} is not before --to {options.ends}")
            output.mended(store.mended)
            after, until = past.timeline.seqs[first], past.timeline.seqs[last]
            tell_events(store, options.id, output, after=after, until=until)
        return told_damage(store, output)


def _position(past: Past, option: str, text: str, *, begins: bool = False, is_there: bool = False) -> int:
    """Return the position that an option means: after its moment, or its event; with `begins`, before it.

    With `is_there`, a number that no event has yet is refused. Raises UsageError.
    """
    timeline, word = past.timeline, text.strip()
    with suppress(ValueError):
        digits = word.removeprefix("#")
        seq = int(digits) if digits.isdecimal() and digits.isascii() else -1
        if is_there and seq > timeline.seqs[past.end]:
            raise UsageError(f"{option}: the log ends with event {timeline.seqs[past.end]:,}")
        if seq >= 0:
            return timeline.position_of(seq - 1 if begins else seq)
    try:
        time = clock.to_microseconds(parse_moment(text, clock.utc_now()))
    except ValueError as error:
        raise UsageError(f"{option}: {error}; or the number of an event") from None
    return timeline.position_at(time - 1 if begins else time)


def _is_backwards(options: Namespace, first: int, last: int) -> bool:
    """Tell whether a span ends before it begins: by its moments, which may lie where no event is, or its events."""
    now = clock.utc_now()
    with suppress(ValueError):
        return parse_moment(options.begins, now) > parse_moment(options.ends, now)
    return first > last


def _standing(past: Past) -> str:
    if past.position == 0:
        return "before the first event"
    at = f", {moment(past.now)}" if past.now is not None else ""
    return f"after event {past.timeline.seqs[past.position]:,}{at}"
