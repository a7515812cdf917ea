"""The command that measures what the audit log tells, in tables and charts of text."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing

from taskdeck_store import clock
from taskdeck_store.clock import to_seconds
from taskdeck_store.figures import Flow, Lengths, Ranking, Statistics, Throughput, Unknown
from taskdeck_store.moments import parse_moment
from taskdeck_store.readable import open_readable
from taskdeck_store.statistics import BUCKETS, gathered
from taskdeck_store.values import Action, State, Time
from taskdeck_tui.cli import charts
from taskdeck_tui.cli.columns import cut, fill, width
from taskdeck_tui.cli.exits import Exit, UsageError
from taskdeck_tui.cli.output import BOLD, Output
from taskdeck_tui.cli.reading import asked, told_damage
from taskdeck_tui.glyphs import WORDS
from taskdeck_tui.safe import safe

_PIPE_COLUMNS = 80
_NOTHING = "–"
_LABEL = 2 + 2 + max(map(len, WORDS.values()))
_NARROWEST = 8
_SHARE = 5
"""The bars of names take one in so many columns."""
_FEWEST_BUCKETS = 10
_NAMES = 8
_ACTORS = 12
_WIDEST_NAME = 16
_WIDEST_ACTION = 12
_OTHER = "other"


def stats(options: Namespace, output: Output) -> Exit:
    """Write the statistics of a store's audit log over a span, of the tasks that match now.

    Nothing is put on record for it: what a task file's log does not have yet is not counted.
    """
    query = asked(options.query)
    begins, ends = _span(options.begins, options.ends)
    columns = output.columns or _PIPE_COLUMNS
    buckets = BUCKETS if output.json else min(BUCKETS, max(_FEWEST_BUCKETS, _chart_columns(columns)))
    with closing(open_readable(options.store, read_only=True)) as store:
        found = gathered(store, query, begins=begins, ends=ends, buckets=buckets, now=clock.utc_now())
        audited = store.audited
    output.mended(store.mended)
    if output.json:
        output.document(found)
    else:
        for line in _told(found, audited, columns, output):
            output.line(line)
    return told_damage(store, output)


def _span(begins: str | None, ends: str | None) -> tuple[Time | None, Time | None]:
    """Return the bounds that were asked for; a span that begins at a moment ends now. Raises UsageError."""
    now = clock.utc_now()
    bounds: dict[str, Time | None] = {"--from": None, "--to": None}
    for name, text in zip(bounds, (begins, ends), strict=True):
        try:
            bounds[name] = parse_moment(text, now) if text is not None else None
        except ValueError as error:
            raise UsageError(f"{name}: {error}") from None
    first, last = bounds.values()
    if first is not None and last is None:
        last = now
    if first is not None and last is not None and first >= last:
        raise UsageError(f"the span is empty: --from {_second(first)} is not before --to {_second(last)}")
    return first, last


def _told(found: Statistics, audited: bool, columns: int, output: Output) -> Iterator[str]:
    empty = _why_empty(found, audited)
    if empty is not None:
        yield empty
        return
    for line in _heading(found):
        yield cut(line, columns)
    numbers = max(_NARROWEST, len(f"{found.events:,}") + 2)
    sections: dict[str, Iterator[str]] = {
        "Throughput": _fitting(_throughput(found.throughput, numbers, columns), columns),
        "Time in each state": _stays(found, numbers, columns, output),
        "From add to completed": _fitting(_cycle(found.cycle), columns),
        "Attempts of completed tasks": _fitting(_attempts(found, columns), columns),
        "Failures by error": _fitting(_ranking(found.failures.errors, "no error on record", columns), columns),
        "Failures by worker": _fitting(_ranking(found.failures.workers, "not on record", columns), columns),
        "Actions by actor": _fitting(_actors(found, numbers, columns), columns),
        "Not on record": _fitting(_unknown(found.unknown), columns),
    }
    for title, lines in sections.items():
        for number, line in enumerate(lines):
            if number == 0:
                yield ""
                yield output.paint(cut(title, columns), BOLD)
            yield line


def _fitting(lines: Iterator[str], columns: int) -> Iterator[str]:
    return (cut(line, columns) for line in lines)


def _why_empty(found: Statistics, audited: bool) -> str | None:
    """Return why there is nothing to tell; None where there is something."""
    if not audited:
        return "no audit log yet: it begins with the first change through Taskdeck; there is nothing to measure"
    if found.matching == 0:
        return "no task matches now, so there is nothing to measure"
    if found.recorded_from is None or found.recorded_to is None:
        return "nothing is on record: the audit log has no event" + (" of these tasks" if found.matching else "")
    if not found.events:
        whose = " of these tasks" if found.matching else ""
        first, last = (_second(moment) if moment else _NOTHING for moment in (found.begins, found.ends))
        recorded = f"{_second(found.recorded_from)} to {_second(found.recorded_to)} UTC"
        return f"no event{whose} from {first} to {last} UTC; on record is {recorded}"
    return None


def _heading(found: Statistics) -> Iterator[str]:
    begins, ends = found.begins or "", found.ends or ""
    long = charts.length(round(to_seconds(ends) - to_seconds(begins), 1))
    yield f"{_second(begins)} to {_second(ends)} UTC, {long}"
    counted = f"{_many(found.events, 'event')} of {_many(found.tasks, 'task')}"
    if found.matching is not None:
        matching = "1 task that matches" if found.matching == 1 else f"{found.matching:,} tasks that match"
        counted += f"; counted are only those of the {matching} now"
    yield counted
    if found.noticed:
        yield f"{found.noticed:,} of the events are by outside programs, and count when they were noticed"


def _chart_columns(columns: int) -> int:
    return columns - _LABEL - 3 * _NARROWEST - 1


def _throughput(found: Throughput, numbers: int, columns: int) -> Iterator[str]:
    if not found.buckets:
        return
    wide = max(_chart_columns(columns) // len(found.buckets), 1)
    chart = wide * len(found.buckets)
    yield f"{'':{_LABEL}}{'':{chart}} {'in all':>{numbers}}{'an hour':>{numbers}}{'peak':>{numbers}}"
    flows: dict[str, Flow] = {
        "added": found.added,
        "completed": found.completed,
        "rejected": found.rejected,
        "failed": found.failed,
    }
    for name, flow in flows.items():
        counts = [getattr(bucket, name) for bucket in found.buckets]
        rate = _NOTHING if flow.per_hour is None else _figure(flow.per_hour)
        figures = f"{flow.count:>{numbers},}{rate:>{numbers}}{max(counts):>{numbers},}"
        yield f"  {name:<{_LABEL - 2}}{charts.row(counts, wide)} {figures}"
    yield f"{'':{_LABEL}}{charts.axis([bucket.at for bucket in found.buckets], found.bucket_seconds, wide)}"
    yield f"  one bar is {charts.round_length(found.bucket_seconds)}; each row is as high as its own peak"


def _stays(found: Statistics, numbers: int, columns: int, output: Output) -> Iterator[str]:
    heads = ("stays", "median", "p95", "longest", "open")
    room = columns - _LABEL - len(heads) * numbers - 2
    most = max((stays.p95 or 0 for stays in found.stays.values()), default=0)
    yield cut(f"{'':{_LABEL}}{''.join(f'{head:>{numbers}}' for head in heads)}", columns)
    for state in State:
        stays = found.stays[state]
        figures = f"{stays.count:>{numbers},}{_lengths(stays, numbers)}{stays.still_there:>{numbers},}"
        chart = charts.spread(stays.median or 0, stays.p95 or 0, most, room) if most and room > 0 else ""
        told = cut(f"{figures}  {chart}".rstrip(), columns - _LABEL)
        yield f"  {output.state(state, _LABEL - 2)}{told}"
    yield cut("  █ up to the median, ░ up to the p95; open had not ended and are not measured", columns)
    before = sum(stays.began_before for stays in found.stays.values())
    unknown = sum(stays.unknown for stays in found.stays.values())
    if before:
        yield cut(f"  {_many(before, 'stay')} began before the span, and {_are(before)} measured whole", columns)
    if unknown:
        why = f"{_are(unknown)} not measured: the beginning or end is not on record"
        yield cut(f"  {_many(unknown, 'stay')} more {why}", columns)


def _lengths(found: Lengths, numbers: int) -> str:
    every = (found.median, found.p95, found.longest)
    return "".join(f"{_NOTHING if one is None else charts.length(one):>{numbers}}" for one in every)


def _cycle(found: Lengths) -> Iterator[str]:
    if found.count:
        every = {"median": found.median, "p95": found.p95, "longest": found.longest}
        told = ", ".join(f"{name} {charts.length(one)}" for name, one in every.items() if one is not None)
        yield f"  {_many(found.count, 'task')}: {told}"
    if found.unknown:
        yield f"  {found.unknown:,} more completed, and when they were added is not on record"


def _attempts(found: Statistics, columns: int) -> Iterator[str]:
    counts, mean = found.attempts.counts, found.attempts.mean
    if mean is not None:
        shown = {f"{number:,}": counts[number] for number in list(counts)[:_NAMES]}
        more = sum(list(counts.values())[_NAMES:])
        yield from _bars({**shown, **({"more": more} if more else {})}, columns)
        yield f"  how often a task had gone back to the queue; {mean:.2f} in the mean"
    if found.attempts.unknown:
        yield f"  {found.attempts.unknown:,} more tell a number of attempts that cannot be"


def _bars(counts: Mapping[str, int], columns: int) -> Iterator[str]:
    names = max(map(len, counts))
    numbers = max(len(f"{count:,}") for count in counts.values())
    room, most = max(columns - names - numbers - 6, 1), max(counts.values())
    for name, count in counts.items():
        yield f"  {name:>{names}}  {count:>{numbers},}  {charts.bar(count / most, room)}"


def _ranking(found: Ranking, nameless: str, columns: int) -> Iterator[str]:
    if not found.top:
        return
    shown, more = found.top[:_NAMES], found.top[_NAMES:]
    others, rest = found.others + len(more), found.rest + sum(one.count for one in more)
    numbers = max(len(f"{count:,}") for count in (rest, *(one.count for one in shown)))
    room = columns // _SHARE
    for one in shown:
        chart = charts.bar(one.count / shown[0].count, room)
        name = f"({nameless})" if one.name is None else safe(one.name)
        yield f"  {one.count:>{numbers},}  {fill(chart, room)}  {name}"
    if others:
        yield f"  {rest:>{numbers},}  {'':{room}}  {_many(others, 'other')}"


def _actors(found: Statistics, numbers: int, columns: int) -> Iterator[str]:
    """Yield a table of actors by actions: those that were done most often, as far as there is room."""
    shown = found.actors[:_ACTORS]
    names = min(_WIDEST_NAME, max(map(width, (safe(actor.name) for actor in shown)), default=0))
    kinds = _kinds(found, columns - 2 - names - numbers)
    yield f"  {'':{names}}{'in all':>{numbers}}" + "".join(f"  {safe(kind)}" for kind in kinds)
    for actor in shown:
        actions = dict(actor.actions)
        actions[_OTHER] = sum(count for action, count in actions.items() if action not in kinds)
        figures = "".join(f"{_count(actions.get(kind, 0)):>{width(safe(kind)) + 2}}" for kind in kinds)
        yield f"  {fill(cut(safe(actor.name), names), names)}{actor.events:>{numbers},}{figures}"
    more = found.actors[_ACTORS:]
    if more:
        events = sum(actor.events for actor in more)
        yield f"  {fill('', names)}{events:>{numbers},}  by {_many(len(more), 'other')}"


def _kinds(found: Statistics, room: int) -> Sequence[str]:
    """Return the actions that have a column: all, or the most frequent ones and one for all others."""
    counts: dict[str, int] = {}
    for actor in found.actors:
        for action, count in actor.actions.items():
            counts[action] = counts.get(action, 0) + count
    order = [*map(str, Action), *sorted(counts.keys() - set(Action))]
    every = [action for action in order if action in counts and width(safe(action)) <= _WIDEST_ACTION]
    by_count = sorted(every, key=lambda action: -counts[action])
    for taken in range(len(every), -1, -1):
        most = set(by_count[:taken])
        kinds = [action for action in every if action in most] + [_OTHER] * (taken < len(counts))
        if sum(width(safe(kind)) + 2 for kind in kinds) <= room:
            break
    return kinds


def _unknown(found: Unknown) -> Iterator[str]:
    if found.gaps:
        yield f"  {_many(found.missing, 'event')} missing in {_many(found.gaps, 'gap')} of the log"
    if found.headless:
        yield f"  {_many(found.headless, 'task')} whose beginning is not in the log"
    if found.midway:
        yield f"  {_many(found.midway, 'task')} that the log found already there, with nothing on what was before"
    if found.contradicting:
        yield f"  {_many(found.contradicting, 'event')} from another state than the event before led to"
    if found.undated:
        yield f"  {_many(found.undated, 'event')} without a moment that can be right, in none of these figures"
    most_met = sorted(found.actions.items(), key=lambda one: -one[1])
    for action, count in most_met[:_NAMES]:
        yield f"  {_many(count, 'event')} of an action that Taskdeck does not know: {safe(action)}"
    if most_met[_NAMES:]:
        yield f"  {_many(sum(count for _, count in most_met[_NAMES:]), 'event')} of still others"


def _many(count: int, word: str) -> str:
    return f"1 {word}" if count == 1 else f"{count:,} {word}s"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _count(count: int) -> str:
    return f"{count:,}" if count else "·"


def _figure(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}"


def _second(moment: Time) -> str:
    return moment[:19].replace("T", " ")
