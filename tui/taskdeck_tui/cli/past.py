"""The command that tells of the past: the board or a task as it was, the events between two moments, or a story."""

from __future__ import annotations

from argparse import Namespace
from contextlib import closing, suppress

from taskdeck_store import clock
from taskdeck_store.contract import Fault, Store
from taskdeck_store.machine import Code
from taskdeck_store.moments import parse_moment
from taskdeck_store.paging import every_event
from taskdeck_store.past import Past
from taskdeck_store.salvage import open_readable
from taskdeck_tui.cli.columns import cut
from taskdeck_tui.cli.exits import OF_REFUSAL, Exit, UsageError
from taskdeck_tui.cli.log import tell_events
from taskdeck_tui.cli.output import DIM, Output
from taskdeck_tui.cli.reading import described, rows, told_damage
from taskdeck_tui.telling import moment


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
            past.go(_position(past, "--at", options.at))
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
            return told_damage(store, output)
        if output.columns is not None:
            output.line(output.paint(cut(f"as it was {_standing(past)}", output.columns), DIM))
        lines = rows(tasks, output, at) if options.id is None else described(tasks[0], output, at)
        for line in lines:
            output.line(line)
        if not tasks and output.columns is not None:
            output.line("no tasks")
        unrecorded = past.timeline.unrecorded(past.position)
        if unrecorded and options.id is None:
            tasks_were = "1 task was" if unrecorded == 1 else f"{unrecorded:,} tasks were"
            output.note(f"{tasks_were} there too, of which nothing is on record yet")
        return told_damage(store, output)


def _without_a_log(store: Store, output: Output) -> Exit:
    message = f"there is no past to go to: {store.address} has no audit log until something is done to it"
    output.error(Fault.MISSING, message)
    return Exit.STORE


def _between(options: Namespace, output: Output) -> Exit:
    # Not opened read-only, as `log` is not: what changed outside is put on record first.
    with closing(open_readable(options.store)) as store:
        with store.reading():
            past = Past(store)
            past.read_all()
            first = 0 if options.begins is None else _position(past, "--from", options.begins, begins=True)
            last = past.end if options.ends is None else _position(past, "--to", options.ends)
            output.mended(store.mended)

            after, until = past.timeline.seqs[first], past.timeline.seqs[last]
            tell_events(every_event(store, options.id, after=after, until=until), output)
        return told_damage(store, output)


def _position(past: Past, option: str, text: str, *, begins: bool = False) -> int:
    """Return the position that an option means: after its moment, or its event; with `begins`, before it."""
    timeline, word = past.timeline, text.strip()
    with suppress(ValueError):
        seq = int(word.removeprefix("#")) if word.removeprefix("#").isdecimal() else -1
        if seq >= 0:
            return timeline.position_of(seq - 1 if begins else seq)
    try:
        time = clock.to_microseconds(parse_moment(text, clock.utc_now()))
    except ValueError as error:
        raise UsageError(f"{option}: {error}; or the number of an event") from None
    return timeline.position_at(time - 1 if begins else time)


def _standing(past: Past) -> str:
    if past.position == 0:
        return "before the first event"
    at = f", {moment(past.now)}" if past.now is not None else ""
    return f"after event {past.timeline.seqs[past.position]:,}{at}"
