"""The command that tells a monitoring system about a store, in the text format of Prometheus."""

from __future__ import annotations

import os
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import closing
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import to_builtins

from taskdeck_store import clock
from taskdeck_store.contract import Store, StoreError
from taskdeck_store.metrics import BOUNDS, Meter, Metrics
from taskdeck_store.readable import open_readable
from taskdeck_store.values import Json, Time
from taskdeck_tui.cli.exits import Exit, OutputError, UsageError
from taskdeck_tui.cli.output import Output
from taskdeck_tui.cli.reading import told_damage

if TYPE_CHECKING:
    from prometheus_client.core import Metric
    from prometheus_client.registry import CollectorRegistry

_PAUSE = 1.0
"""Seconds between two looks, however much happens: nobody asks more often."""
_LONGEST = 30.0
_NEEDED = "this needs a library that is not installed; run: pip install 'taskdeck[metrics]'"


def metrics(options: Namespace, output: Output) -> Exit:
    """Write the metrics of a store once, to a file or to stdout, or answer whoever asks for them until interrupted."""
    if options.listen is not None and options.file is not None:
        raise UsageError("--listen answers whoever asks, and --file writes once; give one of them")
    with closing(open_readable(options.store, read_only=True)) as store:
        meter = Meter(store, clock.utc_now)
        if options.listen is not None:
            host, port = options.listen
            _serve(host, port, meter, store, output)
        found = meter.read()
        output.mended(store.mended)
        if options.file is not None:
            _put(Path(options.file), _text(found))
        elif output.json:
            output.document(_document(found))
        else:
            output.line(_text(found).decode().rstrip("\n"))
    return told_damage(store, output)


class _Latest:
    """What is told whoever asks, in whatever thread: the last good look, and whether the store can be read."""

    def __init__(self, found: Metrics) -> None:
        self.found = found
        self.is_up = True

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics, as prometheus_client asks for them."""
        from prometheus_client.core import GaugeMetricFamily

        yield GaugeMetricFamily("taskdeck_up", "Whether the store could be read at the last look.", int(self.is_up))
        yield from _families(self.found, clock.utc_now())


def _serve(host: str, port: int, meter: Meter, store: Store, output: Output) -> None:
    """Answer whoever asks, until interrupted; what they are told is at most a second old."""
    latest = _Latest(meter.read())
    try:
        from prometheus_client import start_http_server

        server, serving = start_http_server(port, addr=host, registry=_registry(latest))
    except ImportError:
        raise UsageError(_NEEDED) from None
    except OSError as error:
        raise UsageError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    output.note(f"listening on http://{host}:{server.server_port}/metrics; ctrl+c ends it")
    try:
        while True:
            try:
                # So that `wait` tells of what comes after this look.
                store.changes()
                latest.found, latest.is_up = meter.read(), True
            except StoreError as error:
                if latest.is_up:
                    output.error(error.fault, f"{error.message}; still listening")
                latest.is_up = False
            time.sleep(_PAUSE)
            store.wait(_LONGEST)
    finally:
        server.shutdown()
        server.server_close()
        serving.join()


def _put(path: Path, text: bytes) -> None:
    """Put a file in its place whole: who collects such files may read it at any moment."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(text)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise OutputError(f"cannot write {path}: {error.strerror}") from error


def _text(found: Metrics) -> bytes:
    try:
        from prometheus_client import generate_latest
    except ImportError:
        raise UsageError(_NEEDED) from None
    return generate_latest(_registry(_Latest(found)))


def _registry(latest: _Latest) -> CollectorRegistry:
    from prometheus_client import CollectorRegistry

    registry = CollectorRegistry()
    registry.register(latest)
    return registry


def _families(found: Metrics, now: Time) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    tasks = GaugeMetricFamily("taskdeck_tasks", "How many tasks are in a state.", labels=["state"])
    ages = GaugeMetricFamily(
        "taskdeck_oldest_task_age_seconds", "For how long the oldest task of a state is in it.", labels=["state"]
    )
    for state, tally in found.tallies.items():
        tasks.add_metric([state], tally.count)
        if tally.oldest is not None:
            ages.add_metric([state], _seconds(now) - _seconds(tally.oldest))
    yield tasks
    yield ages
    yield GaugeMetricFamily("taskdeck_overdue_tasks", "Tasks in progress whose lease has run out.", found.overdue)
    said = "Pending tasks that depend on others which are not completed."
    yield GaugeMetricFamily("taskdeck_blocked_tasks", said, found.blocked)
    paused = GaugeMetricFamily("taskdeck_paused", "What workers do not claim, by filter.", labels=["query"])
    for pause in found.pauses:
        paused.add_metric([pause.query], 1)
    yield paused
    transitions = CounterMetricFamily(
        "taskdeck_transitions", "Events of the audit log, by what was done.", labels=["action", "from", "to"]
    )
    for (action, before, after), count in sorted(found.transitions.items(), key=str):
        transitions.add_metric([action, before or "", after or ""], count)
    yield transitions
    stays = HistogramMetricFamily(
        "taskdeck_stay_seconds", "How long tasks were in a state they left.", labels=["state"]
    )
    for state, histogram in found.stays.items():
        names = [*map(str, BOUNDS), "+Inf"]
        buckets = list(zip(names, accumulate(histogram.counts), strict=True))
        stays.add_metric([state], buckets=buckets, sum_value=histogram.seconds)
    yield stays
    if found.last_at is not None:
        said = "When the last event of the audit log happened, in seconds since 1970."
        yield GaugeMetricFamily("taskdeck_last_event_timestamp_seconds", said, _seconds(found.last_at))


def _seconds(moment: Time) -> float:
    return clock.to_seconds(clock.normalised(moment) or clock.utc_now())


def _document(found: Metrics) -> Json:
    moves = [
        {"action": action, "from_state": before, "to_state": after, "count": count}
        for (action, before, after), count in sorted(found.transitions.items(), key=str)
    ]
    stays = {state.value: {"counts": one.counts, "seconds": one.seconds} for state, one in found.stays.items()}
    tasks = {state.value: {"count": tally.count, "oldest": tally.oldest} for state, tally in found.tallies.items()}
    told = {"at": found.at, "tasks": tasks, "overdue": found.overdue, "blocked": found.blocked}
    told |= {"pauses": found.pauses, "events": found.events, "transitions": moves}
    return to_builtins({**told, "stays": {"bounds": BOUNDS, "states": stays}, "last_at": found.last_at})
