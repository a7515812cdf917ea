"""The command that works on the tasks of a store: it says what it does, and ends as it is told to."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, redirect_stdout
from types import FrameType
from typing import TYPE_CHECKING

from taskdeck_store import clock, open_store
from taskdeck_store.contract import Fault, StoreError
from taskdeck_store.reach import working
from taskdeck_store.values import Action, Json, State
from taskdeck_tui.cli.actor import VARIABLE, actor
from taskdeck_tui.cli.columns import cut, fill, width
from taskdeck_tui.cli.exits import Exit, UsageError
from taskdeck_tui.cli.handlers import loaded
from taskdeck_tui.cli.output import DIM, Output
from taskdeck_tui.cli.reading import asked
from taskdeck_tui.safe import safe
from taskdeck_tui.span import due

if TYPE_CHECKING:
    from taskdeck_store.worker import Handlers, Report, Worker
    from taskdeck_store.worker.worker import Until

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
_TICK = 1.0
"""Seconds between two looks of the line that says how it goes."""
_STATE = 13
_ECHO = 3
"""Columns left free at the end of a line: a terminal shows ctrl+c as ^C there."""
_ENDS = ("after what is under way; once more, and at once", "what is under way is given back")


def run(options: Namespace, output: Output) -> Exit:
    """Work until stopped, until the queue is empty, or on one task; report each commit, and the sum in the end."""
    from taskdeck_store.worker import Backoff, Worker

    handlers = _handlers(options)
    until: Until = "once" if options.once else "empty" if options.until_empty else "stopped"
    with closing(open_store(options.store)) as store:
        if store.read_only:
            raise StoreError(Fault.READ_ONLY, f"{options.store} cannot be written to, and a worker must")
        progress = _Progress(output)
        worker = Worker(
            store,
            handlers,
            actor=actor(options.actor) if options.actor or os.environ.get(VARIABLE) else None,
            jobs=options.jobs,
            prefetch=options.prefetch,
            processes=options.processes,
            query=asked(options.query),
            lease=options.lease,
            time_limit=options.time_limit,
            grace=options.grace,
            backoff=Backoff(first=options.backoff),
            report=progress.tell,
        )
        for clause in working(store.limits, verifies=worker.verifies):
            output.note(clause)
        # What handlers print must not lie between what is told here.
        with _stopping(worker, progress) as came, progress.of(worker, options.store), redirect_stdout(sys.stderr):
            summary = worker.run(until)
        output.mended(store.mended)
    if output.json:
        output.document({"summary": {name: getattr(summary, name) for name in summary.__struct_fields__}})
    else:
        output.line(str(summary))
    # A process manager that asked for the end takes 0 for "done as asked"; a shell expects 130 after ctrl+c.
    return Exit.INTERRUPTED if came[:1] == [signal.SIGINT] else Exit.DONE


def _handlers(options: Namespace) -> Handlers | str:
    from taskdeck_store.worker import shell

    if (options.handlers is None) == (options.command is None):
        raise UsageError("say what does the work: --handlers MODULE:OBJECT, or --exec COMMAND")
    if options.command is not None:
        if options.processes:
            raise UsageError("a command has a process of its own anyway; leave out --processes")
        return shell.handlers(options.command)
    found = loaded(options.handlers)
    return options.handlers if options.processes else found


@contextmanager
def _stopping(worker: Worker, progress: _Progress) -> Iterator[list[int]]:
    """Have signals stop a worker in the body: the first when what is under way is done, the second at once."""
    came: list[int] = []

    def take(number: int, _: FrameType | None) -> None:
        came.append(number)
        worker.stop(at_once=len(came) > 1)
        progress.stop()

    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
    before = {number: signal.signal(number, take) for number in numbers if signal.getsignal(number) != signal.SIG_IGN}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Progress:
    """What is said while a worker works: a line or a JSON document for each commit, and on a terminal how it goes."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._is_live = output.columns is not None and not output.json
        self._saying = threading.RLock()
        self._worker: Worker | None = None
        self._stops = self._stops_told = 0
        self._news = threading.Event()
        self._is_over = False

    @contextmanager
    def of(self, worker: Worker, store: str) -> Iterator[None]:
        """Say in the body how a worker gets on."""
        self._worker, self._begun = worker, time.monotonic()
        if not self._output.json:
            self._output.note(f"{worker.owner} works on {store}; ctrl+c ends it")
        ticking = threading.Thread(target=self._tick, daemon=True)
        log, telling = logging.getLogger("taskdeck.worker.store"), _Telling(self._trouble)
        log.addHandler(telling)
        ticking.start()
        try:
            yield
        finally:
            self._is_over = True
            self._news.set()
            ticking.join()
            log.removeHandler(telling)
            self._clear()

    def tell(self, report: Report) -> None:
        """Say what was committed, or that it was not."""
        if self._output.json:
            self._output.document(self._document(report))
            self._output.flush()
            return
        is_half = report.action is Action.START or (report.action is Action.SUBMIT and self._verifies)
        with self._saying:
            self._clear()
            if not is_half:
                self._output.line(self._line(report))
            self._say()

    def stop(self) -> None:
        """Have it said that the worker will end. A signal handler may call this: it writes nothing itself."""
        self._stops += 1
        self._news.set()

    def _trouble(self, message: str) -> None:
        with self._saying:
            self._clear()
            self._output.in_doubt(message)

    @property
    def _verifies(self) -> bool:
        return self._worker is not None and self._worker.verifies

    def _document(self, report: Report) -> dict[str, Json]:
        return {
            "at": clock.utc_now(),
            "task_id": report.task.id,
            "action": report.action,
            "state": report.task.state,
            "attempts": report.task.attempts,
            "seconds": round(report.seconds, 6),
            "why": report.why,
        }

    def _line(self, report: Report) -> str:
        task = report.task
        state = self._output.state(task.state, _STATE) if report.action is not None else fill("held no more", _STATE)
        why = f"  {safe(report.why.splitlines()[0])}" if report.why else ""
        attempt = f"  attempt {task.attempts} of {task.max_attempts}" if task.state is State.PENDING else ""
        later = due(task, clock.to_seconds(clock.utc_now()))
        name, rest = f"{safe(task.id)}  {safe(task.title)}", attempt + (f", {later}" if later else "") + why
        took = f"{report.seconds:7.2f} s"
        columns = self._output.columns
        if columns is not None:
            room = max(20, columns - _STATE - len(took) - 4)
            # Why a task failed is worth more than the end of its title.
            name = cut(name, max(room // 2, room - width(rest)))
            rest = cut(rest, room - width(name))
        return f"{state}  {self._output.paint(took, DIM)}  {name}{rest}"

    def _tick(self) -> None:
        while not self._is_over:
            self._news.wait(_TICK if self._is_live else None)
            self._news.clear()
            with self._saying:
                self._clear()
                while self._stops_told < self._stops:
                    self._output.note(f"stopping: {_ENDS[min(self._stops_told, 1)]}")
                    self._stops_told += 1
                self._say()

    def _say(self) -> None:
        """Leave a line at the bottom that the next one takes the place of."""
        if self._is_live and self._worker is not None and not self._is_over:
            worker, summary = self._worker, self._worker.summary
            done = summary.submitted if not worker.verifies else summary.completed
            rate = (done + summary.failed) / max(1.0, time.monotonic() - self._begun)
            text = f"{worker.busy} under way · {summary} · {rate:.1f}/s"
            self._output.status(self._output.paint(cut(text, (self._output.columns or 80) - _ECHO), DIM))

    def _clear(self) -> None:
        if self._is_live:
            self._output.status("")


class _Telling(logging.Handler):
    """Hands on what the library logs."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(record.getMessage())
