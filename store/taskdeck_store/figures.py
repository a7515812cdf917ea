"""Statistics of an audit log as frozen values; `taskdeck_store.statistics` makes them."""

from __future__ import annotations

from array import array
from collections.abc import Mapping

from msgspec import Struct, field

from taskdeck_store.values import State, Time


class Lengths(Struct, frozen=True, kw_only=True):
    """Lengths of time that ended within a span, in seconds; None where there are none.

    `median` is the middle one or the mean of the two in the middle, `p95` the smallest that 95 in 100 do not exceed
    (nearest rank). `began_before` of the `count` began before the span and are measured whole, for their beginning is
    on record. `unknown` are not among them: their beginning or end is not on record, or lies the wrong way round.
    """

    count: int = 0
    median: float | None = None
    p95: float | None = None
    longest: float | None = None
    began_before: int = 0
    unknown: int = 0


class Stays(Lengths, frozen=True, kw_only=True):
    """The stays of tasks in one state; `still_there` had not ended when the span did, and are not measured."""

    still_there: int = 0


class Bucket(Struct, frozen=True, kw_only=True):
    """What happened from a moment on until the next bucket's; the first begins with the span."""

    at: Time
    added: int
    completed: int
    rejected: int
    failed: int


class Flow(Struct, frozen=True, kw_only=True):
    """How many there were of one kind of event; `per_hour` is None in a span of less than a minute."""

    count: int
    per_hour: float | None


class Throughput(Struct, frozen=True, kw_only=True):
    """What came in and what got done, in all and by buckets of `bucket_seconds`, whose bounds are round times.

    `added` counts new tasks that began in pending, `completed` and `failed` moves into these states, `rejected`
    results sent back. What an undo moves is no work, and not counted here; nor is what was undone taken away.
    """

    added: Flow
    completed: Flow
    rejected: Flow
    failed: Flow
    bucket_seconds: int
    buckets: tuple[Bucket, ...]


class Attempts(Struct, frozen=True, kw_only=True):
    """How often tasks had gone back to the queue when they were completed: attempts → how many tasks.

    `unknown` are completions whose event tells a number that no task can have.
    """

    counts: Mapping[int, int]
    mean: float | None
    unknown: int


class Named(Struct, frozen=True):
    """A name and how often it was met; no name where none is on record."""

    name: str | None
    count: int


class Ranking(Struct, frozen=True, kw_only=True):
    """The names met most often, and how often the `others`, so many names, were met in all: `rest`."""

    top: tuple[Named, ...]
    others: int
    rest: int


class Failures(Struct, frozen=True, kw_only=True):
    """Moves into failed: by the first line of the error, with ``#`` for any number or hexadecimal id, and by worker.

    The worker is the task's owner at the time, or who failed it where nobody owned it; None where it is not on record.
    """

    count: int
    errors: Ranking
    workers: Ranking


class Actor(Struct, frozen=True, kw_only=True):
    """What one actor did: action → how often."""

    name: str
    events: int
    actions: Mapping[str, int]


class Unknown(Struct, frozen=True, kw_only=True):
    """What the log does not say. All of it was read for this, also what lies outside the span; `actions` was not.

    `gaps` are places where `missing` events are, of whichever tasks: a length of time with one in it is not measured.
    `headless` tasks are first told of by an event that moves or changes them, `midway` ones were there when the log
    first knew of them (see `taskdeck_store.replay.is_found`). `contradicting` events come from another state than the
    event before led to. `undated` events tell no moment, or one that has not come: they lie in no span. `actions`,
    with how often they were met, are none that Taskdeck knows.
    """

    gaps: int
    missing: int
    headless: int
    midway: int
    contradicting: int
    undated: int
    actions: Mapping[str, int]


class Statistics(Struct, frozen=True, kw_only=True):
    """What an audit log tells of a span of time, which begins at `begins` and ends before `ends`.

    Where a bound was not given, it is the moment of the first or of the last event, which is counted too; None where
    there is none. `recorded_from` and `recorded_to` are the moments of the earliest and the latest event on record.
    `matching` says how many tasks matched the query now, and all else is told of these tasks alone; None without a
    query. `events` lie in the span, and are of so many `tasks`; `noticed` of them were done by outside programs, and
    count at the moment at which they were noticed. `stays` has every state. `cycle` is from add to completed.

    As JSON, this is the document of ``taskdeck stats --json``: the fields by name, but `begins` as ``from`` and `ends`
    as ``to``; moments as text, lengths of time as seconds. ``attempts.counts``, ``stays`` and ``actions`` are objects.
    """

    begins: Time | None = field(name="from")
    ends: Time | None = field(name="to")
    recorded_from: Time | None
    recorded_to: Time | None
    matching: int | None
    events: int
    tasks: int
    noticed: int
    throughput: Throughput
    stays: Mapping[State, Stays]
    cycle: Lengths
    attempts: Attempts
    failures: Failures
    actors: tuple[Actor, ...]
    unknown: Unknown


def median(ordered: array[float]) -> float | None:
    """Return the middle of ascending numbers, or the mean of the two in the middle; None of none."""
    if not ordered:
        return None
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def percentile(ordered: array[float], percent: int) -> float | None:
    """Return the smallest of ascending numbers that so many in 100 do not exceed (nearest rank); None of none."""
    return ordered[-(-len(ordered) * percent // 100) - 1] if ordered else None
